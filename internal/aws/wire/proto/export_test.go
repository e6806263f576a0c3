package proto

import "reflect"

// DecodeForm decodes a form and returns what was found by class, bad values apart
// from parameters that are unknown or missing.
func DecodeForm(a *API, form Form, in any) (names, values error) {
	d := decoder{api: a}
	if a.Protocol == Query {
		d.listWord = "member"
	}
	d.input(form, in)
	for _, e := range []error{d.err()} {
		if d.first.unknown != nil || d.first.missing != nil {
			names = e
		} else {
			values = e
		}
	}
	return names, values
}

// Describe builds the description of a type: it panics on a tag it cannot read.
func Describe(t reflect.Type) { describe(t) }
