package ec2

import (
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// DescribeSecurityGroupReferences lists the VPCs at the other ends of peering
// connections whose groups refer to the groups.
func (s *Service) DescribeSecurityGroupReferences(r state.Reader, c authz.Caller, in *api.DescribeSecurityGroupReferencesInput) (*api.DescribeSecurityGroupReferencesOutput, error) {
	if len(in.GroupId) == 0 {
		return nil, awserr.MissingParameter("GroupId")
	}
	groups, err := groupKind.findAll(r, c, in.GroupId)
	if err != nil {
		return nil, err
	}
	type reference struct{ group, vpc, peering string }
	seen := map[reference]bool{}
	out := &api.DescribeSecurityGroupReferencesOutput{SecurityGroupReferenceSet: []api.SecurityGroupReference{}}
	for _, g := range groups {
		for rule := range state.SecurityGroupRules.By(r, state.ByPeer, g.ID) {
			from, ok := state.SecurityGroups.Get(r, rule.Scope().Key(rule.GroupID))
			if status := peeringStatus(r, rule.Peer); !ok || status == nil || *status != state.PeeringActive {
				continue
			}
			ref := reference{g.ID, from.VpcID, rule.Peer.PeeringID}
			if seen[ref] {
				continue
			}
			seen[ref] = true
			out.SecurityGroupReferenceSet = append(out.SecurityGroupReferenceSet, api.SecurityGroupReference{
				GroupId: ptr(ref.group), ReferencingVpcId: ptr(ref.vpc), VpcPeeringConnectionId: ptr(ref.peering),
			})
		}
	}
	return out, nil
}

// DescribeStaleSecurityGroups lists the groups of a VPC with rules that refer to
// a group which is gone, or behind a peering connection that is.
func (s *Service) DescribeStaleSecurityGroups(r state.Reader, c authz.Caller, in *api.DescribeStaleSecurityGroupsInput) (*api.DescribeStaleSecurityGroupsOutput, error) {
	v, err := vpc(r, c, val(in.VpcId))
	if err != nil {
		return nil, err
	}
	rows, next, err := page(where(state.SecurityGroups.By(r, state.ByVpc, v.ID), func(g *state.SecurityGroup) bool {
		for rule := range state.SecurityGroupRules.By(r, state.ByGroup, g.ID) {
			if isStale(r, rule) {
				return true
			}
		}
		return false
	}), idOf[state.SecurityGroup], paging{
		action: "DescribeStaleSecurityGroups " + v.ID, scope: c.Scope, max: in.MaxResults, token: in.NextToken,
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeStaleSecurityGroupsOutput{NextToken: next, StaleSecurityGroupSet: []api.StaleSecurityGroup{}}
	for _, g := range rows {
		ingress, egress := rulesOf(r, g)
		fresh := func(rule *state.SecurityGroupRule) bool { return !isStale(r, rule) }
		out.StaleSecurityGroupSet = append(out.StaleSecurityGroupSet, api.StaleSecurityGroup{
			GroupId: ptr(g.ID), GroupName: ptr(g.Name), Description: ptr(g.Description), VpcId: ptr(g.VpcID),
			StaleIpPermissions:       apiStale(r, slices.DeleteFunc(ingress, fresh)),
			StaleIpPermissionsEgress: apiStale(r, slices.DeleteFunc(egress, fresh)),
		})
	}
	return out, nil
}

func apiStale(r state.Reader, rules []*state.SecurityGroupRule) []api.StaleIpPermission {
	out := []api.StaleIpPermission{}
	for _, p := range apiPermissions(r, rules) {
		out = append(out, api.StaleIpPermission{
			IpProtocol: p.IpProtocol, FromPort: p.FromPort, ToPort: p.ToPort, UserIdGroupPairs: p.UserIdGroupPairs,
			IpRanges: []string{}, PrefixListIds: []string{},
		})
	}
	return out
}

// GetSecurityGroupsForVpc lists the groups that interfaces in the VPC can be in.
func (s *Service) GetSecurityGroupsForVpc(r state.Reader, c authz.Caller, in *api.GetSecurityGroupsForVpcInput) (*api.GetSecurityGroupsForVpcOutput, error) {
	v, err := vpc(r, c, val(in.VpcId))
	if err != nil {
		return nil, err
	}
	pass, err := compile(in.Filters, filters[state.SecurityGroup]{
		"group-id":       groupFilters["group-id"],
		"description":    groupFilters["description"],
		"group-name":     groupFilters["group-name"],
		"owner-id":       groupFilters["owner-id"],
		"primary-vpc-id": groupFilters["vpc-id"],
	})
	if err != nil {
		return nil, err
	}
	rows, next, err := page(where(state.SecurityGroups.By(r, state.ByVpc, v.ID), func(g *state.SecurityGroup) bool { return pass(r, g) }),
		idOf[state.SecurityGroup], paging{
			action: "GetSecurityGroupsForVpc " + v.ID, scope: c.Scope, max: in.MaxResults, token: in.NextToken, filters: in.Filters,
		})
	if err != nil {
		return nil, err
	}
	out := &api.GetSecurityGroupsForVpcOutput{NextToken: next, SecurityGroupForVpcs: []api.SecurityGroupForVpc{}}
	for _, g := range rows {
		out.SecurityGroupForVpcs = append(out.SecurityGroupForVpcs, api.SecurityGroupForVpc{
			GroupId: ptr(g.ID), GroupName: ptr(g.Name), Description: ptr(g.Description), OwnerId: ptr(g.Account),
			PrimaryVpcId: ptr(g.VpcID), Tags: apiTags(g.Tags),
		})
	}
	return out, nil
}

// DescribeSecurityGroupVpcAssociations lists the further VPCs of groups: none
// can be given to a group yet.
func (s *Service) DescribeSecurityGroupVpcAssociations(_ state.Reader, c authz.Caller, in *api.DescribeSecurityGroupVpcAssociationsInput) (*api.DescribeSecurityGroupVpcAssociationsOutput, error) {
	err := nothing("DescribeSecurityGroupVpcAssociations", c, in.Filters, in.MaxResults, in.NextToken,
		"group-id", "group-owner-id", "state", "vpc-id", "vpc-owner-id")
	if err != nil {
		return nil, err
	}
	return &api.DescribeSecurityGroupVpcAssociationsOutput{SecurityGroupVpcAssociations: []api.SecurityGroupVpcAssociation{}}, nil
}
