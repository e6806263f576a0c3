package reach

import (
	"net/netip"
	"slices"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/state"
)

// pass is a flow's way through a balancer in one router.
type pass struct {
	space         string
	front         fabric.Front
	node          end
	before, after fabric.Header
}

// balancer finds out whether the leg leads to a balancer's node, and for an answer
// which flow through one it belongs to. A balancer's own addresses are never behind
// a more specific route.
func (l *leg) balancer() {
	if l.back {
		for i, p := range l.passes {
			if p.space == l.space && l.header.Src == p.after.Dst && l.header.Dst == p.after.Src && (!l.header.HasPorts() || l.header.SPort == p.after.DPort) {
				l.through, l.node = &l.passes[i], p.node
				l.front = p.front
				l.to, l.exit = p.node, fabric.Exit{Inside: true, Interface: p.node.eni}
			}
		}
		return
	}
	n, ok := fabric.InterfaceAt(l.r, l.vpc.Key.Scope(), l.space, l.header.Dst)
	if !ok {
		return
	}
	front, ok := fabric.FrontOf(l.r, n, l.header)
	if !ok || !front.Translates() && n != l.exit.Interface {
		return
	}
	l.front, l.node = front, l.walk.at(n, l.header.Dst)
	if front.Translates() {
		l.through = &pass{space: l.space, front: front, node: l.node}
		l.exit = fabric.Exit{Table: l.exit.Table, Inside: true, Interface: n}
	}
}

// balance is the stage at which a balancer's node sends a packet on: to a target or,
// an answer, to who has asked.
func (l *leg) balance() *Hop {
	b := l.front.Row
	if b == nil {
		return nil
	}
	hop := &Hop{Kind: KindBalancer, ID: b.ID, Direction: fabric.Ingress, Header: l.header}
	cause := Cause{Component: b.ID, Interface: l.node.eni.ID, Subnet: l.node.eni.SubnetID, Zone: l.front.Node.Zone}
	refuse := func(code Code) *Hop {
		cause.Code = code
		hop.Blocked = []Cause{cause}
		return hop
	}
	if l.through == nil {
		if l.front.Listener != nil || l.back { // the proxy's
			return nil
		}
		return refuse(NoListener)
	}
	if l.front.Listener != nil {
		hop.Rule = l.front.Listener.ID
		cause.Rule = hop.Rule
	}
	h := l.header
	if l.back {
		h.Src, h.Dst, h.SPort = l.through.before.Dst, l.through.before.Src, l.through.before.DPort
	} else {
		switch {
		case l.front.Choice.Group == nil:
			return refuse(NoTargetGroup)
		case len(l.front.Choice.Targets) == 0:
			cause.Groups = []string{l.front.Choice.Group.ID}
			return refuse(NoTargets)
		}
		l.picks = max(l.picks, len(l.front.Choice.Targets))
		h, _ = l.front.Onward(l.header, l.q.SourcePort != 0, l.pick)
		l.through.before, l.through.after = l.header, h
		l.walk.passes = append(l.walk.passes, *l.through)
	}
	l.exit = l.vpc.NodeExit(l.r, l.node.eni, h)
	l.asked, l.header, l.to = l.header, h, end{}
	hop.After = h
	x := l.exit
	if n := x.Interface; n != nil && x.Inside {
		l.to = l.walk.at(n, h.Dst)
	} else if n != nil {
		l.to = l.walk.at(n, netip.Addr{})
	}
	cause.Addrs = []netip.Addr{h.Dst}
	switch {
	case x.Inside && x.Interface == nil, !x.Inside && !x.Found:
		if l.back {
			cause.Component = x.Table
			return refuse(NoRoute)
		}
		return refuse(TargetAddress)
	case !x.Inside && x.Route.State != fabric.RouteActive:
		cause.Component, cause.Rule, cause.State = x.Table, x.Rule, x.Route.State
		return refuse(BadStateRoute)
	case x.Inside:
		if c := l.to.state(); c != nil {
			hop.Blocked = []Cause{*c}
			return hop
		}
	case x.Route.Checked:
		cause.Component, cause.Interface = x.Route.Target, x.Route.Port.ID
		return refuse(EniSourceDest)
	case x.Internet == "" && x.Interface == nil && x.Peering == "":
		cause.Component, cause.Rule = x.Route.Target, x.Rule
		return refuse(UnsupportedComponent)
	}
	if !l.back && l.to.has(h.Src) {
		cause.Interface = l.to.eni.ID
		return refuse(Hairpin)
	}
	return hop
}

// behind gives the hop of a stage between a balancer's node and whom it sends to.
func (l *leg) behind(s fabric.Stage) *Hop {
	if l.through == nil || l.asked == (fabric.Header{}) || l.refuses(fabric.Balance) {
		return nil
	}
	same := l.to.subnet != nil && l.node.subnet != nil && l.to.subnet.Key == l.node.subnet.Key
	switch s {
	case fabric.NodeAclOut:
		if same || l.node.subnet == nil {
			return nil
		}
		return l.acl(l.node, fabric.Egress)
	case fabric.NodeAclIn:
		if same || l.to.subnet == nil {
			return nil
		}
		return l.acl(l.to, fabric.Ingress)
	case fabric.NodeGroupOut:
		if l.back || !l.front.Balancer.Guarded {
			return nil
		}
		return l.groups(l.node.eni, l.front.Balancer.Groups, fabric.Egress, fabric.Member(l.r, l.node.scope, l.node.vpc, l.exit.Peering))
	case fabric.NodeGroupIn:
		if l.back || l.to.eni == nil || l.to.eni.InterfaceType == fabric.NatInterface {
			return nil
		}
		member := fabric.Member(l.r, l.to.scope, l.to.vpc, "")
		return l.groups(l.to.eni, present(l.r, l.to.eni), fabric.Ingress, func(m fabric.Match, a netip.Addr) bool {
			return member(m, a) || m.Through && slices.Contains(l.front.Balancer.Groups, m.Group)
		})
	}
	return nil
}

// refuses says whether a stage has refused the packet.
func (l *leg) refuses(s fabric.Stage) bool { return l.stages[s] != nil && len(l.stages[s].Blocked) > 0 }

// guarded says whether the groups of a receiving interface are asked: a balancer's
// node has none if it was made without, and nothing but listeners.
func (l *leg) guarded(n *state.NetworkInterface) bool {
	if n.InterfaceType != fabric.BalancerInterface {
		return true
	}
	return l.front.Listener != nil && l.front.Balancer.Guarded && !l.back
}
