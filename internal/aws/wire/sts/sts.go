// Package sts holds the wire types of AWS STS's API, version 2011-06-15.
// Invariant: everything but this file is generated from internal/aws/model and
// carries AWS's own names; nothing here decides anything.
//
// Scalars are pointers: nil is "not given". Enums are *string with exported
// constants; lists hold values; a nested structure is a pointer.
package sts

//go:generate go run ../../wiregen sts ../../model .
