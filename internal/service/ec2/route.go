package ec2

import (
	"net/netip"
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/cidr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// destination is the key of a route: no table has two routes with the same one.
type destination struct {
	prefix netip.Prefix
	list   string
}

func destinationOf(r state.Route) destination { return destination{r.Destination, r.PrefixListID} }

// String is how AWS's errors spell it.
func (d destination) String() string {
	if d.list != "" {
		return d.list
	}
	return d.prefix.String()
}

// parameter is the name of the parameter that gives it, as errors spell it.
func (d destination) parameter() string {
	switch {
	case d.list != "":
		return "destination-prefix-list-id"
	case d.prefix.Addr().Is6():
		return "destination-ipv6-cidr-block"
	}
	return "destination-cidr-block"
}

// readDestination reads the one destination of a request; the host's bits of a
// block are cleared (EC2 API Reference, CreateRoute). It does not look whether a
// prefix list is there.
func readDestination(v4, v6, list *string) (destination, error) {
	given := 0
	for _, p := range []*string{v4, v6, list} {
		if p != nil {
			given++
		}
	}
	switch {
	case given == 0:
		return destination{}, awserr.New("MissingParameter", "The request must contain exactly one of destinationCidrBlock, destinationIpv6CidrBlock and destinationPrefixListId")
	case given > 1:
		return destination{}, awserr.InvalidParameterCombination("The request must contain exactly one of destinationCidrBlock, destinationIpv6CidrBlock and destinationPrefixListId")
	case v4 != nil:
		block, err := ipv4Block("destinationCidrBlock", *v4)
		return destination{prefix: block}, err
	case v6 != nil:
		block, err := cidr.Parse(*v6)
		if err != nil || block.Addr().Is4() {
			return destination{}, awserr.InvalidParameterValue("destinationIpv6CidrBlock", *v6, "This is not a valid IPv6 CIDR block.")
		}
		return destination{prefix: block}, nil
	}
	return destination{list: *list}, prefixListKind.wellFormed(*list)
}

// withinVpc says whether all of a block is in one of the VPC's.
func withinVpc(v *state.Vpc, block netip.Prefix) bool {
	return slices.ContainsFunc(v.Cidrs, func(a state.CidrAssociation) bool { return cidr.Within(a.Cidr, block) })
}

// reservedDestinations are AWS's own; no route can lead into them (EC2 API
// Reference, CreateRoute).
var reservedDestinations = [...]netip.Prefix{netip.MustParsePrefix("169.254.168.0/22"), netip.MustParsePrefix("fd00:ec2::/32")}

// checkRoute says why a table cannot have a route: what is more specific than
// the local routes can lead only to what looks at traffic inside the VPC, and
// only for a whole subnet (VPC User Guide, "Route tables": "Route priority",
// "Middlebox routing").
func checkRoute(r state.Reader, c authz.Caller, t *state.RouteTable, route state.Route) error {
	v, err := vpc(r, c, t.VpcID)
	if err != nil {
		return err
	}
	if isGatewayTable(t) {
		if err := gatewayRoute(v, route); err != nil {
			return err
		}
	}
	if route.PrefixListID != "" {
		return nil
	}
	for _, reserved := range reservedDestinations {
		if cidr.Within(reserved, route.Destination) {
			return awserr.New("InvalidParameterValue", "The destination CIDR block %s is in the reserved range %s.", route.Destination, reserved)
		}
	}
	switch {
	case !withinVpc(v, route.Destination):
		return nil
	case route.GatewayID != "local" && route.InterfaceID == "" && route.NatGatewayID == "":
		return awserr.New("InvalidParameterValue", "Route target is not supported. This route only supports interface and instance targets.")
	case slices.ContainsFunc(v.Cidrs, func(a state.CidrAssociation) bool { return a.Cidr == route.Destination }):
		return nil
	}
	for sub := range state.Subnets.By(r, state.ByVpc, v.ID) {
		if sub.Cidr == route.Destination {
			return nil
		}
	}
	return awserr.New("InvalidParameterValue", "The destination CIDR block %s is equal to or more specific than one of this VPC's CIDR blocks. It must be the CIDR block of a subnet of the vpc '%s'.", route.Destination, v.ID)
}

// routeAsked finds the table that a call about a route names, and reads the
// route's destination.
func routeAsked(r state.Reader, c authz.Caller, table, block, ipv6, list *string) (*state.RouteTable, destination, error) {
	if err := routeTableKind.wellFormed(val(table)); err != nil {
		return nil, destination{}, err
	}
	to, err := readDestination(block, ipv6, list)
	if err != nil {
		return nil, to, err
	}
	t, err := routeTable(r, c, *table)
	return t, to, err
}

// CreateRoute adds a route to a table.
func (s *Service) CreateRoute(tx *state.Tx, c authz.Caller, in *api.CreateRouteInput) (*api.CreateRouteOutput, error) {
	t, to, err := routeAsked(tx, c, in.RouteTableId, in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	if to.list != "" {
		if _, err := prefixList(tx, c, to.list); err != nil {
			return nil, err
		}
	}
	route, err := targetRequest{
		gateway: in.GatewayId, nat: in.NatGatewayId, instance: in.InstanceId, networkInterface: in.NetworkInterfaceId,
		peering: in.VpcPeeringConnectionId, egressOnly: in.EgressOnlyInternetGatewayId, transit: in.TransitGatewayId,
		local: in.LocalGatewayId, carrier: in.CarrierGatewayId, endpoint: in.VpcEndpointId,
		coreNetwork: in.CoreNetworkArn, odbNetwork: in.OdbNetworkArn,
	}.target(tx, c, t)
	if err != nil {
		return nil, err
	}
	route.Destination, route.PrefixListID, route.Origin = to.prefix, to.list, "CreateRoute"
	if err := checkRoute(tx, c, t, route); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(t.Routes, func(r state.Route) bool { return destinationOf(r) == to }) {
		return nil, awserr.New("RouteAlreadyExists", "The route identified by %s already exists.", to)
	}
	next := *t
	next.Routes = append(slices.Clone(t.Routes), route)
	if err := s.within(tx, c, "routes-per-route-table", countRoutes(tx, &next).most()); err != nil {
		return nil, err
	}
	state.RouteTables.Put(tx, &next)
	return &api.CreateRouteOutput{Return: ptr(true)}, nil
}

// countRoutes counts a table's routes against the quota, which is enforced for
// IPv4 and IPv6 apart. A prefix list counts as often as it may have entries;
// local and propagated routes do not count (VPC User Guide, "Amazon VPC quotas").
func countRoutes(r state.Reader, t *state.RouteTable) (n ruleCount) {
	for _, route := range t.Routes {
		if route.Origin == "CreateRoute" {
			n.add(r, t.Scope(), state.Peer{Cidr: route.Destination, PrefixListID: route.PrefixListID})
		}
	}
	return n
}

// ReplaceRoute gives a route another target. That of a local route can be
// replaced too, and comes back with LocalTarget.
func (s *Service) ReplaceRoute(tx *state.Tx, c authz.Caller, in *api.ReplaceRouteInput) (*api.ReplaceRouteOutput, error) {
	t, to, err := routeAsked(tx, c, in.RouteTableId, in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	route, err := targetRequest{
		gateway: in.GatewayId, nat: in.NatGatewayId, instance: in.InstanceId, networkInterface: in.NetworkInterfaceId,
		peering: in.VpcPeeringConnectionId, egressOnly: in.EgressOnlyInternetGatewayId, transit: in.TransitGatewayId,
		local: in.LocalGatewayId, carrier: in.CarrierGatewayId, endpoint: in.VpcEndpointId,
		coreNetwork: in.CoreNetworkArn, odbNetwork: in.OdbNetworkArn, localTarget: val(in.LocalTarget),
	}.target(tx, c, t)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(t.Routes, func(r state.Route) bool { return destinationOf(r) == to })
	if i < 0 {
		return nil, awserr.New("InvalidParameterValue", "There is no route defined for '%s' in the route table. Use CreateRoute instead.", to)
	}
	old := t.Routes[i]
	if val(in.LocalTarget) && old.Origin != "CreateRouteTable" {
		return nil, awserr.New("InvalidParameterValue", "The route identified by %s is not a local route: its target cannot be reset to local.", to)
	}
	route.Destination, route.PrefixListID, route.Origin = old.Destination, old.PrefixListID, old.Origin
	if err := checkRoute(tx, c, t, route); err != nil {
		return nil, err
	}
	next := *t
	next.Routes = slices.Clone(t.Routes)
	next.Routes[i] = route
	state.RouteTables.Put(tx, &next)
	return &api.ReplaceRouteOutput{}, nil
}

// DeleteRoute removes a route; the local ones stay.
func (s *Service) DeleteRoute(tx *state.Tx, c authz.Caller, in *api.DeleteRouteInput) (*api.DeleteRouteOutput, error) {
	t, to, err := routeAsked(tx, c, in.RouteTableId, in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(t.Routes, func(r state.Route) bool { return destinationOf(r) == to })
	switch {
	case i < 0:
		return nil, awserr.New("InvalidRoute.NotFound", "no route with %s %s in route table %s", to.parameter(), to, t.ID)
	case t.Routes[i].Origin == "CreateRouteTable":
		return nil, awserr.New("InvalidParameterValue", "cannot remove local route %s in route table %s", to, t.ID)
	}
	next := *t
	next.Routes = slices.Delete(slices.Clone(t.Routes), i, i+1)
	state.RouteTables.Put(tx, &next)
	return &api.DeleteRouteOutput{}, nil
}
