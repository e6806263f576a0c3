package publicip

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// TestReserved: name servers' addresses are nobody else's, in no pool.
func TestReserved(t *testing.T) {
	s, err := state.Open(state.Config{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for text, want := range map[string]bool{
		"205.251.192.0": true, "205.251.199.255": true, "205.251.207.255": true, "198.41.0.4": true, "202.12.27.33": true,
		"205.251.208.0": false, "205.251.191.255": false, "198.41.0.5": false, "198.18.0.5": false, "8.8.8.8": false,
	} {
		a := netip.MustParseAddr(text)
		within := false
		for _, p := range Reserved() {
			within = within || p.Contains(a)
		}
		if IsReserved(a) != want || within != want || Taken(s.Snapshot(), a) != want {
			t.Errorf("%s: reserved %t, in a reserved range %t, taken %t; want %t", a, IsReserved(a), within, Taken(s.Snapshot(), a), want)
		}
	}
	for _, pool := range []string{"205.251.192.0/24", "205.251.200.0/29", "205.0.0.0/8", "203.0.113.0/24,205.251.206.0/23"} {
		if _, err := Parse(pool); err == nil || !strings.Contains(err.Error(), "name servers") {
			t.Errorf("%s: %v", pool, err)
		}
	}
	// A pool around a root server goes without its address.
	if pool, err := Parse("198.41.0.0/29"); err != nil || len(pool) != 1 {
		t.Errorf("%v %v", pool, err)
	}
	if _, err := s.Write(t.Context(), func(tx *state.Tx) error {
		Set(tx, []netip.Prefix{netip.MustParsePrefix("193.0.14.128/29")}) // .129 is a root server's
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if a := Router(s.Snapshot()); a != netip.MustParseAddr("193.0.14.130") {
		t.Errorf("the internet's own address is %s", a)
	}
	for _, p := range Default {
		for _, r := range Reserved() {
			if p.Overlaps(r) {
				t.Errorf("the default pool has %s of %s", r, p)
			}
		}
	}
}
