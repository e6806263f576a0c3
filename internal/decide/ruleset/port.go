package ruleset

import (
	"net/netip"
	"slices"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/plan"
)

// MTU of interfaces: jumbo frames, as inside AWS's VPCs (EC2 User Guide,
// "Network MTU").
const MTU = 9001

// Routing inside an instance with several interfaces: each one's addresses have
// rules of their own, which lead to the interface's table.
const (
	tableInside = 1000  // + device index
	prefInside  = 20000 // + perDevice times the device index + the address's place
	perDevice   = 256   // above the 50 addresses and prefixes that an interface can have
)

// Policy gives what lets a port's packets through: its source addresses, its
// place in its groups, and the chains of this combination of groups.
func Policy(p fabric.Port) []plan.Object {
	ns := router(p.VPC)
	link := plan.Str(p.Link)
	var objects []plan.Object
	for _, d := range []direction{in, out} {
		if p.Nat {
			continue
		}
		c := plan.Chain{Netns: ns, Name: d.combo(p.Groups)}
		for _, id := range p.Groups {
			c.Rules = append(c.Rules, plan.Do(plan.Jump(d.group(id)), ""))
		}
		c.Rules = append(c.Rules, plan.Do(plan.Drop, ""))
		objects = append(objects, c)
	}
	for _, a := range addresses(p) {
		objects = append(objects, plan.Element{Netns: ns, Set: setSource, At: []plan.Value{link, plan.IP(a)}, Cause: p.Key.ID})
		for _, id := range p.Groups {
			objects = append(objects, plan.Element{Netns: ns, Set: memberSet(id), At: []plan.Value{plan.IP(a)}, Cause: p.Key.ID})
		}
		for _, ref := range p.References {
			objects = append(objects, plan.Element{Netns: router(ref.VPC), Set: memberSet(ref.Group), At: []plan.Value{plan.IP(a)}, Cause: p.Key.ID})
		}
	}
	into, from := plan.Goto(in.combo(p.Groups)), plan.Goto(out.combo(p.Groups))
	if p.Nat { // no groups are asked
		into, from = in.pass, out.pass
	}
	if p.Balancer != "" {
		var own plan.Chain
		own, into, from = node(p)
		objects = append(objects, own)
	}
	if !p.SourceDestCheck {
		objects = append(objects, plan.Element{Netns: ns, Set: setNoCheck, At: []plan.Value{link}, Cause: p.Key.ID})
	}
	objects = append(objects, broken(p)...)
	return append(append(objects, public(p)...),
		plan.Element{Netns: ns, Set: mapGroupIn, At: []plan.Value{link}, Verdict: &into, Cause: p.Key.ID},
		plan.Element{Netns: ns, Set: mapGroupOut, At: []plan.Value{link}, Verdict: &from, Cause: p.Key.ID},
	)
}

// addresses are those that a port sends from and takes: its own, and all of its
// prefixes.
func addresses(p fabric.Port) []netip.Addr {
	all := slices.Clip(p.Addrs)
	for _, d := range p.Prefixes {
		for a := d.Addr(); d.Contains(a); a = a.Next() {
			all = append(all, a)
		}
	}
	return all
}

// Wiring gives a port's link, its routes and neighbours in the router, and its
// addresses and routes in the instance.
func Wiring(p fabric.Port) []plan.Object {
	ns, inside := router(p.VPC), plan.Netns(p.Instance)
	objects := []plan.Object{plan.Link{
		Netns: ns, Name: p.Link, MAC: p.RouterMAC, Group: p.Number,
		Peer: inside, PeerName: p.Inside, PeerMAC: p.MAC, MTU: MTU,
	}}
	for i, a := range p.Addrs {
		prefix := host(a)
		if i == 0 && !p.Nat && p.Balancer == "" { // gateways and balancers ask their router for everything
			prefix = netip.PrefixFrom(a, p.Cidr.Bits())
		}
		objects = append(objects,
			plan.Addr{Netns: inside, Link: p.Inside, Prefix: prefix},
			plan.Neigh{Netns: ns, Link: p.Link, IP: a, MAC: p.MAC},
			plan.Route{Netns: ns, Table: tableMain, Dst: host(a), Link: p.Link, Cause: p.Key.ID},
		)
	}
	// Who has a prefix gives its addresses away himself: they are behind his own.
	for _, d := range p.Prefixes {
		objects = append(objects, plan.Route{Netns: ns, Table: tableMain, Dst: d, Link: p.Link, Via: p.Addrs[0], Onlink: true, Cause: p.Key.ID})
	}
	objects = append(objects, plan.Neigh{Netns: inside, Link: p.Inside, IP: p.Gateway, MAC: p.RouterMAC})
	if p.Index == 0 && p.Balancer == "" {
		objects = append(objects, plan.Route{
			Netns: inside, Table: tableMain, Dst: everywhere, Link: p.Inside, Via: p.Gateway,
			Onlink: p.Nat, // in a namespace of ours the rules that would find it come later
		})
	}
	if !p.Several {
		return objects
	}
	table := tableInside + p.Index
	if p.Balancer == "" {
		objects = append(objects, plan.Route{Netns: inside, Table: table, Dst: p.Cidr, Link: p.Inside})
	}
	objects = append(objects, plan.Route{Netns: inside, Table: table, Dst: everywhere, Link: p.Inside, Via: p.Gateway, Onlink: p.Balancer != ""})
	for i, a := range p.Addrs {
		objects = append(objects, plan.IPRule{Netns: inside, Family: 4, Pref: prefInside + p.Index*perDevice + i, From: host(a), Table: table})
	}
	for i, d := range p.Prefixes {
		objects = append(objects, plan.IPRule{Netns: inside, Family: 4, Pref: prefInside + p.Index*perDevice + len(p.Addrs) + i, From: d, Table: table})
	}
	return objects
}
