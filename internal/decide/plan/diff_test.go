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

// What hangs on an interface goes with it, so it is added again though it is the
// same before and after: the address inside, when another link takes the name.
func TestDiffAddsAgainWhatWentWithItsLink(t *testing.T) {
	ns, inside := Netns("vpc-1"), Netns("i-1")
	link := func(name string, peer Netns, peerName string) Link {
		return Link{Netns: ns, Name: name, Peer: peer, PeerName: peerName}
	}
	table := Route{Netns: inside, Table: 1001, Dst: netip.MustParsePrefix("0.0.0.0/0"), Link: "eth1", Via: netip.MustParseAddr("10.0.0.1")}
	first := Route{Netns: inside, Table: 254, Dst: netip.MustParsePrefix("0.0.0.0/0"), Link: "eth0", Via: netip.MustParseAddr("10.0.0.1")}
	out := Route{Netns: ns, Table: 254, Dst: netip.MustParsePrefix("10.0.0.4/32"), Link: "e1"}
	for name, test := range map[string]struct {
		before, after []Link
		want          string
	}{
		"another takes its name": {[]Link{link("e1", "i-1", "eth1")}, []Link{link("e2", "i-1", "eth1")},
			"add link vpc-1 e2\nadd route i-1 1001 0.0.0.0/0\nadd route vpc-1 254 10.0.0.4/32\nremove link vpc-1 e1"},
		"they change places": {[]Link{link("e1", "i-1", "eth1"), link("e2", "i-1", "eth2")}, []Link{link("e1", "i-1", "eth2"), link("e2", "i-1", "eth1")},
			"change link vpc-1 e1\nchange link vpc-1 e2\nadd route i-1 1001 0.0.0.0/0\nadd route vpc-1 254 10.0.0.4/32"},
		"it stays": {[]Link{link("e1", "i-1", "eth1")}, []Link{{Netns: ns, Name: "e1", Peer: "i-1", PeerName: "eth1", MTU: 1500}}, "change link vpc-1 e1"},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := Objects{}, Objects{}
			for _, o := range []Objects{before, after} {
				o.Put(table, first, out)
			}
			for _, l := range test.before {
				before.Put(l)
			}
			for _, l := range test.after {
				after.Put(l)
			}
			var got []string
			for _, op := range Diff(before, after) {
				got = append(got, string(op.Verb)+" "+op.Object.Key())
			}
			if s := strings.Join(got, "\n"); s != test.want {
				t.Errorf("got\n%s\nwant\n%s", s, test.want)
			}
		})
	}
}
