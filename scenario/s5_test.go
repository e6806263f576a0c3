package scenario

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// TestS5ElasticIPs is scenario S5 from the internet: one instance with two
// interfaces, two Elastic IPs and two firewalls; the second interface takes its
// Elastic IP to another instance; a secondary address has one of its own.
func TestS5ElasticIPs(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		c := w.ec2
		vpc, subnet := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		sg1, sg2 := w.group(c, vpc, "my-sg-1"), w.group(c, vpc, "my-sg-2")
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &sg1, IpPermissions: port(80)}))(t)
		web, other := w.launch(c, "web", subnet, []string{sg1}, serves("web")), w.launch(c, "other", subnet, []string{sg1}, serves("other"))
		w.serving("web", "80")
		w.serving("other", "80")
		first, ip1 := w.elastic(c)
		onWeb := &ec2.AssociateAddressInput{AllocationId: &first, InstanceId: web.InstanceId}
		if _, err := c.AssociateAddress(tctx(t), onWeb); code(err) != "Gateway.NotAttached" {
			t.Errorf("without a gateway: %v", err)
		}
		w.opened(c, vpc)

		// 1. The page is seen from the internet.
		must(c.AssociateAddress(tctx(t), onWeb))(t)
		w.reads("internet", ip1, "web")

		// 2. The second interface has a verdict of its own, and answers by itself.
		second := must(c.CreateNetworkInterface(tctx(t), &ec2.CreateNetworkInterfaceInput{SubnetId: &subnet, Groups: []string{sg2}}))(t).NetworkInterface
		eni := *second.NetworkInterfaceId
		alloc2, ip2 := w.elastic(c)
		must(c.AssociateAddress(tctx(t), &ec2.AssociateAddressInput{AllocationId: &alloc2, NetworkInterfaceId: &eni}))(t)
		attachment := w.attach(eni, *web.InstanceId)
		w.reads("internet", ip2, "")
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &sg2, IpPermissions: port(80)}))(t)
		w.reads("internet", ip2, "web")
		w.reads("internet", ip1, "web")
		must(c.RevokeSecurityGroupIngress(tctx(t), &ec2.RevokeSecurityGroupIngressInput{GroupId: &sg1, IpPermissions: port(80)}))(t)
		w.reads("internet", ip1, "")
		w.reads("internet", ip2, "web")
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &sg1, IpPermissions: port(80)}))(t)

		// One Elastic IP for each private address; an instance with several
		// interfaces does not say which one is meant.
		spare := w.spare(subnet, "10.0.1.")
		must(c.AssignPrivateIpAddresses(tctx(t), &ec2.AssignPrivateIpAddressesInput{NetworkInterfaceId: &eni, PrivateIpAddresses: []string{spare}}))(t)
		alloc3, ip3 := w.elastic(c)
		onSecond := &ec2.AssociateAddressInput{AllocationId: &alloc3, NetworkInterfaceId: &eni}
		if _, err := c.AssociateAddress(tctx(t), &ec2.AssociateAddressInput{AllocationId: &alloc3, InstanceId: web.InstanceId}); code(err) != "InvalidInstanceID" {
			t.Errorf("by the instance: %v", err)
		}
		if _, err := c.AssociateAddress(tctx(t), onSecond); code(err) != "Resource.AlreadyAssociated" {
			t.Errorf("on a private address that has one: %v", err)
		}
		onSecond.PrivateIpAddress = &spare
		must(c.AssociateAddress(tctx(t), onSecond))(t)
		w.reads("internet", ip3, "web")
		w.reads("internet", ip2, "web")

		// 3. The interface takes everything along.
		if _, err := c.DetachNetworkInterface(tctx(t), &ec2.DetachNetworkInterfaceInput{AttachmentId: web.NetworkInterfaces[0].Attachment.AttachmentId}); code(err) != "OperationNotPermitted" {
			t.Errorf("detaching the primary interface: %v", err)
		}
		w.detach(attachment)
		w.reads("internet", ip2, "")
		w.attach(eni, *other.InstanceId)
		w.reads("internet", ip2, "other")
		w.reads("internet", ip3, "other")
		w.reads("internet", ip1, "web")

		// What is taken moves when that is allowed; the one before stays allocated.
		must(c.AssociateAddress(tctx(t), &ec2.AssociateAddressInput{AllocationId: &first, NetworkInterfaceId: &eni, AllowReassociation: aws.Bool(true)}))(t)
		w.reads("internet", ip1, "other")
		w.reads("internet", ip2, "")
		out := must(c.DescribeAddresses(tctx(t), &ec2.DescribeAddressesInput{AllocationIds: []string{alloc2}}))(t)
		if a := out.Addresses[0]; a.AssociationId != nil || a.NetworkInterfaceId != nil {
			t.Errorf("%+v is still associated", a)
		}
	})
}
