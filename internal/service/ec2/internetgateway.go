package ec2

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// CreateInternetGateway makes a gateway that is attached to no VPC.
func (s *Service) CreateInternetGateway(tx *state.Tx, c authz.Caller, in *api.CreateInternetGatewayInput) (*api.CreateInternetGatewayOutput, error) {
	tags, err := tagsOf(in.TagSpecifications, internetGatewayKind.resource)
	if err != nil {
		return nil, err
	}
	n := 1
	for range state.InternetGateways.In(tx, c.Scope) {
		n++
	}
	if err := s.within(tx, c, "internet-gateways-per-region", n); err != nil {
		return nil, err
	}
	g := &state.InternetGateway{Meta: tx.Meta(c.Scope, internetGatewayKind.prefix)}
	g.Tags = tags
	state.InternetGateways.Put(tx, g)
	return &api.CreateInternetGatewayOutput{InternetGateway: ptr(apiInternetGateway(g))}, nil
}

// AttachInternetGateway attaches a gateway to a VPC; either has one of the other
// at most.
func (s *Service) AttachInternetGateway(tx *state.Tx, c authz.Caller, in *api.AttachInternetGatewayInput) (*api.AttachInternetGatewayOutput, error) {
	g, err := attaching(tx, c, in.InternetGatewayId, in.VpcId)
	switch {
	case err != nil:
		return nil, err
	case g.VpcID != "":
		return nil, awserr.New("Resource.AlreadyAssociated", "resource %s is already attached to network %s", g.ID, g.VpcID)
	}
	v, err := vpc(tx, c, *in.VpcId)
	if err != nil {
		return nil, err
	}
	if _, ok := gatewayOf(tx, v.Key); ok {
		return nil, awserr.New("InvalidParameterValue", "Network %s already has an internet gateway attached", v.ID)
	}
	next := *g
	next.VpcID = v.ID
	state.InternetGateways.Put(tx, &next)
	return &api.AttachInternetGatewayOutput{}, nil
}

// DetachInternetGateway takes a gateway from its VPC, in which nothing may have a
// public address. Routes to it become black holes.
func (s *Service) DetachInternetGateway(tx *state.Tx, c authz.Caller, in *api.DetachInternetGatewayInput) (*api.DetachInternetGatewayOutput, error) {
	g, err := attaching(tx, c, in.InternetGatewayId, in.VpcId)
	switch {
	case err != nil:
		return nil, err
	case g.VpcID != *in.VpcId: // which may be gone since
		return nil, awserr.New("Gateway.NotAttached", "resource %s is not attached to network %s", g.ID, *in.VpcId)
	}
	for n := range state.NetworkInterfaces.By(tx, state.ByVpc, g.VpcID) {
		for _, p := range n.Addresses {
			if p.PublicIP.IsValid() {
				return nil, awserr.New("DependencyViolation", "Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", g.VpcID)
			}
		}
	}
	for t := range state.RouteTables.By(tx, state.ByRouteTarget, g.ID) {
		for _, a := range t.Associations {
			if a.GatewayID == g.ID {
				return nil, awserr.New("DependencyViolation", "The internetGateway '%s' is associated with the route table '%s' and cannot be detached.", g.ID, t.ID)
			}
		}
	}
	next := *g
	next.VpcID = ""
	state.InternetGateways.Put(tx, &next)
	return &api.DetachInternetGatewayOutput{}, nil
}

// DeleteInternetGateway removes a gateway that is attached to no VPC.
func (s *Service) DeleteInternetGateway(tx *state.Tx, c authz.Caller, in *api.DeleteInternetGatewayInput) (*api.DeleteInternetGatewayOutput, error) {
	g, err := internetGateway(tx, c, val(in.InternetGatewayId))
	switch {
	case err != nil:
		return nil, err
	case g.VpcID != "":
		return nil, awserr.New("DependencyViolation", "The internetGateway '%s' has dependencies and cannot be deleted.", g.ID)
	}
	state.InternetGateways.Delete(tx, g.Key)
	return &api.DeleteInternetGatewayOutput{}, nil
}

// DescribeInternetGateways lists internet gateways.
func (s *Service) DescribeInternetGateways(r state.Reader, c authz.Caller, in *api.DescribeInternetGatewaysInput) (*api.DescribeInternetGatewaysOutput, error) {
	rows, next, err := internetGatewayKind.describe(r, c, query[state.InternetGateway]{
		action: "DescribeInternetGateways", ids: in.InternetGatewayIds, filters: in.Filters, max: in.MaxResults, token: in.NextToken, by: internetGatewayFilters,
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeInternetGatewaysOutput{NextToken: next, InternetGateways: []api.InternetGateway{}}
	for _, g := range rows {
		out.InternetGateways = append(out.InternetGateways, apiInternetGateway(g))
	}
	return out, nil
}

var internetGatewayFilters = filters[state.InternetGateway]{
	"attachment.state": func(g *state.InternetGateway) []string {
		if g.VpcID == "" {
			return nil
		}
		return []string{attachedGateway}
	},
	"attachment.vpc-id":   func(g *state.InternetGateway) []string { return one(g.VpcID) },
	"internet-gateway-id": func(g *state.InternetGateway) []string { return []string{g.ID} },
	"owner-id":            func(g *state.InternetGateway) []string { return []string{g.Account} },
}

// attachedGateway is the state of an internet gateway's attachment, which AWS
// calls available where other gateways are attached.
const attachedGateway = "available"

func apiInternetGateway(g *state.InternetGateway) api.InternetGateway {
	out := api.InternetGateway{InternetGatewayId: ptr(g.ID), OwnerId: ptr(g.Account), Attachments: []api.InternetGatewayAttachment{}, Tags: tagSet(g.Tags)}
	if g.VpcID != "" {
		out.Attachments = append(out.Attachments, api.InternetGatewayAttachment{State: ptr(attachedGateway), VpcId: ptr(g.VpcID)})
	}
	return out
}

// attaching checks the ids of both ends of an attachment, and finds the gateway.
func attaching(r state.Reader, c authz.Caller, gatewayID, vpcID *string) (*state.InternetGateway, error) {
	if err := internetGatewayKind.wellFormed(val(gatewayID)); err != nil {
		return nil, err
	}
	if err := vpcKind.wellFormed(val(vpcID)); err != nil {
		return nil, err
	}
	return internetGateway(r, c, *gatewayID)
}

// gatewayOf finds the internet gateway that is attached to a VPC.
func gatewayOf(r state.Reader, vpc state.Key) (*state.InternetGateway, bool) {
	for g := range state.InternetGateways.By(r, state.ByVpc, vpc.ID) {
		if g.Scope() == vpc.Scope() {
			return g, true
		}
	}
	return nil, false
}

// needsGateway says that what wants a public address in a VPC has no way to the
// internet.
func needsGateway(r state.Reader, vpc state.Key) error {
	if _, ok := gatewayOf(r, vpc); !ok {
		return awserr.New("Gateway.NotAttached", "Network %s is not attached to any internet gateway", vpc.ID)
	}
	return nil
}
