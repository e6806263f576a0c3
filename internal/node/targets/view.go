package targets

import (
	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/state"
)

// health is what a node thinks of a target.
type health int

const (
	initial health = iota // nothing yet
	healthy
	unhealthy
)

// view is that with how many results in a row were against it.
type view struct {
	health health
	streak int32
}

// viewOf is what the row says.
func viewOf(r state.Reader, s source) view {
	t, ok := state.Targets.Get(r, s.target)
	if !ok {
		return view{}
	}
	switch h := balance.Seen(t, s.balancer, s.zone); {
	case h == nil:
		return view{}
	case h.Healthy:
		return view{health: healthy}
	}
	return view{health: unhealthy}
}

// see gives the view after another result. A target that was just registered has to
// pass one check; after that it changes with as many results in a row as the
// thresholds say (NLB User Guide, "Health checks for target groups").
func (v view) see(up bool, c state.TargetCheck) view {
	switch {
	case up && v.health == initial:
		return view{health: healthy}
	case up == (v.health == healthy) && v.health != initial:
		return view{health: v.health}
	}
	threshold := c.Unhealthy
	if up {
		threshold = c.Healthy
	}
	if v.streak++; v.streak < threshold {
		return v
	}
	if up {
		return view{health: healthy}
	}
	return view{health: unhealthy}
}

// fact is what is written down of it. The balancers of the network have one reason
// (ELBv2 API Reference, TargetHealth: the others are for application and gateway load
// balancers).
func (v view) fact(s source) state.TargetHealth {
	h := state.TargetHealth{BalancerID: s.balancer, Zone: s.zone, Healthy: v.health == healthy}
	if !h.Healthy {
		h.Reason, h.Text = balance.ReasonFailed, balance.TextFailed
	}
	return h
}
