package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// Verb is what to do with an object.
type Verb string

const (
	Add    Verb = "add"
	Change Verb = "change" // same key, other text
	Remove Verb = "remove"
)

// Op is one operation. Old is set for Change.
type Op struct {
	Verb   Verb
	Object Object
	Old    Object
}

func (op Op) String() string { return string(op.Verb) + " " + op.Object.String() }

// Objects is a set of objects by key.
type Objects map[string]Object

// Put adds objects, a later one with the same key wins.
func (os Objects) Put(objects ...Object) {
	for _, o := range objects {
		os[o.Key()] = o
	}
}

// Diff gives the operations that turn current into desired, in the order in
// which they have to be done: removals of elements, because a set refuses an
// interval that overlaps one it still holds; additions and changes by ascending
// Kind; the other removals by descending Kind. What hangs on an interface that
// goes, or whose pair is made anew, is added again if it is still wanted. Its cost
// is that of the sets it is given, so callers give it only the part that may have
// changed.
func Diff(current, desired Objects) []Op {
	var first, put, drop []Op
	lost := lostEnds(current, desired)
	for key, want := range desired {
		have, ok := current[key]
		switch {
		case !ok || lost[end{want.NS(), LinkOf(want)}]:
			put = append(put, Op{Verb: Add, Object: want})
		case !Same(have, want):
			put = append(put, Op{Verb: Change, Object: want, Old: have})
		}
	}
	for key, have := range current {
		if _, ok := desired[key]; ok {
			continue
		}
		op := Op{Verb: Remove, Object: have}
		if have.Kind() == KindElement {
			first = append(first, op)
		} else {
			drop = append(drop, op)
		}
	}
	Sort(first)
	Sort(put)
	Sort(drop)
	slices.Reverse(drop)
	return slices.Concat(first, put, drop)
}

// end is one end of a link.
type end struct {
	ns   Netns
	name string
}

// lostEnds are the interfaces of current that do not outlive the way to desired.
func lostEnds(current, desired Objects) map[end]bool {
	var lost map[end]bool
	for key, o := range current {
		have, ok := o.(Link)
		if !ok {
			continue
		}
		if want, ok := desired[key].(Link); ok && have.SamePair(want) {
			continue
		}
		if lost == nil {
			lost = map[end]bool{}
		}
		lost[end{have.Netns, have.Name}], lost[end{have.Peer, have.PeerName}] = true, true
	}
	return lost
}

// Sort orders operations by namespace kind first, then by Kind and Key, so that
// a plan reads the same every time.
func Sort(ops []Op) {
	slices.SortFunc(ops, func(a, b Op) int {
		return cmp.Or(cmp.Compare(a.Object.Kind(), b.Object.Kind()), cmp.Compare(a.Object.Key(), b.Object.Key()))
	})
}

// Same says whether two objects of one key are the same kernel state. A chain
// that was read back from the kernel is known by its fingerprint alone.
func Same(a, b Object) bool {
	ca, ok1 := a.(Chain)
	cb, ok2 := b.(Chain)
	if ok1 && ok2 {
		return ca.Fingerprint() == cb.Fingerprint()
	}
	return a.String() == b.String()
}

// Fingerprint identifies a rule's text: 16 hex digits.
func (r Rule) Fingerprint() string { return fingerprint(r.String()) }

// Fingerprint identifies a chain's hook and rules. A chain read back from the
// kernel carries only the fingerprints of its rules, in Seen.
func (o Chain) Fingerprint() string {
	s := ""
	if o.Hook != nil {
		s = "hook " + o.Hook.Hook + ";"
	}
	if o.Seen != nil {
		for _, seen := range o.Seen {
			s += seen + ";"
		}
		return fingerprint(s)
	}
	for _, r := range o.Rules {
		s += r.Fingerprint() + ";"
	}
	return fingerprint(s)
}

func fingerprint(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}
