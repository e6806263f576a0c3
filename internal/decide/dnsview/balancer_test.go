package dnsview

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/localvpc/localvpc/internal/decide/fault"
	"github.com/localvpc/localvpc/internal/state"
)

// balancers has two load balancers in two zones, one of them internal, whose targets'
// health a test sets; an alias and a failover pair lead to them.
func balancers(t *testing.T) *zones {
	z := newZones(t)
	scope := state.Scope{Account: testAccount, Region: "us-east-1"}
	meta := func(id string) state.Meta { return state.Meta{Key: scope.Key(id)} }
	z.write(func(tx *state.Tx) {
		state.Vpcs.Put(tx, &state.Vpc{Meta: meta("vpc-1"), EnableDnsSupport: true, EnableDnsHostnames: true,
			Cidrs: []state.CidrAssociation{{Cidr: netip.MustParsePrefix("10.0.0.0/16")}}})
		for i, name := range []string{"web", "db"} {
			lb := &state.LoadBalancer{Meta: meta("net/" + name + "/1"), Name: name, Hash: "1", VpcID: "vpc-1", State: "active", Internal: name == "db",
				DNSName: name + "-0123456789abcdef.elb.us-east-1.amazonaws.com"}
			for n := range 2 {
				node := state.BalancerNode{Zone: "us-east-1" + string(rune('a'+n)), SubnetID: fmt.Sprint("subnet-", n+1), PrivateIP: netip.AddrFrom4([4]byte{10, 0, byte(n + 1), byte(i + 1)})}
				if !lb.Internal {
					node.PublicIP = netip.AddrFrom4([4]byte{198, 51, 100, byte(n + 1)})
				}
				lb.Nodes = append(lb.Nodes, node)
				state.Subnets.Put(tx, &state.Subnet{Meta: meta(node.SubnetID), VpcID: "vpc-1", AvailabilityZone: node.Zone, Cidr: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(n + 1), 0}), 24)})
			}
			state.LoadBalancers.Put(tx, lb)
			state.TargetGroups.Put(tx, &state.TargetGroup{Meta: meta(name + "/1"), VpcID: "vpc-1", Protocol: "TCP", Port: 80, TargetType: "ip"})
			state.Listeners.Put(tx, &state.Listener{Meta: meta(lb.ID + "/1"), BalancerID: lb.ID, Protocol: "TCP", Port: 80, TargetsID: name + "/1"})
		}
		state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: meta("eni-1"), VpcID: "vpc-1", SubnetID: "subnet-2", Addresses: []state.PrivateAddress{{Addr: netip.MustParseAddr("10.0.2.77"), Primary: true}}})
	})
	z.zone("Z1", "example.com", nil,
		"www alias A dualstack.web-0123456789abcdef.elb.us-east-1.amazonaws.com. ; of=Z26RNL4JYFTOTI evaluate",
		"both alias A web-0123456789abcdef.elb.us-east-1.amazonaws.com. ; id=a of=Z26RNL4JYFTOTI failover=PRIMARY evaluate",
		"both 60 A 203.0.113.1 ; id=b failover=SECONDARY",
		"name 60 CNAME web-0123456789abcdef.elb.us-east-1.amazonaws.com.")
	return z
}

// health sets what the nodes of both zones have seen of their one target; "" is no
// target there.
func (z *zones) health(group, a, b string) {
	scope := state.Scope{Account: testAccount, Region: "us-east-1"}
	z.write(func(tx *state.Tx) {
		for i, word := range []string{a, b} {
			addr := fmt.Sprintf("10.0.%d.99", i+1)
			key := scope.Key(group + "/1 " + addr + ":80")
			if word == "" {
				state.Targets.Delete(tx, key)
				continue
			}
			state.Targets.Put(tx, &state.Target{Meta: state.Meta{Key: key}, GroupID: group + "/1", Target: addr, Port: 80,
				Health: []state.TargetHealth{{BalancerID: "net/" + group + "/1", Zone: "us-east-1" + string(rune('a'+i)), Healthy: word == "up"}}})
		}
	})
}

// TestBalancerNames: one address for each zone that is well, and all when none is.
func TestBalancerNames(t *testing.T) {
	z := balancers(t)
	const web, db = "web-0123456789abcdef.elb.us-east-1.amazonaws.com.", "db-0123456789abcdef.elb.us-east-1.amazonaws.com."
	ask := func(question, want string) {
		t.Helper()
		r := z.store.Snapshot()
		inside, _ := At(r, state.Key{Account: testAccount, Region: "us-east-1", ID: "vpc-1"})
		for name, v := range map[string]*View{"internet": Internet(r), "the VPC": inside} {
			if got := sorted(line(v.Answer(asked(t, question)))); got != want {
				t.Errorf("%s from %s\n got %s\nwant %s", question, name, got, want)
			}
		}
	}
	at := func(name string, last ...int) string {
		var parts []string
		for _, n := range last {
			parts = append(parts, fmt.Sprintf("A %s 60 198.51.100.%d", name, n))
		}
		return strings.Join(parts, "; ")
	}
	z.health("web", "up", "up")
	ask(web+" A", at(web, 1, 2))
	ask("dualstack."+web+" A", at("dualstack."+web, 1, 2))
	ask(web+" AAAA", "NODATA; amazonaws.com. 60")
	ask("elb.us-east-1.amazonaws.com. A", "NODATA; amazonaws.com. 60")
	ask("nobody-0123456789abcdef.elb.us-east-1.amazonaws.com. A", "NXDOMAIN; amazonaws.com. 60")
	ask("us-east-1b."+web+" A", at("us-east-1b."+web, 2))
	ask("us-east-1c."+web+" A", "NXDOMAIN; amazonaws.com. 60")
	ask("www.example.com A", at("www.example.com.", 1, 2))
	ask("both.example.com A", at("both.example.com.", 1, 2))
	ask("name.example.com A", at(web, 1, 2)+"; CNAME name.example.com. 60 "+web)

	z.health("web", "up", "down")
	ask(web+" A", at(web, 1))
	ask("us-east-1b."+web+" A", at("us-east-1b."+web, 2)) // who asks for a zone gets it
	ask("www.example.com A", at("www.example.com.", 1))
	ask("both.example.com A", at("both.example.com.", 1))

	z.health("web", "down", "down")
	ask(web+" A", at(web, 1, 2))                                    // fail open
	ask("both.example.com A", "A both.example.com. 60 203.0.113.1") // which an alias that evaluates health does not take
	ask("www.example.com A", at("www.example.com.", 1, 2))          // unless it is all there is

	z.health("web", "up", "up")
	z.health("db", "up", "")
	ask(db+" A", "A "+db+" 60 10.0.1.2")
	z.write(func(tx *state.Tx) {
		scope := state.Scope{Account: testAccount, Region: "us-east-1"}
		if _, err := fault.Apply(tx, scope, fault.Order{Kind: fault.Zone, What: "us-east-1a", Effect: fault.Down}); err != nil {
			t.Error(err)
		}
	})
	ask(web+" A", at(web, 2))
	ask(db+" A", "A "+db+" 60 10.0.2.2")
	z.write(func(tx *state.Tx) { fault.Clear(tx) })

	// While it is being made there is no name.
	z.write(func(tx *state.Tx) {
		b, _ := state.LoadBalancers.Get(tx, state.Key{Account: testAccount, Region: "us-east-1", ID: "net/db/1"})
		next := *b
		next.State = "provisioning"
		state.LoadBalancers.Put(tx, &next)
	})
	ask(db+" A", "NXDOMAIN; amazonaws.com. 60")
}

// TestBalancerAffinity: who asks in a VPC gets the node of his zone, always, mostly or
// by chance.
func TestBalancerAffinity(t *testing.T) {
	z := balancers(t)
	z.health("web", "up", "up")
	for policy, want := range map[string][2]int{"availability_zone_affinity": {1000, 1000}, "partial_availability_zone_affinity": {800, 900}, "any_availability_zone": {0, 0}} {
		z.write(func(tx *state.Tx) {
			b, _ := state.LoadBalancers.Get(tx, state.Key{Account: testAccount, Region: "us-east-1", ID: "net/web/1"})
			next := *b
			next.Attributes = next.Attributes.With(attrAffinity, policy)
			state.LoadBalancers.Put(tx, &next)
		})
		v, _ := At(z.store.Snapshot(), state.Key{Account: testAccount, Region: "us-east-1", ID: "vpc-1"})
		alone := 0
		for draw := range uint64(1000) {
			q := asked(t, "web-0123456789abcdef.elb.us-east-1.amazonaws.com. A")
			q.Draw, q.Client = draw, netip.MustParsePrefix("10.0.2.77/32")
			if a := v.Answer(q); len(a.Answer) == 1 && a.Answer[0].Value() == "198.51.100.2" {
				alone++
			} else if len(a.Answer) != 2 {
				t.Fatalf("%s: %s", policy, line(a))
			}
		}
		if alone < want[0] || alone > want[1] {
			t.Errorf("%s: %d of 1000 answers are of the asker's zone", policy, alone)
		}
	}
	z.health("web", "up", "down")
	v, _ := At(z.store.Snapshot(), state.Key{Account: testAccount, Region: "us-east-1", ID: "vpc-1"})
	q := asked(t, "web-0123456789abcdef.elb.us-east-1.amazonaws.com. A")
	q.Client = netip.MustParsePrefix("10.0.2.77/32")
	if got := line(v.Answer(q)); got != "A web-0123456789abcdef.elb.us-east-1.amazonaws.com. 60 198.51.100.1" {
		t.Errorf("his zone is not well: %s", got)
	}
}
