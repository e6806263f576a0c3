package dnsview

import (
	"net/netip"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awsregion"
	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/state"
)

// balancerTTL is the TTL of load balancers' names in seconds (NLB User Guide, "DNS
// name": 60 seconds).
const balancerTTL = 60

// dualstack may stand before a balancer's name: the console's aliases have it.
const dualstack = "dualstack."

// attrAffinity is the attribute that says where clients in a VPC are led to (NLB User
// Guide, "Availability Zone DNS affinity").
const attrAffinity = "dns_record.client_routing_policy"

// partially is how many of a hundred questions are answered with the asker's zone when
// the affinity is partial.
const partially = 85

// balancersDomains are the domains that load balancers' names are in:
// "elb.REGION.amazonaws.com".
var balancersDomains = func() map[Name]bool {
	out := map[Name]bool{}
	for _, r := range awsregion.All() {
		out[mustName("elb."+r.Name+"."+ServicesDomain(r.Name))] = true
	}
	return out
}()

// balancerAt finds the load balancer that a name is of, and the zone that it is for;
// "": all of them. One that is being made has no name yet.
func balancerAt(r state.Reader, n Name) (b *state.LoadBalancer, zone string, ok bool) {
	text := strings.TrimSuffix(n.String(), ".")
	find := func(name string) bool {
		for found := range state.LoadBalancers.By(r, state.ByName, name) {
			b = found
			return balance.Carries(b)
		}
		return false
	}
	if find(strings.TrimPrefix(text, dualstack)) {
		return b, "", true
	}
	zone, rest, _ := strings.Cut(text, ".")
	return b, zone, find(rest) && balance.HasZone(b, zone)
}

// balancer answers the name of a load balancer, or one above.
func (b branch) balancer(v *View, q Question, a Answer) (Answer, bool) {
	lb, zone, ok := balancerAt(v.r, q.Name)
	switch {
	case !ok && balancersDomains[q.Name]:
		return a.records(q, b.apex), true
	case !ok:
		return a, false
	}
	a.Because = append(a.Because, Cause{Decider: BalancerName, Domain: q.Name, ID: lb.ID})
	var records []Record
	for _, n := range v.nodes(&a, lb, zone, q) {
		addr := n.PublicIP
		if lb.Internal || !addr.IsValid() {
			addr = n.PrivateIP
		}
		if addr.IsValid() {
			records = append(records, address(q.Name, balancerTTL, addr))
		}
	}
	return a.records(q, b.apex, records...), true
}

// nodes chooses those whose addresses the name has now: that of its zone, or those of
// all zones that are well, in an order that is drawn; with affinity that of the
// asker's zone, if it is well.
func (v *View) nodes(a *Answer, lb *state.LoadBalancer, zone string, q Question) []state.BalancerNode {
	if zone != "" { // whatever its health: the client has chosen it
		for _, n := range lb.Nodes {
			if n.Zone == zone {
				return []state.BalancerNode{n}
			}
		}
	}
	well := balance.Zones(v.r, lb)
	nodes := make([]state.BalancerNode, len(well))
	copy(nodes, well)
	for _, n := range lb.Nodes {
		out := true
		for _, w := range nodes {
			out = out && w.Zone != n.Zone
		}
		if out {
			a.Because = append(a.Because, Cause{Decider: BalancerZone, Domain: q.Name, ID: n.Zone})
		}
	}
	ask := asking{seed: q.Draw, chances: q.Chances}
	shuffle(&ask, nodes)
	near := 0
	switch lb.Attribute(attrAffinity, "any_availability_zone") {
	case "availability_zone_affinity":
		near = 100
	case "partial_availability_zone_affinity":
		near = partially
	}
	if near == 0 || v.vpc == nil {
		return nodes
	}
	a.Located = true
	if own := v.zoneOf(q.Client); own != "" && ask.below(100) < near {
		for _, n := range nodes {
			if n.Zone == own {
				a.Because = append(a.Because, Cause{Decider: BalancerAffinity, Domain: q.Name, ID: own})
				return []state.BalancerNode{n}
			}
		}
	}
	return nodes
}

// zoneOf is the zone of who asks in a VPC, "" for others.
func (v *View) zoneOf(client netip.Prefix) string {
	if v.vpc == nil || !client.IsValid() {
		return ""
	}
	for n := range state.NetworkInterfaces.By(v.r, state.ByAddress, state.VpcAddress(v.vpc.ID, client.Addr())) {
		if s, ok := state.Subnets.Get(v.r, n.Scope().Key(n.SubnetID)); ok && n.Scope() == v.vpc.Scope() {
			return s.AvailabilityZone
		}
	}
	return ""
}

// aliasWell says whether what an alias stands for outside of the hosted zones is
// healthy: a load balancer with a healthy target (Route 53 Developer Guide, "Evaluate
// target health"); other services' names always are.
func aliasWell(r state.Reader, alias string) bool {
	n, err := ParseEscaped(alias)
	if err != nil {
		return true
	}
	b, _, ok := balancerAt(r, n)
	return !ok || balance.Well(r, b)
}
