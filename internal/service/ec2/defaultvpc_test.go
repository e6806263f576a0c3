package ec2

import (
	"fmt"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/catalog"
	"github.com/localvpc/localvpc/internal/state"
)

// wantDefaultVpc checks everything that a default VPC consists of and gives its
// id and those of its subnets.
func (w *world) wantDefaultVpc(zones ...string) (vpcID string, subnets []string) {
	w.Helper()
	vpcs := call[api.DescribeVpcsOutput](w, "DescribeVpcs", &api.DescribeVpcsInput{Filters: filtersOf("isDefault", "true")}).Vpcs
	if len(vpcs) != 1 || *vpcs[0].CidrBlock != "172.31.0.0/16" || *vpcs[0].InstanceTenancy != "default" || vpcs[0].Tags != nil {
		w.Fatalf("%+v", vpcs)
	}
	vpcID = *vpcs[0].VpcId
	row, _ := state.Vpcs.Get(w.snapshot(), w.caller.Scope.Key(vpcID))
	if !row.EnableDnsSupport || !row.EnableDnsHostnames {
		w.Errorf("%+v", row)
	}
	var got, want []string
	shown := call[api.DescribeSubnetsOutput](w, "DescribeSubnets", &api.DescribeSubnetsInput{Filters: filtersOf("vpc-id", vpcID)}).Subnets
	byBlock := map[string]api.Subnet{}
	for _, sub := range shown {
		byBlock[*sub.CidrBlock] = sub
	}
	for i, zone := range zones {
		block := fmt.Sprintf("172.31.%d.0/20", 16*i)
		sub := byBlock[block]
		if sub.SubnetId == nil || !*sub.DefaultForAz || !*sub.MapPublicIpOnLaunch || *sub.AvailableIpAddressCount != 4091 {
			w.Fatalf("%s: %+v", block, sub)
		}
		subnets = append(subnets, *sub.SubnetId)
		got, want = append(got, *sub.AvailabilityZone), append(want, zone)
	}
	wantSame(w.T, got, want)
	gateways := call[api.DescribeInternetGatewaysOutput](w, "DescribeInternetGateways", &api.DescribeInternetGatewaysInput{Filters: filtersOf("attachment.vpc-id", vpcID)}).InternetGateways
	if len(shown) != len(zones) || len(gateways) != 1 {
		w.Fatalf("%d subnets, %d gateways", len(shown), len(gateways))
	}
	main, _ := w.mainTable(vpcID)
	w.wantRoutes(main, "172.31.0.0/16 local active", "0.0.0.0/0 "+*gateways[0].InternetGatewayId+" active")
	acls := call[api.DescribeNetworkAclsOutput](w, "DescribeNetworkAcls", &api.DescribeNetworkAclsInput{Filters: filtersOf("vpc-id", vpcID, "default", "true")}).NetworkAcls
	if len(acls) != 1 || len(acls[0].Associations) != len(zones) || w.defaultGroup(vpcID) == "" {
		w.Errorf("%+v", acls)
	}
	return vpcID, subnets
}

// TestDefaultVpcAtFirstUse: it is there in every Region of every account, once,
// goes piece by piece and comes back.
func TestDefaultVpcAtFirstUse(t *testing.T) {
	w := newAccount(t, Config{})
	zones := []string{"us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1e", "us-east-1f"}
	v, subnets := w.wantDefaultVpc(zones...)
	elsewhere, _ := w.as("123456789012", "eu-west-1").wantDefaultVpc("eu-west-1a", "eu-west-1b", "eu-west-1c")
	theirs, _ := w.as("210987654321", "us-east-1").wantDefaultVpc(zones...)
	if v == elsewhere || v == theirs {
		t.Error("accounts or Regions share a VPC")
	}
	attributes := call[api.DescribeAccountAttributesOutput](w, "DescribeAccountAttributes", &api.DescribeAccountAttributesInput{AttributeNames: []string{"default-vpc"}})
	if got := *attributes.AccountAttributes[0].AttributeValues[0].AttributeValue; got != v {
		t.Errorf("default-vpc is %s", got)
	}
	// What names no VPC or subnet is in it.
	g := *call[api.CreateSecurityGroupOutput](w, "CreateSecurityGroup", &api.CreateSecurityGroupInput{GroupName: ptr("web"), Description: ptr("x")}).GroupId
	if *w.showGroup(g).VpcId != v {
		t.Errorf("%+v", w.showGroup(g))
	}
	w.write(func(tx *state.Tx) { SeedImages(tx, catalog.Images("x86_64")) })
	run := &api.RunInstancesInput{ImageId: ptr(al2023), InstanceType: ptr("t3.micro"), MinCount: ptr[int32](1), MaxCount: ptr[int32](1), SecurityGroups: []string{"web"}}
	i := call[api.RunInstancesOutput](w, "RunInstances", run).Instances[0]
	if *i.SubnetId != subnets[0] || *i.VpcId != v {
		t.Errorf("%s in %s", *i.InstanceId, *i.SubnetId)
	}
	w.started(*i.InstanceId)
	if now := w.describe(*i.InstanceId); val(now.PublicIpAddress) == "" || val(now.PublicDnsName) == "" {
		t.Errorf("public address %q, name %q", val(now.PublicIpAddress), val(now.PublicDnsName))
	}
	run.Placement = &api.Placement{AvailabilityZone: ptr("us-east-1c")}
	inC := call[api.RunInstancesOutput](w, "RunInstances", run).Instances[0]
	if *inC.SubnetId != subnets[2] {
		t.Errorf("%s in %s", *inC.InstanceId, *inC.SubnetId)
	}
	w.fails("CreateDefaultVpc", &api.CreateDefaultVpcInput{}, "DefaultVpcAlreadyExists", "A Default VPC already exists for this account in this region.")
	w.fails("CreateDefaultSubnet", &api.CreateDefaultSubnetInput{AvailabilityZone: ptr("us-east-1c")}, "DefaultSubnetAlreadyExistsInAvailabilityZone", "'"+subnets[2]+"' is already the default subnet in us-east-1c.")
	w.fails("DeleteVpc", &api.DeleteVpcInput{VpcId: &v}, "DependencyViolation", "The vpc '"+v+"' has dependencies and cannot be deleted.")
	w.fails("DeleteSubnet", &api.DeleteSubnetInput{SubnetId: &subnets[0]}, "DependencyViolation", subnets[0])

	call[api.TerminateInstancesOutput](w, "TerminateInstances", &api.TerminateInstancesInput{InstanceIds: []string{*i.InstanceId, *inC.InstanceId}})
	w.exited(*i.InstanceId)
	w.exited(*inC.InstanceId)

	// One subnet goes and comes back; its block is free for it.
	call[api.DeleteSubnetOutput](w, "DeleteSubnet", &api.DeleteSubnetInput{SubnetId: &subnets[2]})
	w.fails("RunInstances", run, "MissingInput", "No subnets found for the default VPC '"+v+"'. Please specify a subnet.")
	made := call[api.CreateDefaultSubnetOutput](w, "CreateDefaultSubnet", &api.CreateDefaultSubnetInput{AvailabilityZoneId: ptr("use1-az3")}).Subnet
	if made == nil {
		t.Fatal("no subnet")
	}
	w.fails("CreateDefaultSubnet", &api.CreateDefaultSubnetInput{AvailabilityZone: made.AvailabilityZone}, "DefaultSubnetAlreadyExistsInAvailabilityZone", "")
	_, subnets = w.wantDefaultVpc(zones...)

	// All of it goes, in AWS's order, and the next call does not bring it back.
	gateway := *call[api.DescribeInternetGatewaysOutput](w, "DescribeInternetGateways", &api.DescribeInternetGatewaysInput{}).InternetGateways[0].InternetGatewayId
	for _, sub := range subnets {
		call[api.DeleteSubnetOutput](w, "DeleteSubnet", &api.DeleteSubnetInput{SubnetId: &sub})
	}
	call[api.DetachInternetGatewayOutput](w, "DetachInternetGateway", &api.DetachInternetGatewayInput{InternetGatewayId: &gateway, VpcId: &v})
	main, _ := w.mainTable(v)
	w.wantRoutes(main, "172.31.0.0/16 local active", "0.0.0.0/0 "+gateway+" blackhole")
	call[api.DeleteInternetGatewayOutput](w, "DeleteInternetGateway", &api.DeleteInternetGatewayInput{InternetGatewayId: &gateway})
	call[api.DeleteSecurityGroupOutput](w, "DeleteSecurityGroup", &api.DeleteSecurityGroupInput{GroupId: &g})
	call[api.DeleteVpcOutput](w, "DeleteVpc", &api.DeleteVpcInput{VpcId: &v})
	if vpcs := call[api.DescribeVpcsOutput](w, "DescribeVpcs", &api.DescribeVpcsInput{}).Vpcs; len(vpcs) != 0 {
		t.Errorf("%+v", vpcs)
	}
	run.SecurityGroups = nil
	w.fails("RunInstances", run, "VPCIdNotSpecified", "No default VPC for this user")
	w.fails("CreateSecurityGroup", &api.CreateSecurityGroupInput{GroupName: ptr("web"), Description: ptr("x")}, "VPCIdNotSpecified", "No default VPC for this user")
	w.fails("CreateDefaultSubnet", &api.CreateDefaultSubnetInput{AvailabilityZone: ptr("us-east-1c")}, "DefaultVpcDoesNotExist", "There is no Default VPC")

	again := call[api.CreateDefaultVpcOutput](w, "CreateDefaultVpc", &api.CreateDefaultVpcInput{}).Vpc
	if now, _ := w.wantDefaultVpc(zones...); now == v || now != *again.VpcId || !*again.IsDefault {
		t.Errorf("%+v", again)
	}
}

func TestDefaultVpcRefused(t *testing.T) {
	w := newAccount(t, Config{Quotas: map[string]int{"vpcs-per-region": 2, "subnets-per-vpc": 6}})
	v, subnets := w.wantDefaultVpc("us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1e", "us-east-1f")
	w.vpc("10.0.0.0/16")
	block := "10.1.0.0/16"
	w.fails("CreateVpc", &api.CreateVpcInput{CidrBlock: &block}, "VpcLimitExceeded", "The maximum number of VPCs has been reached.")
	for _, c := range []struct {
		name       string
		in         api.CreateDefaultSubnetInput
		code, text string
	}{
		{"no zone", api.CreateDefaultSubnetInput{}, "MissingParameter", "availabilityZone"},
		{"unknown zone", api.CreateDefaultSubnetInput{AvailabilityZone: ptr("eu-west-1a")}, "InvalidParameterValue", "us-east-1a"},
		{"two zones", api.CreateDefaultSubnetInput{AvailabilityZone: ptr("us-east-1a"), AvailabilityZoneId: ptr("use1-az1")}, "InvalidParameterCombination", "not both"},
		{"IPv6 only", api.CreateDefaultSubnetInput{AvailabilityZone: ptr("us-east-1a"), Ipv6Native: ptr(true)}, "UnsupportedOperation", "IPv6"},
	} {
		t.Run(c.name, func(t *testing.T) { w.in(t).fails("CreateDefaultSubnet", &c.in, c.code, c.text) })
	}
	call[api.DeleteSubnetOutput](w, "DeleteSubnet", &api.DeleteSubnetInput{SubnetId: &subnets[0]})
	// Neither the subnet's place in the quota nor a block is free any more.
	own := w.subnet(v, "172.31.0.0/24")
	in := &api.CreateDefaultSubnetInput{AvailabilityZone: ptr("us-east-1a")}
	w.fails("CreateDefaultSubnet", in, "SubnetLimitExceeded", "The maximum number of subnets has been reached.")
	call[api.DeleteSubnetOutput](w, "DeleteSubnet", &api.DeleteSubnetInput{SubnetId: &own})
	for _, sub := range subnets[1:] {
		call[api.DeleteSubnetOutput](w, "DeleteSubnet", &api.DeleteSubnetInput{SubnetId: &sub})
	}
	w.subnet(v, "172.31.0.0/16")
	w.fails("CreateDefaultSubnet", in, "CidrConflict", "has no free block of the size /20")

	w.write(func(tx *state.Tx) { state.Vpcs.Delete(tx, w.caller.Scope.Key(v)) })
	w.vpc("10.1.0.0/16")
	w.fails("CreateDefaultVpc", &api.CreateDefaultVpcInput{}, "VpcLimitExceeded", "The maximum number of VPCs has been reached.")
}
