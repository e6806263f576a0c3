package ec2

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// DescribeNatGateways lists NAT gateways; those that have failed or are deleted
// for an hour.
func (s *Service) DescribeNatGateways(r state.Reader, c authz.Caller, in *api.DescribeNatGatewaysInput) (*api.DescribeNatGatewaysOutput, error) {
	rows, next, err := natGatewayKind.describe(r, c, query[state.NatGateway]{
		action: "DescribeNatGateways", ids: in.NatGatewayIds, filters: in.Filter, max: in.MaxResults, token: in.NextToken, by: natGatewayFilters,
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeNatGatewaysOutput{NextToken: next, NatGateways: make([]api.NatGateway, 0, len(rows))}
	for _, g := range rows {
		out.NatGateways = append(out.NatGateways, apiNatGateway(g))
	}
	return out, nil
}

var natGatewayFilters = filters[state.NatGateway]{
	"nat-gateway-id": func(g *state.NatGateway) []string { return one(g.ID) },
	"state":          func(g *state.NatGateway) []string { return one(g.State) },
	"subnet-id":      func(g *state.NatGateway) []string { return one(g.SubnetID) },
	"vpc-id":         func(g *state.NatGateway) []string { return one(g.VpcID) },
}

// apiNatGateway describes a NAT gateway.
func apiNatGateway(g *state.NatGateway) api.NatGateway {
	out := api.NatGateway{
		NatGatewayId: ptr(g.ID), VpcId: ptr(g.VpcID), SubnetId: ptr(g.SubnetID), State: ptr(g.State), CreateTime: ptr(g.Created),
		ConnectivityType: ptr(api.ConnectivityTypePublic), AvailabilityMode: ptr(api.AvailabilityModeZonal),
		FailureCode: opt(g.FailureCode), FailureMessage: opt(g.FailureText),
		NatGatewayAddresses: apiNatAddresses(g.Addresses), Tags: apiTags(g.Tags),
	}
	if !g.Public {
		out.ConnectivityType = ptr(api.ConnectivityTypePrivate)
	}
	if !g.DeletedAt.IsZero() {
		out.DeleteTime = ptr(g.DeletedAt)
	}
	return out
}

func apiNatAddresses(rows []state.NatGatewayAddress) []api.NatGatewayAddress {
	out := make([]api.NatGatewayAddress, 0, len(rows))
	for _, a := range rows {
		out = append(out, api.NatGatewayAddress{
			AllocationId: opt(a.AllocationID), AssociationId: opt(a.AssociationID), NetworkInterfaceId: opt(a.InterfaceID),
			PrivateIp: addrText(a.PrivateIP), PublicIp: addrText(a.PublicIP), IsPrimary: ptr(a.Primary),
			FailureMessage: opt(a.FailureText), Status: opt(a.Status),
		})
	}
	return out
}

// natAddresses are the addresses of a NAT gateway: those of its interface, which
// packets leave from.
func natAddresses(r state.Reader, g *state.NatGateway) []state.NatGatewayAddress {
	n, ok := state.NetworkInterfaces.Get(r, g.Scope().Key(g.InterfaceID))
	if !ok {
		return nil
	}
	out := make([]state.NatGatewayAddress, 0, len(n.Addresses))
	for _, a := range n.Addresses {
		out = append(out, state.NatGatewayAddress{
			AllocationID: a.AllocationID, AssociationID: a.AssociationID, InterfaceID: n.ID,
			PrivateIP: a.Addr, PublicIP: a.PublicIP, Primary: a.Primary, Status: api.NatGatewayAddressStatusSucceeded,
		})
	}
	return out
}
