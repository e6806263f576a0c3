// Package servicequotas holds the wire types of the Service Quotas API, version 2019-06-24.
// Invariant: everything but this file is generated from internal/aws/model and
// carries AWS's own names; nothing here decides anything.
//
// Scalars are pointers: nil is "not given". Enums are *string with exported
// constants; lists hold values; a nested structure is a pointer. In answers a nil
// list is left out and an empty one is written as [].
package servicequotas

//go:generate go run ../../wiregen servicequotas ../../model .
