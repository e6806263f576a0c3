package state

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDomains: after any changes, and again after a restart, the walk along names
// finds what the tables hold.
func TestDomains(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s, err := Open(Config{Now: time.Now, Rand: rand.NewChaCha8([32]byte{})})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	labels := []string{"a.", "b.", `\052.`}
	name := func() string {
		n := "test."
		for range random.IntN(4) {
			n += labels[random.IntN(len(labels))]
		}
		return n
	}
	zones := []string{"Z1", "Z11", "Z2"}
	for round := range 200 {
		_, err := s.Write(context.Background(), func(tx *Tx) error {
			for range 1 + random.IntN(4) {
				id := zones[random.IntN(len(zones))]
				switch k := (Key{Account: "0", ID: id}); random.IntN(6) {
				case 0:
					n := name()
					z := &HostedZone{Meta: Meta{Key: k}, Name: n, Reversed: n, Private: random.IntN(2) == 0}
					for v := range random.IntN(3) {
						z.Vpcs = append(z.Vpcs, ZoneVpc{Region: "r", ID: fmt.Sprint("vpc-", v)})
					}
					HostedZones.Put(tx, z)
				case 1:
					HostedZones.Delete(tx, k)
				case 2, 3:
					RecordSets.Put(tx, &RecordSet{Meta: Meta{Key: Key{Account: "0", ID: RecordSetID(id, name(), []string{"A", "AAAA"}[random.IntN(2)], "")}}, ZoneID: id})
				default:
					RecordSets.Delete(tx, Key{Account: "0", ID: RecordSetID(id, name(), "A", "")})
				}
			}
			if round%50 == 49 {
				tx.Clear()
			}
			if round%10 == 0 {
				agree(t, tx, zones, name())
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		snap := s.Snapshot()
		n := name()
		agree(t, snap, zones, n)
		loaded := *snap
		loaded.names = newDomains().of(snap)
		agree(t, &loaded, zones, n)
	}
}

// agree holds everything that is found along a name against the tables.
func agree(t *testing.T, r Reader, zones []string, n string) {
	t.Helper()
	for _, id := range zones {
		var at, along, wantAlong []string
		sets, exists := SetsAt(r, Key{Account: "0", ID: id}, n)
		for _, s := range sets {
			at = append(at, s.ID)
		}
		SetsAlong(r, Key{Account: "0", ID: id}, n, func(size int, sets []*RecordSet) {
			for _, s := range sets {
				if !strings.HasPrefix(s.ID, id+"/"+n[:size]+" ") {
					t.Errorf("%s is said to stand at %s", s.ID, n[:size])
				}
				along = append(along, s.ID)
			}
		})
		var wantAt []string
		wantExists := false
		for s := range RecordSets.All(r) {
			zone, rest, _ := strings.Cut(s.ID, "/")
			if zone != id {
				continue
			}
			own, _, _ := strings.Cut(rest, " ")
			if strings.HasPrefix(n, own) {
				wantAlong = append(wantAlong, s.ID)
			}
			if own == n {
				wantAt = append(wantAt, s.ID)
			}
			wantExists = wantExists || strings.HasPrefix(own, n)
		}
		slices.Sort(along)
		slices.Sort(wantAlong)
		if !slices.Equal(at, wantAt) || !slices.Equal(along, wantAlong) || exists != wantExists {
			t.Fatalf("%s in %s: %q %t, along it %q; the tables have %q %t, %q", n, id, at, exists, along, wantAt, wantExists, wantAlong)
		}
	}
	below := false
	for _, vpc := range []string{"", "r/vpc-0", "r/vpc-1"} {
		var got, want []string
		ZonesAlong(r, vpc, n, func(z *HostedZone) { got = append(got, z.ID) })
		for z := range HostedZones.All(r) {
			in := vpc == "" && !z.Private || z.Private && slices.ContainsFunc(z.Vpcs, func(v ZoneVpc) bool { return v.Key() == vpc })
			if in && strings.HasPrefix(n, z.Reversed) {
				want = append(want, z.ID)
			}
			below = below || !z.Private && z.Reversed != n && strings.HasPrefix(z.Reversed, n)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("zones along %s in %q: %q, want %q", n, vpc, got, want)
		}
	}
	if got := ZonesBelow(r, n); got != below {
		t.Fatalf("zones below %s: %t", n, got)
	}
}
