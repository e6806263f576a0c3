package ec2

import (
	"cmp"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// A rule can refer to a group of the same VPC, or of one that is peered with it
// in the same Region, whoever owns that (VPC Peering Guide, "Update your security
// groups to reference peer security groups"). Over Regions it cannot: ids never
// cross them.

// newPeer finds what a rule of g is to refer to: a group, or a prefix list.
func newPeer(r state.Reader, c authz.Caller, g *state.SecurityGroup) peers {
	list := func(id string) (state.Peer, error) {
		_, err := prefixList(r, c, id)
		return state.Peer{PrefixListID: id}, err
	}
	return peers{list: list, group: func(p api.UserIdGroupPair) (state.Peer, error) {
		p = withOwner(p)
		peer, err := groupOfPair(r, c, g, p)
		if err != nil {
			return state.Peer{}, err
		}
		if p.VpcId != nil && *p.VpcId != peer.VpcID {
			return state.Peer{}, differentNetworks()
		}
		return reference(r, c, g, peer, p.VpcPeeringConnectionId)
	}}
}

// reference is how a rule of g refers to a group that is there.
func reference(r state.Reader, c authz.Caller, g, peer *state.SecurityGroup, over *string) (state.Peer, error) {
	out := state.Peer{GroupID: peer.ID, UserID: peer.Account}
	here, there := g.Scope().Key(g.VpcID), peer.Scope().Key(peer.VpcID)
	if over != nil {
		p, err := peering(r, c, *over)
		if err != nil {
			return out, err
		}
		if _, other, ok := p.Of(here); !ok || other.Vpc != there || !p.Active() {
			return out, differentNetworks()
		}
	}
	if here == there {
		return out, nil
	}
	p := activePeering(r, here, there)
	switch {
	case p != nil:
		out.VpcID, out.PeeringID = peer.VpcID, p.ID
		return out, nil
	case peer.Account != c.Account: // whose it is, and that it is there, is nobody else's business
		return out, groupKind.none(peer.ID)
	}
	return out, differentNetworks()
}

func differentNetworks() error {
	return awserr.New("InvalidGroup.NotFound", "You have specified two resources that belong to different networks.")
}

// withOwner takes the owner out of an id that has it in front, as the console
// and Terraform write it: "123456789012/sg-…".
func withOwner(p api.UserIdGroupPair) api.UserIdGroupPair {
	if account, id, ok := strings.Cut(val(p.GroupId), "/"); ok && isAccount(account) && p.UserId == nil {
		p.UserId, p.GroupId = &account, &id
	}
	return p
}

// groupOfPair finds the group of a pair: of the caller's account unless another
// is named. A name stands for a group of the default VPC; of another account, for
// the one group of the VPCs that are peered with g's that has it.
func groupOfPair(r state.Reader, c authz.Caller, g *state.SecurityGroup, p api.UserIdGroupPair) (*state.SecurityGroup, error) {
	account := cmp.Or(val(p.UserId), c.Account)
	switch {
	case p.GroupId != nil:
		if err := groupKind.wellFormed(*p.GroupId); err != nil {
			return nil, err
		}
		scope := state.Scope{Account: account, Region: c.Region}
		if found, ok := state.SecurityGroups.Get(r, scope.Key(*p.GroupId)); ok {
			return found, nil
		}
		return nil, groupKind.none(*p.GroupId)
	case p.GroupName != nil && account != c.Account:
		return namedPeer(r, g, account, *p.GroupName)
	case p.GroupName != nil:
		return groupInDefaultVpc(r, c, *p.GroupName)
	}
	return nil, awserr.New("MissingParameter", "Missing source specification: include source security group or CIDR information")
}

// namedPeer finds an account's group of a name in the VPCs that are peered with
// g's in this Region.
func namedPeer(r state.Reader, g *state.SecurityGroup, account, name string) (*state.SecurityGroup, error) {
	var found *state.SecurityGroup
	here := g.Scope().Key(g.VpcID)
	for p := range state.VpcPeerings.By(r, state.ByVpc, g.VpcID) {
		_, other, ok := p.Of(here)
		if !ok || !p.Active() || other.Vpc.Account != account || other.Vpc.Region != g.Region {
			continue
		}
		if peer, ok := groupByName(r, other.Vpc.ID, name); ok {
			if found != nil && found != peer {
				return nil, awserr.New("InvalidParameterValue", "Several VPCs that are peered with '%s' have a security group '%s'. Please use the id for this operation.", g.VpcID, awserr.Clip(name))
			}
			found = peer
		}
	}
	if found == nil {
		return nil, awserr.New("InvalidGroup.NotFound", "The security group '%s' does not exist in a VPC of account %s that is peered with '%s'", awserr.Clip(name), account, g.VpcID)
	}
	return found, nil
}

// oldPeer names the peer of a rule of g that is there already, which may be gone.
func oldPeer(r state.Reader, c authz.Caller, g *state.SecurityGroup) peers {
	list := func(id string) (state.Peer, error) {
		return state.Peer{PrefixListID: id}, prefixListKind.wellFormed(id)
	}
	return peers{list: list, group: func(p api.UserIdGroupPair) (state.Peer, error) {
		p = withOwner(p)
		if p.GroupId == nil {
			peer, err := groupOfPair(r, c, g, p)
			if err != nil {
				return state.Peer{}, err
			}
			return state.Peer{GroupID: peer.ID, UserID: peer.Account}, nil
		}
		if err := groupKind.wellFormed(*p.GroupId); err != nil {
			return state.Peer{}, err
		}
		return state.Peer{GroupID: *p.GroupId, UserID: cmp.Or(val(p.UserId), c.Account)}, nil
	}}
}

// peeringStatus is the state of the connection that a rule's reference goes over;
// nil inside one VPC. What has been forgotten is deleted.
func peeringStatus(r state.Reader, peer state.Peer) *string {
	if peer.PeeringID == "" {
		return nil
	}
	for p := range state.VpcPeerings.By(r, state.ByPeering, peer.PeeringID) {
		return ptr(p.Status)
	}
	return ptr(state.PeeringDeleted)
}

// isStale says whether a rule refers to a group that is gone, or that no peering
// connection leads to any more (VPC Peering Guide, "Work with stale security
// group rules").
func isStale(r state.Reader, rule *state.SecurityGroupRule) bool {
	if rule.Peer.GroupID == "" {
		return false
	}
	if s := peeringStatus(r, rule.Peer); s != nil && *s != state.PeeringActive {
		return true
	}
	_, ok := state.SecurityGroups.Get(r, state.Key{Account: rule.Peer.UserID, Region: rule.Region, ID: rule.Peer.GroupID})
	return !ok
}
