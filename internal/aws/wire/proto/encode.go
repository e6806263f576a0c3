package proto

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"reflect"
	"strconv"
	"time"
)

// encoder writes an Input as a form: the client's side of decoder.
type encoder struct {
	api      *API
	b        *bytes.Buffer
	listWord string // as in decoder
	empty    bool   // write empty lists as "List=" (Query)
	key      []byte // key of the member being written
}

// input writes Action, Version and the members of in.
func (e *encoder) input(action string, in any) {
	e.b.WriteString("Action=")
	e.b.WriteString(url.QueryEscape(action))
	e.b.WriteString("&Version=")
	e.b.WriteString(e.api.Version)
	v := reflect.ValueOf(in).Elem()
	e.members(v, e.api.shape(v.Type()))
}

func (e *encoder) members(v reflect.Value, s *shape) {
	for i := range s.fields {
		f := &s.fields[i]
		fv := v.Field(f.index)
		if fv.IsNil() || f.kind == kindMap {
			continue
		}
		n := e.push(f.query)
		switch {
		case f.list:
			e.list(fv, f)
		case f.kind == kindBlob:
			e.value(fv, f)
		default:
			e.value(fv.Elem(), f)
		}
		e.key = e.key[:n]
	}
}

func (e *encoder) list(v reflect.Value, f *field) {
	if v.Len() == 0 {
		if e.empty {
			e.pair("")
		}
		return
	}
	if e.listWord != "" {
		e.push(f.item)
	}
	for i := range v.Len() {
		n := e.push(strconv.Itoa(i + 1))
		e.value(v.Index(i), f)
		e.key = e.key[:n]
	}
}

// push appends a segment to the key and returns the length before.
func (e *encoder) push(segment string) int {
	n := len(e.key)
	if n > 0 {
		e.key = append(e.key, '.')
	}
	e.key = append(e.key, segment...)
	return n
}

func (e *encoder) value(v reflect.Value, f *field) {
	switch f.kind {
	case kindString:
		e.pair(v.String())
	case kindBool:
		e.pair(strconv.FormatBool(v.Bool()))
	case kindInt:
		e.pair(strconv.FormatInt(v.Int(), 10))
	case kindFloat:
		e.pair(strconv.FormatFloat(v.Float(), 'g', -1, 64))
	case kindTime:
		e.pair(v.Addr().Interface().(*time.Time).UTC().Format(time.RFC3339Nano))
	case kindBlob:
		e.pair(base64.StdEncoding.EncodeToString(v.Bytes()))
	case kindStruct:
		e.members(v, f.inner(e.api))
	}
}

func (e *encoder) pair(value string) {
	e.b.WriteByte('&')
	e.b.WriteString(url.QueryEscape(string(e.key)))
	e.b.WriteByte('=')
	e.b.WriteString(url.QueryEscape(value))
}
