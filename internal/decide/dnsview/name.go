package dnsview

import (
	"errors"
	"fmt"
	"strings"
)

// Name is a domain name as it travels (RFC 1035 section 3.1): labels, each
// behind its length, up to the empty one of the root, with ASCII letters in
// lower case. Names that are the same are equal strings.
type Name string

// Root is the name of the root.
const Root Name = "\x00"

const (
	maxName  = 255 // octets, RFC 1035 section 2.3.4
	maxLabel = 63
)

var (
	errEmptyLabel = errors.New("a label is empty")
	errLongLabel  = errors.New("a label is longer than 63 octets")
	errLongName   = errors.New("the name is longer than 255 octets")
	errEscape     = errors.New(`a backslash is followed by neither a character nor three digits up to 255`)
)

// ParseName reads the presentation form (RFC 1035 section 5.1, with \X and \DDD);
// the last dot may be missing.
func ParseName(s string) (Name, error) {
	n, err := parseName(s)
	if err != nil {
		if len(s) > maxName {
			s = s[:maxName] + "…"
		}
		return "", fmt.Errorf("parsing the name %q: %w", s, err)
	}
	return n, nil
}

func parseName(s string) (Name, error) {
	if s == "." {
		return Root, nil
	}
	if s == "" {
		return "", errEmptyLabel
	}
	wire := make([]byte, 1, len(s)+2)
	start := 0 // of the current label's length octet
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch c {
		case '.':
			if len(wire) == start+1 {
				return "", errEmptyLabel
			}
			wire[start] = byte(len(wire) - start - 1)
			start = len(wire)
			wire = append(wire, 0)
			continue
		case '\\':
			i++
			if i == len(s) {
				return "", errEscape
			}
			c = s[i]
			if isDigit(c) {
				if i+2 >= len(s) || !isDigit(s[i+1]) || !isDigit(s[i+2]) {
					return "", errEscape
				}
				v := int(c-'0')*100 + int(s[i+1]-'0')*10 + int(s[i+2]-'0')
				if v > 255 {
					return "", errEscape
				}
				c = byte(v)
				i += 2
			}
		}
		if len(wire)-start > maxLabel {
			return "", errLongLabel
		}
		wire = append(wire, Lower(c))
	}
	if len(wire) > start+1 { // no last dot
		wire[start] = byte(len(wire) - start - 1)
		wire = append(wire, 0)
	}
	if len(wire) > maxName {
		return "", errLongName
	}
	return Name(wire), nil
}

// mustName is ParseName for names that this package is written with.
func mustName(s string) Name {
	n, err := ParseName(s)
	if err != nil {
		panic(err) // a name in the source is wrong: any test shows it
	}
	return n
}

// Lower is the lower case of an ASCII letter, and c itself for anything else
// (RFC 4343).
func Lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// String is the presentation form with the last dot. What is not a printable
// character is \DDD, and what means something in a zone file is behind a
// backslash.
func (n Name) String() string {
	if n == Root {
		return "."
	}
	var b strings.Builder
	b.Grow(len(n))
	for n != Root {
		var label string
		label, n = n.First()
		for i := range len(label) {
			switch c := label[i]; {
			case c == '.' || c == '\\' || c == '"' || c == '(' || c == ')' || c == ';' || c == '@' || c == '$':
				b.WriteByte('\\')
				b.WriteByte(c)
			case c <= ' ' || c > '~':
				fmt.Fprintf(&b, "\\%03d", c)
			default:
				b.WriteByte(c)
			}
		}
		b.WriteByte('.')
	}
	return b.String()
}

// First splits off the leftmost label. The root has none: it gives itself.
func (n Name) First() (label string, rest Name) {
	if n == Root {
		return "", Root
	}
	end := 1 + int(n[0])
	return string(n[1:end]), n[end:]
}

// In says whether n is the domain or below it.
func (n Name) In(domain Name) bool {
	for len(n) > len(domain) {
		_, n = n.First()
	}
	return n == domain
}

// Below gives the name with a label put before it.
func (n Name) below(label string) Name {
	return Name(string([]byte{byte(len(label))}) + label + string(n))
}
