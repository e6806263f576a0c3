package balance

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/decide/fault"
	"github.com/localvpc/localvpc/internal/state"
)

var scope = state.Scope{Account: "123456789012", Region: "us-east-1"}

func meta(id string) state.Meta { return state.Meta{Key: scope.Key(id)} }

// world is a VPC with two zones and a subnet in each, a balancer with nodes in both,
// a listener on port 80 and a target group without targets.
func world(t *testing.T, more func(tx *state.Tx)) *state.Snapshot {
	t.Helper()
	store, err := state.Open(state.Config{Now: time.Now, DetectMutations: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	_, err = store.Write(context.Background(), func(tx *state.Tx) error {
		state.Vpcs.Put(tx, &state.Vpc{Meta: meta("vpc-1")})
		lb := &state.LoadBalancer{Meta: meta("net/lb/1"), VpcID: "vpc-1", State: "active"}
		for i, zone := range []string{"us-east-1a", "us-east-1b"} {
			id := fmt.Sprintf("subnet-%d", i+1)
			state.Subnets.Put(tx, &state.Subnet{Meta: meta(id), VpcID: "vpc-1", AvailabilityZone: zone, Cidr: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i + 1), 0}), 24)})
			lb.Nodes = append(lb.Nodes, state.BalancerNode{Zone: zone, SubnetID: id})
		}
		state.Subnets.Put(tx, &state.Subnet{Meta: meta("subnet-3"), VpcID: "vpc-1", AvailabilityZone: "us-east-1c", Cidr: netip.MustParsePrefix("10.0.3.0/24")})
		state.LoadBalancers.Put(tx, lb)
		state.TargetGroups.Put(tx, &state.TargetGroup{Meta: meta("tg/1"), VpcID: "vpc-1", Protocol: "TCP", Port: 80, TargetType: "instance"})
		state.Listeners.Put(tx, &state.Listener{Meta: meta("net/lb/1/1"), BalancerID: "net/lb/1", Protocol: "TCP", Port: 80, TargetsID: "tg/1"})
		more(tx)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return store.Snapshot()
}

// target registers instance N in the subnet of zone N: the nodes of the zones given
// find it healthy, or not ("!").
func target(tx *state.Tx, n, zone int, is state.InstanceState, health ...string) *state.Target {
	id := fmt.Sprintf("i-%d", n)
	state.Instances.Put(tx, &state.Instance{Meta: meta(id), State: is})
	state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: meta("eni-" + id), VpcID: "vpc-1", SubnetID: fmt.Sprintf("subnet-%d", zone),
		Addresses:  []state.PrivateAddress{{Addr: netip.AddrFrom4([4]byte{10, 0, byte(zone), byte(n)}), Primary: true}},
		Attachment: &state.Attachment{InstanceID: id}})
	row := &state.Target{Meta: meta(fmt.Sprintf("tg/1 %s:80", id)), GroupID: "tg/1", Target: id, Port: 80}
	for _, h := range health {
		zone, failed := strings.CutPrefix(h, "!")
		seen := state.TargetHealth{BalancerID: "net/lb/1", Zone: "us-east-1" + zone, Healthy: !failed}
		if failed {
			seen.Reason, seen.Text = ReasonFailed, TextFailed
		}
		row.Health = append(row.Health, seen)
	}
	state.Targets.Put(tx, row)
	return row
}

func set(tx *state.Tx, attributes ...string) {
	g, _ := state.TargetGroups.Get(tx, scope.Key("tg/1"))
	changed := *g
	for i := 0; i < len(attributes); i += 2 {
		changed.Attributes = changed.Attributes.With(attributes[i], attributes[i+1])
	}
	state.TargetGroups.Put(tx, &changed)
}

// TestChoice: what each zone's node sends new flows to, and which zones the name has.
func TestChoice(t *testing.T) {
	down := func(tx *state.Tx, zone string) {
		if _, err := fault.Apply(tx, scope, fault.Order{Kind: fault.Zone, What: zone, Effect: fault.Down}); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []struct {
		name       string
		world      func(tx *state.Tx)
		a, b, dns  string
		openA, opB bool
	}{
		{"nothing registered", func(tx *state.Tx) {}, "", "", "a b", true, true},
		{"one healthy in each zone", func(tx *state.Tx) {
			target(tx, 4, 1, state.Running, "a")
			target(tx, 5, 2, state.Running, "b")
		}, "10.0.1.4", "10.0.2.5", "a b", false, false},
		{"not checked yet", func(tx *state.Tx) {
			target(tx, 4, 1, state.Running, "a")
			target(tx, 5, 1, state.Running)
		}, "10.0.1.4", "", "a", false, true},
		{"none in a zone", func(tx *state.Tx) { target(tx, 4, 1, state.Running, "a") }, "10.0.1.4", "", "a", false, true},
		{"unhealthy in a zone", func(tx *state.Tx) {
			target(tx, 4, 1, state.Running, "!a")
			target(tx, 5, 2, state.Running, "b")
			target(tx, 6, 2, state.Running, "!b")
		}, "10.0.1.4", "10.0.2.5", "b", true, false},
		{"all unhealthy", func(tx *state.Tx) {
			target(tx, 4, 1, state.Running, "!a")
			target(tx, 5, 2, state.Running, "!b")
		}, "10.0.1.4", "10.0.2.5", "a b", true, true},
		{"across zones", func(tx *state.Tx) {
			set(tx, AttrCrossZone, "true")
			target(tx, 4, 1, state.Running, "a", "b")
			target(tx, 5, 2, state.Running, "a", "b")
			target(tx, 6, 3, state.Running, "a", "b") // a zone that the balancer has not
		}, "10.0.1.4 10.0.2.5", "10.0.1.4 10.0.2.5", "a b", false, false},
		{"stopped", func(tx *state.Tx) {
			target(tx, 4, 1, state.Stopped, "a")
			target(tx, 5, 1, state.Running, "a")
		}, "10.0.1.5", "", "a", false, true},
		{"drains", func(tx *state.Tx) {
			leaving := *target(tx, 4, 1, state.Running, "a")
			leaving.Drains = time.Unix(1, 0)
			state.Targets.Put(tx, &leaving)
			target(tx, 5, 1, state.Running, "a")
		}, "10.0.1.5", "", "a", false, true},
		{"a zone down", func(tx *state.Tx) {
			target(tx, 4, 1, state.Running, "a")
			target(tx, 5, 2, state.Running, "b")
			down(tx, "us-east-1b")
		}, "10.0.1.4", "10.0.2.5", "a", false, false},
		{"both zones down", func(tx *state.Tx) {
			target(tx, 4, 1, state.Running, "a")
			down(tx, "us-east-1a")
			down(tx, "us-east-1b")
		}, "10.0.1.4", "", "a b", false, true},
		{"fewer healthy than wanted", func(tx *state.Tx) {
			set(tx, routing+"count", "2", naming+"percentage", "60")
			target(tx, 4, 1, state.Running, "a")
			target(tx, 5, 1, state.Running, "!a")
			target(tx, 6, 2, state.Running, "b")
		}, "10.0.1.4 10.0.1.5", "10.0.2.6", "b", true, true},
		{"outside of the VPC", func(tx *state.Tx) {
			g, _ := state.TargetGroups.Get(tx, scope.Key("tg/1"))
			byAddress := *g
			byAddress.TargetType = "ip"
			state.TargetGroups.Put(tx, &byAddress)
			for i, a := range []string{"192.168.0.9", "10.0.2.9"} {
				row := &state.Target{Meta: meta(fmt.Sprintf("tg/1 %s:80", a)), GroupID: "tg/1", Target: a, Port: 80}
				if i == 0 {
					row.Zone = AllZones
				}
				for _, zone := range []string{"us-east-1a", "us-east-1b"} {
					row.Health = append(row.Health, state.TargetHealth{BalancerID: "net/lb/1", Zone: zone, Healthy: true})
				}
				state.Targets.Put(tx, row)
			}
		}, "192.168.0.9", "10.0.2.9 192.168.0.9", "a b", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := world(t, c.world)
			b, _ := state.LoadBalancers.Get(r, scope.Key("net/lb/1"))
			l, ok := ListenerAt(r, b, "TCP", 80)
			if !ok {
				t.Fatal("the listener is not found")
			}
			for zone, want := range map[string]struct {
				targets string
				open    bool
			}{"us-east-1a": {c.a, c.openA}, "us-east-1b": {c.b, c.opB}} {
				got := Choose(r, b, zone, l)
				var addrs []string
				for _, x := range got.Targets {
					addrs = append(addrs, x.Addr.String())
				}
				if strings.Join(addrs, " ") != want.targets || got.Open != want.open {
					t.Errorf("%s: %v, open %v; want %s, %v", zone, addrs, got.Open, want.targets, want.open)
				}
			}
			var zones []string
			for _, n := range Zones(r, b) {
				zones = append(zones, strings.TrimPrefix(n.Zone, "us-east-1"))
			}
			if strings.Join(zones, " ") != c.dns {
				t.Errorf("the name has %v, want %s", zones, c.dns)
			}
		})
	}
}

// TestDescribe: the words of DescribeTargetHealth.
func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		want  Health
		world func(tx *state.Tx) *state.Target
	}{
		{Health{State: Healthy}, func(tx *state.Tx) *state.Target { return target(tx, 4, 1, state.Running, "a") }},
		{Health{Initial, ReasonChecking, "Initial health checks in progress"}, func(tx *state.Tx) *state.Target { return target(tx, 4, 1, state.Running) }},
		{Health{Unhealthy, ReasonFailed, TextFailed}, func(tx *state.Tx) *state.Target { return target(tx, 4, 1, state.Running, "!a") }},
		{Health{State: Healthy}, func(tx *state.Tx) *state.Target {
			set(tx, AttrCrossZone, "true")
			return target(tx, 4, 1, state.Running, "!a", "b")
		}},
		{Health{Unused, ReasonInvalidState, "Target is in the stopped state"}, func(tx *state.Tx) *state.Target { return target(tx, 4, 1, state.Stopped, "a") }},
		{Health{Unused, ReasonNotInUse, "Target is in an Availability Zone that is not enabled for the load balancer"}, func(tx *state.Tx) *state.Target {
			return target(tx, 4, 3, state.Running)
		}},
		{Health{Unused, ReasonNotInUse, "Target group is not configured to receive traffic from the load balancer"}, func(tx *state.Tx) *state.Target {
			state.Listeners.Delete(tx, scope.Key("net/lb/1/1"))
			return target(tx, 4, 1, state.Running)
		}},
		{Health{Draining, ReasonDraining, "Target deregistration is in progress"}, func(tx *state.Tx) *state.Target {
			leaving := *target(tx, 4, 1, state.Running, "a")
			leaving.Drains = time.Unix(1, 0)
			state.Targets.Put(tx, &leaving)
			return &leaving
		}},
		{Health{Initial, ReasonRegistering, "Target registration is in progress"}, func(tx *state.Tx) *state.Target {
			b, _ := state.LoadBalancers.Get(tx, scope.Key("net/lb/1"))
			fresh := *b
			fresh.State = "provisioning"
			state.LoadBalancers.Put(tx, &fresh)
			return target(tx, 4, 1, state.Running)
		}},
	} {
		var row *state.Target
		r := world(t, func(tx *state.Tx) { row = c.world(tx) })
		g, _ := state.TargetGroups.Get(r, scope.Key("tg/1"))
		if got := Describe(r, g, row); got != c.want {
			t.Errorf("%+v, want %+v", got, c.want)
		}
	}
}

// TestAttributes: AWS's defaults depend on the protocol and on how targets are
// registered.
func TestAttributes(t *testing.T) {
	group := func(protocol, of string, attributes ...string) *state.TargetGroup {
		g := &state.TargetGroup{Protocol: protocol, TargetType: of}
		for i := 0; i < len(attributes); i += 2 {
			g.Attributes = g.Attributes.With(attributes[i], attributes[i+1])
		}
		return g
	}
	got := []bool{
		KeepsClient(group("TCP", "instance")), KeepsClient(group("TCP", "instance", AttrPreserve, "false")),
		KeepsClient(group("TCP", "ip")), KeepsClient(group("UDP", "ip", AttrPreserve, "false")),
		Terminates(group("TCP", "ip")), Terminates(group("UDP", "ip")), Proxied(group("TCP", "ip")), Sticky(group("TCP", "ip", AttrSticky, "true")),
	}
	if want := []bool{true, false, false, true, false, true, false, true}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if d := Delay(group("TCP", "ip")); d != 300*time.Second {
		t.Errorf("the delay is %s", d)
	}
	if d := Idle(&state.Listener{Attributes: state.Tags{{Key: AttrIdle, Value: "60"}}}); d != time.Minute {
		t.Errorf("idle after %s", d)
	}
}
