package ec2

import (
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
)

// TestForeignIDs: what is of another account or Region is answered as if it did
// not exist, whatever kind it is of.
func TestForeignIDs(t *testing.T) {
	l := newLab(t)
	i := l.run()
	all := []string{l.vpcID, l.subnetID, l.group(l.vpcID, "web"), *i.InstanceId, *i.NetworkInterfaces[0].NetworkInterfaceId, l.register("mine"),
		*call[api.CreateDhcpOptionsOutput](l.world, "CreateDhcpOptions", &api.CreateDhcpOptionsInput{DhcpConfigurations: options("domain-name", "example.com")}).DhcpOptions.DhcpOptionsId,
		*call[api.CreateRouteTableOutput](l.world, "CreateRouteTable", &api.CreateRouteTableInput{VpcId: &l.vpcID}).RouteTable.RouteTableId,
		*call[api.CreateNetworkAclOutput](l.world, "CreateNetworkAcl", &api.CreateNetworkAclInput{VpcId: &l.vpcID}).NetworkAcl.NetworkAclId,
		*call[api.CreateInternetGatewayOutput](l.world, "CreateInternetGateway", &api.CreateInternetGatewayInput{}).InternetGateway.InternetGatewayId,
		*call[api.AllocateAddressOutput](l.world, "AllocateAddress", &api.AllocateAddressInput{}).AllocationId,
		*call[api.CreateKeyPairOutput](l.world, "CreateKeyPair", &api.CreateKeyPairInput{KeyName: ptr("key"), KeyType: ptr("ed25519")}).KeyPairId,
		*call[api.CreateNatGatewayOutput](l.world, "CreateNatGateway", &api.CreateNatGatewayInput{SubnetId: &l.subnetID, ConnectivityType: ptr("private")}).NatGateway.NatGatewayId,
		*call[api.CreateManagedPrefixListOutput](l.world, "CreateManagedPrefixList", &api.CreateManagedPrefixListInput{PrefixListName: ptr("list"), AddressFamily: ptr("IPv4"), MaxEntries: ptr(int32(1))}).PrefixList.PrefixListId,
		*call[api.DescribeVolumesOutput](l.world, "DescribeVolumes", &api.DescribeVolumesInput{}).Volumes[0].VolumeId,
		*call[api.DescribeSecurityGroupRulesOutput](l.world, "DescribeSecurityGroupRules", &api.DescribeSecurityGroupRulesInput{}).SecurityGroupRules[0].SecurityGroupRuleId,
		l.peer(l.vpcID, l.world, l.vpc("10.1.0.0/16")),
	}
	kinds := map[string]bool{}
	for _, id := range all {
		kinds[awsid.Prefix(id)] = true
		call[api.CreateTagsOutput](l.world, "CreateTags", &api.CreateTagsInput{Resources: []string{id}, Tags: tagList("a", "b")})
		for _, other := range []*world{l.as(theirs, "us-east-1"), l.as(mine, "eu-west-1")} {
			_, err := other.do("CreateTags", &api.CreateTagsInput{Resources: []string{id}, Tags: tagList("a", "c")})
			if e, ok := awserr.As(err); !ok || !strings.HasSuffix(e.Code, "NotFound") || !strings.Contains(e.Message, id) {
				t.Errorf("%s from %v: %v", id, other.caller.Scope, err)
			}
		}
	}
	for _, k := range taggables() {
		known := false
		for prefix := range kinds {
			known = known || k.owns(prefix+"-0")
		}
		if !known {
			t.Errorf("%T is not tested", k)
		}
	}
}
