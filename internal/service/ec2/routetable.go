package ec2

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/state"
)

// DescribeRouteTables lists route tables.
func (s *Service) DescribeRouteTables(r state.Reader, c authz.Caller, in *api.DescribeRouteTablesInput) (*api.DescribeRouteTablesOutput, error) {
	rows, next, err := routeTableKind.describe(r, c, query[state.RouteTable]{
		action: "DescribeRouteTables", ids: in.RouteTableIds, filters: in.Filters, max: in.MaxResults, token: in.NextToken, by: routeTableFilters, also: routeTableLookups,
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeRouteTablesOutput{NextToken: next, RouteTables: []api.RouteTable{}}
	for _, t := range rows {
		out.RouteTables = append(out.RouteTables, apiRouteTable(r, t))
	}
	return out, nil
}

var routeTableFilters = filters[state.RouteTable]{
	"association.gateway-id":                 ofAssociations(func(a state.RouteTableAssociation) string { return a.GatewayID }),
	"association.route-table-association-id": ofAssociations(func(a state.RouteTableAssociation) string { return a.ID }),
	"association.subnet-id":                  ofAssociations(func(a state.RouteTableAssociation) string { return a.SubnetID }),
	"association.main":                       ofAssociations(func(a state.RouteTableAssociation) string { return yes(a.Main)[0] }),
	"association.route-table-id": func(t *state.RouteTable) []string {
		if len(t.Associations) == 0 {
			return nil
		}
		return []string{t.ID}
	},
	"owner-id":       func(t *state.RouteTable) []string { return []string{t.Account} },
	"route-table-id": func(t *state.RouteTable) []string { return []string{t.ID} },
	"vpc-id":         func(t *state.RouteTable) []string { return []string{t.VpcID} },
	"route.destination-cidr-block": ofRoutes(func(r state.Route) string {
		return prefixOf(r.Destination, true)
	}),
	"route.destination-ipv6-cidr-block": ofRoutes(func(r state.Route) string {
		return prefixOf(r.Destination, false)
	}),
	"route.destination-prefix-list-id":      ofRoutes(func(r state.Route) string { return r.PrefixListID }),
	"route.gateway-id":                      ofRoutes(func(r state.Route) string { return r.GatewayID }),
	"route.nat-gateway-id":                  ofRoutes(func(r state.Route) string { return r.NatGatewayID }),
	"route.vpc-peering-connection-id":       ofRoutes(func(r state.Route) string { return r.PeeringID }),
	"route.origin":                          ofRoutes(func(r state.Route) string { return r.Origin }),
	"route.egress-only-internet-gateway-id": func(*state.RouteTable) []string { return nil },
	"route.transit-gateway-id":              func(*state.RouteTable) []string { return nil },
}

// routeTableLookups are the filters about a route's target.
var routeTableLookups = lookups[state.RouteTable]{
	"route.instance-id": func(reader state.Reader, t *state.RouteTable) (out []string) {
		for _, r := range t.Routes {
			id, _ := routeInstance(reader, t, r)
			out = append(out, one(id)...)
		}
		return out
	},
	"route.state": func(reader state.Reader, t *state.RouteTable) (out []string) {
		for _, r := range t.Routes {
			out = append(out, fabric.RouteState(reader, t.Scope(), t.VpcID, r))
		}
		return out
	},
}

func ofAssociations(text func(state.RouteTableAssociation) string) func(*state.RouteTable) []string {
	return func(t *state.RouteTable) (out []string) {
		for _, a := range t.Associations {
			out = append(out, one(text(a))...)
		}
		return out
	}
}

func ofRoutes(text func(state.Route) string) func(*state.RouteTable) []string {
	return func(t *state.RouteTable) (out []string) {
		for _, r := range t.Routes {
			out = append(out, one(text(r))...)
		}
		return out
	}
}

func apiRouteTable(reader state.Reader, t *state.RouteTable) api.RouteTable {
	out := api.RouteTable{
		RouteTableId: ptr(t.ID), VpcId: ptr(t.VpcID), OwnerId: ptr(t.Account), Tags: tagSet(t.Tags),
		Associations: []api.RouteTableAssociation{}, PropagatingVgws: []api.PropagatingVgw{}, Routes: []api.Route{},
	}
	for _, a := range t.Associations {
		out.Associations = append(out.Associations, api.RouteTableAssociation{
			RouteTableAssociationId: ptr(a.ID), RouteTableId: ptr(t.ID), Main: ptr(a.Main), SubnetId: opt(a.SubnetID), GatewayId: opt(a.GatewayID),
			AssociationState: &api.RouteTableAssociationState{State: ptr("associated")},
		})
	}
	for _, id := range t.PropagatingVgws {
		out.PropagatingVgws = append(out.PropagatingVgws, api.PropagatingVgw{GatewayId: ptr(id)})
	}
	for _, r := range t.Routes {
		instance, owner := routeInstance(reader, t, r)
		out.Routes = append(out.Routes, api.Route{
			DestinationCidrBlock: opt(prefixOf(r.Destination, true)), DestinationIpv6CidrBlock: opt(prefixOf(r.Destination, false)),
			DestinationPrefixListId: opt(r.PrefixListID), GatewayId: opt(r.GatewayID), NatGatewayId: opt(r.NatGatewayID),
			NetworkInterfaceId: opt(r.InterfaceID), InstanceId: opt(instance), InstanceOwnerId: opt(owner), VpcPeeringConnectionId: opt(r.PeeringID),
			Origin: ptr(r.Origin), State: ptr(fabric.RouteState(reader, t.Scope(), t.VpcID, r)),
		})
	}
	return out
}

// routeInstance is the instance behind a route, and its owner: that which the
// route's interface is attached to now.
func routeInstance(reader state.Reader, t *state.RouteTable, r state.Route) (id, owner string) {
	n, ok := state.NetworkInterfaces.Get(reader, t.Scope().Key(r.InterfaceID))
	if !ok || n.Attachment == nil {
		return "", ""
	}
	return n.Attachment.InstanceID, n.Attachment.InstanceOwnerID
}
