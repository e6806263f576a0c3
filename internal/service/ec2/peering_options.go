package ec2

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// ModifyVpcPeeringConnectionOptions says whether names of a side's public
// addresses become private for questions from the other VPC. Each owner decides
// for its own side, in that side's Region (EC2 API Reference,
// ModifyVpcPeeringConnectionOptions).
func (s *Service) ModifyVpcPeeringConnectionOptions(tx *state.Tx, c authz.Caller, in *api.ModifyVpcPeeringConnectionOptionsInput) (*api.ModifyVpcPeeringConnectionOptionsOutput, error) {
	p, err := peering(tx, c, val(in.VpcPeeringConnectionId))
	if err != nil {
		return nil, err
	}
	if in.AccepterPeeringConnectionOptions == nil && in.RequesterPeeringConnectionOptions == nil {
		return nil, awserr.New("MissingParameter", "The request must contain the parameter AccepterPeeringConnectionOptions or RequesterPeeringConnectionOptions")
	}
	if !p.Active() {
		return nil, awserr.New("OperationNotPermitted", "Peering %s is not active. Peering options can be added only to active peerings.", p.ID)
	}
	next := *p
	for _, side := range []struct {
		of        *state.PeeringSide
		want      *api.PeeringConnectionOptionsRequest
		name, The string
	}{
		{&next.Accepter, in.AccepterPeeringConnectionOptions, "accepter", "Accepter"},
		{&next.Requester, in.RequesterPeeringConnectionOptions, "requester", "Requester"},
	} {
		if side.want == nil {
			continue
		}
		switch {
		case side.of.Vpc.Account != c.Account:
			return nil, awserr.New("OperationNotPermitted", "User %s does not have permission to modify the %s side peering options", c.Account, side.name)
		case side.of.Vpc.Region != c.Region:
			return nil, awserr.New("OperationNotPermitted", "%s's VPC Peering connection options cannot be modified for a different region", side.The)
		}
		if err := classicLink(p, side.want); err != nil {
			return nil, err
		}
		if side.want.AllowDnsResolutionFromRemoteVpc != nil {
			side.of.DNS = *side.want.AllowDnsResolutionFromRemoteVpc
		}
	}
	peeringKind.put(tx, c.Scope, &next)
	return &api.ModifyVpcPeeringConnectionOptionsOutput{
		AccepterPeeringConnectionOptions:  apiPeeringOptions(in.AccepterPeeringConnectionOptions, next.Accepter),
		RequesterPeeringConnectionOptions: apiPeeringOptions(in.RequesterPeeringConnectionOptions, next.Requester),
	}, nil
}

// classicLink refuses the options of ClassicLink, which AWS has retired: they can
// be said to be off, and over Regions not even that.
func classicLink(p *state.VpcPeering, want *api.PeeringConnectionOptionsRequest) error {
	a, b := want.AllowEgressFromLocalClassicLinkToRemoteVpc, want.AllowEgressFromLocalVpcToRemoteClassicLink
	switch {
	case (a != nil || b != nil) && p.Requester.Vpc.Region != p.Accepter.Vpc.Region:
		return awserr.New("OperationNotPermitted", "Modifying VPC peering connection options AllowEgressFromLocalClassicLinkToRemoteVpc, AllowEgressFromLocalVpcToRemoteClassicLink is not supported for cross-region VPC peering connections")
	case val(a) || val(b):
		return awserr.New("UnsupportedOperation", "ClassicLink is retired: leave AllowEgressFromLocalClassicLinkToRemoteVpc and AllowEgressFromLocalVpcToRemoteClassicLink out.")
	}
	return nil
}

// apiPeeringOptions shows the options of a side that a request has set; nil
// where it has set none.
func apiPeeringOptions(asked *api.PeeringConnectionOptionsRequest, side state.PeeringSide) *api.PeeringConnectionOptions {
	if asked == nil {
		return nil
	}
	return &api.PeeringConnectionOptions{
		AllowDnsResolutionFromRemoteVpc:            ptr(side.DNS),
		AllowEgressFromLocalClassicLinkToRemoteVpc: ptr(false), AllowEgressFromLocalVpcToRemoteClassicLink: ptr(false),
	}
}
