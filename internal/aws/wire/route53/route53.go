// Package route53 holds the wire types of Amazon Route 53's API, version 2013-04-01.
// Invariant: everything but this file is generated from internal/aws/model and
// carries AWS's own names; nothing here decides anything.
//
// Scalars are pointers: nil is "not given". Enums are *string with exported
// constants; lists hold values; a nested structure is a pointer.
package route53

//go:generate go run ../../wiregen route53 ../../model .
