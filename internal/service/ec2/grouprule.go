package ec2

import (
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// AuthorizeSecurityGroupIngress adds rules for what comes in.
func (s *Service) AuthorizeSecurityGroupIngress(tx *state.Tx, c authz.Caller, in *api.AuthorizeSecurityGroupIngressInput) (*api.AuthorizeSecurityGroupIngressOutput, error) {
	g, err := groupOf(tx, c, in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	flat := flatPermission{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId}
	rules, err := s.authorize(tx, c, g, false, flat.and(in.IpPermissions), in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	return &api.AuthorizeSecurityGroupIngressOutput{Return: ptr(true), SecurityGroupRules: rules}, nil
}

// AuthorizeSecurityGroupEgress adds rules for what goes out.
func (s *Service) AuthorizeSecurityGroupEgress(tx *state.Tx, c authz.Caller, in *api.AuthorizeSecurityGroupEgressInput) (*api.AuthorizeSecurityGroupEgressOutput, error) {
	g, err := groupOf(tx, c, in.GroupId, nil)
	if err != nil {
		return nil, err
	}
	flat := flatPermission{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId}
	rules, err := s.authorize(tx, c, g, true, flat.and(in.IpPermissions), in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	return &api.AuthorizeSecurityGroupEgressOutput{Return: ptr(true), SecurityGroupRules: rules}, nil
}

// flatPermission is the older way to ask for one rule, by parameters of the
// action itself.
type flatPermission struct {
	protocol    *string
	from, to    *int32
	cidr        *string
	name, owner *string
}

// and adds it, if it is there, to the permissions of the request.
func (f flatPermission) and(permissions []api.IpPermission) []api.IpPermission {
	if f == (flatPermission{}) {
		return permissions
	}
	p := api.IpPermission{IpProtocol: f.protocol, FromPort: f.from, ToPort: f.to}
	if f.cidr != nil {
		p.IpRanges = []api.IpRange{{CidrIp: f.cidr}}
	}
	if f.name != nil {
		p.UserIdGroupPairs = []api.UserIdGroupPair{{GroupName: f.name, UserId: f.owner}}
		if f.protocol == nil { // all protocols, where a group is named alone
			p.IpProtocol = ptr("-1")
		}
	}
	return append(slices.Clip(permissions), p)
}

// authorize adds all the rules, or none.
func (s *Service) authorize(tx *state.Tx, c authz.Caller, g *state.SecurityGroup, egress bool, permissions []api.IpPermission, specs []api.TagSpecification) ([]api.SecurityGroupRule, error) {
	tags, err := tagsOf(specs, "security-group-rule")
	if err != nil {
		return nil, err
	}
	if len(permissions) == 0 {
		return nil, awserr.MissingParameter("ipPermissions")
	}
	list, err := readPermissions(permissions, egress, newPeer(tx, c, g))
	if err != nil {
		return nil, err
	}
	seen := make(map[allowance]bool, len(list))
	for _, a := range list {
		if seen[a.allowance] {
			return nil, awserr.New("InvalidParameterValue", "The same permission must not appear multiple times")
		}
		seen[a.allowance] = true
	}
	var count ruleCount
	for rule := range state.SecurityGroupRules.By(tx, state.ByGroup, g.ID) {
		if rule.Egress != egress {
			continue
		}
		if a := allowanceOf(rule); seen[a] {
			return nil, duplicateRule(a)
		}
		count.add(tx, c.Scope, rule.Peer)
	}
	for _, a := range list {
		count.add(tx, c.Scope, a.peer)
	}
	if err := s.within(tx, c, "rules-per-security-group", count.most()); err != nil {
		return nil, err
	}
	out := make([]api.SecurityGroupRule, 0, len(list))
	for _, a := range list {
		rule := &state.SecurityGroupRule{
			Meta: tx.Meta(c.Scope, "sgr"), GroupID: g.ID, Egress: egress,
			Protocol: a.protocol, FromPort: a.from, ToPort: a.to, Peer: a.peer, Description: val(a.description),
		}
		rule.Tags = tags
		state.SecurityGroupRules.Put(tx, rule)
		out = append(out, apiRule(tx, rule))
	}
	return out, nil
}

func duplicateRule(a allowance) error {
	return awserr.New("InvalidPermission.Duplicate", `the specified rule "%s" already exists`, a)
}

// ruleCount counts rules against the quota, which is enforced for IPv4 and IPv6
// apart; a rule that refers to a group counts for both, and one that refers to a
// prefix list as often as that may have entries (VPC User Guide, "Amazon VPC
// quotas").
type ruleCount struct{ v4, v6 int }

func (n *ruleCount) add(r state.Reader, scope state.Scope, p state.Peer) {
	weight, v4, v6 := 1, true, true
	if p.Cidr.IsValid() {
		v4, v6 = p.Cidr.Addr().Is4(), p.Cidr.Addr().Is6()
	} else if l, ok := state.PrefixLists.Get(r, scope.Key(p.PrefixListID)); ok {
		weight, v4, v6 = int(l.MaxEntries), l.Family == "IPv4", l.Family == "IPv6"
	}
	if v4 {
		n.v4 += weight
	}
	if v6 {
		n.v6 += weight
	}
}

func (n ruleCount) most() int { return max(n.v4, n.v6) }

// RevokeSecurityGroupIngress removes rules for what comes in.
func (s *Service) RevokeSecurityGroupIngress(tx *state.Tx, c authz.Caller, in *api.RevokeSecurityGroupIngressInput) (*api.RevokeSecurityGroupIngressOutput, error) {
	g, err := groupOf(tx, c, in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	flat := flatPermission{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId}
	revoked, unknown, err := revoke(tx, c, g, false, flat.and(in.IpPermissions), in.SecurityGroupRuleIds)
	if err != nil {
		return nil, err
	}
	return &api.RevokeSecurityGroupIngressOutput{Return: ptr(true), RevokedSecurityGroupRules: revoked, UnknownIpPermissions: unknown}, nil
}

// RevokeSecurityGroupEgress removes rules for what goes out.
func (s *Service) RevokeSecurityGroupEgress(tx *state.Tx, c authz.Caller, in *api.RevokeSecurityGroupEgressInput) (*api.RevokeSecurityGroupEgressOutput, error) {
	g, err := groupOf(tx, c, in.GroupId, nil)
	if err != nil {
		return nil, err
	}
	flat := flatPermission{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId}
	revoked, unknown, err := revoke(tx, c, g, true, flat.and(in.IpPermissions), in.SecurityGroupRuleIds)
	if err != nil {
		return nil, err
	}
	return &api.RevokeSecurityGroupEgressOutput{Return: ptr(true), RevokedSecurityGroupRules: revoked, UnknownIpPermissions: unknown}, nil
}

// revoke removes the rules that a request names by id or by what they allow.
// One that is not there is an error and nothing is removed; only in a default
// VPC are the others removed and the unknown ones listed (EC2 API Reference,
// RevokeSecurityGroupIngress).
func revoke(tx *state.Tx, c authz.Caller, g *state.SecurityGroup, egress bool, permissions []api.IpPermission, ids []string) ([]api.RevokedSecurityGroupRule, []api.IpPermission, error) {
	switch {
	case len(ids) > 0 && len(permissions) > 0:
		return nil, nil, awserr.InvalidParameterCombination("The parameter securityGroupRuleIds cannot be used with the parameter ipPermissions")
	case len(ids) == 0 && len(permissions) == 0:
		return nil, nil, awserr.MissingParameter("ipPermissions")
	}
	var rules []*state.SecurityGroupRule
	var unknown []api.IpPermission
	if len(ids) > 0 {
		found, err := rulesWithIDs(tx, c, g, egress, ids)
		if err != nil {
			return nil, nil, err
		}
		rules = found
	} else {
		list, err := readPermissions(permissions, egress, oldPeer(tx, c, g))
		if err != nil {
			return nil, nil, err
		}
		there := rulesByAllowance(tx, g)
		for _, a := range list {
			rule, ok := there[a.allowance]
			switch {
			case !ok:
				unknown = append(unknown, a.source)
			case !slices.Contains(rules, rule):
				rules = append(rules, rule)
			}
		}
		if len(unknown) > 0 && !inDefaultVpc(tx, g) {
			return nil, nil, noSuchRule()
		}
	}
	out := make([]api.RevokedSecurityGroupRule, 0, len(rules))
	for _, rule := range rules {
		state.SecurityGroupRules.Delete(tx, rule.Key)
		out = append(out, apiRevoked(rule))
	}
	return out, unknown, nil
}

func noSuchRule() error {
	return awserr.New("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
}

func inDefaultVpc(r state.Reader, g *state.SecurityGroup) bool {
	v, ok := state.Vpcs.Get(r, g.Scope().Key(g.VpcID))
	return ok && v.IsDefault
}

func rulesByAllowance(r state.Reader, g *state.SecurityGroup) map[allowance]*state.SecurityGroupRule {
	out := map[allowance]*state.SecurityGroupRule{}
	for rule := range state.SecurityGroupRules.By(r, state.ByGroup, g.ID) {
		out[allowanceOf(rule)] = rule
	}
	return out
}

// rulesWithIDs finds rules that must belong to the group, in one direction.
func rulesWithIDs(r state.Reader, c authz.Caller, g *state.SecurityGroup, egress bool, ids []string) ([]*state.SecurityGroupRule, error) {
	rules, err := groupRuleKind.findAll(r, c, ids)
	if err != nil {
		return nil, err
	}
	for _, rule := range rules {
		if rule.GroupID != g.ID || rule.Egress != egress {
			return nil, groupRuleKind.none(rule.ID)
		}
	}
	return rules, nil
}

// DescribeSecurityGroupRules lists rules.
func (s *Service) DescribeSecurityGroupRules(r state.Reader, c authz.Caller, in *api.DescribeSecurityGroupRulesInput) (*api.DescribeSecurityGroupRulesOutput, error) {
	rows, next, err := groupRuleKind.describe(r, c, query[state.SecurityGroupRule]{
		action: "DescribeSecurityGroupRules", ids: in.SecurityGroupRuleIds, filters: in.Filters, max: in.MaxResults, token: in.NextToken,
		by: filters[state.SecurityGroupRule]{
			"group-id":               func(rule *state.SecurityGroupRule) []string { return []string{rule.GroupID} },
			"security-group-rule-id": func(rule *state.SecurityGroupRule) []string { return []string{rule.ID} },
		},
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeSecurityGroupRulesOutput{NextToken: next, SecurityGroupRules: make([]api.SecurityGroupRule, 0, len(rows))}
	for _, rule := range rows {
		out.SecurityGroupRules = append(out.SecurityGroupRules, apiRule(r, rule))
	}
	return out, nil
}

// apiRule describes a rule. Ports are -1 for protocols that have none; the owner
// of the group that it refers to is shown when that is another account.
func apiRule(r state.Reader, rule *state.SecurityGroupRule) api.SecurityGroupRule {
	out := api.SecurityGroupRule{
		SecurityGroupRuleId:  ptr(rule.ID),
		SecurityGroupRuleArn: ptr(awsid.ARN("ec2", rule.Region, rule.Account, "security-group-rule/"+rule.ID)),
		GroupId:              ptr(rule.GroupID), GroupOwnerId: ptr(rule.Account), IsEgress: ptr(rule.Egress),
		IpProtocol: ptr(rule.Protocol), FromPort: ptr(rule.FromPort), ToPort: ptr(rule.ToPort),
		PrefixListId: opt(rule.Peer.PrefixListID), Description: opt(rule.Description), Tags: apiTags(rule.Tags),
		CidrIpv4: opt(cidrOf(rule, true)), CidrIpv6: opt(cidrOf(rule, false)),
	}
	if peer := rule.Peer; peer.GroupID != "" {
		out.ReferencedGroupInfo = &api.ReferencedSecurityGroup{
			GroupId: ptr(peer.GroupID), VpcId: opt(peer.VpcID), VpcPeeringConnectionId: opt(peer.PeeringID), PeeringStatus: peeringStatus(r, peer),
		}
		if peer.UserID != rule.Account {
			out.ReferencedGroupInfo.UserId = ptr(peer.UserID)
		}
	}
	return out
}

func apiRevoked(rule *state.SecurityGroupRule) api.RevokedSecurityGroupRule {
	return api.RevokedSecurityGroupRule{
		SecurityGroupRuleId: ptr(rule.ID), GroupId: ptr(rule.GroupID), IsEgress: ptr(rule.Egress),
		IpProtocol: ptr(rule.Protocol), FromPort: ptr(rule.FromPort), ToPort: ptr(rule.ToPort),
		CidrIpv4: opt(cidrOf(rule, true)), CidrIpv6: opt(cidrOf(rule, false)),
		PrefixListId: opt(rule.Peer.PrefixListID), ReferencedGroupId: opt(rule.Peer.GroupID), Description: opt(rule.Description),
	}
}
