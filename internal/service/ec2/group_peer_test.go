package ec2

import (
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

func pairRule(port int32, p api.UserIdGroupPair) []api.IpPermission {
	return []api.IpPermission{{IpProtocol: ptr("tcp"), FromPort: &port, ToPort: &port, UserIdGroupPairs: []api.UserIdGroupPair{p}}}
}

// TestGroupOverPeering: a rule refers to another account's group by its owner and
// id, says over which connection, and is stale when that is gone.
func TestGroupOverPeering(t *testing.T) {
	w := newWorld(t)
	other := w.as(theirs, "us-east-1")
	a, b := w.vpc("10.0.0.0/16"), other.vpc("10.1.0.0/16")
	db, app := w.group(a, "db"), other.group(b, "app")
	authorize := func(p api.UserIdGroupPair) *api.AuthorizeSecurityGroupIngressInput {
		return &api.AuthorizeSecurityGroupIngressInput{GroupId: &db, IpPermissions: pairRule(3306, p)}
	}
	byOwner := api.UserIdGroupPair{GroupId: &app, UserId: ptr(theirs)}
	w.fails("AuthorizeSecurityGroupIngress", authorize(byOwner), "InvalidGroup.NotFound", "The security group '"+app+"' does not exist")
	id := w.peer(a, other, b)
	w.fails("AuthorizeSecurityGroupIngress", authorize(api.UserIdGroupPair{GroupId: &app}), "InvalidGroup.NotFound", app)
	w.fails("AuthorizeSecurityGroupIngress", authorize(api.UserIdGroupPair{GroupId: &app, UserId: ptr(theirs), VpcId: &a}), "InvalidGroup.NotFound", "different networks")
	w.fails("AuthorizeSecurityGroupIngress", authorize(api.UserIdGroupPair{GroupId: &app, UserId: ptr(theirs), VpcPeeringConnectionId: ptr("pcx-01234567")}),
		"InvalidVpcPeeringConnectionID.NotFound", "pcx-01234567")
	rule := call[api.AuthorizeSecurityGroupIngressOutput](w, "AuthorizeSecurityGroupIngress", authorize(byOwner)).SecurityGroupRules[0]
	info := rule.ReferencedGroupInfo
	if *info.GroupId != app || *info.UserId != theirs || *info.VpcId != b || *info.VpcPeeringConnectionId != id || *info.PeeringStatus != "active" {
		t.Errorf("rule: %+v", info)
	}
	for name, again := range map[string]api.UserIdGroupPair{
		"with its connection": {GroupId: &app, UserId: ptr(theirs), VpcId: &b, VpcPeeringConnectionId: &id},
		"owner in front":      {GroupId: ptr(theirs + "/" + app)},
		"by name":             {GroupName: ptr("app"), UserId: ptr(theirs)},
	} {
		t.Run(name, func(t *testing.T) {
			w.in(t).fails("AuthorizeSecurityGroupIngress", authorize(again), "InvalidPermission.Duplicate", "peer: "+app)
		})
	}
	w.fails("AuthorizeSecurityGroupIngress", authorize(api.UserIdGroupPair{GroupName: ptr("web"), UserId: ptr(theirs)}), "InvalidGroup.NotFound", "The security group 'web' does not exist")
	pair := func() api.UserIdGroupPair { t.Helper(); return w.showGroup(db).IpPermissions[0].UserIdGroupPairs[0] }
	if p := pair(); *p.UserId != theirs || *p.GroupId != app || *p.VpcId != b || *p.VpcPeeringConnectionId != id || *p.PeeringStatus != "active" || p.GroupName != nil {
		t.Errorf("pair: %+v", p)
	}
	references := func() []api.SecurityGroupReference {
		return call[api.DescribeSecurityGroupReferencesOutput](other, "DescribeSecurityGroupReferences", &api.DescribeSecurityGroupReferencesInput{GroupId: []string{app}}).SecurityGroupReferenceSet
	}
	stale := func() []api.StaleSecurityGroup {
		return call[api.DescribeStaleSecurityGroupsOutput](w, "DescribeStaleSecurityGroups", &api.DescribeStaleSecurityGroupsInput{VpcId: &a}).StaleSecurityGroupSet
	}
	if r := references(); len(r) != 1 || *r[0].ReferencingVpcId != a || *r[0].VpcPeeringConnectionId != id || *r[0].GroupId != app {
		t.Errorf("references: %+v", r)
	}
	if s := stale(); len(s) > 0 {
		t.Errorf("stale while it is active: %+v", s)
	}
	other.deletePeering(id)
	if s := stale(); len(s) != 1 || *s[0].GroupId != db || *s[0].StaleIpPermissions[0].UserIdGroupPairs[0].PeeringStatus != "deleted" {
		t.Errorf("stale: %+v", s)
	}
	if r := references(); len(r) > 0 {
		t.Errorf("references over what is deleted: %+v", r)
	}
	w.later(48 * 3600e9)
	if p := pair(); *p.PeeringStatus != "deleted" {
		t.Errorf("pair of a connection that is forgotten: %+v", p)
	}
	w.fails("RevokeSecurityGroupIngress", &api.RevokeSecurityGroupIngressInput{GroupId: &db, IpPermissions: pairRule(3306, api.UserIdGroupPair{GroupId: &app})}, "InvalidPermission.NotFound", "")
	call[api.RevokeSecurityGroupIngressOutput](w, "RevokeSecurityGroupIngress", &api.RevokeSecurityGroupIngressInput{GroupId: &db, IpPermissions: pairRule(3306, byOwner)})
}

// TestGroupOfPeerIsDeleted: a group that only a peer refers to can be deleted,
// and leaves a stale rule.
func TestGroupOfPeerIsDeleted(t *testing.T) {
	w := newWorld(t)
	a, b := w.vpc("10.0.0.0/16"), w.vpc("10.1.0.0/16")
	db, app := w.group(a, "db"), w.group(b, "app")
	w.fails("AuthorizeSecurityGroupIngress", &api.AuthorizeSecurityGroupIngressInput{GroupId: &db, IpPermissions: permission("tcp", 1, 1, app)}, "InvalidGroup.NotFound", "different networks")
	w.peer(b, w, a)
	rule := w.allow(db, "tcp", 5432, 5432, app)[0]
	if rule.ReferencedGroupInfo.UserId != nil || *rule.ReferencedGroupInfo.VpcId != b {
		t.Errorf("%+v", rule.ReferencedGroupInfo)
	}
	call[api.ModifySecurityGroupRulesOutput](w, "ModifySecurityGroupRules", &api.ModifySecurityGroupRulesInput{GroupId: &db, SecurityGroupRules: []api.SecurityGroupRuleUpdate{{
		SecurityGroupRuleId: rule.SecurityGroupRuleId,
		SecurityGroupRule:   &api.SecurityGroupRuleRequest{IpProtocol: ptr("tcp"), FromPort: ptr(int32(5433)), ToPort: ptr(int32(5433)), ReferencedGroupId: ptr(mine + "/" + app)},
	}}})
	if r := w.showRule(*rule.SecurityGroupRuleId); *r.FromPort != 5433 || *r.ReferencedGroupInfo.PeeringStatus != "active" {
		t.Errorf("%+v", r)
	}
	call[api.DeleteSecurityGroupOutput](w, "DeleteSecurityGroup", &api.DeleteSecurityGroupInput{GroupId: &app})
	s := call[api.DescribeStaleSecurityGroupsOutput](w, "DescribeStaleSecurityGroups", &api.DescribeStaleSecurityGroupsInput{VpcId: &a}).StaleSecurityGroupSet
	if len(s) != 1 || *s[0].StaleIpPermissions[0].UserIdGroupPairs[0].GroupId != app || *s[0].StaleIpPermissions[0].UserIdGroupPairs[0].PeeringStatus != "active" {
		t.Errorf("stale: %+v", s)
	}
}

// TestGroupOverRegions: a peering connection over Regions carries no references.
func TestGroupOverRegions(t *testing.T) {
	w := newWorld(t)
	far := w.as(mine, "eu-west-1")
	a, b := w.vpc("10.0.0.0/16"), far.vpc("10.1.0.0/16")
	db, app := w.group(a, "db"), far.group(b, "app")
	id := w.peer(a, far, b)
	for name, p := range map[string]api.UserIdGroupPair{
		"id":         {GroupId: &app},
		"owner":      {GroupId: &app, UserId: ptr(mine)},
		"connection": {GroupId: &app, VpcId: &b, VpcPeeringConnectionId: &id},
	} {
		t.Run(name, func(t *testing.T) {
			w.in(t).fails("AuthorizeSecurityGroupIngress", &api.AuthorizeSecurityGroupIngressInput{GroupId: &db, IpPermissions: pairRule(80, p)},
				"InvalidGroup.NotFound", "The security group '"+app+"' does not exist")
		})
	}
}
