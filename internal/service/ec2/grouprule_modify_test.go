package ec2

import (
	"fmt"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/state"
)

// showRule describes one rule.
func (w *world) showRule(id string) api.SecurityGroupRule {
	w.Helper()
	return call[api.DescribeSecurityGroupRulesOutput](w, "DescribeSecurityGroupRules", &api.DescribeSecurityGroupRulesInput{
		SecurityGroupRuleIds: []string{id}}).SecurityGroupRules[0]
}

func TestModifySecurityGroupRules(t *testing.T) {
	w := newWorld(t)
	v, far := w.vpc("10.0.0.0/16"), w.vpc("10.1.0.0/16")
	web, db, other := w.group(v, "web"), w.group(v, "db"), w.group(far, "other")
	rules := w.allow(web, "tcp", 80, 80, "192.0.2.1/32", "2001:db8::/32", db)
	four, six, ref := *rules[0].SecurityGroupRuleId, *rules[1].SecurityGroupRuleId, *rules[2].SecurityGroupRuleId
	foreign := *w.allow(db, "tcp", 80, 80, "192.0.2.1/32")[0].SecurityGroupRuleId
	call[api.CreateTagsOutput](w, "CreateTags", &api.CreateTagsInput{Resources: []string{four}, Tags: tagList("k", "v")})
	request := func(id string, r api.SecurityGroupRuleRequest) api.SecurityGroupRuleUpdate {
		return api.SecurityGroupRuleUpdate{SecurityGroupRuleId: &id, SecurityGroupRule: &r}
	}
	modify := func(updates ...api.SecurityGroupRuleUpdate) *api.ModifySecurityGroupRulesInput {
		return &api.ModifySecurityGroupRulesInput{GroupId: &web, SecurityGroupRules: updates}
	}
	port := func(n int32) *int32 { return &n }

	out := call[api.ModifySecurityGroupRulesOutput](w, "ModifySecurityGroupRules", modify(
		request(four, api.SecurityGroupRuleRequest{IpProtocol: ptr("tcp"), FromPort: port(443), ToPort: port(443), CidrIpv4: ptr("198.51.100.7/24"), Description: ptr("tls")}),
		request(ref, api.SecurityGroupRuleRequest{IpProtocol: ptr("-1"), ReferencedGroupId: &web}),
	))
	if !*out.Return {
		t.Errorf("%+v", out)
	}
	r := w.showRule(four)
	if *r.FromPort != 443 || *r.CidrIpv4 != "198.51.100.0/24" || *r.Description != "tls" || *r.Tags[0].Key != "k" {
		t.Errorf("%+v", r)
	}
	if r := w.showRule(ref); *r.IpProtocol != "-1" || *r.FromPort != -1 || *r.ReferencedGroupInfo.GroupId != web {
		t.Errorf("%+v", r)
	}
	call[api.ModifySecurityGroupRulesOutput](w, "ModifySecurityGroupRules", modify(
		request(four, api.SecurityGroupRuleRequest{IpProtocol: ptr("tcp"), FromPort: port(443), ToPort: port(443), CidrIpv4: ptr("198.51.100.0/24")})))
	if r := w.showRule(four); r.Description != nil {
		t.Errorf("a description that is left out stays: %s", *r.Description)
	}

	cidr := api.SecurityGroupRuleRequest{IpProtocol: ptr("tcp"), FromPort: port(1), ToPort: port(1), CidrIpv4: ptr("192.0.2.9/32")}
	for name, tt := range map[string]struct {
		in         *api.ModifySecurityGroupRulesInput
		code, text string
	}{
		"no group":        {&api.ModifySecurityGroupRulesInput{SecurityGroupRules: modify(request(four, cidr)).SecurityGroupRules}, "MissingParameter", "groupId"},
		"nothing":         {modify(), "MissingParameter", "securityGroupRules"},
		"no rule":         {modify(api.SecurityGroupRuleUpdate{SecurityGroupRuleId: &four}), "MissingParameter", "SecurityGroupRule"},
		"no id":           {modify(api.SecurityGroupRuleUpdate{SecurityGroupRule: &cidr}), "MissingParameter", "SecurityGroupRuleId"},
		"unknown id":      {modify(request(four, cidr), request("sgr-0123456789abcdef0", cidr)), "InvalidSecurityGroupRuleId.NotFound", "sgr-0123456789abcdef0"},
		"rule of another": {modify(request(foreign, cidr)), "InvalidSecurityGroupRuleId.NotFound", foreign},
		"twice":           {modify(request(four, cidr), request(four, cidr)), "InvalidParameterValue", "must not appear multiple times"},
		"no source":       {modify(request(four, api.SecurityGroupRuleRequest{IpProtocol: ptr("-1")})), "MissingParameter", "Missing source specification"},
		"no protocol":     {modify(request(four, api.SecurityGroupRuleRequest{CidrIpv4: ptr("0.0.0.0/0")})), "MissingParameter", "ipProtocol"},
		"two sources":     {modify(request(four, api.SecurityGroupRuleRequest{IpProtocol: ptr("-1"), CidrIpv4: ptr("0.0.0.0/0"), CidrIpv6: ptr("::/0")})), "InvalidParameterCombination", "only one of"},
		"other version":   {modify(request(six, cidr)), "InvalidParameterValue", "cannot be changed: it is CidrIpv6"},
		"block to group":  {modify(request(four, api.SecurityGroupRuleRequest{IpProtocol: ptr("-1"), ReferencedGroupId: &db})), "InvalidParameterValue", "cannot be changed: it is CidrIpv4"},
		"group of other":  {modify(request(ref, api.SecurityGroupRuleRequest{IpProtocol: ptr("-1"), ReferencedGroupId: &other})), "InvalidGroup.NotFound", "different networks"},
		"prefix list":     {modify(request(four, api.SecurityGroupRuleRequest{IpProtocol: ptr("-1"), PrefixListId: ptr("pl-01234567")})), "InvalidPrefixListID.NotFound", "pl-01234567"},
		"port":            {modify(request(four, api.SecurityGroupRuleRequest{IpProtocol: ptr("tcp"), FromPort: port(70000), ToPort: port(1), CidrIpv4: ptr("0.0.0.0/0")})), "InvalidParameterValue", "TCP/UDP port (70000) out of range"},
	} {
		t.Run(name, func(t *testing.T) { w.in(t).fails("ModifySecurityGroupRules", tt.in, tt.code, tt.text) })
	}

	// Two rules may change places, but not become the same.
	more := w.allow(web, "tcp", 1, 1, "192.0.2.1/32", "192.0.2.2/32")
	a, b := *more[0].SecurityGroupRuleId, *more[1].SecurityGroupRuleId
	to := func(id, cidr string) api.SecurityGroupRuleUpdate {
		return request(id, api.SecurityGroupRuleRequest{IpProtocol: ptr("tcp"), FromPort: port(1), ToPort: port(1), CidrIpv4: &cidr})
	}
	w.fails("ModifySecurityGroupRules", modify(to(a, "192.0.2.2/32")), "InvalidPermission.Duplicate", `"peer: 192.0.2.2/32, TCP, from port: 1, to port: 1, ALLOW"`)
	call[api.ModifySecurityGroupRulesOutput](w, "ModifySecurityGroupRules", modify(to(a, "192.0.2.2/32"), to(b, "192.0.2.1/32")))
	if *w.showRule(a).CidrIpv4 != "192.0.2.2/32" || *w.showRule(b).CidrIpv4 != "192.0.2.1/32" {
		t.Error("the rules have not changed places")
	}
}

func TestUpdateSecurityGroupRuleDescriptions(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	web, db := w.group(v, "web"), w.group(v, "db")
	rules := w.allow(web, "tcp", 80, 80, "192.0.2.1/32", db)
	a, b := *rules[0].SecurityGroupRuleId, *rules[1].SecurityGroupRuleId

	p := permission("tcp", 80, 80, "192.0.2.1/32", db)
	p[0].IpRanges[0].Description, p[0].UserIdGroupPairs[0].Description = ptr("one"), ptr("two")
	call[api.UpdateSecurityGroupRuleDescriptionsIngressOutput](w, "UpdateSecurityGroupRuleDescriptionsIngress",
		&api.UpdateSecurityGroupRuleDescriptionsIngressInput{GroupId: &web, IpPermissions: p})
	if got := fmt.Sprint(*w.showRule(a).Description, *w.showRule(b).Description); got != "onetwo" {
		t.Errorf("by permission: %s", got)
	}
	call[api.UpdateSecurityGroupRuleDescriptionsIngressOutput](w, "UpdateSecurityGroupRuleDescriptionsIngress",
		&api.UpdateSecurityGroupRuleDescriptionsIngressInput{GroupId: &web, SecurityGroupRuleDescriptions: []api.SecurityGroupRuleDescription{
			{SecurityGroupRuleId: &a, Description: ptr("uno")}, {SecurityGroupRuleId: &b}}})
	if *w.showRule(a).Description != "uno" || w.showRule(b).Description != nil {
		t.Error("by id")
	}
	call[api.UpdateSecurityGroupRuleDescriptionsEgressOutput](w, "UpdateSecurityGroupRuleDescriptionsEgress",
		&api.UpdateSecurityGroupRuleDescriptionsEgressInput{GroupId: &web, IpPermissions: []api.IpPermission{{
			IpProtocol: ptr("-1"), IpRanges: []api.IpRange{{CidrIp: ptr("0.0.0.0/0"), Description: ptr("out")}}}}})
	if got := permissionText(w.showGroup(web).IpPermissionsEgress); got != "-1 0.0.0.0/0 (out)\n" {
		t.Errorf("egress %q", got)
	}

	for name, tt := range map[string]struct {
		in         api.UpdateSecurityGroupRuleDescriptionsIngressInput
		code, text string
	}{
		"nothing":    {api.UpdateSecurityGroupRuleDescriptionsIngressInput{}, "MissingParameter", "ipPermissions"},
		"both":       {api.UpdateSecurityGroupRuleDescriptionsIngressInput{IpPermissions: p, SecurityGroupRuleDescriptions: []api.SecurityGroupRuleDescription{{}}}, "InvalidParameterCombination", "securityGroupRuleDescriptions"},
		"no rule":    {api.UpdateSecurityGroupRuleDescriptionsIngressInput{IpPermissions: permission("tcp", 81, 81, db)}, "InvalidPermission.NotFound", "The specified rule does not exist in this security group."},
		"unknown id": {api.UpdateSecurityGroupRuleDescriptionsIngressInput{SecurityGroupRuleDescriptions: []api.SecurityGroupRuleDescription{{SecurityGroupRuleId: &a}, {SecurityGroupRuleId: ptr("sgr-0123456789abcdef0")}}}, "InvalidSecurityGroupRuleId.NotFound", "sgr-0123456789abcdef0"},
		"charset":    {api.UpdateSecurityGroupRuleDescriptionsIngressInput{SecurityGroupRuleDescriptions: []api.SecurityGroupRuleDescription{{SecurityGroupRuleId: &a, Description: ptr("é")}}}, "InvalidParameterValue", "Invalid rule description"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.in.GroupId = &web
			w.in(t).fails("UpdateSecurityGroupRuleDescriptionsIngress", &tt.in, tt.code, tt.text)
		})
	}
	if *w.showRule(a).Description != "uno" {
		t.Error("a refused request has changed a description")
	}
}

func TestGroupReferences(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	web, db := w.group(v, "web"), w.group(v, "db")
	rule := *w.allow(db, "tcp", 5432, 5432, web)[0].SecurityGroupRuleId
	references := func() []api.SecurityGroupReference {
		return call[api.DescribeSecurityGroupReferencesOutput](w, "DescribeSecurityGroupReferences", &api.DescribeSecurityGroupReferencesInput{GroupId: []string{web}}).SecurityGroupReferenceSet
	}
	stale := func() []api.StaleSecurityGroup {
		return call[api.DescribeStaleSecurityGroupsOutput](w, "DescribeStaleSecurityGroups", &api.DescribeStaleSecurityGroupsInput{VpcId: &v}).StaleSecurityGroupSet
	}
	if r, s := references(), stale(); len(r)+len(s) > 0 || r == nil || s == nil {
		t.Errorf("inside one VPC: %+v, %+v", r, s)
	}
	w.write(func(tx *state.Tx) { state.SecurityGroups.Delete(tx, w.caller.Key(web)) })
	s := stale()
	if len(s) != 1 || *s[0].GroupId != db || *s[0].GroupName != "db" || len(s[0].StaleIpPermissions) != 1 || len(s[0].StaleIpPermissionsEgress) != 0 ||
		*s[0].StaleIpPermissions[0].UserIdGroupPairs[0].GroupId != web {
		t.Errorf("after the group is gone: %+v", s)
	}
	w.fails("DescribeSecurityGroupReferences", &api.DescribeSecurityGroupReferencesInput{}, "MissingParameter", "GroupId")
	w.fails("DescribeSecurityGroupReferences", &api.DescribeSecurityGroupReferencesInput{GroupId: []string{web}}, "InvalidGroup.NotFound", web)
	w.fails("DescribeStaleSecurityGroups", &api.DescribeStaleSecurityGroupsInput{VpcId: ptr("vpc-0123456789abcdef0")}, "InvalidVpcID.NotFound", "vpc-0123456789abcdef0")
	// The rule that refers to what is gone can be revoked.
	call[api.RevokeSecurityGroupIngressOutput](w, "RevokeSecurityGroupIngress", &api.RevokeSecurityGroupIngressInput{GroupId: &db, SecurityGroupRuleIds: []string{rule}})
}

func TestGetSecurityGroupsForVpc(t *testing.T) {
	w := newWorld(t)
	v, far := w.vpc("10.0.0.0/16"), w.vpc("10.1.0.0/16")
	web := w.group(v, "web")
	w.group(far, "other")
	get := func(nameAndValues ...string) []string {
		out := call[api.GetSecurityGroupsForVpcOutput](w, "GetSecurityGroupsForVpc", &api.GetSecurityGroupsForVpcInput{VpcId: &v, Filters: filtersOf(nameAndValues...)})
		return ids(out.SecurityGroupForVpcs, func(g api.SecurityGroupForVpc) *string {
			if *g.PrimaryVpcId != v || *g.OwnerId != "123456789012" {
				t.Errorf("%+v", g)
			}
			return g.GroupId
		})
	}
	wantSame(t, get(), []string{web, w.defaultGroup(v)})
	wantSame(t, get("group-name", "web"), []string{web})
	wantSame(t, get("primary-vpc-id", far), nil)
	w.fails("GetSecurityGroupsForVpc", &api.GetSecurityGroupsForVpcInput{VpcId: ptr("x")}, "InvalidVpcID.Malformed", "x")
	if out := call[api.DescribeSecurityGroupVpcAssociationsOutput](w, "DescribeSecurityGroupVpcAssociations",
		&api.DescribeSecurityGroupVpcAssociationsInput{Filters: filtersOf("group-id", web)}); out.SecurityGroupVpcAssociations == nil || len(out.SecurityGroupVpcAssociations) > 0 {
		t.Errorf("%+v", out)
	}
}
