package proto

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// kind is what a member is on the wire; of a list, what its elements are.
type kind uint8

const (
	kindString kind = iota
	kindBool
	kindInt // 32 or 64 bits
	kindFloat
	kindTime
	kindBlob
	kindStruct
	kindMap // of answers: text to text or integer
)

// shape describes one generated structure.
type shape struct {
	fields   []field
	byQuery  map[string]*field // by request key
	byXML    map[string]*field // by element name; what travels outside the body is not there
	byParam  map[string]*field // REST: by key in the query string
	labels   map[string]*field // REST: by label in the path
	required bool              // some member is
	outside  bool              // REST: some member travels outside the body
}

// field describes one member, from its Go type and its tag. The words of a tag
// (key aws, separated by blanks):
//
//	query=KEY     request key, of JSON the member's name, if not the field's name
//	xml=NAME      element name, if not the field's name; of a list xml=NAME>ITEM
//	enum=NAME     the values allowed, API.Enum(NAME); anycase: compared without case
//	required      a request without it is refused
//	token         idempotency token: clients fill it in
//	sensitive     never logged
//	min= max=     bounds of an integer
//	len=MIN-MAX   bounds of a string in characters, MAX may be absent
//	pattern=RE    RE2 for the whole string
//	items=MIN-MAX bounds of a list in elements (JSON, REST-XML)
//	label         stands in the path (REST); the label is the field's name
//	param=KEY     stands in the query string (REST)
//	header=NAME   stands in the header (REST)
type field struct {
	name    string
	index   int
	kind    kind
	list    bool
	query   string
	xml     string
	item    string
	opening string // <xml>, of a list the wrapper
	closing string // </xml>
	itemOn  string // <item>
	itemOff string // </item>

	label  bool
	param  string
	header string

	enum     string
	anycase  bool
	required bool
	token    bool
	rules    *rules

	elem  reflect.Type // the structure's type, of kindStruct
	below atomic.Pointer[shape]
}

// rules are the constraints of one member.
type rules struct {
	min, max       int64
	hasMin, hasMax bool
	minLen, maxLen int // maxLen 0: none
	hasLen         bool
	pattern        *regexp.Regexp
	patternText    string

	minItems, maxItems int
	hasItems           bool
}

var timeType = reflect.TypeFor[time.Time]()

// shape returns the description of a structure, built at first use.
func (a *API) shape(t reflect.Type) *shape {
	if s, ok := a.shapes.Load(t); ok {
		return s.(*shape)
	}
	s, _ := a.shapes.LoadOrStore(t, describe(t))
	return s.(*shape)
}

// inner returns the description of a kindStruct field's structure.
func (f *field) inner(a *API) *shape {
	if s := f.below.Load(); s != nil {
		return s
	}
	s := a.shape(f.elem)
	f.below.Store(s)
	return s
}

// describe panics on a type that wiregen cannot have made: its test describes all.
func describe(t reflect.Type) *shape {
	n := t.NumField()
	s := &shape{fields: make([]field, n), byQuery: make(map[string]*field, n), byXML: make(map[string]*field, n)}
	for i := range n {
		f := &s.fields[i]
		f.index = i
		f.read(t.Field(i))
		s.required = s.required || f.required
		if f.elsewhere() {
			s.away(f)
			continue
		}
		for _, m := range []struct {
			names map[string]*field
			name  string
		}{{s.byQuery, f.query}, {s.byXML, f.xml}} {
			if old := m.names[m.name]; old != nil {
				panic(fmt.Sprintf("%s: %s and %s are both %q", t, old.name, f.name, m.name))
			}
			m.names[m.name] = f
		}
	}
	return s
}

// elsewhere says whether the member travels outside the body.
func (f *field) elsewhere() bool { return f.label || f.param != "" || f.header != "" }

// away notes a member that travels outside the body.
func (s *shape) away(f *field) {
	s.outside = true
	switch {
	case f.label:
		if s.labels == nil {
			s.labels = map[string]*field{}
		}
		s.labels[f.name] = f
	case f.param != "":
		if s.byParam == nil {
			s.byParam = map[string]*field{}
		}
		s.byParam[f.param] = f
	}
}

func (f *field) read(sf reflect.StructField) {
	f.name, f.query, f.xml, f.item = sf.Name, sf.Name, sf.Name, "member"
	t := sf.Type
	switch {
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		f.kind = kindBlob
	case t.Kind() == reflect.Slice:
		f.list = true
		f.scalar(t.Elem())
	case t.Kind() == reflect.Map:
		f.kind = kindMap
	case t.Kind() == reflect.Pointer:
		f.scalar(t.Elem())
	default:
		panic(fmt.Sprintf("member %s has type %s", sf.Name, t))
	}
	for word := range strings.FieldsSeq(sf.Tag.Get("aws")) {
		f.word(word)
	}
	f.opening, f.closing = "<"+f.xml+">", "</"+f.xml+">"
	f.itemOn, f.itemOff = "<"+f.item+">", "</"+f.item+">"
}

func (f *field) scalar(t reflect.Type) {
	switch {
	case t == timeType:
		f.kind = kindTime
	case t.Kind() == reflect.String:
		f.kind = kindString
	case t.Kind() == reflect.Bool:
		f.kind = kindBool
	case t.Kind() == reflect.Int32, t.Kind() == reflect.Int64:
		f.kind = kindInt
	case t.Kind() == reflect.Float64:
		f.kind = kindFloat
	case t.Kind() == reflect.Struct:
		f.kind, f.elem = kindStruct, t
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		f.kind = kindBlob
	default:
		panic(fmt.Sprintf("member %s has element type %s", f.name, t))
	}
}

func (f *field) word(word string) {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "query":
		f.query = value
	case "xml":
		var item string
		f.xml, item, _ = strings.Cut(value, ">")
		if item != "" {
			f.item = item
		}
	case "enum":
		f.enum = value
	case "anycase":
		f.anycase = true
	case "required":
		f.required = true
	case "token":
		f.token = true
	case "label":
		f.label = true
	case "param":
		f.param = value
	case "header":
		f.header = value
	case "sensitive":
		// For whoever logs a request; the codecs do not care.
	default:
		if f.rules == nil {
			f.rules = &rules{}
		}
		f.rules.word(key, value)
	}
}

func (r *rules) word(key, value string) {
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			panic(fmt.Sprintf("constraint %s=%s: %v", key, value, err))
		}
		return n
	}
	switch key {
	case "min":
		r.min, r.hasMin = number(value), true
	case "max":
		r.max, r.hasMax = number(value), true
	case "len":
		low, high, _ := strings.Cut(value, "-")
		r.hasLen, r.minLen = true, int(number(low))
		if high != "" {
			r.maxLen = int(number(high))
		}
	case "items":
		low, high, _ := strings.Cut(value, "-")
		r.hasItems, r.minItems, r.maxItems = true, int(number(low)), int(number(high))
	case "pattern":
		r.patternText, r.pattern = value, regexp.MustCompile(`^(?:`+value+`)$`)
	default:
		panic("unknown constraint " + key)
	}
}
