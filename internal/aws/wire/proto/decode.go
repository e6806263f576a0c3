package proto

import (
	"encoding/base64"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decoder reads the parameters of a form into an Input. It makes one pass over the
// parameters in the order of their keys, in which the members of one structure and
// the elements of one list stand together and elements ascend by number, whatever
// gaps there are. What it allocates is bounded by the number of parameters, never
// by a number in a key.
type decoder struct {
	api *API
	// listWord stands between a list's key and its element's number: "" in the EC2
	// protocol (Filter.1), "member" in Query (Tags.member.1).
	listWord string
	findings
}

// input decodes form into in (*ActionInput).
func (d *decoder) input(form Form, in any) {
	params := make([]Param, 0, len(form))
	for _, p := range form {
		if !envelope(p.Key) {
			params = append(params, p)
		}
	}
	if !slices.IsSortedFunc(params, byKey) {
		slices.SortStableFunc(params, byKey)
	}
	v := reflect.ValueOf(in).Elem()
	d.structure(v, d.api.shape(v.Type()), params, 0)
}

func byKey(a, b Param) int { return compareKeys(a.Key, b.Key) }

// compareKeys orders keys segment by segment: numbers by value, then names.
func compareKeys(a, b string) int {
	for {
		var x, y string
		var moreA, moreB bool
		x, a, moreA = strings.Cut(a, ".")
		y, b, moreB = strings.Cut(b, ".")
		if c := compareSegments(x, y); c != 0 {
			return c
		}
		switch {
		case !moreA && !moreB:
			return 0
		case !moreA:
			return -1
		case !moreB:
			return 1
		}
	}
}

func compareSegments(x, y string) int {
	if x == y {
		return 0
	}
	m, okX := number(x)
	n, okY := number(y)
	switch {
	case okX && okY:
		return m - n
	case okX:
		return -1
	case okY:
		return 1
	}
	return strings.Compare(x, y)
}

// number reads a list element's number: decimal, from 1, no leading zero.
func number(s string) (int, bool) {
	if s == "" || len(s) > 9 || s[0] == '0' {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// group returns the first segment of params[0]'s key from byte at, and how many of
// the parameters share it.
func group(params []Param, at int) (segment string, n int) {
	key := params[0].Key
	end := strings.IndexByte(key[at:], '.')
	if end < 0 {
		end = len(key)
	} else {
		end += at
	}
	prefix := key[:end]
	n = 1
	for n < len(params) {
		k := params[n].Key
		if len(k) < end || k[at:end] != prefix[at:] || (len(k) > end && k[end] != '.') {
			break
		}
		n++
	}
	return key[at:end], n
}

// structure fills v from parameters whose keys, from byte at, name members.
func (d *decoder) structure(v reflect.Value, s *shape, params []Param, at int) {
	var prefix string
	if len(params) > 0 {
		prefix = params[0].Key[:at]
	}
	for len(params) > 0 {
		segment, n := group(params, at)
		f := s.byQuery[segment]
		if f == nil || f.kind == kindMap {
			d.unknown(params[0].Key[:at+len(segment)])
		} else {
			d.member(v.Field(f.index), f, params[:n], at+len(segment))
		}
		params = params[n:]
	}
	if s.required {
		d.required(v, s, prefix)
	}
}

func (d *decoder) required(v reflect.Value, s *shape, prefix string) {
	for i := range s.fields {
		f := &s.fields[i]
		if !f.required {
			continue
		}
		if fv := v.Field(f.index); fv.IsNil() || (f.list && fv.Len() == 0) {
			d.missing(prefix + f.query)
		}
	}
}

// member fills one member from the parameters of its group; end is where the
// member's segment ends in their keys.
func (d *decoder) member(v reflect.Value, f *field, params []Param, end int) {
	if f.list {
		d.list(v, f, params, end)
		return
	}
	if f.kind == kindStruct {
		if params = d.below(params, end); len(params) == 0 {
			return
		}
		v.Set(reflect.New(f.elem))
		d.structure(v.Elem(), f.inner(d.api), params, end+1)
		return
	}
	d.scalar(v, f, params, end)
}

// below drops the parameter that names a structure or list itself: an empty value
// is nothing, anything else does not fit. What is left goes deeper.
func (d *decoder) below(params []Param, end int) []Param {
	for len(params) > 0 && len(params[0].Key) == end {
		if params[0].Value != "" {
			d.shapeMismatch(params[0].Key)
		}
		params = params[1:]
	}
	return params
}

// scalar sets a member that is one value: exactly one parameter, nothing deeper.
func (d *decoder) scalar(v reflect.Value, f *field, params []Param, end int) {
	last := params[len(params)-1]
	if len(last.Key) > end {
		d.unknown(last.Key)
		return
	}
	if len(params) > 1 {
		d.duplicate(last.Key)
		return
	}
	if f.kind == kindBlob {
		d.value(v, f, last)
		return
	}
	p := reflect.New(v.Type().Elem())
	d.value(p.Elem(), f, last)
	v.Set(p)
}

// list fills a list. Its elements are counted first: one slice, never grown.
func (d *decoder) list(v reflect.Value, f *field, params []Param, end int) {
	// "List=" is how the Query protocol spells an empty list.
	if params[0].Value == "" && len(params[0].Key) == end && d.listWord != "" {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	}
	params = d.below(params, end)
	at := end + 1
	if d.listWord != "" && len(params) > 0 {
		word, n := group(params, at)
		if word != d.listWord && word != f.item {
			d.unknown(params[0].Key)
			return
		}
		if n < len(params) {
			d.unknown(params[n].Key)
			return
		}
		at += len(word) + 1
		if params = d.below(params, at-1); len(params) == 0 {
			return
		}
	}
	elements := 0
	for rest := params; len(rest) > 0; elements++ {
		segment, n := group(rest, at)
		if _, ok := number(segment); !ok {
			d.unknown(rest[0].Key)
			return
		}
		rest = rest[n:]
	}
	if elements == 0 {
		return
	}
	list := reflect.MakeSlice(v.Type(), elements, elements)
	for i := range elements {
		segment, n := group(params, at)
		d.element(list.Index(i), f, params[:n], at+len(segment))
		params = params[n:]
	}
	v.Set(list)
}

func (d *decoder) element(v reflect.Value, f *field, params []Param, end int) {
	if f.kind == kindStruct {
		if params = d.below(params, end); len(params) > 0 {
			d.structure(v, f.inner(d.api), params, end+1)
		} else if s := f.inner(d.api); s.required {
			d.required(v, s, "")
		}
		return
	}
	last := params[len(params)-1]
	switch {
	case len(last.Key) > end:
		d.unknown(last.Key)
	case len(params) > 1:
		d.duplicate(last.Key)
	default:
		d.value(v, f, last)
	}
}

// value parses one parameter into v and checks the member's rules.
func (d *decoder) value(v reflect.Value, f *field, p Param) {
	switch f.kind {
	case kindString:
		v.SetString(d.text(f, p))
	case kindBool:
		switch {
		case strings.EqualFold(p.Value, "true"):
			v.SetBool(true)
		case !strings.EqualFold(p.Value, "false"):
			d.invalid(p, "Expected true or false.", "Member must be a boolean")
		}
	case kindInt:
		n, err := strconv.ParseInt(p.Value, 10, v.Type().Bits())
		if err != nil {
			d.invalid(p, "Expected an integer.", "Member must be an integer")
			return
		}
		d.bounds(f.rules, n, p)
		v.SetInt(n)
	case kindFloat:
		n, err := strconv.ParseFloat(p.Value, 64)
		if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
			d.invalid(p, "Expected a number.", "Member must be a number")
			return
		}
		v.SetFloat(n)
	case kindTime:
		t, ok := parseTime(p.Value)
		if !ok {
			d.invalid(p, "Expected a timestamp such as 2006-01-02T15:04:05Z.", "Member must be a timestamp")
			return
		}
		v.Set(reflect.ValueOf(t))
	case kindBlob:
		raw, err := base64.StdEncoding.DecodeString(p.Value)
		if err != nil {
			d.invalid(p, "Expected base64-encoded data.", "Member must be base64-encoded")
			raw = []byte{} // given, if badly: not missing
		}
		v.SetBytes(raw)
	}
}

// text checks a string; the value returned is AWS's spelling of an enum's value.
func (d *decoder) text(f *field, p Param) string {
	if f.enum != "" && d.api.Enum != nil {
		values := d.api.Enum(f.enum)
		for _, v := range values {
			if v == p.Value || (f.anycase && strings.EqualFold(v, p.Value)) {
				return v
			}
		}
		if values != nil {
			d.notInEnum(f, p, values)
		}
	}
	d.characters(f.rules, p)
	return p.Value
}

// timeLayouts are ISO 8601 as AWS's clients write it, most frequent first.
var timeLayouts = [...]string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04Z", "2006-01-02T15:04", "2006-01-02"}

func parseTime(s string) (time.Time, bool) {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
