package scenario

import (
	"net/netip"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// TestDelegatedPrefix: packets of a whole /28 reach the interface that it is
// delegated to, whose instance gives the addresses away, and come back from there;
// as members of its groups. Taken back, they reach nobody.
func TestDelegatedPrefix(t *testing.T) {
	have(t, "ip") // the instance has the host's programs
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		c := w.ec2
		vpc, subnet := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		pods, clients := w.group(c, vpc, "pods"), w.group(c, vpc, "clients")
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &pods, IpPermissions: fromGroup(clients, 80)}))(t)
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &clients, IpPermissions: fromGroup(pods, 80)}))(t)
		node := w.start("node", subnet, func(in *ec2.RunInstancesInput) {
			in.SubnetId = nil
			in.NetworkInterfaces = []types.InstanceNetworkInterfaceSpecification{
				{DeviceIndex: aws.Int32(0), SubnetId: &subnet, Groups: []string{pods}, Ipv4PrefixCount: aws.Int32(1)}}
		})
		client := w.start("client", subnet, func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{clients} })
		w.tells("client")
		eni := node.NetworkInterfaces[0]
		prefix := netip.MustParsePrefix(*eni.Ipv4Prefixes[0].Ipv4Prefix)
		first, pod := prefix.Addr().String(), prefix.Addr().Next().String()
		for _, addr := range []string{first, pod} {
			w.says("node", "ip address add "+addr+"/32 dev eth0")
		}
		w.tells("node")
		w.reads("client", first, *client.PrivateIpAddress)
		w.reads("client", pod, *client.PrivateIpAddress)
		if status, body := w.metadata("node", "meta-data/network/interfaces/macs/"+*eni.MacAddress+"/ipv4-prefix"); status != "200" || body != prefix.String() {
			t.Errorf("metadata: %s %q, want %s", status, body, prefix)
		}
		// Out from an address of it, as a member of the group.
		w.says("node", "ip route add "+*client.PrivateIpAddress+" via 10.0.1.1 dev eth0 src "+pod)
		w.reads("node", *client.PrivateIpAddress, pod)

		must(c.UnassignPrivateIpAddresses(tctx(t), &ec2.UnassignPrivateIpAddressesInput{NetworkInterfaceId: eni.NetworkInterfaceId, Ipv4Prefixes: []string{prefix.String()}}))(t)
		w.reads("client", first, "")
		w.reads("node", *client.PrivateIpAddress, "")
	})
}
