//go:build linux

package kernel_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel"
	"github.com/localvpc/localvpc/internal/node/kernel/netns"
	"github.com/localvpc/localvpc/internal/node/kernel/testns"
)

func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("rapid.nofailfile", "true") // the seed is enough
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		flag.Set("rapid.checks", "25") // removing a link takes 20 ms
	}
	os.Exit(testns.Main(m))
}

var _ kernel.Interface = (*kernel.Kernel)(nil)

// world makes a kernel with nothing in it.
func world(t testing.TB) *kernel.Kernel {
	t.Helper()
	k, err := kernel.New(kernel.Config{RunDir: testns.Dir(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		list, err := k.Namespaces()
		if err != nil {
			t.Error(err)
		}
		for _, ns := range list {
			if err := k.Apply(context.Background(), []plan.Op{{Verb: plan.Remove, Object: plan.Router{Name: ns}}}); err != nil {
				t.Error(err)
			}
		}
		k.Close()
	})
	return k
}

// namespace makes one that nothing but the file keeps.
func namespace(t testing.TB) *os.File {
	t.Helper()
	dir := netns.Dir(t.TempDir())
	f, err := dir.Create("ns", func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.Remove("ns"); err != nil {
		t.Fatal(err)
	}
	return f
}

// guest makes a namespace as the sandbox would, and attaches it.
func guest(t testing.TB, k *kernel.Kernel, ns plan.Netns) {
	t.Helper()
	f := namespace(t)
	defer f.Close()
	if err := k.Attach(ns, f); err != nil {
		t.Fatal(err)
	}
}

func apply(t testing.TB, k kernel.Interface, current, desired plan.Objects) {
	t.Helper()
	if err := k.Apply(context.Background(), plan.Diff(current, desired)); err != nil {
		t.Fatal(err)
	}
}

// same fails unless the namespaces hold exactly the objects.
func same(t testing.TB, k kernel.Interface, want plan.Objects, spaces ...plan.Netns) {
	t.Helper()
	have := plan.Objects{}
	for _, ns := range spaces {
		read, err := k.Read(ns)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(have, read)
	}
	if ops := plan.Diff(have, want); len(ops) > 0 {
		var b strings.Builder
		for _, op := range ops {
			fmt.Fprintf(&b, "%s\n", op)
			if op.Old != nil {
				fmt.Fprintf(&b, "  was %#v\n", op.Old)
			}
		}
		t.Fatalf("what is read back differs:\n%s", b.String())
	}
}

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// port gives the objects of one interface with one address in the router r.
func port(r plan.Netns, i plan.Netns, name string, ip string, group uint32) []plan.Object {
	a := addr(ip)
	b := a.As4()
	return []plan.Object{
		plan.Link{Netns: r, Name: name, MAC: "02:00:00:00:00:01", Group: group, Peer: i, PeerName: "eth0",
			PeerMAC: fmt.Sprintf("06:00:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3]), MTU: 9001},
		plan.Neigh{Netns: r, Link: name, IP: a, MAC: fmt.Sprintf("06:00:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3])},
		plan.Route{Netns: r, Table: 254, Dst: netip.PrefixFrom(a, 32), Link: name, Cause: "eni-1"},
		plan.Addr{Netns: i, Link: "eth0", Prefix: netip.PrefixFrom(a, 16)},
		plan.Neigh{Netns: i, Link: "eth0", IP: addr("10.0.0.1"), MAC: "02:00:00:00:00:01"},
		plan.Route{Netns: i, Table: 254, Dst: prefix("0.0.0.0/0"), Link: "eth0", Via: addr("10.0.0.1")},
		plan.Element{Netns: r, Set: "src_ok", At: []plan.Value{plan.Str(name), plan.IP(a)}, Cause: "eni-1"},
	}
}

// base is a router with rules that speak every part of plan's language.
func base(r plan.Netns) []plan.Object {
	ifAddr := []plan.DataType{plan.TypeIfname, plan.TypeIPv4}
	verdict := func(v plan.Verdict) *plan.Verdict { return &v }
	from := func(ip string) *plan.Value { v := plan.IP(addr(ip)); return &v }
	mark := plan.Num(7)
	return []plan.Object{
		plan.Router{Name: r},
		plan.Sysctl{Netns: r, Path: "net/ipv4/ip_default_ttl", Value: "63"},
		plan.Addr{Netns: r, Link: "lo", Prefix: prefix("10.0.0.2/32")},
		plan.Route{Netns: r, Table: 254, Dst: prefix("10.0.0.0/16"), Type: plan.Blackhole},
		plan.Route{Netns: r, Table: 1001, Dst: prefix("0.0.0.0/0"), Type: plan.Blackhole},
		plan.IPRule{Netns: r, Family: 4, Pref: 100, Table: 254},
		plan.IPRule{Netns: r, Family: 4, Pref: 1001, Mark: 1, Mask: 0xffff, Table: 1001},
		plan.IPRule{Netns: r, Family: 4, Pref: 1002, From: prefix("10.1.0.0/16"), IIf: "lo", OIf: "none", Table: 70000},
		plan.Set{Netns: r, Name: "src_ok", Types: ifAddr},
		plan.Set{Netns: r, Name: "vpc_cidr", Types: []plan.DataType{plan.TypeIPv4}, Interval: true},
		plan.Set{Netns: r, Name: "same", Types: []plan.DataType{plan.TypeGroup, plan.TypeGroup}},
		plan.Set{Netns: r, Name: "rtmark", Types: []plan.DataType{plan.TypeGroup}, Data: plan.TypeMark},
		plan.Set{Netns: r, Name: "nacl_in", Types: []plan.DataType{plan.TypeGroup}, Data: plan.TypeVerdict},
		plan.Set{Netns: r, Name: "sg_in", Types: []plan.DataType{plan.TypeIfname}, Data: plan.TypeVerdict},
		plan.Set{Netns: r, Name: "eip_in", Types: []plan.DataType{plan.TypeIPv4}, Data: plan.TypeIPv4},
		plan.Set{Netns: r, Name: "r_web", Types: []plan.DataType{plan.TypeIPv4, plan.TypeProto, plan.TypeService}, Interval: true},
		plan.Set{Netns: r, Name: "ports", Types: []plan.DataType{plan.TypeService}, Interval: true, Data: plan.TypeVerdict},
		plan.Set{Netns: r, Name: "pcx", Types: ifAddr, Interval: true},
		plan.Element{Netns: r, Set: "vpc_cidr", At: []plan.Value{plan.Net(prefix("10.0.0.0/16"))}, Cause: "vpc-1"},
		plan.Element{Netns: r, Set: "vpc_cidr", At: []plan.Value{plan.Net(prefix("10.1.0.0/16"))}},
		plan.Element{Netns: r, Set: "vpc_cidr", At: []plan.Value{plan.Net(prefix("224.0.0.0/3"))}},
		plan.Element{Netns: r, Set: "same", At: []plan.Value{plan.Num(4), plan.Num(4)}},
		plan.Element{Netns: r, Set: "rtmark", At: []plan.Value{plan.Num(4)}, To: &mark},
		plan.Element{Netns: r, Set: "nacl_in", At: []plan.Value{plan.Num(4)}, Verdict: verdict(plan.Jump("acl_1_in")), Cause: "acl-1"},
		plan.Element{Netns: r, Set: "sg_in", At: []plan.Value{plan.Str("e1")}, Verdict: verdict(plan.Goto("c_1_in"))},
		plan.Element{Netns: r, Set: "eip_in", At: []plan.Value{plan.IP(addr("54.1.2.3"))}, To: from("10.0.0.4"), Cause: "eipalloc-1"},
		plan.Element{Netns: r, Set: "r_web", At: []plan.Value{plan.Net(prefix("10.0.0.0/8")), plan.Num(6), plan.Span(80, 90)}, Cause: "sgr-1"},
		plan.Element{Netns: r, Set: "r_web", At: []plan.Value{plan.Net(prefix("0.0.0.0/0")), plan.Num(17), plan.Num(53)}, Cause: "sgr-2"},
		plan.Element{Netns: r, Set: "ports", At: []plan.Value{plan.Span(0, 79)}, Verdict: verdict(plan.Drop), Cause: "low"},
		plan.Element{Netns: r, Set: "ports", At: []plan.Value{plan.Num(80)}, Verdict: verdict(plan.Accept)},
		plan.Element{Netns: r, Set: "ports", At: []plan.Value{plan.Span(81, 65535)}, Verdict: verdict(plan.Goto("allow"))},
		plan.Element{Netns: r, Set: "pcx", At: []plan.Value{plan.Str("pcx1"), plan.Net(prefix("172.16.0.0/12"))}},
		plan.Chain{Netns: r, Name: "pre", Hook: &plan.Hook{Type: "filter", Hook: "prerouting", Priority: -150, Policy: "accept"}, Rules: []plan.Rule{
			{Match: []plan.Match{plan.In("src_ok", plan.IIfName, plan.SAddr)},
				MarkFrom: &plan.Lookup{Fields: []plan.Field{plan.IIfGroup}, Map: "rtmark"}, Verdict: &plan.Accept},
			plan.Do(plan.Accept, "lo", plan.Where(plan.IIfName, plan.Str("lo"))),
			{Counter: true, Verdict: &plan.Drop, Cause: "spoof"},
		}},
		plan.Chain{Netns: r, Name: "reset", Rules: []plan.Rule{
			plan.Do(plan.Reset, "nat-1", plan.Where(plan.CTState, plan.Str("invalid")), plan.Where(plan.L4Proto, plan.Num(6))),
		}},
		plan.Chain{Netns: r, Name: "pre_nat", Hook: &plan.Hook{Type: "nat", Hook: "prerouting", Priority: -100, Policy: "accept"}, Rules: []plan.Rule{
			{Match: []plan.Match{plan.Where(plan.IIfGroup, plan.Num(65001))}, NAT: &plan.NAT{Code: "dnat", Field: plan.DAddr, Map: "eip_in"}},
		}},
		plan.Chain{Netns: r, Name: "post_nat", Hook: &plan.Hook{Type: "nat", Hook: "postrouting", Priority: 100, Policy: "accept"}, Rules: []plan.Rule{
			{Match: []plan.Match{plan.Where(plan.OIfName, plan.Str("nat0"))}, NAT: &plan.NAT{Code: "masquerade"}},
			{
				Match: []plan.Match{{Fields: []plan.Field{plan.SPort}, Mask: 0x38, Values: []plan.Value{plan.Num(8), plan.Num(0x18)}}},
				NAT:   &plan.NAT{Code: "snat", To: netip.MustParseAddr("10.0.0.9"), Lo: 1024, Hi: 56023},
			},
			{NAT: &plan.NAT{Code: "snat", To: netip.MustParseAddr("10.0.0.8")}},
			{NAT: &plan.NAT{Code: "snat", Field: plan.SAddr, Map: "eip_in"}},
		}},
		plan.Chain{Netns: r, Name: "forward", Hook: &plan.Hook{Type: "filter", Hook: "forward", Priority: 0, Policy: "drop"}, Rules: []plan.Rule{
			plan.Do(plan.Goto("sg"), "", plan.In("same", plan.IIfGroup, plan.OIfGroup)),
			{VMap: &plan.Lookup{Fields: []plan.Field{plan.OIfGroup}, Map: "nacl_in"}},
			plan.Do(plan.Goto("sg"), ""),
		}},
		plan.Chain{Netns: r, Name: "sg", Rules: []plan.Rule{
			plan.Do(plan.Accept, "", plan.Where(plan.CTState, plan.Str("established"), plan.Str("related"))),
			{Match: []plan.Match{{Fields: []plan.Field{plan.CTMark}, Mask: 1, Values: []plan.Value{plan.Num(1)}}}, Verdict: &plan.Accept},
			plan.Do(plan.Drop, "", plan.Where(plan.CTDirection, plan.Str("reply")), plan.Where(plan.CTStatus, plan.Str("dnat"))),
			{VMap: &plan.Lookup{Fields: []plan.Field{plan.OIfName}, Map: "sg_in"}},
		}},
		plan.Chain{Netns: r, Name: "allow", Rules: []plan.Rule{{CTMarkOr: 1, Verdict: &plan.Accept}}},
		plan.Chain{Netns: r, Name: "c_1_in", Rules: []plan.Rule{plan.Do(plan.Jump("g_web_in"), ""), plan.Do(plan.Drop, "")}},
		plan.Chain{Netns: r, Name: "acl_1_in", Rules: []plan.Rule{plan.Do(plan.Return, "acl-1/100", plan.Where(plan.SAddr, plan.Net(prefix("10.0.0.0/8")))), plan.Do(plan.Drop, "acl-1/*")}},
		plan.Chain{Netns: r, Name: "g_web_in", Rules: []plan.Rule{
			plan.Do(plan.Goto("allow"), "", plan.In("r_web", plan.SAddr, plan.L4Proto, plan.DPort)),
			plan.Do(plan.Goto("allow"), "sgr-3", plan.Where(plan.L4Proto, plan.Str("icmp")), plan.Where(plan.ICMPType, plan.Num(8)), plan.Where(plan.ICMPCode, plan.Span(0, 3))),
			plan.Do(plan.Goto("allow"), "sgr-4", plan.Where(plan.ICMPType, plan.Num(0), plan.Num(3), plan.Num(4), plan.Num(11))),
			plan.Do(plan.Goto("allow"), "sgr-5", plan.Where(plan.L4Proto, plan.Str("tcp"), plan.Str("udp")), plan.Where(plan.DPort, plan.Span(80, 90), plan.Num(91), plan.Num(443), plan.Span(1000, 65535))),
			plan.Do(plan.Goto("allow"), "sgr-6", plan.Match{Fields: []plan.Field{plan.SAddr}, Not: true, Values: []plan.Value{plan.Net(prefix("10.0.0.0/8"))}}),
			plan.Do(plan.Goto("allow"), "sgr-7", plan.Match{Fields: []plan.Field{plan.CTOrigDAddr}, Set: "vpc_cidr"}),
			plan.Do(plan.Goto("allow"), "sgr-8", plan.Match{Fields: []plan.Field{plan.IIfGroup}, Values: []plan.Value{plan.Num(1), plan.Num(2)}}, plan.Match{Fields: []plan.Field{plan.DAddr}, Not: true, Set: "vpc_cidr"}),
			{VMap: &plan.Lookup{Fields: []plan.Field{plan.DPort}, Map: "ports"}},
		}},
	}
}

func TestEverythingReadsBackAsItWasApplied(t *testing.T) {
	k := world(t)
	guest(t, k, "i-1")
	guest(t, k, "i-2")
	want := plan.Objects{}
	want.Put(base("vpc-1")...)
	want.Put(port("vpc-1", "i-1", "e1", "10.0.0.4", 4)...)
	want.Put(port("vpc-1", "i-2", "e2", "10.0.0.5", 4)...)
	apply(t, k, plan.Objects{}, want)
	same(t, k, want, "vpc-1", "i-1", "i-2")
	less := plan.Objects{}
	less.Put(plan.Router{Name: "vpc-1"})
	apply(t, k, want, less)
	same(t, k, less, "vpc-1", "i-1", "i-2")
	apply(t, k, less, plan.Objects{})
	if _, err := k.Read("vpc-1"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a removed router reads as %v", err)
	}
	if list, _ := k.Namespaces(); !slices.Equal(list, nil) {
		t.Errorf("left: %v", list)
	}
}
