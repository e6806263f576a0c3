package reach_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/reach"
	"github.com/localvpc/localvpc/internal/state"
)

// TestPeering: the way to an instance of another account's VPC and back, and what is
// said when something is missing (scenario S7).
func TestPeering(t *testing.T) {
	const there = "i-app1 > eni-app1 > sg-app sgr-app-out > acl-1 acl-1/100 > rtb-1 rtb-1/10.9.0.0/16 > " +
		"pcx-1 > vpc-x > acl-x acl-x/100 > sg-x sgr-x-in > eni-x > i-x"
	const back = "i-x > eni-x > sg-x stateful > acl-x acl-x/100 > rtb-x rtb-x/172.30.0.0/16 > " +
		"pcx-1 > vpc-1 > acl-1 acl-1/100 > sg-app stateful > eni-app1 > i-app1"
	far := reach.Endpoint{Scope: fabrictest.FarScope, Instance: "i-x"}
	third := func(tx *state.Tx) { // another VPC, with vpc-1's block, peered with vpc-x
		fabrictest.Vpc(tx, "vpc-3", "172.30.0.0/16")
		fabrictest.Subnet(tx, "subnet-3", "vpc-3", 1, "172.30.0.0/24")
		fabrictest.Acl(tx, "acl-3", "vpc-3", []state.NetworkAclEntry{fabrictest.Allow(100, false), fabrictest.Allow(100, true)}, "subnet-3")
		fabrictest.Group(tx, "sg-3", "vpc-3", "third")
		fabrictest.Rule(tx, "sgr-3-out", "sg-3", true, "-1", -1, -1, "0.0.0.0/0")
		fabrictest.Instance(tx, "i-3", "vpc-3", state.Running)
		fabrictest.Interface(tx, "eni-3", "vpc-3", "subnet-3", "i-3", 0, []string{"sg-3"}, "172.30.0.4")
		fabrictest.Peering(tx, "pcx-3", "vpc-3", "vpc-x", "active")
		fabrictest.Routes(tx, "rtb-3", "vpc-3", 1, [][2]string{{"10.9.0.0/16", "pcx-3"}}, "main")
	}
	for _, test := range []struct {
		name    string
		change  func(tx *state.Tx)
		from    reach.Endpoint // i-app1 without
		to      reach.Endpoint // i-x without
		want    string         // both ways; without: codes in the order of the hops
		because string
	}{
		{name: "all is there", want: there + "\n" + back},
		{name: "no route there", change: func(tx *state.Tx) { fabrictest.Routes(tx, "rtb-1", "vpc-1", 1, nil, "main") },
			because: "NO_ROUTE_TO_DESTINATION rtb-1 pcx-1"},
		{name: "no route back", change: func(tx *state.Tx) { fabrictest.Routes(tx, "rtb-x", "vpc-x", 1, nil, "main") },
			because: "NO_ROUTE_TO_DESTINATION rtb-x pcx-1 back"},
		{name: "a route elsewhere", change: func(tx *state.Tx) {
			fabrictest.Gateway(tx, "igw-1", "vpc-1")
			fabrictest.Routes(tx, "rtb-1", "vpc-1", 1, [][2]string{{"0.0.0.0/0", "igw-1"}}, "main")
		}, because: "NO_ROUTE_TO_DESTINATION rtb-1 pcx-1 rtb-1/0.0.0.0/0"},
		{name: "the route back leads out by the gateway", change: func(tx *state.Tx) {
			fabrictest.Gateway(tx, "igw-x", "vpc-x")
			fabrictest.PublicAddr(tx, "eni-x", "10.9.0.4", "198.18.1.9")
			fabrictest.Routes(tx, "rtb-x", "vpc-x", 1, [][2]string{{"0.0.0.0/0", "igw-x"}}, "main")
		}, because: "NO_ROUTE_TO_DESTINATION rtb-x pcx-1 rtb-x/0.0.0.0/0 back"},
		{name: "no rule", change: func(tx *state.Tx) { state.SecurityGroupRules.Delete(tx, fabrictest.Key("sgr-x-in")) },
			because: "SG_HAS_NO_RULES sg-x"},
		{name: "not accepted", change: func(tx *state.Tx) { fabrictest.Peering(tx, "pcx-1", "vpc-1", "vpc-x", state.PeeringPending) },
			because: "BAD_STATE_ROUTE rtb-1 pending-acceptance pcx-1 rtb-1/10.9.0.0/16"},
		{name: "deleted", change: func(tx *state.Tx) { fabrictest.Peering(tx, "pcx-1", "vpc-1", "vpc-x", state.PeeringDeleted) },
			because: "BAD_STATE_ROUTE rtb-1 deleted pcx-1 rtb-1/10.9.0.0/16"},
		{name: "not accepted, and no route", change: func(tx *state.Tx) {
			fabrictest.Peering(tx, "pcx-1", "vpc-1", "vpc-x", state.PeeringPending)
			fabrictest.Routes(tx, "rtb-1", "vpc-1", 1, nil, "main")
		}, because: "BAD_STATE pcx-1 pending-acceptance"},
		{name: "nothing joins them", change: func(tx *state.Tx) {
			state.VpcPeerings.Delete(tx, fabrictest.Key("pcx-1"))
			fabrictest.Routes(tx, "rtb-1", "vpc-1", 1, nil, "main")
		}, because: "DISCONNECTED_VPCS vpc-1"},
		{name: "not transitive", change: func(tx *state.Tx) {
			fabrictest.Vpc(tx, "vpc-4", "10.4.0.0/16")
			fabrictest.Subnet(tx, "subnet-4", "vpc-4", 1, "10.4.0.0/24")
			fabrictest.Instance(tx, "i-4", "vpc-4", state.Running)
			fabrictest.Interface(tx, "eni-4", "vpc-4", "subnet-4", "i-4", 0, nil, "10.4.0.4")
			fabrictest.Peering(tx, "pcx-4", "vpc-4", "vpc-x", "active")
			fabrictest.Routes(tx, "rtb-1", "vpc-1", 1, [][2]string{{"10.4.0.0/16", "pcx-1"}}, "main")
			fabrictest.Routes(tx, "rtb-x", "vpc-x", 1, [][2]string{{"10.4.0.0/16", "pcx-4"}}, "main")
		}, to: reach.Endpoint{Instance: "i-4"}, because: "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR vpc-x pcx-1"},
		{name: "not out by the neighbour's gateway", change: func(tx *state.Tx) {
			fabrictest.Gateway(tx, "igw-x", "vpc-x")
			fabrictest.Host(tx, "far", "198.18.9.9")
			fabrictest.Routes(tx, "rtb-1", "vpc-1", 1, [][2]string{{"0.0.0.0/0", "pcx-1"}}, "main")
			fabrictest.Routes(tx, "rtb-x", "vpc-x", 1, [][2]string{{"0.0.0.0/0", "igw-x"}}, "main")
		}, to: reach.Endpoint{Host: "far"}, because: "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR vpc-x pcx-1"},
		{name: "an address that the VPC does not have", change: func(tx *state.Tx) { fabrictest.Unchecked(tx, "eni-app1") },
			from: reach.Endpoint{Interface: "eni-app1", Addr: addr("203.0.113.9")}, because: "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR vpc-1 pcx-1"},
		{name: "a neighbour with the same addresses gets the answer", change: func(tx *state.Tx) {
			third(tx)
			fabrictest.Routes(tx, "rtb-x", "vpc-x", 1, [][2]string{{"172.30.0.0/16", "pcx-3"}}, "main")
		}, because: "CANNOT_ROUTE vpc-3 back"},
		{name: "the route to a neighbour with the same addresses", change: func(tx *state.Tx) {
			third(tx)
			fabrictest.Routes(tx, "rtb-x", "vpc-x", 1, [][2]string{{"172.30.0.0/16", "pcx-3"}}, "main")
		}, from: far, to: reach.Endpoint{Scope: fabrictest.Scope, Instance: "i-app1"}, because: "MORE_SPECIFIC_ROUTE rtb-x pcx-1 rtb-x/172.30.0.0/16"},
		{name: "the neighbour's resolver", to: reach.Endpoint{Addr: addr("10.9.0.2")}, because: "NO_POSSIBLE_DESTINATION vpc-x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := fabrictest.Small(t)
			snap, _ := s.Change(t, func(tx *state.Tx) {
				fabrictest.Neighbour(tx)
				if test.change != nil {
					test.change(tx)
				}
			})
			q := reach.Query{Scope: fabrictest.Scope, Source: test.from, Destination: test.to, Protocol: tcp, Port: 80}
			if q.Source == (reach.Endpoint{}) {
				q.Source.Instance = "i-app1"
			}
			if q.Destination == (reach.Endpoint{}) {
				q.Destination = far
			}
			r := reach.Walk(snap, q)
			if test.want != "" && text(r) != test.want {
				t.Errorf("got\n%s\nwant\n%s", text(r), test.want)
			}
			because := ""
			if len(r.Because) > 0 {
				c := r.Because[0]
				words := []string{string(c.Code), c.Component, c.State, c.Peering, c.Rule}
				if c.Return {
					words = append(words, "back")
				}
				because = strings.Join(strings.Fields(strings.Join(words, " ")), " ")
			}
			if because != test.because || r.Reachable != (because == "") {
				t.Errorf("because %q, want %q\n%s", because, test.because, text(r))
			}
		})
	}
}

var addr = netip.MustParseAddr
