package ec2

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/quota"
	"github.com/localvpc/localvpc/internal/state"
)

func TestCreateVpc(t *testing.T) {
	w := newWorld(t)
	v := call[api.CreateVpcOutput](w, "CreateVpc", &api.CreateVpcInput{
		CidrBlock: ptr("100.68.0.18/18"), TagSpecifications: tagSpec("vpc", "Name", "main"),
	}).Vpc
	shown := call[api.DescribeVpcsOutput](w, "DescribeVpcs", &api.DescribeVpcsInput{VpcIds: []string{*v.VpcId}}).Vpcs[0]
	for _, got := range []*api.Vpc{v, &shown} {
		if *got.CidrBlock != "100.68.0.0/18" || *got.State != "available" || *got.OwnerId != "123456789012" || *got.IsDefault ||
			*got.InstanceTenancy != "default" || !awsid.Valid("vpc", *got.VpcId) || *got.Tags[0].Value != "main" {
			t.Errorf("%+v", got)
		}
		as := got.CidrBlockAssociationSet
		if len(as) != 1 || !awsid.Valid("vpc-cidr-assoc", *as[0].AssociationId) || *as[0].CidrBlock != "100.68.0.0/18" || *as[0].CidrBlockState.State != "associated" {
			t.Errorf("associations %+v", as)
		}
	}
	options := call[api.DescribeDhcpOptionsOutput](w, "DescribeDhcpOptions", &api.DescribeDhcpOptionsInput{}).DhcpOptions
	if len(options) != 1 || *options[0].DhcpOptionsId != *v.DhcpOptionsId {
		t.Errorf("options %+v", options)
	}
}

func TestVpcDefaults(t *testing.T) {
	w := newWorld(t)
	id := w.vpc("10.0.0.0/16")
	w.vpc("10.1.0.0/16")

	tables := call[api.DescribeRouteTablesOutput](w, "DescribeRouteTables", &api.DescribeRouteTablesInput{
		Filters: filtersOf("association.main", "true", "vpc-id", id)}).RouteTables
	if len(tables) != 1 || len(tables[0].Routes) != 1 || len(tables[0].Associations) != 1 {
		t.Fatalf("main route tables %+v", tables)
	}
	route, as := tables[0].Routes[0], tables[0].Associations[0]
	if *route.DestinationCidrBlock != "10.0.0.0/16" || *route.GatewayId != "local" || *route.Origin != "CreateRouteTable" || *route.State != "active" || route.NatGatewayId != nil {
		t.Errorf("route %+v", route)
	}
	if !*as.Main || as.SubnetId != nil || *as.AssociationState.State != "associated" || !awsid.Valid("rtbassoc", *as.RouteTableAssociationId) || *as.RouteTableId != *tables[0].RouteTableId {
		t.Errorf("association %+v", as)
	}

	acls := call[api.DescribeNetworkAclsOutput](w, "DescribeNetworkAcls", &api.DescribeNetworkAclsInput{
		Filters: filtersOf("default", "true", "vpc-id", id)}).NetworkAcls
	if len(acls) != 1 || !*acls[0].IsDefault {
		t.Fatalf("default ACLs %+v", acls)
	}
	var entries []string
	for _, e := range acls[0].Entries {
		entries = append(entries, fmt.Sprint(*e.Egress, " ", *e.RuleNumber, " ", *e.RuleAction, " ", *e.Protocol, " ", *e.CidrBlock, " ", e.PortRange == nil, " ", e.IcmpTypeCode == nil))
	}
	want := []string{
		"false 100 allow -1 0.0.0.0/0 true true", "false 32767 deny -1 0.0.0.0/0 true true",
		"true 100 allow -1 0.0.0.0/0 true true", "true 32767 deny -1 0.0.0.0/0 true true",
	}
	if !slices.Equal(entries, want) {
		t.Errorf("entries:\n%s", strings.Join(entries, "\n"))
	}

	var rules []string
	for g := range state.SecurityGroups.By(w.snapshot(), state.ByVpc, id) {
		if g.Name != "default" || g.Description != "default VPC security group" {
			t.Errorf("group %+v", g)
		}
		for r := range state.SecurityGroupRules.By(w.snapshot(), state.ByGroup, g.ID) {
			rules = append(rules, fmt.Sprint(r.Egress, " ", r.Protocol, " ", r.FromPort, " ", r.ToPort, " ", r.Peer.Cidr, " ", r.Peer.GroupID == g.ID, " ", r.Peer.UserID))
		}
	}
	wantSame(t, rules, []string{"false -1 -1 -1 invalid Prefix true 123456789012", "true -1 -1 -1 0.0.0.0/0 false "})
}

func TestCreateVpcErrors(t *testing.T) {
	w := newWorld(t)
	block := func(cidr string) api.CreateVpcInput { return api.CreateVpcInput{CidrBlock: &cidr} }
	with := func(change func(*api.CreateVpcInput)) api.CreateVpcInput {
		in := block("10.0.0.0/16")
		change(&in)
		return in
	}
	for _, c := range []struct {
		name       string
		in         api.CreateVpcInput
		code, text string
	}{
		{"no block", api.CreateVpcInput{}, "MissingParameter", "The request must contain the parameter cidrBlock"},
		{"not a block", block("10.0.0.0"), "InvalidParameterValue", "Value (10.0.0.0) for parameter cidrBlock is invalid. This is not a valid CIDR block."},
		{"empty", block(""), "InvalidParameterValue", "This is not a valid CIDR block."},
		{"long", block(strings.Repeat("1", 5000)), "InvalidParameterValue", "This is not a valid CIDR block."},
		{"IPv6", block("2600::/56"), "InvalidParameterValue", "This is not a valid CIDR block."},
		{"large", block("10.0.0.0/8"), "InvalidVpc.Range", "The CIDR '10.0.0.0/8' is invalid."},
		{"small", block("10.0.0.0/29"), "InvalidVpc.Range", "The CIDR '10.0.0.0/29' is invalid."},
		{"loopback", block("127.0.0.0/16"), "InvalidVpc.Range", "The CIDR '127.0.0.0/16' is invalid."},
		{"IPAM pool", with(func(in *api.CreateVpcInput) { in.Ipv4IpamPoolId = ptr("ipam-pool-0123456789abcdef0") }), "UnsupportedOperation", "IPAM"},
		{"IPv6 asked for", with(func(in *api.CreateVpcInput) { in.AmazonProvidedIpv6CidrBlock = ptr(true) }), "UnsupportedOperation", "IPv6"},
		{"host tenancy", with(func(in *api.CreateVpcInput) { in.InstanceTenancy = ptr("host") }), "InvalidParameterValue", "Value (host) for parameter instanceTenancy is invalid."},
		{"dry run", with(func(in *api.CreateVpcInput) { in.DryRun = ptr(true) }), "DryRunOperation", "Request would have succeeded"},
	} {
		t.Run(c.name, func(t *testing.T) { w.in(t).fails("CreateVpc", &c.in, c.code, c.text) })
	}
	for i := range 5 {
		w.vpc(fmt.Sprintf("10.%d.0.0/16", i))
	}
	in := block("10.5.0.0/16")
	w.fails("CreateVpc", &in, "VpcLimitExceeded", "The maximum number of VPCs has been reached.")
	w.as("999999999999", "us-east-1").vpc("10.0.0.0/16")
	w.as("123456789012", "eu-west-1").vpc("10.0.0.0/16")
}

func TestQuotas(t *testing.T) {
	w := newWorld(t, Config{Quotas: map[string]int{"vpcs-per-region": 1, "subnets-per-vpc": 0}})
	id := w.vpc("10.0.0.0/16")
	w.fails("CreateVpc", &api.CreateVpcInput{CidrBlock: ptr("10.1.0.0/16")}, "VpcLimitExceeded", "maximum")
	w.fails("CreateSubnet", &api.CreateSubnetInput{VpcId: &id, CidrBlock: ptr("10.0.0.0/24")}, "SubnetLimitExceeded", "maximum")
	off := newWorld(t, Config{Quotas: quota.Off()})
	for i := range 10 {
		off.vpc(fmt.Sprintf("10.%d.0.0/16", i))
	}
	if names := quota.Names(); !slices.Contains(names, "vpcs-per-region") || len(quota.Off()) != len(names) {
		t.Errorf("names %v", names)
	}
}

func TestVpcAttributes(t *testing.T) {
	w := newWorld(t)
	id := w.vpc("10.0.0.0/16")
	get := func(name string) bool {
		t.Helper()
		out := call[api.DescribeVpcAttributeOutput](w, "DescribeVpcAttribute", &api.DescribeVpcAttributeInput{VpcId: &id, Attribute: &name})
		var set []*api.AttributeBooleanValue
		for _, v := range []*api.AttributeBooleanValue{out.EnableDnsHostnames, out.EnableDnsSupport, out.EnableNetworkAddressUsageMetrics} {
			if v != nil {
				set = append(set, v)
			}
		}
		if len(set) != 1 || *out.VpcId != id {
			t.Fatalf("%s: %+v", name, out)
		}
		return *set[0].Value
	}
	on, off := &api.AttributeBooleanValue{Value: ptr(true)}, &api.AttributeBooleanValue{Value: ptr(false)}
	modify := func(in api.ModifyVpcAttributeInput) {
		t.Helper()
		in.VpcId = &id
		call[api.ModifyVpcAttributeOutput](w, "ModifyVpcAttribute", &in)
	}
	if !get("enableDnsSupport") || get("enableDnsHostnames") || get("enableNetworkAddressUsageMetrics") {
		t.Error("defaults")
	}
	modify(api.ModifyVpcAttributeInput{EnableDnsHostnames: on})
	modify(api.ModifyVpcAttributeInput{EnableNetworkAddressUsageMetrics: on})
	if !get("enableDnsHostnames") || !get("enableNetworkAddressUsageMetrics") {
		t.Error("not switched on")
	}
	modify(api.ModifyVpcAttributeInput{EnableDnsHostnames: off})
	modify(api.ModifyVpcAttributeInput{EnableDnsSupport: off})
	if get("enableDnsSupport") || get("enableDnsHostnames") {
		t.Error("not switched off")
	}
	for _, c := range []struct {
		name       string
		in         api.ModifyVpcAttributeInput
		code, text string
	}{
		{"hostnames without support", api.ModifyVpcAttributeInput{VpcId: &id, EnableDnsHostnames: on}, "InvalidParameterCombination", "DNS support"},
		{"none", api.ModifyVpcAttributeInput{VpcId: &id}, "InvalidParameterCombination", "No attributes specified."},
		{"two", api.ModifyVpcAttributeInput{VpcId: &id, EnableDnsHostnames: off, EnableDnsSupport: on}, "InvalidParameterCombination",
			"Fields for multiple attribute types specified: enableDnsHostnames, enableDnsSupport"},
		{"no value", api.ModifyVpcAttributeInput{VpcId: &id, EnableDnsSupport: &api.AttributeBooleanValue{}}, "MissingParameter", "enableDnsSupport"},
		{"unknown VPC", api.ModifyVpcAttributeInput{VpcId: ptr("vpc-0123456789abcdef0"), EnableDnsSupport: on}, "InvalidVpcID.NotFound", "vpc-0123456789abcdef0"},
		{"malformed", api.ModifyVpcAttributeInput{VpcId: ptr("vpc"), EnableDnsSupport: on}, "InvalidVpcID.Malformed", `"vpc"`},
	} {
		t.Run(c.name, func(t *testing.T) { w.in(t).fails("ModifyVpcAttribute", &c.in, c.code, c.text) })
	}
	w.fails("DescribeVpcAttribute", &api.DescribeVpcAttributeInput{VpcId: &id, Attribute: ptr("colour")}, "InvalidParameterValue", "colour")
}

func TestVpcTenancy(t *testing.T) {
	w := newWorld(t)
	v := call[api.CreateVpcOutput](w, "CreateVpc", &api.CreateVpcInput{CidrBlock: ptr("10.0.0.0/16"), InstanceTenancy: ptr("dedicated")}).Vpc
	if *v.InstanceTenancy != "dedicated" {
		t.Error(*v.InstanceTenancy)
	}
	w.fails("ModifyVpcTenancy", &api.ModifyVpcTenancyInput{VpcId: v.VpcId, InstanceTenancy: ptr("dedicated")}, "InvalidParameterValue", "default")
	if !*call[api.ModifyVpcTenancyOutput](w, "ModifyVpcTenancy", &api.ModifyVpcTenancyInput{VpcId: v.VpcId, InstanceTenancy: ptr("default")}).ReturnValue {
		t.Error("not done")
	}
	if got := call[api.DescribeVpcsOutput](w, "DescribeVpcs", &api.DescribeVpcsInput{}).Vpcs[0]; *got.InstanceTenancy != "default" {
		t.Error(*got.InstanceTenancy)
	}
}

func TestDeleteVpc(t *testing.T) {
	w := newWorld(t)
	keep, id := w.vpc("10.0.0.0/16"), w.vpc("10.1.0.0/16")
	del := &api.DeleteVpcInput{VpcId: &id}
	inUse := "The vpc '" + id + "' has dependencies and cannot be deleted."

	sub := w.subnet(id, "10.1.0.0/24")
	w.fails("DeleteVpc", del, "DependencyViolation", inUse)
	call[api.DeleteSubnetOutput](w, "DeleteSubnet", &api.DeleteSubnetInput{SubnetId: &sub})

	group := state.SecurityGroup{Meta: state.Meta{Key: w.caller.Scope.Key("sg-0123456789abcdef0")}, VpcID: id, Name: "web"}
	w.write(func(tx *state.Tx) { state.SecurityGroups.Put(tx, &group) })
	w.fails("DeleteVpc", del, "DependencyViolation", inUse)
	w.write(func(tx *state.Tx) { state.SecurityGroups.Delete(tx, group.Key) })

	table := state.RouteTable{Meta: state.Meta{Key: w.caller.Scope.Key("rtb-0123456789abcdef0")}, VpcID: id}
	w.write(func(tx *state.Tx) { state.RouteTables.Put(tx, &table) })
	w.fails("DeleteVpc", del, "DependencyViolation", inUse)
	w.write(func(tx *state.Tx) { state.RouteTables.Delete(tx, table.Key) })

	acl := state.NetworkAcl{Meta: state.Meta{Key: w.caller.Scope.Key("acl-0123456789abcdef0")}, VpcID: id}
	w.write(func(tx *state.Tx) { state.NetworkAcls.Put(tx, &acl) })
	w.fails("DeleteVpc", del, "DependencyViolation", inUse)
	w.write(func(tx *state.Tx) { state.NetworkAcls.Delete(tx, acl.Key) })

	w.as("999999999999", "us-east-1").fails("DeleteVpc", del, "InvalidVpcID.NotFound", id)
	call[api.DeleteVpcOutput](w, "DeleteVpc", del)
	w.fails("DeleteVpc", del, "InvalidVpcID.NotFound", "The vpc ID '"+id+"' does not exist")
	r := w.snapshot()
	if state.Vpcs.Len(r) != 1 || state.SecurityGroups.Len(r) != 1 || state.SecurityGroupRules.Len(r) != 2 || state.RouteTables.Len(r) != 1 || state.NetworkAcls.Len(r) != 1 {
		t.Error("something is left, or too much is gone")
	}
	call[api.DeleteVpcOutput](w, "DeleteVpc", &api.DeleteVpcInput{VpcId: &keep})
}

func TestClassicLink(t *testing.T) {
	w := newWorld(t)
	id := w.vpc("10.0.0.0/16")
	if out := call[api.DescribeVpcClassicLinkOutput](w, "DescribeVpcClassicLink", &api.DescribeVpcClassicLinkInput{VpcIds: []string{id}}); *out.Vpcs[0].ClassicLinkEnabled {
		t.Error("enabled")
	}
	if out := call[api.DescribeVpcClassicLinkDnsSupportOutput](w, "DescribeVpcClassicLinkDnsSupport", &api.DescribeVpcClassicLinkDnsSupportInput{}); *out.Vpcs[0].ClassicLinkDnsSupported {
		t.Error("supported")
	}
	w.fails("DescribeVpcClassicLink", &api.DescribeVpcClassicLinkInput{VpcIds: []string{"vpc-0123456789abcdef0"}}, "InvalidVpcID.NotFound", "vpc-0123456789abcdef0")
}
