package ec2

import (
	"net/netip"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// DescribeVpcPeeringConnections lists the peering connections of the caller's
// VPCs, whichever side has asked; those that have ended for a while.
func (s *Service) DescribeVpcPeeringConnections(r state.Reader, c authz.Caller, in *api.DescribeVpcPeeringConnectionsInput) (*api.DescribeVpcPeeringConnectionsOutput, error) {
	rows, next, err := peeringKind.describe(r, c, query[state.VpcPeering]{
		action: "DescribeVpcPeeringConnections", ids: in.VpcPeeringConnectionIds, filters: in.Filters, max: in.MaxResults, token: in.NextToken,
		by: peeringFilters, also: peeringLookups,
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeVpcPeeringConnectionsOutput{NextToken: next, VpcPeeringConnections: make([]api.VpcPeeringConnection, 0, len(rows))}
	for _, p := range rows {
		out.VpcPeeringConnections = append(out.VpcPeeringConnections, apiPeering(r, p))
	}
	return out, nil
}

var peeringFilters = filters[state.VpcPeering]{
	"accepter-vpc-info.owner-id":  func(p *state.VpcPeering) []string { return one(p.Accepter.Vpc.Account) },
	"accepter-vpc-info.vpc-id":    func(p *state.VpcPeering) []string { return one(p.Accepter.Vpc.ID) },
	"requester-vpc-info.owner-id": func(p *state.VpcPeering) []string { return one(p.Requester.Vpc.Account) },
	"requester-vpc-info.vpc-id":   func(p *state.VpcPeering) []string { return one(p.Requester.Vpc.ID) },
	"expiration-time": func(p *state.VpcPeering) []string {
		if p.Expires.IsZero() {
			return nil
		}
		return one(p.Expires.UTC().Format("2006-01-02T15:04:05.000Z"))
	},
	"status-code":               func(p *state.VpcPeering) []string { return one(p.Status) },
	"status-message":            func(p *state.VpcPeering) []string { return one(p.StatusText) },
	"vpc-peering-connection-id": func(p *state.VpcPeering) []string { return one(p.ID) },
}

var peeringLookups = lookups[state.VpcPeering]{
	"accepter-vpc-info.cidr-block": func(r state.Reader, p *state.VpcPeering) []string {
		return blockTexts(peeringBlocks(r, p, p.Accepter))
	},
	"requester-vpc-info.cidr-block": func(r state.Reader, p *state.VpcPeering) []string {
		return blockTexts(peeringBlocks(r, p, p.Requester))
	},
}

func blockTexts(blocks []netip.Prefix) []string {
	out := make([]string, len(blocks))
	for i, b := range blocks {
		out[i] = b.String()
	}
	return out
}

// peeringBlocks are the blocks that are shown of a side: those of the moment
// while the connection is active.
func peeringBlocks(r state.Reader, p *state.VpcPeering, side state.PeeringSide) []netip.Prefix {
	if v, ok := state.Vpcs.Get(r, side.Vpc); ok && p.Active() {
		return blocksOf(v)
	}
	return side.Cidrs
}

// apiPeering describes a peering connection as it is seen.
func apiPeering(r state.Reader, p *state.VpcPeering) api.VpcPeeringConnection {
	out := api.VpcPeeringConnection{
		VpcPeeringConnectionId: ptr(p.ID), Tags: apiTags(p.Tags),
		Status:           &api.VpcPeeringConnectionStateReason{Code: ptr(p.Status), Message: ptr(p.StatusText)},
		RequesterVpcInfo: apiPeeringSide(r, p, p.Requester), AccepterVpcInfo: apiPeeringSide(r, p, p.Accepter),
	}
	if !p.Expires.IsZero() {
		out.ExpirationTime = ptr(p.Expires)
	}
	return out
}

func apiPeeringSide(r state.Reader, p *state.VpcPeering, side state.PeeringSide) *api.VpcPeeringConnectionVpcInfo {
	out := &api.VpcPeeringConnectionVpcInfo{
		OwnerId: ptr(side.Vpc.Account), VpcId: ptr(side.Vpc.ID), Region: ptr(side.Vpc.Region),
		PeeringOptions: &api.VpcPeeringConnectionOptionsDescription{
			AllowDnsResolutionFromRemoteVpc:            ptr(side.DNS),
			AllowEgressFromLocalClassicLinkToRemoteVpc: ptr(false), AllowEgressFromLocalVpcToRemoteClassicLink: ptr(false),
		},
	}
	for i, b := range peeringBlocks(r, p, side) {
		if i == 0 {
			out.CidrBlock = prefixText(b)
		}
		out.CidrBlockSet = append(out.CidrBlockSet, api.CidrBlock{CidrBlock: prefixText(b)})
	}
	return out
}
