package classic

import (
	"io"
	"strconv"
	"strings"
)

// lines are a command's output. It is written when the command has succeeded.
type lines struct {
	to      io.Writer
	headers bool // -H
	nils    bool // --show-empty-fields
	text    strings.Builder
	titled  map[string]bool
}

// column is a field under its title.
type column struct{ title, value string }

// add prints one record. With -H, the titles come before the first of its kind:
// those of GROUP are known from recorded output, the others are the names of
// the API's fields.
func (l *lines) add(kind string, columns ...column) {
	if l.headers && !l.titled[kind] {
		if l.titled == nil {
			l.titled = map[string]bool{}
		}
		l.titled[kind] = true
		l.text.WriteString(kind)
		for _, c := range columns {
			l.text.WriteString("\t" + c.title)
		}
		l.text.WriteByte('\n')
	}
	l.text.WriteString(kind)
	for _, c := range columns {
		l.text.WriteByte('\t')
		switch {
		case c.value != "":
			l.text.WriteString(oneLine.Replace(c.value))
		case l.nils:
			l.text.WriteString("(nil)")
		}
	}
	l.text.WriteByte('\n')
}

// oneLine keeps a value from becoming fields or records of its own.
var oneLine = strings.NewReplacer("\t", " ", "\n", " ", "\r", " ")

func (l *lines) flush() error {
	_, err := io.WriteString(l.to, l.text.String())
	return err
}

// text is the value of a field, empty where there is none.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func yes(b *bool) string {
	if b == nil {
		return ""
	}
	return strconv.FormatBool(*b)
}

func number(n *int32) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(int(*n))
}
