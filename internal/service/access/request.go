package access

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/localvpc/localvpc/internal/decide/authz"
)

// values gives what the members at a path hold, as texts: through pointers, lists
// and structures, whatever is there.
func values(v reflect.Value, path []string) []string {
	for v.IsValid() && v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	if !v.IsValid() {
		return nil
	}
	switch v.Kind() {
	case reflect.Slice:
		var out []string
		for i := range v.Len() {
			out = append(out, values(v.Index(i), path)...)
		}
		return out
	case reflect.Struct:
		if len(path) == 0 {
			// A structure around one value, as AttributeValue.
			return values(v.FieldByName("Value"), nil)
		}
		return values(v.FieldByName(path[0]), path[1:])
	}
	if len(path) > 0 {
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		return []string{v.String()}
	case reflect.Bool:
		return []string{strconv.FormatBool(v.Bool())}
	case reflect.Int32, reflect.Int64:
		return []string{strconv.FormatInt(v.Int(), 10)}
	}
	return nil
}

// first is the first of values; empty if there is none.
func first(in any, path ...string) string {
	if list := values(reflect.ValueOf(in), path); len(list) > 0 {
		return list[0]
	}
	return ""
}

// members are where an input has what many have: -1 where it has not.
type members struct{ tags, tagKeys, specifications int }

func membersOf(t reflect.Type) members {
	at := func(name string) int {
		if f, ok := t.FieldByName(name); ok {
			return f.Index[0]
		}
		return -1
	}
	return members{at("Tags"), at("TagKeys"), at("TagSpecifications")}
}

// member is a member of the structure behind a pointer; not valid for -1.
func member(v reflect.Value, index int) reflect.Value {
	if index < 0 {
		return reflect.Value{}
	}
	return v.Elem().Field(index)
}

// hasTags says whether a request sets tags on what it makes.
func hasTags(in any, f members) bool {
	tags := member(reflect.ValueOf(in), f.tags)
	return tags.IsValid() && tags.Len() > 0
}

// requestKeys are the condition keys that come with the request itself.
func requestKeys(in any, r rule, f members) authz.Context {
	var keys authz.Context
	v := reflect.ValueOf(in)
	for _, s := range r.keys {
		var list []string
		for _, path := range s.members {
			list = append(list, values(v, path)...)
		}
		if strings.HasSuffix(s.name, "NormalizedRecordNames") {
			for i, name := range list {
				list[i] = strings.ToLower(strings.TrimSuffix(name, "."))
			}
		}
		if len(list) > 0 {
			keys = append(keys, authz.Key{Name: s.name, Values: list})
		}
	}
	return append(keys, tagKeys(member(v, f.tags), member(v, f.tagKeys))...)
}

// tagKeys are the keys about tags that a request sets, or removes by key.
func tagKeys(tags, removed reflect.Value) authz.Context {
	var keys authz.Context
	var names []string
	if tags.IsValid() && tags.Kind() == reflect.Slice {
		for i := range tags.Len() {
			tag := tags.Index(i)
			if tag.Kind() != reflect.Struct {
				continue
			}
			name := first(tag.Interface(), "Key")
			names = append(names, name)
			keys = append(keys, authz.Key{Name: "aws:RequestTag/" + name, Values: []string{first(tag.Interface(), "Value")}})
		}
	}
	if removed.IsValid() {
		names = append(names, values(removed, nil)...)
	}
	if len(names) > 0 {
		keys = append(keys, authz.Key{Name: "aws:TagKeys", Values: names})
	}
	return keys
}

// specified gives the tags that a request sets on what it makes, by type of
// resource (EC2's TagSpecifications).
func specified(in any, f members) map[string]authz.Context {
	list := member(reflect.ValueOf(in), f.specifications)
	if !list.IsValid() || list.Len() == 0 {
		return nil
	}
	out := map[string]authz.Context{}
	for i := range list.Len() {
		s := list.Index(i)
		if kind := first(s.Interface(), "ResourceType"); kind != "" && s.FieldByName("Tags").Len() > 0 {
			out[kind] = tagKeys(s.FieldByName("Tags"), reflect.Value{})
		}
	}
	return out
}
