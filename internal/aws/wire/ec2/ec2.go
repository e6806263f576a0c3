// Package ec2 holds the wire types of Amazon EC2's API, version 2016-11-15.
// Invariant: everything but this file is generated from internal/aws/model and
// carries AWS's own names; nothing here decides anything.
//
// Scalars are pointers: nil is "not given". Enums are *string with exported
// constants; lists hold values; a nested structure is a pointer. In answers a nil
// list is left out and an empty one is written as an empty element, which clients
// read as an empty list.
package ec2

//go:generate go run ../../wiregen ec2 ../../model .
