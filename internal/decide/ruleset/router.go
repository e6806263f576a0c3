package ruleset

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/plan"
)

// Routing of a router: a packet asks, by the number of its subnet's route table in
// its mark, for routes more specific than the local ones; then for the VPC's own
// addresses; then for the table's other routes; and is dropped.
//
// A namespace has the stock policy rules, for table main and then table default.
// Where there are no others the kernel asks the tables without going through rules,
// which is faster: table default then drops what nothing routes. Other route tables come
// between, so where there are any it is empty, and a last rule's table drops.
const (
	tableMain     = 254
	tableDefault  = 253
	tableLast     = 252
	tableRoutes   = 1000   // + number of the route table
	tableSpecific = 100000 // + number of the route table
	prefSpecific  = 1000   // + number, which is at most 30000
	prefMain      = 32766  // the stock rule's
	prefDefault   = 32767  // the stock rule's
	prefRoutes    = 200000 // + number
	prefLast      = 300000

	markTable = 0xffff // the bits of a mark that hold the number
)

// Router gives what every VPC has: its namespace, the chains of the stages, the
// empty sets that units fill, its services, and routes that drop what is not there.
func Router(v fabric.VPC) []plan.Object {
	ns := router(v.Key.ID)
	objects := []plan.Object{plan.Router{Name: ns}}
	for _, s := range v.Services {
		addr := plan.Addr{Netns: ns, Link: "lo", Prefix: host(s.Addr)}
		if objects[len(objects)-1] != plan.Object(addr) { // a service's protocols follow each other
			objects = append(objects, addr)
		}
	}
	for _, c := range v.Cidrs {
		objects = append(objects, plan.Route{Netns: ns, Table: tableMain, Dst: c, Type: plan.Blackhole, Cause: v.Key.ID})
	}
	if v.Routed {
		objects = append(objects, closed(ns, tableLast, v.Key.ID), plan.IPRule{Netns: ns, Family: 4, Pref: prefLast, Table: tableLast})
	} else {
		objects = append(objects, closed(ns, tableDefault, v.Key.ID))
	}
	objects = append(objects,
		plan.Set{Netns: ns, Name: setSource, Types: []plan.DataType{plan.TypeIfname, plan.TypeIPv4}},
		plan.Set{Netns: ns, Name: setService, Types: []plan.DataType{plan.TypeIPv4, plan.TypeProto, plan.TypeService}},
		plan.Set{Netns: ns, Name: setSame, Types: []plan.DataType{plan.TypeGroup, plan.TypeGroup}},
		plan.Set{Netns: ns, Name: setOnLink, Types: []plan.DataType{plan.TypeGroup, plan.TypeIPv4}, Interval: true},
		plan.Set{Netns: ns, Name: setNoCheck, Types: []plan.DataType{plan.TypeIfname}},
		plan.Set{Netns: ns, Name: setPublic, Types: []plan.DataType{plan.TypeIPv4}},
		plan.Set{Netns: ns, Name: setBlocks, Types: []plan.DataType{plan.TypeIPv4}, Interval: true},
		plan.Set{Netns: ns, Name: mapMark, Types: []plan.DataType{plan.TypeGroup}, Data: plan.TypeMark},
		plan.Set{Netns: ns, Name: mapInside, Types: []plan.DataType{plan.TypeIPv4}, Data: plan.TypeIPv4},
		plan.Set{Netns: ns, Name: mapOutside, Types: []plan.DataType{plan.TypeIPv4}, Data: plan.TypeIPv4},
		plan.Set{Netns: ns, Name: mapAclOut, Types: []plan.DataType{plan.TypeGroup}, Data: plan.TypeVerdict},
		plan.Set{Netns: ns, Name: mapAclIn, Types: []plan.DataType{plan.TypeGroup}, Data: plan.TypeVerdict},
		plan.Set{Netns: ns, Name: mapGroupOut, Types: []plan.DataType{plan.TypeIfname}, Data: plan.TypeVerdict},
		plan.Set{Netns: ns, Name: mapGroupIn, Types: []plan.DataType{plan.TypeIfname}, Data: plan.TypeVerdict},
	)
	objects = append(objects, faultSets(v)...)
	chains := stages(v)
	if v.Balances {
		more, own := balancing(v)
		objects, chains = append(objects, more...), append(chains, own...)
	}
	for _, c := range chains {
		c.Netns = ns
		objects = append(objects, c)
	}
	for _, c := range v.Cidrs {
		objects = append(objects, plan.Element{Netns: ns, Set: setBlocks, At: []plan.Value{plan.Net(c)}, Cause: v.Key.ID})
	}
	for _, s := range v.Services {
		objects = append(objects, plan.Element{
			Netns: ns, Set: setService, Cause: v.Key.ID,
			At: []plan.Value{plan.IP(s.Addr), plan.Num(uint32(s.Protocol)), plan.Num(uint32(s.Port))},
		})
	}
	for _, s := range v.Services {
		objects = append(objects, plan.Service{Netns: ns, Name: s.Name, Proto: protoName(s.Protocol), Addr: netip.AddrPortFrom(s.Addr, s.Port)})
	}
	return objects
}

// closed drops what no other route leads anywhere, silently as AWS does.
func closed(ns plan.Netns, table int, cause string) plan.Route {
	return plan.Route{Netns: ns, Table: table, Dst: everywhere, Type: plan.Blackhole, Cause: cause}
}

func protoName(n uint8) string {
	if n == fabric.TCP {
		return "tcp"
	}
	return "udp"
}

func host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// spelling is what a stage is in nft: rules of the forward hook, in the order of
// fabric.Path, or chains of its own.
type spelling struct {
	forward []plan.Rule
	chains  []plan.Chain
}

// spell gives the kernel's words for each stage. Source and Destination are
// asked before the forward hook: by prerouting, and by routing and the input
// hook. Every chain that is entered by goto ends in a verdict.
func spell(s fabric.Stage, v fabric.VPC) spelling {
	switch s {
	case fabric.Source:
		return source(v)
	case fabric.Destination:
		c := plan.Chain{
			Name: chainInput,
			Hook: &plan.Hook{Type: "filter", Hook: "input", Policy: "drop"},
			Rules: []plan.Rule{
				plan.Do(plan.Accept, "", plan.Where(plan.IIfName, plan.Str("lo"))),
				plan.Do(plan.Accept, "", plan.In(setService, plan.DAddr, plan.L4Proto, plan.DPort)),
			},
		}
		if v.Peered { // services are the VPC's own
			c.Rules = append([]plan.Rule{plan.Do(plan.Drop, "", fromPeer)}, c.Rules...)
		}
		return spelling{chains: []plan.Chain{c}}
	case fabric.AclOut:
		if !v.Filters {
			return spelling{}
		}
		return spelling{forward: []plan.Rule{
			plan.Do(plan.Goto(chainTracked), "", plan.In(setSame, plan.IIfGroup, plan.OIfGroup)),
			{VMap: &plan.Lookup{Fields: []plan.Field{plan.IIfGroup}, Map: mapAclOut}},
		}}
	case fabric.AclIn:
		if !v.Filters {
			return spelling{}
		}
		return spelling{forward: []plan.Rule{
			{VMap: &plan.Lookup{Fields: []plan.Field{plan.OIfGroup}, Map: mapAclIn}},
		}}
	case fabric.Tracked:
		return tracking(v)
	case fabric.GroupOut:
		c := plan.Chain{Name: chainNew, Rules: []plan.Rule{{VMap: &plan.Lookup{Fields: []plan.Field{plan.IIfName}, Map: mapGroupOut}}}}
		if v.Gateway { // it has no groups
			c.Rules = append(c.Rules, plan.Do(plan.Goto(chainDst), "", plan.Where(plan.IIfGroup, plan.Num(groupGateway))))
		}
		if v.Peered { // it was asked in the other VPC
			c.Rules = append(c.Rules, plan.Do(plan.Goto(chainDst), "", fromPeer))
		}
		c.Rules = append(c.Rules, plan.Do(plan.Drop, ""))
		return spelling{chains: []plan.Chain{c}}
	case fabric.GroupIn:
		dst := plan.Chain{Name: chainDst, Rules: []plan.Rule{{VMap: &plan.Lookup{Fields: []plan.Field{plan.OIfName}, Map: mapGroupIn}}}}
		if v.Gateway {
			dst.Rules = append(dst.Rules, plan.Do(plan.Goto(chainAllow), "", plan.Where(plan.OIfGroup, plan.Num(groupGateway))))
		}
		if v.Peered {
			dst.Rules = append(dst.Rules, plan.Do(plan.Goto(chainAllow), "", toPeer))
		}
		if v.Balances { // not routed yet: it is on its way to a balancer's node
			dst.Rules = append(dst.Rules, plan.Rule{VMap: &plan.Lookup{Fields: []plan.Field{plan.DAddr}, Map: mapGuardIn}})
		}
		dst.Rules = append(dst.Rules, plan.Do(plan.Drop, ""))
		allow := plan.Chain{Name: chainAllow}
		if v.Balances {
			allow.Rules = append(fronts(v, chainEnter), plan.Rule{Match: []plan.Match{balanced()}, CTMarkOr: accepted, Verdict: &plan.Accept})
		}
		if v.Forwards {
			allow.Rules = append(allow.Rules, plan.Rule{Match: []plan.Match{plan.In(setNoCheck, plan.IIfName)}, CTMarkOr: onward, Verdict: &plan.Accept})
		}
		allow.Rules = append(allow.Rules,
			plan.Rule{CTMarkOr: accepted, Verdict: &plan.Accept},
			// What belongs to no flow has no mark, and the rules above do
			// not match: a segment out of the blue, an ICMP error about nothing.
			plan.Do(plan.Accept, ""),
		)
		return spelling{chains: []plan.Chain{dst, allow}}
	case fabric.Taking:
		return taking(v)
	}
	return spelling{}
}

// source: a link sends from its own addresses, one without the check from any,
// the internet from none of the VPC's. Where route tables lead anywhere, the
// packet gets the number of its own, except on the way within its subnet.
func source(v fabric.VPC) spelling {
	own, any := plan.In(setSource, plan.IIfName, plan.SAddr), plan.In(setNoCheck, plan.IIfName)
	mark := func(m ...plan.Match) plan.Rule {
		r := plan.Do(plan.Accept, "", m...)
		if v.Routed {
			r.MarkFrom = &plan.Lookup{Fields: []plan.Field{plan.IIfGroup}, Map: mapMark}
		}
		return r
	}
	gateway := plan.Where(plan.IIfGroup, plan.Num(groupGateway))
	pre := plan.Chain{Name: chainPre, Hook: &plan.Hook{Type: "filter", Hook: "prerouting", Priority: -150, Policy: "accept"}}
	leave := plan.Chain{Name: chainLeave, Hook: &plan.Hook{Type: "filter", Hook: "postrouting", Priority: 300, Policy: "accept"}}
	out := spelling{}
	if v.Faulty {
		pre.Rules = append(pre.Rules, plan.Rule{VMap: &plan.Lookup{Fields: []plan.Field{plan.IIfName}, Map: mapSending}})
	}
	if v.Balances {
		pre.Rules = append(pre.Rules, plan.Do(plan.Goto(chainBack), "", balanced(), answers))
		out.forward = passing()
	}
	if v.Gateway { // one comparison, where the look-ups below find nothing for its packets
		pre.Rules = append(pre.Rules, plan.Do(plan.Goto(chainFromGateway), "", gateway))
	}
	if v.Peered {
		pre.Rules = append(pre.Rules, plan.Do(plan.Accept, "", fromPeer))
	}
	if v.Specific {
		near := plan.In(setOnLink, plan.IIfGroup, plan.DAddr)
		pre.Rules = append(pre.Rules, plan.Do(plan.Accept, "", own, near))
		if v.Forwards {
			pre.Rules = append(pre.Rules, plan.Do(plan.Accept, "", any, near))
		}
	}
	pre.Rules = append(pre.Rules, mark(own))
	if v.Gateway {
		from := plan.Chain{Name: chainFromGateway}
		if !v.Inward { // what goes on was asked when it began
			from.Rules = append(from.Rules, plan.Do(plan.Accept, "", plan.Where(plan.CTState, plan.Str("established"), plan.Str("related"))))
		}
		from.Rules = append(from.Rules, plan.Rule{
			Match: []plan.Match{plan.In(setBlocks, plan.SAddr)}, Counter: true, Verdict: &plan.Drop,
		})
		if v.Inward {
			from.Rules = append(from.Rules, mark())
		}
		from.Rules = append(from.Rules, plan.Do(plan.Accept, ""))
		away := plan.Where(plan.OIfGroup, plan.Num(groupGateway))
		public := plan.In(setPublic, plan.SAddr)
		public.Not = true
		// What connection tracking takes for invalid is not translated either.
		leave.Rules = append(leave.Rules, plan.Rule{Match: []plan.Match{away, public}, Counter: true, Verdict: &plan.Drop})
		out.chains = append(out.chains, from)
	}
	if leave.Rules = append(leave.Rules, leaving(v)...); len(leave.Rules) > 0 {
		out.chains = append(out.chains, leave)
	}
	out.chains = append(out.chains, translation(v)...)
	if v.Forwards {
		pre.Rules = append(pre.Rules, mark(any))
	}
	pre.Rules = append(pre.Rules,
		plan.Do(plan.Accept, "", plan.Where(plan.IIfName, plan.Str("lo"))),
		plan.Rule{Counter: true, Verdict: &plan.Drop},
	)
	out.chains = append([]plan.Chain{pre}, out.chains...)
	return out
}

// translation gives the chains that a flow's first packet passes: a balancer's target
// for its node, private addresses for public ones, and back.
func translation(v fabric.VPC) []plan.Chain {
	inside := plan.Chain{Name: chainInside, Hook: &plan.Hook{Type: "nat", Hook: "prerouting", Priority: -100, Policy: "accept"}}
	outside := plan.Chain{Name: chainOutside, Hook: &plan.Hook{Type: "nat", Hook: "postrouting", Priority: 100, Policy: "accept"}}
	if v.Balances {
		inside.Rules = append(inside.Rules, plan.Rule{Match: []plan.Match{balanced()}, VMap: &plan.Lookup{Fields: asked, Map: mapTo}})
		outside.Rules = append(outside.Rules, plan.Rule{Match: []plan.Match{marked(hide)}, NAT: &plan.NAT{Code: "snat", Field: plan.CTOrigDAddr, Map: mapHide}})
	}
	if v.Gateway {
		from, away := plan.Where(plan.IIfGroup, plan.Num(groupGateway)), plan.Where(plan.OIfGroup, plan.Num(groupGateway))
		inside.Rules = append(inside.Rules, plan.Rule{Match: []plan.Match{from}, NAT: &plan.NAT{Code: "dnat", Field: plan.DAddr, Map: mapInside}})
		outside.Rules = append(outside.Rules, plan.Rule{Match: []plan.Match{away}, NAT: &plan.NAT{Code: "snat", Field: plan.SAddr, Map: mapOutside}})
	}
	if len(inside.Rules) == 0 {
		return nil
	}
	return []plan.Chain{inside, outside}
}

// tracking: a flow that was accepted goes on. One that an instance passes on was
// accepted leg by leg.
func tracking(v fabric.VPC) spelling {
	marked := func(bit uint32, more ...plan.Match) plan.Rule {
		return plan.Do(plan.Accept, "", append(more, marked(bit))...)
	}
	first := plan.Where(plan.CTDirection, plan.Str("original"))
	related := plan.Do(plan.Accept, "", plan.Where(plan.CTState, plan.Str("related")))
	c := plan.Chain{Name: chainTracked}
	out := spelling{forward: []plan.Rule{plan.Do(plan.Goto(chainTracked), "")}}
	if v.Forwards {
		c.Rules = append(c.Rules,
			plan.Do(plan.Goto(chainFrom), "", plan.In(setNoCheck, plan.IIfName)),
			plan.Do(plan.Goto(chainTo), "", plan.In(setNoCheck, plan.OIfName)),
		)
		// A leg's bit says whether it began at such a link. An answer goes where a
		// leg began: which bit it needs depends on where it goes.
		leg := func(name string, there uint32, back ...plan.Rule) plan.Chain {
			return plan.Chain{Name: name, Rules: append([]plan.Rule{
				related, marked(there, first), plan.Do(plan.Goto(chainNew), "", first),
				// Not tracked: the rules are asked each time.
				plan.Do(plan.Goto(chainNew), "", plan.Where(plan.CTState, plan.Str("invalid"))),
			}, append(back, plan.Do(plan.Drop, ""))...)}
		}
		to := plan.In(setNoCheck, plan.OIfName)
		out.chains = append(out.chains,
			leg(chainTo, accepted, marked(onward)),
			leg(chainFrom, onward, marked(onward, to), plan.Do(plan.Drop, "", to), marked(accepted)),
		)
	}
	c.Rules = append(c.Rules,
		plan.Do(plan.Accept, "", plan.Where(plan.CTState, plan.Str("established"), plan.Str("related"))),
		// Accepted but not answered yet: without this, every packet
		// of a one-way flow would walk the rules.
		marked(accepted),
		plan.Do(plan.Goto(chainNew), ""),
	)
	out.chains = append(out.chains, c)
	return out
}

// stages gives the chains of a router. What is nowhere so in the VPC, no packet
// asks for: three lookups that find nothing cost 3 % of the throughput.
func stages(v fabric.VPC) []plan.Chain {
	forward := plan.Chain{Name: chainForward, Hook: &plan.Hook{Type: "filter", Hook: "forward", Policy: "drop"}}
	var chains []plan.Chain
	for _, s := range fabric.Path() {
		sp := spell(s, v)
		forward.Rules = append(forward.Rules, sp.forward...)
		chains = append(chains, sp.chains...)
	}
	return append(chains, forward)
}

// Subnet gives the gateway's address and what the ACL stages ask about it.
func Subnet(s fabric.Subnet) []plan.Object {
	ns := router(s.VPC)
	n := plan.Num(s.Number)
	objects := []plan.Object{
		plan.Addr{Netns: ns, Link: "lo", Prefix: host(s.Gateway)},
		plan.Element{Netns: ns, Set: setSame, At: []plan.Value{n, n}, Cause: s.Key.ID},
		plan.Element{Netns: ns, Set: setOnLink, At: []plan.Value{n, plan.Net(s.Cidr)}, Cause: s.Key.ID},
	}
	table := plan.Num(s.Table)
	objects = append(objects, plan.Element{Netns: ns, Set: mapMark, At: []plan.Value{n}, To: &table, Cause: s.RouteTable})
	filter := func(filters bool, name string, d direction) {
		if !filters {
			return
		}
		v := plan.Drop
		if s.Acl != "" {
			v = plan.Jump(d.acl(s.Acl))
		}
		objects = append(objects, plan.Element{Netns: ns, Set: name, At: []plan.Value{n}, Verdict: &v, Cause: s.Key.ID})
	}
	filter(s.AclOut, mapAclOut, out)
	filter(s.AclIn, mapAclIn, in)
	return objects
}

// Acl gives the chains of an ACL's directions, except of open ones. An allowing
// entry returns: the next stage goes on.
func Acl(a fabric.Acl) []plan.Object {
	var objects []plan.Object
	for _, d := range []direction{in, out} {
		if a.Open(d.Direction) {
			continue
		}
		c := plan.Chain{Netns: router(a.VPC), Name: d.acl(a.Key.ID)}
		for _, e := range a.Entries(d.Direction) {
			v := plan.Drop
			if e.Allow {
				v = plan.Return
			}
			if ms, ok := d.asks(e.Match); ok {
				c.Rules = append(c.Rules, plan.Do(v, a.ID(e), ms...))
			}
		}
		c.Rules = append(c.Rules, plan.Do(plan.Drop, a.ID(fabric.Denial)))
		objects = append(objects, c)
	}
	return objects
}
