// Package state is what is: the resources of every account and Region as plain
// immutable values, in tables with indexes, changed only by transactions.
//
// Invariant: a value that has been put is never modified again; a snapshot is a
// whole commit or several, never a part of one; and a commit is published only
// after its journal has made it durable.
package state

import "time"

// Key identifies a resource: AWS ids are looked up within an account and a
// Region, never across. Global resources have an empty Region.
type Key struct{ Account, Region, ID string }

// Scope is an account in a Region, the part of a Key that a caller brings.
type Scope struct{ Account, Region string }

// Key gives the key of a resource in the scope.
func (s Scope) Key(id string) Key { return Key{s.Account, s.Region, id} }

// Scope gives the account and Region of a key.
func (k Key) Scope() Scope { return Scope{k.Account, k.Region} }

func (s Scope) String() string { return s.Account + "/" + s.Region }

func (k Key) String() string { return k.Account + "/" + k.Region + "/" + k.ID }

// bytes is the key in the primary index: parts end with a zero byte, so that a
// scope is a prefix.
func (k Key) bytes() []byte {
	b := make([]byte, 0, len(k.Account)+len(k.Region)+len(k.ID)+3)
	return append(append(append(append(append(append(b, k.Account...), 0), k.Region...), 0), k.ID...), 0)
}

func (s Scope) prefix() []byte {
	b := make([]byte, 0, len(s.Account)+len(s.Region)+2)
	return append(append(append(append(b, s.Account...), 0), s.Region...), 0)
}

// Tag is one tag; Tags keep the order in which they were given.
type Tag struct{ Key, Value string }

// Tags of a resource, at most 50 (AWS General Reference, tagging limits).
type Tags []Tag

// Get returns the value of a tag.
func (ts Tags) Get(key string) (string, bool) {
	for _, t := range ts {
		if t.Key == key {
			return t.Value, true
		}
	}
	return "", false
}

// With gives a copy in which the tag is set.
func (ts Tags) With(key, value string) Tags {
	out := make(Tags, 0, len(ts)+1)
	found := false
	for _, t := range ts {
		if t.Key == key {
			t.Value, found = value, true
		}
		out = append(out, t)
	}
	if !found {
		out = append(out, Tag{key, value})
	}
	return out
}

// Without gives a copy in which the tag is gone. With a value, only if it has
// that value.
func (ts Tags) Without(key string, value *string) Tags {
	var out Tags
	for _, t := range ts {
		if t.Key == key && (value == nil || *value == t.Value) {
			continue
		}
		out = append(out, t)
	}
	return out
}

// Meta is what every resource has.
type Meta struct {
	Key
	Tags    Tags      `json:",omitempty"`
	Created time.Time `json:",omitzero"`
}

func (m *Meta) meta() *Meta { return m }

// Resource is a value that a table can hold: a pointer to a struct that embeds Meta.
type Resource interface{ meta() *Meta }

// MetaOf gives the key, tags and creation time of any resource.
func MetaOf(r Resource) *Meta { return r.meta() }
