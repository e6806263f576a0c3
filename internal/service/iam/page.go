package iam

import (
	"encoding/base64"
	"iter"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

// defaultItems is how many rows an answer has when nothing is said.
const defaultItems = 100

// page cuts rows that come in the order of key down to those after the marker. A
// marker holds the key of the last row told, so that rows which come and go
// meanwhile neither shift nor repeat others.
func page[T any](rows iter.Seq[T], key func(T) string, marker *string, items *int32) (out []T, truncated *bool, next *string, err error) {
	after := ""
	if marker != nil {
		raw, err := base64.RawURLEncoding.DecodeString(*marker)
		if err != nil || len(raw) == 0 {
			return nil, nil, nil, invalid("Invalid Marker: %s", awserr.Clip(*marker))
		}
		after = string(raw)
	}
	most := defaultItems
	if items != nil {
		most = int(*items)
	}
	for row := range rows {
		if marker != nil && key(row) <= after {
			continue
		}
		if len(out) == most {
			return out, ptr(true), ptr(base64.RawURLEncoding.EncodeToString([]byte(key(out[len(out)-1])))), nil
		}
		out = append(out, row)
	}
	return out, ptr(false), nil, nil
}

// mapped makes the wire's values of rows; never nil, so that the list is shown.
func mapped[T, W any](rows []T, to func(T) W) []W {
	out := make([]W, 0, len(rows))
	for _, row := range rows {
		out = append(out, to(row))
	}
	return out
}

// where keeps the rows that pass.
func where[T any](rows iter.Seq[T], pass func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		for row := range rows {
			if pass(row) && !yield(row) {
				return
			}
		}
	}
}

func self(s string) string { return s }
