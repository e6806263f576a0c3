package proto

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// maxDepth bounds the nesting of a document read: AWS's deepest answer has nine levels.
const maxDepth = 40

// reader reads XML elements into an Output: the client's side, and bodies of
// REST-XML requests. Elements it does not know are skipped, prefixes ignored.
type reader struct {
	api   *API
	dec   *xml.Decoder
	depth int
}

func newReader(api *API, body []byte) *reader {
	return &reader{api: api, dec: xml.NewDecoder(bytes.NewReader(body))}
}

// next returns the next start element within the current element, false at its end.
func (r *reader) next() (xml.StartElement, bool, error) {
	for {
		token, err := r.dec.Token()
		if err != nil {
			if errors.Is(err, io.EOF) && r.depth == 0 {
				return xml.StartElement{}, false, nil
			}
			return xml.StartElement{}, false, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if r.depth++; r.depth > maxDepth {
				return t, false, fmt.Errorf("reading xml: more than %d levels", maxDepth)
			}
			return t, true, nil
		case xml.EndElement:
			r.depth--
			return xml.StartElement{}, false, nil
		}
	}
}

// text reads the character data of the current element to its end.
func (r *reader) text() (string, error) {
	var b strings.Builder
	for {
		token, err := r.dec.Token()
		if err != nil {
			return "", err
		}
		switch t := token.(type) {
		case xml.CharData:
			b.Write(t)
		case xml.StartElement:
			if err := r.dec.Skip(); err != nil {
				return "", err
			}
		case xml.EndElement:
			r.depth--
			return b.String(), nil
		}
	}
}

// skip passes over the current element.
func (r *reader) skip() error {
	r.depth--
	return r.dec.Skip()
}

// members reads the children of the current element into a structure.
func (r *reader) members(v reflect.Value, s *shape) error {
	for {
		start, ok, err := r.next()
		if err != nil || !ok {
			return err
		}
		f := s.byXML[start.Name.Local]
		if f == nil {
			err = r.skip()
		} else {
			err = r.member(v.Field(f.index), f)
		}
		if err != nil {
			return err
		}
	}
}

func (r *reader) member(v reflect.Value, f *field) error {
	if f.list {
		return r.list(v, f)
	}
	switch f.kind {
	case kindBlob:
		return r.value(v, f)
	case kindMap:
		return r.entries(v, f)
	}
	v.Set(reflect.New(v.Type().Elem()))
	return r.value(v.Elem(), f)
}

func (r *reader) list(v reflect.Value, f *field) error {
	list := reflect.MakeSlice(v.Type(), 0, 0)
	for {
		start, ok, err := r.next()
		if err != nil {
			return err
		}
		if !ok {
			v.Set(list)
			return nil
		}
		if start.Name.Local != f.item {
			if err := r.skip(); err != nil {
				return err
			}
			continue
		}
		list = reflect.Append(list, reflect.Zero(v.Type().Elem()))
		if err := r.value(list.Index(list.Len()-1), f); err != nil {
			return err
		}
	}
}

// entries reads a map: text to text, or to integers.
func (r *reader) entries(v reflect.Value, f *field) error {
	v.Set(reflect.MakeMap(v.Type()))
	for {
		start, ok, err := r.next()
		if err != nil || !ok {
			return err
		}
		if start.Name.Local != "entry" {
			if err := r.skip(); err != nil {
				return err
			}
			continue
		}
		var pair struct{ key, value string }
		for {
			part, ok, err := r.next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			text, err := r.text()
			if err != nil {
				return err
			}
			if part.Name.Local == "key" {
				pair.key = text
			} else {
				pair.value = text
			}
		}
		value := reflect.New(v.Type().Elem()).Elem()
		switch value.Kind() {
		case reflect.String:
			value.SetString(pair.value)
		default:
			n, err := strconv.ParseInt(strings.TrimSpace(pair.value), 10, value.Type().Bits())
			if err != nil {
				return fmt.Errorf("reading element %s: %w", f.xml, err)
			}
			value.SetInt(n)
		}
		v.SetMapIndex(reflect.ValueOf(pair.key), value)
	}
}

func (r *reader) value(v reflect.Value, f *field) error {
	if f.kind == kindStruct {
		return r.members(v, f.inner(r.api))
	}
	text, err := r.text()
	if err != nil {
		return err
	}
	if f.kind != kindString {
		text = strings.TrimSpace(text)
	}
	switch f.kind {
	case kindString:
		v.SetString(text)
	case kindBool:
		v.SetBool(text == "true")
	case kindInt:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("reading element %s: %w", f.xml, err)
		}
		v.SetInt(n)
	case kindFloat:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("reading element %s: %w", f.xml, err)
		}
		v.SetFloat(n)
	case kindTime:
		t, ok := parseTime(text)
		if !ok {
			return fmt.Errorf("reading element %s: %q is not a timestamp", f.xml, text)
		}
		v.Set(reflect.ValueOf(t))
	case kindBlob:
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return fmt.Errorf("reading element %s: %w", f.xml, err)
		}
		v.SetBytes(raw)
	}
	return nil
}

// find descends through the given element names from where the reader stands;
// false if one is missing. Elements passed over are lost.
func (r *reader) find(names ...string) (bool, error) {
	for _, name := range names {
		for {
			start, ok, err := r.next()
			if err != nil || !ok {
				return false, err
			}
			if name == "*" || start.Name.Local == name {
				break
			}
			if err := r.skip(); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}
