package dnsview

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// at asks the name server at an address.
func (z *zones) at(addr netip.Addr, ask string) Answer {
	z.Helper()
	v, ok := ServerAt(z.store.Snapshot(), addr)
	if !ok {
		z.Fatalf("%s is no name server", addr)
	}
	return v.Answer(asked(z.TB, ask))
}

// delegation is a store with a public zone, a zone below it that it delegates to,
// and one whose parent is not here.
func delegation(t testing.TB) *zones {
	z := newZones(t)
	z.zone("Z7", "example.com", nil,
		"www 60 A 192.0.2.1|192.0.2.2",
		"ec2 300 NS "+strings.Join(NameServerSet([4]int{8, 8, 8, 8}), ".|")+".",
		"vanity 300 NS ns1.example.com.",
		"ns1 300 A "+NameServerAddrs(9)[0].String(),
		"glued 300 NS ns.glued.example.com.",
		"ns.glued 300 A "+NameServerAddrs(10)[0].String(),
		"lame 300 NS "+NameServer(99)+".",
		"other 300 NS ns.other.example.com.",
		"ns.other 300 A 203.0.113.9",
		"deep 60 CNAME www.far.example.org.",
		"loop 60 CNAME loop.far.example.org.",
		"near 60 A 10.0.0.1 ; id=a latency=us-east-1",
		"near 60 A 10.0.0.2 ; id=b latency=eu-west-1",
		"mail 60 MX 10 www.example.com.",
		"inner 60 CNAME web.ec2.example.com.")
	z.zone("Z8", "ec2.example.com", nil, "web 60 A 192.0.2.8", "lb alias A web.ec2.example.com.")
	z.zone("Z9", "vanity.example.com", nil, "www 60 A 192.0.2.9")
	z.zone("Z10", "glued.example.com", nil, "www 60 A 192.0.2.10")
	z.zone("Z11", "far.example.org", nil, "www 60 A 192.0.2.11", "loop 60 CNAME loop.example.com.")
	z.zone("Z12", "hidden.example.com", nil, "www 60 A 192.0.2.12") // example.com does not delegate to it
	z.zone("Z13", "gtld-servers.net", nil, "a 60 A 192.0.2.66")
	z.zone("Z14", "113.0.203.in-addr.arpa", nil, "9 60 PTR stolen.example.com.")
	z.zone("Z15", "9.in-addr.arpa", nil, "1.1.1 60 PTR www.example.com.")
	return z
}

// TestNameServersAnswer: each name server has its own zones and nothing else.
func TestNameServersAnswer(t *testing.T) {
	z := delegation(t)
	root, registry, amazon := rootHosts[3].addr, registryHosts[0].addr, amazonHosts[1].addr
	set := func(n int) netip.Addr { return NameServerAddrs(n)[0] }
	for _, row := range []struct {
		at        netip.Addr
		ask, want string
		aa        bool
	}{
		{root, "www.example.com A", "REFERRAL; com. 172800 a.gtld-servers.net.; com. 172800 b.gtld-servers.net.", false},
		{root, "com DS", "NODATA; . 60", true},
		{root, "www.example.test A", "NXDOMAIN; . 60", true},
		{registry, "com SOA", "SOA com. 60 a.gtld-servers.net. nstld.verisign-grs.com. 1 7200 900 1209600 60", true},
		{registry, "example.com A", "REFERRAL; example.com. 172800 ns-7.awsdns-00.com.; example.com. 172800 ns-519.awsdns-00.net.; " +
			"example.com. 172800 ns-1031.awsdns-00.org.; example.com. 172800 ns-1543.awsdns-00.co.uk.", false},
		{registry, "www.ec2.example.com A", z.line7(), false},
		{registry, "none.com A", "NXDOMAIN; com. 60", true},
		{registry, "example.org A", "NODATA; org. 60", true}, // something is below it
		{registry, "www.far.example.org A", "REFERRAL; far.example.org. 172800 ns-11.awsdns-01.com.; far.example.org. 172800 ns-523.awsdns-01.net.; " +
			"far.example.org. 172800 ns-1035.awsdns-01.org.; far.example.org. 172800 ns-1547.awsdns-01.co.uk.", false},
		{registry, "ns-519.awsdns-00.net A", "A ns-519.awsdns-00.net. 172800 205.251.194.7", true},
		{registry, "ns-519.awsdns-01.net A", "NXDOMAIN; net. 60", true},
		{registry, "awsdns-00.co.uk A", "NODATA; uk. 60", true},
		{registry, "a.gtld-servers.net A", "A a.gtld-servers.net. 172800 205.251.201.1", true},
		{registry, "m.root-servers.net A", "A m.root-servers.net. 172800 202.12.27.33", true},
		{registry, "www.example.test A", "rcode 5", false},
		{registry, ". NS", "rcode 5", false},
		{registry, "ec2-192-0-2-1.compute-1.amazonaws.com A", "REFERRAL; amazonaws.com. 172800 ns1.amazonaws.com.; amazonaws.com. 172800 ns2.amazonaws.com.", false},
		{amazon, "ec2-192-0-2-1.compute-1.amazonaws.com A", "NXDOMAIN; compute-1.amazonaws.com. 60", true},
		{amazon, "ns1.amazonaws.com A", "A ns1.amazonaws.com. 172800 205.251.200.1", true},
		{amazon, "1.1.1.9.in-addr.arpa PTR", "REFERRAL; 9.in-addr.arpa. 172800 ns-15.awsdns-01.com.; 9.in-addr.arpa. 172800 ns-527.awsdns-01.net.; " +
			"9.in-addr.arpa. 172800 ns-1039.awsdns-01.org.; 9.in-addr.arpa. 172800 ns-1551.awsdns-01.co.uk.", false},
		{amazon, "9.113.0.203.in-addr.arpa PTR", "NXDOMAIN; in-addr.arpa. 60", true},
		{amazon, "example.com A", "rcode 5", false},
		{set(7), "www.example.com AAAA", "NODATA; example.com. 900", true},
		{set(7), "none.example.com A", "NXDOMAIN; example.com. 900", true},
		{set(519), "mail.example.com MX", "MX mail.example.com. 60 10 www.example.com.; REFERRAL; example.com. 172800 ns-0.awsdns-00.com.", true},
		{set(7), "web.ec2.example.com A", "REFERRAL; ec2.example.com. 300 ns-8.awsdns-01.com.; ec2.example.com. 300 ns-520.awsdns-01.net.; " +
			"ec2.example.com. 300 ns-1032.awsdns-01.org.; ec2.example.com. 300 ns-1544.awsdns-01.co.uk.", false},
		{set(8), "web.ec2.example.com A", "A web.ec2.example.com. 60 192.0.2.8; REFERRAL; ec2.example.com. 172800 ns-0.awsdns-00.com.", true},
		{set(8), "www.example.com A", "rcode 5", false},
		{set(12), "www.example.com A", "rcode 5", false},
		{set(1), "example.com SOA", "rcode 5", false},
	} {
		a := z.at(row.at, row.ask)
		if got := sorted(line(a)); got != sorted(row.want) || a.AA != row.aa || a.RA {
			t.Errorf("%s at %s (aa=%t ra=%t)\n got %s\nwant %s", row.ask, row.at, a.AA, a.RA, got, sorted(row.want))
		}
	}
	for _, no := range []string{"205.251.200.9", "198.41.0.5", "8.8.8.8", "205.251.202.1"} {
		if _, ok := ServerAt(z.store.Snapshot(), netip.MustParseAddr(no)); ok {
			t.Errorf("there is a name server at %s", no)
		}
	}
	// Glue from below the cut, addresses of what the records point to.
	for ask, want := range map[string]string{"x.glued.example.com A": "205.251.192.10", "mail.example.com MX": "192.0.2.1"} {
		found := false
		for _, r := range z.at(set(7), ask).Additional {
			found = found || r.Value() == want
		}
		if !found {
			t.Errorf("%s comes without the address %s", ask, want)
		}
	}
	if a := z.at(root, ". NS"); len(a.Answer) != 13 || len(a.Additional) != 13 {
		t.Errorf("the root has %d servers and %d addresses", len(a.Answer), len(a.Additional))
	}
}

func (z *zones) line7() string { return line(z.at(registryHosts[0].addr, "example.com A")) }

// sorted puts the parts of a line into an order: that of values is drawn.
func sorted(s string) string {
	parts := strings.Split(s, "; ")
	for i := range parts {
		for j := i + 1; j < len(parts); j++ {
			if parts[j] < parts[i] {
				parts[i], parts[j] = parts[j], parts[i]
			}
		}
	}
	return strings.Join(parts, "; ")
}

// TestIterate: a resolver finds what the delegations lead to, and nothing else.
func TestIterate(t *testing.T) {
	z := delegation(t)
	snap := z.store.Snapshot()
	for ask, want := range map[string]string{
		"web.ec2.example.com A":       "A web.ec2.example.com. 60 192.0.2.8",
		"lb.ec2.example.com A":        "A lb.ec2.example.com. 60 192.0.2.8",
		"www.vanity.example.com A":    "A www.vanity.example.com. 60 192.0.2.9",
		"www.glued.example.com A":     "A www.glued.example.com. 60 192.0.2.10",
		"www.far.example.org A":       "A www.far.example.org. 60 192.0.2.11",
		"deep.example.com A":          "CNAME deep.example.com. 60 www.far.example.org.; A www.far.example.org. 60 192.0.2.11",
		"inner.example.com A":         "CNAME inner.example.com. 60 web.ec2.example.com.; A web.ec2.example.com. 60 192.0.2.8",
		"deep.example.com CNAME":      "CNAME deep.example.com. 60 www.far.example.org.",
		"loop.example.com A":          "rcode 2",
		"www.hidden.example.com A":    "NXDOMAIN; example.com. 900",
		"x.lame.example.com A":        "rcode 2",
		"x.other.example.com A":       "rcode 2",
		"www.example.com AAAA":        "NODATA; example.com. 900",
		"none.example.com A":          "NXDOMAIN; example.com. 900",
		"none.ec2.example.com A":      "NXDOMAIN; ec2.example.com. 900",
		"example.net A":               "NXDOMAIN; net. 60",
		"example.test A":              "NXDOMAIN; . 60",
		"org NS":                      "NS org. 172800 a.gtld-servers.net.; NS org. 172800 b.gtld-servers.net.",
		"a.gtld-servers.net A":        "A a.gtld-servers.net. 172800 205.251.201.1",
		"ns-7.awsdns-00.com A":        "A ns-7.awsdns-00.com. 172800 205.251.192.7",
		"1.1.1.9.in-addr.arpa PTR":    "PTR 1.1.1.9.in-addr.arpa. 60 www.example.com.",
		"compute-1.amazonaws.com NS":  "NS compute-1.amazonaws.com. 900 ns1.amazonaws.com.; NS compute-1.amazonaws.com. 900 ns2.amazonaws.com.",
		"ec2.example.com DS":          "NODATA; example.com. 900",
		"example.com DS":              "NODATA; com. 60",
		"xec2-1-2-3-4.example.com NS": "NXDOMAIN; example.com. 900",
	} {
		a := Internet(snap).Answer(asked(t, ask))
		if got := line(a); got != want || a.AA || !a.RA || a.Additional != nil {
			t.Errorf("%s (aa=%t ra=%t)\n got %s\nwant %s", ask, a.AA, a.RA, got, want)
		}
	}
	because := func(ask string) (out []string) {
		for _, c := range Internet(snap).Answer(asked(t, ask)).Because {
			word := string(c.Decider)
			if c.Domain != "" {
				word += " " + c.Domain.String()
			}
			out = append(out, strings.TrimSpace(word+" "+c.ID))
		}
		return out
	}
	for ask, want := range map[string][]string{
		"web.ec2.example.com A": {"public .", "delegation com. a.gtld-servers.net.", "delegation example.com. ns-7.awsdns-00.com.", "delegation ec2.example.com.", "hosted-zone ec2.example.com. Z8", "record-set web.ec2.example.com. A"},
		"x.lame.example.com A":  {"public .", "delegation com. a.gtld-servers.net.", "delegation example.com. ns-7.awsdns-00.com.", "lame-server lame.example.com. ns-99.awsdns-12.com."},
		"x.other.example.com A": {"public .", "delegation com. a.gtld-servers.net.", "delegation example.com. ns-7.awsdns-00.com.", "other-server other.example.com. ns.other.example.com."},
	} {
		got := because(ask)
		for i := range got {
			if strings.HasPrefix(got[i], "delegation ec2") {
				got[i] = "delegation ec2.example.com." // which one of its four is drawn
			}
		}
		if strings.Join(got, ", ") != strings.Join(want, ", ") {
			t.Errorf("%s because\n%q, want\n%q", ask, got, want)
		}
	}
}

// TestOldestIsRegistered: of zones with the same name the first one has the name.
func TestOldestIsRegistered(t *testing.T) {
	z := newZones(t)
	z.zone("Z1", "a.test", nil, "www 60 A 192.0.2.1")
	z.zone("Z2", "a.test", nil, "www 60 A 192.0.2.2")
	for i, want := range []string{"192.0.2.1", "192.0.2.2"} {
		z.write(func(tx *state.Tx) {
			for _, id := range []string{"Z1", "Z2"} {
				row, _ := state.HostedZones.Get(tx, state.Key{Account: testAccount, ID: id})
				next := *row
				next.Created = time.Unix(100, 0)
				if id == "Z2" {
					next.Created = time.Unix(int64(200-150*i), 0)
				}
				state.HostedZones.Put(tx, &next)
			}
		})
		if got := line(Internet(z.store.Snapshot()).Answer(asked(t, "www.a.test A"))); got != "A www.a.test. 60 "+want {
			t.Errorf("www.a.test is %s, want %s", got, want)
		}
		for n, want := range map[int]string{1: "192.0.2.1", 2: "192.0.2.2"} { // both answer for themselves
			if a := z.at(NameServerAddrs(n)[0], "www.a.test A"); len(a.Answer) != 1 || a.Answer[0].Value() != want {
				t.Errorf("at %d: %s", n, line(a))
			}
		}
	}
}

// TestWhereTheAskerIs: routing goes by the Region of the asker's address, and in a
// VPC by its own.
func TestWhereTheAskerIs(t *testing.T) {
	z := delegation(t)
	w := newWorld("eu-west-1")
	z.write(func(tx *state.Tx) {
		state.Vpcs.Put(tx, w.vpc)
		for region, a := range map[string]string{"us-east-1": "198.51.100.1", "eu-west-1": "198.51.100.2"} {
			state.Addresses.Put(tx, &state.Address{Meta: state.Meta{Key: state.Key{Account: testAccount, Region: region, ID: "eipalloc-" + region}}, PublicIP: netip.MustParseAddr(a)})
		}
	})
	snap := z.store.Snapshot()
	q := asked(t, "near.example.com A")
	vpc, _ := At(snap, w.vpc.Key)
	if a := vpc.Answer(q); line(a) != "A near.example.com. 60 10.0.0.2" || !a.Located {
		t.Errorf("in eu-west-1: %s", line(a))
	}
	for client, want := range map[string]string{"198.51.100.1/32": "10.0.0.1", "198.51.100.2/32": "10.0.0.2", "": "10.0.0.1"} {
		if client != "" {
			q.Client = netip.MustParsePrefix(client)
		}
		if got := line(Internet(snap).Answer(q)); got != "A near.example.com. 60 "+want && client != "" {
			t.Errorf("from %s: %s, want %s", client, got, want)
		}
	}
	if a := Internet(snap).Answer(asked(t, "www.example.com A")); a.Located {
		t.Error("a simple record does not go by where the asker is")
	}
}
