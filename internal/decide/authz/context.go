package authz

import (
	"slices"
	"strings"
)

// Context is what is known of a request: condition keys with their values. Keys
// are compared without case.
type Context []Key

// Key is one condition key as it is written, with the values that the request has.
type Key struct {
	Name   string
	Values []string
}

// Get gives the values of a key; ok is false when the request does not have it.
func (c Context) Get(name string) (values []string, ok bool) {
	for i := range c {
		if len(c[i].Name) == len(name) && strings.EqualFold(c[i].Name, name) {
			return c[i].Values, true
		}
	}
	return nil, false
}

// With gives a context that has the keys of both; those of more come first and
// hide others of the same name.
func (c Context) With(more ...Key) Context { return append(slices.Clone(more), c...) }

// Add appends a key with one value, unless it is empty.
func (c *Context) Add(name, value string) {
	if value != "" {
		*c = append(*c, Key{name, []string{value}})
	}
}
