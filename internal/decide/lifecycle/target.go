package lifecycle

import (
	"cmp"
	"slices"

	"github.com/localvpc/localvpc/internal/state"
)

// TargetSeen is a fact: what the node that a balancer has in a zone has found out
// about a target; nil: it asks no longer, and what it knew is forgotten. A target that
// is gone, or drains, has no health.
func TargetSeen(tx *state.Tx, target state.Key, balancer, zone string, h *state.TargetHealth) {
	t, ok := state.Targets.Get(tx, target)
	if !ok || h != nil && !t.Drains.IsZero() {
		return
	}
	i := slices.IndexFunc(t.Health, func(h state.TargetHealth) bool { return h.BalancerID == balancer && h.Zone == zone })
	if h == nil && i < 0 || h != nil && i >= 0 && t.Health[i] == *h {
		return
	}
	next := *t
	next.Health = slices.Clone(t.Health)
	if i >= 0 {
		next.Health = slices.Delete(next.Health, i, i+1)
	}
	if h != nil {
		next.Health = append(next.Health, *h)
		slices.SortFunc(next.Health, func(a, b state.TargetHealth) int {
			return cmp.Or(cmp.Compare(a.BalancerID, b.BalancerID), cmp.Compare(a.Zone, b.Zone))
		})
	}
	state.Targets.Put(tx, &next)
}
