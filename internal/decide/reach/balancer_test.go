package reach_test

import (
	"net/netip"
	"testing"

	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/reach"
	"github.com/localvpc/localvpc/internal/state"
)

// balanced is a VPC with a guarded balancer, a server in each of two zones, and a
// client in a third subnet and one outside.
func balanced(tx *state.Tx) {
	fabrictest.Vpc(tx, "vpc-1", "10.0.0.0/16")
	for i, s := range []string{"subnet-a", "subnet-b", "subnet-c"} {
		fabrictest.Subnet(tx, s, "vpc-1", uint32(i+1), []string{"10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"}[i])
		fabrictest.InZone(tx, s, []string{"eu-west-1a", "eu-west-1b", "eu-west-1a"}[i])
	}
	open := []state.NetworkAclEntry{fabrictest.Allow(100, false), fabrictest.Allow(100, true)}
	fabrictest.Acl(tx, "acl-1", "vpc-1", open, "subnet-a", "subnet-b", "subnet-c")
	fabrictest.Gateway(tx, "igw-1", "vpc-1")
	fabrictest.Routes(tx, "rtb-pub", "vpc-1", 2, [][2]string{{"0.0.0.0/0", "igw-1"}}, "subnet-a", "subnet-b")
	fabrictest.Host(tx, "far", "198.18.9.9")
	for _, g := range []string{"sg-lb", "sg-web"} {
		fabrictest.Group(tx, g, "vpc-1", g)
		fabrictest.Rule(tx, "sgr-"+g+"-out", g, true, "-1", -1, -1, "0.0.0.0/0")
	}
	fabrictest.Rule(tx, "sgr-lb-in", "sg-lb", false, "tcp", 80, 80, "0.0.0.0/0")
	fabrictest.Rule(tx, "sgr-web-in", "sg-web", false, "tcp", 8080, 8080, "sg-lb")
	for i, s := range []string{"a", "b", "c"} {
		fabrictest.Instance(tx, "i-"+s, "vpc-1", state.Running)
		fabrictest.Interface(tx, "eni-"+s, "vpc-1", "subnet-"+s, "i-"+s, 0, []string{"sg-web"}, []string{"10.0.1.4", "10.0.2.4", "10.0.3.4"}[i])
	}
	fabrictest.Balancer(tx, "net/lb", "vpc-1", []string{"sg-lb"}, "subnet-a 10.0.1.90 198.18.1.90", "subnet-b 10.0.2.90 198.18.2.90")
	fabrictest.Listener(tx, "net/lb/80", "net/lb", "TCP", 80, "tg-1", "instance")
	fabrictest.Target(tx, "tg-1", "net/lb", "i-a", 8080, true)
	fabrictest.Target(tx, "tg-1", "net/lb", "i-b", 8080, true)
}

// TestBalancer: what an explanation names when a packet does not get through a
// balancer, and who gets it when it does.
func TestBalancer(t *testing.T) {
	outside := reach.Endpoint{Host: "far"}
	inside := reach.Endpoint{Interface: "eni-c"}
	for _, c := range []struct {
		name      string
		from      reach.Endpoint
		to        string
		port      uint16
		change    func(tx *state.Tx)
		code      reach.Code // empty: it gets there and back
		component string     // of the first cause, or the last hop there
	}{
		{"from outside", outside, "198.18.1.90", 80, nil, "", "i-a"},
		{"from inside", inside, "10.0.2.90", 80, nil, "", "i-b"},
		{"no listener", outside, "198.18.1.90", 443, nil, reach.NoListener, "net/lb"},
		{"no target there", outside, "198.18.1.90", 80, func(tx *state.Tx) {
			fabrictest.Drain(tx, "tg-1", "i-a", 8080)
		}, reach.NoTargets, "net/lb"},
		{"across zones there is one", outside, "198.18.1.90", 80, func(tx *state.Tx) {
			fabrictest.Drain(tx, "tg-1", "i-a", 8080)
			fabrictest.Listener(tx, "net/lb/80", "net/lb", "TCP", 80, "tg-1", "instance", balance.AttrCrossZone, "true")
		}, "", "i-b"},
		{"one target of two is closed", outside, "198.18.1.90", 80, func(tx *state.Tx) {
			fabrictest.Listener(tx, "net/lb/80", "net/lb", "TCP", 80, "tg-1", "instance", balance.AttrCrossZone, "true")
			fabrictest.Interface(tx, "eni-b", "vpc-1", "subnet-b", "i-b", 0, []string{"sg-lb"}, "10.0.2.4")
		}, reach.EniGroupRules, "sg-lb"},
		{"the target group has gone", outside, "198.18.1.90", 80, func(tx *state.Tx) {
			state.TargetGroups.Delete(tx, fabrictest.Key("tg-1"))
		}, reach.NoTargetGroup, "net/lb"},
		{"the balancer's group", outside, "198.18.1.90", 80, func(tx *state.Tx) {
			fabrictest.Rule(tx, "sgr-lb-in", "sg-lb", false, "tcp", 80, 80, "10.0.0.0/8")
		}, reach.EniGroupRules, "sg-lb"},
		{"the target's group, by the client's address", outside, "198.18.1.90", 80, func(tx *state.Tx) {
			fabrictest.Rule(tx, "sgr-web-in", "sg-web", false, "tcp", 8080, 8080, "10.0.0.0/8")
		}, reach.EniGroupRules, "sg-web"},
		{"the target's group, by the node's address", outside, "198.18.1.90", 80, func(tx *state.Tx) {
			fabrictest.Rule(tx, "sgr-web-in", "sg-web", false, "tcp", 8080, 8080, "10.0.1.90/32")
			fabrictest.Listener(tx, "net/lb/80", "net/lb", "TCP", 80, "tg-1", "instance", balance.AttrPreserve, "false")
		}, "", "i-a"},
		{"the ACL of the balancer's subnet", inside, "10.0.1.90", 80, func(tx *state.Tx) {
			fabrictest.Acl(tx, "acl-2", "vpc-1", []state.NetworkAclEntry{fabrictest.Allow(100, true)}, "subnet-a")
			fabrictest.Acl(tx, "acl-1", "vpc-1", []state.NetworkAclEntry{fabrictest.Allow(100, false), fabrictest.Allow(100, true)}, "subnet-b", "subnet-c")
		}, reach.SubnetAcl, "acl-2"},
		{"to itself", reach.Endpoint{Interface: "eni-a"}, "10.0.1.90", 80, nil, reach.Hairpin, "net/lb"},
		{"to itself by the node's address", reach.Endpoint{Interface: "eni-a"}, "10.0.1.90", 80, func(tx *state.Tx) {
			fabrictest.Listener(tx, "net/lb/80", "net/lb", "TCP", 80, "tg-1", "instance", balance.AttrPreserve, "false")
		}, "", "i-a"},
		{"no way back to the world", outside, "198.18.1.90", 80, func(tx *state.Tx) {
			fabrictest.Routes(tx, "rtb-pub", "vpc-1", 2, nil, "subnet-a", "subnet-b")
		}, reach.NoRoute, "rtb-pub"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fabrictest.Open(t)
			defer s.Close()
			snap, _ := s.Change(t, func(tx *state.Tx) {
				balanced(tx)
				if c.change != nil {
					c.change(tx)
				}
			})
			got := reach.Walk(snap, reach.Query{Scope: fabrictest.Scope, Source: c.from, Protocol: fabric.TCP, Port: c.port,
				Destination: reach.Endpoint{Addr: netip.MustParseAddr(c.to), Outside: c.from == outside, Vpc: map[bool]string{false: "vpc-1"}[c.from == outside]}})
			if c.code == "" {
				if last := got.Forward[len(got.Forward)-1]; !got.Reachable || last.ID != c.component {
					t.Errorf("reachable %v, to %s, because %+v", got.Reachable, last.ID, got.Because)
				}
				return
			}
			if got.Reachable || len(got.Because) == 0 || got.Because[0].Code != c.code || got.Because[0].Component != c.component {
				t.Errorf("got %+v, want %s of %s", got.Because, c.code, c.component)
			}
		})
	}
}
