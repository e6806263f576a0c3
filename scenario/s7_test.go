package scenario

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53 "github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// sayHello starts the service of scenario S7 at first boot.
const sayHello = "#!/bin/sh\nsetsid localvpc guest serve --addr :80 --say-hello >/var/log/say-hello.log 2>&1 &\n"

// TestS7OneVPC is step 1 of scenario S7: within one VPC the internal name of the
// server is known and answers; from another Region the name is not known.
func TestS7OneVPC(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		eu := w.client("eu-west-1", "test")
		vpc, subnet := w.vpc(eu, "172.30.0.0/16", "172.30.0.0/24")
		server, consumer := w.group(eu, vpc, "server"), w.group(eu, vpc, "consumer")
		must(eu.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &server, IpPermissions: fromGroup(consumer, 80)}))(t)
		hello := w.launch(eu, "say-hello", subnet, []string{server}, sayHello)
		caller := w.launch(eu, "consumer", subnet, []string{consumer}, "")

		name := "ip-" + strings.ReplaceAll(*hello.PrivateIpAddress, ".", "-") + ".eu-west-1.compute.internal"
		if *hello.PrivateDnsName != name {
			t.Errorf("PrivateDnsName is %q, want %q", *hello.PrivateDnsName, name)
		}
		euCLI := func(instance string, args ...string) (string, int) {
			return w.cli(append([]string{"--region", "eu-west-1", "exec", instance, "--"}, args...)...)
		}
		out, code := euCLI(*caller.InstanceId, "localvpc", "guest", "get", "--wait", "20", "-m", "5", "http://"+name+"/say-hello?name=Angela")
		if strings.TrimSpace(out) != "Hello, Angela!" || code != 0 {
			t.Errorf("from its VPC: %q, exit code %d", out, code)
		}
		if out, code := euCLI(*caller.InstanceId, "getent", "hosts", name); code != 0 || !strings.HasPrefix(out, *hello.PrivateIpAddress) {
			t.Errorf("getent in its VPC: %q, exit code %d", out, code)
		}

		_, usSubnet := w.vpc(w.ec2, "10.20.0.0/16", "10.20.0.0/24")
		us := w.launch(w.ec2, "us", usSubnet, nil, "")
		if out, code := w.get(*us.InstanceId, "http://"+name+"/say-hello?name=Angela", 2); code != unresolved {
			t.Errorf("from the other Region: %q, exit code %d, want %d: the name is not known", out, code, unresolved)
		}
		// By address there is no way either: nothing crosses from one VPC to another.
		if out, code := w.get(*us.InstanceId, "http://"+*hello.PrivateIpAddress+"/", 1); code != timedOut {
			t.Errorf("by address from another VPC: %q, exit code %d, want %d", out, code, timedOut)
		}
	})
}

// TestS7 is scenario S7: one service, private, for a VPC of another Region. Whatever
// is missing is noticed from inside, and explained.
func TestS7(t *testing.T) {
	have(t, "getent")
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		const account, home, away, third = "000000000000", "172.30.0.0/16", "10.20.0.0/16", "10.40.0.0/16"
		eu, us, other := w.party(account, "eu-west-1", ""), w.party(account, "us-east-1", ""), w.party(account, "us-east-1", "")
		var subnet, usSubnet, otherSubnet string
		eu.vpc, subnet = w.vpc(eu.Client, home, "172.30.0.0/24")
		us.vpc, usSubnet = w.vpc(us.Client, away, "10.20.0.0/24")
		other.vpc, otherSubnet = w.vpc(us.Client, third, "10.40.0.0/24")
		server := w.group(eu.Client, eu.vpc, "server")
		images := must(eu.DescribeImages(tctx(t), &ec2.DescribeImagesInput{Owners: []string{"amazon"}, Filters: []types.Filter{{Name: aws.String("name"), Values: []string{"al2023-ami-2023*"}}}}))(t).Images
		hello := must(eu.RunInstances(tctx(t), &ec2.RunInstancesInput{
			ImageId: images[0].ImageId, InstanceType: types.InstanceTypeT3Micro, MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
			SubnetId: &subnet, SecurityGroupIds: []string{server}, PrivateIpAddress: aws.String("172.30.0.224"), UserData: script(strings.TrimPrefix(sayHello, "#!/bin/sh\n")),
			TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("say-hello")}}}},
		}))(t).Instances[0]
		w.running(eu.Client, *hello.InstanceId)
		if out, code := w.cli("--region", "eu-west-1", "exec", *hello.InstanceId, "--", "localvpc", "guest", "get", "--wait", "20", "-m", "5", "http://127.0.0.1/say-hello?name=Angela"); code != 0 {
			t.Fatalf("the service does not start: %s", out)
		}
		w.launch(us.Client, "consumer", usSubnet, nil, "")
		w.launch(us.Client, "stranger", otherSubnet, nil, "")

		const byName, byAddress = "ip-172-30-0-224.eu-west-1.compute.internal", "172.30.0.224"
		asks := func(from, host string, want int) {
			t.Helper()
			out, code := w.get(from, "http://"+host+"/say-hello?name=Angela", 1)
			if code != want || code == 0 && out != "Hello, Angela!" {
				t.Errorf("%s asks %s: %q, exit code %d, want %d", from, host, out, code, want)
			}
		}
		knows := func(from, name, want string) {
			t.Helper()
			out, code := w.in(from, "RES_OPTIONS='timeout:1 attempts:1' getent ahostsv4 "+name)
			if got, _, _ := strings.Cut(strings.TrimSpace(out), " "); want == "" && code != 2 || want != "" && (code != 0 || got != want) {
				t.Errorf("%s knows %s: %q, exit code %d, want %q", from, name, out, code, want)
			}
		}
		because := func(name, word string) {
			t.Helper()
			if out, _ := w.cli("dig", "consumer", name); !strings.Contains(out, word) {
				t.Errorf("dig %s: want %q in: %s", name, word, out)
			}
		}

		// 1. From the other Region the name is not known, and there is no way.
		asks("consumer", byName, unresolved)
		asks("consumer", byAddress, timedOut)
		w.explains("consumer", "say-hello", "DISCONNECTED_VPCS")

		// 2. Requested and accepted; between equal blocks it fails.
		double := us
		double.vpc, _ = w.vpc(us.Client, home, "172.30.7.0/24")
		if failed := w.requested(double, eu); us.state(t, failed) != types.VpcPeeringConnectionStateReasonCodeFailed {
			t.Errorf("between equal blocks: %s", us.state(t, failed))
		}
		pcx := w.requested(us, eu)
		if s := eu.state(t, pcx); s != types.VpcPeeringConnectionStateReasonCodePendingAcceptance {
			t.Errorf("a request is %s", s)
		}
		w.explains("consumer", "say-hello", pcx+" waits for its acceptance")
		must(eu.AcceptVpcPeeringConnection(tctx(t), &ec2.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: &pcx}))(t)
		usTable, euTable := *us.main(t).RouteTableId, *eu.main(t).RouteTableId

		// Each thing that is missing, one after the other.
		missing := func(cause, what string) {
			t.Helper()
			asks("consumer", byAddress, timedOut)
			w.explains("consumer", "say-hello", cause)
			w.explains("consumer", "say-hello", what)
		}
		missing("NO_ROUTE_TO_DESTINATION", usTable+" has no route to the other VPC's addresses: add one to "+pcx)
		us.route(t, home, pcx)
		missing("NO_ROUTE_TO_DESTINATION", euTable+" has no route to the other VPC's addresses on the way back: add one to "+pcx)
		eu.route(t, away, pcx)
		missing("SG_HAS_NO_RULES", server)
		must(eu.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &server, IpPermissions: fromBlock(away, 80)}))(t)
		asks("consumer", byAddress, 0)
		w.explains("consumer", "say-hello", "")

		// The name: each side decides about its own.
		asks("consumer", byName, unresolved)
		because(byName, pcx+" is off")
		us.names(t, pcx, true, true)
		asks("consumer", byName, unresolved)
		eu.names(t, pcx, false, true)
		knows("consumer", byName, byAddress)
		because(byName, pcx+" is on")
		asks("consumer", byName, 0)
		eu.names(t, pcx, false, false)
		asks("consumer", byName, unresolved)
		eu.names(t, pcx, false, true)

		// The name of its public address is the private one for the other side, too.
		w.opened(eu.Client, eu.vpc)
		allocation, public := w.elastic(eu.Client)
		must(eu.AssociateAddress(tctx(t), &ec2.AssociateAddressInput{AllocationId: &allocation, InstanceId: hello.InstanceId}))(t)
		publicName := "ec2-" + strings.ReplaceAll(public, ".", "-") + ".eu-west-1.compute.amazonaws.com"
		knows("consumer", publicName, byAddress)
		knows("stranger", publicName, public)
		asks("consumer", publicName, 0)
		eu.names(t, pcx, false, false)
		knows("consumer", publicName, public)
		eu.names(t, pcx, false, true)

		// Taken away again, one by one.
		us.unroute(t, home)
		missing("NO_ROUTE_TO_DESTINATION", usTable)
		us.route(t, home, pcx)
		asks("consumer", byName, 0)
		eu.unroute(t, away)
		missing("NO_ROUTE_TO_DESTINATION", "on the way back")
		eu.route(t, away, pcx)
		must(eu.RevokeSecurityGroupIngress(tctx(t), &ec2.RevokeSecurityGroupIngressInput{GroupId: &server, IpPermissions: fromBlock(away, 80)}))(t)
		missing("SG_HAS_NO_RULES", server)
		must(eu.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &server, IpPermissions: append(fromBlock(away, 80), fromBlock(third, 80)...)}))(t)
		asks("consumer", byName, 0)

		// Peering is not transitive: the third VPC is peered with the second one.
		next := w.peered(other, us)
		other.route(t, home, next)
		us.route(t, third, next)
		eu.route(t, third, pcx)
		asks("stranger", byAddress, timedOut)
		asks("stranger", byName, unresolved)
		w.explains("stranger", "say-hello", "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR")

		// 3. A private hosted zone, associated with the first VPC, then with the second.
		dns := w.dns("test")
		zone := must(dns.CreateHostedZone(tctx(t), &route53.CreateHostedZoneInput{
			Name: aws.String("internal"), CallerReference: aws.String("s7"), VPC: &r53.VPC{VPCId: &eu.vpc, VPCRegion: r53.VPCRegionEuWest1}}))(t).HostedZone
		w.upsert(*zone.Id, "api.internal", r53.RRTypeCname, byName)
		asks("consumer", "api.internal", unresolved) // peered, but not its zones
		must(dns.AssociateVPCWithHostedZone(tctx(t), &route53.AssociateVPCWithHostedZoneInput{HostedZoneId: zone.Id, VPC: &r53.VPC{VPCId: &us.vpc, VPCRegion: r53.VPCRegionUsEast1}}))(t)
		knows("consumer", "api.internal", byAddress)
		asks("consumer", "api.internal", 0)
		knows("stranger", "api.internal", "")
		if out, code := w.cli("--region", "eu-west-1", "exec", *hello.InstanceId, "--", "localvpc", "guest", "get", "-m", "5", "http://api.internal/say-hello?name=Angela"); code != 0 || strings.TrimSpace(out) != "Hello, Angela!" {
			t.Errorf("from the first VPC: %q, exit code %d", out, code)
		}
		for _, attribute := range []func(*ec2.ModifyVpcAttributeInput, bool){
			func(in *ec2.ModifyVpcAttributeInput, on bool) {
				in.EnableDnsHostnames = &types.AttributeBooleanValue{Value: &on}
			},
			func(in *ec2.ModifyVpcAttributeInput, on bool) {
				in.EnableDnsSupport = &types.AttributeBooleanValue{Value: &on}
			},
		} {
			for _, on := range []bool{false, true} {
				in := &ec2.ModifyVpcAttributeInput{VpcId: &us.vpc}
				attribute(in, on)
				must(us.ModifyVpcAttribute(tctx(t), in))(t)
				knows("consumer", "api.internal", map[bool]string{true: byAddress}[on])
			}
		}

		// Deleting it leaves black holes, and no names.
		must(us.DeleteVpcPeeringConnection(tctx(t), &ec2.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: &pcx}))(t)
		if a, b := us.routeState(t, home), eu.routeState(t, away); a != types.RouteStateBlackhole || b != types.RouteStateBlackhole {
			t.Errorf("the routes are %s and %s", a, b)
		}
		missing("BAD_STATE_ROUTE", pcx+" is deleted")
		asks("consumer", byName, unresolved)
		knows("consumer", "api.internal", "")
	})
}
