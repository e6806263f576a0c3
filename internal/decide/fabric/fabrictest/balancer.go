package fabrictest

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/state"
)

// InZone puts a subnet into a zone.
func InZone(tx *state.Tx, subnet, zone string) {
	if row, ok := state.Subnets.Get(tx, Key(subnet)); ok {
		next := *row
		next.AvailabilityZone = zone
		state.Subnets.Put(tx, &next)
	}
}

// Balancer puts an active balancer with a node at each address, "subnet address" or
// "subnet address public". With groups, even none (not nil), it is guarded.
func Balancer(tx *state.Tx, id, vpc string, groups []string, nodes ...string) {
	b := &state.LoadBalancer{Meta: Meta(id), Name: id, Hash: strings.ReplaceAll(id, "/", "-"), VpcID: vpc, State: "active", Guarded: groups != nil, Groups: groups}
	for i, n := range nodes {
		at := strings.Fields(n)
		eni := fmt.Sprintf("eni-%s%d", b.Hash, i)
		Interface(tx, eni, vpc, at[0], "", 0, groups, at[1])
		row, _ := state.NetworkInterfaces.Get(tx, Key(eni))
		next := *row
		next.InterfaceType, next.Status = balance.InterfaceType, "in-use"
		state.NetworkInterfaces.Put(tx, &next)
		node := state.BalancerNode{SubnetID: at[0], InterfaceID: eni, PrivateIP: netip.MustParseAddr(at[1])}
		if len(at) > 2 {
			PublicAddr(tx, eni, at[1], at[2])
			node.PublicIP = netip.MustParseAddr(at[2])
		}
		if s, ok := state.Subnets.Get(tx, Key(at[0])); ok {
			node.Zone = s.AvailabilityZone
		}
		b.Nodes = append(b.Nodes, node)
	}
	state.LoadBalancers.Put(tx, b)
}

// Listener puts a listener, and its target group with these attributes, key and
// value in turns.
func Listener(tx *state.Tx, id, balancer, protocol string, port int32, group, kind string, attributes ...string) {
	b, ok := state.LoadBalancers.Get(tx, Key(balancer))
	if !ok {
		return
	}
	g := &state.TargetGroup{Meta: Meta(group), Name: group, VpcID: b.VpcID, Protocol: protocol, Port: port, TargetType: kind}
	for i := 0; i < len(attributes); i += 2 {
		g.Attributes = g.Attributes.With(attributes[i], attributes[i+1])
	}
	state.TargetGroups.Put(tx, g)
	state.Listeners.Put(tx, &state.Listener{Meta: Meta(id), BalancerID: balancer, Protocol: protocol, Port: port, TargetsID: group})
}

// Target registers a target that all nodes of the balancer find healthy, or none.
func Target(tx *state.Tx, group, balancer, target string, port int32, healthy bool) {
	row := &state.Target{Meta: Meta(fmt.Sprintf("%s %s:%d", group, target, port)), GroupID: group, Target: target, Port: port}
	b, ok := state.LoadBalancers.Get(tx, Key(balancer))
	for i := 0; ok && i < len(b.Nodes); i++ {
		row.Health = append(row.Health, state.TargetHealth{BalancerID: balancer, Zone: b.Nodes[i].Zone, Healthy: healthy})
	}
	state.Targets.Put(tx, row)
}

// Drain deregisters a target that goes on for a while.
func Drain(tx *state.Tx, group, target string, port int32) {
	if row, ok := state.Targets.Get(tx, Key(fmt.Sprintf("%s %s:%d", group, target, port))); ok {
		next := *row
		next.Drains = epoch.Add(time.Minute)
		state.Targets.Put(tx, &next)
	}
}

// What random balancers are made of: one in each VPC.
const (
	listeners = 2
	targets   = 3 // of each group
)

// BalancerID, and the others, name a VPC's balancer and its parts.
func BalancerID(v int) string       { return "net/lb-" + digit(v) }
func ListenerID(v, n int) string    { return fmt.Sprintf("net/lb-%s/%d", digit(v), n) }
func TargetGroupID(v, n int) string { return fmt.Sprintf("tg-%s/%d", digit(v), n) }

// NodeAddr is the address of a balancer's node in a subnet.
func NodeAddr(v, subnet int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, second(v), byte(subnet + 1), 90})
}

// BalancerPorts are those of its listeners, of both protocols.
var BalancerPorts = []uint16{80, 53}

// drawBalancer gives a VPC a balancer, sometimes none.
func drawBalancer(t *rapid.T, tx *state.Tx, v, groups int) {
	state.LoadBalancers.Delete(tx, Key(BalancerID(v)))
	if rapid.IntRange(0, 2).Draw(t, "balancer") > 0 { // thousands of objects
		return
	}
	var of []string
	switch rapid.IntRange(0, 3).Draw(t, "guarded") {
	case 0:
		of = []string{GroupID(v, 0)}
	case 1:
		of = []string{GroupID(v, below(t, groups, "group of balancer"))}
	}
	var nodes []string
	for n := range rapid.IntRange(1, 2).Draw(t, "nodes") {
		node := SubnetID(v, n) + " " + NodeAddr(v, n).String()
		if rapid.Bool().Draw(t, "public node") {
			node += " " + PublicOf(v, NodeAddr(v, n)).String()
		}
		nodes = append(nodes, node)
	}
	Balancer(tx, BalancerID(v), VpcID(v), of, nodes...)
	for n := range rapid.IntRange(1, listeners).Draw(t, "listeners") {
		drawListener(t, tx, v, n)
	}
}

func drawListener(t *rapid.T, tx *state.Tx, v, n int) {
	kind := pick(t, []string{"instance", "instance", "ip"}, "kind of targets")
	yes := func(what string) string { return strconv.FormatBool(rapid.Bool().Draw(t, what)) }
	protocol := pick(t, []string{"TCP", "TCP", "UDP", "TCP_UDP"}, "protocol of listener")
	Listener(tx, ListenerID(v, n), BalancerID(v), protocol, int32(BalancerPorts[n]), TargetGroupID(v, n), kind,
		balance.AttrCrossZone, yes("cross zone"), balance.AttrPreserve, yes("keep the client"), balance.AttrSticky, yes("sticky"), balance.AttrTerminate, yes("terminate"))
	for i := range targets {
		drawTarget(t, tx, v, n, i, kind)
	}
}

func drawTarget(t *rapid.T, tx *state.Tx, v, n, i int, kind string) {
	at, port := InstanceID(v, i), int32(pick(t, Ports, "port of target"))
	if kind == "ip" {
		at = Addr(v, below(t, subnets, "subnet of target"), i, false).String()
	}
	var old []state.Key
	for row := range state.Targets.By(tx, state.ByTargetGroup, TargetGroupID(v, n)) {
		if row.Target == at || strings.HasPrefix(row.Target, "i-") != (kind == "instance") {
			old = append(old, row.Key)
		}
	}
	for _, k := range old {
		state.Targets.Delete(tx, k)
	}
	switch rapid.IntRange(0, 5).Draw(t, "target") {
	case 0, 1, 2: // where there are two, there are a thousand slots
	case 3:
		Target(tx, TargetGroupID(v, n), BalancerID(v), at, port, false)
	default:
		Target(tx, TargetGroupID(v, n), BalancerID(v), at, port, true)
	}
}

// disturbBalancer changes one thing of it.
func disturbBalancer(t *rapid.T, tx *state.Tx, v int) {
	switch n := below(t, listeners, "listener"); rapid.IntRange(0, 5).Draw(t, "balancer change") {
	case 0:
		drawBalancer(t, tx, v, groups)
	case 1:
		drawListener(t, tx, v, n)
	case 2:
		state.Listeners.Delete(tx, Key(ListenerID(v, n)))
	case 3, 4:
		kind := "instance"
		if g, ok := state.TargetGroups.Get(tx, Key(TargetGroupID(v, n))); ok {
			kind = g.TargetType
		}
		drawTarget(t, tx, v, n, below(t, targets, "which target"), kind)
	case 5:
		Drain(tx, TargetGroupID(v, n), InstanceID(v, below(t, targets, "which target")), int32(pick(t, Ports, "port of target")))
	}
}

// Cidr is a block.
func Cidr(s string) netip.Prefix { return netip.MustParsePrefix(s) }
