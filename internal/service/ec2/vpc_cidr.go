package ec2

import (
	"net/netip"
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/base/cidr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

// AssociateVpcCidrBlock gives a VPC a further IPv4 block, which every route table
// of the VPC then has a local route for.
func (s *Service) AssociateVpcCidrBlock(tx *state.Tx, c authz.Caller, in *api.AssociateVpcCidrBlockInput) (*api.AssociateVpcCidrBlockOutput, error) {
	if err := vpcKind.wellFormed(val(in.VpcId)); err != nil {
		return nil, err
	}
	switch {
	case in.Ipv4IpamPoolId != nil || in.Ipv4NetmaskLength != nil || in.Ipv6IpamPoolId != nil || in.Ipv6NetmaskLength != nil:
		return nil, awserr.New("UnsupportedOperation", "localvpc has no IPAM pools: give a CidrBlock instead.")
	case val(in.AmazonProvidedIpv6CidrBlock) || in.Ipv6CidrBlock != nil || in.Ipv6Pool != nil || in.Ipv6CidrBlockNetworkBorderGroup != nil:
		return nil, awserr.New("UnsupportedOperation", "localvpc does not give VPCs IPv6 CIDR blocks yet: associate an IPv4 block.")
	case in.CidrBlock == nil:
		return nil, awserr.MissingParameter("cidrBlock")
	}
	block, err := ipv4Block("cidrBlock", *in.CidrBlock)
	if err != nil {
		return nil, err
	}
	old, err := vpc(tx, c, *in.VpcId)
	if err != nil {
		return nil, err
	}
	if !cidr.AllowedForVpc(block) {
		return nil, awserr.New("InvalidVpc.Range", "The CIDR '%s' is invalid.", awserr.Clip(*in.CidrBlock))
	}
	for _, a := range old.Cidrs {
		if a.Cidr.Overlaps(block) {
			return nil, awserr.New("InvalidVpc.Conflict", "The CIDR '%s' conflicts with the CIDR block %s of the vpc '%s'.", block, a.Cidr, old.ID)
		}
	}
	if !cidr.MayJoin(old.Primary(), block) {
		return nil, awserr.New("InvalidVpc.Range", "The CIDR '%s' is restricted. Use a CIDR from the same private address range as the current VPC CIDR, or use a publicly-routable CIDR.\nFor additional restrictions, see https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html", block)
	}
	for t := range state.RouteTables.By(tx, state.ByVpc, old.ID) {
		for _, r := range t.Routes {
			if r.Destination.IsValid() && cidr.Within(block, r.Destination) {
				return nil, awserr.New("InvalidVpc.Conflict", "The CIDR '%s' conflicts with the route to %s in the route table '%s': it is the same as its destination, or larger.", block, r.Destination, t.ID)
			}
		}
	}
	failed, err := peersAllow(tx, old, block)
	if err != nil {
		return nil, err
	}
	if err := s.within(tx, c, "cidr-blocks-per-vpc", len(old.Cidrs)+1); err != nil {
		return nil, err
	}
	a := state.CidrAssociation{ID: tx.ID("vpc-cidr-assoc"), Cidr: block, State: "associated"}
	v := *old
	v.Cidrs = append(slices.Clone(v.Cidrs), a)
	state.Vpcs.Put(tx, &v)
	for t := range state.RouteTables.By(tx, state.ByVpc, v.ID) {
		table := *t
		table.Routes = append(slices.Clone(table.Routes), localRoute(block))
		state.RouteTables.Put(tx, &table)
	}
	for _, p := range failed {
		lifecycle.EndPeering(tx, p, state.PeeringFailed, "")
	}
	return &api.AssociateVpcCidrBlockOutput{VpcId: ptr(v.ID), CidrBlockAssociation: ptr(apiCidrAssociation(a))}, nil
}

// peersAllow says why peering connections keep a VPC from having a block: while
// one is active it must not overlap with the other VPC's, and whoever has asked
// for one adds none until it is accepted. A block of the VPC that was asked makes
// a request fail that it overlaps with (VPC User Guide, "IPv4 VPC CIDR blocks").
func peersAllow(r state.Reader, v *state.Vpc, block netip.Prefix) (failed []*state.VpcPeering, err error) {
	for p := range state.VpcPeerings.By(r, state.ByVpc, v.ID) {
		_, other, ok := p.Of(v.Key)
		if !ok || !p.Active() && p.Status != state.PeeringPending {
			continue
		}
		if p.Status == state.PeeringPending && p.Requester.Vpc == v.Key {
			return nil, awserr.New("InvalidVpc.Conflict", "The CIDR '%s' cannot be added while the VPC peering connection request %s is pending: have it accepted, or delete it first.", block, p.ID)
		}
		peer, ok := state.Vpcs.Get(r, other.Vpc)
		switch {
		case !ok || !overlapsBlock(peer, block):
		case p.Active():
			return nil, awserr.New("InvalidVpc.Conflict", "The CIDR '%s' conflicts with a CIDR block of the vpc '%s', which the VPC peering connection %s leads to.", block, peer.ID, p.ID)
		default:
			failed = append(failed, p)
		}
	}
	return failed, nil
}

// localRoute reaches a block of the VPC itself.
func localRoute(block netip.Prefix) state.Route {
	return state.Route{Destination: block, GatewayID: "local", Origin: "CreateRouteTable"}
}

func apiCidrAssociation(a state.CidrAssociation) api.VpcCidrBlockAssociation {
	return api.VpcCidrBlockAssociation{
		AssociationId: ptr(a.ID), CidrBlock: ptr(a.Cidr.String()), CidrBlockState: &api.VpcCidrBlockState{State: ptr(a.State)},
	}
}

// DisassociateVpcCidrBlock takes a block that no subnet or route of a user is in
// from a VPC, with its local routes. The primary block stays.
func (s *Service) DisassociateVpcCidrBlock(tx *state.Tx, c authz.Caller, in *api.DisassociateVpcCidrBlockInput) (*api.DisassociateVpcCidrBlockOutput, error) {
	id := val(in.AssociationId)
	if !awsid.Valid("vpc-cidr-assoc", id) {
		return nil, malformedID("InvalidVpcCidrBlockAssociationID.Malformed", "vpc-cidr-assoc", id)
	}
	for old := range state.Vpcs.In(tx, c.Scope) {
		i := slices.IndexFunc(old.Cidrs, func(a state.CidrAssociation) bool { return a.ID == id })
		if i < 0 {
			continue
		}
		a := old.Cidrs[i]
		if i == 0 {
			return nil, awserr.New("OperationNotPermitted", "The vpc CIDR block with association ID %s may not be disassociated. It is the primary IPv4 CIDR block of the VPC", id)
		}
		for sub := range state.Subnets.By(tx, state.ByVpc, old.ID) {
			if sub.Cidr.Overlaps(a.Cidr) {
				return nil, awserr.New("InvalidCidrBlock.InUse", "The vpc '%s' currently has a subnet within CIDR block %s", old.ID, a.Cidr)
			}
		}
		for t := range state.RouteTables.By(tx, state.ByVpc, old.ID) {
			for _, r := range t.Routes {
				if r.Destination.IsValid() && cidr.Within(a.Cidr, r.Destination) && r != localRoute(a.Cidr) {
					return nil, awserr.New("InvalidCidrBlock.InUse", "The vpc '%s' currently has a route within CIDR block %s: to %s in the route table '%s'", old.ID, a.Cidr, r.Destination, t.ID)
				}
			}
		}
		v := *old
		v.Cidrs = slices.Delete(slices.Clone(v.Cidrs), i, i+1)
		state.Vpcs.Put(tx, &v)
		for t := range state.RouteTables.By(tx, state.ByVpc, v.ID) {
			table := *t
			table.Routes = slices.DeleteFunc(slices.Clone(table.Routes), func(r state.Route) bool { return r == localRoute(a.Cidr) })
			state.RouteTables.Put(tx, &table)
		}
		a.State = "disassociated"
		return &api.DisassociateVpcCidrBlockOutput{VpcId: ptr(v.ID), CidrBlockAssociation: ptr(apiCidrAssociation(a))}, nil
	}
	return nil, awserr.New("InvalidVpcCidrBlockAssociationID.NotFound", "The vpc CIDR block association ID '%s' does not exist", id)
}
