package state

import (
	"cmp"
	"slices"
	"strings"

	radix "github.com/hashicorp/go-immutable-radix"
)

// domains finds the rows of Route 53 by their names, for those who answer
// questions: a walk along a reversed name meets everything that stands at a domain
// above it. The tables' indexes could tell the same in many queries, each of which
// costs as much as a whole answer may.
//
// Keys are a letter, what the name is looked for in, and the reversed name, whose
// final dot makes that a key is the beginning of another only when its name is
// above the other one:
//
//	s ACCOUNT 0 ZONE/com.example.www.   the record sets of a name, []*RecordSet
//	z com.example.                      the public zones of a name, []*HostedZone
//	v REGION/VPC com.example.           the private zones in a VPC, []*HostedZone
type domains struct{ tree *radix.Tree }

func newDomains() domains { return domains{radix.New()} }

// with are the domains after changes.
func (d domains) with(changes []Change) domains {
	var txn *radix.Txn
	for i := range changes {
		c := &changes[i]
		if c.Table != RecordSets.name && c.Table != HostedZones.name {
			continue
		}
		if txn == nil {
			txn = d.tree.Txn()
		}
		switch before := c.Before.(type) {
		case *RecordSet:
			leave(txn, setKey(before), before)
		case *HostedZone:
			for _, k := range zoneKeys(before) {
				leave(txn, k, before)
			}
		}
		switch after := c.After.(type) {
		case *RecordSet:
			enter(txn, setKey(after), after, func(a, b *RecordSet) int { return cmp.Compare(a.ID, b.ID) })
		case *HostedZone:
			for _, k := range zoneKeys(after) {
				enter(txn, k, after, func(a, b *HostedZone) int {
					return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
				})
			}
		}
	}
	if txn == nil {
		return d
	}
	return domains{txn.CommitOnly()}
}

// of are the domains with all rows of a state.
func (d domains) of(r *Snapshot) domains {
	var all []Change
	for s := range RecordSets.All(r) {
		all = append(all, Change{Table: RecordSets.name, After: s})
	}
	for z := range HostedZones.All(r) {
		all = append(all, Change{Table: HostedZones.name, After: z})
	}
	return d.with(all)
}

// setKey is where a record set stands: its id begins with zone and name.
func setKey(s *RecordSet) []byte {
	at, _, _ := strings.Cut(s.ID, " ")
	return appendSetKey(nil, s.Account, at, "")
}

func appendSetKey(b []byte, account, zone, name string) []byte {
	b = append(append(append(b, 's'), account...), 0)
	return append(append(b, zone...), name...)
}

func zoneKeys(z *HostedZone) (keys [][]byte) {
	if !z.Private {
		return [][]byte{appendZoneKey(nil, "", z.Reversed)}
	}
	for _, v := range z.Vpcs {
		keys = append(keys, appendZoneKey(nil, v.Key(), z.Reversed))
	}
	return keys
}

// appendZoneKey makes the key of a public zone, or of a private one in a VPC.
func appendZoneKey(b []byte, vpc, reversed string) []byte {
	if vpc == "" {
		return append(append(b, 'z'), reversed...)
	}
	return append(append(append(append(b, 'v'), vpc...), ' '), reversed...)
}

func enter[T any](txn *radix.Txn, k []byte, row *T, order func(a, b *T) int) {
	old, _ := txn.Get(k)
	rows, _ := old.([]*T)
	at, _ := slices.BinarySearchFunc(rows, row, order)
	// Snapshots hold the old list.
	txn.Insert(k, slices.Insert(slices.Clone(rows), at, row))
}

func leave[T any](txn *radix.Txn, k []byte, row *T) {
	old, _ := txn.Get(k)
	rows, _ := old.([]*T)
	left := make([]*T, 0, max(0, len(rows)-1))
	for _, r := range rows {
		if r != row {
			left = append(left, r)
		}
	}
	if len(left) == 0 {
		txn.Delete(k)
		return
	}
	txn.Insert(k, left)
}

// SetsAt gives the record sets of a name of a zone, in the order of types and set
// identifiers, and says whether the name exists: it does when it or a name below
// it has record sets. The name has its labels reversed.
func SetsAt(r Reader, zone Key, reversed string) (sets []*RecordSet, exists bool) {
	var buffer [128]byte
	k := append(appendSetKey(buffer[:0], zone.Account, zone.ID, "/"), reversed...)
	root := r.domains().tree.Root()
	if rows, ok := root.Get(k); ok {
		return rows.([]*RecordSet), true
	}
	root.WalkPrefix(k, func([]byte, any) bool {
		exists = true
		return true
	})
	return nil, exists
}

// SetsAlong tells fn the record sets of a name of a zone and of those above it,
// from the apex on, with the number of octets of the reversed name that they
// stand at.
func SetsAlong(r Reader, zone Key, reversed string, fn func(size int, sets []*RecordSet)) {
	var buffer [128]byte
	k := appendSetKey(buffer[:0], zone.Account, zone.ID, "/")
	before := len(k)
	k = append(k, reversed...)
	r.domains().tree.Root().WalkPath(k, func(at []byte, rows any) bool {
		fn(len(at)-before, rows.([]*RecordSet))
		return false
	})
}

// ZonesAlong tells fn the hosted zones of a name and of those above it, the widest
// first and of one name the oldest: the private ones that are associated with a
// VPC, or if that is "" the public ones. The name has its labels reversed, the VPC
// is written as ZoneVpc's Key.
func ZonesAlong(r Reader, vpc, reversed string, fn func(*HostedZone)) {
	var buffer [128]byte
	r.domains().tree.Root().WalkPath(appendZoneKey(buffer[:0], vpc, reversed), func(_ []byte, rows any) bool {
		for _, z := range rows.([]*HostedZone) {
			fn(z)
		}
		return false
	})
}

// ZonesBelow says whether there are public hosted zones below a name.
func ZonesBelow(r Reader, reversed string) (found bool) {
	var buffer [128]byte
	k := appendZoneKey(buffer[:0], "", reversed)
	r.domains().tree.Root().WalkPrefix(k, func(at []byte, _ any) bool {
		found = len(at) > len(k)
		return found
	})
	return found
}
