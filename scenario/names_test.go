package scenario

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// overTCP has the resolver library of the instance ask over TCP (resolver(5), use-vc).
const overTCP = "RES_OPTIONS=use-vc "

// TestNames: the VPC's resolver answers the names of instances in both forms and
// their addresses, over UDP and TCP, to the instances of the VPC only.
func TestNames(t *testing.T) {
	have(t, "getent") // the instance has the host's programs
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		c := w.ec2
		vpc, subnet := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		one := w.start("one", subnet, func(in *ec2.RunInstancesInput) {
			in.PrivateDnsNameOptions = &types.PrivateDnsNameOptionsRequest{HostnameType: types.HostnameTypeResourceName, EnableResourceNameDnsARecord: aws.Bool(true)}
		})
		two := w.start("two", subnet, nil)
		name := func(i types.Instance) string {
			return "ip-" + strings.ReplaceAll(*i.PrivateIpAddress, ".", "-") + ".ec2.internal"
		}
		resource := *one.InstanceId + ".ec2.internal"
		if *one.PrivateDnsName != resource || *two.PrivateDnsName != name(two) {
			t.Errorf("they are called %s and %s", *one.PrivateDnsName, *two.PrivateDnsName)
		}
		ask := func(from, how, what, want string) {
			t.Helper()
			out, code := w.in(from, how+"getent hosts "+what)
			have := strings.Join(strings.Fields(out), " ")
			if want == "" && code != 2 || want != "" && (code != 0 || have != want) {
				t.Errorf("%s: %s%s: %q, exit code %d, want %q", from, how, what, have, code, want)
			}
		}
		for _, how := range []string{"", overTCP} {
			// Instances know their own names from /etc/hosts; the others' are asked for.
			ask("two", how, resource, *one.PrivateIpAddress+" "+resource)
			ask("two", how, name(one), *one.PrivateIpAddress+" "+name(one))
			ask("one", how, name(two), *two.PrivateIpAddress+" "+name(two))
			ask("one", how, *two.PrivateIpAddress, *two.PrivateIpAddress+" "+name(two))
			ask("two", how, *two.InstanceId+".ec2.internal", "") // its option is off
			ask("two", how, "nobody.ec2.internal", "")
			ask("two", how, strings.ToUpper(name(one)), *one.PrivateIpAddress+" "+strings.ToUpper(name(one)))
		}
		// The short name is found in the domain that DHCP gives to search in.
		short, _, _ := strings.Cut(name(one), ".")
		ask("two", "", short, *one.PrivateIpAddress+" "+name(one))
		// The resolver answers at both addresses.
		for _, server := range []string{"10.0.0.2", "169.254.169.253"} {
			w.says("two", "echo nameserver "+server+" > /etc/resolv.conf")
			ask("two", "", name(one), *one.PrivateIpAddress+" "+name(one))
			ask("two", overTCP, name(one), *one.PrivateIpAddress+" "+name(one))
		}

		// Without DNS support nobody answers, at once; with it again somebody does.
		support := func(on bool) {
			t.Helper()
			must(c.ModifyVpcAttribute(tctx(t), &ec2.ModifyVpcAttributeInput{VpcId: &vpc, EnableDnsSupport: &types.AttributeBooleanValue{Value: &on}}))(t)
		}
		support(false)
		ask("one", "RES_OPTIONS='timeout:1 attempts:1' ", name(two), "")
		if out, code := w.get("one", "http://10.0.0.2:53/", 1); code != timedOut {
			t.Errorf("TCP to the resolver of a VPC without DNS support: exit code %d, %q", code, out)
		}
		support(true)
		ask("one", "", name(two), *two.PrivateIpAddress+" "+name(two))

		// The option of the resource name acts on the next question.
		must(c.ModifyPrivateDnsNameOptions(tctx(t), &ec2.ModifyPrivateDnsNameOptionsInput{InstanceId: one.InstanceId, EnableResourceNameDnsARecord: aws.Bool(false)}))(t)
		ask("two", "", resource, "")
	})
}

// TestDhcpOptions: instances are told their VPC's options at each boot; those
// that run go on with what they have.
func TestDhcpOptions(t *testing.T) {
	have(t, "getent")
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		c := w.ec2
		vpc, subnet := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		one := w.start("one", subnet, nil)
		conf := func() string { return w.says("one", "cat /etc/resolv.conf") }
		amazon := "search ec2.internal\nnameserver 10.0.0.2"
		if out := conf(); out != amazon {
			t.Errorf("at first boot:\n%s", out)
		}
		associate := func(id string) {
			t.Helper()
			must(c.AssociateDhcpOptions(tctx(t), &ec2.AssociateDhcpOptionsInput{VpcId: &vpc, DhcpOptionsId: &id}))(t)
		}
		restart := func() {
			t.Helper()
			must(c.StopInstances(tctx(t), &ec2.StopInstancesInput{InstanceIds: []string{*one.InstanceId}}))(t)
			must(c.StartInstances(tctx(t), &ec2.StartInstancesInput{InstanceIds: []string{*one.InstanceId}}))(t)
			w.running(c, *one.InstanceId)
		}
		options := must(c.CreateDhcpOptions(tctx(t), &ec2.CreateDhcpOptionsInput{DhcpConfigurations: []types.NewDhcpConfiguration{
			{Key: aws.String("domain-name"), Values: []string{"corp.example"}},
			{Key: aws.String("domain-name-servers"), Values: []string{"10.0.1.200", "10.0.0.2"}},
		}}))(t).DhcpOptions
		// The lease of one that runs is renewed before the call returns; what its user
		// has written stands until the next one says something else.
		const corp = "search corp.example\nnameserver 10.0.1.200\nnameserver 10.0.0.2"
		associate(*options.DhcpOptionsId)
		if out := conf(); out != corp {
			t.Errorf("while it runs:\n%s", out)
		}
		w.says("one", "echo '# mine' >/etc/resolv.conf")
		associate(*options.DhcpOptionsId)
		if out := conf(); out != "# mine" {
			t.Errorf("with the same options:\n%s", out)
		}
		var before string
		for _, v := range must(c.DescribeVpcs(tctx(t), &ec2.DescribeVpcsInput{}))(t).Vpcs {
			if *v.VpcId != vpc {
				before = *v.DhcpOptionsId // the default VPC's: those that this one had
			}
		}
		associate(before)
		if out := conf(); out != amazon {
			t.Errorf("with Amazon's options again:\n%s", out)
		}
		associate(*options.DhcpOptionsId)
		restart()
		if out := conf(); out != corp {
			t.Errorf("after a stop and a start:\n%s", out)
		}
		// One that is launched now has them from the start, in its name too.
		two := w.start("two", subnet, nil)
		if out := w.says("two", "cat /etc/resolv.conf; hostname"); out != "search corp.example\nnameserver 10.0.1.200\nnameserver 10.0.0.2\nip-"+strings.ReplaceAll(*two.PrivateIpAddress, ".", "-")+".corp.example" {
			t.Errorf("at its first boot another one has:\n%s", out)
		}

		associate("default") // no options at all
		if out := conf(); strings.Contains(out, "nameserver ") {
			t.Errorf("without options:\n%s", out)
		}
		if out, code := w.in("one", "RES_OPTIONS='timeout:1 attempts:1' getent hosts "+*two.PrivateDnsName); code == 0 {
			t.Errorf("without options names are still found: %s", out)
		}
	})
}
