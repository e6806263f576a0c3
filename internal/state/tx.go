package state

import (
	"io"
	"slices"
	"time"

	"github.com/hashicorp/go-memdb"

	"github.com/localvpc/localvpc/internal/base/awsid"
)

// Snapshot is the published state after commit Index. Reading it never blocks
// and never sees a later change.
type Snapshot struct {
	Index uint64
	txn   *memdb.Txn
	names domains
	since []uint64 // the index of the commit that changed each of tables last
}

// Since is the index of the last commit that changed a table other than those which
// are named: who reads none of these finds the same in all snapshots that have it.
func (s *Snapshot) Since(but map[string]bool) (index uint64) {
	for i, t := range tables {
		if !but[t.Name()] {
			index = max(index, s.since[i])
		}
	}
	return index
}

// sinceOf brings on what Since tells by the changes of a commit.
func sinceOf(since []uint64, changes []Change, index uint64) []uint64 {
	next := slices.Clone(since) // snapshots hold the old ones
	last := ""
	for i := range changes {
		if name := changes[i].Table; name != last {
			last = name
			next[slices.IndexFunc(tables, func(t table) bool { return t.Name() == name })] = index
		}
	}
	return next
}

func (s *Snapshot) read() *memdb.Txn { return s.txn }

func (s *Snapshot) domains() domains { return s.names }

// Tx is one transaction: it reads its own writes, and is told the time and the
// randomness it may use.
type Tx struct {
	txn   *memdb.Txn
	names domains // before the transaction
	now   time.Time
	rand  io.Reader
}

func (tx *Tx) read() *memdb.Txn { return tx.txn }

func (tx *Tx) domains() domains { return tx.names.with(changesOf(tx.txn)) }

// Now is the time of the transaction, in UTC, with millisecond precision as
// AWS prints it.
func (tx *Tx) Now() time.Time { return tx.now }

// ID makes an id of AWS's form, for example "vpc-0123456789abcdef0".
func (tx *Tx) ID(prefix string) string { return awsid.New(prefix, tx.rand) }

// Rand is the transaction's source of randomness.
func (tx *Tx) Rand() io.Reader { return tx.rand }

// Meta starts a new resource in a scope: an id with the prefix, created now.
func (tx *Tx) Meta(s Scope, prefix string) Meta {
	return Meta{Key: s.Key(tx.ID(prefix)), Created: tx.now}
}

// Clear removes every row of every table, as at a fresh start.
func (tx *Tx) Clear() {
	for _, t := range tables {
		t.clear(tx)
	}
}

// Change is the effect of a commit on one row: Before is nil for a new row,
// After for a removed one. Both are pointers to the table's struct.
type Change struct {
	Table         string
	Key           Key
	Before, After Resource
}

// Commit is all the changes that one transaction made.
type Commit struct {
	Index   uint64
	Time    time.Time
	Changes []Change
}

func changesOf(txn *memdb.Txn) []Change {
	var out []Change
	for _, c := range txn.Changes() {
		change := Change{Table: c.Table}
		if c.Before != nil {
			change.Before = c.Before.(Resource)
			change.Key = change.Before.meta().Key
		}
		if c.After != nil {
			change.After = c.After.(Resource)
			change.Key = change.After.meta().Key
		}
		if change.Before == nil && change.After == nil {
			continue
		}
		out = append(out, change)
	}
	return out
}
