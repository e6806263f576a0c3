package proto

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

// findings collects what is wrong with a request and says it as the protocol's
// services do. EC2 names one error: an unknown parameter before a missing one, a
// missing one before a bad value. Query and JSON services ignore what they do not
// know and list all violations in one ValidationError or ValidationException.
type findings struct {
	lists bool   // Query, JSON: list violations
	code  string // of the list; ValidationError if empty

	first struct{ unknown, missing, invalid *awserr.Error }
	all   []string
	more  int // violations beyond maxViolations
}

// maxViolations bounds the text of a ValidationError.
const maxViolations = 10

// err is the verdict, nil if nothing was found.
func (f *findings) err() error {
	for _, e := range []*awserr.Error{f.first.unknown, f.first.missing, f.first.invalid} {
		if e != nil {
			return e
		}
	}
	if n := len(f.all) + f.more; n > 0 {
		noun := "errors"
		if n == 1 {
			noun = "error"
		}
		return awserr.New(cmp.Or(f.code, "ValidationError"), "%d validation %s detected: %s", n, noun, strings.Join(f.all, "; "))
	}
	return nil
}

func (f *findings) violation(key, value, rule string) {
	if len(f.all) == maxViolations {
		f.more++
		return
	}
	f.all = append(f.all, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", value, awserr.Clip(memberPath(key)), rule))
}

func (f *findings) unknown(key string) {
	if !f.lists && f.first.unknown == nil {
		f.first.unknown = awserr.UnknownParameter(key)
	}
}

func (f *findings) missing(key string) {
	if f.lists {
		f.violation(key, "null", "Member must not be null")
	} else if f.first.missing == nil {
		f.first.missing = awserr.MissingParameter(key)
	}
}

// duplicate: one name, two values.
func (f *findings) duplicate(key string) {
	if f.first.unknown == nil {
		f.first.unknown = awserr.New("MalformedQueryString", "The parameter %s is given more than once.", awserr.Clip(key))
	}
}

// shapeMismatch: a value where members or elements are expected
// (AutoEnableIO=true instead of AutoEnableIO.Value=true).
func (f *findings) shapeMismatch(key string) {
	if f.first.unknown != nil {
		return
	}
	if f.lists {
		f.first.unknown = awserr.New("MalformedInput", "Unexpected value at %s", awserr.Clip(key))
		return
	}
	f.first.unknown = awserr.New("InvalidRequest", "The request received was invalid.").
		Because(fmt.Errorf("value for parameter %s, which has members", awserr.Clip(key)))
}

// invalid: a value that the member's type cannot take. why is EC2's sentence, rule
// that of the Query services.
func (f *findings) invalid(p Param, why, rule string) {
	if f.lists {
		f.violation(p.Key, "'"+awserr.Clip(p.Value)+"'", rule)
	} else if f.first.invalid == nil {
		f.first.invalid = awserr.InvalidParameterValue(parameterName(p.Key), p.Value, why)
	}
}

func (f *findings) notInEnum(member *field, p Param, values []string) {
	why := "Valid values: " + strings.Join(values, ", ") + "."
	if member.query == "Attribute" {
		why = "Unknown attribute."
	}
	f.invalid(p, why, "Member must satisfy enum value set: ["+strings.Join(values, ", ")+"]")
}

// bounds checks an integer. EC2's text is its own, blanks included:
// "Value ( 1 ) for parameter maxResults is invalid. Expecting a value greater than 5."
func (f *findings) bounds(r *rules, n int64, p Param) {
	if r == nil {
		return
	}
	switch {
	case r.hasMin && n < r.min:
		f.bound(p, "greater", r.min)
	case r.hasMax && n > r.max:
		f.bound(p, "less", r.max)
	}
}

func (f *findings) bound(p Param, side string, limit int64) {
	if f.lists {
		f.violation(p.Key, "'"+awserr.Clip(p.Value)+"'", fmt.Sprintf("Member must have value %s than or equal to %d", side, limit))
	} else if f.first.invalid == nil {
		f.first.invalid = awserr.New("InvalidParameterValue", "Value ( %s ) for parameter %s is invalid. Expecting a value %s than %d.",
			awserr.Clip(p.Value), parameterName(p.Key), side, limit)
	}
}

// characters checks a string's length and pattern.
func (f *findings) characters(r *rules, p Param) {
	if r == nil {
		return
	}
	n := utf8.RuneCountInString(p.Value)
	switch {
	case r.hasLen && n < r.minLen:
		f.invalid(p, fmt.Sprintf("Expected at least %d characters.", r.minLen), fmt.Sprintf("Member must have length greater than or equal to %d", r.minLen))
	case r.hasLen && r.maxLen > 0 && n > r.maxLen:
		f.invalid(p, fmt.Sprintf("Expected at most %d characters.", r.maxLen), fmt.Sprintf("Member must have length less than or equal to %d", r.maxLen))
	}
	if r.pattern != nil && !r.pattern.MatchString(p.Value) {
		f.invalid(p, "Expected the pattern "+r.patternText+".", "Member must satisfy regular expression pattern: "+r.patternText)
	}
}

// elements checks a JSON list: its length, and its elements if they are strings.
// Whatever an element fails, the text shows the list and all that is asked of each.
func (f *findings) elements(member *field, key string, list reflect.Value) {
	r := member.rules
	if r == nil {
		return
	}
	if n := list.Len(); r.hasItems && n < r.minItems {
		f.violation(key, shown(list), fmt.Sprintf("Member must have length greater than or equal to %d", r.minItems))
	} else if r.hasItems && n > r.maxItems {
		f.violation(key, shown(list), fmt.Sprintf("Member must have length less than or equal to %d", r.maxItems))
	}
	if member.kind != kindString {
		return
	}
	for i := range list.Len() {
		if !r.holds(list.Index(i).String()) {
			f.violation(key, shown(list), "Member must satisfy constraint: ["+strings.Join(r.sentences(), ", ")+"]")
			return
		}
	}
}

// holds says whether a string keeps the rules.
func (r *rules) holds(s string) bool {
	n := utf8.RuneCountInString(s)
	return (!r.hasLen || n >= r.minLen && (r.maxLen == 0 || n <= r.maxLen)) && (r.pattern == nil || r.pattern.MatchString(s))
}

// sentences says what the rules ask of a string.
func (r *rules) sentences() (all []string) {
	if r.hasLen && r.maxLen > 0 {
		all = append(all, fmt.Sprintf("Member must have length less than or equal to %d", r.maxLen))
	}
	if r.hasLen {
		all = append(all, fmt.Sprintf("Member must have length greater than or equal to %d", r.minLen))
	}
	if r.pattern != nil {
		all = append(all, "Member must satisfy regular expression pattern: "+r.patternText)
	}
	return all
}

// shown is a list as AWS's messages have it: '[a, b]'.
func shown(list reflect.Value) string {
	var b strings.Builder
	for i := range list.Len() {
		if i > 0 {
			b.WriteString(", ")
		}
		if list.Index(i).Kind() == reflect.String {
			b.WriteString(list.Index(i).String())
		}
		if b.Len() > 1<<10 {
			break // Clip cuts it anyway
		}
	}
	return "'[" + awserr.Clip(b.String()) + "]'"
}

// parameterName is a key as EC2's messages name it: MaxResults → maxResults. What
// lies deeper keeps its key, so that the element can be found.
func parameterName(key string) string {
	if strings.Contains(key, ".") {
		return awserr.Clip(key)
	}
	return awserr.Clip(lower(key))
}

// memberPath is a key as Query services name it:
// Tags.member.1.Key → tags.1.member.key.
func memberPath(key string) string {
	parts := strings.Split(key, ".")
	for i := range parts {
		parts[i] = lower(parts[i])
	}
	for i := 0; i+1 < len(parts); i++ {
		if _, ok := number(parts[i+1]); ok && parts[i] == "member" {
			parts[i], parts[i+1] = parts[i+1], parts[i]
			i++
		}
	}
	return strings.Join(parts, ".")
}

func lower(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
