package reach

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/decide/fabric"
)

// cross is the way by a peering connection into the other VPC's router, which takes
// from there only what has one of that VPC's addresses.
func (l *leg) cross() *leg {
	id := l.exit.Peering
	other, ok := fabric.PeerVPC(l.r, l.vpc.Key, id)
	if !ok {
		return nil
	}
	next := &leg{way: l.way, header: l.header, peering: id}
	next.enter(other)
	next.first = &Hop{Kind: KindPeering, ID: id, Direction: fabric.Ingress, Header: l.header}
	if !l.vpc.Contains(l.header.Src) {
		next.first.Blocked = []Cause{{Code: PeerAddress, Component: id, Addrs: []netip.Addr{l.header.Src}}}
	}
	return next
}

// knows says whether the router has seen the flow on its way there, and so takes its
// answers: one that comes another way meets the groups.
func (l *leg) knows() bool {
	there := passage{l.space, l.header.Dst, l.header.Src, false}
	onward := there
	onward.onward = true
	return l.passed[there] || l.passed[onward]
}
