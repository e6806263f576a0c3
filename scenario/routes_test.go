package scenario

import (
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// TestDefaultVPC: the first instance of a new account needs nothing but an image,
// is reached from the internet when its group lets it, and the default VPC can go.
func TestDefaultVPC(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		c := w.ec2
		vpcs := must(c.DescribeVpcs(tctx(t), &ec2.DescribeVpcsInput{}))(t).Vpcs
		if len(vpcs) != 1 || !*vpcs[0].IsDefault || *vpcs[0].CidrBlock != "172.31.0.0/16" {
			t.Fatalf("%+v", vpcs)
		}
		vpc := *vpcs[0].VpcId
		subnets := must(c.DescribeSubnets(tctx(t), &ec2.DescribeSubnetsInput{}))(t).Subnets
		zones := must(c.DescribeAvailabilityZones(tctx(t), &ec2.DescribeAvailabilityZonesInput{}))(t).AvailabilityZones
		if len(subnets) != len(zones) {
			t.Errorf("%d subnets in %d zones", len(subnets), len(zones))
		}
		group := must(c.CreateSecurityGroup(tctx(t), &ec2.CreateSecurityGroupInput{GroupName: aws.String("web"), Description: aws.String("web")}))(t).GroupId

		// What may come in is a prefix list: nobody, then everybody, then nobody again.
		list := must(c.CreateManagedPrefixList(tctx(t), &ec2.CreateManagedPrefixListInput{
			PrefixListName: aws.String("guests"), AddressFamily: aws.String("IPv4"), MaxEntries: aws.Int32(2)}))(t).PrefixList.PrefixListId
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group, IpPermissions: []types.IpPermission{{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(80), ToPort: aws.Int32(80), PrefixListIds: []types.PrefixListId{{PrefixListId: list}}}}}))(t)
		web := must(c.RunInstances(tctx(t), &ec2.RunInstancesInput{
			ImageId: aws.String("ami-0abcdef1234567890"), InstanceType: types.InstanceTypeT3Micro, MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
			SecurityGroups: []string{"web"}, UserData: script(serves("web")),
			TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("web")}}}},
		}))(t).Instances[0]
		described := must(c.DescribeInstances(tctx(t), &ec2.DescribeInstancesInput{InstanceIds: []string{*web.InstanceId}}))(t).Reservations[0].Instances[0]
		public := aws.ToString(described.PublicIpAddress)
		if public == "" || *described.VpcId != vpc || aws.ToString(described.PublicDnsName) == "" {
			t.Fatalf("%+v", described)
		}
		w.serving("web", "80")
		w.reads("internet", public, "")
		change := func(in ec2.ModifyManagedPrefixListInput) {
			t.Helper()
			in.PrefixListId = list
			must(c.ModifyManagedPrefixList(tctx(t), &in))(t)
		}
		change(ec2.ModifyManagedPrefixListInput{CurrentVersion: aws.Int64(1), AddEntries: []types.AddPrefixListEntry{{Cidr: aws.String("198.18.0.0/15")}}})
		w.reads("internet", public, "web")
		must(c.RestoreManagedPrefixListVersion(tctx(t), &ec2.RestoreManagedPrefixListVersionInput{PrefixListId: list, PreviousVersion: aws.Int64(1), CurrentVersion: aws.Int64(2)}))(t)
		w.reads("internet", public, "")
		change(ec2.ModifyManagedPrefixListInput{CurrentVersion: aws.Int64(3), AddEntries: []types.AddPrefixListEntry{{Cidr: aws.String("0.0.0.0/0")}}})
		w.reads("internet", public, "web")

		// The subnet gets a table of its own, without a way out, and gives it up again.
		table := must(c.CreateRouteTable(tctx(t), &ec2.CreateRouteTableInput{VpcId: &vpc}))(t).RouteTable.RouteTableId
		association := must(c.AssociateRouteTable(tctx(t), &ec2.AssociateRouteTableInput{RouteTableId: table, SubnetId: described.SubnetId}))(t).AssociationId
		w.reads("internet", public, "")
		must(c.DisassociateRouteTable(tctx(t), &ec2.DisassociateRouteTableInput{AssociationId: association}))(t)
		w.reads("internet", public, "web")
		must(c.DeleteRouteTable(tctx(t), &ec2.DeleteRouteTableInput{RouteTableId: table}))(t)

		// All of it can go.
		must(c.TerminateInstances(tctx(t), &ec2.TerminateInstancesInput{InstanceIds: []string{*web.InstanceId}}))(t)
		for _, s := range subnets {
			must(c.DeleteSubnet(tctx(t), &ec2.DeleteSubnetInput{SubnetId: s.SubnetId}))(t)
		}
		for _, g := range must(c.DescribeInternetGateways(tctx(t), &ec2.DescribeInternetGatewaysInput{}))(t).InternetGateways {
			must(c.DetachInternetGateway(tctx(t), &ec2.DetachInternetGatewayInput{InternetGatewayId: g.InternetGatewayId, VpcId: &vpc}))(t)
			must(c.DeleteInternetGateway(tctx(t), &ec2.DeleteInternetGatewayInput{InternetGatewayId: g.InternetGatewayId}))(t)
		}
		must(c.DeleteSecurityGroup(tctx(t), &ec2.DeleteSecurityGroupInput{GroupId: group}))(t)
		must(c.DeleteVpc(tctx(t), &ec2.DeleteVpcInput{VpcId: &vpc}))(t)
		if left := must(c.DescribeVpcs(tctx(t), &ec2.DescribeVpcsInput{}))(t).Vpcs; len(left) != 0 {
			t.Errorf("%+v", left)
		}
		made := must(c.CreateDefaultVpc(tctx(t), &ec2.CreateDefaultVpcInput{}))(t).Vpc
		if *made.VpcId == vpc || !*made.IsDefault {
			t.Errorf("%+v", made)
		}
	})
}

// TestTerraformRoutes applies what stands in terraform/routes, changes a prefix
// list, and destroys it; plans in between are empty.
func TestTerraformRoutes(t *testing.T) {
	w, dir := terraform(t, "terraform/routes")
	want := map[string]any{"default": "172.31.0.0/16", "name": "inline", "routes": 2.0, "offices": 2.0, "version": 1.0}
	if read := w.read(dir, "read"); !maps.Equal(read, want) {
		t.Errorf("read %v\nwant %v", read, want)
	}
	w.run(dir, "terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color")
	changed := `offices={"192.0.2.0/24"="north","203.0.113.0/25"="east"}`
	w.run(dir, "terraform", "apply", "-auto-approve", "-input=false", "-no-color", "-var", changed)
	w.run(dir, "terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color", "-var", changed)
	w.run(dir, "terraform", "destroy", "-auto-approve", "-input=false", "-no-color")
	vpcs := must(w.ec2.DescribeVpcs(tctx(t), &ec2.DescribeVpcsInput{}))(t).Vpcs
	tables := must(w.ec2.DescribeRouteTables(tctx(t), &ec2.DescribeRouteTablesInput{}))(t).RouteTables
	lists := must(w.ec2.DescribeManagedPrefixLists(tctx(t), &ec2.DescribeManagedPrefixListsInput{}))(t).PrefixLists
	// Terraform adopts the default VPC and lets it stay.
	if len(vpcs) != 1 || len(tables) != 1 || len(lists) != 0 {
		t.Errorf("%d VPCs, %d route tables and %d prefix lists are left", len(vpcs), len(tables), len(lists))
	}
}
