package ruleset

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"

	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/plan"
)

// Sets, maps and chains of a router whose VPC has network load balancers. Where it
// has none, none of them is there.
const (
	setFront   = "lb_front"   // address . protocol . port: listeners that the router translates for
	setOpen    = "lb_public"  // the same, of public addresses, for what comes by the gateway
	setProxied = "lb_proxied" // the same, of those that the proxy takes
	mapVoid    = "lb_void"    // the same: those without a target, dropped
	mapTo      = "lb_to"      // the same: the chain that chooses a target
	mapAclTo   = "lb_acl_to"  // address of a node: the ACLs in front of it
	mapAclOn   = "lb_acl_on"  // … and behind it
	mapGuardIn = "lb_in"      // … the chain of its groups, inwards
	mapGuardOn = "lb_on"      // … outwards
	mapTable   = "lb_mark"    // … the mark of what it sends on
	mapHide    = "lb_hide"    // … the address that targets see where clients' are not kept
	setLive    = "lb_live"    // node's address . protocol . port . target's address . port: flows that go on

	chainBalance = "lb_pre"   // in front of the translation
	chainAsk     = "lb_ask"   // the first packet of a flow
	chainEnter   = "lb_enter" // … that may come in
	chainBack    = "lb_back"  // answers of targets
	chainOn      = "lb_post"  // behind the translation
	chainBehind  = "lb_behind"
)

// What flows through balancers have in their marks, beside the bits of groups.
const (
	hide    = 4 // targets do not see the client's address
	through = 1 << 16

	// sentOn is set in the mark of a packet that a node sends, to a target or to a
	// client, beside the number of its route table: wherever the answer of a target
	// comes from, it goes as its node's packets do. Routes more specific than the
	// local ones are not asked.
	sentOn = 1 << 31
	prefOn = 900 // below those of specific routes
)

// balanced is a packet of a flow through a balancer.
func balanced() plan.Match { return marked(through) }

func marked(bit uint32) plan.Match {
	return plan.Match{Fields: []plan.Field{plan.CTMark}, Mask: bit, Values: []plan.Value{plan.Num(bit)}}
}

var (
	answers = plan.Where(plan.CTDirection, plan.Str("reply"))
	asked   = []plan.Field{plan.DAddr, plan.L4Proto, plan.DPort}
)

// byNode looks a flow's node up, by the address that its client asked.
func byNode(name string) *plan.Lookup {
	return &plan.Lookup{Fields: []plan.Field{plan.CTOrigDAddr}, Map: name}
}

// balancing gives the sets, chains and rules of a router that has balancers.
func balancing(v fabric.VPC) (objects []plan.Object, chains []plan.Chain) {
	ns := router(v.Key.ID)
	front := []plan.DataType{plan.TypeIPv4, plan.TypeProto, plan.TypeService}
	objects = []plan.Object{
		plan.Set{Netns: ns, Name: setFront, Types: front},
		plan.Set{Netns: ns, Name: setOpen, Types: front},
		plan.Set{Netns: ns, Name: setProxied, Types: front},
		plan.Set{Netns: ns, Name: mapVoid, Types: front, Data: plan.TypeVerdict},
		plan.Set{Netns: ns, Name: mapTo, Types: front, Data: plan.TypeVerdict},
		plan.Set{Netns: ns, Name: mapTable, Types: front[:1], Data: plan.TypeMark},
		plan.Set{Netns: ns, Name: mapHide, Types: front[:1], Data: plan.TypeIPv4},
		plan.Set{Netns: ns, Name: setLive, Types: append(front, plan.TypeIPv4, plan.TypeService), Data: plan.TypeMark},
	}
	for _, name := range []string{mapAclTo, mapAclOn, mapGuardIn, mapGuardOn} {
		objects = append(objects, plan.Set{Netns: ns, Name: name, Types: front[:1], Data: plan.TypeVerdict})
	}
	if v.Routed { // a reset has the mark of what it answers
		objects = append(objects, plan.Sysctl{Netns: ns, Path: "net/ipv4/fwmark_reflect", Value: "1"})
	}
	if v.Logs { // what the log of a flow says: its bytes, and when it began
		for _, name := range []string{"acct", "timestamp"} {
			objects = append(objects, plan.Sysctl{Netns: ns, Path: "net/netfilter/nf_conntrack_" + name, Value: "1"})
		}
	}
	if v.Specific {
		objects = append(objects, plan.IPRule{Netns: ns, Family: 4, Pref: prefOn, Mark: sentOn, Mask: sentOn, Table: tableMain})
	}
	return objects, []plan.Chain{before(v), ask(v), enter(v), back(v), on(), behind(v)}
}

// sending gives a rule that marks a packet as its node sends it.
func sending(v fabric.VPC, ms ...plan.Match) plan.Rule {
	r := plan.Do(plan.Accept, "", ms...)
	if v.Routed {
		r.MarkFrom = byNode(mapTable)
	}
	return r
}

// before: what goes on was asked by its groups when it began; ACLs are asked always.
func before(v fabric.VPC) plan.Chain {
	c := plan.Chain{Name: chainBalance, Hook: &plan.Hook{Type: "filter", Hook: "prerouting", Priority: -140, Policy: "accept"}}
	c.Rules = append(c.Rules, plan.Do(plan.Accept, "", balanced(), answers)) // see back
	if v.Filters {
		c.Rules = append(c.Rules, plan.Rule{Match: []plan.Match{balanced()}, VMap: byNode(mapAclTo)})
	}
	c.Rules = append(c.Rules, sending(v, balanced()))
	if v.Routed { // without a flow to look its node up by
		c.Rules = append(c.Rules, plan.Do(plan.Accept, "", balanced()))
	}
	c.Rules = append(c.Rules, plan.Do(plan.Accept, "", plan.Where(plan.CTState, plan.Str("established"), plan.Str("related"))))
	c.Rules = append(c.Rules, fronts(v, chainAsk)...)
	return c
}

// fronts gives the rules that lead what is for a listener to a chain, before it was
// translated. A public address is one only to what comes by the gateway.
func fronts(v fabric.VPC, chain string) []plan.Rule {
	rules := []plan.Rule{plan.Do(plan.Goto(chain), "", plan.In(setFront, asked...))}
	if v.Gateway {
		rules = append(rules, plan.Do(plan.Goto(chain), "", plan.Where(plan.IIfGroup, plan.Num(groupGateway)), plan.In(setOpen, asked...)))
	}
	return rules
}

// stray is a segment of a connection whose flow has ended: it was idle for too long, or
// its target has drained (NLB User Guide, "Target group attributes").
func stray() []plan.Match {
	return []plan.Match{plan.Where(plan.CTState, plan.Str("new")), {Fields: []plan.Field{plan.TCPFlags}, Mask: flagsSynRst, Values: []plan.Value{plan.Num(0)}}}
}

// passing gives what the forward hook has for balancers: their flows are asked before
// and after it. A stray segment gets so far untranslated, and with the mark of its
// node's packets, which its answer has, too.
func passing() []plan.Rule {
	return []plan.Rule{
		plan.Do(plan.Accept, "", balanced()),
		plan.Do(plan.Reset, "", append(stray(), plan.In(setFront, asked...))...),
	}
}

// flagsSynRst are the bits of SYN and RST in TCP's flags: a segment without either
// belongs to a connection that is there.
const flagsSynRst = 2 | 4

// ask has the sender's groups asked, with the header as it was sent, and then the
// node's: chain sg_dst finds no link to leave by yet, and leads to mapGuardIn.
func ask(v fabric.VPC) plan.Chain {
	c := plan.Chain{Name: chainAsk, Rules: []plan.Rule{sending(v, stray()...)}} // to be reset, see passing
	if v.Filters {
		c.Rules = append(c.Rules, plan.Rule{VMap: &plan.Lookup{Fields: []plan.Field{plan.DAddr}, Map: mapAclTo}})
	}
	c.Rules = append(c.Rules, plan.Do(plan.Goto(chainNew), ""))
	return c
}

// enter: what begins no flow comes no further.
func enter(v fabric.VPC) plan.Chain {
	r := sending(v)
	r.CTMarkOr = through
	return plan.Chain{Name: chainEnter, Rules: []plan.Rule{{VMap: &plan.Lookup{Fields: asked, Map: mapVoid}}, r, plan.Do(plan.Drop, "")}}
}

// back: an answer goes as its node's packets do.
func back(v fabric.VPC) plan.Chain {
	own := plan.In(setSource, plan.IIfName, plan.SAddr)
	own.Not = true
	wrong := []plan.Match{own}
	if v.Peered { // a target behind a peering connection: its chain asks when flows begin
		peer := fromPeer
		peer.Not = true
		wrong = append(wrong, peer)
	}
	if v.Forwards {
		any := plan.In(setNoCheck, plan.IIfName)
		any.Not = true
		wrong = append(wrong, any)
	}
	c := plan.Chain{Name: chainBack, Rules: []plan.Rule{{Match: wrong, Counter: true, Verdict: &plan.Drop}}}
	if v.Filters {
		c.Rules = append(c.Rules, plan.Rule{VMap: byNode(mapAclTo)})
	}
	c.Rules = append(c.Rules, sending(v))
	return c
}

// on: behind the translation of sources, so that groups and ACLs see the header that
// a target gets, or a client.
func on() plan.Chain {
	return plan.Chain{
		Name: chainOn, Hook: &plan.Hook{Type: "filter", Hook: "postrouting", Priority: 200, Policy: "accept"},
		Rules: []plan.Rule{plan.Do(plan.Goto(chainBehind), "", balanced())},
	}
}

func behind(v fabric.VPC) plan.Chain {
	// To who sent it, with his own address (NLB User Guide, "Client IP preservation").
	begins := marked(accepted)
	begins.Values = []plan.Value{plan.Num(0)}
	c := plan.Chain{Name: chainBehind, Rules: []plan.Rule{plan.Do(plan.Drop, "", begins, plan.In(setSource, plan.OIfName, plan.SAddr))}}
	if v.Filters {
		c.Rules = append(c.Rules, plan.Rule{VMap: byNode(mapAclOn)})
	}
	c.Rules = append(c.Rules,
		plan.Do(plan.Accept, "", answers),
		plan.Do(plan.Accept, "", marked(accepted)),
		plan.Rule{VMap: byNode(mapGuardOn)},
		plan.Do(plan.Drop, ""),
	)
	return c
}

// digest names chains of what has a long name.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p + " "))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// through names the set of the addresses at which a group's balancers are asked.
func behindOf(group string) string { return "b_" + ident(group) }

// guard names the chain that a node's own packets meet: only the proxy listens.
func guard(p fabric.Port) string {
	if !p.Guarded {
		return "n_open"
	}
	return "n_" + in.combo(p.Groups)[len("c_"):]
}

// node gives the chain of what is for a balancer's node itself, and not to be
// translated, and the verdicts about its packets, to it and from it.
func node(p fabric.Port) (chain plan.Chain, into, from plan.Verdict) {
	pass, from := in.pass, out.pass
	if p.Guarded {
		pass, from = plan.Goto(in.combo(p.Groups)), plan.Goto(out.combo(p.Groups))
	}
	chain = plan.Chain{Netns: router(p.VPC), Name: guard(p), Rules: []plan.Rule{
		plan.Do(pass, "", plan.In(setProxied, asked...)),
		plan.Do(plan.Drop, ""),
	}}
	return chain, plan.Goto(chain.Name), from
}

// Checker gives the namespace in which a balancer checks its targets: each node's
// packets leave by its own interface. What is not an answer comes in only where the
// proxy listens, which the router has seen to.
func Checker(p fabric.Port) []plan.Object {
	ns := plan.Netns(p.Instance)
	return []plan.Object{
		plan.Router{Name: ns},
		closed(ns, tableDefault, p.Balancer),
		plan.Chain{Netns: ns, Name: chainForward, Hook: &plan.Hook{Type: "filter", Hook: "forward", Policy: "drop"}},
	}
}

// Balancer gives what a router asks about a balancer's nodes.
func Balancer(b fabric.Balancer) []plan.Object {
	ns := router(b.VPC)
	var objects []plan.Object
	into, from := plan.Goto(chainEnter), out.pass
	if b.Guarded {
		into, from = plan.Goto(in.combo(b.Groups)), plan.Goto(out.combo(b.Groups))
	}
	for _, n := range b.Nodes {
		own := plan.Num(n.Number)
		step := func(suffix string, near plan.Field, first, second plan.Rule) plan.Verdict {
			c := plan.Chain{Netns: ns, Name: "n" + digest(b.Key.ID, n.Zone) + suffix}
			c.Rules = append(c.Rules, plan.Do(plan.Return, "", plan.Where(near, own))) // no ACL inside a subnet
			for _, r := range []plan.Rule{first, second} {
				if r.VMap != nil || r.Verdict != nil {
					c.Rules = append(c.Rules, r)
				}
			}
			objects = append(objects, c)
			return plan.Jump(c.Name)
		}
		side := func(filters bool, d direction) (r plan.Rule) {
			switch {
			case filters && n.Acl != "":
				r = plan.Do(plan.Jump(d.acl(n.Acl)), "")
			case filters:
				r = plan.Do(plan.Drop, "")
			}
			return r
		}
		lookup := func(f plan.Field, name string) plan.Rule {
			return plan.Rule{VMap: &plan.Lookup{Fields: []plan.Field{f}, Map: name}}
		}
		to := step(in.suffix, plan.IIfGroup, lookup(plan.IIfGroup, mapAclOut), side(n.AclIn, in))
		on := step(out.suffix, plan.OIfGroup, side(n.AclOut, out), lookup(plan.OIfGroup, mapAclIn))
		for _, front := range n.Fronts {
			at := []plan.Value{plan.IP(front)}
			mark, private := plan.Num(sentOn|n.Table), plan.IP(n.Private)
			objects = append(objects,
				plan.Element{Netns: ns, Set: mapAclTo, At: at, Verdict: &to, Cause: b.Key.ID},
				plan.Element{Netns: ns, Set: mapAclOn, At: at, Verdict: &on, Cause: b.Key.ID},
				plan.Element{Netns: ns, Set: mapGuardIn, At: at, Verdict: &into, Cause: b.Key.ID},
				plan.Element{Netns: ns, Set: mapGuardOn, At: at, Verdict: &from, Cause: b.Key.ID},
				plan.Element{Netns: ns, Set: mapTable, At: at, To: &mark, Cause: b.Key.ID},
				plan.Element{Netns: ns, Set: mapHide, At: at, To: &private, Cause: b.Key.ID},
			)
			for _, g := range b.Groups {
				objects = append(objects, plan.Element{Netns: ns, Set: behindOf(g), At: at, Cause: b.Key.ID})
			}
		}
	}
	return objects
}

// Listener gives a listener's places in the router, and the slots that lead to its
// targets.
func Listener(l fabric.Listener) []plan.Object {
	ns := router(l.VPC)
	var objects []plan.Object
	for _, c := range l.Nodes {
		for _, proto := range l.Protocols {
			fronts := make([][]plan.Value, len(c.Fronts))
			for i, a := range c.Fronts {
				fronts[i] = []plan.Value{plan.IP(a), plan.Num(uint32(proto)), plan.Num(uint32(l.Port))}
			}
			if l.Proxies(proto) {
				objects = append(objects,
					plan.Element{Netns: ns, Set: setProxied, At: fronts[0], Cause: l.Key.ID},
					plan.Service{Netns: plan.Netns(l.Space), Name: "proxy", Proto: protoName(proto), Addr: netip.AddrPortFrom(c.Private, l.Port)},
				)
				continue
			}
			to := plan.Goto("t_" + digest(l.Key.ID, c.Zone))
			for i, at := range fronts {
				set := setFront
				if i > 0 {
					set = setOpen
				}
				objects = append(objects, plan.Element{Netns: ns, Set: set, At: at, Cause: l.Key.ID})
				if len(c.Targets) == 0 {
					objects = append(objects, plan.Element{Netns: ns, Set: mapVoid, At: at, Verdict: &plan.Drop, Cause: l.Key.ID})
				} else {
					objects = append(objects, plan.Element{Netns: ns, Set: mapTo, At: at, Verdict: &to, Cause: l.Key.ID})
				}
				for _, t := range c.Live {
					ends := plan.Num(flowsEnd)
					if t.Left {
						ends = plan.Num(flowsGoOn)
					}
					whole := append(append([]plan.Value(nil), at...), plan.IP(t.Addr), plan.Num(uint32(t.Port)))
					objects = append(objects, plan.Element{Netns: ns, Set: setLive, At: whole, To: &ends, Cause: t.ID})
				}
			}
		}
		if len(c.Targets) > 0 && slices.ContainsFunc(l.Protocols, func(p uint8) bool { return !l.Proxies(p) }) {
			objects = append(objects, choice(ns, l, c)...)
		}
	}
	return objects
}

// What is to become of a target's flows when its element goes.
const (
	flowsGoOn = 0
	flowsEnd  = 1
)

// choice gives the chain that chooses a target, and its slots.
func choice(ns plan.Netns, l fabric.Listener, c fabric.Choice) []plan.Object {
	id := digest(l.Key.ID, c.Zone)
	slots := "s_" + id
	hash := []plan.Field{plan.SAddr, plan.SPort}
	if l.Sticky {
		hash = hash[:1]
	}
	chain := plan.Chain{Netns: ns, Name: "t_" + id}
	r := plan.Rule{NAT: &plan.NAT{Code: "dnat", Hash: hash, Slots: balance.Slots, Seed: balance.Seed, Map: slots}, Cause: l.Key.ID}
	if !l.Keeps {
		r.CTMarkOr = hide
	}
	idle := plan.Timeout{Netns: ns, Name: fmt.Sprintf("idle_%d", l.Idle), Seconds: uint32(l.Idle)}
	if slices.Contains(l.Protocols, fabric.TCP) {
		r.Timeout = idle.Name
	}
	if len(c.Targets) == 1 { // all slots would say the same
		r.NAT = &plan.NAT{Code: "dnat", To: c.Targets[0].Addr, Lo: c.Targets[0].Port, Hi: c.Targets[0].Port}
		chain.Rules = []plan.Rule{r}
		return []plan.Object{idle, chain}
	}
	chain.Rules = []plan.Rule{r}
	objects := []plan.Object{idle, plan.Set{Netns: ns, Name: slots, Types: []plan.DataType{plan.TypeMark}, Data: plan.TypeEndpoint}, chain}
	for slot, i := range c.Slots {
		t := c.Targets[i]
		to := plan.At(t.Addr, t.Port)
		objects = append(objects, plan.Element{Netns: ns, Set: slots, At: []plan.Value{plan.Num(uint32(slot))}, To: &to, Cause: t.Row.Target})
	}
	return objects
}
