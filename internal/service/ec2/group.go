package ec2

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// maxGroupText is the length of a group's name and of descriptions, in
// characters (EC2 API Reference, CreateSecurityGroup).
const maxGroupText = 255

// groupCharset are the characters of names and descriptions, as AWS's messages
// spell the set.
const groupCharset = "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"

// groupText says whether the text is of those characters and not too long.
func groupText(text string) bool {
	for _, c := range text {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.ContainsRune(". _-:/()#,@[]+=&;{}!$*", c):
		default:
			return false
		}
	}
	return utf8.RuneCountInString(text) <= maxGroupText
}

// CreateSecurityGroup makes a group that lets everything out and nothing in.
func (s *Service) CreateSecurityGroup(tx *state.Tx, c authz.Caller, in *api.CreateSecurityGroupInput) (*api.CreateSecurityGroupOutput, error) {
	tags, err := tagsOf(in.TagSpecifications, "security-group")
	if err != nil {
		return nil, err
	}
	name := strings.TrimRight(val(in.GroupName), " ")
	description := val(in.Description)
	switch {
	case name == "":
		return nil, awserr.MissingParameter("GroupName")
	case description == "":
		return nil, awserr.MissingParameter("GroupDescription")
	case strings.HasPrefix(name, "sg-"):
		return nil, awserr.InvalidParameterValue("GroupName", name, "Group names may not be in the format sg-*.")
	case !groupText(name):
		return nil, awserr.New("InvalidParameterValue", "Invalid security group name. Valid names are strings less than 256 characters from the following set:  %s", groupCharset)
	case !groupText(description):
		return nil, awserr.New("InvalidParameterValue", "Invalid security group description. Valid descriptions are strings less than 256 characters from the following set:  %s", groupCharset)
	case name == "default":
		return nil, awserr.New("InvalidParameterValue", "Cannot use reserved security group name: default")
	}
	v, err := vpcOrDefault(tx, c, in.VpcId)
	if err != nil {
		return nil, err
	}
	if _, ok := groupByName(tx, v.ID, name); ok {
		return nil, awserr.New("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", name, v.ID)
	}
	if err := s.roomForGroup(tx, c); err != nil {
		return nil, err
	}
	g := &state.SecurityGroup{Meta: tx.Meta(c.Scope, "sg"), VpcID: v.ID, Name: name, Description: description}
	g.Tags = tags
	state.SecurityGroups.Put(tx, g)
	state.SecurityGroupRules.Put(tx, &state.SecurityGroupRule{
		Meta: tx.Meta(c.Scope, "sgr"), GroupID: g.ID, Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1,
		Peer: state.Peer{Cidr: netip.PrefixFrom(netip.IPv4Unspecified(), 0)},
	})
	return &api.CreateSecurityGroupOutput{GroupId: ptr(g.ID), SecurityGroupArn: ptr(groupArn(g)), Tags: apiTags(tags)}, nil
}

// roomForGroup says whether the account may have one more group.
func (s *Service) roomForGroup(r state.Reader, c authz.Caller) error {
	if s.quota(r, c, "security-groups-per-region") < 0 {
		return nil
	}
	n := 1
	for range state.SecurityGroups.In(r, c.Scope) {
		n++
	}
	return s.within(r, c, "security-groups-per-region", n)
}

// vpcOrDefault finds the VPC that a request names, or else the default one.
func vpcOrDefault(r state.Reader, c authz.Caller, id *string) (*state.Vpc, error) {
	if id != nil {
		return vpc(r, c, *id)
	}
	if v, ok := defaultVpc(r, c.Scope); ok {
		return v, nil
	}
	return nil, awserr.New("VPCIdNotSpecified", "No default VPC for this user")
}

func defaultVpc(r state.Reader, scope state.Scope) (*state.Vpc, bool) {
	for v := range state.Vpcs.In(r, scope) {
		if v.IsDefault {
			return v, true
		}
	}
	return nil, false
}

func groupByName(r state.Reader, vpcID, name string) (*state.SecurityGroup, bool) {
	for g := range state.SecurityGroups.By(r, state.ByVpc, vpcID) {
		if g.Name == name {
			return g, true
		}
	}
	return nil, false
}

// groupInDefaultVpc finds a group by name, which names only those of the default
// VPC; it is often meant for another, and the error says what to do then.
func groupInDefaultVpc(r state.Reader, c authz.Caller, name string) (*state.SecurityGroup, error) {
	v, ok := defaultVpc(r, c.Scope)
	if !ok {
		return nil, awserr.New("InvalidParameterValue", "Invalid value '%s' for groupName. You may not reference Amazon VPC security groups by name. Please use the corresponding id for this operation.", awserr.Clip(name))
	}
	if g, ok := groupByName(r, v.ID, name); ok {
		return g, nil
	}
	return nil, awserr.New("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC '%s'", awserr.Clip(name), v.ID)
}

// groupOf finds the group of a request that may give its id or its name.
func groupOf(r state.Reader, c authz.Caller, id, name *string) (*state.SecurityGroup, error) {
	switch {
	case id != nil && name != nil:
		return nil, awserr.InvalidParameterCombination("The parameter groupName cannot be used with the parameter groupId")
	case id != nil:
		return group(r, c, *id)
	case name != nil:
		return groupInDefaultVpc(r, c, *name)
	}
	return nil, awserr.MissingParameter("groupId")
}

// DescribeSecurityGroups lists groups with their rules.
func (s *Service) DescribeSecurityGroups(r state.Reader, c authz.Caller, in *api.DescribeSecurityGroupsInput) (*api.DescribeSecurityGroupsOutput, error) {
	ids := append([]string(nil), in.GroupIds...)
	for _, name := range in.GroupNames {
		g, err := groupInDefaultVpc(r, c, name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, g.ID)
	}
	rows, next, err := groupKind.describe(r, c, query[state.SecurityGroup]{
		action: "DescribeSecurityGroups", ids: ids, filters: in.Filters, max: in.MaxResults, token: in.NextToken,
		by: groupFilters, also: groupLookups,
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeSecurityGroupsOutput{NextToken: next, SecurityGroups: make([]api.SecurityGroup, 0, len(rows))}
	for _, g := range rows {
		out.SecurityGroups = append(out.SecurityGroups, apiGroup(r, g))
	}
	return out, nil
}

func groupArn(g *state.SecurityGroup) string {
	return awsid.ARN("ec2", g.Region, g.Account, "security-group/"+g.ID)
}

func apiGroup(r state.Reader, g *state.SecurityGroup) api.SecurityGroup {
	ingress, egress := rulesOf(r, g)
	return api.SecurityGroup{
		GroupId: ptr(g.ID), GroupName: ptr(g.Name), Description: ptr(g.Description), OwnerId: ptr(g.Account), VpcId: ptr(g.VpcID),
		SecurityGroupArn: ptr(groupArn(g)), Tags: apiTags(g.Tags),
		IpPermissions: apiPermissions(r, ingress), IpPermissionsEgress: apiPermissions(r, egress),
	}
}

// DeleteSecurityGroup removes a group that has no members and that no other
// group's rules refer to.
func (s *Service) DeleteSecurityGroup(tx *state.Tx, c authz.Caller, in *api.DeleteSecurityGroupInput) (*api.DeleteSecurityGroupOutput, error) {
	g, err := groupOf(tx, c, in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	if g.IsDefault() {
		return nil, awserr.New("CannotDelete", `the specified group: "%s" name: "%s" cannot be deleted by a user`, g.ID, g.Name)
	}
	if groupInUse(tx, g) {
		return nil, awserr.New("DependencyViolation", "resource %s has a dependent object", g.ID)
	}
	for rule := range state.SecurityGroupRules.By(tx, state.ByGroup, g.ID) {
		state.SecurityGroupRules.Delete(tx, rule.Key)
	}
	state.SecurityGroups.Delete(tx, g.Key)
	return &api.DeleteSecurityGroupOutput{Return: ptr(true), GroupId: ptr(g.ID)}, nil
}

// groupInUse: a rule that refers to its own group does not count, and one of
// another VPC becomes stale (EC2 API Reference, DeleteSecurityGroup).
func groupInUse(r state.Reader, g *state.SecurityGroup) bool {
	for range state.NetworkInterfaces.By(r, state.ByGroup, g.ID) {
		return true
	}
	for rule := range state.SecurityGroupRules.By(r, state.ByPeer, g.ID) {
		if rule.GroupID != g.ID && rule.Peer.PeeringID == "" {
			return true
		}
	}
	return false
}
