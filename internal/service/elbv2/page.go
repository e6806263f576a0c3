package elbv2

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

// defaultPage is how many rows an answer has when nothing is said, and at most
// (ELBv2 API Reference, PageSize).
const defaultPage = 400

// page cuts rows down to those after the marker, in the order of their keys. A
// marker holds the key of the last row told, so that rows which come and go
// meanwhile neither shift nor repeat others.
func page[T any](rows []T, key func(T) string, marker *string, size *int32) (out []T, next *string, err error) {
	after := ""
	if val(marker) != "" {
		raw, err := base64.RawURLEncoding.DecodeString(*marker)
		if err != nil {
			return nil, nil, invalid("The marker '%s' is not valid", awserr.Clip(*marker))
		}
		after = string(raw)
	}
	most := defaultPage
	if size != nil {
		most = max(int(*size), 1)
	}
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	for _, row := range rows {
		if key(row) <= after {
			continue
		}
		if len(out) == most {
			return out, ptr(base64.RawURLEncoding.EncodeToString([]byte(key(out[len(out)-1])))), nil
		}
		out = append(out, row)
	}
	return out, nil, nil
}

// mapped makes the wire's values of rows; never nil, so that the list is shown.
func mapped[T, W any](rows []T, to func(T) W) []W {
	out := make([]W, 0, len(rows))
	for _, row := range rows {
		out = append(out, to(row))
	}
	return out
}
