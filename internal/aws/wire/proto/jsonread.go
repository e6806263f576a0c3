package proto

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

// jsonReader reads a JSON document into an Input or Output, token by token: what
// it allocates is bounded by the length of the document, and its depth by
// maxDepth. Members it does not know are skipped and null is absent, as AWS's
// services do; of members given twice the last one counts.
type jsonReader struct {
	decoder
	tokens *json.Decoder
	depth  int
	key    []byte // of the member being read, as a Query request would name it
}

func newJSONReader(a *API, body []byte) *jsonReader {
	r := &jsonReader{decoder: decoder{api: a, findings: findings{lists: true, code: "ValidationException"}}}
	r.tokens = json.NewDecoder(bytes.NewReader(body))
	r.tokens.UseNumber()
	return r
}

func (r *jsonReader) token() (json.Token, error) {
	t, err := r.tokens.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'), json.Delim('['):
		if r.depth++; r.depth > maxDepth {
			return nil, awserr.New("SerializationException", "The request body has more than %d levels.", maxDepth)
		}
	case json.Delim('}'), json.Delim(']'):
		r.depth--
	}
	return t, nil
}

// skip passes over one value.
func (r *jsonReader) skip() error {
	for depth := r.depth; ; {
		if _, err := r.token(); err != nil {
			return err
		}
		if r.depth <= depth {
			return nil
		}
	}
}

// members reads an object whose brace has been read.
func (r *jsonReader) members(v reflect.Value, s *shape) error {
	for r.tokens.More() {
		name, err := r.token()
		if err != nil {
			return err
		}
		f := s.byQuery[name.(string)] // the decoder takes nothing else for a name
		if f == nil {
			if err := r.skip(); err != nil {
				return err
			}
			continue
		}
		n := r.push(f.query)
		if err := r.member(v.Field(f.index), f); err != nil {
			return err
		}
		r.key = r.key[:n]
	}
	if _, err := r.token(); err != nil {
		return err
	}
	r.required(v, s)
	return nil
}

// push appends a segment to the key and returns the length before.
func (r *jsonReader) push(segment string) int {
	n := len(r.key)
	if n > 0 {
		r.key = append(r.key, '.')
	}
	r.key = append(r.key, segment...)
	return n
}

// required notes the members that an object lacks. An empty list is given: its
// bounds are another matter.
func (r *jsonReader) required(v reflect.Value, s *shape) {
	for i := range s.fields {
		f := &s.fields[i]
		if f.required && v.Field(f.index).IsNil() {
			n := r.push(f.query)
			r.missing(string(r.key))
			r.key = r.key[:n]
		}
	}
}

func (r *jsonReader) member(v reflect.Value, f *field) error {
	t, err := r.token()
	if err != nil {
		return err
	}
	v.SetZero()
	switch {
	case t == nil:
		return nil
	case f.list:
		if t != json.Delim('[') {
			return unexpected(t, "list")
		}
		return r.list(v, f)
	case f.kind == kindMap:
		if t != json.Delim('{') {
			return unexpected(t, "map")
		}
		return r.entries(v)
	case f.kind == kindBlob:
		return r.value(v, f, t)
	}
	p := reflect.New(v.Type().Elem())
	if err := r.value(p.Elem(), f, t); err != nil {
		return err
	}
	v.Set(p)
	return nil
}

// entries reads a map whose brace has been read: text to text, or to integers.
func (r *jsonReader) entries(v reflect.Value) error {
	v.Set(reflect.MakeMap(v.Type()))
	of := field{kind: kindString}
	if v.Type().Elem().Kind() != reflect.String {
		of.kind = kindInt
	}
	for r.tokens.More() {
		name, err := r.token()
		if err != nil {
			return err
		}
		t, err := r.token()
		if err != nil {
			return err
		}
		value := reflect.New(v.Type().Elem()).Elem()
		if err := r.value(value, &of, t); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(name), value)
	}
	_, err := r.token()
	return err
}

// list reads an array whose bracket has been read.
func (r *jsonReader) list(v reflect.Value, f *field) error {
	list := reflect.MakeSlice(v.Type(), 0, 0)
	for r.tokens.More() {
		t, err := r.token()
		if err != nil {
			return err
		}
		n := r.push("member")
		r.push(strconv.Itoa(list.Len() + 1))
		list = reflect.Append(list, reflect.Zero(v.Type().Elem()))
		if t == nil {
			r.missing(string(r.key))
		} else if err := r.value(list.Index(list.Len()-1), f, t); err != nil {
			return err
		}
		r.key = r.key[:n]
	}
	if _, err := r.token(); err != nil {
		return err
	}
	v.Set(list)
	r.elements(f, string(r.key), list)
	return nil
}

// value reads the value that begins with token t.
func (r *jsonReader) value(v reflect.Value, f *field, t json.Token) error {
	switch f.kind {
	case kindStruct:
		if t != json.Delim('{') {
			return unexpected(t, "structure")
		}
		return r.members(v, f.inner(r.api))
	case kindString:
		s, ok := t.(string)
		if !ok {
			return unexpected(t, "String")
		}
		if f.list { // bounds of elements are the list's: see elements
			v.SetString(s)
			return nil
		}
		v.SetString(r.text(f, Param{string(r.key), s}))
	case kindBool:
		b, ok := t.(bool)
		if !ok {
			return unexpected(t, "Boolean")
		}
		v.SetBool(b)
	case kindInt:
		return r.integer(v, f, t)
	case kindFloat:
		n, ok := t.(json.Number)
		if !ok {
			return unexpected(t, "Double")
		}
		x, err := n.Float64()
		if err != nil {
			return unreadable(n, "Double")
		}
		v.SetFloat(x)
	case kindTime:
		n, ok := t.(json.Number)
		if !ok {
			return unexpected(t, "Timestamp")
		}
		at, ok := epoch(n)
		if !ok {
			return unreadable(n, "Timestamp")
		}
		v.Set(reflect.ValueOf(at))
	case kindBlob:
		s, ok := t.(string)
		if !ok {
			return unexpected(t, "Blob")
		}
		raw, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return awserr.New("SerializationException", "'%s' is not base64-encoded.", awserr.Clip(s))
		}
		v.SetBytes(raw)
	}
	return nil
}

// integer takes 5, and also 5.0 and 5e0, which some clients write.
func (r *jsonReader) integer(v reflect.Value, f *field, t json.Token) error {
	word := "Integer"
	if v.Kind() == reflect.Int64 {
		word = "Long"
	}
	number, ok := t.(json.Number)
	if !ok {
		return unexpected(t, word)
	}
	n, err := strconv.ParseInt(string(number), 10, v.Type().Bits())
	if err != nil {
		x, err := number.Float64()
		if err != nil || x != math.Trunc(x) || math.Abs(x) >= 1<<53 || v.OverflowInt(int64(x)) {
			return unreadable(number, word)
		}
		n = int64(x)
	}
	if !f.list {
		r.bounds(f.rules, n, Param{string(r.key), string(number)})
	}
	v.SetInt(n)
	return nil
}

// maxEpoch is the end of the year 9999 in seconds.
const maxEpoch = 253402300800

// epoch reads seconds since 1970 with a fraction, to the millisecond.
func epoch(n json.Number) (time.Time, bool) {
	x, err := n.Float64()
	if err != nil || math.Abs(x) >= maxEpoch {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(x * 1000))).UTC(), true
}

// unexpected is the answer to a value of another type than the member's, which
// ends the reading.
func unexpected(t json.Token, want string) error {
	var given string
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return awserr.New("SerializationException", "Start of structure or map found where not expected.")
		}
		return awserr.New("SerializationException", "Start of list found where not expected")
	case string:
		given = "STRING_VALUE"
	case json.Number:
		given = "NUMBER_VALUE"
	case bool:
		given = strings.ToUpper(strconv.FormatBool(t)) + "_VALUE"
	default:
		given = fmt.Sprintf("%T", t)
	}
	return unconvertible(given, want)
}

func unreadable(n json.Number, want string) error { return unconvertible(awserr.Clip(string(n)), want) }

func unconvertible(given, want string) error {
	article := "a"
	if want == "Integer" {
		article = "an"
	}
	return awserr.New("SerializationException", "%s can not be converted to %s %s", given, article, want)
}
