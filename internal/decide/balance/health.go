package balance

import (
	"github.com/localvpc/localvpc/internal/state"
)

// State is what DescribeTargetHealth calls the state of a target (ELBv2 API
// Reference, TargetHealth).
type State string

// The states.
const (
	Initial     State = "initial"
	Healthy     State = "healthy"
	Unhealthy   State = "unhealthy"
	Unused      State = "unused"
	Draining    State = "draining"
	Unavailable State = "unavailable"
)

// Reasons that are no check's to give.
const (
	ReasonRegistering  = "Elb.RegistrationInProgress"
	ReasonChecking     = "Elb.InitialHealthChecking"
	ReasonFailed       = "Target.FailedHealthChecks"
	ReasonNotInUse     = "Target.NotInUse"
	ReasonNoTarget     = "Target.NotRegistered"
	ReasonInvalidState = "Target.InvalidState"
	ReasonDraining     = "Target.DeregistrationInProgress"
)

// TextFailed is the description of a target that fails its checks.
const TextFailed = "Health checks failed"

// Health is the state of a target with AWS's reason and description, both empty
// when it is healthy.
type Health struct {
	State  State
	Reason string
	Text   string
}

// NotRegistered is the health of what is no target of the group.
var NotRegistered = Health{Unused, ReasonNoTarget, "Target is not registered to the target group"}

// Describe gives the health of a target of a group, over all balancers that
// forward to it: it is healthy if a node finds it so, and unhealthy if every node
// that uses it has found it to be.
func Describe(r state.Reader, g *state.TargetGroup, t *state.Target) Health {
	if !t.Drains.IsZero() {
		return Health{Draining, ReasonDraining, "Target deregistration is in progress"}
	}
	bs := Balancers(r, g)
	if len(bs) == 0 {
		return Health{Unused, ReasonNotInUse, "Target group is not configured to receive traffic from the load balancer"}
	}
	if g.TargetType == "instance" {
		i, ok := state.Instances.Get(r, t.Scope().Key(t.Target))
		if !ok {
			return Health{Unused, ReasonInvalidState, "Target is in the terminated state"}
		}
		if i.State != state.Running {
			return Health{Unused, ReasonInvalidState, "Target is in the " + string(i.State) + " state"}
		}
	}
	at, found := Locate(r, g, t)
	enabled, carried, waits := false, false, false
	var failed *state.TargetHealth
	for _, b := range bs {
		carried = carried || Carries(b)
		for _, n := range b.Nodes {
			if !found || !(at.Zone == AllZones || at.Zone == n.Zone || CrossZone(b, g) && HasZone(b, at.Zone)) {
				continue
			}
			enabled = true
			switch h := Seen(t, b.ID, n.Zone); {
			case h == nil:
				waits = true
			case h.Healthy:
				return Health{State: Healthy}
			case failed == nil:
				failed = h
			}
		}
	}
	switch {
	case !enabled:
		return Health{Unused, ReasonNotInUse, "Target is in an Availability Zone that is not enabled for the load balancer"}
	case !carried:
		return Health{Initial, ReasonRegistering, "Target registration is in progress"}
	case waits || failed == nil:
		return Health{Initial, ReasonChecking, "Initial health checks in progress"}
	}
	return Health{Unhealthy, failed.Reason, failed.Text}
}
