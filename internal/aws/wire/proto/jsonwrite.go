package proto

import (
	"bytes"
	"encoding/base64"
	"math"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
)

// jsonWriter writes an Input or Output as a JSON object. Absent members are left
// out; an empty list that is not nil is [].
type jsonWriter struct {
	api *API
	b   *bytes.Buffer
}

func (w *jsonWriter) members(v reflect.Value, s *shape) {
	w.b.WriteByte('{')
	first := true
	for i := range s.fields {
		f := &s.fields[i]
		fv := v.Field(f.index)
		if fv.IsNil() {
			continue
		}
		if !first {
			w.b.WriteByte(',')
		}
		first = false
		w.b.WriteByte('"')
		w.b.WriteString(f.query) // a word of the model: letters and digits
		w.b.WriteString(`":`)
		switch {
		case f.list:
			w.list(fv, f)
		case f.kind == kindBlob:
			w.value(fv, f)
		case f.kind == kindMap:
			w.entries(fv)
		default:
			w.value(fv.Elem(), f)
		}
	}
	w.b.WriteByte('}')
}

func (w *jsonWriter) list(v reflect.Value, f *field) {
	w.b.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			w.b.WriteByte(',')
		}
		w.value(v.Index(i), f)
	}
	w.b.WriteByte(']')
}

// entries writes a map as an object, in the order of its keys.
func (w *jsonWriter) entries(v reflect.Value) {
	w.b.WriteByte('{')
	for i, k := range sortedKeys(v) {
		if i > 0 {
			w.b.WriteByte(',')
		}
		quote(w.b, k.String())
		w.b.WriteByte(':')
		if e := v.MapIndex(k); e.Kind() == reflect.String {
			quote(w.b, e.String())
		} else {
			w.b.Write(strconv.AppendInt(w.b.AvailableBuffer(), e.Int(), 10))
		}
	}
	w.b.WriteByte('}')
}

func (w *jsonWriter) value(v reflect.Value, f *field) {
	switch f.kind {
	case kindString:
		quote(w.b, v.String())
	case kindBool:
		w.b.Write(strconv.AppendBool(w.b.AvailableBuffer(), v.Bool()))
	case kindInt:
		w.b.Write(strconv.AppendInt(w.b.AvailableBuffer(), v.Int(), 10))
	case kindFloat:
		w.float(v.Float())
	case kindTime:
		t := v.Addr().Interface().(*time.Time)
		w.b.Write(strconv.AppendFloat(w.b.AvailableBuffer(), float64(t.UnixMilli())/1000, 'f', -1, 64))
	case kindBlob:
		w.b.WriteByte('"')
		w.b.Write(base64.StdEncoding.AppendEncode(w.b.AvailableBuffer(), v.Bytes()))
		w.b.WriteByte('"')
	case kindStruct:
		w.members(v, f.inner(w.api))
	}
}

// float writes what JSON has no number for as a string (Smithy, "AWS JSON 1.1
// protocol").
func (w *jsonWriter) float(x float64) {
	switch {
	case math.IsNaN(x):
		w.b.WriteString(`"NaN"`)
	case math.IsInf(x, 1):
		w.b.WriteString(`"Infinity"`)
	case math.IsInf(x, -1):
		w.b.WriteString(`"-Infinity"`)
	default:
		w.b.Write(strconv.AppendFloat(w.b.AvailableBuffer(), x, 'g', -1, 64))
	}
}

// quote writes a JSON string (RFC 8259 section 7). What is not UTF-8 becomes
// U+FFFD.
func quote(b *bytes.Buffer, s string) {
	const hex = "0123456789abcdef"
	b.WriteByte('"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		width := 1
		var to string
		switch {
		case c == '"':
			to = `\"`
		case c == '\\':
			to = `\\`
		case c == '\n':
			to = `\n`
		case c == '\r':
			to = `\r`
		case c == '\t':
			to = `\t`
		case c < ' ':
			to = `\u00` + string(hex[c>>4]) + string(hex[c&15])
		case c >= utf8.RuneSelf:
			var r rune
			if r, width = utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && width == 1 {
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
	b.WriteByte('"')
}
