package reach_test

import (
	"cmp"
	"net/netip"
	"testing"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/reach"
	"github.com/localvpc/localvpc/internal/state"
)

// opened is the small VPC with an internet gateway, and public addresses for app2
// and db1.
func opened(tx *state.Tx) {
	fabrictest.Gateway(tx, "igw-1", "vpc-1")
	fabrictest.Routes(tx, "rtb-1", "vpc-1", 1, [][2]string{{"0.0.0.0/0", "igw-1"}}, "main")
	fabrictest.PublicAddr(tx, "eni-app2", "172.30.1.4", "198.18.1.4")
	fabrictest.PublicAddr(tx, "eni-db1", "172.30.1.224", "198.18.1.224")
	fabrictest.Host(tx, "far", "198.18.9.9")
}

// TestTheGatewayShowsWhatItDid: each hop of a gateway has the header before and
// after it, and a group that would take the private address says which that was
// (scenario S1).
func TestTheGatewayShowsWhatItDid(t *testing.T) {
	s := fabrictest.Small(t)
	snap, _ := s.Change(t, opened)
	q := query("i-app2", "", tcp, 5432)
	q.Destination = reach.Endpoint{Addr: netip.MustParseAddr("198.18.1.224"), Outside: true}
	r := reach.Walk(snap, q)
	var got [][2]string
	for _, h := range r.Forward {
		if h.Kind == reach.KindGateway {
			got = append(got, [2]string{h.Header.Src.String() + " " + h.Header.Dst.String(), h.After.Src.String() + " " + h.After.Dst.String()})
		} else if h.After != (fabric.Header{}) {
			t.Errorf("%s translates", h.ID)
		}
	}
	want := [][2]string{{"172.30.1.4 198.18.1.224", "198.18.1.4 198.18.1.224"}, {"198.18.1.4 198.18.1.224", "198.18.1.4 172.30.1.224"}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("the gateway made %v, want %v", got, want)
	}
	if len(r.Because) != 1 || r.Because[0].Code != reach.EniGroupRules || r.Because[0].Was != netip.MustParseAddr("172.30.1.4") {
		t.Errorf("because %+v", r.Because)
	}
	// Who comes from outside has no private address to come with, and a port that no
	// rule allows is none either way.
	q.Source = reach.Endpoint{Host: "far"}
	if r := reach.Walk(snap, q); len(r.Because) != 1 || r.Because[0].Was.IsValid() {
		t.Errorf("from outside: %+v", r.Because)
	}
	q.Source, q.Port = reach.Endpoint{Instance: "i-app2"}, 22
	if r := reach.Walk(snap, q); len(r.Because) != 1 || r.Because[0].Was.IsValid() {
		t.Errorf("to another port: %+v", r.Because)
	}
}

// TestTheEdgeRefuses: what the edge refuses, by code.
func TestTheEdgeRefuses(t *testing.T) {
	far := reach.Endpoint{Host: "far"}
	nat := func(tx *state.Tx) {
		fabrictest.Nat(tx, "nat-1", "vpc-1", "subnet-2", "172.30.1.99")
		fabrictest.PublicAddr(tx, "eni-nat-1", "172.30.1.99", "198.18.1.99")
		fabrictest.Routes(tx, "rtb-2", "vpc-1", 2, [][2]string{{"0.0.0.0/0", "nat-1"}}, "subnet-1")
	}
	for name, test := range map[string]struct {
		change   func(*state.Tx)
		from     reach.Endpoint
		to       reach.Endpoint
		want     reach.Code
		protocol uint8 // 0: TCP
	}{
		"no public address":       {nil, reach.Endpoint{Instance: "i-app1"}, far, reach.IgwPublicEgress, 0},
		"nobody has the address":  {nil, reach.Endpoint{Instance: "i-app2"}, reach.Endpoint{Addr: netip.MustParseAddr("198.18.7.7"), Outside: true}, reach.NoPossible, 0},
		"another's address":       {nil, reach.Endpoint{Host: "far", Addr: netip.MustParseAddr("198.18.9.10")}, reach.Endpoint{Instance: "i-db1"}, reach.GatewaySpoof, 0},
		"an address of the VPC's": {nil, reach.Endpoint{Host: "far", Addr: netip.MustParseAddr("172.30.0.4")}, reach.Endpoint{Instance: "i-db1"}, reach.GatewaySpoof, 0},
		"no route": {func(tx *state.Tx) { fabrictest.Routes(tx, "rtb-1", "vpc-1", 1, nil, "main") },
			reach.Endpoint{Instance: "i-app2"}, far, reach.NoRoute, 0},
		"an interface with its check on": {func(tx *state.Tx) {
			fabrictest.Routes(tx, "rtb-1", "vpc-1", 1, [][2]string{{"0.0.0.0/0", "eni-app1"}}, "main")
		}, reach.Endpoint{Instance: "i-app2"}, far, reach.EniSourceDest, 0},
		"two routers that send it to each other": {func(tx *state.Tx) {
			fabrictest.Routes(tx, "rtb-1", "vpc-1", 1, [][2]string{{"0.0.0.0/0", "eni-app1"}}, "main")
			fabrictest.Routes(tx, "rtb-2", "vpc-1", 2, [][2]string{{"0.0.0.0/0", "eni-app2"}}, "subnet-1")
			fabrictest.Unchecked(tx, "eni-app1")
			fabrictest.Unchecked(tx, "eni-app2")
		}, reach.Endpoint{Instance: "i-app2"}, far, reach.NoPath, 0},
		"a NAT gateway, by what begins outside": {nat, reach.Endpoint{Host: "far"}, reach.Endpoint{Addr: netip.MustParseAddr("198.18.1.99"), Outside: true}, reach.NoPossible, 0},
		"a NAT gateway, SCTP":                   {nat, reach.Endpoint{Instance: "i-app1", Addr: netip.MustParseAddr("172.30.0.4")}, far, reach.ProtocolRestriction, 132},
		"the gateway is gone": {func(tx *state.Tx) { state.InternetGateways.Delete(tx, fabrictest.Scope.Key("igw-1")) },
			reach.Endpoint{Instance: "i-app2"}, far, reach.BadStateRoute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := fabrictest.Small(t)
			snap, _ := s.Change(t, func(tx *state.Tx) {
				opened(tx)
				if test.change != nil {
					test.change(tx)
				}
			})
			r := reach.Walk(snap, reach.Query{Scope: fabrictest.Scope, Source: test.from, Destination: test.to, Protocol: cmp.Or(test.protocol, tcp), Port: 80})
			for _, c := range r.Because {
				if c.Code == test.want {
					return
				}
			}
			t.Errorf("want %s among %+v", test.want, r.Because)
		})
	}
}
