package scenario

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// serves answers with a text on port 80, of every interface.
func serves(text string) string {
	return "#!/bin/sh\nsetsid localvpc guest serve --addr :80 --text " + text + " >/var/log/serve.log 2>&1 &\n"
}

// port is a permission for one TCP port from everywhere.
func port(n int32) []types.IpPermission {
	return []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: &n, ToPort: &n, IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}
}

// eni describes an interface.
func (w *world) eni(id string) types.NetworkInterface {
	w.t.Helper()
	return must(w.ec2.DescribeNetworkInterfaces(tctx(w.t), &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{id}}))(w.t).NetworkInterfaces[0]
}

// spare is an address of a subnet, whose addresses begin so, that nobody has.
func (w *world) spare(subnet, prefix string) string {
	w.t.Helper()
	taken := map[string]bool{}
	for _, n := range must(w.ec2.DescribeNetworkInterfaces(tctx(w.t), &ec2.DescribeNetworkInterfacesInput{}))(w.t).NetworkInterfaces {
		for _, a := range n.PrivateIpAddresses {
			taken[*n.SubnetId+*a.PrivateIpAddress] = true
		}
	}
	last := 70
	for taken[subnet+prefix+strconv.Itoa(last)] {
		last++
	}
	return prefix + strconv.Itoa(last)
}

func (w *world) attach(eni, instance string) string {
	w.t.Helper()
	out := must(w.ec2.AttachNetworkInterface(tctx(w.t), &ec2.AttachNetworkInterfaceInput{NetworkInterfaceId: &eni, InstanceId: &instance, DeviceIndex: aws.Int32(1)}))(w.t)
	if n := w.eni(eni); n.Status != types.NetworkInterfaceStatusInUse || n.Attachment.Status != types.AttachmentStatusAttached || *n.Attachment.InstanceId != instance {
		w.t.Errorf("attached: %s %+v", n.Status, n.Attachment)
	}
	return *out.AttachmentId
}

func (w *world) detach(attachment string) {
	w.t.Helper()
	must(w.ec2.DetachNetworkInterface(tctx(w.t), &ec2.DetachNetworkInterfaceInput{AttachmentId: &attachment}))(w.t)
}

// reads asks an address for its text, from an instance; "" wants silence.
func (w *world) reads(from, addr, want string) {
	w.t.Helper()
	limit := 5
	if want == "" {
		limit = 1
	}
	out, code := w.get(from, "http://"+addr+"/", limit)
	switch {
	case want == "" && code != timedOut:
		w.t.Errorf("%s asks %s: %q, exit code %d, want no answer", from, addr, out, code)
	case want != "" && (code != 0 || out != want):
		w.t.Errorf("%s asks %s: %q, exit code %d, want %s", from, addr, out, code, want)
	}
}

// macs lists what an instance's metadata tells of its interfaces.
func (w *world) macs(instance string) []string {
	w.t.Helper()
	out, code := w.get(instance, "http://169.254.169.254/latest/meta-data/network/interfaces/macs/", 5)
	if code != 0 {
		w.t.Errorf("the metadata of %s: exit code %d, %s", instance, code, out)
	}
	list := strings.Fields(strings.ReplaceAll(out, "/", ""))
	slices.Sort(list)
	return list
}

// TestS5Interfaces is scenario S5 within a VPC: an instance with two interfaces
// of one subnet in two groups gives each its own verdict on its own address;
// secondary addresses come, move and go; the second interface goes to another
// instance with address, groups and traffic.
func TestS5Interfaces(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.dir = filepath.Join(t.TempDir(), "data")
		if err := os.MkdirAll(w.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if w.uid != os.Getuid() {
			allow(t, w.dir, w.uid)
		}
		w.up(t, "--data", w.dir)
		c := w.ec2
		vpc, subnet := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		sg1, sg2, clients := w.group(c, vpc, "my-sg-1"), w.group(c, vpc, "my-sg-2"), w.group(c, vpc, "clients")
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &sg1, IpPermissions: port(80)}))(t)
		// The client may speak to members of the two groups only, so that every
		// answer proves that the address is a member's.
		all := must(c.DescribeSecurityGroups(tctx(t), &ec2.DescribeSecurityGroupsInput{GroupIds: []string{clients}}))(t).SecurityGroups[0].IpPermissionsEgress
		must(c.RevokeSecurityGroupEgress(tctx(t), &ec2.RevokeSecurityGroupEgressInput{GroupId: &clients, IpPermissions: all}))(t)
		for _, g := range []string{sg1, sg2} {
			must(c.AuthorizeSecurityGroupEgress(tctx(t), &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &clients, IpPermissions: fromGroup(g, 80)}))(t)
		}
		web, other := w.launch(c, "web", subnet, []string{sg1}, serves("web")), w.launch(c, "other", subnet, []string{sg1}, serves("other"))
		w.launch(c, "client", subnet, []string{clients}, "")
		for _, i := range []types.Instance{web, other} {
			must(c.ModifyInstanceMetadataOptions(tctx(t), &ec2.ModifyInstanceMetadataOptionsInput{InstanceId: i.InstanceId, HttpTokens: types.HttpTokensStateOptional}))(t)
			name := "web"
			if i.InstanceId == other.InstanceId {
				name = "other"
			}
			if out, code := w.cli("exec", "client", "--", "localvpc", "guest", "get", "--wait", "20", "-m", "5", "http://"+*i.PrivateIpAddress+"/"); code != 0 || strings.TrimSpace(out) != name {
				t.Fatalf("%s does not answer at its first interface: %q, exit code %d", name, out, code)
			}
		}

		// A second interface: up at once, with a verdict of its own.
		second := must(c.CreateNetworkInterface(tctx(t), &ec2.CreateNetworkInterfaceInput{SubnetId: &subnet, Groups: []string{sg2}}))(t).NetworkInterface
		eni, addr := *second.NetworkInterfaceId, *second.PrivateIpAddress
		attachment := w.attach(eni, *web.InstanceId)
		if out, code := w.in("web", "cat /sys/class/net/eth1/operstate /sys/class/net/eth1/address"); code != 0 || out != "up\n"+*second.MacAddress+"\n" {
			t.Errorf("eth1: %q, exit code %d", out, code)
		}
		if list := w.macs("web"); len(list) != 2 || !slices.Contains(list, *second.MacAddress) {
			t.Errorf("macs of web: %v", list)
		}
		w.reads("client", addr, "")
		w.reads("client", *web.PrivateIpAddress, "web")
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &sg2, IpPermissions: port(80)}))(t)
		w.reads("client", addr, "web")
		w.reads("client", *web.PrivateIpAddress, "web")
		w.refusesInterfaces(t, vpc, subnet, web, other, *second)

		// Secondary addresses: there when the call has returned, and gone.
		spare := w.spare(subnet, "10.0.1.")
		assign := &ec2.AssignPrivateIpAddressesInput{NetworkInterfaceId: &eni, PrivateIpAddresses: []string{spare}}
		must(c.AssignPrivateIpAddresses(tctx(t), assign))(t)
		w.reads("client", spare, "web")
		must(c.UnassignPrivateIpAddresses(tctx(t), &ec2.UnassignPrivateIpAddressesInput{NetworkInterfaceId: &eni, PrivateIpAddresses: []string{spare}}))(t)
		w.reads("client", spare, "")
		w.reads("client", addr, "web")
		must(c.AssignPrivateIpAddresses(tctx(t), assign))(t)
		w.reads("client", spare, "web")
		must(c.AssignPrivateIpAddresses(tctx(t), &ec2.AssignPrivateIpAddressesInput{
			NetworkInterfaceId: other.NetworkInterfaces[0].NetworkInterfaceId, PrivateIpAddresses: []string{spare}, AllowReassignment: aws.Bool(true)}))(t)
		w.reads("client", spare, "other")
		if n := w.eni(eni); len(n.PrivateIpAddresses) != 1 {
			t.Errorf("still there: %+v", n.PrivateIpAddresses)
		}

		// The interface goes to another instance.
		w.detach(attachment)
		if n := w.eni(eni); n.Status != types.NetworkInterfaceStatusAvailable || n.Attachment != nil {
			t.Errorf("detached: %s %+v", n.Status, n.Attachment)
		}
		if out, code := w.in("web", "test ! -e /sys/class/net/eth1"); code != 0 {
			t.Errorf("eth1 is still there: %s", out)
		}
		if list := w.macs("web"); len(list) != 1 {
			t.Errorf("macs of web: %v", list)
		}
		w.reads("client", addr, "")
		w.reads("client", *web.PrivateIpAddress, "web")
		w.attach(eni, *other.InstanceId)
		w.reads("client", addr, "other")
		w.reads("client", *other.PrivateIpAddress, "other")
		if list := w.macs("other"); len(list) != 2 || !slices.Contains(list, *second.MacAddress) {
			t.Errorf("macs of other: %v", list)
		}
		must(c.RevokeSecurityGroupIngress(tctx(t), &ec2.RevokeSecurityGroupIngressInput{GroupId: &sg2, IpPermissions: port(80)}))(t)
		w.reads("client", addr, "")
		w.reads("client", spare, "other")
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &sg2, IpPermissions: port(80)}))(t)

		before := w.kernel()
		if err := syscall.Kill(w.engine(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if after := w.kernel(); after != before {
			t.Errorf("the kernel's text differs after the engine was killed:\n%s", difference(before, after))
		}
		w.reads("client", addr, "other")

		// It is there again after a stop and a start, and while stopped it can be
		// taken away.
		w.restart("other")
		w.reads("client", addr, "other")
		w.reads("client", *other.PrivateIpAddress, "other")
		must(c.StopInstances(tctx(t), &ec2.StopInstancesInput{InstanceIds: []string{*other.InstanceId}}))(t)
		w.stopped(*other.InstanceId)
		w.detach(*w.eni(eni).Attachment.AttachmentId)
		w.attach(eni, *web.InstanceId)
		w.reads("client", addr, "web")
	})
}

// stopped waits with the SDK's waiter until an instance has stopped.
func (w *world) stopped(id string) {
	w.t.Helper()
	waiter := ec2.NewInstanceStoppedWaiter(w.ec2, func(o *ec2.InstanceStoppedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 100*time.Millisecond
	})
	if err := waiter.Wait(tctx(w.t), &ec2.DescribeInstancesInput{InstanceIds: []string{id}}, 30*time.Second); err != nil {
		w.t.Fatal(err)
	}
}

// restart stops and starts an instance that serves its name; a later boot runs no
// user data, so that is started by hand.
func (w *world) restart(name string) {
	w.t.Helper()
	id := w.id(name)
	must(w.ec2.StopInstances(tctx(w.t), &ec2.StopInstancesInput{InstanceIds: []string{id}}))(w.t)
	w.stopped(id)
	must(w.ec2.StartInstances(tctx(w.t), &ec2.StartInstancesInput{InstanceIds: []string{id}}))(w.t)
	w.running(w.ec2, id)
	line := strings.TrimPrefix(serves(name), "#!/bin/sh\n") + "localvpc guest get --wait 20 -m 5 http://127.0.0.1/"
	if out, code := w.in(name, line); code != 0 || strings.TrimSpace(out) != name {
		w.t.Fatalf("%s does not serve after a start: %q, exit code %d", name, out, code)
	}
}

// refusesInterfaces: each refusal has AWS's code, and nothing changes.
func (w *world) refusesInterfaces(t *testing.T, vpc, subnet string, web, other types.Instance, second types.NetworkInterface) {
	t.Helper()
	c, eni := w.ec2, *second.NetworkInterfaceId
	zone := "us-east-1a"
	if *web.Placement.AvailabilityZone == zone {
		zone = "us-east-1b"
	}
	far := must(c.CreateSubnet(tctx(t), &ec2.CreateSubnetInput{VpcId: &vpc, CidrBlock: aws.String("10.0.2.0/24"), AvailabilityZone: &zone}))(t).Subnet.SubnetId
	fresh := func(subnet *string) *string {
		return must(c.CreateNetworkInterface(tctx(t), &ec2.CreateNetworkInterfaceInput{SubnetId: subnet}))(t).NetworkInterface.NetworkInterfaceId
	}
	distant, third := fresh(far), fresh(&subnet)
	attach := func(eni, instance *string, index int32) error {
		_, err := c.AttachNetworkInterface(tctx(t), &ec2.AttachNetworkInterfaceInput{NetworkInterfaceId: eni, InstanceId: instance, DeviceIndex: &index})
		return err
	}
	assign := func(in ec2.AssignPrivateIpAddressesInput) error {
		in.NetworkInterfaceId = &eni
		_, err := c.AssignPrivateIpAddresses(tctx(t), &in)
		return err
	}
	before := w.kernel()
	for _, refused := range []struct {
		what, want string
		err        error
	}{
		{"detach the primary interface", "OperationNotPermitted", func() error {
			_, err := c.DetachNetworkInterface(tctx(t), &ec2.DetachNetworkInterfaceInput{AttachmentId: web.NetworkInterfaces[0].Attachment.AttachmentId, Force: aws.Bool(true)})
			return err
		}()},
		{"detach nothing", "InvalidAttachmentID.NotFound", func() error {
			_, err := c.DetachNetworkInterface(tctx(t), &ec2.DetachNetworkInterfaceInput{AttachmentId: aws.String("eni-attach-0123456789abcdef0")})
			return err
		}()},
		{"attach from another zone", "InvalidParameterCombination", attach(distant, other.InstanceId, 1)},
		{"attach twice", "InvalidNetworkInterface.InUse", attach(&eni, other.InstanceId, 1)},
		{"attach where another is", "InvalidParameterValue", attach(third, web.InstanceId, 1)},
		{"attach one too many", "AttachmentLimitExceeded", attach(third, web.InstanceId, 2)},
		{"assign what another has", "InvalidParameterValue", assign(ec2.AssignPrivateIpAddressesInput{PrivateIpAddresses: []string{*other.PrivateIpAddress}})},
		{"assign another's primary", "InvalidParameterValue", assign(ec2.AssignPrivateIpAddressesInput{PrivateIpAddresses: []string{*other.PrivateIpAddress}, AllowReassignment: aws.Bool(true)})},
		{"assign too many", "PrivateIpAddressLimitExceeded", assign(ec2.AssignPrivateIpAddressesInput{SecondaryPrivateIpAddressCount: aws.Int32(2)})},
		{"unassign the primary", "InvalidParameterValue", func() error {
			_, err := c.UnassignPrivateIpAddresses(tctx(t), &ec2.UnassignPrivateIpAddressesInput{NetworkInterfaceId: &eni, PrivateIpAddresses: []string{*second.PrivateIpAddress}})
			return err
		}()},
		{"delete in use", "InvalidParameterValue", func() error {
			_, err := c.DeleteNetworkInterface(tctx(t), &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &eni})
			return err
		}()},
	} {
		if code(refused.err) != refused.want {
			t.Errorf("%s: %v, want %s", refused.what, refused.err, refused.want)
		}
	}
	if after := w.kernel(); after != before {
		t.Errorf("a refused request changed the kernel:\n%s", difference(before, after))
	}
}

const terraformInterfaces = `
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
provider "aws" {
  region                  = "us-east-1"
  skip_metadata_api_check = true
}
variable "addresses" { type = list(string) }
variable "host" { type = string }
variable "groups" { type = list(string) }
data "aws_ami" "al2023" {
  most_recent = true
  owners      = ["amazon"]
  filter {
    name   = "name"
    values = ["al2023-ami-2023*-x86_64"]
  }
}
resource "aws_vpc" "main" { cidr_block = "10.3.0.0/16" }
resource "aws_subnet" "a" {
  vpc_id            = aws_vpc.main.id
  cidr_block        = "10.3.1.0/24"
  availability_zone = "us-east-1a"
}
resource "aws_security_group" "of" {
  for_each = toset(["one", "two"])
  name     = each.key
  vpc_id   = aws_vpc.main.id
}
resource "aws_instance" "host" {
  for_each      = toset(["a", "b"])
  ami           = data.aws_ami.al2023.id
  instance_type = "t3.medium"
  subnet_id     = aws_subnet.a.id
  tags          = { Name = each.key }
}
resource "aws_network_interface" "second" {
  subnet_id       = aws_subnet.a.id
  private_ips     = var.addresses
  security_groups = [for g in var.groups : aws_security_group.of[g].id]
}
resource "aws_network_interface_attachment" "second" {
  instance_id          = aws_instance.host[var.host].id
  network_interface_id = aws_network_interface.second.id
  device_index         = 1
}
output "second" { value = aws_network_interface.second.id }
output "host" { value = aws_network_interface_attachment.second.instance_id }
`

// TestTerraformInterfaces: addresses, groups and the instance of an interface
// change by plans, after each of which there is nothing to do; destroy leaves
// nothing.
func TestTerraformInterfaces(t *testing.T) {
	t.Parallel()
	needPackets(t)
	have(t, "terraform")
	mirrors := pluginFolders()
	if len(mirrors) == 0 {
		t.Skip("there is no folder with the AWS provider for terraform")
	}
	w := (&world{uid: os.Getuid()}).up(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.tf":      terraformInterfaces,
		"terraform.rc": "provider_installation {\n  filesystem_mirror { path = \"" + mirrors[0] + "\" }\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.run(dir, "terraform", "init", "-input=false", "-no-color")
	var vars []string
	// leave detaches behind Terraform's back, which then finds that nothing is
	// attached. When the provider detaches itself it goes on for two and a half
	// minutes asking for the attachment that is gone.
	leave := func() {
		if n := w.eni(w.run(dir, "terraform", "output", "-raw", "second")); n.Attachment != nil {
			w.detach(*n.Attachment.AttachmentId)
		}
	}
	for i, step := range []struct {
		addresses []string
		host      string
		groups    []string
	}{
		{[]string{"10.3.1.50", "10.3.1.51"}, "a", []string{"one"}},
		{[]string{"10.3.1.50", "10.3.1.52"}, "b", []string{"one", "two"}},
	} {
		list := func(of []string) string { return `["` + strings.Join(of, `","`) + `"]` }
		if i > 0 {
			leave()
		}
		vars = []string{"-input=false", "-no-color", "-var", "addresses=" + list(step.addresses), "-var", "host=" + step.host, "-var", "groups=" + list(step.groups)}
		w.run(dir, "terraform", append([]string{"apply", "-auto-approve"}, vars...)...)
		// -detailed-exitcode makes a plan that is not empty fail.
		w.run(dir, "terraform", append([]string{"plan", "-detailed-exitcode"}, vars...)...)
		n := w.eni(w.run(dir, "terraform", "output", "-raw", "second"))
		var got []string
		for _, a := range n.PrivateIpAddresses {
			got = append(got, *a.PrivateIpAddress)
		}
		slices.Sort(got)
		if !slices.Equal(got, step.addresses) || len(n.Groups) != len(step.groups) || n.Attachment == nil || *n.Attachment.InstanceId != w.id(step.host) {
			t.Errorf("after %+v: %v, %d groups, %+v", step, got, len(n.Groups), n.Attachment)
		}
	}
	leave()
	w.run(dir, "terraform", append([]string{"destroy", "-auto-approve"}, vars...)...)
	if left := must(w.ec2.DescribeNetworkInterfaces(tctx(t), &ec2.DescribeNetworkInterfacesInput{}))(t).NetworkInterfaces; len(left) != 0 {
		t.Errorf("%d interfaces are left", len(left))
	}
}
