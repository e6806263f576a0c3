package reach

import (
	"net/netip"
	"slices"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

// walk is one question.
type walk struct {
	r        state.Reader
	q        Query
	src, dst end
	header   fabric.Header
	changes  []change          // of the header, on the way there
	passed   map[passage]bool  // what the way there has passed
	came     map[string]string // by which peering connection it came into a VPC
	passes   []pass            // the flow's ways through balancers
	pick     int               // which target is asked about, where any may be meant
	picks    int               // of how many
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

// sender gives the address that a packet had before a gateway, by which it comes
// back into the same VPC, put a public one in its place.
func (w *walk) sender(by string, public netip.Addr) (netip.Addr, bool) {
	for _, c := range w.changes {
		if by != "" && c.by == by && c.after.Src == public && c.before.Src != public {
			return c.before.Src, true
		}
	}
	return netip.Addr{}, false
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
	peering string        // likewise
	to      end           // whom the router gives it to
	exit    fabric.Exit
	same    bool // both interfaces are in one subnet
	stages  [fabric.Stages]*Hop
	first   *Hop   // the gateway that it came in by
	last    *Hop   // the gateway or peering connection that it goes out by, or the NAT gateway
	closed  *Cause // why the receiving interface takes nothing
	node    end    // of a balancer, that it passes or gets to
	front   fabric.Front
	through *pass         // the balancer's way, when the router sends it on for the node
	asked   fabric.Header // as it was in front of it
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
	l.balancer()
	if n := l.exit.Interface; n != nil {
		l.to = l.walk.at(n, netip.Addr{})
	}
	l.same = l.from.subnet != nil && l.to.subnet != nil && l.from.subnet.Key == l.to.subnet.Key
	for _, s := range fabric.Path() {
		if hop := l.ask(s); hop != nil {
			hop.Stage = s
			if hop != l.first && s != fabric.Balance { // which have seen the packet before it was translated
				hop.Header = l.header
			}
			for i, c := range hop.Blocked {
				if c.Stage == 0 {
					c.Stage = s
				}
				hop.Blocked[i] = l.say(c.Stage, hop.Direction, c)
			}
			l.stages[s] = hop
		}
	}
	if l.through == nil {
		l.tracked()
	}
	stuck := l.refuses(fabric.Destination) || l.refuses(fabric.Balance)
	switch {
	case l.exit.Served:
		return nil
	case l.exit.Internet != "" && !l.refuses(fabric.Balance):
		return l.leave()
	case l.exit.Peering != "" && !stuck:
		return l.cross()
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
	if l.peering != "" && !l.knows() { // a neighbour with the same addresses
		l.block(fabric.Destination, Cause{Code: CannotRoute, Component: l.space})
		return
	}
	if !passes(l.from) && !passes(l.to) || l.exit.Interface == nil && l.exit.Internet == "" && l.exit.Peering == "" {
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
		// An answer to what came by a peering connection is none that the gateway translates.
		// Nor is what has passed the router before, on its way to an instance that passes
		// it on: connection tracking decides about a flow's first packet once.
		came := l.back && l.knows() || !l.back && slices.ContainsFunc(l.legs, func(o *leg) bool {
			return o.number < l.number && o.space == l.space && o.header.Src == l.header.Src && o.header.Dst == l.header.Dst
		})
		if n, ok := fabric.InterfaceAt(l.r, l.vpc.Key.Scope(), l.space, l.header.Src); ok && !came && l.walk.at(n, l.header.Src).state() == nil {
			public = fabric.PublicOf(n, l.header.Src)
		}
		if !public.IsValid() {
			c := Cause{Code: IgwPublicEgress, Component: l.exit.Internet, Addrs: []netip.Addr{l.header.Src}}
			if id := l.came[l.space]; came && id != "" {
				c = Cause{Code: NoRoute, Component: l.exit.Table, Rule: l.exit.Rule, Peering: id}
			}
			if l.from.eni != nil {
				c.Interface = l.from.eni.ID
			}
			l.last.Blocked = []Cause{l.say(fabric.Leave, fabric.Egress, c)}
			return nil
		}
		h.Src = public
		l.translated(l.exit.Internet, h)
	}
	l.last.After = h
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
	next.first.After = h
	next.header = h
	return next
}

// outsideAt names who has an address in the simulated internet, itself with its name
// servers included.
func outsideAt(r state.Reader, a netip.Addr) (string, bool) {
	for h := range state.Hosts.By(r, state.ByPublic, a.String()) {
		return h.ID, true
	}
	return fabric.InternetSpace, a == publicip.Router(r) || publicip.IsReserved(a)
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
	hop.After = h
	next := &leg{way: l.way, header: h, from: l.from}
	next.enter(l.from.key())
	return next
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
		if l.asked != (fabric.Header{}) && len(hops) > 0 {
			hops[0].Header = l.asked
		}
	}
	add(l.stages[fabric.Sending])
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
	add(l.stages[fabric.Balance])
	add(l.stages[fabric.NodeGroupOut])
	add(l.stages[fabric.NodeAclOut])
	add(l.stages[fabric.NodeAclIn])
	add(l.stages[fabric.NodeGroupIn])
	add(l.stages[fabric.Taking])
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
