package dnsview

import (
	"context"
	"crypto/rand"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// edge is a store with two VPCs in us-east-1 and one in eu-west-1: web and db in
// the first have a public address and an Elastic IP, far and away are elsewhere;
// one Elastic IP leads nowhere.
func edge(t *testing.T, change ...func(*state.Tx)) *state.Snapshot {
	t.Helper()
	s, err := state.Open(state.Config{Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	us, eu := state.Scope{Account: "000000000000", Region: "us-east-1"}, state.Scope{Account: "000000000000", Region: "eu-west-1"}
	if _, err := s.Write(context.Background(), func(tx *state.Tx) error {
		for id, scope := range map[string]state.Scope{"vpc-1": us, "vpc-2": us, "vpc-3": eu} {
			state.Vpcs.Put(tx, &state.Vpc{Meta: state.Meta{Key: scope.Key(id)}, EnableDnsSupport: true, EnableDnsHostnames: true,
				Cidrs: []state.CidrAssociation{{Cidr: netip.MustParsePrefix("10.0.0.0/16")}}})
		}
		for id, at := range map[string]struct {
			scope                state.Scope
			vpc, private, public string
			elastic              bool
		}{
			"eni-web": {us, "vpc-1", "10.0.0.5", "198.51.100.5", false}, "eni-db": {us, "vpc-1", "10.0.0.6", "198.51.100.6", true},
			"eni-far": {us, "vpc-2", "10.0.0.7", "198.51.100.7", false}, "eni-away": {eu, "vpc-3", "10.0.0.8", "198.51.100.8", true},
		} {
			p := state.PrivateAddress{Addr: netip.MustParseAddr(at.private), Primary: true, PublicIP: netip.MustParseAddr(at.public)}
			if at.elastic {
				p.AllocationID = "eipalloc-" + id
				state.Addresses.Put(tx, &state.Address{Meta: state.Meta{Key: at.scope.Key(p.AllocationID)}, PublicIP: p.PublicIP, InterfaceID: id})
			}
			state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: state.Meta{Key: at.scope.Key(id)}, VpcID: at.vpc, Addresses: []state.PrivateAddress{p}})
		}
		state.Addresses.Put(tx, &state.Address{Meta: state.Meta{Key: us.Key("eipalloc-free")}, PublicIP: netip.MustParseAddr("198.51.100.9")})
		for _, fn := range change {
			fn(tx)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return s.Snapshot()
}

func asks(t *testing.T, v *View, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			if got := text(v.Answer(question(t, r.question))); got != r.want {
				t.Errorf("%s\n got %s\nwant %s", r.question, got, r.want)
			}
		})
	}
}

func in(t *testing.T, r state.Reader, region, vpc string) *View {
	t.Helper()
	v, ok := At(r, state.Key{Account: "000000000000", Region: region, ID: vpc})
	if !ok {
		t.Fatalf("%s has no resolver", vpc)
	}
	return v
}

// TestPublicNames: one name, two answers (scenario S1).
func TestPublicNames(t *testing.T) {
	snap := edge(t)
	asks(t, in(t, snap, "us-east-1", "vpc-1"), []row{
		{"own, assigned", "ec2-198-51-100-5.compute-1.amazonaws.com A", "A 10.0.0.5 60"},
		{"own, elastic", "EC2-198-51-100-6.compute-1.amazonaws.com A", "A 10.0.0.6 60"},
		{"own, without recursion", "ec2-198-51-100-6.compute-1.amazonaws.com A norecurse", "A 10.0.0.6 60"},
		{"of another VPC", "ec2-198-51-100-7.compute-1.amazonaws.com A", "A 198.51.100.7 60"},
		{"of another Region", "ec2-198-51-100-8.eu-west-1.compute.amazonaws.com A", "A 198.51.100.8 60"},
		{"that leads nowhere", "ec2-198-51-100-9.compute-1.amazonaws.com A", "A 198.51.100.9 60"},
		{"nobody's", "ec2-198-51-100-10.compute-1.amazonaws.com A", "NXDOMAIN soa compute-1.amazonaws.com. 60"},
		{"in the wrong Region", "ec2-198-51-100-5.eu-west-1.compute.amazonaws.com A", "NXDOMAIN soa eu-west-1.compute.amazonaws.com. 60"},
		{"other type", "ec2-198-51-100-5.compute-1.amazonaws.com AAAA", "NODATA soa compute-1.amazonaws.com. 60"},
		{"no address", "ec2-198-51-100.compute-1.amazonaws.com A", "NXDOMAIN soa compute-1.amazonaws.com. 60"},
		{"below a name", "x.ec2-198-51-100-5.compute-1.amazonaws.com A", "NXDOMAIN soa compute-1.amazonaws.com. 60"},
		{"the zone", "compute-1.amazonaws.com A", "NODATA soa compute-1.amazonaws.com. 60"},
		{"above the zone", "amazonaws.com A", "NODATA soa amazonaws.com. 60"},
		{"reverse, own", "5.100.51.198.in-addr.arpa PTR", "PTR ec2-198-51-100-5.compute-1.amazonaws.com. 60"},
		{"reverse, of another Region", "8.100.51.198.in-addr.arpa PTR", "PTR ec2-198-51-100-8.eu-west-1.compute.amazonaws.com. 60"},
		{"reverse, nobody's", "10.100.51.198.in-addr.arpa PTR", "NXDOMAIN soa in-addr.arpa. 60"},
		{"reverse, of a block", "51.198.in-addr.arpa PTR", "NODATA soa in-addr.arpa. 60"},
		{"reverse, of another block", "8.in-addr.arpa PTR", "NXDOMAIN soa in-addr.arpa. 60"},
	})
	asks(t, in(t, snap, "us-east-1", "vpc-2"), []row{
		{"of the first VPC", "ec2-198-51-100-5.compute-1.amazonaws.com A", "A 198.51.100.5 60"},
		{"its own", "ec2-198-51-100-7.compute-1.amazonaws.com A", "A 10.0.0.7 60"},
	})
	asks(t, in(t, snap, "eu-west-1", "vpc-3"), []row{
		{"its own", "ec2-198-51-100-8.eu-west-1.compute.amazonaws.com A", "A 10.0.0.8 60"},
	})
	asks(t, Internet(snap), []row{
		{"assigned", "ec2-198-51-100-5.compute-1.amazonaws.com A", "A 198.51.100.5 604800"},
		{"elastic", "ec2-198-51-100-8.eu-west-1.compute.amazonaws.com A", "A 198.51.100.8 604800"},
		{"reverse", "6.100.51.198.in-addr.arpa PTR", "PTR ec2-198-51-100-6.compute-1.amazonaws.com. 604800"},
		{"a private name", "ip-10-0-0-5.ec2.internal A", "NXDOMAIN soa . 60"},
		{"a private reverse name", "5.0.0.10.in-addr.arpa PTR", "NXDOMAIN soa in-addr.arpa. 60"},
		{"the root", ". SOA", "SOA . 60"},
	})
}

// TestPublicNamesWithoutHostnames: a VPC with DNS hostnames off sees what the
// internet sees.
func TestPublicNamesWithoutHostnames(t *testing.T) {
	snap := edge(t, func(tx *state.Tx) {
		for v := range state.Vpcs.By(tx, state.ByVpc, "vpc-1") {
			off := *v
			off.EnableDnsHostnames = false
			state.Vpcs.Put(tx, &off)
			break
		}
	})
	asks(t, in(t, snap, "us-east-1", "vpc-1"), []row{
		{"own", "ec2-198-51-100-5.compute-1.amazonaws.com A", "A 198.51.100.5 60"},
		{"reverse", "5.100.51.198.in-addr.arpa PTR", "PTR ec2-198-51-100-5.compute-1.amazonaws.com. 60"},
	})
}

func TestPtrRecord(t *testing.T) {
	snap := edge(t, func(tx *state.Tx) {
		e, _ := state.Addresses.Get(tx, state.Key{Account: "000000000000", Region: "us-east-1", ID: "eipalloc-eni-db"})
		named := *e
		named.PtrRecord = "mail.example.com."
		state.Addresses.Put(tx, &named)
	})
	asks(t, Internet(snap), []row{{"reverse", "6.100.51.198.in-addr.arpa PTR", "PTR mail.example.com. 604800"},
		{"forward", "ec2-198-51-100-6.compute-1.amazonaws.com A", "A 198.51.100.6 604800"}})
	a := Internet(snap).Answer(question(t, "6.100.51.198.in-addr.arpa PTR"))
	want := []Cause{
		{Decider: PublicTree, Domain: Root}, {Decider: Delegation, Domain: arpa, ID: "a.gtld-servers.net.", Addr: registryHosts[0].addr},
		{Decider: Delegation, Domain: inAddrArpa, ID: "ns1.amazonaws.com.", Addr: amazonHosts[0].addr}, {Decider: PublicTree, Domain: inAddrArpa},
		{Decider: PtrRecord, ID: "eipalloc-eni-db", Addr: netip.MustParseAddr("198.51.100.6")},
	}
	if !slices.Equal(a.Because, want) {
		t.Errorf("because %v, want %v", a.Because, want)
	}
}

func TestPublicBecause(t *testing.T) {
	snap := edge(t)
	apex := mustName("compute-1.amazonaws.com")
	for decider, v := range map[Decider]*View{Autodefined: in(t, snap, "us-east-1", "vpc-1"), PublicTree: Internet(snap)} {
		addr := "10.0.0.5"
		if decider == PublicTree {
			addr = "198.51.100.5"
		}
		want := []Cause{{Decider: decider, Domain: apex}, {Decider: PublicIPName, ID: "eni-web", Addr: netip.MustParseAddr(addr)}}
		a := v.Answer(question(t, "ec2-198-51-100-5.compute-1.amazonaws.com A"))
		if a.Because = a.Because[len(a.Because)-2:]; !slices.Equal(a.Because, want) { // before: the delegations
			t.Errorf("because %v, want %v", a.Because, want)
		}
	}
}
