package ruleset

import (
	"net/netip"
	"slices"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/plan"
)

// Group gives the set of a group's members, which ports fill, and for each
// direction a chain that ends as the direction passes when a rule matches, and
// returns when none does. Its first rules look up two sets, always, so that most
// rules are one element; the rest are rules of the chain.
func Group(g fabric.Group) []plan.Object {
	ns := router(g.VPC)
	objects := []plan.Object{
		plan.Set{Netns: ns, Name: memberSet(g.Key.ID), Types: []plan.DataType{plan.TypeIPv4}},
	}
	for _, r := range slices.Concat(g.Ingress, g.Egress) {
		if r.Peering != "" { // its members are elsewhere, and fill the set here, too
			objects = append(objects, plan.Set{Netns: ns, Name: memberSet(r.Group), Types: []plan.DataType{plan.TypeIPv4}})
		}
	}
	if g.Guards {
		objects = append(objects, plan.Set{Netns: ns, Name: behindOf(g.Key.ID), Types: []plan.DataType{plan.TypeIPv4}})
	}
	objects = append(objects, groupRules(ns, g.Key.ID, in, g.Ingress)...)
	return append(objects, groupRules(ns, g.Key.ID, out, g.Egress)...)
}

func groupRules(ns plan.Netns, id string, d direction, rules []fabric.Rule) []plan.Object {
	objects := []plan.Object{
		plan.Set{Netns: ns, Name: d.addrs(id), Types: []plan.DataType{plan.TypeIPv4}, Interval: true},
		plan.Set{Netns: ns, Name: d.ports(id), Types: []plan.DataType{plan.TypeIPv4, plan.TypeProto, plan.TypeService}, Interval: true},
	}
	chain := plan.Chain{Netns: ns, Name: d.group(id), Rules: []plan.Rule{
		plan.Do(d.pass, "", plan.In(d.addrs(id), d.peer)),
		plan.Do(d.pass, "", plan.In(d.ports(id), d.peer, plan.L4Proto, plan.DPort)),
	}}
	var elements []plan.Object
	for _, p := range arrange(rules) {
		switch p.form {
		case inAddrs:
			elements = append(elements, plan.Element{Netns: ns, Set: d.addrs(id), At: []plan.Value{plan.Net(p.rule.Cidr)}, Cause: p.rule.ID})
		case inPorts:
			elements = append(elements, plan.Element{Netns: ns, Set: d.ports(id), Cause: p.rule.ID, At: []plan.Value{
				plan.Net(p.rule.Cidr), plan.Num(uint32(p.rule.Protocol)), plan.Span(uint32(p.rule.Ports.Lo), uint32(p.rule.Ports.Hi)),
			}})
		case linear:
			if ms, ok := d.asks(p.rule.Match); ok {
				chain.Rules = append(chain.Rules, plan.Do(d.pass, p.rule.ID, ms...))
				if p.rule.Through { // the balancer's group is meant whoever its client is
					ms = append([]plan.Match{balanced(), plan.In(behindOf(p.rule.Group), plan.CTOrigDAddr)}, ms[1:]...)
					chain.Rules = append(chain.Rules, plan.Do(d.pass, p.rule.ID, ms...))
				}
			}
		}
	}
	return append(append(objects, chain), elements...)
}

// form is how a rule is spelled.
type form int

const (
	covered form = iota // an earlier rule matches all that it does
	inAddrs             // an element of the set of addresses
	inPorts             // an element of the set of addresses, protocols and ports
	linear              // a rule of the chain
)

type placed struct {
	rule fabric.Rule
	form form
}

// arrange gives each rule its form. Elements of one set must not overlap. The
// rules come in the fabric's order, wider before narrower: one that lies in an
// earlier one is covered, one that overlaps an earlier one is linear. So when an
// element matches a packet, no earlier rule does, and the first match in the
// kernel is the first one in the fabric's order.
func arrange(rules []fabric.Rule) []placed {
	type family struct {
		protocol int
		cidr     netip.Prefix
	}
	seen := map[family][]fabric.Range{}
	var lengths [33]bool // of the prefixes seen; classes 0 and 1 are IPv4
	place := func(r fabric.Rule) form {
		key := family{protocol: r.Protocol}
		form := inPorts
		if r.Class() == 0 {
			form = inAddrs
		}
		for bits := 0; bits <= r.Cidr.Bits(); bits++ {
			if !lengths[bits] {
				continue
			}
			key.cidr = netip.PrefixFrom(r.Cidr.Addr(), bits).Masked()
			for _, ports := range seen[key] {
				if ports.Covers(r.Ports) {
					return covered
				}
				if ports.Overlaps(r.Ports) {
					form = linear
				}
			}
		}
		key.cidr, lengths[r.Cidr.Bits()] = r.Cidr, true
		seen[key] = append(seen[key], r.Ports)
		return form
	}
	ps := make([]placed, 0, len(rules))
	for _, r := range rules {
		if r.Class() == 2 {
			ps = append(ps, placed{r, linear})
		} else {
			ps = append(ps, placed{r, place(r)})
		}
	}
	return ps
}

// asks spells a match; ok is false when no IPv4 packet can match.
func (d direction) asks(m fabric.Match) (ms []plan.Match, ok bool) {
	if m.Void != "" || m.Family() == 6 {
		return nil, false
	}
	if m.Peering != "" {
		ms = append(ms, plan.Where(d.link, plan.Str(fabric.PeeringLink(m.Peering))))
	}
	if m.Group != "" {
		ms = append(ms, plan.In(memberSet(m.Group), d.peer))
	} else if m.Cidr.Bits() > 0 {
		ms = append(ms, plan.Where(d.peer, plan.Net(m.Cidr)))
	}
	if m.Protocol != fabric.AnyProtocol {
		ms = append(ms, plan.Where(plan.L4Proto, plan.Num(uint32(m.Protocol))))
	}
	if m.HasPorts() && m.Ports != fabric.AllPorts {
		ms = append(ms, plan.Where(plan.DPort, plan.Span(uint32(m.Ports.Lo), uint32(m.Ports.Hi))))
	}
	if m.IsICMP() && m.Type >= 0 {
		ms = append(ms, plan.Where(plan.ICMPType, plan.Num(uint32(m.Type))))
	}
	if m.IsICMP() && m.Code >= 0 {
		ms = append(ms, plan.Where(plan.ICMPCode, plan.Num(uint32(m.Code))))
	}
	return ms, true
}
