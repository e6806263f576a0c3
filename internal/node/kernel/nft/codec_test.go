//go:build linux

package nft

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/localvpc/localvpc/internal/decide/plan"
)

func TestKeysReadBack(t *testing.T) {
	ip := plan.IP(netip.MustParseAddr("10.0.0.4"))
	for _, row := range []struct {
		name  string
		types []plan.DataType
		at    []plan.Value
		lo    []byte
	}{
		{"address", []plan.DataType{plan.TypeIPv4}, []plan.Value{ip}, []byte{10, 0, 0, 4}},
		{"port alone", []plan.DataType{plan.TypeService}, []plan.Value{plan.Num(80)}, []byte{0, 80}},
		{"parts are padded", []plan.DataType{plan.TypeIPv4, plan.TypeProto, plan.TypeService},
			[]plan.Value{ip, plan.Num(6), plan.Span(80, 90)}, []byte{10, 0, 0, 4, 6, 0, 0, 0, 0, 80, 0, 0}},
		{"names have 16 bytes", []plan.DataType{plan.TypeIfname, plan.TypeIPv4},
			[]plan.Value{plan.Str("e1"), plan.Net(netip.MustParsePrefix("10.0.0.4/31"))},
			append(append([]byte("e1"), make([]byte, 14)...), 10, 0, 0, 4)},
	} {
		t.Run(row.name, func(t *testing.T) {
			lo, hi := appendKey(nil, nil, row.types, row.at)
			if !bytes.Equal(lo, row.lo) || len(lo) != keySize(row.types) || len(hi) != len(lo) {
				t.Errorf("got %v, want %v", lo, row.lo)
			}
			if at, err := parseKey(row.types, lo, hi); err != nil || !slices.Equal(at, row.at) {
				t.Errorf("read back %v, %v", at, err)
			}
			if types, ok := typesByMagic(magic(row.types)); !ok || !slices.Equal(types, row.types) {
				t.Errorf("types read back %v", types)
			}
			if _, err := parseKey(row.types, lo[:len(lo)-1], hi); err == nil {
				t.Error("a key that is too short is read")
			}
		})
	}
}

func TestIntervalsGetTheirEndsBack(t *testing.T) {
	s := plan.Set{Types: []plan.DataType{plan.TypeProto}, Interval: true}
	start := func(k byte) element { return element{key: []byte{k}} }
	end := func(k byte) element { return element{key: []byte{k}, end: true} }
	// As the kernel gives them: from above; 3-4 and 5-7 touch; 250-255 has no end.
	got, err := join(s, []element{start(250), end(8), start(5), end(5), start(3)})
	if err != nil {
		t.Fatal(err)
	}
	var values []plan.Value
	for _, e := range got {
		values = append(values, e.At...)
	}
	if want := []plan.Value{plan.Span(3, 4), plan.Span(5, 7), plan.Span(250, 255)}; !slices.Equal(values, want) {
		t.Errorf("got %v, want %v", values, want)
	}
}

func TestCommentsStandBesideOtherUserData(t *testing.T) {
	u := comment(udata32(nil, 7, 1), "sgr-1")
	u = append(u, udataPrint, 2, 'a', 'b', 9, 200) // cut off
	if find(u, udataComment) != "sgr-1" || find(u, udataPrint) != "ab" || find(u, 9) != "" {
		t.Errorf("found %q, %q, %q", find(u, udataComment), find(u, udataPrint), find(u, 9))
	}
}
