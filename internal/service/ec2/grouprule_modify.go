package ec2

import (
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// ModifySecurityGroupRules replaces what rules allow and their descriptions, all
// of them or none; a rule keeps its id, its tags and the type of its source.
func (s *Service) ModifySecurityGroupRules(tx *state.Tx, c authz.Caller, in *api.ModifySecurityGroupRulesInput) (*api.ModifySecurityGroupRulesOutput, error) {
	g, err := groupOf(tx, c, in.GroupId, nil)
	if err != nil {
		return nil, err
	}
	if len(in.SecurityGroupRules) == 0 {
		return nil, awserr.MissingParameter("securityGroupRules")
	}
	changed := make(map[string]*state.SecurityGroupRule, len(in.SecurityGroupRules))
	var order []*state.SecurityGroupRule
	for _, update := range in.SecurityGroupRules {
		rule, err := changedRule(tx, c, g, update)
		if err != nil {
			return nil, err
		}
		if changed[rule.ID] != nil {
			return nil, awserr.New("InvalidParameterValue", "The security group rule ID '%s' must not appear multiple times", rule.ID)
		}
		changed[rule.ID] = rule
		order = append(order, rule)
	}
	after := make(map[allowance]string)
	for rule := range state.SecurityGroupRules.By(tx, state.ByGroup, g.ID) {
		if changed[rule.ID] == nil {
			after[allowanceOf(rule)] = rule.ID
		}
	}
	for _, rule := range order {
		a := allowanceOf(rule)
		if after[a] != "" {
			return nil, duplicateRule(a)
		}
		after[a] = rule.ID
	}
	for _, rule := range order {
		state.SecurityGroupRules.Put(tx, rule)
	}
	for _, egress := range []bool{false, true} { // another prefix list may count for more
		if !slices.ContainsFunc(order, func(rule *state.SecurityGroupRule) bool {
			return rule.Egress == egress && rule.Peer.PrefixListID != ""
		}) {
			continue
		}
		var count ruleCount
		for rule := range state.SecurityGroupRules.By(tx, state.ByGroup, g.ID) {
			if rule.Egress == egress {
				count.add(tx, c.Scope, rule.Peer)
			}
		}
		if err := s.within(tx, c, "rules-per-security-group", count.most()); err != nil {
			return nil, err
		}
	}
	return &api.ModifySecurityGroupRulesOutput{Return: ptr(true)}, nil
}

// changedRule gives a copy of a rule as the update wants it.
func changedRule(r state.Reader, c authz.Caller, g *state.SecurityGroup, update api.SecurityGroupRuleUpdate) (*state.SecurityGroupRule, error) {
	want := update.SecurityGroupRule
	switch {
	case update.SecurityGroupRuleId == nil:
		return nil, awserr.MissingParameter("SecurityGroupRuleId")
	case want == nil:
		return nil, awserr.MissingParameter("SecurityGroupRule")
	}
	old, err := groupRule(r, c, *update.SecurityGroupRuleId)
	if err != nil {
		return nil, err
	}
	if old.GroupID != g.ID {
		return nil, groupRuleKind.none(old.ID)
	}
	p := api.IpPermission{IpProtocol: want.IpProtocol, FromPort: want.FromPort, ToPort: want.ToPort}
	sources := 0
	if want.CidrIpv4 != nil {
		p.IpRanges = []api.IpRange{{CidrIp: want.CidrIpv4, Description: want.Description}}
		sources++
	}
	if want.CidrIpv6 != nil {
		p.Ipv6Ranges = []api.Ipv6Range{{CidrIpv6: want.CidrIpv6, Description: want.Description}}
		sources++
	}
	if want.PrefixListId != nil {
		p.PrefixListIds = []api.PrefixListId{{PrefixListId: want.PrefixListId, Description: want.Description}}
		sources++
	}
	if want.ReferencedGroupId != nil {
		p.UserIdGroupPairs = []api.UserIdGroupPair{{GroupId: want.ReferencedGroupId, Description: want.Description}}
		sources++
	}
	if sources > 1 {
		return nil, awserr.InvalidParameterCombination("You can specify only one of CidrIpv4, CidrIpv6, PrefixListId and ReferencedGroupId for a security group rule")
	}
	list, err := readPermissions([]api.IpPermission{p}, old.Egress, newPeer(r, c, g))
	if err != nil {
		return nil, err
	}
	a := list[0]
	if sourceOf(a.peer) != sourceOf(old.Peer) {
		return nil, awserr.New("InvalidParameterValue", "The source or destination type of the security group rule '%s' cannot be changed: it is %s.", old.ID, sourceOf(old.Peer))
	}
	rule := *old
	rule.Protocol, rule.FromPort, rule.ToPort, rule.Peer, rule.Description = a.protocol, a.from, a.to, a.peer, val(a.description)
	return &rule, nil
}

// sourceOf names the type of a peer as the request's members do.
func sourceOf(p state.Peer) string {
	switch {
	case p.GroupID != "":
		return "ReferencedGroupId"
	case p.PrefixListID != "":
		return "PrefixListId"
	case p.Cidr.Addr().Is4():
		return "CidrIpv4"
	}
	return "CidrIpv6"
}

// UpdateSecurityGroupRuleDescriptionsIngress sets the descriptions of rules for
// what comes in.
func (s *Service) UpdateSecurityGroupRuleDescriptionsIngress(tx *state.Tx, c authz.Caller, in *api.UpdateSecurityGroupRuleDescriptionsIngressInput) (*api.UpdateSecurityGroupRuleDescriptionsIngressOutput, error) {
	g, err := groupOf(tx, c, in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	if err := describeRules(tx, c, g, false, in.IpPermissions, in.SecurityGroupRuleDescriptions); err != nil {
		return nil, err
	}
	return &api.UpdateSecurityGroupRuleDescriptionsIngressOutput{Return: ptr(true)}, nil
}

// UpdateSecurityGroupRuleDescriptionsEgress sets the descriptions of rules for
// what goes out.
func (s *Service) UpdateSecurityGroupRuleDescriptionsEgress(tx *state.Tx, c authz.Caller, in *api.UpdateSecurityGroupRuleDescriptionsEgressInput) (*api.UpdateSecurityGroupRuleDescriptionsEgressOutput, error) {
	g, err := groupOf(tx, c, in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	if err := describeRules(tx, c, g, true, in.IpPermissions, in.SecurityGroupRuleDescriptions); err != nil {
		return nil, err
	}
	return &api.UpdateSecurityGroupRuleDescriptionsEgressOutput{Return: ptr(true)}, nil
}

// describeRules sets descriptions; one that is left out is removed.
func describeRules(tx *state.Tx, c authz.Caller, g *state.SecurityGroup, egress bool, permissions []api.IpPermission, byID []api.SecurityGroupRuleDescription) error {
	switch {
	case len(permissions) > 0 && len(byID) > 0:
		return awserr.InvalidParameterCombination("The parameter securityGroupRuleDescriptions cannot be used with the parameter ipPermissions")
	case len(permissions) == 0 && len(byID) == 0:
		return awserr.MissingParameter("ipPermissions")
	}
	type text struct {
		rule        *state.SecurityGroupRule
		description string
	}
	var texts []text
	for _, d := range byID {
		if err := checkRuleDescription(d.Description); err != nil {
			return err
		}
		rules, err := rulesWithIDs(tx, c, g, egress, []string{val(d.SecurityGroupRuleId)})
		if err != nil {
			return err
		}
		texts = append(texts, text{rules[0], val(d.Description)})
	}
	if len(permissions) > 0 {
		list, err := readPermissions(permissions, egress, oldPeer(tx, c, g))
		if err != nil {
			return err
		}
		there := rulesByAllowance(tx, g)
		for _, a := range list {
			rule, ok := there[a.allowance]
			if !ok {
				return noSuchRule()
			}
			texts = append(texts, text{rule, val(a.description)})
		}
	}
	for _, t := range texts {
		rule := *t.rule
		rule.Description = t.description
		state.SecurityGroupRules.Put(tx, &rule)
	}
	return nil
}
