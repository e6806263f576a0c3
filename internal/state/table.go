package state

import (
	"encoding/json"
	"fmt"
	"iter"

	"github.com/hashicorp/go-memdb"
)

// Table is the typed way to one kind of resource. T is the struct, *T the
// Resource. A Table has no state of its own; the rows are in a Snapshot or Tx.
type Table[T any] struct {
	name    string
	indexes []index[T]
}

// index gives the keys under which a row is found; one row may have several, or none.
type index[T any] struct {
	name string
	keys func(*T) []string
}

// Name of the table, as it stands in the journal and in the change ticker.
func (t *Table[T]) Name() string { return t.name }

// Reader is a Snapshot or a Tx.
type Reader interface {
	read() *memdb.Txn
	domains() domains
}

// Get returns the row with the key.
func (t *Table[T]) Get(r Reader, k Key) (*T, bool) {
	row, err := r.read().First(t.name, "id", k)
	if err != nil {
		panic(fmt.Sprintf("state: table %s: %v", t.name, err)) // the schema lacks the table: a bug that any test shows
	}
	v, ok := row.(*T)
	return v, ok
}

// In walks the rows of a scope in the order of their ids.
func (t *Table[T]) In(r Reader, s Scope) iter.Seq[*T] { return t.walk(r, "id_prefix", s) }

// All walks all rows, in the order of account, Region and id.
func (t *Table[T]) All(r Reader) iter.Seq[*T] { return t.walk(r, "id") }

// By walks the rows that an index holds under a key, in the order of their ids.
func (t *Table[T]) By(r Reader, index, key string) iter.Seq[*T] { return t.walk(r, index, key) }

// From walks the rows from a key on, in the order of account, Region and id, to
// the end of the table.
func (t *Table[T]) From(r Reader, k Key) iter.Seq[*T] { return t.lowerBound(r, "id", k) }

// ByFrom walks the rows from a key of an index on, in the order of its keys.
func (t *Table[T]) ByFrom(r Reader, index, key string) iter.Seq[*T] {
	return t.lowerBound(r, index, key)
}

// Len counts all rows.
func (t *Table[T]) Len(r Reader) int {
	n := 0
	for range t.All(r) {
		n++
	}
	return n
}

func (t *Table[T]) walk(r Reader, index string, args ...any) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		rows, err := r.read().Get(t.name, index, args...)
		if err != nil {
			panic(fmt.Sprintf("state: table %s index %s: %v", t.name, index, err))
		}
		for row := rows.Next(); row != nil; row = rows.Next() {
			if !yield(row.(*T)) {
				return
			}
		}
	}
}

func (t *Table[T]) lowerBound(r Reader, index string, arg any) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		rows, err := r.read().LowerBound(t.name, index, arg)
		if err != nil {
			panic(fmt.Sprintf("state: table %s index %s: %v", t.name, index, err))
		}
		for row := rows.Next(); row != nil; row = rows.Next() {
			if !yield(row.(*T)) {
				return
			}
		}
	}
}

// Put inserts or replaces a row. The value belongs to the store from then on
// and must not be modified.
func (t *Table[T]) Put(tx *Tx, row *T) {
	if err := tx.txn.Insert(t.name, row); err != nil {
		panic(fmt.Sprintf("state: put into %s: %v", t.name, err))
	}
}

// Delete removes the row with the key, if it is there.
func (t *Table[T]) Delete(tx *Tx, k Key) {
	if row, ok := t.Get(tx, k); ok {
		if err := tx.txn.Delete(t.name, row); err != nil {
			panic(fmt.Sprintf("state: delete from %s: %v", t.name, err))
		}
	}
}

// table is what the store knows of a Table without its type.
type table interface {
	Name() string
	schema() *memdb.TableSchema
	decode([]byte) (Resource, error)
	clear(*Tx)
}

func (t *Table[T]) schema() *memdb.TableSchema {
	s := &memdb.TableSchema{Name: t.name, Indexes: map[string]*memdb.IndexSchema{
		"id": {Name: "id", Unique: true, Indexer: idIndexer{}},
	}}
	for _, ix := range t.indexes {
		s.Indexes[ix.name] = &memdb.IndexSchema{Name: ix.name, AllowMissing: true, Indexer: multiIndexer[T]{ix.keys}}
	}
	return s
}

func (t *Table[T]) decode(b []byte) (Resource, error) {
	row := new(T)
	if err := json.Unmarshal(b, row); err != nil {
		return nil, fmt.Errorf("decoding a row of %s: %w", t.name, err)
	}
	return any(row).(Resource), nil
}

func (t *Table[T]) clear(tx *Tx) {
	var rows []any
	for row := range t.All(tx) {
		rows = append(rows, row)
	}
	for _, row := range rows {
		if err := tx.txn.Delete(t.name, row); err != nil {
			panic(fmt.Sprintf("state: clear %s: %v", t.name, err))
		}
	}
}

type idIndexer struct{}

func (idIndexer) FromObject(row any) (bool, []byte, error) {
	return true, row.(Resource).meta().Key.bytes(), nil
}

func (idIndexer) FromArgs(args ...any) ([]byte, error) {
	if len(args) == 1 {
		switch k := args[0].(type) {
		case Key:
			return k.bytes(), nil
		case Scope:
			return k.prefix(), nil
		}
	}
	return nil, fmt.Errorf("the id index takes one Key or Scope, not %v", args)
}

func (i idIndexer) PrefixFromArgs(args ...any) ([]byte, error) { return i.FromArgs(args...) }

type multiIndexer[T any] struct{ keys func(*T) []string }

func (m multiIndexer[T]) FromObject(row any) (bool, [][]byte, error) {
	keys := m.keys(row.(*T))
	out := make([][]byte, 0, len(keys))
	for _, k := range keys {
		if k != "" {
			out = append(out, append([]byte(k), 0))
		}
	}
	return len(out) > 0, out, nil
}

func (m multiIndexer[T]) FromArgs(args ...any) ([]byte, error) {
	if len(args) == 1 {
		if s, ok := args[0].(string); ok {
			return append([]byte(s), 0), nil
		}
	}
	return nil, fmt.Errorf("the index takes one string, not %v", args)
}
