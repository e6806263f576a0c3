package ruleset_test

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/decide/ruleset"
	"github.com/localvpc/localvpc/internal/state"
)

// drawRules draws rules over few addresses and ports, so that nearly all overlap.
func drawRules(t *rapid.T, tx *state.Tx) {
	for n := range rapid.IntRange(0, 25).Draw(t, "rules") {
		bits := rapid.IntRange(26, 32).Draw(t, "bits")
		from := netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(0, 63).Draw(t, "address"))})
		cidr := netip.PrefixFrom(from, bits).String()
		lo := rapid.Int32Range(0, 12).Draw(t, "from port")
		hi := rapid.Int32Range(lo, 12).Draw(t, "to port")
		proto := rapid.SampledFrom([]string{"tcp", "tcp", "udp", "-1", "50"}).Draw(t, "protocol")
		fabrictest.Rule(tx, fmt.Sprintf("sgr-%02d", n), "sg-1", rapid.Bool().Draw(t, "egress"), proto, lo, hi, cidr)
	}
}

// The elements of a group's sets never overlap: the kernel would refuse them, or
// answer by one of two.
func TestElementsDoNotOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := fabrictest.Open(t)
		defer s.Close()
		snap, _ := s.Change(t, func(tx *state.Tx) {
			fabrictest.Vpc(tx, "vpc-1", "10.0.0.0/16")
			fabrictest.Group(tx, "sg-1", "vpc-1", "one")
			drawRules(t, tx)
		})
		g, _ := fabric.LoadGroup(snap, fabrictest.Scope.Key("sg-1"))
		var elements []plan.Element
		for _, o := range ruleset.Group(g) {
			if e, ok := o.(plan.Element); ok {
				elements = append(elements, e)
			}
		}
		for i, a := range elements {
			for _, b := range elements[:i] {
				if a.Set == b.Set && overlap(a.At, b.At) {
					t.Fatalf("%s\n%s\noverlap; the rules are %v %v", a, b, g.Ingress, g.Egress)
				}
			}
		}
	})
}

func overlap(a, b []plan.Value) bool {
	for i := range a {
		if a[i].Num && (a[i].Hi < b[i].Lo || b[i].Hi < a[i].Lo) || !a[i].Num && (a[i].To.Less(b[i].From) || b[i].To.Less(a[i].From)) {
			return false
		}
	}
	return true
}

// The first rule that matches a packet is the same one in the fabric's order and
// in the kernel's: set of addresses, set of ports, rules of the chain.
func TestTheFirstRuleIsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := fabrictest.Open(t)
		defer s.Close()
		snap, _ := s.Change(t, func(tx *state.Tx) {
			fabrictest.Vpc(tx, "vpc-1", "10.0.0.0/16")
			fabrictest.Subnet(tx, "subnet-1", "vpc-1", 1, "10.0.0.0/24")
			fabrictest.Group(tx, "sg-1", "vpc-1", "one")
			fabrictest.Group(tx, "sg-2", "vpc-1", "all")
			fabrictest.Rule(tx, "sgr-in", "sg-2", false, "-1", -1, -1, "0.0.0.0/0")
			drawRules(t, tx)
			fabrictest.Instance(tx, "i-1", "vpc-1", state.Running)
			fabrictest.Instance(tx, "i-2", "vpc-1", state.Running)
			fabrictest.Interface(tx, "eni-1", "vpc-1", "subnet-1", "i-1", 0, []string{"sg-1"}, "10.0.0.70")
			fabrictest.Interface(tx, "eni-2", "vpc-1", "subnet-1", "i-2", 0, []string{"sg-2"}, "10.0.0.71")
			for n := range 64 { // every address that the rules are about
				fabrictest.Interface(tx, fmt.Sprintf("eni-a%d", n), "vpc-1", "subnet-1", "i-2", int32(n+1), []string{"sg-2"}, netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}).String())
			}
		})
		it := ruleset.NewInterp(compile(snap), "vpc-1")
		for range 40 {
			h := fabric.Header{
				Src: netip.MustParseAddr("10.0.0.70"), Dst: netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(4, 63).Draw(t, "to"))}),
				Protocol: rapid.SampledFrom([]uint8{6, 17, 50}).Draw(t, "packet protocol"),
			}
			if h.HasPorts() {
				h.SPort, h.DPort = 1000, rapid.Uint16Range(0, 13).Draw(t, "port")
			}
			it.Forget()
			trace, err := it.Send(ruleset.Packet{Header: h, Link: fabric.LinkName("eni-1")})
			if err != nil {
				t.Fatal(err)
			}
			_, rule, ok := fabric.FirstRule(snap, fabrictest.Scope, []string{"sg-1"}, fabric.Egress, h, nil)
			if got := trace.Causes(fabric.GroupOut); ok != (trace.Refused == 0) || ok && fmt.Sprint(got) != "["+rule.ID+"]" {
				t.Fatalf("%s: the fabric says %v %s, the rules %s", h, ok, rule.ID, trace)
			}
		}
	})
}

func BenchmarkGroupOf60Rules(b *testing.B) {
	s := fabrictest.Open(b)
	defer s.Close()
	snap, _ := s.Change(b, func(tx *state.Tx) { fabrictest.Large(tx, 20, 60) })
	u := fabric.Unit{Kind: fabric.KindGroup, Key: fabrictest.Scope.Key("sg-0000")}
	b.ReportAllocs()
	for b.Loop() {
		ruleset.Objects(snap, u)
	}
}

func BenchmarkPort(b *testing.B) {
	s := fabrictest.Open(b)
	defer s.Close()
	snap, _ := s.Change(b, func(tx *state.Tx) { fabrictest.Large(tx, 1000, 10) })
	u := fabric.Unit{Kind: fabric.KindPort, Key: fabrictest.Scope.Key("eni-500")}
	b.ReportAllocs()
	for b.Loop() {
		ruleset.Objects(snap, u)
	}
}

// BenchmarkAll1000Ports derives everything of a VPC of 1,000 ports, fifty groups
// and five subnets.
func BenchmarkAll1000Ports(b *testing.B) {
	s := fabrictest.Open(b)
	defer s.Close()
	snap, _ := s.Change(b, func(tx *state.Tx) { fabrictest.Large(tx, 1000, 60) })
	b.ReportAllocs()
	for b.Loop() {
		compile(snap)
	}
}

// BenchmarkOneRule is what one authorized rule costs here: the affected unit and
// the difference.
func BenchmarkOneRule(b *testing.B) {
	s := fabrictest.Open(b)
	defer s.Close()
	before, _ := s.Change(b, func(tx *state.Tx) { fabrictest.Large(tx, 1000, 60) })
	after, changes := s.Change(b, func(tx *state.Tx) {
		fabrictest.Rule(tx, "sgr-more", "sg-0000", false, "tcp", 9, 9, "192.0.2.0/24")
	})
	b.ReportAllocs()
	for b.Loop() {
		for _, u := range fabric.Affected(after, changes[0]) {
			had, _ := ruleset.Objects(before, u)
			has, _ := ruleset.Objects(after, u)
			have, want := plan.Objects{}, plan.Objects{}
			have.Put(had...)
			want.Put(has...)
			if n := len(plan.Diff(have, want)); n != 1 {
				b.Fatalf("%d operations", n)
			}
		}
	}
}
