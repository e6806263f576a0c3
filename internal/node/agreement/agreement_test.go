//go:build linux

// Package agreement holds the test that the explanation of packets, the
// interpreter of the rules and the kernel give one verdict.
//
// Invariant: a new feature that touches packets joins by being drawn in
// fabrictest or in probe; there is no list of exceptions.
package agreement

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/decide/reach"
	"github.com/localvpc/localvpc/internal/decide/ruleset"
	"github.com/localvpc/localvpc/internal/state"
)

const vpc = 0 // the number of the VPC that packets are sent in

// probe is one packet from a port.
type probe struct {
	from fabric.Port
	ruleset.Packet
}

// ports lists the ports of the VPC, by link.
func ports(r state.Reader) []fabric.Port {
	var ps []fabric.Port
	for n := range fabrictest.Interfaces {
		if p, ok := fabric.LoadPort(r, fabrictest.Scope.Key(fabrictest.InterfaceID(vpc, n))); ok {
			ps = append(ps, p)
		}
	}
	return ps
}

func portOf(ps []fabric.Port, link string) (fabric.Port, bool) {
	i := slices.IndexFunc(ps, func(p fabric.Port) bool { return p.Link == link })
	if i < 0 {
		return fabric.Port{}, false
	}
	return ps[i], true
}

var addr = netip.MustParseAddr

// places are destinations, and spoofed sources, that are no port's address.
var places = []netip.Addr{
	addr("10.0.0.2"), fabric.ResolverAddr, fabric.MetadataAddr, // services
	addr("10.0.1.1"), addr("10.0.2.1"), addr("10.0.1.3"), addr("10.0.2.255"), // reserved
	addr("10.0.9.9"), addr("10.1.0.4"), addr("192.0.2.7"), addr("169.254.1.1"),
}

// draw draws a probe. Most packets are such that something may let them pass.
func draw(t *rapid.T, r state.Reader, ps []fabric.Port) probe {
	p := probe{from: rapid.SampledFrom(ps).Draw(t, "from")}
	p.Link = p.from.Link
	some := func(what string) netip.Addr {
		n := rapid.IntRange(0, fabrictest.Interfaces-1).Draw(t, what)
		row, ok := state.NetworkInterfaces.Get(r, fabrictest.Scope.Key(fabrictest.InterfaceID(vpc, n)))
		if !ok {
			return fabrictest.Addr(0, n, false)
		}
		var own []netip.Addr
		for _, a := range row.Addresses {
			own = append(own, a.Addr)
		}
		return rapid.SampledFrom(with(own, row.Prefixes)).Draw(t, what+" address")
	}
	p.Src = rapid.SampledFrom(with(p.from.Addrs, p.from.Prefixes)).Draw(t, "source")
	if rapid.IntRange(0, 9).Draw(t, "spoof") == 0 {
		p.Src = some("spoofed")
		if rapid.Bool().Draw(t, "from nowhere") {
			p.Src = rapid.SampledFrom(places).Draw(t, "spoofed place")
		}
	}
	p.Dst = some("to")
	if rapid.IntRange(0, 5).Draw(t, "elsewhere") == 0 {
		p.Dst = rapid.SampledFrom(places).Draw(t, "place")
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
		p.SPort = rapid.Uint16Range(1024, 65000).Draw(t, "source port")
		p.DPort = rapid.SampledFrom(fabrictest.Ports).Draw(t, "port")
	case fabric.ICMP:
		p.Type = rapid.SampledFrom([]uint8{8, 8, 8, 0, 3, 11, 13, 14, 200}).Draw(t, "type")
		p.Code = rapid.SampledFrom([]uint8{0, 0, 0, 4}).Draw(t, "code")
	}
	return p
}

// with adds the ends of prefixes, and one between them.
func with(addrs []netip.Addr, prefixes []netip.Prefix) []netip.Addr {
	addrs = slices.Clip(addrs)
	for _, p := range prefixes {
		last := p.Addr().As4()
		last[3] |= 15
		addrs = append(addrs, p.Addr(), p.Addr().Next(), netip.AddrFrom4(last))
	}
	return addrs
}

// owns says whether packets to an address arrive at the port.
func owns(p fabric.Port, a netip.Addr) bool {
	return slices.Contains(p.Addrs, a) || slices.ContainsFunc(p.Prefixes, func(d netip.Prefix) bool { return d.Contains(a) })
}

// fresh makes each probe of a case a flow of its own: another source port or
// identifier than those before it. It is false when a protocol has neither and
// the addresses have been used.
type fresh struct {
	ports map[uint16]bool
	ident uint16
	pairs map[fabric.Header]bool
}

func newFresh() *fresh { return &fresh{ports: map[uint16]bool{}, pairs: map[fabric.Header]bool{}} }

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
		back, _ := p.Reply()
		if f.pairs[p.Header] || f.pairs[back] {
			return false
		}
		f.pairs[p.Header] = true
	}
	return true
}

// reply is the answer of the port that a probe arrived at, if there is one. A
// segment that does not begin a connection is not answered.
func (p probe) reply(to fabric.Port) (probe, bool) {
	h, ok := p.Reply()
	if !ok || p.Protocol == fabric.TCP && p.Flags != ruleset.Syn {
		return probe{}, false
	}
	back := probe{from: to, Packet: ruleset.Packet{Header: h, Link: to.Link, Ident: p.Ident}}
	if h.Protocol == fabric.TCP {
		back.Flags = ruleset.SynAck
	}
	return back, true
}

func (p probe) query() reach.Query {
	return reach.Query{
		Scope:       fabrictest.Scope,
		Source:      reach.Endpoint{Interface: p.from.Key.ID, Addr: p.Src},
		Destination: reach.Endpoint{Vpc: p.from.VPC, Addr: p.Dst},
		Protocol:    p.Protocol, Port: p.DPort, SourcePort: p.SPort, Type: p.Type, Code: p.Code,
	}
}

// compare says how the explanation of one way and the interpreter's trace differ.
func compare(report reach.Report, back bool, trace ruleset.Trace) error {
	first := report.First(back)
	switch {
	case first == nil && trace.Refused != 0:
		return fmt.Errorf("the explanation lets it pass, the rules refuse it at %s", trace.Refused)
	case first != nil && trace.Refused == 0:
		return fmt.Errorf("the explanation refuses it at %s (%s), the rules let it pass", first.Stage, first.Code)
	case first != nil && first.Stage != trace.Refused:
		return fmt.Errorf("the explanation refuses it at %s (%s), the rules at %s", first.Stage, first.Code, trace.Refused)
	case first != nil && (first.Stage == fabric.AclOut || first.Stage == fabric.AclIn) && first.Rule != trace.Cause:
		return fmt.Errorf("the explanation names %s, the rules %s", first.Rule, trace.Cause)
	}
	if first != nil {
		return nil
	}
	hops := report.Forward
	if back {
		hops = report.Return
	}
	for _, h := range hops {
		if h.Kind != reach.KindGroup {
			continue
		}
		want := []string{h.Rule}
		if h.Stateful {
			want = nil
		}
		if got := trace.Causes(h.Stage); !slices.Equal(got, want) {
			return fmt.Errorf("at %s the explanation names %v, the rules %v", h.Stage, want, got)
		}
	}
	return nil
}

// answered is a flow that groups have let pass: its first packet and the answer
// to it, which may have been refused.
type answered struct{ there, back probe }

// onlyAcls says how the explanation and the trace of a packet differ that belongs
// to such a flow: groups are not asked again, ACLs are.
func onlyAcls(report reach.Report, back bool, trace ruleset.Trace) error {
	acls := reach.Report{}
	for _, c := range report.Because {
		if c.Stage == fabric.AclOut || c.Stage == fabric.AclIn {
			acls.Because = append(acls.Because, c)
		}
	}
	return compare(acls, back, trace)
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
		case fabric.KindAcl:
			v, _ := fabric.LoadAcl(r, u.Key)
			s += fmt.Sprintf("  %s in %v out %v\n", u.Key.ID, v.Ingress, v.Egress)
		case fabric.KindGroup:
			v, _ := fabric.LoadGroup(r, u.Key)
			s += fmt.Sprintf("  %s in %v out %v\n", u.Key.ID, v.Ingress, v.Egress)
		case fabric.KindPort:
			if v, ok := fabric.LoadPort(r, u.Key); ok {
				s += fmt.Sprintf("  %s %s %s of %s in %s groups %v\n", u.Key.ID, v.Addrs, v.Prefixes, v.Instance, v.Subnet, v.Groups)
			}
		}
	}
	s += "objects:\n"
	for _, op := range ops {
		s += "  " + op.Object.String() + "\n"
	}
	return s
}

// TestExplanationAndRulesAgree: verdict and cause, there and back, without a
// kernel. More cases: -agreement.pure=N -agreement.seed=0.
func TestExplanationAndRulesAgree(t *testing.T) {
	check(t, *pureCases, func(t *rapid.T) {
		s := fabrictest.Open(t)
		defer s.Close()
		snap, _ := s.Change(t, func(tx *state.Tx) { fabrictest.Populate(t, tx, vpc) })
		ps := ports(snap)
		if len(ps) == 0 {
			return
		}
		objects := compile(snap)
		it := ruleset.NewInterp(objects, plan.Netns(fabrictest.VpcID(vpc)))
		send := func(p probe) ruleset.Trace {
			trace, err := it.Send(p.Packet)
			if err != nil {
				t.Fatalf("%s: %v\n%s", p.Packet, err, describe(snap, objects))
			}
			return trace
		}
		flows := newFresh()
		var open []answered
		for range 20 {
			p := draw(t, snap, ps)
			if !flows.flow(&p) {
				continue
			}
			report := reach.Walk(snap, p.query())
			trace := send(p)
			if err := compare(report, false, trace); err != nil {
				t.Fatalf("%s: %v\n%s", p.Packet, err, describe(snap, objects))
			}
			to, arrived := portOf(ps, trace.Link)
			if !arrived {
				continue
			}
			if !owns(to, p.Dst) {
				t.Fatalf("%s arrives at %s\n%s", p.Packet, to.Key, describe(snap, objects))
			}
			if back, ok := p.reply(to); ok {
				if err := compare(report, true, send(back)); err != nil {
					t.Fatalf("answer to %s: %v\n%s", p.Packet, err, describe(snap, objects))
				}
				open = append(open, answered{p, back})
			}
		}
		snap, _ = s.Change(t, func(tx *state.Tx) { fabrictest.Acls(t, tx, vpc) })
		objects = compile(snap)
		it.Become(objects, plan.Netns(fabrictest.VpcID(vpc)))
		for _, f := range open {
			report := reach.Walk(snap, f.there.query())
			for i, p := range []probe{f.there, f.back} {
				if err := onlyAcls(report, i == 1, send(p)); err != nil {
					t.Fatalf("%s, after the ACLs have changed: %v\n%s", p.Packet, err, describe(snap, objects))
				}
			}
		}
	})
}
