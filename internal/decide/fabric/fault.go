package fabric

import (
	"github.com/localvpc/localvpc/internal/decide/fault"
	"github.com/localvpc/localvpc/internal/state"
)

// Fault is what is broken about a port. The zero value: nothing.
type Fault struct {
	ID   string // of the row: "zone us-east-1a"
	Loss int    // packets of a hundred that are lost in each direction; 0: all of them
}

// FaultOf derives what is broken about an interface.
func FaultOf(r state.Reader, n *state.NetworkInterface) Fault {
	f, ok := fault.Of(r, n)
	if !ok {
		return Fault{}
	}
	return Fault{ID: f.ID, Loss: int(f.Rate)}
}

// Closes says whether nothing passes.
func (f Fault) Closes() bool { return f.ID != "" && f.Loss == 0 }

// isFaulty says whether anything is broken in a VPC.
func isFaulty(r state.Reader, vpc state.Key) bool {
	for f := range state.Faults.All(r) {
		if fault.Touches(r, f, vpc) {
			return true
		}
	}
	return false
}

// fault: the ports that it is about, and their VPCs' routers, which ask only where
// something is broken.
func (a *affected) fault(before, after *state.Fault) {
	for _, f := range []*state.Fault{before, after} {
		if f == nil {
			continue
		}
		scope := f.Scope()
		switch f.Kind {
		case fault.Link:
			a.add(KindVPC, scope.Key(f.VpcID))
			a.add(KindPort, scope.Key(f.What))
		case fault.Instance:
			a.add(KindVPC, scope.Key(f.VpcID))
			a.ports(state.ByInstance, scope.Key(f.What))
		case fault.Zone:
			for s := range state.Subnets.All(a.r) {
				if s.Region == f.Region && s.AvailabilityZone == f.What {
					a.add(KindVPC, s.Scope().Key(s.VpcID))
					a.ports(state.BySubnet, s.Key)
				}
			}
		}
	}
}
