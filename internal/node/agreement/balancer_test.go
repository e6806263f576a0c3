//go:build linux

package agreement

import (
	"testing"

	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/state"
)

// service is scenario S4's VPC: in each of two zones a public subnet with a node of
// the balancer and a private one with a server, which leaves by a NAT gateway.
func service(tx *state.Tx) {
	fabrictest.Vpc(tx, "vpc-1", "10.0.0.0/16")
	for i, s := range [][2]string{{"subnet-pub-a", "10.0.1.0/24"}, {"subnet-pub-b", "10.0.2.0/24"}, {"subnet-priv-a", "10.0.3.0/24"}, {"subnet-priv-b", "10.0.4.0/24"}} {
		fabrictest.Subnet(tx, s[0], "vpc-1", uint32(i+1), s[1])
		fabrictest.InZone(tx, s[0], "eu-west-1"+s[0][len(s[0])-1:])
	}
	fabrictest.Acl(tx, "acl-1", "vpc-1", []state.NetworkAclEntry{fabrictest.Allow(100, false), fabrictest.Allow(100, true)}, "subnet-pub-a", "subnet-pub-b", "subnet-priv-a", "subnet-priv-b")
	fabrictest.Gateway(tx, "igw-1", "vpc-1")
	fabrictest.Group(tx, "sg-web", "vpc-1", "web")
	fabrictest.Group(tx, "sg-lb", "vpc-1", "lb")
	fabrictest.Rule(tx, "sgr-web-8080", "sg-web", false, "tcp", 8080, 8080, "0.0.0.0/0")
	fabrictest.Rule(tx, "sgr-web-out", "sg-web", true, "-1", -1, -1, "0.0.0.0/0")
	fabrictest.Rule(tx, "sgr-lb-80", "sg-lb", false, "tcp", 80, 80, "198.18.9.9/32")
	fabrictest.Rule(tx, "sgr-lb-out", "sg-lb", true, "tcp", 8080, 8080, "sg-web")
	for _, z := range []string{"a", "b"} {
		fabrictest.Instance(tx, "i-"+z, "vpc-1", state.Running)
	}
	fabrictest.Instance(tx, "i-in", "vpc-1", state.Running)
	fabrictest.Interface(tx, "eni-a", "vpc-1", "subnet-priv-a", "i-a", 0, []string{"sg-web"}, "10.0.3.4")
	fabrictest.Interface(tx, "eni-b", "vpc-1", "subnet-priv-b", "i-b", 0, []string{"sg-web"}, "10.0.4.4")
	fabrictest.Interface(tx, "eni-in", "vpc-1", "subnet-priv-a", "i-in", 0, []string{"sg-web"}, "10.0.3.9")
	fabrictest.Nat(tx, "nat-1", "vpc-1", "subnet-pub-a", "10.0.1.9")
	fabrictest.PublicAddr(tx, "eni-nat-1", "10.0.1.9", "198.18.1.9")
	fabrictest.Routes(tx, "rtb-pub", "vpc-1", 1, [][2]string{{"0.0.0.0/0", "igw-1"}}, "subnet-pub-a", "subnet-pub-b")
	fabrictest.Routes(tx, "rtb-priv", "vpc-1", 2, [][2]string{{"0.0.0.0/0", "nat-1"}}, "subnet-priv-a", "subnet-priv-b")
	fabrictest.Host(tx, "far", "198.18.9.9")
	fabrictest.Host(tx, "other", "198.18.9.10")
	nlb(tx, nil)
	fabrictest.Target(tx, "tg-1", "net/lb", "i-a", 8080, true)
	fabrictest.Target(tx, "tg-1", "net/lb", "i-b", 8080, true)
}

// nlb puts the balancer, with these groups and attributes of its target group.
func nlb(tx *state.Tx, groups []string, attributes ...string) {
	fabrictest.Balancer(tx, "net/lb", "vpc-1", groups, "subnet-pub-a 10.0.1.90 198.18.1.90", "subnet-pub-b 10.0.2.90 198.18.2.90")
	fabrictest.Listener(tx, "net/lb/80", "net/lb", "TCP", 80, "tg-1", "instance", attributes...)
}

func (w *town) sameAsRead(spaces ...plan.Netns) {
	w.Helper()
	for _, ns := range spaces {
		have, err := w.k.Read(ns)
		if err != nil {
			w.Fatal(err)
		}
		want := plan.Objects{}
		for _, o := range w.has {
			if o.NS() == ns && o.Kind() != plan.KindService {
				want.Put(o)
			}
		}
		if ops := plan.Diff(have, want); len(ops) > 0 {
			w.Errorf("%s reads back otherwise: %v", ns, ops)
		}
	}
}

// TestBalancer: connections get through to a server and back, from everywhere and
// with every way of being asked.
func TestBalancer(t *testing.T) {
	w := newTown(t, "i-a", "i-b", "i-in", "host-far", "host-other")
	w.become(service)
	w.sameAsRead("vpc-1", "nlb-net-lb", "inet")
	w.serve("i-a", "0.0.0.0:8080")
	w.serve("i-b", "0.0.0.0:8080")
	w.serve("host-far", "0.0.0.0:80")

	// The client's address is seen, from outside and from inside, through both nodes.
	for _, front := range []string{"198.18.1.90:80", "198.18.2.90:80"} {
		w.sees("host-far", front, "198.18.9.9")
		w.sees("host-other", front, "198.18.9.10")
	}
	for _, front := range []string{"10.0.1.90:80", "10.0.2.90:80"} {
		w.sees("i-in", front, "10.0.3.9")
	}
	w.sees("i-in", "198.18.2.90:80", "198.18.1.9") // out by the NAT gateway and in again
	w.sees("i-b", "10.0.1.90:80", "10.0.4.4")      // a target that asks another
	w.sees("i-a", "10.0.1.90:80", "")              // … and one that meets itself
	w.sees("i-a", "198.18.9.9:80", "198.18.1.9")   // by the NAT gateway as before
	// No listener there, and none of the server's ports by itself.
	w.sees("host-far", "198.18.1.90:8080", "")
	w.sees("i-in", "10.0.1.90:443", "")
	w.sees("host-far", "10.0.1.90:80", "")

	// The node's address in place of the client's: a target may meet itself.
	w.become(func(tx *state.Tx) { nlb(tx, nil, balance.AttrPreserve, "false") })
	w.sameAsRead("vpc-1")
	w.sees("host-far", "198.18.1.90:80", "10.0.1.90")
	w.sees("i-in", "10.0.2.90:80", "10.0.2.90")
	w.sees("i-a", "10.0.1.90:80", "10.0.1.90")

	// A guarded balancer: its groups see the client, the server's rule names them.
	w.become(func(tx *state.Tx) {
		nlb(tx, []string{"sg-lb"})
		fabrictest.Rule(tx, "sgr-web-8080", "sg-web", false, "tcp", 8080, 8080, "sg-lb")
	})
	w.sameAsRead("vpc-1")
	w.sees("host-far", "198.18.1.90:80", "198.18.9.9")
	w.sees("host-other", "198.18.1.90:80", "")
	w.sees("i-in", "10.0.3.4:8080", "") // only through the balancer
	w.become(func(tx *state.Tx) { fabrictest.Rule(tx, "sgr-lb-out", "sg-lb", true, "tcp", 81, 81, "0.0.0.0/0") })
	w.sees("host-far", "198.18.1.90:80", "")
	w.become(func(tx *state.Tx) { nlb(tx, nil, balance.AttrPreserve, "true") })
	w.sees("host-far", "198.18.1.90:80", "") // the rule means a group that no balancer has now
	w.become(func(tx *state.Tx) {
		fabrictest.Rule(tx, "sgr-web-8080", "sg-web", false, "tcp", 8080, 8080, "198.18.9.0/24")
	})
	w.sees("host-far", "198.18.1.90:80", "198.18.9.9")

	// ACLs in front of the node and behind it, and the client's port on the way back.
	entry := func(number int32, egress bool, from, to int32, cidr string) state.NetworkAclEntry {
		e := fabrictest.Allow(number, egress)
		e.Protocol, e.FromPort, e.ToPort, e.Cidr = "6", from, to, fabrictest.Cidr(cidr)
		return e
	}
	acl := func(entries ...state.NetworkAclEntry) {
		w.become(func(tx *state.Tx) {
			fabrictest.Acl(tx, "acl-1", "vpc-1", []state.NetworkAclEntry{fabrictest.Allow(100, false), fabrictest.Allow(100, true)}, "subnet-priv-a", "subnet-priv-b")
			fabrictest.Acl(tx, "acl-2", "vpc-1", entries, "subnet-pub-a", "subnet-pub-b")
		})
	}
	in, out := entry(10, false, 80, 80, "198.18.9.9/32"), entry(10, true, 8080, 8080, "10.0.0.0/16")
	answers, back := entry(20, false, 1024, 65535, "10.0.0.0/16"), entry(20, true, 1024, 65535, "198.18.9.9/32")
	acl(in, out, answers, back)
	w.sameAsRead("vpc-1")
	w.sees("host-far", "198.18.1.90:80", "198.18.9.9")
	w.sees("host-other", "198.18.1.90:80", "")
	for _, lacking := range [][]state.NetworkAclEntry{{out, answers, back}, {in, answers, back}, {in, out, back}, {in, out, answers}} {
		acl(lacking...)
		w.sees("host-far", "198.18.1.90:80", "")
	}
	w.become(func(tx *state.Tx) { state.LoadBalancers.Delete(tx, fabrictest.Scope.Key("net/lb")) })
	w.sameAsRead("vpc-1")
	w.sees("host-far", "198.18.1.90:80", "")
}
