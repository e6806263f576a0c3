// Package fabric says what a packet means in a VPC: which stages it passes, in
// which order, and what each of them asks.
//
// Invariant: every fact about a packet's way is derived here, once, from a
// state.Reader; the readers of this package (ruleset, which spells it as kernel
// objects, and reach, which walks and explains it) add no meaning of their own.
// A unit is derived from a bounded number of rows, so that the cost of a change
// is that of the units that Affected names.
package fabric

import (
	"cmp"
	"slices"

	"github.com/localvpc/localvpc/internal/state"
)

// Kind is a kind of unit.
type Kind string

// The kinds, in the order in which they are listed.
const (
	KindVPC        Kind = "vpc"
	KindSubnet     Kind = "subnet"
	KindRouteTable Kind = "route-table"
	KindAcl        Kind = "network-acl"
	KindGroup      Kind = "security-group"
	KindPort       Kind = "port"    // an interface through which packets pass
	KindGateway    Kind = "gateway" // an internet gateway that is attached
	KindHost       Kind = "host"    // a machine of the simulated internet
	KindPeering    Kind = "peering" // a VPC peering connection that is active
	KindBalancer   Kind = "load-balancer"
	KindListener   Kind = "listener" // of a load balancer, with its targets
)

var kindOrder = []Kind{KindVPC, KindSubnet, KindRouteTable, KindAcl, KindGroup, KindPort, KindGateway, KindHost, KindPeering, KindBalancer, KindListener}

// Unit names one thing that can be derived alone. The key is that of its
// resource: a port's is its network interface's.
type Unit struct {
	Kind Kind
	Key  state.Key
}

func (u Unit) String() string { return string(u.Kind) + " " + u.Key.String() }

// Units lists every unit of the state, in canonical order. Interfaces that are
// not ports at the moment are left out.
func Units(r state.Reader) []Unit {
	var us []Unit
	for v := range state.Vpcs.All(r) {
		us = append(us, Unit{KindVPC, v.Key})
	}
	for s := range state.Subnets.All(r) {
		us = append(us, Unit{KindSubnet, s.Key})
	}
	for t := range state.RouteTables.All(r) {
		us = append(us, Unit{KindRouteTable, t.Key})
	}
	for a := range state.NetworkAcls.All(r) {
		us = append(us, Unit{KindAcl, a.Key})
	}
	for g := range state.SecurityGroups.All(r) {
		us = append(us, Unit{KindGroup, g.Key})
	}
	for n := range state.NetworkInterfaces.All(r) {
		if mayCarry(n) {
			us = append(us, Unit{KindPort, n.Key})
		}
	}
	for g := range state.InternetGateways.All(r) {
		if g.VpcID != "" {
			us = append(us, Unit{KindGateway, g.Key})
		}
	}
	for h := range state.Hosts.All(r) {
		us = append(us, Unit{KindHost, h.Key})
	}
	for p := range state.VpcPeerings.All(r) {
		us = append(us, Unit{KindPeering, p.Key})
	}
	for b := range state.LoadBalancers.All(r) {
		us = append(us, Unit{KindBalancer, b.Key})
	}
	for l := range state.Listeners.All(r) {
		us = append(us, Unit{KindListener, l.Key})
	}
	return us
}

// Canonical sorts units and drops duplicates, in place.
func Canonical(us []Unit) []Unit {
	slices.SortFunc(us, func(a, b Unit) int {
		return cmp.Or(
			cmp.Compare(slices.Index(kindOrder, a.Kind), slices.Index(kindOrder, b.Kind)),
			cmp.Compare(a.Key.Account, b.Key.Account), cmp.Compare(a.Key.Region, b.Key.Region), cmp.Compare(a.Key.ID, b.Key.ID))
	})
	return slices.Compact(us)
}
