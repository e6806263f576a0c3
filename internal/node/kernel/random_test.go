//go:build linux

package kernel_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel"
	"github.com/localvpc/localvpc/internal/node/kernel/fake"
	"github.com/localvpc/localvpc/internal/node/kernel/testns"
)

// gen draws a random world that holds together.
type gen struct {
	t  *rapid.T
	os plan.Objects
}

func (g gen) num(n int, label string) int { return rapid.IntRange(0, n-1).Draw(g.t, label) }
func (g gen) coin(label string) bool      { return rapid.Bool().Draw(g.t, label) }
func (g gen) of(label string, s ...string) string {
	return s[g.num(len(s), label)]
}

var guests = []plan.Netns{"i-1", "i-2"}

func (g gen) world() plan.Objects {
	for _, r := range []plan.Netns{"vpc-a", "vpc-b"} {
		if g.num(4, "router "+string(r)) == 0 {
			continue
		}
		g.os.Put(plan.Router{Name: r})
		g.routing(r)
		g.links(r)
		g.rules(r)
	}
	g.between("vpc-a", "vpc-b")
	return g.os
}

func (g gen) routing(r plan.Netns) {
	for i := range g.num(4, "addresses") {
		g.os.Put(plan.Addr{Netns: r, Link: "lo", Prefix: prefix(fmt.Sprintf("10.0.%d.1/32", i))})
	}
	for i := range g.num(3, "blackholes") {
		g.os.Put(plan.Route{Netns: r, Table: 254 + i*g.num(500, "table"), Dst: prefix(fmt.Sprintf("10.%d.0.0/16", i)), Type: plan.Blackhole})
	}
	for i := range g.num(4, "policy rules") {
		rule := plan.IPRule{Netns: r, Family: 4 + 2*g.num(2, "family"), Pref: 100 + i, Table: 254 + g.num(300, "table")}
		if g.coin("mark") {
			rule.Mask = 0xffff
			rule.Mark = uint32(g.num(3, "mark"))
		}
		if g.coin("iif") {
			rule.IIf = g.of("iif", "lo", "e1", "e2")
		}
		if rule.Family == 4 && g.coin("from") {
			rule.From = prefix(fmt.Sprintf("10.%d.0.0/16", g.num(9, "from")))
		}
		g.os.Put(rule)
	}
	if g.coin("sysctl") {
		g.os.Put(plan.Sysctl{Netns: r, Path: "net/ipv4/ip_default_ttl", Value: fmt.Sprint(60 + g.num(3, "ttl"))})
	}
}

func (g gen) links(r plan.Netns) {
	// A name inside a guest is of one router and one link; not always of the same.
	end := map[plan.Netns]string{"vpc-a": "eth", "vpc-b": "ens"}[r]
	turn := g.num(3, "turn of names")
	for i := range g.num(4, "links") {
		n := i + 1
		peer := guests[g.num(2, "peer")]
		l := plan.Link{Netns: r, Name: fmt.Sprintf("e%d", n), MAC: fmt.Sprintf("02:00:00:00:00:%02x", g.num(3, "mac")), Group: uint32(g.num(3, "group")),
			Peer: peer, PeerName: fmt.Sprintf("%s%d", end, (i+turn)%3), PeerMAC: fmt.Sprintf("06:00:00:00:%02x:%02x", n, g.num(2, "peer mac")), MTU: []int{1500, 9001}[g.num(2, "mtu")]}
		g.os.Put(l)
		var last netip.Addr
		for j := range 1 + g.num(3, "addresses") {
			a := addr(fmt.Sprintf("10.%d.%d.%d", len(end)+len(r), n, 4+j*(1+g.num(2, "step"))))
			if r == "vpc-b" {
				a = addr(fmt.Sprintf("10.99.%d.%d", n, 4+j))
			}
			last = a
			g.os.Put(
				plan.Neigh{Netns: r, Link: l.Name, IP: a, MAC: l.PeerMAC},
				plan.Route{Netns: r, Table: 254, Dst: netip.PrefixFrom(a, 32), Link: l.Name},
				plan.Addr{Netns: peer, Link: l.PeerName, Prefix: netip.PrefixFrom(a, 24)})
		}
		if !g.coin("gateway") {
			continue
		}
		b := last.As4()
		b[3] = 1
		gw := netip.AddrFrom4(b)
		route := plan.Route{Netns: peer, Table: 1000 + (i+turn)%3 + len(end)*100, Dst: prefix("0.0.0.0/0"), Link: l.PeerName, Via: gw}
		if r == "vpc-b" {
			route.Table += 50
		}
		if g.coin("onlink") {
			route.Via, route.Onlink = addr("169.254.1.1"), true
		}
		if g.coin("source") {
			route.Source = last
		}
		g.os.Put(plan.Neigh{Netns: peer, Link: l.PeerName, IP: gw, MAC: l.MAC}, route)
	}
}

// between draws a link of one router to another.
func (g gen) between(a, b plan.Netns) {
	_, first := g.os[plan.Router{Name: a}.Key()]
	_, second := g.os[plan.Router{Name: b}.Key()]
	if !first || !second || !g.coin("peered") {
		return
	}
	l := plan.Link{
		Netns: a, Name: "p1", MAC: fmt.Sprintf("02:00:00:01:00:%02x", g.num(3, "mac")), Group: 65002,
		Peer: b, PeerName: "p1", PeerMAC: fmt.Sprintf("02:00:00:02:00:%02x", g.num(3, "mac")), PeerGroup: []uint32{0, 65002, 7}[g.num(3, "group")], MTU: []int{8500, 9001}[g.num(2, "mtu")],
	}
	far := addr("169.254.65.2")
	g.os.Put(l, plan.Neigh{Netns: a, Link: "p1", IP: far, MAC: l.PeerMAC}, plan.Neigh{Netns: b, Link: "p1", IP: addr("169.254.65.1"), MAC: l.MAC},
		plan.Route{Netns: a, Table: 1001, Dst: prefix("10.77.0.0/16"), Link: "p1", Via: far, Onlink: true})
}

var setTypes = [][]plan.DataType{
	{plan.TypeIPv4}, {plan.TypeIfname}, {plan.TypeGroup}, {plan.TypeService}, {plan.TypeMark}, {plan.TypeProto},
	{plan.TypeIfname, plan.TypeIPv4}, {plan.TypeGroup, plan.TypeGroup}, {plan.TypeIPv4, plan.TypeProto, plan.TypeService},
	{plan.TypeIPv6, plan.TypeService}, {plan.TypeMark, plan.TypeIPv4},
}

func (g gen) rules(r plan.Netns) {
	chains := []string{"c0", "c1", "c2", "c3", "c4"}[:g.num(6, "chains")]
	var sets []plan.Set
	for i := range g.num(6, "sets") {
		types := setTypes[g.num(len(setTypes), "type")]
		s := plan.Set{Netns: r, Types: types, Data: []plan.DataType{"", "", plan.TypeVerdict, plan.TypeMark, plan.TypeIPv4, plan.TypeEndpoint}[g.num(6, "data")]}
		host := types[0] == plan.TypeIfname || types[0] == plan.TypeGroup || types[0] == plan.TypeMark
		s.Interval = g.coin("interval") && (len(types) > 1 || !host)
		s.Name = fmt.Sprintf("s%d_%v_%s_%v", i, slices.Index([]string{"", "verdict", "mark", "ipv4_addr", string(plan.TypeEndpoint)}, string(s.Data)), setKey(types), s.Interval)
		sets = append(sets, s)
		g.os.Put(s)
		g.elements(s, chains)
	}
	timeout := ""
	if g.coin("timeout") {
		timeout = g.of("name of timeout", "idle_60", "idle_350")
		g.os.Put(plan.Timeout{Netns: r, Name: timeout, Seconds: map[string]uint32{"idle_60": 60, "idle_350": 350}[timeout]})
	}
	for i, name := range chains {
		c := plan.Chain{Netns: r, Name: name}
		later := chains[i+1:]
		if i == 0 {
			c.Hook = &plan.Hook{Type: "nat", Hook: "prerouting", Priority: -100, Policy: "accept"}
		}
		for range g.num(5, "rules") {
			rule := g.rule(sets, later)
			if g.coin("timed") {
				rule.Timeout = timeout
			}
			c.Rules = append(c.Rules, rule)
		}
		g.os.Put(c)
	}
}

func setKey(types []plan.DataType) string {
	s := ""
	for _, t := range types {
		s += string(t[len(t)-4:])
	}
	return s
}

func (g gen) elements(s plan.Set, chains []string) {
	used := 0 // values go up, so that intervals are apart, or touch
	for range g.num(5, "elements") {
		e := plan.Element{Netns: s.Netns, Set: s.Name, Cause: g.of("cause", "", "sgr-1", "acl-1/100")}
		used += g.num(2, "gap")
		width := 0
		if s.Interval {
			width = g.num(4, "width")
		}
		for i, t := range s.Types {
			lo, hi := used, used+width
			if i > 0 && s.Interval { // intervals apart in the first part are apart
				lo, hi = g.num(3, "low"), 100+g.num(100, "high")
			}
			e.At = append(e.At, valueOf(t, lo, hi, s.Interval))
		}
		used += width + 1
		switch s.Data {
		case plan.TypeVerdict:
			v := []plan.Verdict{plan.Accept, plan.Drop, plan.Return}[g.num(3, "verdict")]
			// Only into the last chain, which leads nowhere that leads back here.
			if len(chains) > 1 && g.coin("target") {
				v = plan.Goto(chains[len(chains)-1])
			}
			e.Verdict = &v
		case plan.TypeEndpoint:
			v := plan.At(addr("10.0.0.4"), uint16(1+g.num(65535, "port")))
			e.To = &v
		case plan.TypeMark, plan.TypeIPv4:
			v := valueOf(s.Data, g.num(100, "to"), 0, false)
			e.To = &v
		}
		g.os.Put(e)
	}
}

func valueOf(t plan.DataType, lo, hi int, interval bool) plan.Value {
	if !interval {
		hi = lo
	}
	switch t {
	case plan.TypeIPv4:
		base := netip.AddrFrom4([4]byte{255, 255, 255, 255 - 60}).As4() // up to the last address
		at := func(n int) netip.Addr { b := base; b[3] = byte(min(195+n, 255)); return netip.AddrFrom4(b) }
		return plan.Addresses(at(lo), at(hi))
	case plan.TypeIPv6:
		at := func(n int) netip.Addr { b := addr("2001:db8::").As16(); b[15] = byte(n); return netip.AddrFrom16(b) }
		return plan.Addresses(at(lo), at(hi))
	case plan.TypeIfname:
		return plan.Str(fmt.Sprintf("e%d", lo))
	case plan.TypeGroup, plan.TypeMark:
		return plan.Num(uint32(lo))
	}
	return plan.Span(uint32(lo), uint32(hi))
}

var keyFields = map[plan.DataType]plan.Field{
	plan.TypeIPv4: plan.SAddr, plan.TypeIfname: plan.IIfName, plan.TypeGroup: plan.IIfGroup, plan.TypeService: plan.DPort,
	plan.TypeMark: plan.Mark, plan.TypeProto: plan.L4Proto,
}

func fieldsOf(s plan.Set) (fields []plan.Field, ok bool) {
	for _, t := range s.Types {
		f, ok := keyFields[t]
		if !ok {
			return nil, false
		}
		fields = append(fields, f)
	}
	return fields, true
}

func (g gen) rule(sets []plan.Set, chains []string) plan.Rule {
	r := plan.Rule{Cause: g.of("cause", "", "sgr-1", "a cause with words"), Counter: g.coin("counter")}
	for range g.num(3, "matches") {
		switch g.num(8, "match") {
		case 0:
			r.Match = append(r.Match, plan.Where(plan.CTState, plan.Str("established"), plan.Str("related")))
		case 1:
			n := uint32(g.num(1000, "port"))
			r.Match = append(r.Match, plan.Where(plan.L4Proto, plan.Str("tcp")), plan.Where(plan.DPort, plan.Span(n, n+uint32(g.num(5, "width")))))
		case 2:
			m := plan.Where(plan.SAddr, plan.Net(netip.PrefixFrom(addr("10.0.0.0"), 8+g.num(25, "bits"))), plan.Net(prefix("10.0.0.0/9")), plan.IP(addr("9.9.9.9")))
			m.Not = g.coin("not")
			r.Match = append(r.Match, m)
		case 3:
			r.Match = append(r.Match, plan.Match{Fields: []plan.Field{plan.CTMark}, Mask: 0xff, Values: []plan.Value{plan.Num(uint32(g.num(3, "mark")))}})
		case 4:
			r.Match = append(r.Match, plan.Where(plan.ICMPType, plan.Num(8)))
			if g.coin("tcp instead") {
				r.Match[len(r.Match)-1] = plan.Match{Fields: []plan.Field{plan.TCPFlags}, Mask: 2, Values: []plan.Value{plan.Num(0)}}
			}
		case 5:
			r.Match = append(r.Match, plan.Where(plan.IIfGroup, plan.Num(1), plan.Num(2), plan.Num(1)))
		default:
			if len(sets) == 0 {
				continue
			}
			s := sets[g.num(len(sets), "set")]
			if fields, ok := fieldsOf(s); ok && s.Data != plan.TypeVerdict { // the kernel would take that for a jump
				r.Match = append(r.Match, plan.Match{Fields: fields, Set: s.Name, Not: g.coin("not")})
			}
		}
	}
	if g.coin("ct mark") {
		r.CTMarkOr = 1 << g.num(3, "bit")
	}
	for _, s := range sets {
		fields, ok := fieldsOf(s)
		switch {
		case !ok || !g.coin("use "+s.Name):
		case s.Data == plan.TypeMark:
			r.MarkFrom = &plan.Lookup{Fields: fields, Map: s.Name}
		case s.Data == plan.TypeEndpoint && !s.Interval && slices.Equal(s.Types, []plan.DataType{plan.TypeMark}):
			r.NAT = &plan.NAT{Code: "dnat", Hash: []plan.Field{plan.SAddr, plan.SPort}[:1+g.num(2, "fields")], Slots: 1024, Seed: uint32(g.num(9, "seed")), Map: s.Name}
		case s.Data == plan.TypeVerdict && len(chains) > 0:
			r.VMap = &plan.Lookup{Fields: fields, Map: s.Name}
			return r
		}
	}
	v := []plan.Verdict{plan.Accept, plan.Drop, plan.Return}[g.num(3, "verdict")]
	if len(chains) > 0 && g.coin("target") {
		v = plan.Verdict{Code: g.of("code", "jump", "goto"), Chain: chains[g.num(len(chains), "chain")]}
	}
	r.Verdict = &v
	return r
}

// lab is a kernel and a fake one that are told the same.
type lab struct {
	k *kernel.Kernel
	f *fake.Kernel
}

func newLab(t testing.TB) lab {
	l := lab{world(t), fake.New()}
	for _, ns := range guests {
		guest(t, l.k, ns)
		if err := l.f.Attach(ns, nil); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// clear empties both kernels, so that a case does not depend on those before it.
func (l lab) clear(t interface{ Fatal(...any) }) {
	for _, k := range []kernel.Interface{l.k, l.f} {
		if err := k.Apply(context.Background(), plan.Diff(read(t, k), plan.Objects{})); err != nil {
			t.Fatal(err)
		}
	}
}

// read gives all that a kernel holds.
func read(t interface{ Fatal(...any) }, k kernel.Interface) plan.Objects {
	list, err := k.Namespaces()
	if err != nil {
		t.Fatal(err)
	}
	all := plan.Objects{}
	for _, ns := range append(list, guests...) {
		objects, err := k.Read(ns)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(all, objects)
	}
	return all
}

func explain(ops []plan.Op) string {
	s := ""
	for _, op := range ops {
		s += op.String() + "\n"
		if op.Old != nil {
			s += "   was " + op.Old.String() + "\n"
		}
	}
	return s
}

// TestAnyStateToAnyState: what is read after going from one world to another is
// the other, and nothing is left to do.
func TestAnyStateToAnyState(t *testing.T) {
	testns.Need(t)
	l := newLab(t)
	rapid.Check(t, func(t *rapid.T) {
		l.clear(t)
		var last []plan.Op
		for range 3 {
			want := gen{t, plan.Objects{}}.world()
			ops := plan.Diff(read(t, l.k), want)
			if err := l.k.Apply(context.Background(), ops); err != nil {
				t.Fatalf("%v\napplying\n%safter\n%s", err, explain(ops), explain(last))
			}
			if rest := plan.Diff(read(t, l.k), want); len(rest) > 0 {
				t.Fatalf("left to do:\n%sapplied\n%safter\n%s", explain(rest), explain(ops), explain(last))
			}
			if err := l.f.Apply(context.Background(), plan.Diff(read(t, l.f), want)); err != nil {
				t.Fatalf("the fake refuses %v\nof\n%s", err, l.f)
			}
			last = ops
		}
	})
}

var numbers = []unix.Errno{unix.ENOENT, unix.EEXIST, unix.ENODEV, unix.EBUSY, unix.EINVAL, unix.ENETUNREACH, unix.EMLINK, unix.EOPNOTSUPP}

func number(err error) unix.Errno {
	for _, n := range numbers {
		if errors.Is(err, n) {
			return n
		}
	}
	return 0
}

// TestTheFakeRefusesWhatTheKernelRefuses: worlds that lack something, or have
// too much.
func TestTheFakeRefusesWhatTheKernelRefuses(t *testing.T) {
	testns.Need(t)
	l := newLab(t)
	rapid.Check(t, func(t *rapid.T) {
		l.clear(t)
		want := gen{t, plan.Objects{}}.world()
		for _, k := range []kernel.Interface{l.k, l.f} {
			if err := k.Apply(context.Background(), plan.Diff(read(t, k), want)); err != nil {
				t.Fatal(err)
			}
		}
		keys := slices.Sorted(maps.Keys(want))
		if len(keys) == 0 {
			return
		}
		var ops []plan.Op
		for range 1 + rapid.IntRange(0, 1).Draw(t, "more") {
			o := want[keys[rapid.IntRange(0, len(keys)-1).Draw(t, "object")]]
			verb := []plan.Verb{plan.Add, plan.Remove, plan.Remove}[rapid.IntRange(0, 2).Draw(t, "verb")]
			ops = append(ops, plan.Op{Verb: verb, Object: o})
		}
		err, fakeErr := l.k.Apply(context.Background(), ops), l.f.Apply(context.Background(), ops)
		// Of two mistakes either may be the first.
		if (err == nil) != (fakeErr == nil) || len(ops) == 1 && number(err) != number(fakeErr) {
			t.Fatalf("applying\n%sthe kernel says %v\nthe fake says %v", explain(ops), err, fakeErr)
		}
		if err == nil {
			if rest := plan.Diff(read(t, l.k), read(t, l.f)); len(rest) > 0 {
				t.Fatalf("after\n%sthe fake differs:\n%s", explain(ops), explain(rest))
			}
		}
	})
}
