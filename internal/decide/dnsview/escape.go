package dnsview

import "strings"

// Problem is what Route 53 finds wrong with a name or a value. Its text is how
// the API prints it.
type Problem struct {
	Code string // "DomainLabelEmpty"
	Text string // "Domain label is empty"
	In   string // the name or value
}

func (p *Problem) Error() string {
	return "FATAL problem: " + p.Code + " (" + p.Text + ") encountered with '" + p.In + "'"
}

func problem(code, text string) *Problem { return &Problem{Code: code, Text: text} }

// ParseEscaped reads a domain name as Route 53 takes it (Developer Guide, "DNS
// domain name format"): escapes are three octal digits, letters are folded to
// lower case, the last dot may be missing. The error is a *Problem.
func ParseEscaped(s string) (Name, error) {
	n, p := parseEscaped(s)
	if p != nil {
		p.In = s
		if len(p.In) > maxName {
			p.In = p.In[:maxName] + "…"
		}
		return "", p
	}
	return n, nil
}

func parseEscaped(s string) (Name, *Problem) {
	if s == "" {
		return "", problem("DomainNameEmpty", "Domain name is empty")
	}
	if s == "." {
		return Root, nil
	}
	wire := make([]byte, 1, len(s)+2)
	start := 0 // of the current label's length octet
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '.':
			if len(wire) == start+1 {
				return "", problem("DomainLabelEmpty", "Domain label is empty")
			}
			wire[start] = byte(len(wire) - start - 1)
			start = len(wire)
			wire = append(wire, 0)
			continue
		case c == '\\':
			if i+3 >= len(s) || s[i+1] > '3' || !isOctal(s[i+1]) || !isOctal(s[i+2]) || !isOctal(s[i+3]) {
				return "", problem("InvalidEscapeSequence", "Escape sequence is not three octal digits")
			}
			c = (s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0')
			i += 3
		case c <= ' ' || c >= 0x7f:
			return "", problem("UnsupportedCharacter", "Value contains unsupported characters")
		}
		if len(wire)-start > maxLabel {
			return "", problem("DomainLabelTooLong", "Domain label is too long")
		}
		wire = append(wire, Lower(c))
	}
	if len(wire) > start+1 { // no last dot
		wire[start] = byte(len(wire) - start - 1)
		wire = append(wire, 0)
	}
	if len(wire) > maxName {
		return "", problem("DomainNameTooLong", "Domain name is too long")
	}
	return Name(wire), nil
}

func isOctal(c byte) bool { return '0' <= c && c <= '7' }

// Escaped is the name as Route 53 answers with it: everything but a-z, 0-9, - and
// _ is three octal digits behind a backslash, so that "*.a." is "\052.a.".
func (n Name) Escaped() string {
	if n == Root {
		return "."
	}
	b := make([]byte, 0, len(n)+8)
	for n != Root {
		var label string
		label, n = n.First()
		b = append(appendEscaped(b, label), '.')
	}
	return string(b)
}

// Reversed is Escaped with the labels in reverse order, by which Route 53 sorts
// names: "com.example.www.".
func (n Name) Reversed() string {
	if n == Root {
		return "."
	}
	var labels [128]string
	count := 0
	size := 0
	for rest := n; rest != Root; count++ {
		labels[count], rest = rest.First()
		size += len(labels[count]) + 1
	}
	b := make([]byte, 0, size+8)
	for i := count - 1; i >= 0; i-- {
		b = append(appendEscaped(b, labels[i]), '.')
	}
	return string(b)
}

func appendEscaped(b []byte, label string) []byte {
	for i := range len(label) {
		c := label[i]
		if 'a' <= c && c <= 'z' || isDigit(c) || c == '-' || c == '_' {
			b = append(b, c)
		} else {
			b = append(b, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		}
	}
	return b
}

// ReverseLabels turns an escaped name into its Reversed form or back.
func ReverseLabels(escaped string) string {
	trimmed := strings.TrimSuffix(escaped, ".")
	if trimmed == "" {
		return "."
	}
	labels := strings.Split(trimmed, ".")
	for i, j := 0, len(labels)-1; i < j; i, j = i+1, j-1 {
		labels[i], labels[j] = labels[j], labels[i]
	}
	return strings.Join(labels, ".") + "."
}
