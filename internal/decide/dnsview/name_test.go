package dnsview

import (
	"errors"
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	label63, name253 := strings.Repeat("a", 63), strings.Repeat("a.", 126)+"a"
	for _, c := range []struct {
		name, in, want string
		err            error
	}{
		{"root", ".", ".", nil},
		{"lower case", "WWW.Example.COM", "www.example.com.", nil},
		{"last dot", "a.b.", "a.b.", nil},
		{"escapes", `a\.b.\065\(.c`, `a\.b.a\(.c.`, nil},
		{"any octet", `\000\255\032.x`, `\000\255\032.x.`, nil},
		{"longest label", label63, label63 + ".", nil},
		{"longest name", name253, name253 + ".", nil},
		{"empty", "", "", errEmptyLabel},
		{"empty label", "a..b", "", errEmptyLabel},
		{"leading dot", ".a", "", errEmptyLabel},
		{"label too long", label63 + "a", "", errLongLabel},
		{"name too long", name253 + "a", "", errLongName},
		{"half an escape", `a\`, "", errEscape},
		{"two digits", `a\01`, "", errEscape},
		{"number too large", `a\256`, "", errEscape},
	} {
		n, err := ParseName(c.in)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.err)
		}
		if err == nil && n.String() != c.want {
			t.Errorf("%s: got %s, want %s", c.name, n, c.want)
		}
	}
}

func TestIn(t *testing.T) {
	for _, c := range []struct {
		name, domain string
		want         bool
	}{
		{"a.b.c", "b.c", true}, {"b.c", "b.c", true}, {"xb.c", "b.c", false},
		{"c", "b.c", false}, {"a.b.c", ".", true}, {`a\.b.c`, "b.c", false},
	} {
		if got := mustName(c.name).In(mustName(c.domain)); got != c.want {
			t.Errorf("%s in %s: %t", c.name, c.domain, got)
		}
	}
}

// FuzzName holds that what is printed is read as the same name.
func FuzzName(f *testing.F) {
	for _, s := range []string{".", "a.b", `\000\255.x`, `a\.b`, `\\\..c`, strings.Repeat("a", 64)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err != nil {
			return
		}
		again, err := ParseName(n.String())
		if err != nil || again != n {
			t.Errorf("%q is read as %q, printed as %q and read as %q: %v", s, string(n), n, string(again), err)
		}
	})
}
