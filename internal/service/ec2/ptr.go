package ec2

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/state"
)

// ptr gives a pointer to a copy: the wire types hold optional scalars.
func ptr[T any](v T) *T { return &v }

// val reads an optional scalar; nil is the zero value.
func val[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// opt gives nil for an empty text, which leaves the element out of the answer.
func opt(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// prefixText is a prefix as AWS prints it; nil when it is not set.
func prefixText(p netip.Prefix) *string {
	if !p.IsValid() {
		return nil
	}
	return ptr(p.String())
}

// yes is a boolean as filters spell it.
func yes(b bool) []string {
	if b {
		return []string{"true"}
	}
	return []string{"false"}
}

// one is a single value of a filter; an empty one matches nothing.
func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// idOf is the sort key of a resource in pages.
func idOf[T any](row *T) string { return state.MetaOf(any(row).(state.Resource)).ID }
