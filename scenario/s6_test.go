package scenario

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// tableOf gives a subnet a route table of its own, without routes but the local one.
func (w *world) tableOf(vpc string, subnets ...string) (table string) {
	t, c := w.t, w.ec2
	t.Helper()
	table = *must(c.CreateRouteTable(tctx(t), &ec2.CreateRouteTableInput{VpcId: &vpc}))(t).RouteTable.RouteTableId
	for _, subnet := range subnets {
		must(c.AssociateRouteTable(tctx(t), &ec2.AssociateRouteTableInput{RouteTableId: &table, SubnetId: &subnet}))(t)
	}
	return table
}

// TestS6 is a bank of two tiers: the web server in a public subnet, its database in
// a private one, groups and ACLs that allow the one way between them and nothing else.
func TestS6(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		c := w.ec2
		vpc, public := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		w.opened(c, vpc)
		private := *must(c.CreateSubnet(tctx(t), &ec2.CreateSubnetInput{VpcId: &vpc, CidrBlock: aws.String("10.0.2.0/24")}))(t).Subnet.SubnetId
		table := w.tableOf(vpc, private)
		web, db := w.group(c, vpc, "web"), w.group(c, vpc, "db")
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &web, IpPermissions: port(80)}))(t)
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &db, IpPermissions: []types.IpPermission{
			{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(3306), ToPort: aws.Int32(3306), IpRanges: []types.IpRange{{CidrIp: aws.String("10.0.1.0/24")}}},
		}}))(t)
		const allow = types.RuleActionAllow
		acls := map[string]string{}
		for _, subnet := range []string{public, private} {
			acls[subnet] = *must(c.CreateNetworkAcl(tctx(t), &ec2.CreateNetworkAclInput{VpcId: &vpc}))(t).NetworkAcl.NetworkAclId
			w.giveAcl(subnet, acls[subnet])
		}
		w.aclEntry(acls[public], 100, false, allow, "0.0.0.0/0", 80, 80)
		w.aclEntry(acls[public], 110, false, allow, "0.0.0.0/0", ephemeralFrom, ephemeralTo)
		w.aclEntry(acls[public], 100, true, allow, "0.0.0.0/0", ephemeralFrom, ephemeralTo)
		w.aclEntry(acls[public], 110, true, allow, "10.0.2.0/24", 3306, 3306)
		w.aclEntry(acls[public], 120, true, allow, "0.0.0.0/0", 80, 80)
		w.aclEntry(acls[private], 100, false, allow, "10.0.1.0/24", 3306, 3306)
		w.aclEntry(acls[private], 100, true, allow, "10.0.1.0/24", ephemeralFrom, ephemeralTo)

		w.start("web", public, func(in *ec2.RunInstancesInput) {
			publicly(public, web)(in)
			in.UserData = script(strings.TrimPrefix(serves("shop"), "#!/bin/sh\n"))
		})
		data := w.launch(c, "db", private, []string{db}, "#!/bin/sh\nsetsid localvpc guest serve --addr :3306 --text accounts >/dev/null 2>&1 &\nsetsid localvpc guest serve --addr :80 --text admin >/dev/null 2>&1 &\n")
		w.serving("web", "80")
		w.serving("db", "3306")
		out := must(c.DescribeInstances(tctx(t), &ec2.DescribeInstancesInput{Filters: []types.Filter{{Name: aws.String("tag:Name"), Values: []string{"web"}}}}))(t)
		shop := *out.Reservations[0].Instances[0].PublicIpAddress
		far := w.outside("far")
		accounts := *data.PrivateIpAddress

		// What is allowed.
		w.reads("far", shop, "shop")
		w.reads("web", accounts+":3306", "accounts")
		w.reads("web", far, shop)
		// And nothing else.
		w.reads("web", accounts, "")
		w.reads("db", far, "")
		w.reads("far", accounts+":3306", "")
		explains := func(from, to string, words ...string) {
			t.Helper()
			out, code := w.cli("explain", from, to)
			for _, word := range words {
				if code != 1 || !strings.Contains(out, word) {
					t.Errorf("explain %s %s: exit code %d, want %q in:\n%s", from, to, code, word, out)
				}
			}
		}
		explains("db", far+":80", "NO_ROUTE_TO_DESTINATION", table)
		explains("internet", "db:3306", "not reachable")

		// An Elastic IP opens nothing that the route table, group and ACL do not.
		allocation, ip := w.elastic(c)
		must(c.AssociateAddress(tctx(t), &ec2.AssociateAddressInput{AllocationId: &allocation, InstanceId: data.InstanceId}))(t)
		w.reads("far", ip+":3306", "")
		explains("internet", ip+":3306", "ENI_SG_RULES_MISMATCH", "SUBNET_ACL_RESTRICTION", acls[private])

		// Without the way back connections fail though the groups allow them, also
		// those that are open; the explanation names the entry.
		w.dropAclEntry(acls[private], 100, true)
		w.reads("web", accounts+":3306", "")
		explains("web", "db:3306", "SUBNET_ACL_RESTRICTION", acls[private]+"/32767", "on the way back")
		w.aclEntry(acls[private], 100, true, allow, "10.0.1.0/24", ephemeralFrom, ephemeralTo)
		w.reads("web", accounts+":3306", "accounts")

		// Without the way out of the public subnet the shop is closed, at once.
		main := must(c.DescribeRouteTables(tctx(t), &ec2.DescribeRouteTablesInput{Filters: []types.Filter{
			{Name: aws.String("vpc-id"), Values: []string{vpc}}, {Name: aws.String("association.main"), Values: []string{"true"}}}}))(t).RouteTables[0]
		must(c.DeleteRoute(tctx(t), &ec2.DeleteRouteInput{RouteTableId: main.RouteTableId, DestinationCidrBlock: aws.String("0.0.0.0/0")}))(t)
		w.reads("far", shop, "")
		explains("internet", shop+":80", "NO_ROUTE_TO_DESTINATION", *main.RouteTableId, "on the way back")
	})
}

// TestRouterInstance: with the source/destination check off an instance passes on
// between subnets what routes lead to it; with it on, nothing.
func TestRouterInstance(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		c := w.ec2
		vpc, middle := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		subnet := func(cidr string) string {
			return *must(c.CreateSubnet(tctx(t), &ec2.CreateSubnetInput{VpcId: &vpc, CidrBlock: &cidr}))(t).Subnet.SubnetId
		}
		left, right := subnet("10.0.2.0/24"), subnet("10.0.3.0/24")
		group := w.group(c, vpc, "all")
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []types.IpPermission{
			{IpProtocol: aws.String("-1"), IpRanges: []types.IpRange{{CidrIp: aws.String("10.0.0.0/16")}}},
		}}))(t)
		router := w.launch(c, "router", middle, []string{group}, "")
		w.launch(c, "left", left, []string{group}, "")
		r := w.launch(c, "right", right, []string{group}, "")
		w.tells("right")
		address := *r.PrivateIpAddress
		own := strings.TrimSpace(w.says("left", "hostname -I"))
		w.reads("left", address, own)

		eni := *router.NetworkInterfaces[0].NetworkInterfaceId
		for from, to := range map[string]string{left: "10.0.3.0/24", right: "10.0.2.0/24"} {
			table := w.tableOf(vpc, from)
			must(c.CreateRoute(tctx(t), &ec2.CreateRouteInput{RouteTableId: &table, DestinationCidrBlock: aws.String(to), NetworkInterfaceId: &eni}))(t)
		}
		w.says("router", "echo 1 > /proc/sys/net/ipv4/ip_forward")
		w.reads("left", address, "")
		if out, code := w.cli("explain", "left", "right:80"); code != 1 || !strings.Contains(out, "ENI_SOURCE_DEST_CHECK_RESTRICTION") {
			t.Errorf("explain: exit code %d\n%s", code, out)
		}
		check := func(on bool) {
			t.Helper()
			must(c.ModifyNetworkInterfaceAttribute(tctx(t), &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: &eni, SourceDestCheck: &types.AttributeBooleanValue{Value: &on}}))(t)
		}
		check(false)
		w.reads("left", address, own)
		if out, code := w.cli("explain", "left", "right:80"); code != 0 || !strings.Contains(out, *router.InstanceId) {
			t.Errorf("explain: exit code %d\n%s", code, out)
		}
		w.says("router", "echo 0 > /proc/sys/net/ipv4/ip_forward")
		w.reads("left", address, "")
		w.says("router", "echo 1 > /proc/sys/net/ipv4/ip_forward")
		must(c.StopInstances(tctx(t), &ec2.StopInstancesInput{InstanceIds: []string{*router.InstanceId}}))(t)
		w.reads("left", address, "")
		must(c.StartInstances(tctx(t), &ec2.StartInstancesInput{InstanceIds: []string{*router.InstanceId}}))(t)
		w.says("router", "echo 1 > /proc/sys/net/ipv4/ip_forward")
		w.reads("left", address, own)
		check(true)
		w.reads("left", address, "")
	})
}
