package balance

import (
	"fmt"
	"net/netip"
	"testing"
)

func some(n int) []Target {
	ts := make([]Target, n)
	for i := range ts {
		ts[i] = Target{Addr: netip.AddrFrom4([4]byte{10, 0, 1, byte(4 + i)}), Port: 80}
	}
	return ts
}

// TestSpread: targets share the slots evenly, and one that goes takes few of the
// others' slots with it.
func TestSpread(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 10, 100} {
		ts := some(n)
		slots := Spread(ts)
		count := make([]int, n)
		for _, at := range slots {
			count[at]++
		}
		for i, c := range count {
			if c != Slots/n && c != Slots/n+1 {
				t.Errorf("target %d of %d has %d slots", i, n, c)
			}
		}
		if n == 1 {
			continue
		}
		moved := 0
		for i, at := range Spread(ts[:n-1]) {
			if slots[i] != n-1 && slots[i] != at {
				moved++
			}
		}
		if moved > Slots/5 {
			t.Errorf("%d slots of others move when one of %d targets goes", moved, n)
		}
	}
	if Spread(nil) != nil {
		t.Error("nobody has slots")
	}
}

// TestSlots: 10,000 flows get within 5 % of even to the targets.
func TestSlots(t *testing.T) {
	for _, n := range []int{2, 3, 4} {
		slots := Spread(some(n))
		count := make([]int, n)
		for port := range 10000 {
			count[slots[Slot(netip.MustParseAddr("198.18.9.9"), uint16(20000+port), false)]]++
		}
		for i, c := range count {
			if even := 10000 / n; c < even*95/100 || c > even*105/100 {
				t.Errorf("target %d of %d gets %d flows of 10,000", i, n, c)
			}
		}
	}
}

// TestHash: what Linux computes (include/linux/jhash.h); the packets of the agreement
// test go where this says.
func TestHash(t *testing.T) {
	a := netip.MustParseAddr("10.0.0.4")
	if Slot(a, 1, true) != Slot(a, 2, true) {
		t.Error("a sticky client has several slots")
	}
	seen := map[int]bool{}
	for port := range 5000 {
		s := Slot(a, uint16(port), false)
		if s < 0 || s >= Slots {
			t.Fatal(fmt.Sprint(s, " is no slot"))
		}
		seen[s] = true
	}
	if len(seen) < Slots*9/10 {
		t.Errorf("5,000 flows meet %d slots", len(seen))
	}
}
