package ec2

import (
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsregion"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

// CreateVpcPeeringConnection asks the owner of another VPC for a peering
// connection. What is wrong with the other VPC, which the caller may not see,
// makes a request that has failed, and so do blocks that overlap (VPC Peering
// Guide, "Create a VPC peering connection"). A request that is there already, or
// has been accepted, is given once more.
func (s *Service) CreateVpcPeeringConnection(tx *state.Tx, c authz.Caller, in *api.CreateVpcPeeringConnectionInput) (*api.CreateVpcPeeringConnectionOutput, error) {
	tags, err := tagsOf(in.TagSpecifications, peeringKind.resource)
	if err != nil {
		return nil, err
	}
	own, peer, err := s.peeringSides(tx, c, in)
	if err != nil {
		return nil, err
	}
	if p := peeringBetween(tx, own.Key, peer); p != nil {
		return &api.CreateVpcPeeringConnectionOutput{VpcPeeringConnection: ptr(apiPeering(tx, seen(p, c.Scope)))}, nil
	}
	p := &state.VpcPeering{
		Meta:      tx.Meta(c.Scope, "pcx"),
		Requester: state.PeeringSide{Vpc: own.Key, Cidrs: blocksOf(own)},
		Accepter:  state.PeeringSide{Vpc: peer},
		Status:    state.PeeringPending, StatusText: "Pending Acceptance by " + peer.Account,
		Expires: tx.Now().Add(lifecycle.PeeringRequestFor),
	}
	p.Tags = tags
	answer := apiPeering(tx, p)
	answer.Status = &api.VpcPeeringConnectionStateReason{
		Code: ptr(api.VpcPeeringConnectionStateReasonCodeInitiatingRequest), Message: ptr("Initiating Request to " + peer.Account),
	}
	other, ok := state.Vpcs.Get(tx, peer)
	if !ok || overlap(own, other) {
		lifecycle.EndPeering(tx, p, state.PeeringFailed, "")
	} else {
		if err := s.within(tx, c, "outstanding-peering-requests", outstanding(tx, c)+1); err != nil {
			return nil, err
		}
		state.VpcPeerings.Put(tx, p)
	}
	return &api.CreateVpcPeeringConnectionOutput{VpcPeeringConnection: &answer}, nil
}

// peeringSides finds the VPC that asks, and names the one that is asked, which
// must be there only if it is of the caller's own account and Region.
func (s *Service) peeringSides(r state.Reader, c authz.Caller, in *api.CreateVpcPeeringConnectionInput) (own *state.Vpc, peer state.Key, err error) {
	if err := vpcKind.wellFormed(val(in.VpcId)); err != nil {
		return nil, peer, err
	}
	if in.PeerVpcId == nil {
		return nil, peer, awserr.MissingParameter("peerVpcId")
	}
	if err := vpcKind.wellFormed(*in.PeerVpcId); err != nil {
		return nil, peer, err
	}
	peer = c.Scope.Key(*in.PeerVpcId)
	if in.PeerOwnerId != nil {
		if peer.Account = *in.PeerOwnerId; !isAccount(peer.Account) {
			return nil, peer, awserr.InvalidParameterValue("peerOwnerId", peer.Account, "Account IDs are 12 digits.")
		}
	}
	if in.PeerRegion != nil {
		peer.Region = *in.PeerRegion
		if _, ok := awsregion.Lookup(peer.Region); !ok {
			return nil, peer, awserr.InvalidParameterValue("peerRegion", peer.Region, "Invalid region provided.")
		}
	}
	if own, err = vpc(r, c, *in.VpcId); err != nil {
		return nil, peer, err
	}
	if peer == own.Key {
		return nil, peer, awserr.InvalidParameterValue("peerVpcId", peer.ID, "A VPC cannot be peered with itself.")
	}
	if peer.Scope() == c.Scope {
		_, err = vpc(r, c, peer.ID)
	}
	return own, peer, err
}

// peeringBetween finds the peering connection that one VPC has asked another
// for, pending or active; nil: there is none.
func peeringBetween(r state.Reader, requester, accepter state.Key) *state.VpcPeering {
	for p := range state.VpcPeerings.By(r, state.ByVpc, requester.ID) {
		if p.Requester.Vpc == requester && p.Accepter.Vpc == accepter && (p.Active() || p.Status == state.PeeringPending) {
			return p
		}
	}
	return nil
}

// activePeering finds the active peering connection of two VPCs, whichever of
// them has asked for it; nil: there is none.
func activePeering(r state.Reader, a, b state.Key) *state.VpcPeering {
	for p := range state.VpcPeerings.By(r, state.ByVpc, a.ID) {
		if _, other, ok := p.Of(a); ok && other.Vpc == b && p.Active() {
			return p
		}
	}
	return nil
}

func outstanding(r state.Reader, c authz.Caller) (n int) {
	for p := range state.VpcPeerings.In(r, c.Scope) {
		if p.Status == state.PeeringPending {
			n++
		}
	}
	return n
}

// overlap says whether VPCs have addresses in common, which keeps them from
// being peered.
func overlap(a, b *state.Vpc) bool {
	for _, block := range blocksOf(a) {
		if overlapsBlock(b, block) {
			return true
		}
	}
	return false
}

func overlapsBlock(v *state.Vpc, block netip.Prefix) bool {
	return slices.ContainsFunc(v.Cidrs, func(a state.CidrAssociation) bool { return a.Cidr.Overlaps(block) })
}

func blocksOf(v *state.Vpc) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(v.Cidrs))
	for _, a := range v.Cidrs {
		out = append(out, a.Cidr)
	}
	return out
}

// AcceptVpcPeeringConnection makes packets pass, in the Region of the VPC that
// was asked. The answer says provisioning; when it is given the connection is
// active.
func (s *Service) AcceptVpcPeeringConnection(tx *state.Tx, c authz.Caller, in *api.AcceptVpcPeeringConnectionInput) (*api.AcceptVpcPeeringConnectionOutput, error) {
	p, err := answerable(tx, c, val(in.VpcPeeringConnectionId), "accept", api.VpcPeeringConnectionStateReasonCodeProvisioning)
	if err != nil {
		return nil, err
	}
	requester, ok := state.Vpcs.Get(tx, p.Requester.Vpc)
	accepter, there := state.Vpcs.Get(tx, p.Accepter.Vpc)
	if !ok || !there { // they take their requests with them
		return nil, peeringTransition(p, api.VpcPeeringConnectionStateReasonCodeProvisioning)
	}
	if other := activePeering(tx, requester.Key, accepter.Key); other != nil {
		return nil, awserr.New("VpcPeeringConnectionAlreadyExists", "The vpc peering connection identified by %s already exists.", p.ID)
	}
	for _, v := range []*state.Vpc{accepter, requester} {
		limit := quotaNamed(activePeerings).Value(tx, v.Scope(), s.cfg.Quotas)
		if limit >= 0 && countActive(tx, v.Key) >= limit {
			return nil, quotaNamed(activePeerings).Exceeded(limit)
		}
	}
	next := *p
	next.Status, next.StatusText, next.Expires = state.PeeringActive, "Active", time.Time{}
	next.Requester.Cidrs, next.Accepter.Cidrs = blocksOf(requester), blocksOf(accepter)
	peeringKind.put(tx, c.Scope, &next)
	answer := apiPeering(tx, &next)
	answer.Status = &api.VpcPeeringConnectionStateReason{Code: ptr(api.VpcPeeringConnectionStateReasonCodeProvisioning), Message: ptr("Provisioning")}
	return &api.AcceptVpcPeeringConnectionOutput{VpcPeeringConnection: &answer}, nil
}

const activePeerings = "active-peerings-per-vpc"

func countActive(r state.Reader, vpc state.Key) (n int) {
	for p := range state.VpcPeerings.By(r, state.ByVpc, vpc.ID) {
		if _, _, ok := p.Of(vpc); ok && p.Active() {
			n++
		}
	}
	return n
}

// answerable finds a request that the caller can accept or reject: only its
// accepter can, in its own Region, until it expires.
func answerable(tx *state.Tx, c authz.Caller, id, verb, to string) (*state.VpcPeering, error) {
	p, err := peering(tx, c, id)
	if err != nil {
		return nil, err
	}
	asked := p.Accepter.Vpc
	switch {
	case asked.Account != c.Account:
		return nil, awserr.New("OperationNotPermitted", "User %s cannot %s peering %s", c.Account, verb, p.ID)
	case asked.Region != c.Region:
		return nil, awserr.New("OperationNotPermitted", "Incorrect region (%s) specified for this request. VPC peering connection %s must be %sed in region %s", c.Region, p.ID, verb, asked.Region)
	case p.Status == state.PeeringPending && !tx.Now().Before(p.Expires):
		expired := *p
		expired.Status = state.PeeringExpired
		return nil, peeringTransition(&expired, to)
	case p.Status != state.PeeringPending:
		return nil, peeringTransition(p, to)
	}
	return p, nil
}

// peeringTransition is AWS's error for what does not follow on a state.
func peeringTransition(p *state.VpcPeering, to string) error {
	return awserr.New("InvalidStateTransition", "Invalid state transition for %s, attempted to transition from %s to %s", p.ID, p.Status, to)
}

// RejectVpcPeeringConnection refuses a request.
func (s *Service) RejectVpcPeeringConnection(tx *state.Tx, c authz.Caller, in *api.RejectVpcPeeringConnectionInput) (*api.RejectVpcPeeringConnectionOutput, error) {
	p, err := answerable(tx, c, val(in.VpcPeeringConnectionId), "reject", state.PeeringRejected)
	if err != nil {
		return nil, err
	}
	lifecycle.EndPeering(tx, seen(p, c.Scope), state.PeeringRejected, c.Account)
	return &api.RejectVpcPeeringConnectionOutput{Return: ptr(true)}, nil
}

// DeleteVpcPeeringConnection ends an active peering connection, for either
// owner, or takes a request back that was the caller's (EC2 API Reference,
// DeleteVpcPeeringConnection). Routes that lead to it become black holes.
func (s *Service) DeleteVpcPeeringConnection(tx *state.Tx, c authz.Caller, in *api.DeleteVpcPeeringConnectionInput) (*api.DeleteVpcPeeringConnectionOutput, error) {
	p, err := peering(tx, c, val(in.VpcPeeringConnectionId))
	if err != nil {
		return nil, err
	}
	switch {
	case p.Status == state.PeeringPending && p.Requester.Vpc.Account != c.Account:
		return nil, awserr.New("OperationNotPermitted", "User %s cannot delete peering %s", c.Account, p.ID)
	case p.Status != state.PeeringPending && !p.Active():
		return nil, peeringTransition(p, api.VpcPeeringConnectionStateReasonCodeDeleting)
	}
	lifecycle.EndPeering(tx, seen(p, c.Scope), state.PeeringDeleted, c.Account)
	return &api.DeleteVpcPeeringConnectionOutput{Return: ptr(true)}, nil
}

// sharedPeerings finds peering connections from either side.
var sharedPeerings = shared[state.VpcPeering]{
	get: func(r state.Reader, s state.Scope, id string) (*state.VpcPeering, bool) {
		for p := range state.VpcPeerings.By(r, state.ByPeering, id) {
			if told(p, s) {
				return seen(p, s), true
			}
		}
		return nil, false
	},
	in: func(r state.Reader, s state.Scope) iter.Seq[*state.VpcPeering] {
		var list []*state.VpcPeering
		for p := range state.VpcPeerings.By(r, state.ByScope, s.String()) {
			if told(p, s) {
				list = append(list, seen(p, s))
			}
		}
		slices.SortFunc(list, func(a, b *state.VpcPeering) int { return strings.Compare(a.ID, b.ID) })
		return slices.Values(list)
	},
	put: func(tx *state.Tx, s state.Scope, p *state.VpcPeering) { state.VpcPeerings.Put(tx, seen(p, s)) },
}

// told says whether a peering connection is described in a scope.
func told(p *state.VpcPeering, s state.Scope) bool {
	return p.Requester.Vpc.Scope() == s && !p.Requester.Forgotten || p.Accepter.Vpc.Scope() == s && !p.Accepter.Forgotten
}

// seen gives a row as a scope sees it, with its own tags, and the row of what a
// scope has seen: the two differ in which tags are whose.
func seen(p *state.VpcPeering, s state.Scope) *state.VpcPeering {
	if p.Requester.Vpc.Scope() == s {
		return p
	}
	view := *p
	view.Tags, view.AccepterTags = p.AccepterTags, p.Tags
	return &view
}
