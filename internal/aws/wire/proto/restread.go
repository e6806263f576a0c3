package proto

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

// restReader reads a REST-XML request into an Input. What it allocates is bounded
// by the length of the document, and its depth by maxDepth. Elements it does not
// know are skipped and prefixes ignored; of members given twice the last one
// counts.
type restReader struct {
	decoder
	*reader
	key []byte // of the member being read, as a Query request would name it
}

func newRESTReader(a *API, body []byte) *restReader {
	return &restReader{
		decoder: decoder{api: a, findings: findings{lists: true, code: "InvalidInput"}},
		reader:  newReader(a, body),
	}
}

// malformed is the answer to a document that cannot be read at all.
func malformed(text string) *awserr.Error { return awserr.New("MalformedInput", "%s", text) }

func unreadableXML(err error) error {
	if e, ok := awserr.As(err); ok {
		return e
	}
	return malformed("The request body is not a well-formed XML document of this operation.").Because(err)
}

// document reads the one element of a body, which is named root, and that nothing
// but comments follows it.
func (d *restReader) document(root string, v reflect.Value, s *shape) error {
	start, ok, err := d.next()
	if err != nil || !ok {
		return unreadableXML(noAnswer(err))
	}
	if start.Name.Local != root {
		return malformed("Unexpected element '" + awserr.Clip(start.Name.Local) + "', '" + root + "' expected.")
	}
	if _, err := d.children(v, s); err != nil {
		return unreadableXML(err)
	}
	for {
		token, err := d.dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return unreadableXML(err)
		}
		if _, ok := token.(xml.StartElement); ok {
			return malformed("The request body has a second root element.")
		}
	}
}

// children reads the members of the current element, and says how many elements
// there were.
func (d *restReader) children(v reflect.Value, s *shape) (n int, err error) {
	for {
		start, ok, err := d.next()
		if err != nil || !ok {
			return n, err
		}
		n++
		f := s.byXML[start.Name.Local]
		if f == nil {
			if err := d.skip(); err != nil {
				return n, err
			}
			continue
		}
		at := d.push(f.xml)
		if err := d.field(v.Field(f.index), f); err != nil {
			return n, err
		}
		d.key = d.key[:at]
	}
}

// push appends a segment to the key and returns the length before.
func (d *restReader) push(segment string) int {
	n := len(d.key)
	if n > 0 {
		d.key = append(d.key, '.')
	}
	d.key = append(d.key, segment...)
	return n
}

// required notes the members that a structure lacks. An empty list is given: its
// bounds are another matter.
func (d *restReader) required(v reflect.Value, s *shape) {
	if !s.required {
		return
	}
	for i := range s.fields {
		f := &s.fields[i]
		if f.required && v.Field(f.index).IsNil() {
			n := d.push(f.name)
			d.missing(string(d.key))
			d.key = d.key[:n]
		}
	}
}

func (d *restReader) field(v reflect.Value, f *field) error {
	v.SetZero()
	if f.list {
		return d.elementsOf(v, f)
	}
	if f.kind == kindBlob {
		return d.content(v, f)
	}
	p := reflect.New(v.Type().Elem())
	if err := d.content(p.Elem(), f); err != nil {
		return err
	}
	v.Set(p)
	return nil
}

func (d *restReader) elementsOf(v reflect.Value, f *field) error {
	list := reflect.MakeSlice(v.Type(), 0, 0)
	for {
		start, ok, err := d.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if start.Name.Local != f.item {
			if err := d.skip(); err != nil {
				return err
			}
			continue
		}
		n := d.push("member")
		d.push(strconv.Itoa(list.Len() + 1))
		list = reflect.Append(list, reflect.Zero(v.Type().Elem()))
		if err := d.content(list.Index(list.Len()-1), f); err != nil {
			return err
		}
		d.key = d.key[:n]
	}
	if list.Len() == 0 && f.rules != nil && f.rules.minItems > 0 {
		return malformed("Unexpected list element termination")
	}
	v.Set(list)
	d.elements(f, string(d.key), list)
	return nil
}

// content reads the content of the current element to its end.
func (d *restReader) content(v reflect.Value, f *field) error {
	if f.kind == kindStruct {
		s := f.inner(d.api())
		n, err := d.children(v, s)
		if err != nil {
			return err
		}
		if n == 0 && s.required {
			return malformed("Unexpected complex element termination")
		}
		d.required(v, s)
		return nil
	}
	text, err := d.reader.text()
	if err != nil {
		return err
	}
	return d.scalarText(v, f, text)
}

func (d *restReader) api() *API { return d.decoder.api }

// outer sets a member that travels outside the body.
func (d *restReader) outer(v reflect.Value, f *field, text string) {
	n := d.push(f.name)
	defer func() { d.key = d.key[:n] }()
	p := reflect.New(v.Field(f.index).Type().Elem())
	if err := d.scalarText(p.Elem(), f, text); err != nil {
		d.invalid(Param{string(d.key), text}, "", "Member must be a "+kindName(f))
	}
	v.Field(f.index).Set(p)
}

// scalarText checks and sets one value.
func (d *restReader) scalarText(v reflect.Value, f *field, text string) error {
	if prefixed(f.name) {
		text = bareID(text)
	}
	p := Param{string(d.key), text}
	if f.kind != kindString {
		text = strings.TrimSpace(text)
	}
	switch f.kind {
	case kindString:
		if f.list { // bounds of elements are the list's: see elements
			if f.enum != "" {
				text = d.decoder.text(&field{enum: f.enum, anycase: f.anycase, query: f.query}, p)
			}
			v.SetString(text)
			return nil
		}
		v.SetString(d.decoder.text(f, p))
	case kindBool:
		b, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			return unexpectedText(text, f)
		}
		v.SetBool(b)
	case kindInt:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return unexpectedText(text, f)
		}
		d.bounds(f.rules, n, p)
		v.SetInt(n)
	case kindFloat:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return unexpectedText(text, f)
		}
		v.SetFloat(n)
	case kindTime:
		t, ok := parseTime(text)
		if !ok {
			return unexpectedText(text, f)
		}
		v.Set(reflect.ValueOf(t))
	case kindBlob:
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return unexpectedText(text, f)
		}
		v.SetBytes(raw)
	}
	return nil
}

// unexpectedText is the answer to text that the member's type cannot take, which
// ends the reading.
func unexpectedText(text string, f *field) error {
	return malformed("'" + awserr.Clip(text) + "' is not a " + kindName(f) + " at '" + f.name + "'")
}

func kindName(f *field) string {
	switch f.kind {
	case kindBool:
		return "Boolean"
	case kindInt:
		return "Integer"
	case kindFloat:
		return "Double"
	case kindTime:
		return "Timestamp"
	case kindBlob:
		return "Blob"
	}
	return "String"
}
