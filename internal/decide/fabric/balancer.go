package fabric

import (
	"net/netip"
	"slices"
	"time"

	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/state"
)

// BalancerInterface is the type of the interfaces of load balancers' nodes.
const BalancerInterface = balance.InterfaceType

// BalancerSpace is the namespace of a balancer, in which its checks and its proxy
// run; its nodes' interfaces end there.
func BalancerSpace(b *state.LoadBalancer) string { return "nlb-" + b.Hash }

// Balancer is what a VPC's router knows about a network load balancer whatever its
// listeners are.
type Balancer struct {
	Key     state.Key
	VPC     string
	Guarded bool     // its groups are asked; otherwise everything passes
	Groups  []string // sorted; only those that exist in the VPC
	Nodes   []Node
}

// Node is a balancer's node whose zone has not failed: a packet to one of its
// addresses passes the router twice, first to the node, then on to a target.
type Node struct {
	Interface state.Key
	Zone      string
	Subnet    string
	Number    uint32       // of the subnet
	Table     uint32       // of the subnet's route table
	Private   netip.Addr   // its own address
	Fronts    []netip.Addr // where clients ask: Private, and the public address if it has one
	Acl       string       // of the subnet, and whether it filters
	AclOut    bool
	AclIn     bool
}

// LoadBalancer derives a balancer. One that is not active is not there.
func LoadBalancer(r state.Reader, k state.Key) (Balancer, bool) {
	row, ok := state.LoadBalancers.Get(r, k)
	if !ok || !balance.Carries(row) || !hasVPC(r, k.Scope(), row.VpcID) {
		return Balancer{}, false
	}
	b := Balancer{Key: k, VPC: row.VpcID, Guarded: row.Guarded, Groups: existing(r, k.Scope(), row.VpcID, row.Groups)}
	for _, n := range row.Nodes {
		if node, ok := newNode(r, row, n); ok {
			b.Nodes = append(b.Nodes, node)
		}
	}
	return b, true
}

func newNode(r state.Reader, b *state.LoadBalancer, n state.BalancerNode) (Node, bool) {
	p, ok := LoadPort(r, b.Scope().Key(n.InterfaceID))
	if !ok || p.Fault.Closes() || p.Balancer != b.ID || p.VPC != b.VpcID || len(p.Addrs) == 0 {
		return Node{}, false
	}
	s, ok := LoadSubnet(r, b.Scope().Key(p.Subnet))
	if !ok {
		return Node{}, false
	}
	node := Node{
		Interface: p.Key, Zone: n.Zone, Subnet: p.Subnet, Number: p.Number, Table: s.Table, Private: p.Addrs[0],
		Fronts: []netip.Addr{p.Addrs[0]}, Acl: s.Acl, AclOut: s.AclOut, AclIn: s.AclIn,
	}
	for _, public := range p.Publics {
		if public.Private == node.Private {
			node.Fronts = append(node.Fronts, public.Public)
		}
	}
	return node, true
}

// existing gives the groups that exist in a VPC, sorted.
func existing(r state.Reader, scope state.Scope, vpc string, groups []string) []string {
	var out []string
	for _, id := range groups {
		if g, ok := state.SecurityGroups.Get(r, scope.Key(id)); ok && g.VpcID == vpc {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// NodeOf finds the balancer that an interface is a node of, and its place among the
// nodes.
func NodeOf(r state.Reader, n *state.NetworkInterface) (b *state.LoadBalancer, at int, ok bool) {
	for b := range state.LoadBalancers.By(r, state.ByInterface, n.ID) {
		if b.Scope() == n.Scope() {
			return b, slices.IndexFunc(b.Nodes, func(node state.BalancerNode) bool { return node.InterfaceID == n.ID }), true
		}
	}
	return nil, 0, false
}

// nodeCarries says whether packets pass a balancer's node.
func nodeCarries(r state.Reader, n *state.NetworkInterface) bool {
	b, at, ok := NodeOf(r, n)
	return ok && at >= 0 && len(n.Addresses) > 0 && balance.Carries(b)
}

// Listener is a listener of a balancer as a router serves it.
type Listener struct {
	Key       state.Key
	VPC       string
	Balancer  string
	Group     string // the target group
	Protocols []uint8
	Port      uint16
	Keeps     bool // targets see the client's address; otherwise the node's
	Sticky    bool
	Idle      int  // seconds after which a TCP flow is forgotten
	Proxied   bool // the proxy in the balancer's namespace takes its connections
	Space     string
	Nodes     []Choice
}

// Choice is what one node does with new flows to a listener.
type Choice struct {
	Node
	Targets []balance.Target // none: they are dropped
	Slots   []int            // of each slot, the index of a target
	Live    []Live
}

// Live is a target whose flows go on. When it is one no longer, they end, unless
// Left says that they are left alone.
type Live struct {
	Addr netip.Addr
	Port uint16
	ID   string // of the target: an instance's, or an address
	Left bool
}

// LoadListener derives a listener.
func LoadListener(r state.Reader, k state.Key) (Listener, bool) {
	row, ok := state.Listeners.Get(r, k)
	if !ok {
		return Listener{}, false
	}
	b, ok := LoadBalancer(r, k.Scope().Key(row.BalancerID))
	if !ok {
		return Listener{}, false
	}
	lb, _ := state.LoadBalancers.Get(r, b.Key)
	l := Listener{Idle: max(1, int(balance.Idle(row)/time.Second)), Key: k, VPC: b.VPC, Balancer: b.Key.ID, Group: row.TargetsID, Protocols: Protocols(row), Port: uint16(row.Port), Space: BalancerSpace(lb)}
	g, ok := balance.Group(r, row)
	if ok {
		l.Keeps, l.Sticky, l.Proxied = balance.KeepsClient(g), balance.Sticky(g), balance.Proxied(g)
	}
	for _, n := range b.Nodes {
		c := Choice{Node: n, Targets: balance.Choose(r, lb, n.Zone, row).Targets}
		c.Slots = balance.Spread(c.Targets)
		if ok {
			c.Live = live(r, lb, n.Zone, g, c.Targets)
		}
		l.Nodes = append(l.Nodes, c)
	}
	return l, true
}

// Proxies says whether the proxy takes what comes by a protocol: the header that it
// adds stands at the beginning of a TCP connection.
func (l Listener) Proxies(protocol uint8) bool { return l.Proxied && protocol == TCP }

// Protocols are those that a listener takes.
func Protocols(l *state.Listener) []uint8 {
	switch l.Protocol {
	case "TCP":
		return []uint8{TCP}
	case "UDP":
		return []uint8{UDP}
	}
	return []uint8{TCP, UDP}
}

// live gives the targets whose flows go on: those in use, those that drain, and the
// unhealthy ones where their flows are left alone.
func live(r state.Reader, b *state.LoadBalancer, zone string, g *state.TargetGroup, used []balance.Target) []Live {
	var out []Live
	seen := map[netip.AddrPort]bool{}
	add := func(t balance.Target, left bool) {
		at := netip.AddrPortFrom(t.Addr, t.Port)
		if !seen[at] {
			seen[at] = true
			out = append(out, Live{t.Addr, t.Port, t.Row.Target, left})
		}
	}
	for _, t := range used {
		add(t, false)
	}
	if !balance.EndsUnhealthy(g) {
		for _, t := range balance.Candidates(r, b, zone, g) {
			add(t, false)
		}
	}
	for _, row := range balance.Targets(r, g) {
		if row.Drains.IsZero() {
			continue
		}
		if t, ok := balance.Locate(r, g, row); ok {
			add(t, !balance.Terminates(g))
		}
	}
	return out
}

// balances says whether a VPC has a balancer that carries packets, and one whose
// flows are logged.
func balances(r state.Reader, scope state.Scope, vpc string) (some, logs bool) {
	for b := range state.LoadBalancers.By(r, state.ByVpc, vpc) {
		if b.Scope() == scope && balance.Carries(b) {
			some, logs = true, logs || balance.Logs(b)
		}
	}
	return some, logs
}

// guards says whether a group is a balancer's: then its members are also those that
// come through that.
func guards(r state.Reader, group state.Key) bool {
	for b := range state.LoadBalancers.By(r, state.ByGroup, group.ID) {
		if b.Scope() == group.Scope() {
			return true
		}
	}
	return false
}

// balancer adds a balancer and its listeners.
func (a *affected) balancer(b *state.LoadBalancer) {
	a.add(KindBalancer, b.Key)
	for _, l := range balance.Listeners(a.r, b) {
		a.add(KindListener, l.Key)
	}
}

// loadBalancer: with it come and go its nodes' ports, and what its groups mean.
func (a *affected) loadBalancer(before, after *state.LoadBalancer) {
	for _, side := range []*state.LoadBalancer{before, after} {
		if side == nil {
			continue
		}
		scope := side.Scope()
		a.balancer(side)
		a.add(KindVPC, scope.Key(side.VpcID))
		for _, n := range side.Nodes {
			a.add(KindPort, scope.Key(n.InterfaceID))
		}
		for _, g := range side.Groups {
			a.add(KindGroup, scope.Key(g))
			for rule := range state.SecurityGroupRules.By(a.r, state.ByPeer, g) {
				if rule.Scope() == scope {
					a.add(KindGroup, scope.Key(rule.GroupID))
				}
			}
		}
	}
}

// targetGroup adds the listeners that forward to a group.
func (a *affected) targetGroup(k state.Key) {
	for l := range state.Listeners.By(a.r, state.ByTargetGroup, k.ID) {
		if l.Scope() == k.Scope() {
			a.add(KindListener, l.Key)
		}
	}
}

// targets adds the listeners that an instance, or the address of an interface, is a
// target of.
func (a *affected) targets(scope state.Scope, target string) {
	for t := range state.Targets.By(a.r, state.ByInstance, target) {
		if t.Scope() == scope {
			a.targetGroup(scope.Key(t.GroupID))
		}
	}
}

// balancers adds those whose nodes are among the subnets and ports that were named.
func (a *affected) balancers() {
	for _, u := range a.units {
		index := ""
		switch u.Kind {
		case KindSubnet:
			index = state.BySubnet
		case KindPort:
			index = state.ByInterface
		default:
			continue
		}
		for b := range state.LoadBalancers.By(a.r, index, u.Key.ID) {
			if b.Scope() == u.Key.Scope() {
				a.balancer(b)
			}
		}
	}
}
