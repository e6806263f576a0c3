package ec2

import (
	"net/netip"
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// CreateNetworkAcl makes an ACL that denies everything: it has no entries but
// the last one of each direction (VPC User Guide, "Custom network ACLs").
func (s *Service) CreateNetworkAcl(tx *state.Tx, c authz.Caller, in *api.CreateNetworkAclInput) (*api.CreateNetworkAclOutput, error) {
	tags, err := tagsOf(in.TagSpecifications, "network-acl")
	if err != nil {
		return nil, err
	}
	v, err := vpc(tx, c, val(in.VpcId))
	if err != nil {
		return nil, err
	}
	n := 1
	for range state.NetworkAcls.By(tx, state.ByVpc, v.ID) {
		n++
	}
	if err := s.within(tx, c, "network-acls-per-vpc", n); err != nil {
		return nil, err
	}
	acl := &state.NetworkAcl{Meta: tx.Meta(c.Scope, "acl"), VpcID: v.ID}
	acl.Tags = tags
	for _, egress := range []bool{false, true} {
		acl.Entries = append(acl.Entries, entryForAll(state.DefaultAclRule, egress, false))
	}
	state.NetworkAcls.Put(tx, acl)
	return &api.CreateNetworkAclOutput{NetworkAcl: ptr(apiNetworkAcl(acl)), ClientToken: in.ClientToken}, nil
}

// entryForAll is an entry for every IPv4 packet.
func entryForAll(number int32, egress, allow bool) state.NetworkAclEntry {
	return state.NetworkAclEntry{
		Number: number, Egress: egress, Allow: allow, Protocol: "-1", Cidr: netip.PrefixFrom(netip.IPv4Unspecified(), 0),
		FromPort: -1, ToPort: -1, ICMPType: -1, ICMPCode: -1,
	}
}

// DeleteNetworkAcl removes an ACL that no subnet has. A VPC's default one stays
// as long as the VPC.
func (s *Service) DeleteNetworkAcl(tx *state.Tx, c authz.Caller, in *api.DeleteNetworkAclInput) (*api.DeleteNetworkAclOutput, error) {
	acl, err := networkAclKind.find(tx, c, val(in.NetworkAclId))
	switch {
	case err != nil:
		return nil, err
	case acl.IsDefault:
		return nil, awserr.New("InvalidParameterValue", "cannot delete default network ACL %s", acl.ID)
	case len(acl.Associations) > 0:
		return nil, awserr.New("DependencyViolation", "The networkAcl '%s' has dependencies and cannot be deleted.", acl.ID)
	}
	state.NetworkAcls.Delete(tx, acl.Key)
	return &api.DeleteNetworkAclOutput{}, nil
}

// ReplaceNetworkAclAssociation gives the subnet of an association another ACL.
// The association ends; the one that takes its place has an id of its own.
func (s *Service) ReplaceNetworkAclAssociation(tx *state.Tx, c authz.Caller, in *api.ReplaceNetworkAclAssociationInput) (*api.ReplaceNetworkAclAssociationOutput, error) {
	id := val(in.AssociationId)
	if !awsid.Valid("aclassoc", id) {
		return nil, malformedID("InvalidAssociationID.Malformed", "aclassoc", id)
	}
	to, err := networkAclKind.find(tx, c, val(in.NetworkAclId))
	if err != nil {
		return nil, err
	}
	from, at := aclOfAssociation(tx, c, id)
	if from == nil {
		return nil, awserr.New("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
	}
	subnet := from.Associations[at].SubnetID
	if to.VpcID != from.VpcID {
		return nil, awserr.New("InvalidParameterValue", "Network ACL %s and subnet %s belong to different networks.", to.ID, subnet)
	}
	before := *from
	before.Associations = slices.Delete(slices.Clone(from.Associations), at, at+1)
	after := *to
	if to.ID == from.ID {
		after = before
	} else {
		state.NetworkAcls.Put(tx, &before)
	}
	next := state.NetworkAclAssociation{ID: tx.ID("aclassoc"), SubnetID: subnet}
	after.Associations = append(slices.Clone(after.Associations), next)
	state.NetworkAcls.Put(tx, &after)
	return &api.ReplaceNetworkAclAssociationOutput{NewAssociationId: ptr(next.ID)}, nil
}

// aclOfAssociation finds an association among the caller's ACLs; nil when there
// is none with the id.
func aclOfAssociation(r state.Reader, c authz.Caller, id string) (*state.NetworkAcl, int) {
	for acl := range state.NetworkAcls.In(r, c.Scope) {
		if at := slices.IndexFunc(acl.Associations, func(a state.NetworkAclAssociation) bool { return a.ID == id }); at >= 0 {
			return acl, at
		}
	}
	return nil, 0
}
