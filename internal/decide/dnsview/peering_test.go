package dnsview

import (
	"context"
	"crypto/rand"
	"net/netip"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// pair is a VPC in us-east-1, vpc-1, and one in another account and Region, vpc-2,
// peered, with DNS resolution on for both sides, as the tests change them.
type pair struct {
	own, other *state.Vpc
	peering    *state.VpcPeering
	nic        *state.NetworkInterface // of the other
}

func newPair(region string) *pair {
	w := newWorld("us-east-1")
	scope := state.Scope{Account: "111111111111", Region: region}
	meta := func(id string) state.Meta { return state.Meta{Key: scope.Key(id)} }
	p := &pair{own: w.vpc, other: &state.Vpc{Meta: meta("vpc-2"), EnableDnsSupport: true, EnableDnsHostnames: true, Cidrs: []state.CidrAssociation{
		{Cidr: netip.MustParsePrefix("172.30.0.0/16")}, {Cidr: netip.MustParsePrefix("100.65.0.0/16")}}}}
	p.peering = &state.VpcPeering{Meta: meta("pcx-1"), Status: state.PeeringActive,
		Requester: state.PeeringSide{Vpc: p.other.Key, DNS: true}, Accepter: state.PeeringSide{Vpc: p.own.Key, DNS: true}}
	p.nic = &state.NetworkInterface{Meta: meta("eni-2"), VpcID: "vpc-2", Addresses: []state.PrivateAddress{
		{Addr: netip.MustParseAddr("172.30.0.224"), Primary: true, PublicIP: netip.MustParseAddr("198.18.0.9")}}}
	return p
}

func (p *pair) ask(t *testing.T, vpc state.Key, rows []row) {
	t.Helper()
	s, err := state.Open(state.Config{Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Write(context.Background(), func(tx *state.Tx) error {
		state.Vpcs.Put(tx, p.own)
		state.Vpcs.Put(tx, p.other)
		state.VpcPeerings.Put(tx, p.peering)
		state.NetworkInterfaces.Put(tx, p.nic)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	v, ok := At(s.Snapshot(), vpc)
	if !ok {
		t.Fatal("the VPC has no resolver")
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			a := v.Answer(question(t, r.question))
			got := text(a)
			for _, c := range a.Because {
				if c.Decider == PeeringOn || c.Decider == PeeringOff {
					got += " " + string(c.Decider) + " " + c.ID
				}
			}
			if got != r.want {
				t.Errorf("%s\n got %s\nwant %s", r.question, got, r.want)
			}
		})
	}
}

func TestNamesOfAPeer(t *testing.T) {
	p := newPair("eu-west-1")
	p.ask(t, p.own.Key, []row{
		{"public name", "ec2-198-18-0-9.eu-west-1.compute.amazonaws.com A", "A 172.30.0.224 60 peering pcx-1"},
		{"IP name of the other Region", "ip-172-30-0-224.eu-west-1.compute.internal A", "A 172.30.0.224 60 peering pcx-1"},
		{"IP name, no such type", "ip-172-30-0-224.eu-west-1.compute.internal AAAA", "NODATA soa eu-west-1.compute.internal. 60 peering pcx-1"},
		{"its block outside RFC 1918", "ip-100-65-0-9.eu-west-1.compute.internal A", "A 100.65.0.9 60 peering pcx-1"},
		{"our block outside RFC 1918 there", "ip-100-64-9-1.eu-west-1.compute.internal A", "NXDOMAIN soa eu-west-1.compute.internal. 60 peering pcx-1"},
		{"a third Region", "ip-172-30-0-224.eu-west-2.compute.internal A", "NXDOMAIN soa . 60"},
		{"reverse", "224.0.30.172.in-addr.arpa PTR", "PTR ip-172-30-0-224.eu-west-1.compute.internal. 60 peering pcx-1"},
		{"reverse of a block outside RFC 1918", "9.0.65.100.in-addr.arpa PTR", "PTR ip-100-65-0-9.eu-west-1.compute.internal. 60 peering pcx-1"},
		{"our own", "5.0.0.10.in-addr.arpa PTR", "PTR ip-10-0-0-5.ec2.internal. 60"},
	})
	p.ask(t, p.other.Key, []row{
		{"the other way round", "ip-10-0-0-5.ec2.internal A", "A 10.0.0.5 60 peering pcx-1"},
		{"its own public name", "ec2-198-18-0-9.eu-west-1.compute.amazonaws.com A", "A 172.30.0.224 60"},
	})
	same := newPair("us-east-1")
	same.ask(t, same.own.Key, []row{
		{"in one Region", "ec2-198-18-0-9.compute-1.amazonaws.com A", "A 172.30.0.224 60 peering pcx-1"},
	})
}

func TestNamesOfAPeerThatAreNotKnown(t *testing.T) {
	const ip, public, reverse = "ip-172-30-0-224.eu-west-1.compute.internal A", "ec2-198-18-0-9.eu-west-1.compute.amazonaws.com A", "224.0.30.172.in-addr.arpa PTR"
	for _, test := range []struct {
		name string
		edit func(*pair)
		off  string
	}{
		{"its side is off", func(p *pair) { p.peering.Requester.DNS = false }, " peering-dns pcx-1"},
		{"not accepted", func(p *pair) { p.peering.Status = state.PeeringPending }, ""},
		{"deleted", func(p *pair) { p.peering.Status = state.PeeringDeleted }, ""},
		{"its hostnames are off", func(p *pair) { p.other.EnableDnsHostnames = false }, ""},
		{"its support is off", func(p *pair) { p.other.EnableDnsSupport = false }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPair("eu-west-1")
			test.edit(p)
			p.ask(t, p.own.Key, []row{
				{"IP name", ip, "NXDOMAIN soa . 60" + test.off},
				{"public name", public, "A 198.18.0.9 60" + test.off},
				{"reverse", reverse, "NXDOMAIN soa 30.172.in-addr.arpa. 60"},
			})
		})
	}
	t.Run("our side is off", func(t *testing.T) { // says nothing about the other's names
		p := newPair("eu-west-1")
		p.peering.Accepter.DNS = false
		p.ask(t, p.own.Key, []row{{"IP name", ip, "A 172.30.0.224 60 peering pcx-1"}})
		p.ask(t, p.other.Key, []row{{"ours there", "ip-10-0-0-5.ec2.internal A", "NXDOMAIN soa . 60 peering-dns pcx-1"}})
	})
}

func TestRoundTrip(t *testing.T) {
	for _, test := range []struct {
		a, b   string
		lo, hi time.Duration
	}{
		{"us-east-1", "eu-west-1", 60 * time.Millisecond, 90 * time.Millisecond},
		{"us-east-1", "ap-southeast-2", 180 * time.Millisecond, 240 * time.Millisecond},
		{"eu-west-1", "eu-west-2", time.Millisecond, 12 * time.Millisecond},
		{"eu-west-1", "eu-west-1", 0, 0},
		{"eu-west-1", "nowhere-1", 0, 0},
	} {
		if d := RoundTrip(test.a, test.b); d < test.lo || d > test.hi || d != RoundTrip(test.b, test.a) {
			t.Errorf("%s and %s: %s", test.a, test.b, d)
		}
	}
}
