// Package ssm holds the wire types of AWS Systems Manager's API, version 2014-11-06.
// Invariant: everything but this file is generated from internal/aws/model and
// carries AWS's own names; nothing here decides anything.
//
// Scalars are pointers: nil is "not given". Enums are *string with exported
// constants; lists hold values; a nested structure is a pointer. In answers a nil
// list is left out and an empty one is written as [].
package ssm

//go:generate go run ../../wiregen ssm ../../model .
