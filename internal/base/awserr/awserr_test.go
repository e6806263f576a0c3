package awserr

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestStatus(t *testing.T) {
	tests := map[string]int{
		"InvalidVpcID.NotFound":        400,
		"AuthFailure":                  401,
		"UnauthorizedOperation":        403,
		"OptInRequired":                403,
		"DryRunOperation":              412,
		"InternalError":                500,
		"RequestLimitExceeded":         503,
		"Unavailable":                  503,
		"InsufficientInstanceCapacity": 503,
	}
	for code, want := range tests {
		if got := New(code, "x").Status; got != want {
			t.Errorf("%s: status %d, want %d", code, got, want)
		}
	}
}

func TestAsFindsWrapped(t *testing.T) {
	inner := errors.New("disk full")
	err := fmt.Errorf("creating vpc: %w", New("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", "vpc-1"))
	e, ok := As(err)
	if !ok || e.Code != "InvalidVpcID.NotFound" || e.Message != "The vpc ID 'vpc-1' does not exist" {
		t.Fatalf("As = %v, %v", e, ok)
	}
	if !Is(err, "Other", "InvalidVpcID.NotFound") || Is(err, "Other") || Is(inner, "Other") {
		t.Error("Is disagrees with the code")
	}
	if _, ok := As(inner); ok {
		t.Error("As took a foreign error")
	}
	got := From(inner)
	if got.Code != "InternalError" || got.Status != http.StatusInternalServerError || !errors.Is(got, inner) {
		t.Errorf("From(foreign) = %+v", got)
	}
	if strings.Contains(got.Error(), "disk full") {
		t.Error("the cause leaks into the text")
	}
	if From(nil) != nil {
		t.Error("From(nil) is not nil")
	}
}

func TestCopiesLeaveTheOriginal(t *testing.T) {
	verbatim := "100% of it"
	e := New("NoSuchEntity", verbatim, []any{}...)
	if e.Message != verbatim {
		t.Errorf("message without arguments was formatted: %q", e.Message)
	}
	if e.WithStatus(404).Status != 404 || e.Status != 400 || !e.Sender() {
		t.Error("WithStatus changed the original")
	}
}

func TestClip(t *testing.T) {
	long := strings.Repeat("é", 1000)
	got := Clip(long)
	if len(got) > maxClip+len("…") || !utf8.ValidString(got) {
		t.Errorf("Clip gave %d bytes, valid %v", len(got), utf8.ValidString(got))
	}
	if Clip("short") != "short" {
		t.Error("short text was changed")
	}
}
