package ec2

import (
	"net/netip"
	"strconv"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// DescribeNetworkAcls lists network ACLs.
func (s *Service) DescribeNetworkAcls(r state.Reader, c authz.Caller, in *api.DescribeNetworkAclsInput) (*api.DescribeNetworkAclsOutput, error) {
	rows, next, err := networkAclKind.describe(r, c, query[state.NetworkAcl]{
		action: "DescribeNetworkAcls", ids: in.NetworkAclIds, filters: in.Filters, max: in.MaxResults, token: in.NextToken, by: networkAclFilters,
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeNetworkAclsOutput{NextToken: next, NetworkAcls: []api.NetworkAcl{}}
	for _, a := range rows {
		out.NetworkAcls = append(out.NetworkAcls, apiNetworkAcl(a))
	}
	return out, nil
}

var networkAclFilters = filters[state.NetworkAcl]{
	"association.association-id": ofAclAssociations(func(a state.NetworkAclAssociation) string { return a.ID }),
	"association.subnet-id":      ofAclAssociations(func(a state.NetworkAclAssociation) string { return a.SubnetID }),
	"association.network-acl-id": func(a *state.NetworkAcl) []string {
		if len(a.Associations) == 0 {
			return nil
		}
		return []string{a.ID}
	},
	"default":         func(a *state.NetworkAcl) []string { return yes(a.IsDefault) },
	"network-acl-id":  func(a *state.NetworkAcl) []string { return []string{a.ID} },
	"owner-id":        func(a *state.NetworkAcl) []string { return []string{a.Account} },
	"vpc-id":          func(a *state.NetworkAcl) []string { return []string{a.VpcID} },
	"entry.cidr":      ofEntries(func(e state.NetworkAclEntry) string { return prefixOf(e.Cidr, true) }),
	"entry.ipv6-cidr": ofEntries(func(e state.NetworkAclEntry) string { return prefixOf(e.Cidr, false) }),
	"entry.egress":    ofEntries(func(e state.NetworkAclEntry) string { return yes(e.Egress)[0] }),
	"entry.protocol":  ofEntries(func(e state.NetworkAclEntry) string { return e.Protocol }),
	"entry.rule-number": ofEntries(func(e state.NetworkAclEntry) string {
		return strconv.Itoa(int(e.Number))
	}),
	"entry.rule-action": ofEntries(ruleAction),
	"entry.icmp.code": ofEntries(func(e state.NetworkAclEntry) string {
		if i := icmpOf(e); i != nil {
			return strconv.Itoa(int(*i.Code))
		}
		return ""
	}),
	"entry.icmp.type": ofEntries(func(e state.NetworkAclEntry) string {
		if i := icmpOf(e); i != nil {
			return strconv.Itoa(int(*i.Type))
		}
		return ""
	}),
	"entry.port-range.from": ofEntries(func(e state.NetworkAclEntry) string {
		if p := portsOf(e); p != nil {
			return strconv.Itoa(int(*p.From))
		}
		return ""
	}),
	"entry.port-range.to": ofEntries(func(e state.NetworkAclEntry) string {
		if p := portsOf(e); p != nil {
			return strconv.Itoa(int(*p.To))
		}
		return ""
	}),
}

func ofAclAssociations(text func(state.NetworkAclAssociation) string) func(*state.NetworkAcl) []string {
	return func(a *state.NetworkAcl) (out []string) {
		for _, as := range a.Associations {
			out = append(out, one(text(as))...)
		}
		return out
	}
}

func ofEntries(text func(state.NetworkAclEntry) string) func(*state.NetworkAcl) []string {
	return func(a *state.NetworkAcl) (out []string) {
		for _, e := range a.Entries {
			out = append(out, one(text(e))...)
		}
		return out
	}
}

func ruleAction(e state.NetworkAclEntry) string {
	if e.Allow {
		return "allow"
	}
	return "deny"
}

// portsOf gives the ports of an entry whose protocol has them.
func portsOf(e state.NetworkAclEntry) *api.PortRange {
	if e.Protocol != "6" && e.Protocol != "17" {
		return nil
	}
	if e.FromPort < 0 {
		return &api.PortRange{From: ptr(int32(0)), To: ptr(int32(65535))}
	}
	return &api.PortRange{From: ptr(e.FromPort), To: ptr(e.ToPort)}
}

// icmpOf gives type and code of an entry for ICMP.
func icmpOf(e state.NetworkAclEntry) *api.IcmpTypeCode {
	if e.Protocol != "1" && e.Protocol != "58" {
		return nil
	}
	return &api.IcmpTypeCode{Type: ptr(e.ICMPType), Code: ptr(e.ICMPCode)}
}

// prefixOf is the text of a prefix of the family, empty for the other family.
func prefixOf(p netip.Prefix, ipv4 bool) string {
	if !p.IsValid() || p.Addr().Is4() != ipv4 {
		return ""
	}
	return p.String()
}

func apiNetworkAcl(a *state.NetworkAcl) api.NetworkAcl {
	out := api.NetworkAcl{
		NetworkAclId: ptr(a.ID), VpcId: ptr(a.VpcID), OwnerId: ptr(a.Account), IsDefault: ptr(a.IsDefault), Tags: tagSet(a.Tags),
		Associations: []api.NetworkAclAssociation{}, Entries: []api.NetworkAclEntry{},
	}
	for _, as := range a.Associations {
		out.Associations = append(out.Associations, api.NetworkAclAssociation{
			NetworkAclAssociationId: ptr(as.ID), NetworkAclId: ptr(a.ID), SubnetId: ptr(as.SubnetID),
		})
	}
	for _, e := range a.Entries {
		out.Entries = append(out.Entries, api.NetworkAclEntry{
			RuleNumber: ptr(e.Number), Egress: ptr(e.Egress), Protocol: ptr(e.Protocol), RuleAction: ptr(ruleAction(e)),
			CidrBlock: opt(prefixOf(e.Cidr, true)), Ipv6CidrBlock: opt(prefixOf(e.Cidr, false)),
			PortRange: portsOf(e), IcmpTypeCode: icmpOf(e),
		})
	}
	return out
}
