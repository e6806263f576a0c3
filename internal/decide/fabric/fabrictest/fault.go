package fabrictest

import (
	"pgregory.net/rapid"

	"github.com/localvpc/localvpc/internal/decide/fault"
	"github.com/localvpc/localvpc/internal/state"
)

// Zone is that of a VPC's subnet: those of all VPCs share theirs.
func Zone(n int) string { return Scope.Region + string(rune('a'+n%2)) }

// zones puts the subnets of a VPC into zones.
func zones(tx *state.Tx, v int) {
	for n := range subnets {
		if s, ok := state.Subnets.Get(tx, Key(SubnetID(v, n))); ok {
			next := *s
			next.AvailabilityZone = Zone(n)
			state.Subnets.Put(tx, &next)
		}
	}
}

// drawFault breaks something, or mends it.
func drawFault(t *rapid.T, tx *state.Tx, v int, losses bool) {
	scope := Key(VpcID(v)).Scope()
	f := &state.Fault{Effect: fault.Down, VpcID: VpcID(v)}
	kinds := 3
	if losses { // no verdict, so nothing that packets are sent through
		kinds = 4
	}
	switch below(t, kinds, "fault") {
	case 0:
		f.Kind, f.What, f.VpcID, scope.Account = fault.Zone, Zone(below(t, subnets, "zone")), "", ""
	case 1:
		f.Kind, f.What, f.Effect = fault.Instance, InstanceID(v, below(t, instances, "paused")), fault.Paused
	case 3:
		f.Kind, f.What, f.Effect, f.Rate = fault.Link, InterfaceID(v, below(t, interfaces, "lossy")), fault.Loss, 30
	default:
		f.Kind, f.What = fault.Link, InterfaceID(v, below(t, interfaces, "broken"))
	}
	f.Meta = state.Meta{Key: scope.Key(f.Kind + " " + f.What)}
	if _, ok := state.Faults.Get(tx, f.Key); ok {
		state.Faults.Delete(tx, f.Key)
		return
	}
	state.Faults.Put(tx, f)
}
