package dnsview

import (
	"fmt"
	"testing"

	"github.com/localvpc/localvpc/internal/state"
)

// TestChains: CNAME records that lead from zone to zone are followed so far, and in
// a circle no further; whoever asks gets an answer that says so.
func TestChains(t *testing.T) {
	const zoneCount = 2 * maxChain
	w := newWorld("us-east-1")
	z := newZones(t)
	z.write(func(tx *state.Tx) { state.Vpcs.Put(tx, w.vpc) })
	lines := func(i int, domain string) []string {
		next := func(n int) string { return fmt.Sprintf("z%d.%s.", n, domain) }
		return []string{
			"last 60 A 192.0.2.1",
			"far 60 CNAME far." + next((i+1)%zoneCount),
			"circle 60 CNAME circle." + next((i+1)%3),
			"near 60 CNAME last." + next((i+1)%zoneCount),
			"* 60 CNAME x.deep." + next((i+1)%zoneCount), // each leads to a wildcard again
			"mine 60 CNAME mine.z" + fmt.Sprint(i) + "." + domain + ".",
		}
	}
	for i := range zoneCount {
		z.zone(fmt.Sprintf("Z%d", 100+i), fmt.Sprintf("z%d.public.test", i), nil, lines(i, "public.test")...)
		z.zone(fmt.Sprintf("Z%d", 200+i), fmt.Sprintf("z%d.private.test", i), []string{"us-east-1/vpc-1"}, lines(i, "private.test")...)
	}
	snap := z.store.Snapshot()
	inside, _ := At(snap, w.vpc.Key)
	for _, c := range []struct {
		domain string
		views  []*View
	}{{"public.test", []*View{Internet(snap), inside}}, {"private.test", []*View{inside}}} {
		for _, v := range c.views {
			for _, name := range []string{"far", "circle", "x.y", "mine"} {
				for _, typ := range []string{"A", "MX", "ANY", "CNAME"} {
					a := v.Answer(asked(t, name+".z0."+c.domain+" "+typ))
					direct := typ == "ANY" || typ == "CNAME"
					if direct && (a.Rcode != Success || len(a.Answer) != 1) || !direct && (a.Rcode != ServerFailure || len(a.Answer) != 0) {
						t.Errorf("%s.z0.%s %s: rcode %d, %d records", name, c.domain, typ, a.Rcode, len(a.Answer))
					}
				}
			}
			want := fmt.Sprintf("CNAME near.z0.%[1]s. 60 last.z1.%[1]s.; A last.z1.%[1]s. 60 192.0.2.1", c.domain)
			if got := line(v.Answer(asked(t, "near.z0."+c.domain+" A"))); got != want {
				t.Error(got)
			}
		}
	}
}
