package dnsview

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestWhatAViewHasMet: a view that has answered a lot answers as a new one does,
// with the same causes.
func TestWhatAViewHasMet(t *testing.T) {
	snap := delegation(t).store.Snapshot()
	old := Internet(snap)
	random := rand.New(rand.NewPCG(4, 5))
	names := []string{"com", "example.com", "www.example.com", "none.example.com", "ec2.example.com", "web.ec2.example.com", "x.vanity.example.com", "www.glued.example.com",
		"deep.example.com", "loop.example.com", "www.far.example.org", "far.example.org", "lame.example.com", "x.other.example.com", "1.1.1.9.in-addr.arpa", "9.in-addr.arpa",
		"none.test", "ec2-192-0-2-1.compute-1.amazonaws.com", "hidden.example.com", "gtld-servers.net"}
	for range 2000 {
		ask := names[random.IntN(len(names))] + " " + []string{"A", "NS", "DS", "SOA", "MX", "PTR"}[random.IntN(6)]
		q := asked(t, ask)
		q.Draw = 7
		a, b := old.Answer(q), Internet(snap).Answer(q)
		if fmt.Sprint(a) != fmt.Sprint(b) {
			t.Fatalf("%s\n%+v\nof a new view\n%+v", ask, a, b)
		}
	}
	for i := range 2 * maxCuts {
		old.cuts.put(cut{zone: Root.below(fmt.Sprint(i))})
	}
	if len(old.cuts.by) != maxCuts {
		t.Errorf("a view remembers %d", len(old.cuts.by))
	}
}
