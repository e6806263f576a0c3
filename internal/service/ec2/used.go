package ec2

import (
	"cmp"
	"slices"

	"github.com/localvpc/localvpc/internal/state"
)

// Used lists the accounts and Regions, in this order, in which there is more than
// what AWS makes by itself: a default VPC with its parts appears wherever
// somebody has only looked.
func Used(r state.Reader) []state.Scope {
	found := map[state.Scope]bool{}
	mark(r, found, state.Vpcs, func(v *state.Vpc) bool { return !v.IsDefault })
	mark(r, found, state.Subnets, func(s *state.Subnet) bool { return !s.DefaultForAz })
	mark(r, found, state.SecurityGroups, func(g *state.SecurityGroup) bool { return !g.IsDefault() })
	mark(r, found, state.RouteTables, func(t *state.RouteTable) bool { return !t.IsMain() })
	mark(r, found, state.NetworkAcls, func(a *state.NetworkAcl) bool { return !a.IsDefault })
	mark(r, found, state.InternetGateways, func(g *state.InternetGateway) bool {
		v, ok := state.Vpcs.Get(r, g.Scope().Key(g.VpcID))
		return !ok || !v.IsDefault
	})
	mark(r, found, state.Images, func(i *state.Image) bool { return i.Region != "" })
	mark(r, found, state.Instances, nil)
	mark(r, found, state.NetworkInterfaces, nil)
	mark(r, found, state.Addresses, nil)
	mark(r, found, state.NatGateways, nil)
	mark(r, found, state.PrefixLists, nil)
	mark(r, found, state.KeyPairs, nil)
	mark(r, found, state.Volumes, nil)
	mark(r, found, state.LoadBalancers, nil)
	mark(r, found, state.TargetGroups, nil)
	for p := range state.VpcPeerings.All(r) {
		for _, side := range []state.PeeringSide{p.Requester, p.Accepter} {
			if _, ok := state.Vpcs.Get(r, side.Vpc); ok {
				found[side.Vpc.Scope()] = true
			}
		}
	}
	out := make([]state.Scope, 0, len(found))
	for s := range found {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b state.Scope) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region))
	})
	return out
}

// mark notes the scopes of a table's rows; counts nil is all of them.
func mark[T any](r state.Reader, found map[state.Scope]bool, table *state.Table[T], counts func(*T) bool) {
	for row := range table.All(r) {
		scope := state.MetaOf(any(row).(state.Resource)).Scope()
		if !found[scope] && (counts == nil || counts(row)) {
			found[scope] = true
		}
	}
}
