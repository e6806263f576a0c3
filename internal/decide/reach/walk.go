package reach

import (
	"net/netip"
	"slices"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/publicip"
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
	changes  []change         // of the header, on the way there
	passed   map[passage]bool // what the way there has passed
}

// passage is a flow's first pass through a router: from an interface that passes
// on what is not its own, or not. Its answer goes where it began.
type passage struct {
	space    string
	src, dst netip.Addr
	onward   bool
}

// change is what a translator did to a packet: to its answer it does the reverse.
type change struct {
	by            string // the gateway
	before, after fabric.Header
}

// undo gives the answer as it leaves the translator that the packet came by.
func (w *walk) undo(by string, h fabric.Header) (fabric.Header, bool) {
	for _, c := range w.changes {
		if c.by == by && h.Src == c.after.Dst && h.Dst == c.after.Src {
			h.Src, h.Dst = c.before.Dst, c.before.Src
			return h, true
		}
	}
	return h, false
}

func (w *walk) report() Report {
	there := w.run(w.src, w.header, false)
	out := Report{Forward: there.hops()}
	answer, answered := there.header.Reply()
	// What answers a wrong source address goes to somebody else.
	if answered && there.reached && (w.src.outside && (!w.src.own.IsValid() || w.src.own == w.src.addr) || w.src.has(w.src.addr)) {
		if w.q.SourcePort == 0 && answer.HasPorts() {
			answer.DPort = ephemeral.Lo
		}
		back := w.run(there.at, answer, true)
		out.Return = back.hops()
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

// way is a packet's journey in one direction: a leg for each router that it
// passes.
type way struct {
	*walk
	back    bool
	legs    []*leg
	header  fabric.Header // as it is at its end
	at      end           // whom it got to
	reached bool
}

// maxLegs bounds a way: routes can lead in a circle, and in the kernel a packet's
// time to live ends it.
const maxLegs = 24

// run follows a packet from an end, whether stages refuse it or not, as far as
// it is known where it would go.
func (w *walk) run(from end, h fabric.Header, back bool) *way {
	y := &way{walk: w, back: back, header: h}
	next := &leg{way: y, header: h, from: from}
	if from.outside {
		next.space = fabric.InternetSpace
	} else {
		next.enter(from.key())
	}
	for next != nil && len(y.legs) < maxLegs {
		y.legs = append(y.legs, next)
		next.number = len(y.legs)
		next = next.pass()
	}
	if next != nil {
		last := y.legs[len(y.legs)-1]
		last.block(fabric.Destination, Cause{Code: NoPath, Component: last.space})
	}
	return y
}

// leg is one router on the way: of a VPC, of a NAT gateway, or of the internet.
type leg struct {
	*way
	number  int
	space   string
	header  fabric.Header // as the router decides about it
	vpc     fabric.VPC    // of a VPC's router
	from    end           // who sends it; without an interface, and not outside: the gateway
	gateway string        // that it came in by
	to      end           // whom the router gives it to
	exit    fabric.Exit
	same    bool // both interfaces are in one subnet
	stages  [fabric.Stages]*Hop
	first   *Hop   // the gateway that it came in by
	last    *Hop   // the gateway that it goes out by, or the NAT gateway
	closed  *Cause // why the receiving interface takes nothing
}

// enter makes the leg one of a VPC's router.
func (l *leg) enter(vpc state.Key) {
	l.space = vpc.ID
	l.vpc, _ = fabric.LoadVPC(l.r, vpc)
}

// pass asks the leg's stages, and gives the next leg, nil at the end of the way.
func (l *leg) pass() *leg {
	switch {
	case l.space == fabric.InternetSpace:
		return l.internet()
	case l.from.eni != nil && l.from.eni.InterfaceType == fabric.NatInterface && l.space != l.from.vpc:
		return l.translator()
	}
	return l.router()
}

// block refuses the packet at a stage.
func (l *leg) block(s fabric.Stage, c Cause) {
	if l.stages[s] == nil {
		l.stages[s] = &Hop{Kind: KindVpc, ID: l.space, Stage: s, Header: l.header}
	}
	l.stages[s].Blocked = append(l.stages[s].Blocked, l.say(s, l.stages[s].Direction, c))
}

// say completes a cause.
func (l *leg) say(s fabric.Stage, d fabric.Direction, c Cause) Cause {
	c.Stage, c.Direction, c.Return, c.Header, c.Leg, c.Space = s, d, l.back, l.header, l.number, l.space
	return c
}

// router is a leg through a VPC's router.
func (l *leg) router() *leg {
	in := fabric.Entrance{Interface: l.from.eni, Gateway: l.gateway}
	if l.vpc.Key.ID != "" {
		l.exit = l.vpc.Exit(l.r, in, l.header)
	}
	if n := l.exit.Interface; n != nil {
		l.to = l.walk.at(n, netip.Addr{})
	}
	l.same = l.from.subnet != nil && l.to.subnet != nil && l.from.subnet.Key == l.to.subnet.Key
	for _, s := range fabric.Path() {
		if hop := l.ask(s); hop != nil {
			hop.Stage, hop.Header = s, l.header
			for i, c := range hop.Blocked {
				if c.Stage == 0 {
					c.Stage = s
				}
				hop.Blocked[i] = l.say(c.Stage, hop.Direction, c)
			}
			l.stages[s] = hop
		}
	}
	l.tracked()
	stuck := l.stages[fabric.Destination] != nil && len(l.stages[fabric.Destination].Blocked) > 0
	switch {
	case l.exit.Served:
		return nil
	case l.exit.Internet != "":
		return l.leave()
	case l.to.eni == nil || stuck:
		return nil
	case l.exit.Inside && l.to.eni.InterfaceType != fabric.NatInterface:
		l.reached, l.way.header, l.way.at = true, l.header, l.to
		return nil
	case l.to.eni.InterfaceType == fabric.NatInterface:
		nat, ok := fabric.NatOf(l.r, l.to.eni)
		if !ok {
			return nil
		}
		l.last = &Hop{Kind: KindNat, ID: nat.ID, Direction: fabric.Ingress, Header: l.header}
		return &leg{way: l.way, space: nat.ID, header: l.header, from: l.to}
	}
	// An instance that passes on what is not its own, as it is: what it really does
	// nobody can know but itself.
	next := &leg{way: l.way, header: l.header, from: l.to}
	next.enter(l.vpc.Key)
	return next
}

// tracked notes a flow's way there, and refuses an answer that does not come the
// way that its flow went. It matters only where an interface passes on what is not
// its own: the flow has a pass from there, and another one to there.
func (l *leg) tracked() {
	if l.exit.Served {
		return
	}
	passes := func(e end) bool { return e.eni != nil && !fabric.Checked(e.eni) }
	if !l.back {
		l.passed[passage{l.space, l.header.Src, l.header.Dst, passes(l.from)}] = true
		return
	}
	if !passes(l.from) && !passes(l.to) || l.exit.Interface == nil && l.exit.Internet == "" {
		return
	}
	if !l.passed[passage{l.space, l.header.Dst, l.header.Src, passes(l.to)}] {
		c := Cause{Code: EniGroupRules, Component: l.space}
		if l.to.eni != nil {
			c.Component, c.Interface, c.Groups = firstOf(l.to.eni.Groups), l.to.eni.ID, l.to.eni.Groups
		}
		l.block(fabric.Tracked, c)
	}
}

// leave is the way out by the internet gateway, where a public address takes the
// place of the private one.
func (l *leg) leave() *leg {
	l.last = &Hop{Kind: KindGateway, ID: l.exit.Internet, Direction: fabric.Egress, Header: l.header}
	h, known := l.header, false
	if l.back {
		h, known = l.undo(l.exit.Internet, l.header)
	}
	if !known {
		var public netip.Addr
		if n, ok := fabric.InterfaceAt(l.r, l.vpc.Key.Scope(), l.space, l.header.Src); ok && l.walk.at(n, l.header.Src).state() == nil {
			public = fabric.PublicOf(n, l.header.Src)
		}
		if !public.IsValid() {
			c := Cause{Code: IgwPublicEgress, Component: l.exit.Internet, Addrs: []netip.Addr{l.header.Src}}
			if l.from.eni != nil {
				c.Interface = l.from.eni.ID
			}
			l.last.Blocked = []Cause{l.say(fabric.Leave, fabric.Egress, c)}
			return nil
		}
		h.Src = public
		l.translated(l.exit.Internet, h)
	}
	l.last.Header = h
	return &leg{way: l.way, space: fabric.InternetSpace, header: h, gateway: l.exit.Internet}
}

// translated remembers what a translator did on the way there.
func (l *leg) translated(by string, after fabric.Header) {
	if !l.back {
		l.changes = append(l.changes, change{by, l.header, after})
	}
}

// internet is a leg through the simulated internet.
func (l *leg) internet() *leg {
	if own := l.from.own; own.IsValid() && !l.back && l.header.Src != own {
		l.block(fabric.Source, Cause{Code: GatewaySpoof, Component: l.space, Addrs: []netip.Addr{l.header.Src}})
	}
	if name, ok := outsideAt(l.r, l.header.Dst); ok {
		l.reached, l.way.header = true, l.header
		l.way.at = end{outside: true, addr: l.header.Dst, name: name}
		l.stages[fabric.Destination] = &Hop{Kind: KindHost, ID: name, Stage: fabric.Destination, Direction: fabric.Ingress, Header: l.header}
		return nil
	}
	n, private, ok := fabric.PublicOwner(l.r, l.header.Dst)
	if !ok {
		l.stages[fabric.Destination] = &Hop{Kind: KindHost, ID: l.space, Stage: fabric.Destination, Direction: fabric.Ingress, Header: l.header}
		l.block(fabric.Destination, Cause{Code: NoPossible, Component: l.space, Addrs: []netip.Addr{l.header.Dst}})
		return nil
	}
	gateway, _ := fabric.GatewayOf(l.r, n.Scope(), n.VpcID)
	owner := l.walk.at(n, private)
	if c := owner.state(); c != nil { // nobody takes what is for it
		l.stages[fabric.Destination] = &Hop{Kind: KindHost, ID: l.space, Stage: fabric.Destination, Direction: fabric.Ingress, Header: l.header}
		l.block(fabric.Destination, *c)
	}
	next := &leg{way: l.way, header: l.header, gateway: gateway}
	next.enter(n.Scope().Key(n.VpcID))
	next.number = l.number + 1
	next.first = &Hop{Kind: KindGateway, ID: gateway, Stage: fabric.Source, Direction: fabric.Ingress, Header: l.header}
	if next.vpc.Contains(l.header.Src) {
		next.first.Blocked = []Cause{next.say(fabric.Source, fabric.Ingress, Cause{Code: GatewaySpoof, Component: gateway, Addrs: []netip.Addr{l.header.Src}})}
	}
	h, known := l.header, false
	if l.back {
		h, known = l.undo(gateway, l.header)
	}
	if !known {
		h.Dst = private
		if !l.back {
			l.changes = append(l.changes, change{gateway, l.header, h})
		}
	}
	next.header = h
	return next
}

// outsideAt names who has an address in the simulated internet, itself included.
func outsideAt(r state.Reader, a netip.Addr) (string, bool) {
	for h := range state.Hosts.By(r, state.ByPublic, a.String()) {
		return h.ID, true
	}
	return fabric.InternetSpace, a == publicip.Router(r)
}

// translator is a leg through a NAT gateway.
func (l *leg) translator() *leg {
	hop := &Hop{Kind: KindNat, ID: l.space, Stage: fabric.Destination, Direction: fabric.Egress, Header: l.header}
	l.stages[fabric.Destination] = hop
	h, known := l.header, false
	if l.back {
		h, known = l.undo(l.space, l.header)
	}
	switch {
	case known:
	case l.back:
		// The answer to what came another way: it would get another source.
		l.block(fabric.Destination, Cause{Code: CannotRoute, Component: l.space})
		return nil
	case l.from.has(l.header.Dst):
		// Nothing that begins outside comes in.
		l.block(fabric.Destination, Cause{Code: NoPossible, Component: l.space})
		return nil
	case !fabric.Translates(l.header.Protocol):
		l.block(fabric.Destination, Cause{Code: ProtocolRestriction, Component: l.space})
		return nil
	default:
		port, ok := fabric.LoadPort(l.r, l.from.eni.Key)
		if !ok {
			l.block(fabric.Destination, Cause{Code: BadState, Component: l.space})
			return nil
		}
		h.Src = port.NatSource(l.header)
		l.translated(l.space, h)
	}
	next := &leg{way: l.way, header: h, from: l.from}
	next.enter(l.from.key())
	return next
}

// ask gives the hop of a stage of a VPC's router, or nil when the stage is not on
// the way.
func (l *leg) ask(s fabric.Stage) *Hop {
	switch s {
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
		return l.group(l.to.eni, fabric.Ingress)
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
	if x.Table == "" { // a gateway without a table
		hop.Kind, hop.ID = KindVpc, l.vpc.Key.ID
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
	switch {
	case meant && l.dst.vpc != l.vpc.Key.ID:
		cause.Component, cause.Interface, cause.Subnet, cause.Rule = l.from.vpc, l.dst.eni.ID, "", ""
		return refuse(DisconnectedVpcs)
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
		return refuse(NoRoute)
	case x.Route.State != fabric.RouteActive:
		cause.State = x.Route.State
		return refuse(BadStateRoute)
	case x.Route.Checked:
		cause.Component, cause.Interface = x.Route.Target, x.Route.Port.ID
		return refuse(EniSourceDest)
	case x.Internet == "" && x.Interface == nil:
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
	if l.back {
		hop.Stateful = true // see tracked
		return hop
	}
	groups := present(l.r, n)
	member := fabric.Member(l.r, n.Scope(), n.VpcID)
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
	var hops []Hop
	for _, l := range y.legs {
		hops = append(hops, l.hops()...)
	}
	return hops
}

func (l *leg) hops() []Hop {
	hops := make([]Hop, 0, 10)
	add := func(h *Hop) {
		if h != nil {
			h.Leg, h.Space = l.number, l.space
			hops = append(hops, *h)
		}
	}
	instance := func(e end) {
		if e.instance != nil {
			add(&Hop{Kind: KindInstance, ID: e.instance.ID, Header: l.header})
		}
	}
	if l.vpc.Key.ID == "" && l.space != l.from.vpc { // no VPC's router
		if l.from.outside {
			add(&Hop{Kind: KindHost, ID: l.from.name, Header: l.header})
		}
		add(l.stages[fabric.Source])
		add(l.stages[fabric.Destination])
		return hops
	}
	if l.number == 1 {
		instance(l.from)
	}
	add(l.stages[fabric.Source])
	if l.exit.Served {
		add(l.stages[fabric.Destination])
		return hops
	}
	add(l.stages[fabric.GroupOut])
	add(l.stages[fabric.Tracked])
	add(l.stages[fabric.AclOut])
	add(l.stages[fabric.Destination])
	add(l.stages[fabric.AclIn])
	add(l.stages[fabric.GroupIn])
	add(l.last)
	if l.to.eni != nil && l.last == nil {
		hop := Hop{Kind: KindInterface, ID: l.to.eni.ID, Direction: fabric.Ingress, Header: l.header}
		if l.closed != nil && !l.back { // the way there has said so already
			hop.Blocked = []Cause{*l.closed}
		}
		add(&hop)
		instance(l.to)
	}
	return hops
}
