package ec2

import (
	"strings"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// targetRequest is what CreateRoute and ReplaceRoute say of where a route leads.
type targetRequest struct {
	gateway, nat, instance, networkInterface, peering *string
	egressOnly, transit, local, carrier, endpoint     *string
	coreNetwork, odbNetwork                           *string
	localTarget                                       bool // ReplaceRoute's LocalTarget
}

// target finds the one target of a request and gives a route without its
// destination.
func (in targetRequest) target(r state.Reader, c authz.Caller, t *state.RouteTable) (state.Route, error) {
	var given []string
	var find func() (state.Route, error)
	for _, kind := range []struct {
		parameter string
		id        *string
		find      func(state.Reader, authz.Caller, *state.RouteTable, string) (state.Route, error)
	}{
		{"gatewayId", in.gateway, toGateway},
		{"natGatewayId", in.nat, toNatGateway},
		{"instanceId", in.instance, toInstance},
		{"networkInterfaceId", in.networkInterface, toInterface},
		{"vpcPeeringConnectionId", in.peering, toPeering},
		{"egressOnlyInternetGatewayId", in.egressOnly, noTarget("eigw", "InvalidGatewayID.NotFound", "The eigw ID '%s' does not exist")},
		{"transitGatewayId", in.transit, noTarget("tgw", "InvalidTransitGatewayID.NotFound", "The transitGateway ID '%s' does not exist")},
		{"localGatewayId", in.local, noTarget("lgw", "InvalidLocalGatewayID.NotFound", "The localGateway ID '%s' does not exist")},
		{"carrierGatewayId", in.carrier, noTarget("cagw", "InvalidCarrierGatewayID.NotFound", "The carrierGateway ID '%s' does not exist")},
		{"vpcEndpointId", in.endpoint, noTarget("vpce", "InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '%s' does not exist")},
		{"coreNetworkArn", in.coreNetwork, noTarget("", "InvalidCoreNetworkArn.NotFound", "The core network '%s' does not exist")},
		{"odbNetworkArn", in.odbNetwork, noTarget("", "InvalidOdbNetworkArn.NotFound", "The ODB network '%s' does not exist")},
	} {
		if kind.id != nil {
			given = append(given, kind.parameter)
			find = func() (state.Route, error) { return kind.find(r, c, t, *kind.id) }
		}
	}
	if in.localTarget {
		given = append(given, "localTarget")
		find = func() (state.Route, error) { return state.Route{GatewayID: "local"}, nil }
	}
	switch len(given) {
	case 0:
		return state.Route{}, awserr.New("MissingParameter", "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, vpcPeeringConnectionId, egressOnlyInternetGatewayId, transitGatewayId, localGatewayId, carrierGatewayId, vpcEndpointId, coreNetworkArn or instanceId")
	case 1:
		return find()
	}
	return state.Route{}, awserr.InvalidParameterCombination("The parameter %s cannot be used with the parameter %s", given[1], given[0])
}

// noTarget is for kinds of targets of which none exists here.
func noTarget(prefix, code, text string) func(state.Reader, authz.Caller, *state.RouteTable, string) (state.Route, error) {
	return func(_ state.Reader, _ authz.Caller, _ *state.RouteTable, id string) (state.Route, error) {
		if prefix != "" && !awsid.Valid(prefix, id) {
			return state.Route{}, malformedID(strings.TrimSuffix(code, ".NotFound")+".Malformed", prefix, id)
		}
		return state.Route{}, awserr.New(code, text, awserr.Clip(id))
	}
}

// toGateway takes an internet gateway; a NAT gateway's id is also taken, as AWS
// does.
func toGateway(r state.Reader, c authz.Caller, t *state.RouteTable, id string) (state.Route, error) {
	if awsid.Prefix(id) == "nat" {
		return toNatGateway(r, c, t, id)
	}
	if err := targetGateway(r, c, t, id); err != nil {
		return state.Route{}, err
	}
	return state.Route{GatewayID: id}, nil
}

// targetGateway checks that an internet gateway is there and attached to the
// VPC of a route table.
func targetGateway(r state.Reader, c authz.Caller, t *state.RouteTable, id string) error {
	g, ok := state.InternetGateways.Get(r, c.Scope.Key(id))
	if !ok {
		return awserr.New("InvalidGatewayID.NotFound", "The gateway ID '%s' does not exist", awserr.Clip(id))
	}
	if g.VpcID != t.VpcID {
		return differentRouteNetworks(t, "network gateway", g.ID)
	}
	return nil
}

func differentRouteNetworks(t *state.RouteTable, noun, id string) error {
	return awserr.New("InvalidParameterValue", "route table %s and %s %s belong to different networks", t.ID, noun, id)
}

func toNatGateway(r state.Reader, c authz.Caller, t *state.RouteTable, id string) (state.Route, error) {
	g, ok := state.NatGateways.Get(r, c.Scope.Key(id))
	if !ok || g.State == "deleted" || g.State == "deleting" {
		return state.Route{}, awserr.New("InvalidNatGatewayID.NotFound", "The natGateway ID '%s' does not exist", awserr.Clip(id))
	}
	if g.VpcID != t.VpcID {
		return state.Route{}, differentRouteNetworks(t, "nat gateway", g.ID)
	}
	return state.Route{NatGatewayID: g.ID}, nil
}

func toInterface(r state.Reader, c authz.Caller, t *state.RouteTable, id string) (state.Route, error) {
	n, err := networkInterface(r, c, id)
	if err != nil {
		return state.Route{}, err
	}
	if n.VpcID != t.VpcID {
		return state.Route{}, differentRouteNetworks(t, "interface", n.ID)
	}
	return state.Route{InterfaceID: n.ID}, nil
}

// toPeering leads to a peering connection of the table's VPC: an active one, or a
// request, which makes a black hole until it is accepted (VPC Peering Guide,
// "Update your route tables for a VPC peering connection").
func toPeering(r state.Reader, c authz.Caller, t *state.RouteTable, id string) (state.Route, error) {
	p, err := peering(r, c, id)
	if err != nil {
		return state.Route{}, err
	}
	if !p.Active() && p.Status != state.PeeringPending {
		return state.Route{}, peeringKind.none(p.ID)
	}
	if _, _, ok := p.Of(t.Scope().Key(t.VpcID)); !ok {
		return state.Route{}, differentRouteNetworks(t, "network gateway", p.ID)
	}
	return state.Route{PeeringID: p.ID}, nil
}

// toInstance leads to the instance's only interface.
func toInstance(r state.Reader, c authz.Caller, t *state.RouteTable, id string) (state.Route, error) {
	i, err := instance(r, c, id)
	if err != nil {
		return state.Route{}, err
	}
	var found []*state.NetworkInterface
	for n := range state.NetworkInterfaces.By(r, state.ByInstance, i.ID) {
		found = append(found, n)
	}
	switch {
	case len(found) > 1:
		return state.Route{}, awserr.New("InvalidInstanceID", "There are multiple interfaces attached to instance '%s'. Please specify an interface ID for the operation instead.", i.ID)
	case len(found) == 0:
		return state.Route{}, awserr.New("InvalidInstanceID", "There are no interfaces attached to instance '%s'.", i.ID)
	case found[0].VpcID != t.VpcID:
		return state.Route{}, differentRouteNetworks(t, "interface", found[0].ID)
	}
	return state.Route{InterfaceID: found[0].ID, InstanceID: i.ID}, nil
}
