// Package elbv2 holds the wire types of the Elastic Load Balancing API, version 2015-12-01.
// Invariant: everything but this file is generated from internal/aws/model and
// carries AWS's own names; nothing here decides anything.
//
// Scalars are pointers: nil is "not given". Enums are *string with exported
// constants; lists hold values; a nested structure is a pointer.
package elbv2

//go:generate go run ../../wiregen elbv2 ../../model .
