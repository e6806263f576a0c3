package fabric_test

import (
	"testing"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/state"
)

// TestPeeringBetweenRegions: what differs there. Rules cannot refer to groups, packets
// are smaller, and take their time when they are to.
func TestPeeringBetweenRegions(t *testing.T) {
	s := fabrictest.Small(t)
	put := func(other string) func(tx *state.Tx) {
		return func(tx *state.Tx) {
			fabrictest.Vpc(tx, other, "10.9.0.0/16")
			fabrictest.Group(tx, "sg-"+other[4:], other, "far")
			fabrictest.Rule(tx, "sgr-far", "sg-db", false, "tcp", 80, 80, "sg-"+other[4:])
			fabrictest.Peering(tx, "pcx-1", "vpc-1", other, "active")
		}
	}
	load := func(snap *state.Snapshot) (fabric.Peering, fabric.Rule) {
		t.Helper()
		p, ok := fabric.LoadPeering(snap, fabrictest.Scope.Key("pcx-1"))
		g, found := fabric.LoadGroup(snap, fabrictest.Scope.Key("sg-db"))
		if !ok || !found {
			t.Fatal("the peering connection or the group is not there")
		}
		for _, r := range g.Ingress {
			if r.ID == "sgr-far" {
				return p, r
			}
		}
		t.Fatal("the rule is not there")
		return p, fabric.Rule{}
	}
	snap, _ := s.Change(t, put("vpc-x"))
	if p, r := load(snap); p.MTU != 9001 || p.Delay != 0 || r.Peering != "pcx-1" || r.Void != "" {
		t.Errorf("within a Region: %+v, the rule %s", p, r)
	}
	snap, _ = s.Change(t, put("vpc-y"))
	if p, r := load(snap); p.MTU != 8500 || p.Delay != 0 || r.Void == "" {
		t.Errorf("between Regions: %+v, the rule %s", p, r)
	}
	snap, _ = s.Change(t, func(tx *state.Tx) { fabric.SetRegionLatency(tx, true) })
	if p, _ := load(snap); p.Delay == 0 {
		t.Errorf("with latency: %+v", p)
	}
	snap, _ = s.Change(t, func(tx *state.Tx) { fabric.SetRegionLatency(tx, false) })
	if p, _ := load(snap); p.Delay != 0 {
		t.Errorf("without latency again: %+v", p)
	}
}
