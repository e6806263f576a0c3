package reach

import (
	"net/netip"
	"slices"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/state"
)

// Ports that a client chooses from when it is not told one (Linux,
// net.ipv4.ip_local_port_range).
var ephemeral = fabric.Range{Lo: 32768, Hi: 60999}

// ask gives the hop of a stage of a VPC's router, or nil when the stage is not on
// the way.
func (l *leg) ask(s fabric.Stage) *Hop {
	switch s {
	case fabric.Sending:
		return l.broken(l.from, fabric.Egress)
	case fabric.Taking:
		if l.exit.Served {
			return nil
		}
		return l.broken(l.to, fabric.Ingress)
	case fabric.Source:
		return l.source()
	case fabric.Destination:
		return l.destination()
	case fabric.AclOut:
		if l.exit.Served || l.same || l.from.subnet == nil {
			return nil
		}
		return l.acl(l.from, fabric.Egress)
	case fabric.AclIn:
		if l.exit.Served || l.same || l.to.subnet == nil {
			return nil
		}
		return l.acl(l.to, fabric.Ingress)
	case fabric.GroupOut:
		if l.exit.Served || l.from.eni == nil || l.from.eni.InterfaceType == fabric.NatInterface {
			return nil
		}
		return l.group(l.from.eni, fabric.Egress)
	case fabric.GroupIn:
		if l.exit.Served || l.to.eni == nil || l.to.eni.InterfaceType == fabric.NatInterface {
			return nil
		}
		if !l.guarded(l.to.eni) {
			return nil
		}
		return l.group(l.to.eni, fabric.Ingress)
	case fabric.Balance:
		return l.balance()
	case fabric.NodeAclOut, fabric.NodeAclIn, fabric.NodeGroupOut, fabric.NodeGroupIn:
		return l.behind(s)
	}
	return nil // Tracked: the way back passes the groups, see group
}

// source asks whether the sender may send this. What came in by a gateway was
// asked there.
func (l *leg) source() *Hop {
	e := l.from
	if e.eni == nil {
		if l.gateway != "" {
			return l.first
		}
		if l.peering != "" {
			return nil
		}
		return &Hop{Kind: KindVpc, ID: e.vpc, Direction: fabric.Egress,
			Blocked: []Cause{{Code: NoSourceOrDest, Component: e.vpc, Addrs: []netip.Addr{e.addr}}}}
	}
	hop := &Hop{Kind: KindInterface, ID: e.eni.ID, Direction: fabric.Egress}
	if c := e.state(); c != nil && !l.back && l.number == 1 {
		hop.Blocked = append(hop.Blocked, *c)
	}
	if fabric.Checked(e.eni) && !e.has(l.header.Src) {
		own := make([]netip.Addr, len(e.eni.Addresses))
		for i, a := range e.eni.Addresses {
			own[i] = a.Addr
		}
		hop.Blocked = append(hop.Blocked, Cause{Code: EniAddress, Component: e.eni.ID, Interface: e.eni.ID, Addrs: own})
	}
	return hop
}

// destination says what routing does.
func (l *leg) destination() *Hop {
	if l.vpc.Key.ID == "" {
		return &Hop{Kind: KindVpc, ID: l.from.vpc, Blocked: []Cause{{Code: UnknownResource, Component: l.from.vpc}}}
	}
	x := l.exit
	if x.Served {
		hop := &Hop{Kind: KindVpc, ID: l.vpc.Key.ID, Direction: fabric.Ingress, Rule: x.Service.Name}
		if !x.Asked {
			hop.Blocked = []Cause{{Code: NoPossible, Component: l.vpc.Key.ID}}
		}
		return hop
	}
	hop := &Hop{Kind: KindRouteTable, ID: x.Table, Direction: fabric.Egress, Rule: x.Rule}
	if x.Table == "" { // a gateway without a table, or a peering connection
		hop.Kind, hop.ID = KindVpc, l.vpc.Key.ID
	}
	if l.peering != "" {
		hop.Direction = fabric.Ingress
	}
	var subnet string
	if l.from.subnet != nil {
		subnet = l.from.subnet.ID
	}
	cause := Cause{Component: hop.ID, Subnet: subnet, Rule: x.Rule}
	refuse := func(code Code) *Hop {
		cause.Code = code
		hop.Blocked = []Cause{cause}
		return hop
	}
	meant := l.dst.eni != nil && l.number == 1 && !l.back && l.header.Dst == l.dst.addr
	if meant && l.dst.key() != l.vpc.Key {
		if c, apart := l.apart(cause); apart {
			hop.Blocked = []Cause{c}
			return hop
		}
	}
	switch {
	case l.peering != "" && !x.Inside:
		// What comes from another VPC asks for no route.
		cause.Component, cause.Rule, cause.Addrs, cause.Peering = l.vpc.Key.ID, "", []netip.Addr{l.header.Dst}, l.peering
		return refuse(PeerAddress)
	case x.Inside && x.Interface == nil:
		cause.Component, cause.Rule = l.vpc.Key.ID, ""
		return refuse(NoPossible)
	case x.Inside:
		if l.gateway != "" {
			break // it was asked before it came in
		}
		if l.closed = l.to.state(); l.closed != nil {
			c := l.say(fabric.Destination, fabric.Ingress, *l.closed)
			l.closed = &c
		}
	case !x.Found:
		cause.Peering = l.beyond()
		return refuse(NoRoute)
	case x.Route.State != fabric.RouteActive:
		cause.State, cause.Peering = l.lapsed(x.Route)
		return refuse(BadStateRoute)
	case x.Route.Checked:
		cause.Component, cause.Interface = x.Route.Target, x.Route.Port.ID
		return refuse(EniSourceDest)
	case x.Internet == "" && x.Interface == nil && x.Peering == "":
		cause.Component = x.Route.Target
		return refuse(UnsupportedComponent)
	}
	return hop
}

func (l *leg) acl(e end, dir fabric.Direction) *Hop {
	acl := e.acl
	if acl.Key.ID == "" {
		return &Hop{Kind: KindAcl, Direction: dir, Blocked: []Cause{{Code: SubnetAcl, Subnet: e.subnet.ID}}}
	}
	entry := acl.Decide(dir, l.header)
	hop := &Hop{Kind: KindAcl, ID: acl.Key.ID, Direction: dir, Rule: acl.ID(entry)}
	cause := Cause{Code: SubnetAcl, Component: acl.Key.ID, Subnet: e.subnet.ID, Rule: hop.Rule}
	if l.back && l.q.SourcePort == 0 && l.header.HasPorts() {
		var refusing *fabric.Entry
		cause.Ports, refusing = answerable(acl, dir, l.header)
		if refusing == nil {
			return hop
		}
		hop.Rule = acl.ID(*refusing)
		cause.Rule = hop.Rule
		hop.Blocked = []Cause{cause}
		return hop
	}
	if !entry.Allow {
		hop.Blocked = []Cause{cause}
	}
	return hop
}

// answerable gives the client's ports whose answers pass an ACL, and the entry
// that refuses the others: nil when all pass.
func answerable(acl fabric.Acl, dir fabric.Direction, h fabric.Header) (passing []fabric.Range, refusing *fabric.Entry) {
	cuts := []uint16{ephemeral.Lo}
	for _, e := range acl.Entries(dir) {
		if e.HasPorts() {
			for _, at := range []int{int(e.Ports.Lo), int(e.Ports.Hi) + 1} {
				if at > int(ephemeral.Lo) && at <= int(ephemeral.Hi) {
					cuts = append(cuts, uint16(at))
				}
			}
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	for i, lo := range cuts {
		hi := ephemeral.Hi
		if i+1 < len(cuts) {
			hi = cuts[i+1] - 1
		}
		h.DPort = lo
		entry := acl.Decide(dir, h)
		switch {
		case !entry.Allow && refusing == nil:
			refusing = &entry
		case entry.Allow && len(passing) > 0 && passing[len(passing)-1].Hi+1 == lo:
			passing[len(passing)-1].Hi = hi
		case entry.Allow:
			passing = append(passing, fabric.Range{Lo: lo, Hi: hi})
		}
	}
	return passing, refusing
}

// group asks the groups of an interface. On the way back they are not asked: the
// flow is tracked where the way there has passed.
func (l *leg) group(n *state.NetworkInterface, dir fabric.Direction) *Hop {
	hop := &Hop{Kind: KindGroup, ID: firstOf(n.Groups), Direction: dir}
	if l.back && (l.through != nil || l.knows()) {
		hop.Stateful = true // see tracked
		return hop
	}
	via := l.peering
	if dir == fabric.Egress {
		via = l.exit.Peering
	}
	return l.groups(n, present(l.r, n), dir, fabric.Member(l.r, n.Scope(), n.VpcID, via))
}

// groups asks groups of an interface about the header.
func (l *leg) groups(n *state.NetworkInterface, groups []string, dir fabric.Direction, member func(fabric.Match, netip.Addr) bool) *Hop {
	hop := &Hop{Kind: KindGroup, Direction: dir}
	if id, rule, ok := fabric.FirstRule(l.r, n.Scope(), groups, dir, l.header, member); ok {
		return &Hop{Kind: KindGroup, ID: id, Direction: dir, Rule: rule.ID}
	}
	hop.ID = firstOf(groups)
	cause := Cause{Code: GroupHasNoRules, Component: hop.ID, Interface: n.ID, Groups: groups}
	for _, id := range groups {
		g, _ := fabric.LoadGroup(l.r, n.Scope().Key(id))
		rules, peer := g.Ingress, l.header.Src
		if dir == fabric.Egress {
			rules, peer = g.Egress, l.header.Dst
		}
		for _, rule := range rules {
			cause.Code = EniGroupRules
			cause.Rules = append(cause.Rules, Considered{id, rule, misses(rule, l.header, peer, member)})
			if was, ok := l.sender(l.gateway, l.header.Src); ok && dir == fabric.Ingress && misses(rule, l.header, was, member) == (Miss{}) {
				cause.Was = was
			}
		}
	}
	hop.Blocked = []Cause{cause}
	return hop
}

// misses says in what a rule differs, part by part.
func misses(rule fabric.Rule, h fabric.Header, peer netip.Addr, member func(fabric.Match, netip.Addr) bool) Miss {
	m := Miss{Void: rule.Void}
	m.Protocol = rule.Protocol != fabric.AnyProtocol && rule.Protocol != int(h.Protocol)
	if !m.Protocol {
		m.Ports = rule.HasPorts() && !rule.Ports.Contains(h.DPort) ||
			rule.IsICMP() && (rule.Type >= 0 && rule.Type != int(h.Type) || rule.Code >= 0 && rule.Code != int(h.Code))
	}
	if rule.Group != "" {
		m.Peer = !member(rule.Match, peer)
	} else {
		m.Peer = !rule.Cidr.Contains(peer)
	}
	return m
}

// present gives the interface's groups that exist, sorted, as its port has them.
func present(r state.Reader, n *state.NetworkInterface) []string {
	groups := make([]string, 0, len(n.Groups))
	for _, id := range n.Groups {
		if g, ok := state.SecurityGroups.Get(r, n.Scope().Key(id)); ok && g.VpcID == n.VpcID {
			groups = append(groups, id)
		}
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

func firstOf(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}
