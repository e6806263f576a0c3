// Package iam holds the wire types of AWS Identity and Access Management's API,
// version 2010-05-08.
// Invariant: everything but this file is generated from internal/aws/model and
// carries AWS's own names; nothing here decides anything.
//
// Scalars are pointers: nil is "not given". Enums are *string with exported
// constants; lists hold values; a nested structure is a pointer.
package iam

//go:generate go run ../../wiregen iam ../../model .
