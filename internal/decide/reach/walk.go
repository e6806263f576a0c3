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

// walk is one question.
type walk struct {
	r        state.Reader
	q        Query
	src, dst end
	header   fabric.Header
	vpc      fabric.VPC // of the source
}

// way is one direction of the packet's journey.
type way struct {
	*walk
	from, to *end
	header   fabric.Header
	back     bool
	stages   [fabric.Stages]*Hop
	served   bool   // the VPC itself has the address
	same     bool   // within one subnet
	closed   *Cause // why the receiving interface takes nothing
}

func (w *walk) report() Report {
	there := w.run(&w.src, &w.dst, w.header, false)
	out := Report{Forward: there.hops()}
	answer, answered := w.header.Reply()
	// What answers a wrong source address goes to somebody else.
	if answered && w.src.has(w.src.addr) && w.dst.eni != nil && !there.served && w.src.vpc == w.dst.vpc {
		if w.q.SourcePort == 0 && answer.HasPorts() {
			answer.DPort = ephemeral.Lo
		}
		out.Return = w.run(&w.dst, &w.src, answer, true).hops()
	}
	for _, h := range out.Forward {
		out.Because = append(out.Because, h.Blocked...)
	}
	out.Arrives = len(out.Because) == 0
	for _, h := range out.Return {
		out.Because = append(out.Because, h.Blocked...)
	}
	out.Reachable = len(out.Because) == 0
	return out
}

// run asks every stage, whether earlier ones refused or not.
func (w *walk) run(from, to *end, h fabric.Header, back bool) *way {
	y := &way{walk: w, from: from, to: to, header: h, back: back}
	for _, stage := range fabric.Path() {
		if hop := y.ask(stage); hop != nil {
			hop.Stage, hop.Header = stage, h
			for i := range hop.Blocked {
				c := &hop.Blocked[i]
				c.Stage, c.Direction, c.Return, c.Header = stage, hop.Direction, back, h
			}
			y.stages[stage] = hop
		}
	}
	return y
}

// ask gives the hop of a stage, or nil when the stage is not on the way.
func (y *way) ask(s fabric.Stage) *Hop {
	switch s {
	case fabric.Source:
		return y.source()
	case fabric.Destination:
		return y.destination()
	case fabric.AclOut:
		if y.served || y.same || y.from.subnet == nil {
			return nil
		}
		return y.acl(y.from, fabric.Egress)
	case fabric.AclIn:
		if y.served || y.same || y.to.subnet == nil || y.from.vpc != y.to.vpc {
			return nil
		}
		return y.acl(y.to, fabric.Ingress)
	case fabric.GroupOut:
		if y.served || y.from.eni == nil {
			return nil
		}
		return y.group(y.from.eni, fabric.Egress)
	case fabric.GroupIn:
		if y.served || y.to.eni == nil || y.from.vpc != y.to.vpc {
			return nil
		}
		return y.group(y.to.eni, fabric.Ingress)
	}
	return nil // Tracked: the way back passes the groups, see group
}

func (y *way) source() *Hop {
	e := y.from
	if e.eni == nil {
		return &Hop{Kind: KindVpc, ID: e.vpc, Direction: fabric.Egress,
			Blocked: []Cause{{Code: NoSourceOrDest, Component: e.vpc, Addrs: []netip.Addr{e.addr}}}}
	}
	hop := &Hop{Kind: KindInterface, ID: e.eni.ID, Direction: fabric.Egress}
	if c := e.state(); c != nil && !y.back {
		hop.Blocked = append(hop.Blocked, *c)
	}
	if !e.has(y.header.Src) {
		own := make([]netip.Addr, len(e.eni.Addresses))
		for i, a := range e.eni.Addresses {
			own[i] = a.Addr
		}
		hop.Blocked = append(hop.Blocked, Cause{Code: EniAddress, Component: e.eni.ID, Interface: e.eni.ID, Addrs: own})
	}
	return hop
}

// destination answers as routing does: a service of the VPC, an interface by the
// local route, or nothing.
func (y *way) destination() *Hop {
	if y.vpc.Key.ID == "" {
		return &Hop{Kind: KindVpc, ID: y.from.vpc, Blocked: []Cause{{Code: UnknownResource, Component: y.from.vpc}}}
	}
	if service, at, asked := y.vpc.ServiceAt(y.header); at {
		y.served = true
		hop := &Hop{Kind: KindVpc, ID: y.vpc.Key.ID, Direction: fabric.Ingress, Rule: service.Name}
		if !asked {
			hop.Blocked = []Cause{{Code: NoPossible, Component: y.vpc.Key.ID}}
		}
		return hop
	}
	y.same = y.from.subnet != nil && y.to.subnet != nil && y.from.subnet.Key == y.to.subnet.Key
	hop := &Hop{Kind: KindRouteTable, ID: y.from.table.Key.ID, Direction: fabric.Egress}
	var subnet string
	if y.from.subnet != nil {
		subnet = y.from.subnet.ID
	}
	route, found := y.from.table.Lookup(y.header.Dst)
	if found {
		hop.Rule = y.from.table.ID(route)
	}
	cause := Cause{Component: hop.ID, Subnet: subnet, Rule: hop.Rule}
	switch {
	case y.to.eni != nil && y.to.vpc != y.from.vpc:
		hop.Blocked = []Cause{{Code: DisconnectedVpcs, Component: y.from.vpc, Interface: y.to.eni.ID}}
	case y.vpc.Contains(y.header.Dst) && !y.to.has(y.header.Dst):
		cause.Code, cause.Component, cause.Rule = NoPossible, y.vpc.Key.ID, ""
		hop.Blocked = []Cause{cause}
	case y.vpc.Contains(y.header.Dst):
		if y.closed = y.to.state(); y.closed != nil {
			y.closed.Stage, y.closed.Direction, y.closed.Return, y.closed.Header = fabric.Destination, fabric.Ingress, y.back, y.header
		}
	case !found:
		cause.Code = NoRoute
		hop.Blocked = []Cause{cause}
	case route.State == fabric.RouteBlackhole:
		cause.Code, cause.State = BadStateRoute, route.State
		hop.Blocked = []Cause{cause}
	default:
		cause.Code, cause.Component = UnsupportedComponent, route.Target
		hop.Blocked = []Cause{cause}
	}
	return hop
}

func (y *way) acl(e *end, dir fabric.Direction) *Hop {
	acl := e.acl
	if acl.Key.ID == "" {
		return &Hop{Kind: KindAcl, Direction: dir, Blocked: []Cause{{Code: SubnetAcl, Subnet: e.subnet.ID}}}
	}
	entry := acl.Decide(dir, y.header)
	hop := &Hop{Kind: KindAcl, ID: acl.Key.ID, Direction: dir, Rule: acl.ID(entry)}
	cause := Cause{Code: SubnetAcl, Component: acl.Key.ID, Subnet: e.subnet.ID, Rule: hop.Rule}
	if y.back && y.q.SourcePort == 0 && y.header.HasPorts() {
		var refusing *fabric.Entry
		cause.Ports, refusing = answerable(acl, dir, y.header)
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

// group asks the groups of an interface. On the way back they are not asked:
// the flow is tracked.
func (y *way) group(n *state.NetworkInterface, dir fabric.Direction) *Hop {
	if y.back {
		return &Hop{Kind: KindGroup, ID: firstOf(n.Groups), Direction: dir, Stateful: true}
	}
	groups := present(y.r, n)
	member := fabric.Member(y.r, n.Scope(), n.VpcID)
	if id, rule, ok := fabric.FirstRule(y.r, n.Scope(), groups, dir, y.header, member); ok {
		return &Hop{Kind: KindGroup, ID: id, Direction: dir, Rule: rule.ID}
	}
	hop := &Hop{Kind: KindGroup, ID: firstOf(groups), Direction: dir}
	cause := Cause{Code: GroupHasNoRules, Component: firstOf(groups), Interface: n.ID, Groups: groups}
	for _, id := range groups {
		g, _ := fabric.LoadGroup(y.r, n.Scope().Key(id))
		rules, peer := g.Ingress, y.header.Src
		if dir == fabric.Egress {
			rules, peer = g.Egress, y.header.Dst
		}
		for _, rule := range rules {
			cause.Code = EniGroupRules
			cause.Rules = append(cause.Rules, Considered{id, rule, misses(rule, y.header, peer, member)})
		}
	}
	hop.Blocked = []Cause{cause}
	return hop
}

// misses says in what a rule differs, part by part.
func misses(rule fabric.Rule, h fabric.Header, peer netip.Addr, member func(string, netip.Addr) bool) Miss {
	m := Miss{Void: rule.Void}
	m.Protocol = rule.Protocol != fabric.AnyProtocol && rule.Protocol != int(h.Protocol)
	if !m.Protocol {
		m.Ports = rule.HasPorts() && !rule.Ports.Contains(h.DPort) ||
			rule.IsICMP() && (rule.Type >= 0 && rule.Type != int(h.Type) || rule.Code >= 0 && rule.Code != int(h.Code))
	}
	if rule.Group != "" {
		m.Peer = !member(rule.Group, peer)
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

// hops lists the components in the order in which AWS does.
func (y *way) hops() []Hop {
	hops := make([]Hop, 0, 9)
	add := func(h *Hop) {
		if h != nil {
			hops = append(hops, *h)
		}
	}
	instance := func(e *end) {
		if e.instance != nil {
			hops = append(hops, Hop{Kind: KindInstance, ID: e.instance.ID, Header: y.header})
		}
	}
	instance(y.from)
	add(y.stages[fabric.Source])
	if y.served {
		add(y.stages[fabric.Destination])
		return hops
	}
	add(y.stages[fabric.GroupOut])
	add(y.stages[fabric.AclOut])
	add(y.stages[fabric.Destination])
	add(y.stages[fabric.AclIn])
	add(y.stages[fabric.GroupIn])
	if y.to.eni != nil && y.to.vpc == y.from.vpc {
		hop := Hop{Kind: KindInterface, ID: y.to.eni.ID, Direction: fabric.Ingress, Header: y.header}
		if y.closed != nil && !y.back { // the way there has said so already
			hop.Blocked = []Cause{*y.closed}
		}
		hops = append(hops, hop)
		instance(y.to)
	}
	return hops
}
