package plan

import (
	"net/netip"
	"strings"
	"testing"
)

func TestDiffOrdersForTheKernel(t *testing.T) {
	ns := Netns("vpc-1")
	set := Set{Netns: ns, Name: "src_ok", Types: []DataType{TypeIfname, TypeIPv4}}
	old := Element{Netns: ns, Set: "src_ok", At: []Value{Str("e1"), IP(netip.MustParseAddr("10.0.0.4"))}}
	fresh := Element{Netns: ns, Set: "src_ok", At: []Value{Str("e2"), IP(netip.MustParseAddr("10.0.0.5"))}}
	link := Link{Netns: ns, Name: "e2", Peer: "i-2", PeerName: "eth0"}
	gone := Link{Netns: ns, Name: "e1", Peer: "i-1", PeerName: "eth0"}
	route := Route{Netns: ns, Table: 254, Dst: netip.MustParsePrefix("10.0.0.4/32"), Link: "e1"}
	before := Objects{}
	before.Put(set, old, gone, route)
	after := Objects{}
	after.Put(set, fresh, link)

	var got []string
	for _, op := range Diff(before, after) {
		got = append(got, string(op.Verb)+" "+op.Object.Key())
	}
	want := `remove element vpc-1 src_ok { "e1" . 10.0.0.4 }
add link vpc-1 e2
add element vpc-1 src_ok { "e2" . 10.0.0.5 }
remove route vpc-1 254 10.0.0.4/32
remove link vpc-1 e1`
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
	if ops := Diff(after, after); len(ops) != 0 {
		t.Errorf("the difference to itself is %v", ops)
	}
}

func TestAChainReadBackIsKnownByItsFingerprint(t *testing.T) {
	want := Chain{Netns: "vpc-1", Name: "sg", Rules: []Rule{
		Do(Accept, "", Where(CTState, Str("established"), Str("related"))),
		Do(Goto("sg_new"), ""),
	}}
	seen := Chain{Netns: "vpc-1", Name: "sg", Seen: []string{want.Rules[0].Fingerprint(), want.Rules[1].Fingerprint()}}
	if !Same(want, seen) || !Same(seen, want) {
		t.Error("the chain is not recognised")
	}
	seen.Seen = seen.Seen[:1]
	if Same(want, seen) {
		t.Error("a chain that lacks a rule passes for whole")
	}
}

func TestRulesReadAsNftPrintsThem(t *testing.T) {
	addr := netip.MustParsePrefix("10.0.0.0/8")
	for _, row := range []struct {
		rule Rule
		want string
	}{
		{Do(Goto("allow"), "sgr-1", In("m_sg1", SAddr), Where(L4Proto, Str("tcp")), Where(DPort, Span(80, 90))),
			`ip saddr @m_sg1 meta l4proto tcp th dport 80-90 goto allow comment "sgr-1"`},
		{Rule{Match: []Match{{Fields: []Field{CTMark}, Mask: 1, Values: []Value{Num(1)}}}, Verdict: &Accept},
			`ct mark and 0x1 == 1 accept`},
		{Rule{VMap: &Lookup{Fields: []Field{IIfGroup}, Map: "nacl_out"}}, `meta iifgroup vmap @nacl_out`},
		{Rule{CTMarkOr: 1, Verdict: &Accept}, `ct mark set ct mark or 0x1 accept`},
		{Rule{NAT: &NAT{Code: "snat", Field: SAddr, Map: "eip_out"}}, `snat ip to ip saddr map @eip_out`},
		{Do(Drop, "", Match{Fields: []Field{SAddr}, Not: true, Values: []Value{Net(addr)}}), `ip saddr != 10.0.0.0-10.255.255.255 drop`},
	} {
		if got := row.rule.String(); got != row.want {
			t.Errorf("got  %s\nwant %s", got, row.want)
		}
	}
}
