//go:build linux

package agreement

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/decide/reach"
	"github.com/localvpc/localvpc/internal/decide/ruleset"
	"github.com/localvpc/localvpc/internal/state"
)

// plug is where packets come out of a machine: an interface of an instance, or an
// outside host.
type plug struct {
	guest          plan.Netns // the machine's namespace
	inside         string     // its name there
	mac, routerMAC string
	router         plan.Netns
	link           string // its name there
	addrs          []netip.Addr
	arp            netip.Addr // an address that the router answers for
	passes         bool       // what is not its own
	end            reach.Endpoint
	eni            string
}

// plugs lists all of them.
func plugs(r state.Reader) []plug {
	var out []plug
	for _, v := range fabrictest.Vpcs {
		for n := range fabrictest.Interfaces {
			p, ok := fabric.LoadPort(r, fabrictest.Key(fabrictest.InterfaceID(v, n)))
			if !ok {
				continue
			}
			out = append(out, plug{
				plan.Netns(p.Instance), p.Inside, p.MAC, p.RouterMAC, plan.Netns(p.VPC), p.Link, p.Addrs, p.Gateway,
				!p.SourceDestCheck, reach.Endpoint{Interface: p.Key.ID}, p.Key.ID,
			})
		}
	}
	for h := range state.Hosts.All(r) {
		h, ok := fabric.LoadHost(r, h.Key)
		if !ok {
			continue
		}
		out = append(out, plug{
			plan.Netns(h.Space), "eth0", h.MAC, h.OuterMAC, ruleset.Internet, h.Link, []netip.Addr{h.Addr}, h.Internet,
			false, reach.Endpoint{Host: h.Name}, h.Name,
		})
	}
	return out
}

// plugAt finds the plug that a journey ended in.
func plugAt(ps []plug, j ruleset.Journey) (plug, bool) {
	i := slices.IndexFunc(ps, func(p plug) bool { return p.guest == j.Space && p.inside == j.Link })
	if i < 0 {
		return plug{}, false
	}
	return ps[i], true
}

// probe is one packet from a machine.
type probe struct {
	from plug
	ruleset.Packet
}

var addr = netip.MustParseAddr

// places are destinations, and spoofed sources, that are nobody's address.
var places = []netip.Addr{
	addr("10.0.0.2"), fabric.ResolverAddr, fabric.MetadataAddr, // services
	addr("10.0.1.1"), addr("10.0.2.1"), addr("10.0.1.3"), addr("10.0.2.255"), // reserved
	addr("10.9.0.2"), addr("10.9.2.1"), addr("10.0.9.9"), addr("10.1.0.4"), addr("192.0.2.7"), addr("169.254.1.1"), addr("198.18.77.7"),
}

// draw draws a probe. Most packets are such that something may let them pass.
func draw(t *rapid.T, r state.Reader, ps []plug) probe {
	p := probe{from: ps[rapid.IntRange(0, len(ps)-1).Draw(t, "from")]}
	p.Link = p.from.link
	v := 0
	for _, n := range fabrictest.Vpcs {
		if p.from.router == plan.Netns(fabrictest.VpcID(n)) {
			v = n
		}
	}
	private := func(what string, v int) netip.Addr {
		n := rapid.IntRange(0, fabrictest.Interfaces-1).Draw(t, what)
		row, ok := state.NetworkInterfaces.Get(r, fabrictest.Key(fabrictest.InterfaceID(v, n)))
		if !ok {
			return fabrictest.Addr(v, 0, n, false)
		}
		return rapid.SampledFrom(row.Addresses).Draw(t, what+" address").Addr
	}
	public := func(what string) netip.Addr {
		switch v := rapid.IntRange(0, 5).Draw(t, what+" public"); v {
		case 0:
			return addr(fabrictest.OutsideHosts["other"])
		case 1, 2:
			return addr(fabrictest.OutsideHosts["far"])
		case 3:
			v = rapid.IntRange(0, 1).Draw(t, "nat of")
			return fabrictest.PublicOf(v, fabrictest.NatAddr(v, rapid.IntRange(0, 2).Draw(t, "nat subnet"), 0))
		default:
			return fabrictest.PublicOf(v-4, private(what, v-4))
		}
	}
	p.Src = rapid.SampledFrom(p.from.addrs).Draw(t, "source")
	if rapid.IntRange(0, 11).Draw(t, "spoof") == 0 {
		p.Src = private("spoofed", v)
		if rapid.Bool().Draw(t, "from nowhere") {
			p.Src = rapid.SampledFrom(places).Draw(t, "spoofed place")
		}
	}
	switch where := rapid.IntRange(0, 9).Draw(t, "to"); {
	case where == 0:
		p.Dst = rapid.SampledFrom(places).Draw(t, "place")
	case where < 4 && p.from.router != ruleset.Internet:
		p.Dst = private("to", v)
	case where < 8 && p.from.router != ruleset.Internet: // a neighbour's
		p.Dst = private("to", map[int]int{0: fabrictest.Far, 1: fabrictest.Far, fabrictest.Far: rapid.IntRange(0, 1).Draw(t, "neighbour")}[v])
	default:
		p.Dst = public("to")
	}
	ports := fabrictest.Ports
	if as := fronts(r, p.from, v); len(as) > 0 && rapid.IntRange(0, 2).Draw(t, "to a balancer") > 0 {
		p.Dst = rapid.SampledFrom(as).Draw(t, "front")
		ports = append(slices.Repeat(fabrictest.BalancerPorts, 4), 443)
	}
	p.Protocol = rapid.SampledFrom([]uint8{6, 6, 6, 17, 17, 1, 1, 50, 253}).Draw(t, "protocol")
	if service := slices.Index(places[:3], p.Dst); service >= 0 {
		p.Protocol = rapid.SampledFrom([]uint8{6, 17, 1}).Draw(t, "protocol of service")
	}
	switch p.Protocol {
	case fabric.TCP:
		p.Flags = rapid.SampledFrom([]ruleset.Flags{ruleset.Syn, ruleset.Syn, ruleset.Syn, ruleset.SynAck, ruleset.Ack, ruleset.Rst}).Draw(t, "flags")
		fallthrough
	case fabric.UDP:
		p.SPort = rapid.Uint16Range(1100, 50000).Draw(t, "source port") // a NAT gateway keeps these
		p.DPort = rapid.SampledFrom(ports).Draw(t, "port")
	case fabric.ICMP:
		p.Type = rapid.SampledFrom([]uint8{8, 8, 8, 0, 3, 11, 13, 14, 200}).Draw(t, "type")
		p.Code = rapid.SampledFrom([]uint8{0, 0, 0, 4}).Draw(t, "code")
	}
	return p
}

// fronts are the addresses of balancers that a machine may ask: its VPC's, and
// public ones.
func fronts(r state.Reader, from plug, v int) []netip.Addr {
	var as []netip.Addr
	for b := range state.LoadBalancers.All(r) {
		for _, n := range b.Nodes {
			if from.router != ruleset.Internet && (b.VpcID == string(from.router) || v == fabrictest.Far) {
				as = append(as, n.PrivateIP)
			}
			if n.PublicIP.IsValid() {
				as = append(as, n.PublicIP)
			}
		}
	}
	return as
}

// fresh makes each probe of a case a flow of its own: another source port or
// identifier than those before it. It is false when a protocol has neither and
// the addresses have been used.
type fresh struct {
	ports map[uint16]bool
	ident uint16
	pairs map[netip.Addr]bool
}

func newFresh() *fresh {
	return &fresh{ports: map[uint16]bool{}, ident: 2000, pairs: map[netip.Addr]bool{}}
}

func (f *fresh) flow(p *probe) bool {
	switch {
	case p.HasPorts():
		for f.ports[p.SPort] {
			p.SPort++
		}
		f.ports[p.SPort] = true
	case p.Protocol == fabric.ICMP:
		f.ident++
		p.Ident = f.ident
	default:
		// To its own public address such a packet looks like its own answer when it
		// comes back (docs/design/decide.md, Review notes).
		for _, v := range fabrictest.Vpcs {
			if p.Dst == fabrictest.PublicOf(v, p.Src) {
				return false
			}
		}
		if f.pairs[p.Src] || f.pairs[p.Dst] {
			return false
		}
		f.pairs[p.Src], f.pairs[p.Dst] = true, true
	}
	return true
}

// reply is the answer of the machine that a packet arrived at, if there is one. A
// segment that does not begin a connection is not answered.
func reply(p ruleset.Packet, at plug, flags ruleset.Flags) (probe, bool) {
	h, ok := p.Reply()
	if !ok || p.Protocol == fabric.TCP && flags != ruleset.Syn {
		return probe{}, false
	}
	back := probe{from: at, Packet: ruleset.Packet{Header: h, Link: at.link, Ident: p.Ident}}
	if h.Protocol == fabric.TCP {
		back.Flags = ruleset.SynAck
	}
	return back, true
}

func (p probe) query() reach.Query {
	q := reach.Query{
		Scope: fabrictest.Key(p.from.eni).Scope(), Source: p.from.end, Destination: reach.Endpoint{Addr: p.Dst, Vpc: string(p.from.router)},
		Protocol: p.Protocol, Port: p.DPort, SourcePort: p.SPort, Type: p.Type, Code: p.Code,
	}
	q.Source.Addr = p.Src
	if p.from.router == ruleset.Internet {
		q.Destination.Vpc = ""
		q.Destination.Outside = true
	}
	return q
}

// journey sends a packet through the rules. A machine that passes on what is not
// its own does so.
func journey(n *ruleset.Net, ps []plug, p probe, send func(probe, ruleset.Journey)) (ruleset.Journey, error) {
	var all ruleset.Journey
	for range 6 {
		j, err := n.Send(p.from.router, p.Packet)
		if err != nil {
			return all, err
		}
		if send != nil {
			send(p, j)
		}
		all.Legs = append(all.Legs, j.Legs...)
		all.Space, all.Link, all.Packet, all.Circle = j.Space, j.Link, j.Packet, j.Circle
		at, ok := plugAt(ps, j)
		if !ok || !at.passes || slices.Contains(at.addrs, j.Packet.Dst) {
			return all, nil
		}
		p = probe{from: at, Packet: j.Packet}
		p.Link = at.link
	}
	all.Space, all.Circle = "", true
	return all, nil
}

// compare says how the explanation of one way and the journey through the rules
// differ.
func compare(report reach.Report, back bool, j ruleset.Journey) error {
	first := report.First(back)
	if j.Circle {
		if first == nil {
			return fmt.Errorf("the explanation lets it pass, the rules lead it in a circle")
		}
		return nil
	}
	last := ruleset.Leg{}
	if len(j.Legs) > 0 {
		last = j.Legs[len(j.Legs)-1]
	}
	switch {
	case first == nil && last.Refused != 0:
		return fmt.Errorf("the explanation lets it pass, the rules refuse it at %s of %s", last.Refused, last.Space)
	case first != nil && last.Refused == 0:
		return fmt.Errorf("the explanation refuses it at %s of %s (%s), the rules let it pass", first.Stage, first.Space, first.Code)
	case first != nil && (first.Stage != last.Refused || first.Leg != len(j.Legs) || first.Space != string(last.Space)):
		return fmt.Errorf("the explanation refuses it at %s of %s, leg %d (%s), the rules at %s of %s, leg %d", first.Stage, first.Space, first.Leg, first.Code, last.Refused, last.Space, len(j.Legs))
	case first != nil && isAcl(first.Stage) && first.Rule != last.Cause:
		return fmt.Errorf("the explanation names %s, the rules %s", first.Rule, last.Cause)
	}
	hops := report.Forward
	if back {
		hops = report.Return
	}
	for _, h := range hops {
		if h.Leg > len(j.Legs) || h.Leg == len(j.Legs) && first != nil {
			break // what follows the refusal is what would be next
		}
		leg := j.Legs[h.Leg-1]
		if h.Space != string(leg.Space) {
			return fmt.Errorf("the explanation leads by %s, the rules by %s", h.Space, leg.Space)
		}
		if h.Kind != reach.KindGroup {
			continue
		}
		want := []string{h.Rule}
		if h.Stateful {
			want = nil
		}
		got := slices.DeleteFunc(leg.Causes(h.Stage), func(id string) bool { return !strings.HasPrefix(id, "sgr-") })
		if !slices.Equal(got, want) {
			return fmt.Errorf("at %s of %s the explanation names %v, the rules %v", h.Stage, h.Space, want, got)
		}
	}
	if first == nil && len(hops) > 0 {
		if end := hops[len(hops)-1].Header; end != j.Packet.Header {
			return fmt.Errorf("the explanation brings %s there, the rules %s", end, j.Packet.Header)
		}
	}
	return nil
}

func isAcl(s fabric.Stage) bool {
	return s == fabric.AclOut || s == fabric.AclIn || s == fabric.NodeAclOut || s == fabric.NodeAclIn
}

func isGroup(s fabric.Stage) bool {
	return s == fabric.GroupOut || s == fabric.GroupIn || s == fabric.NodeGroupOut || s == fabric.NodeGroupIn
}

// another says whether the explanation has the answer get another source on its
// way, so that it means nothing to who asked.
func another(report reach.Report) bool {
	for _, c := range report.Because {
		if c.Return && c.Code == reach.CannotRoute {
			return true
		}
	}
	return false
}

// begins says whether connection tracking takes the packet for the first of a flow.
// One in the middle of a connection it does, but not in NAT gateways and balancers.
func (p probe) begins(report reach.Report) bool {
	_, answers := p.Reply()
	nat := slices.ContainsFunc(report.Forward, func(h reach.Hop) bool { return h.Kind == reach.KindNat || h.Kind == reach.KindBalancer })
	return answers && (p.Protocol != fabric.TCP || p.Flags == ruleset.Syn || p.Flags == ruleset.Ack && !nat)
}

// translated says whether the way there passes a gateway.
func translated(report reach.Report) bool {
	return slices.ContainsFunc(report.Forward, func(h reach.Hop) bool {
		return h.Kind == reach.KindGateway || h.Kind == reach.KindNat || h.Kind == reach.KindBalancer
	})
}

// answered is a flow that groups have let pass: its first packet and the answer
// to it, which may have been refused.
type answered struct{ there, back probe }

// noGroups says how the explanation and the journey of a packet differ that belongs
// to such a flow: groups are not asked again, everything else is.
func noGroups(report reach.Report, back bool, j ruleset.Journey) error {
	rest := reach.Report{}
	for _, c := range report.Because {
		if !isGroup(c.Stage) {
			rest.Because = append(rest.Because, c)
		}
	}
	return compare(rest, back, j)
}

// compile gives all objects of a state.
func compile(r state.Reader) plan.Objects {
	all := plan.Objects{}
	for _, u := range fabric.Units(r) {
		policy, wiring := ruleset.Objects(r, u)
		all.Put(policy...)
		all.Put(wiring...)
	}
	return all
}

// describe is what a disagreement is printed with: the state and the rules.
func describe(r state.Reader, objects plan.Objects) string {
	var ops []plan.Op
	for _, o := range objects {
		ops = append(ops, plan.Op{Verb: plan.Add, Object: o})
	}
	plan.Sort(ops)
	s := ""
	var units []fabric.Unit
	if r != nil {
		s, units = "state:\n", fabric.Units(r)
	}
	for _, u := range units {
		switch u.Kind {
		case fabric.KindSubnet:
			v, _ := fabric.LoadSubnet(r, u.Key)
			s += fmt.Sprintf("  %+v\n", v)
		case fabric.KindRouteTable:
			v, _ := fabric.LoadRouteTable(r, u.Key)
			s += fmt.Sprintf("  %s %+v\n", u.Key.ID, v.Routes)
		case fabric.KindAcl:
			v, _ := fabric.LoadAcl(r, u.Key)
			s += fmt.Sprintf("  %s in %v out %v\n", u.Key.ID, v.Ingress, v.Egress)
		case fabric.KindGroup:
			v, _ := fabric.LoadGroup(r, u.Key)
			s += fmt.Sprintf("  %s in %v out %v\n", u.Key.ID, v.Ingress, v.Egress)
		case fabric.KindPort:
			if v, ok := fabric.LoadPort(r, u.Key); ok {
				s += fmt.Sprintf("  %s %s of %s in %s groups %v public %v checked %v\n", u.Key.ID, v.Addrs, v.Instance, v.Subnet, v.Groups, v.Publics, v.SourceDestCheck)
			}
		}
	}
	s += "objects:\n"
	for _, op := range ops {
		s += "  " + op.Object.String() + "\n"
	}
	return s
}

// unreachable is the header of what says that a packet did not get on.
func unreachable(p ruleset.Packet) (fabric.Header, bool) {
	return fabric.Header{Src: p.Dst, Dst: p.Src, Protocol: fabric.ICMP, Type: 3, Code: 1}, p.Protocol != fabric.ICMP || p.Type == 8
}
