package scenario

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// opened gives a VPC an internet gateway and its main route table a route there.
func (w *world) opened(c *ec2.Client, vpc string) (gateway string) {
	t := w.t
	t.Helper()
	gateway = *must(c.CreateInternetGateway(tctx(t), &ec2.CreateInternetGatewayInput{}))(t).InternetGateway.InternetGatewayId
	must(c.AttachInternetGateway(tctx(t), &ec2.AttachInternetGatewayInput{InternetGatewayId: &gateway, VpcId: &vpc}))(t)
	tables := must(c.DescribeRouteTables(tctx(t), &ec2.DescribeRouteTablesInput{Filters: []types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{vpc}}, {Name: aws.String("association.main"), Values: []string{"true"}}}}))(t)
	must(c.CreateRoute(tctx(t), &ec2.CreateRouteInput{RouteTableId: tables.RouteTables[0].RouteTableId, GatewayId: &gateway, DestinationCidrBlock: aws.String("0.0.0.0/0")}))(t)
	return gateway
}

// publicly has a launch ask for a public address, in groups.
func publicly(subnet string, groups ...string) func(*ec2.RunInstancesInput) {
	return func(in *ec2.RunInstancesInput) {
		in.SubnetId, in.SecurityGroupIds = nil, nil
		in.NetworkInterfaces = []types.InstanceNetworkInterfaceSpecification{
			{DeviceIndex: aws.Int32(0), SubnetId: &subnet, Groups: groups, AssociatePublicIpAddress: aws.Bool(true)}}
	}
}

// elastic allocates an Elastic IP.
func (w *world) elastic(c *ec2.Client) (allocation, ip string) {
	w.t.Helper()
	out := must(c.AllocateAddress(tctx(w.t), &ec2.AllocateAddressInput{}))(w.t)
	return *out.AllocationId, *out.PublicIp
}

// serving waits until an instance's own server answers it.
func (w *world) serving(instance, port string) {
	w.t.Helper()
	w.says(instance, "localvpc guest get --wait 20 -m 5 http://127.0.0.1:"+port+"/ >/dev/null")
}

// publicName is the name that EC2 gives a public address.
func publicName(region, ip string) string {
	domain := region + ".compute.amazonaws.com"
	if region == "us-east-1" {
		domain = "compute-1.amazonaws.com"
	}
	return "ec2-" + strings.ReplaceAll(ip, ".", "-") + "." + domain
}

// TestS2Addresses is scenario S2, steps 1 and 2: an Elastic IP takes the place of
// the assigned address, and what the internet, the neighbours and the instance
// itself see of it; stop and start change the assigned address only.
func TestS2Addresses(t *testing.T) {
	have(t, "getent") // the instance has the host's programs
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		defer func() { w.t = t }() // who has started the world ends it
		for _, region := range []string{"us-east-1", "eu-west-1"} {
			t.Run(region, func(t *testing.T) {
				w.t, w.region, w.ec2 = t, region, w.client(region, "test")
				w.addresses(region)
			})
		}
	})
}

func (w *world) addresses(region string) {
	t, c := w.t, w.ec2
	vpc, subnet := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
	gateway := w.opened(c, vpc)
	group := w.group(c, vpc, "web")
	must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: port(80)}))(t)
	web, near := "web-"+region, "near-"+region
	i := w.start(web, subnet, func(in *ec2.RunInstancesInput) {
		publicly(subnet, group)(in)
		in.UserData = script(strings.TrimPrefix(serves(web), "#!/bin/sh\n"))
	})
	w.start(near, subnet, publicly(subnet, group))
	w.serving(web, "80")
	assigned, private := *i.PublicIpAddress, *i.PrivateIpAddress
	if !netip.MustParsePrefix("198.18.0.0/15").Contains(netip.MustParseAddr(assigned)) && !strings.HasPrefix(assigned, "192.0.2.") &&
		!strings.HasPrefix(assigned, "198.51.100.") && !strings.HasPrefix(assigned, "203.0.113.") {
		t.Errorf("assigned %s, which is not of the pool", assigned)
	}
	sees := func(ip string) {
		t.Helper()
		i := w.instance(*i.InstanceId)
		name := publicName(region, ip)
		if aws.ToString(i.PublicIpAddress) != ip || *i.PublicDnsName != name || *i.PrivateIpAddress != private {
			t.Errorf("described as %s %s %s, want %s %s", aws.ToString(i.PublicIpAddress), *i.PublicDnsName, *i.PrivateIpAddress, ip, name)
		}
		for path, want := range map[string]string{"public-ipv4": ip, "public-hostname": name,
			"network/interfaces/macs/" + *i.NetworkInterfaces[0].MacAddress + "/ipv4-associations/" + ip: private} {
			if status, body := w.metadata(web, "meta-data/"+path); status != "200" || body != want {
				t.Errorf("metadata %s: %s %q, want %q", path, status, body, want)
			}
		}
		w.reads("internet", ip, web)
		w.reads("internet", name, web)
		for question, want := range map[string]string{name: ip + " " + name, ip: ip + " " + name} {
			if out := strings.Join(strings.Fields(w.says("internet", "getent hosts "+question)), " "); out != want {
				t.Errorf("the internet finds %s as %q, want %q", question, out, want)
			}
		}
		w.reads(near, name, web)
		for question, want := range map[string]string{name: private + " " + name, ip: ip + " " + name} {
			if out := strings.Join(strings.Fields(w.says(near, "getent hosts "+question)), " "); out != want {
				t.Errorf("a neighbour finds %s as %q, want %q", question, out, want)
			}
		}
	}
	sees(assigned)

	// 1. The Elastic IP takes its place, at once.
	allocation, ip := w.elastic(c)
	associate := &ec2.AssociateAddressInput{AllocationId: &allocation, InstanceId: i.InstanceId}
	association := *must(c.AssociateAddress(tctx(t), associate))(t).AssociationId
	sees(ip)
	w.reads("internet", assigned, "")

	// 2. Stop and start: the Elastic IP stays, and so does the private address.
	w.restart(web)
	sees(ip)

	// Without it there is a new assigned one, and another after each start.
	must(c.DisassociateAddress(tctx(t), &ec2.DisassociateAddressInput{AssociationId: &association}))(t)
	again := aws.ToString(w.instance(*i.InstanceId).PublicIpAddress)
	if again == "" || again == assigned || again == ip {
		t.Errorf("first %s, then %s, now %q", assigned, ip, again)
	}
	sees(again)
	w.reads("internet", ip, "")
	w.restart(web)
	third := aws.ToString(w.instance(*i.InstanceId).PublicIpAddress)
	if third == "" || third == again {
		t.Errorf("%s before the stop, %q after the start", again, third)
	}
	sees(third)

	// A replacement: the name of the Elastic IP follows with no client changing.
	must(c.AssociateAddress(tctx(t), associate))(t)
	other := w.start("other-"+region, subnet, func(in *ec2.RunInstancesInput) {
		publicly(subnet, group)(in)
		in.UserData = script(strings.TrimPrefix(serves("other-"+region), "#!/bin/sh\n"))
	})
	w.serving("other-"+region, "80")
	_, err := c.AssociateAddress(tctx(t), &ec2.AssociateAddressInput{AllocationId: &allocation, InstanceId: other.InstanceId})
	if code(err) != "Resource.AlreadyAssociated" {
		t.Errorf("a taken address: %v", err)
	}
	must(c.AssociateAddress(tctx(t), &ec2.AssociateAddressInput{AllocationId: &allocation, InstanceId: other.InstanceId, AllowReassociation: aws.Bool(true)}))(t)
	w.reads("internet", ip, "other-"+region)
	w.reads(near, publicName(region, ip), "other-"+region)

	// Nothing is left to be forgotten.
	_, err = c.DetachInternetGateway(tctx(t), &ec2.DetachInternetGatewayInput{InternetGatewayId: &gateway, VpcId: &vpc})
	if code(err) != "DependencyViolation" {
		t.Errorf("detaching with mapped addresses: %v", err)
	}
	ids := []string{w.id(web), w.id(near), *other.InstanceId}
	must(c.TerminateInstances(tctx(t), &ec2.TerminateInstancesInput{InstanceIds: ids}))(t)
	for _, id := range ids {
		w.terminated(id)
	}
	must(c.ReleaseAddress(tctx(t), &ec2.ReleaseAddressInput{AllocationId: &allocation}))(t)
	must(c.DetachInternetGateway(tctx(t), &ec2.DetachInternetGatewayInput{InternetGatewayId: &gateway, VpcId: &vpc}))(t)
	must(c.DeleteInternetGateway(tctx(t), &ec2.DeleteInternetGatewayInput{InternetGatewayId: &gateway}))(t)
}

// TestAddressesOutlive: an engine that is killed leaves the edge as it was, to
// the letter; the next localvpc on the same data has the same Elastic IPs.
func TestAddressesOutlive(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.kept(t)
		c := w.ec2
		vpc, subnet := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		w.opened(c, vpc)
		group := w.group(c, vpc, "web")
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: port(80)}))(t)
		i := w.start("web", subnet, func(in *ec2.RunInstancesInput) {
			publicly(subnet, group)(in)
			in.UserData = script(strings.TrimPrefix(serves("web"), "#!/bin/sh\n"))
		})
		w.serving("web", "80")
		assigned := *i.PublicIpAddress
		w.reads("internet", assigned, "web")
		before := w.kernel()
		if err := syscall.Kill(w.engine(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if after := w.kernel(); after != before {
			t.Errorf("the kernel's text differs after the engine was killed:\n%s", difference(before, after))
		}
		w.reads("internet", assigned, "web")

		allocation, ip := w.elastic(c)
		must(c.AssociateAddress(tctx(t), &ec2.AssociateAddressInput{AllocationId: &allocation, InstanceId: i.InstanceId}))(t)
		w.reads("internet", ip, "web")
		inside := watch(t, descendants(w.holder()))
		w.stop(syscall.SIGKILL)
		inside.ended(t) // until then the listener is theirs
		w.up(t, "--data", w.dir)
		if got := aws.ToString(w.running(w.ec2, *i.InstanceId).PublicIpAddress); got != ip {
			t.Errorf("the instance has %q after a restart, want %s", got, ip)
		}
		w.says("web", strings.TrimPrefix(serves("web"), "#!/bin/sh\n")) // a later boot runs no user data
		w.serving("web", "80")
		w.reads("internet", ip, "web")
		w.reads("internet", assigned, "")
	})
}
