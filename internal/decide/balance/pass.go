package balance

import (
	"net/netip"
	"slices"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// Use is what a connection through the proxy uses: a target, for the node of a
// balancer's zone. It can be compared.
type Use struct {
	Balancer state.Key
	Zone     string
	Target   state.Key
	To       netip.AddrPort
}

// Pass gives the target of a connection that a balancer's proxy takes for a client at
// a node's address and port, and how long it may be idle. False: there is none.
func Pass(r state.Reader, b *state.LoadBalancer, client, node netip.AddrPort) (u Use, idle time.Duration, ok bool) {
	i := slices.IndexFunc(b.Nodes, func(n state.BalancerNode) bool { return n.PrivateIP == node.Addr() })
	if i < 0 {
		return Use{}, 0, false
	}
	zone := b.Nodes[i].Zone
	l, ok := ListenerAt(r, b, "TCP", node.Port())
	if !ok {
		return Use{}, 0, false
	}
	c := Choose(r, b, zone, l)
	if len(c.Targets) == 0 {
		return Use{}, 0, false
	}
	t := c.Targets[Spread(c.Targets)[Slot(client.Addr(), client.Port(), Sticky(c.Group))]]
	return Use{b.Key, zone, t.Row.Key, netip.AddrPortFrom(t.Addr, t.Port)}, Idle(l), true
}

// Ends says whether a connection that is used so has to end: its target has drained,
// and that ends it, or is unhealthy while others are not, or its node is no more.
func Ends(r state.Reader, u Use) bool {
	b, ok := state.LoadBalancers.Get(r, u.Balancer)
	if !ok || !slices.ContainsFunc(b.Nodes, func(n state.BalancerNode) bool { return n.Zone == u.Zone && Serves(r, b, n) }) {
		return true
	}
	t, ok := state.Targets.Get(r, u.Target)
	if !ok {
		// The row does not say any more; its group does.
		g, ok := state.TargetGroups.Get(r, groupOf(u.Target))
		return !ok || Terminates(g)
	}
	g, ok := state.TargetGroups.Get(r, t.Scope().Key(t.GroupID))
	if !ok {
		return true
	}
	if !t.Drains.IsZero() || !EndsUnhealthy(g) {
		return false
	}
	if h := Seen(t, b.ID, u.Zone); h == nil || h.Healthy {
		return false
	}
	for _, l := range Listeners(r, b) {
		if l.TargetsID == g.ID && slices.ContainsFunc(Choose(r, b, u.Zone, l).Targets, func(c Target) bool { return c.Row.Key == t.Key }) {
			return false // all of them are used
		}
	}
	return true
}

// groupOf is the key of a target's group: its own begins with the group's id.
func groupOf(target state.Key) state.Key {
	for i := range target.ID {
		if target.ID[i] == ' ' {
			return target.Scope().Key(target.ID[:i])
		}
	}
	return target
}

// Space is the namespace of a balancer, in which its checks and its proxy run.
func Space(b *state.LoadBalancer) string { return "nlb-" + b.Hash }
