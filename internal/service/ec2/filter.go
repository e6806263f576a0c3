package ec2

import (
	"strings"
	"unicode"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/state"
)

// filters names what a describe action can be filtered by, and gives the values
// that a row has under the name: none, one or several, of which one must match.
type filters[T any] map[string]func(*T) []string

// lookups are filters whose values stand in other rows.
type lookups[T any] map[string]func(state.Reader, *T) []string

// Limits of one request (EC2 User Guide, "List and filter using the CLI and API").
const (
	maxFilters      = 50
	maxFilterValues = 200
)

// compile checks the filters of a request against the names that the action
// knows, and makes the condition that is true for rows that pass them all.
// tag:KEY and tag-key are known to everything that has tags. Errors:
// InvalidParameterValue for an unknown name, MissingParameter for a filter
// without values, FilterLimitExceeded.
func compile[T any](in []api.Filter, table filters[T], more ...lookups[T]) (func(state.Reader, *T) bool, error) {
	if len(in) > maxFilters {
		return nil, awserr.New("FilterLimitExceeded", "The maximum number of filters specified on a single call is %d", maxFilters)
	}
	type condition struct {
		values func(state.Reader, *T) []string
		accept accept
	}
	conditions := make([]condition, 0, len(in))
	count := 0
	for _, f := range in {
		if f.Name == nil {
			return nil, unknownFilter("null")
		}
		values := filterValues(*f.Name, table, more)
		if values == nil {
			return nil, unknownFilter(*f.Name)
		}
		if len(f.Values) == 0 {
			return nil, awserr.InvalidParameterValue("filter", *f.Name, "The filter must have at least one value.")
		}
		if count += len(f.Values); count > maxFilterValues {
			return nil, awserr.New("FilterLimitExceeded", "The maximum number of filter values specified on a single call is %d", maxFilterValues)
		}
		conditions = append(conditions, condition{values, newAccept(f.Values)})
	}
	return func(r state.Reader, row *T) bool {
		for _, c := range conditions {
			if !c.accept.any(c.values(r, row)) {
				return false
			}
		}
		return true
	}, nil
}

func unknownFilter(name string) error {
	return awserr.New("InvalidParameterValue", "The filter '%s' is invalid", awserr.Clip(name))
}

// filterValues finds what a filter name stands for; nil if nothing.
func filterValues[T any](name string, table filters[T], more []lookups[T]) func(state.Reader, *T) []string {
	if _, tagged := any((*T)(nil)).(state.Resource); tagged {
		if key, ok := strings.CutPrefix(name, "tag:"); ok {
			return func(_ state.Reader, row *T) []string {
				value, ok := tagsIn(row).Get(key)
				if !ok {
					return nil
				}
				return []string{value}
			}
		}
		if name == "tag-key" || name == "tag-value" {
			return func(_ state.Reader, row *T) []string {
				var out []string
				for _, t := range tagsIn(row) {
					if name == "tag-key" {
						out = append(out, t.Key)
					} else {
						out = append(out, t.Value)
					}
				}
				return out
			}
		}
	}
	for _, name := range []string{name, kebab(name)} {
		if fn, ok := table[name]; ok {
			return func(_ state.Reader, row *T) []string { return fn(row) }
		}
		for _, m := range more {
			if fn, ok := m[name]; ok {
				return fn
			}
		}
	}
	return nil
}

func tagsIn[T any](row *T) state.Tags { return state.MetaOf(any(row).(state.Resource)).Tags }

// kebab turns the older names of filters into today's: availabilityZone was the
// name of availability-zone before 2012 and is still taken, and sent.
func kebab(name string) string {
	var b strings.Builder
	for _, c := range name {
		if unicode.IsUpper(c) {
			b.WriteByte('-')
			c = unicode.ToLower(c)
		}
		b.WriteRune(c)
	}
	return b.String()
}

// accept is a set of filter values: literal ones, and patterns.
type accept struct {
	literals map[string]struct{}
	patterns []pattern
}

func newAccept(values []string) accept {
	a := accept{literals: make(map[string]struct{}, len(values))}
	for _, v := range values {
		p := parsePattern(v)
		if text, ok := p.literal(); ok {
			a.literals[text] = struct{}{}
		} else {
			a.patterns = append(a.patterns, p)
		}
	}
	return a
}

func (a accept) any(values []string) bool {
	for _, v := range values {
		if _, ok := a.literals[v]; ok {
			return true
		}
		for _, p := range a.patterns {
			if p.match(v) {
				return true
			}
		}
	}
	return false
}

// pattern is a filter value: * is any text, ? is one character or none, and a
// backslash takes the next character as it is (EC2 User Guide, "Filter
// considerations").
type pattern []element

type element struct {
	char rune
	kind elementKind
}

type elementKind uint8

const (
	literalChar elementKind = iota
	anyText                 // *
	anyChar                 // ?
)

func parsePattern(s string) pattern {
	var p pattern
	escaped := false
	for _, c := range s {
		switch {
		case escaped:
			p = append(p, element{char: c})
			escaped = false
		case c == '\\':
			escaped = true
		case c == '*':
			if len(p) == 0 || p[len(p)-1].kind != anyText {
				p = append(p, element{kind: anyText})
			}
		case c == '?':
			p = append(p, element{kind: anyChar})
		default:
			p = append(p, element{char: c})
		}
	}
	if escaped {
		p = append(p, element{char: '\\'})
	}
	return p
}

// literal gives the text of a pattern without wildcards.
func (p pattern) literal() (string, bool) {
	var b strings.Builder
	for _, e := range p {
		if e.kind != literalChar {
			return "", false
		}
		b.WriteRune(e.char)
	}
	return b.String(), true
}

// match walks the text once with the set of elements that may come next, so its
// time is at most the product of the lengths, whatever the pattern.
func (p pattern) match(text string) bool {
	now := make([]bool, len(p)+1)
	next := make([]bool, len(p)+1)
	now[0] = true
	p.skip(now)
	for _, c := range text {
		clear(next)
		alive := false
		for i, on := range now[:len(p)] {
			if !on {
				continue
			}
			switch e := p[i]; {
			case e.kind == anyText:
				next[i], alive = true, true
			case e.kind == anyChar || e.char == c:
				next[i+1], alive = true, true
			}
		}
		if !alive {
			return false
		}
		p.skip(next)
		now, next = next, now
	}
	return now[len(p)]
}

// skip adds what may come next when wildcards take nothing.
func (p pattern) skip(at []bool) {
	for i, e := range p {
		if at[i] && e.kind != literalChar {
			at[i+1] = true
		}
	}
}
