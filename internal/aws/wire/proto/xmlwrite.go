package proto

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// writer writes an Output's members as XML elements. Absent scalars, structures and
// nil lists are left out (clients read an empty scalar element as ""); an empty
// list that is not nil is an empty element.
type writer struct {
	api *API
	b   *bytes.Buffer
}

// members writes the members of a structure, without an element around them. With
// lists set, nil lists of this structure are written too, as empty elements: SDKs
// give a list they did not see as absent, and every client iterates over
// DescribeVpcs' Vpcs without asking.
func (w *writer) members(v reflect.Value, s *shape, lists bool) {
	for i := range s.fields {
		f := &s.fields[i]
		fv := v.Field(f.index)
		if fv.IsNil() && !(lists && f.list) || s.outside && f.elsewhere() {
			continue
		}
		if f.list {
			w.list(fv, f)
			continue
		}
		w.b.WriteString(f.opening)
		switch f.kind {
		case kindBlob:
			w.value(fv, f)
		case kindMap:
			w.entries(fv)
		default:
			w.value(fv.Elem(), f)
		}
		w.b.WriteString(f.closing)
	}
}

func (w *writer) list(v reflect.Value, f *field) {
	n := v.Len()
	if n == 0 {
		w.b.WriteByte('<')
		w.b.WriteString(f.xml)
		w.b.WriteString("/>")
		return
	}
	w.b.WriteString(f.opening)
	for i := range n {
		w.b.WriteString(f.itemOn)
		w.value(v.Index(i), f)
		w.b.WriteString(f.itemOff)
	}
	w.b.WriteString(f.closing)
}

// entries writes a map in the order of its keys: <entry><key/><value/></entry>.
func (w *writer) entries(v reflect.Value) {
	for _, key := range sortedKeys(v) {
		w.b.WriteString("<entry>")
		element(w.b, "key", key.String())
		element(w.b, "value", fmt.Sprint(v.MapIndex(key).Interface()))
		w.b.WriteString("</entry>")
	}
}

func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

// value writes the content of an element.
func (w *writer) value(v reflect.Value, f *field) {
	switch f.kind {
	case kindString:
		escape(w.b, v.String())
	case kindBool:
		if v.Bool() {
			w.b.WriteString("true")
		} else {
			w.b.WriteString("false")
		}
	case kindInt:
		w.b.Write(strconv.AppendInt(w.b.AvailableBuffer(), v.Int(), 10))
	case kindFloat:
		w.b.Write(strconv.AppendFloat(w.b.AvailableBuffer(), v.Float(), 'g', -1, 64))
	case kindTime:
		t := v.Addr().Interface().(*time.Time)
		w.b.Write(t.UTC().AppendFormat(w.b.AvailableBuffer(), timestamp))
	case kindBlob:
		w.b.Write(base64.StdEncoding.AppendEncode(w.b.AvailableBuffer(), v.Bytes()))
	case kindStruct:
		w.members(v, f.inner(w.api), false)
	}
}

// timestamp is how answers write time: 2026-11-20T11:40:00.000Z.
const timestamp = "2006-01-02T15:04:05.000Z"

// plain marks the bytes that are written as they are.
var plain = func() (p [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		p[c] = true
	}
	for _, c := range `<>&"` {
		p[c] = false
	}
	return p
}()

// escape writes text as XML character data. Carriage return, newline and tab are
// written as references, so that they survive a parser; what XML 1.0 cannot hold
// (section 2.2) becomes U+FFFD.
func escape(b *bytes.Buffer, s string) {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		width := 1
		var to string
		switch {
		case c == '<':
			to = "&lt;"
		case c == '>':
			to = "&gt;"
		case c == '&':
			to = "&amp;"
		case c == '"':
			to = "&quot;"
		case c == '\r':
			to = "&#xD;"
		case c == '\n':
			to = "&#xA;"
		case c == '\t':
			to = "&#x9;"
		case c < ' ':
			to = "\uFFFD"
		case c >= utf8.RuneSelf:
			var r rune
			r, width = utf8.DecodeRuneInString(s[i:])
			if (r == utf8.RuneError && width == 1) || r == 0xFFFE || r == 0xFFFF {
				to = "\uFFFD"
			}
		}
		if to != "" {
			b.WriteString(s[from:i])
			b.WriteString(to)
			from = i + width
		}
		i += width
	}
	b.WriteString(s[from:])
}

// element writes <name>text</name>.
func element(b *bytes.Buffer, name, text string) {
	b.WriteByte('<')
	b.WriteString(name)
	b.WriteByte('>')
	escape(b, text)
	b.WriteString("</")
	b.WriteString(name)
	b.WriteByte('>')
}
