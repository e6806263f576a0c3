package state

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// fill gives every field of a value something that is not zero, each another.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 1, 1, 0, 0, *n, 123_000_000, time.UTC)))
		return
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.AddrFrom4([4]byte{10, 0, byte(*n >> 8), byte(*n)})))
		return
	case netip.Prefix:
		v.Set(reflect.ValueOf(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(*n >> 8), byte(*n), 0}), 24)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d <&>\"\u2028\x00", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint8:
		v.SetUint(uint64(byte(*n)))
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n))
	default:
		panic(fmt.Sprintf("a row may not hold a %v: it cannot be kept", v.Type()))
	}
}

// newRow makes an empty row of a table.
func newRow(t *testing.T, of table) Resource {
	t.Helper()
	row, err := of.decode([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	return row
}

// TestEveryRowSurvivesTheJournal puts a row into each table, in which every
// field has a value, and one in which none has, and finds both again.
func TestEveryRowSurvivesTheJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, openBolt(t, path))
	put := map[string][]Resource{}
	n := 0
	if _, err := s.Write(context.Background(), func(tx *Tx) error {
		for _, tab := range tables {
			full, bare := newRow(t, tab), newRow(t, tab)
			fill(reflect.ValueOf(full).Elem(), &n)
			bare.meta().Key = scope.Key("bare")
			full.meta().Key = scope.Key("full")
			for _, row := range []Resource{bare, full} {
				if err := tx.txn.Insert(tab.Name(), row); err != nil {
					return err
				}
			}
			put[tab.Name()] = []Resource{bare, full}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, openBolt(t, path)).Snapshot()
	for _, tab := range tables {
		for _, want := range put[tab.Name()] {
			got, err := again.read().First(tab.Name(), "id", want.meta().Key)
			if err != nil || !reflect.DeepEqual(got, any(want)) {
				t.Errorf("%s %s: %v\ngot  %+v\nwant %+v", tab.Name(), want.meta().Key, err, got, want)
			}
		}
	}
}

// TestClearEmptiesEveryTable: Tx.Clear is what a reset does.
func TestClearEmptiesEveryTable(t *testing.T) {
	s := open(t, nil)
	n := 0
	write := func(fn func(tx *Tx) error) {
		t.Helper()
		if _, err := s.Write(context.Background(), fn); err != nil {
			t.Fatal(err)
		}
	}
	write(func(tx *Tx) error {
		for _, tab := range tables {
			row := newRow(t, tab)
			fill(reflect.ValueOf(row).Elem(), &n)
			if err := tx.txn.Insert(tab.Name(), row); err != nil {
				return err
			}
		}
		return nil
	})
	write(func(tx *Tx) error { tx.Clear(); return nil })
	for _, tab := range tables {
		rows, err := s.Snapshot().read().Get(tab.Name(), "id")
		if err != nil {
			t.Fatal(err)
		}
		if row := rows.Next(); row != nil {
			t.Errorf("%s still has %+v", tab.Name(), row)
		}
	}
}

// TestKeysStayApart: the parts of a key do not run into each other.
func TestKeysStayApart(t *testing.T) {
	for _, pair := range [][2]Key{
		{{"a", "b", "c"}, {"a", "bc", ""}},
		{{"", "ab", "c"}, {"a", "b", "c"}},
		{{"a", "", "b"}, {"a", "b", ""}},
	} {
		if string(pair[0].bytes()) == string(pair[1].bytes()) {
			t.Errorf("%v and %v are kept under one key", pair[0], pair[1])
		}
	}
}
