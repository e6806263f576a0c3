package ec2

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/state"
)

// group makes a security group and gives its id.
func (w *world) group(vpcID, name string) string {
	w.Helper()
	return *call[api.CreateSecurityGroupOutput](w, "CreateSecurityGroup", &api.CreateSecurityGroupInput{
		GroupName: &name, Description: ptr("for tests"), VpcId: &vpcID}).GroupId
}

// showGroup describes one group.
func (w *world) showGroup(id string) api.SecurityGroup {
	w.Helper()
	return call[api.DescribeSecurityGroupsOutput](w, "DescribeSecurityGroups", &api.DescribeSecurityGroupsInput{GroupIds: []string{id}}).SecurityGroups[0]
}

// groupsWith gives the ids of the groups that pass the filters.
func (w *world) groupsWith(nameAndValues ...string) []string {
	w.Helper()
	out := call[api.DescribeSecurityGroupsOutput](w, "DescribeSecurityGroups", &api.DescribeSecurityGroupsInput{Filters: filtersOf(nameAndValues...)})
	return ids(out.SecurityGroups, func(g api.SecurityGroup) *string { return g.GroupId })
}

// defaultGroup is the group that the VPC has from the start.
func (w *world) defaultGroup(vpcID string) string {
	w.Helper()
	return w.groupsWith("vpc-id", vpcID, "group-name", "default")[0]
}

// permissionText spells permissions on one line each, to compare them.
func permissionText(list []api.IpPermission) string {
	var b strings.Builder
	for _, p := range list {
		fmt.Fprint(&b, *p.IpProtocol)
		if p.FromPort != nil {
			fmt.Fprintf(&b, " %d-%d", *p.FromPort, *p.ToPort)
		}
		note := func(s *string) string {
			if s == nil {
				return ""
			}
			return fmt.Sprintf(" (%s)", *s)
		}
		for _, x := range p.IpRanges {
			fmt.Fprint(&b, " ", *x.CidrIp, note(x.Description))
		}
		for _, x := range p.Ipv6Ranges {
			fmt.Fprint(&b, " ", *x.CidrIpv6, note(x.Description))
		}
		for _, x := range p.UserIdGroupPairs {
			fmt.Fprint(&b, " ", *x.UserId, "/", *x.GroupId, note(x.Description))
			if x.GroupName != nil {
				fmt.Fprint(&b, " has a name")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestCreateSecurityGroup(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	out := call[api.CreateSecurityGroupOutput](w, "CreateSecurityGroup", &api.CreateSecurityGroupInput{
		GroupName: ptr("web ._-:/()#,@[]+=&;{}!$*  "), Description: ptr("the web"), VpcId: &v,
		TagSpecifications: tagSpec("security-group", "Name", "web"),
	})
	if !awsid.Valid("sg", *out.GroupId) || *out.SecurityGroupArn != "arn:aws:ec2:us-east-1:123456789012:security-group/"+*out.GroupId || *out.Tags[0].Value != "web" {
		t.Errorf("%+v", out)
	}
	g := w.showGroup(*out.GroupId)
	if *g.GroupName != "web ._-:/()#,@[]+=&;{}!$*" || *g.Description != "the web" || *g.VpcId != v || *g.OwnerId != "123456789012" ||
		*g.SecurityGroupArn != *out.SecurityGroupArn || *g.Tags[0].Key != "Name" {
		t.Errorf("%+v", g)
	}
	if g.IpPermissions == nil || len(g.IpPermissions) != 0 {
		t.Errorf("ingress %+v", g.IpPermissions)
	}
	if got := permissionText(g.IpPermissionsEgress); got != "-1 0.0.0.0/0\n" {
		t.Errorf("egress %q", got)
	}
	p := g.IpPermissionsEgress[0]
	if p.FromPort != nil || p.ToPort != nil || p.UserIdGroupPairs == nil || p.Ipv6Ranges == nil || p.PrefixListIds == nil {
		t.Errorf("clients read every list of %+v", p)
	}
	if d := w.showGroup(w.defaultGroup(v)); permissionText(d.IpPermissions) != "-1 123456789012/"+*d.GroupId+"\n" {
		t.Errorf("default group %s", permissionText(d.IpPermissions))
	}
}

func TestCreateSecurityGroupRefused(t *testing.T) {
	w := newWorld(t, Config{Quotas: map[string]int{"security-groups-per-region": 3}})
	v := w.vpc("10.0.0.0/16")
	w.group(v, "taken")
	long := strings.Repeat("x", 256)
	for name, tt := range map[string]struct {
		change     func(*api.CreateSecurityGroupInput)
		code, text string
	}{
		"no name":         {func(in *api.CreateSecurityGroupInput) { in.GroupName = nil }, "MissingParameter", "GroupName"},
		"blank name":      {func(in *api.CreateSecurityGroupInput) { in.GroupName = ptr("  ") }, "MissingParameter", "GroupName"},
		"no description":  {func(in *api.CreateSecurityGroupInput) { in.Description = nil }, "MissingParameter", "GroupDescription"},
		"looks like id":   {func(in *api.CreateSecurityGroupInput) { in.GroupName = ptr("sg-web") }, "InvalidParameterValue", "Value (sg-web) for parameter GroupName is invalid. Group names may not be in the format sg-*."},
		"long name":       {func(in *api.CreateSecurityGroupInput) { in.GroupName = &long }, "InvalidParameterValue", "less than 256 characters"},
		"name charset":    {func(in *api.CreateSecurityGroupInput) { in.GroupName = ptr("wéb") }, "InvalidParameterValue", "Invalid security group name"},
		"description set": {func(in *api.CreateSecurityGroupInput) { in.Description = ptr("a\nb") }, "InvalidParameterValue", "Invalid security group description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"},
		"default":         {func(in *api.CreateSecurityGroupInput) { in.GroupName = ptr("default") }, "InvalidParameterValue", "Cannot use reserved security group name: default"},
		"no VPC":          {func(in *api.CreateSecurityGroupInput) { in.VpcId = nil }, "VPCIdNotSpecified", "No default VPC for this user"},
		"bad VPC":         {func(in *api.CreateSecurityGroupInput) { in.VpcId = ptr("x") }, "InvalidVpcID.Malformed", `Invalid id: "x" (expecting "vpc-...")`},
		"unknown VPC":     {func(in *api.CreateSecurityGroupInput) { in.VpcId = ptr("vpc-0123456789abcdef0") }, "InvalidVpcID.NotFound", "The vpc ID 'vpc-0123456789abcdef0' does not exist"},
		"duplicate":       {func(in *api.CreateSecurityGroupInput) { in.GroupName = ptr("taken") }, "InvalidGroup.Duplicate", "The security group 'taken' already exists for VPC '" + v + "'"},
		"tags of another": {func(in *api.CreateSecurityGroupInput) { in.TagSpecifications = tagSpec("vpc", "a", "b") }, "InvalidParameterValue", "vpc"},
	} {
		t.Run(name, func(t *testing.T) {
			in := &api.CreateSecurityGroupInput{GroupName: ptr("web"), Description: ptr("web"), VpcId: &v}
			tt.change(in)
			w.in(t).fails("CreateSecurityGroup", in, tt.code, tt.text)
		})
	}
	w.group(v, "third")
	w.fails("CreateSecurityGroup", &api.CreateSecurityGroupInput{GroupName: ptr("fourth"), Description: ptr("x"), VpcId: &v},
		"SecurityGroupLimitExceeded", "The maximum number of security groups has been reached.")
}

func TestGroupNamesAreOfTheirVpc(t *testing.T) {
	w := newWorld(t)
	a, b := w.vpc("10.0.0.0/16"), w.vpc("10.1.0.0/16")
	if w.group(a, "web") == w.group(b, "web") {
		t.Error("two groups have one id")
	}
	w.fails("DescribeSecurityGroups", &api.DescribeSecurityGroupsInput{GroupNames: []string{"web"}},
		"InvalidParameterValue", "Invalid value 'web' for groupName. You may not reference Amazon VPC security groups by name.")
	w.write(func(tx *state.Tx) {
		old, _ := state.Vpcs.Get(tx, w.caller.Key(a))
		v := *old
		v.IsDefault = true
		state.Vpcs.Put(tx, &v)
	})
	found := call[api.DescribeSecurityGroupsOutput](w, "DescribeSecurityGroups", &api.DescribeSecurityGroupsInput{GroupNames: []string{"web"}}).SecurityGroups
	if len(found) != 1 || *found[0].VpcId != a {
		t.Errorf("by name: %+v", found)
	}
	w.fails("DescribeSecurityGroups", &api.DescribeSecurityGroupsInput{GroupNames: []string{"db"}},
		"InvalidGroup.NotFound", "The security group 'db' does not exist in default VPC '"+a+"'")
	if out := call[api.CreateSecurityGroupOutput](w, "CreateSecurityGroup", &api.CreateSecurityGroupInput{
		GroupName: ptr("db"), Description: ptr("x")}); *w.showGroup(*out.GroupId).VpcId != a {
		t.Error("a group without a VPC is in the default one")
	}
	call[api.DeleteSecurityGroupOutput](w, "DeleteSecurityGroup", &api.DeleteSecurityGroupInput{GroupName: ptr("web")})
}

func TestDescribeSecurityGroupsFilters(t *testing.T) {
	w := newWorld(t)
	v, other := w.vpc("10.0.0.0/16"), w.vpc("10.1.0.0/16")
	web, db := w.group(v, "web"), w.group(v, "db")
	call[api.CreateTagsOutput](w, "CreateTags", &api.CreateTagsInput{Resources: []string{web}, Tags: tagList("tier", "front")})
	w.allow(web, "tcp", 80, 443, "192.0.2.0/24", "2001:db8::/32")
	w.allow(db, "tcp", 5432, 5432, web)
	w.allow(db, "icmp", -1, -1, "10.0.0.0/16")
	call[api.AuthorizeSecurityGroupEgressOutput](w, "AuthorizeSecurityGroupEgress", &api.AuthorizeSecurityGroupEgressInput{
		GroupId: &web, IpPermissions: permission("udp", 53, 53, db)})
	defaults := []string{w.defaultGroup(v), w.defaultGroup(other)}

	for name, tt := range map[string]struct {
		filters []string
		want    []string
	}{
		"id":              {[]string{"group-id", web}, []string{web}},
		"name":            {[]string{"group-name", "w*,d?"}, []string{web, db}},
		"default":         {[]string{"group-name", "default"}, defaults},
		"description":     {[]string{"description", "for tests"}, []string{web, db}},
		"owner":           {[]string{"owner-id", "123456789012", "vpc-id", v}, []string{web, db, defaults[0]}},
		"tag":             {[]string{"tag:tier", "front"}, []string{web}},
		"cidr":            {[]string{"ip-permission.cidr", "192.0.2.0/24"}, []string{web}},
		"ipv6 cidr":       {[]string{"ip-permission.ipv6-cidr", "2001:db8::/32"}, []string{web}},
		"from port":       {[]string{"ip-permission.from-port", "80"}, []string{web}},
		"to port":         {[]string{"ip-permission.to-port", "5432"}, []string{db}},
		"icmp type":       {[]string{"ip-permission.from-port", "-1"}, []string{db}},
		"group":           {[]string{"ip-permission.group-id", web}, []string{db}},
		"group name":      {[]string{"ip-permission.group-name", "web"}, []string{db}},
		"protocol":        {[]string{"ip-permission.protocol", "tcp", "vpc-id", v}, []string{web, db}},
		"all protocols":   {[]string{"ip-permission.protocol", "-1", "vpc-id", v}, []string{defaults[0]}},
		"user":            {[]string{"ip-permission.user-id", "123456789012", "vpc-id", v}, []string{db, defaults[0]}},
		"prefix list":     {[]string{"ip-permission.prefix-list-id", "pl-1"}, nil},
		"egress cidr":     {[]string{"egress.ip-permission.cidr", "0.0.0.0/0", "vpc-id", other}, []string{defaults[1]}},
		"egress group":    {[]string{"egress.ip-permission.group-id", db}, []string{web}},
		"egress port":     {[]string{"egress.ip-permission.to-port", "53"}, []string{web}},
		"egress protocol": {[]string{"egress.ip-permission.protocol", "udp"}, []string{web}},
		"not egress":      {[]string{"ip-permission.protocol", "udp"}, nil},
	} {
		t.Run(name, func(t *testing.T) { wantSame(t, w.in(t).groupsWith(tt.filters...), tt.want) })
	}
	w.fails("DescribeSecurityGroups", &api.DescribeSecurityGroupsInput{Filters: filtersOf("color", "red")}, "InvalidParameterValue", "The filter 'color' is invalid")
	w.fails("DescribeSecurityGroups", &api.DescribeSecurityGroupsInput{GroupIds: []string{"web"}}, "InvalidGroupId.Malformed", `Invalid id: "web" (expecting "sg-...")`)
	w.fails("DescribeSecurityGroups", &api.DescribeSecurityGroupsInput{GroupIds: []string{"sg-0123456789abcdef0"}}, "InvalidGroup.NotFound", "The security group 'sg-0123456789abcdef0' does not exist")
	w.fails("DescribeSecurityGroups", &api.DescribeSecurityGroupsInput{GroupIds: []string{web}, MaxResults: ptr(int32(5))}, "InvalidParameterCombination", "maxResults")
	w.as("123456789012", "eu-west-1").fails("DescribeSecurityGroups", &api.DescribeSecurityGroupsInput{GroupIds: []string{web}}, "InvalidGroup.NotFound", web)
	w.as("210987654321", "us-east-1").fails("DescribeSecurityGroups", &api.DescribeSecurityGroupsInput{GroupIds: []string{web}}, "InvalidGroup.NotFound", web)
}

func TestDescribeSecurityGroupsPages(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	want := []string{w.defaultGroup(v)}
	for i := range 11 {
		want = append(want, w.group(v, fmt.Sprint("group", i)))
	}
	var got []string
	in := &api.DescribeSecurityGroupsInput{MaxResults: ptr(int32(5))}
	for pages := 0; pages == 0 || in.NextToken != nil; pages++ {
		out := call[api.DescribeSecurityGroupsOutput](w, "DescribeSecurityGroups", in)
		if len(out.SecurityGroups) > 5 || pages > 3 {
			t.Fatalf("page %d has %d groups", pages, len(out.SecurityGroups))
		}
		got = append(got, ids(out.SecurityGroups, func(g api.SecurityGroup) *string { return g.GroupId })...)
		in.NextToken = out.NextToken
	}
	wantSame(t, got, want)
}

func TestDeleteSecurityGroup(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	sub := w.subnet(v, "10.0.1.0/24")
	web, db := w.group(v, "web"), w.group(v, "db")
	w.allow(db, "tcp", 5432, 5432, web)
	w.allow(web, "-1", 0, 0, web)
	remove := func(id string) *api.DeleteSecurityGroupInput { return &api.DeleteSecurityGroupInput{GroupId: &id} }
	dependent := "resource " + web + " has a dependent object"

	w.fails("DeleteSecurityGroup", remove(web), "DependencyViolation", dependent)
	call[api.RevokeSecurityGroupIngressOutput](w, "RevokeSecurityGroupIngress", &api.RevokeSecurityGroupIngressInput{
		GroupId: &db, IpPermissions: permission("tcp", 5432, 5432, web)})
	eni := call[api.CreateNetworkInterfaceOutput](w, "CreateNetworkInterface", &api.CreateNetworkInterfaceInput{SubnetId: &sub, Groups: []string{web}})
	w.fails("DeleteSecurityGroup", remove(web), "DependencyViolation", dependent)
	call[api.DeleteNetworkInterfaceOutput](w, "DeleteNetworkInterface", &api.DeleteNetworkInterfaceInput{NetworkInterfaceId: eni.NetworkInterface.NetworkInterfaceId})

	if out := call[api.DeleteSecurityGroupOutput](w, "DeleteSecurityGroup", remove(web)); !*out.Return || *out.GroupId != web {
		t.Errorf("%+v", out)
	}
	w.fails("DeleteSecurityGroup", remove(web), "InvalidGroup.NotFound", "The security group '"+web+"' does not exist")
	if left := slices.Collect(state.SecurityGroupRules.By(w.snapshot(), state.ByGroup, web)); len(left) > 0 {
		t.Errorf("rules are left: %+v", left)
	}
	d := w.defaultGroup(v)
	w.fails("DeleteSecurityGroup", remove(d), "CannotDelete", `the specified group: "`+d+`" name: "default" cannot be deleted by a user`)
	w.fails("DeleteSecurityGroup", &api.DeleteSecurityGroupInput{}, "MissingParameter", "groupId")
	w.fails("DeleteSecurityGroup", &api.DeleteSecurityGroupInput{GroupName: ptr("db")}, "InvalidParameterValue", "You may not reference Amazon VPC security groups by name.")
	w.fails("DeleteSecurityGroup", &api.DeleteSecurityGroupInput{GroupId: &db, DryRun: ptr(true)}, "DryRunOperation", "")
}
