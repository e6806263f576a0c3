package reach

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/state"
)

// cross is the way by a peering connection into the other VPC's router, for what has
// one of the VPC's own addresses.
func (l *leg) cross() *leg {
	id := l.exit.Peering
	other, ok := fabric.PeerVPC(l.r, l.vpc.Key, id)
	if !ok {
		return nil
	}
	l.last = &Hop{Kind: KindPeering, ID: id, Direction: fabric.Egress, Header: l.header}
	if !l.vpc.Contains(l.header.Src) {
		l.last.Blocked = []Cause{l.say(fabric.Leave, fabric.Egress, Cause{Code: PeerAddress, Component: l.space, Addrs: []netip.Addr{l.header.Src}, Peering: id})}
		return nil
	}
	next := &leg{way: l.way, header: l.header, peering: id}
	next.enter(other)
	if !l.back {
		l.came[other.ID] = id
	}
	return next
}

// apart says why a packet from one VPC does not get to the other one that is meant;
// false: it goes there, or to where it is refused.
func (l *leg) apart(c Cause) (Cause, bool) {
	x, meant := l.exit, l.dst.key()
	if x.Found && x.Route.State != fabric.RouteActive {
		return c, false
	}
	id := fabric.Between(l.r, l.vpc.Key, meant)
	if x.Peering != "" {
		other, _ := fabric.PeerVPC(l.r, l.vpc.Key, x.Peering)
		if v, ok := fabric.LoadVPC(l.r, other); other == meant || !ok || !v.Contains(l.header.Dst) {
			return c, false
		}
		c.Code, c.Peering = MoreSpecificRoute, id
		return c, true
	}
	if id != "" {
		c.Code, c.Peering = NoRoute, id
		return c, true
	}
	c.Component, c.Interface, c.Subnet, c.Rule, c.Code = l.from.vpc, l.dst.eni.ID, "", "", DisconnectedVpcs
	if row := l.unfinished(meant); row != nil {
		c.Code, c.Component, c.State = BadState, row.ID, row.Status
	}
	return c, true
}

// unfinished is a peering connection to another VPC that waits, or else has ended; the last one.
func (l *leg) unfinished(other state.Key) (found *state.VpcPeering) {
	for row := range state.VpcPeerings.By(l.r, state.ByVpc, other.ID) {
		_, peer, ok := row.Of(l.vpc.Key)
		if ok && peer.Vpc == other && !peer.Forgotten && (found == nil || row.Created.After(found.Created)) {
			found = row
		}
	}
	return found
}

// beyond finds the peering connection by which a packet could go on: that by which
// it came, on its way back; else one to a VPC with the address, "" for none.
func (l *leg) beyond() string {
	if id := l.came[l.space]; l.back && id != "" {
		return id
	}
	first := ""
	for row := range state.VpcPeerings.By(l.r, state.ByVpc, l.space) {
		if other, ok := fabric.PeerVPC(l.r, l.vpc.Key, row.ID); ok && (first == "" || row.ID < first) {
			if v, ok := fabric.LoadVPC(l.r, other); ok && v.Contains(l.header.Dst) {
				first = row.ID
			}
		}
	}
	return first
}

// lapsed says in which state a route is that leads nowhere, or rather the peering
// connection that it led to.
func (l *leg) lapsed(route fabric.Route) (status, peering string) {
	for row := range state.VpcPeerings.By(l.r, state.ByPeering, route.Target) {
		if _, _, ok := row.Of(l.vpc.Key); ok {
			return row.Status, row.ID
		}
	}
	return route.State, ""
}

// knows says whether the router has seen the flow on its way there, and so takes its
// answers: one that comes another way meets the groups.
func (l *leg) knows() bool {
	there := passage{l.space, l.header.Dst, l.header.Src, false}
	onward := there
	onward.onward = true
	return l.passed[there] || l.passed[onward]
}
