// Package balance decides which targets serve a network load balancer.
//
// Invariant: pure; what a node's listener sends new flows to, which zones DNS
// answers with and what DescribeTargetHealth says follow from the same rows by the
// same rules, so that packets, names and the API never disagree.
package balance

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/localvpc/localvpc/internal/decide/fault"
	"github.com/localvpc/localvpc/internal/state"
)

// InterfaceType is the type of the interfaces of a network load balancer's nodes
// (EC2 API Reference, NetworkInterface).
const InterfaceType = "network_load_balancer"

// AllZones is the zone of a target that lies outside of the balancer's VPC: every
// node uses it (ELBv2 API Reference, TargetDescription).
const AllZones = "all"

// Target is a registered target with the address that packets go to.
type Target struct {
	Row  *state.Target
	Addr netip.Addr
	Port uint16
	Zone string // name, or AllZones
}

// Choice is what a node does with new flows to one of its listeners.
type Choice struct {
	Group      *state.TargetGroup
	Targets    []Target // in the order of address and port, each of them once
	Registered int      // targets that could serve this node were they healthy
	// Open: too few of them are healthy, so all of them are used (NLB User Guide,
	// "Target group health": unhealthy state routing).
	Open bool
}

// Carries says whether packets pass a balancer.
func Carries(b *state.LoadBalancer) bool { return b.State == "active" }

// Serves says whether a balancer's node takes packets: its zone has not failed.
func Serves(r state.Reader, b *state.LoadBalancer, n state.BalancerNode) bool {
	return Carries(b) && !Down(r, b.Scope(), n.Zone)
}

// Down says whether a zone was taken down on purpose.
func Down(r state.Reader, s state.Scope, zone string) bool { return fault.ZoneDown(r, s.Region, zone) }

// Group is the target group that a listener forwards to.
func Group(r state.Reader, l *state.Listener) (*state.TargetGroup, bool) {
	return state.TargetGroups.Get(r, l.Scope().Key(l.TargetsID))
}

// Listeners are those of a balancer, in the order of their ids.
func Listeners(r state.Reader, b *state.LoadBalancer) []*state.Listener {
	var ls []*state.Listener
	for l := range state.Listeners.By(r, state.ByBalancer, b.ID) {
		if l.Scope() == b.Scope() {
			ls = append(ls, l)
		}
	}
	return ls
}

// ListenerAt is the listener of a balancer that takes a protocol's packets to a
// port: "TCP" and "UDP" are asked for.
func ListenerAt(r state.Reader, b *state.LoadBalancer, protocol string, port uint16) (*state.Listener, bool) {
	for _, l := range Listeners(r, b) {
		if l.Port == int32(port) && (l.Protocol == protocol || l.Protocol == "TCP_UDP") {
			return l, true
		}
	}
	return nil, false
}

// Balancers are those whose listeners forward to a target group, in the order of
// their ids.
func Balancers(r state.Reader, g *state.TargetGroup) []*state.LoadBalancer {
	var bs []*state.LoadBalancer
	for l := range state.Listeners.By(r, state.ByTargetGroup, g.ID) {
		if l.Scope() != g.Scope() {
			continue
		}
		if b, ok := state.LoadBalancers.Get(r, g.Scope().Key(l.BalancerID)); ok {
			bs = append(bs, b)
		}
	}
	slices.SortFunc(bs, func(a, b *state.LoadBalancer) int { return cmp.Compare(a.ID, b.ID) })
	return slices.Compact(bs)
}

// Targets are those that are registered with a group, and those that drain, in the
// order of their ids.
func Targets(r state.Reader, g *state.TargetGroup) []*state.Target {
	var ts []*state.Target
	for t := range state.Targets.By(r, state.ByTargetGroup, g.ID) {
		if t.Scope() == g.Scope() {
			ts = append(ts, t)
		}
	}
	return ts
}

// Locate finds where a target is. It is nowhere when its instance is not running,
// or has gone.
func Locate(r state.Reader, g *state.TargetGroup, t *state.Target) (Target, bool) {
	out := Target{Row: t, Port: uint16(t.Port), Zone: t.Zone}
	if g.TargetType != "instance" {
		a, err := netip.ParseAddr(t.Target)
		if err != nil || !a.Is4() {
			return Target{}, false
		}
		out.Addr = a
		if out.Zone == "" {
			out.Zone = zoneOf(r, g, a)
		}
		return out, true
	}
	i, ok := state.Instances.Get(r, t.Scope().Key(t.Target))
	if !ok || i.State != state.Running {
		return Target{}, false
	}
	for n := range state.NetworkInterfaces.By(r, state.ByInstance, i.ID) {
		if n.Scope() == t.Scope() && n.Attachment.DeviceIndex == 0 && len(n.Addresses) > 0 {
			out.Addr = n.Primary()
			if s, ok := state.Subnets.Get(r, t.Scope().Key(n.SubnetID)); ok {
				out.Zone = s.AvailabilityZone
			}
		}
	}
	return out, out.Addr.Is4()
}

// zoneOf is the zone of an address: that of the subnet of the group's VPC that has
// it, or AllZones.
func zoneOf(r state.Reader, g *state.TargetGroup, a netip.Addr) string {
	for s := range state.Subnets.By(r, state.ByVpc, g.VpcID) {
		if s.Scope() == g.Scope() && s.Cidr.Contains(a) {
			return s.AvailabilityZone
		}
	}
	return AllZones
}

// Candidates are the targets that a node of a balancer may use and therefore
// checks: registered, to be found, and in its own zone, or in any zone that the
// balancer has when it balances across zones.
func Candidates(r state.Reader, b *state.LoadBalancer, zone string, g *state.TargetGroup) []Target {
	cross := CrossZone(b, g)
	var ts []Target
	for _, row := range Targets(r, g) {
		if !row.Drains.IsZero() {
			continue
		}
		t, ok := Locate(r, g, row)
		if ok && (t.Zone == AllZones || t.Zone == zone || cross && HasZone(b, t.Zone)) {
			ts = append(ts, t)
		}
	}
	slices.SortFunc(ts, func(a, b Target) int { return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Port, b.Port)) })
	return slices.CompactFunc(ts, func(a, b Target) bool { return a.Addr == b.Addr && a.Port == b.Port })
}

// HasZone says whether a balancer has a node in a zone.
func HasZone(b *state.LoadBalancer, zone string) bool {
	return slices.ContainsFunc(b.Nodes, func(n state.BalancerNode) bool { return n.Zone == zone })
}

// Seen is what a balancer's node of a zone has found out about a target; nil:
// nothing yet.
func Seen(t *state.Target, balancer, zone string) *state.TargetHealth {
	for i, h := range t.Health {
		if h.BalancerID == balancer && h.Zone == zone {
			return &t.Health[i]
		}
	}
	return nil
}

// Choose gives the targets of new flows that the node of a zone takes for a
// listener: the healthy ones, or all when too few are.
func Choose(r state.Reader, b *state.LoadBalancer, zone string, l *state.Listener) Choice {
	g, ok := Group(r, l)
	if !ok {
		return Choice{}
	}
	all := Candidates(r, b, zone, g)
	c := Choice{Group: g, Registered: len(all), Targets: healthy(b, zone, all)}
	if len(c.Targets) < least(g, routing, len(all)) {
		c.Targets, c.Open = all, true
	}
	return c
}

func healthy(b *state.LoadBalancer, zone string, ts []Target) []Target {
	var out []Target
	for _, t := range ts {
		if h := Seen(t.Row, b.ID, zone); h != nil && h.Healthy {
			out = append(out, t)
		}
	}
	return out
}

// Zones gives the nodes whose addresses the balancer's name has: those that serve
// and whose every target group has a healthy target for them; when none has, all
// that serve; and when none serves, all (NLB User Guide, "Target group health": DNS
// failover).
func Zones(r state.Reader, b *state.LoadBalancer) []state.BalancerNode {
	var up, well []state.BalancerNode
	for _, n := range b.Nodes {
		if Down(r, b.Scope(), n.Zone) {
			continue
		}
		up = append(up, n)
		if wellAt(r, b, n.Zone) {
			well = append(well, n)
		}
	}
	switch {
	case len(well) > 0:
		return well
	case len(up) > 0:
		return up
	}
	return b.Nodes
}

func wellAt(r state.Reader, b *state.LoadBalancer, zone string) bool {
	for _, l := range Listeners(r, b) {
		g, ok := Group(r, l)
		if !ok {
			continue
		}
		all := Candidates(r, b, zone, g)
		if len(healthy(b, zone, all)) < least(g, naming, len(all)) {
			return false
		}
	}
	return true
}

// Well says whether any node of a balancer has a healthy target for each listener:
// what an alias record with EvaluateTargetHealth asks (Route 53 Developer Guide).
func Well(r state.Reader, b *state.LoadBalancer) bool {
	return slices.ContainsFunc(b.Nodes, func(n state.BalancerNode) bool {
		return Serves(r, b, n) && wellAt(r, b, n.Zone)
	})
}
