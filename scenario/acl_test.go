package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Where the client of a connection has its port (Linux, net.ipv4.ip_local_port_range).
const ephemeralFrom, ephemeralTo = 32768, 60999

// aclEntry makes an entry for TCP ports.
func (w *world) aclEntry(acl string, number int32, egress bool, action types.RuleAction, cidr string, from, to int32) {
	w.t.Helper()
	must(w.ec2.CreateNetworkAclEntry(tctx(w.t), &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: &acl, RuleNumber: &number, Egress: &egress, RuleAction: action, Protocol: aws.String("6"), CidrBlock: &cidr,
		PortRange: &types.PortRange{From: &from, To: &to},
	}))(w.t)
}

func (w *world) dropAclEntry(acl string, number int32, egress bool) {
	w.t.Helper()
	must(w.ec2.DeleteNetworkAclEntry(tctx(w.t), &ec2.DeleteNetworkAclEntryInput{NetworkAclId: &acl, RuleNumber: &number, Egress: &egress}))(w.t)
}

// aclOf gives the ACL of a subnet and the id of its association.
func (w *world) aclOf(subnet string) (acl, association string) {
	w.t.Helper()
	out := must(w.ec2.DescribeNetworkAcls(tctx(w.t), &ec2.DescribeNetworkAclsInput{
		Filters: []types.Filter{{Name: aws.String("association.subnet-id"), Values: []string{subnet}}},
	}))(w.t)
	if len(out.NetworkAcls) != 1 {
		w.t.Fatalf("%s has %d ACLs", subnet, len(out.NetworkAcls))
	}
	for _, a := range out.NetworkAcls[0].Associations {
		if *a.SubnetId == subnet {
			return *a.NetworkAclId, *a.NetworkAclAssociationId
		}
	}
	w.t.Fatalf("%s is not among the associations of its ACL", subnet)
	return "", ""
}

// giveAcl replaces the ACL of a subnet.
func (w *world) giveAcl(subnet, acl string) {
	w.t.Helper()
	_, association := w.aclOf(subnet)
	out := must(w.ec2.ReplaceNetworkAclAssociation(tctx(w.t), &ec2.ReplaceNetworkAclAssociationInput{AssociationId: &association, NetworkAclId: &acl}))(w.t)
	if now, id := w.aclOf(subnet); now != acl || id != *out.NewAssociationId || id == association {
		w.t.Errorf("%s has %s by %s, want %s by %s", subnet, now, id, acl, *out.NewAssociationId)
	}
}

// silent fails the test if the talker goes on: within a second it would write
// some twenty lines.
func (w *world) silent(instance string) {
	w.t.Helper()
	if out, _ := w.in(instance, "timeout 1 tail -n0 -f /var/log/talk.log | head -n1"); strings.TrimSpace(out) != "" {
		w.t.Errorf("the open connection of %s goes on: %q", instance, out)
	}
}

// TestNetworkAcls: an ACL is stateless, so that the answers need an entry too;
// it filters at the edge of the subnet and not inside it; changes act on the
// next packet, of open connections as well.
func TestNetworkAcls(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		c := w.ec2
		vpc, front := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		back := *must(c.CreateSubnet(tctx(t), &ec2.CreateSubnetInput{VpcId: &vpc, CidrBlock: aws.String("10.0.2.0/24")}))(t).Subnet.SubnetId
		group := w.group(c, vpc, "all")
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []types.IpPermission{
			{IpProtocol: aws.String("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &group}}},
		}}))(t)
		open, _ := w.aclOf(back)
		acl := *must(c.CreateNetworkAcl(tctx(t), &ec2.CreateNetworkAclInput{VpcId: &vpc}))(t).NetworkAcl.NetworkAclId
		w.aclEntry(acl, 100, false, types.RuleActionAllow, "10.0.1.0/24", 5432, 5432)
		w.aclEntry(acl, 110, false, types.RuleActionAllow, "10.0.1.0/24", 7, 7)
		w.aclEntry(acl, 100, true, types.RuleActionAllow, "10.0.1.0/24", ephemeralFrom, ephemeralTo)
		w.giveAcl(back, acl)

		db := w.launch(c, "db", back, []string{group}, echo+strings.TrimPrefix(echoServer, "#!/bin/sh\n"))
		w.launch(c, "neighbour", back, []string{group}, "")
		w.launch(c, "web", front, []string{group}, fmt.Sprintf(talker, *db.PrivateIpAddress))
		url := "http://" + *db.PrivateIpAddress + ":5432/"
		elsewhere := "http://" + *db.PrivateIpAddress + ":81/"
		reaches := func(from string) {
			t.Helper()
			if out, code := w.cli("exec", from, "--", "localvpc", "guest", "get", "--wait", "20", "-m", "5", url); code != 0 || strings.TrimSpace(out) != "db" {
				t.Errorf("%s: %q, exit code %d", from, out, code)
			}
		}
		explains := func(exit int, words ...string) {
			t.Helper()
			out, code := w.cli("explain", "web", "db:5432")
			for _, word := range words {
				if code != exit || !strings.Contains(out, word) {
					t.Errorf("explain: exit code %d, want %d and %q in:\n%s", code, exit, word, out)
				}
			}
		}
		fails := func(from, url string, want int) {
			t.Helper()
			if out, code := w.get(from, url, 1); code != want {
				t.Errorf("%s to %s: %q, exit code %d, want %d", from, url, out, code, want)
			}
		}
		reaches("web")
		reaches("neighbour")
		w.alive("web")
		explains(0, acl+"/100")
		fails("web", elsewhere, timedOut)
		fails("neighbour", elsewhere, refused) // inside the subnet nothing filters

		// Without the ephemeral ports no answer leaves, whatever groups remember.
		w.dropAclEntry(acl, 100, true)
		w.silent("web")
		fails("web", url, timedOut)
		reaches("neighbour")
		explains(1, "SUBNET_ACL_RESTRICTION", acl+"/32767", "on the way back")
		w.aclEntry(acl, 100, true, types.RuleActionAllow, "10.0.1.0/24", ephemeralFrom, ephemeralTo)
		w.alive("web")
		reaches("web")

		// The lowest number decides.
		w.aclEntry(acl, 90, true, types.RuleActionDeny, "10.0.0.0/16", ephemeralFrom, ephemeralTo)
		w.silent("web")
		explains(1, "SUBNET_ACL_RESTRICTION", acl+"/90", "on the way back")
		must(c.ReplaceNetworkAclEntry(tctx(t), &ec2.ReplaceNetworkAclEntryInput{
			NetworkAclId: &acl, RuleNumber: aws.Int32(90), Egress: aws.Bool(true), RuleAction: types.RuleActionDeny, Protocol: aws.String("-1"), CidrBlock: aws.String("10.0.3.0/24"),
		}))(t)
		w.alive("web")
		reaches("web")
		explains(0, acl+"/100")

		// The default ACL lets everything pass, from the next packet on.
		w.giveAcl(back, open)
		fails("web", elsewhere, refused)
		w.giveAcl(back, acl)
		fails("web", elsewhere, timedOut)
		w.alive("web")

		before := w.kernel()
		if jump := "jump " + strings.ReplaceAll(acl, "-", "_") + "_out"; !strings.Contains(before, jump) {
			t.Errorf("the kernel's text has no %q:\n%s", jump, before)
		}
		if err := syscall.Kill(w.engine(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if after := w.kernel(); after != before {
			t.Errorf("the kernel's text differs after the engine was killed:\n%s", difference(before, after))
		}
		w.alive("web")
		fails("web", elsewhere, timedOut)
	})
}

const terraformAcls = `
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
provider "aws" {
  region                  = "us-east-1"
  skip_metadata_api_check = true
}
resource "aws_vpc" "main" { cidr_block = "10.3.0.0/16" }
resource "aws_subnet" "a" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.3.1.0/24"
}
resource "aws_subnet" "b" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.3.2.0/24"
}
resource "aws_subnet" "c" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.3.3.0/24"
}
resource "aws_network_acl" "web" {
  vpc_id     = aws_vpc.main.id
  subnet_ids = [aws_subnet.a.id, aws_subnet.b.id]
  ingress {
    rule_no    = 100
    action     = "allow"
    protocol   = "tcp"
    cidr_block = "0.0.0.0/0"
    from_port  = 443
    to_port    = 443
  }
  ingress {
    rule_no    = 110
    action     = "allow"
    protocol   = "icmp"
    cidr_block = "10.0.0.0/8"
    icmp_type  = 8
    icmp_code  = -1
    from_port  = 0
    to_port    = 0
  }
  ingress {
    rule_no         = 120
    action          = "deny"
    protocol        = "udp"
    ipv6_cidr_block = "2001:db8::/32"
    from_port       = 53
    to_port         = 53
  }
  egress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }
  tags = { Name = "web" }
}
resource "aws_network_acl" "rules" { vpc_id = aws_vpc.main.id }
resource "aws_network_acl_association" "c" {
  network_acl_id = aws_network_acl.rules.id
  subnet_id      = aws_subnet.c.id
}
resource "aws_network_acl_rule" "port" {
  network_acl_id = aws_network_acl.rules.id
  rule_number    = 200
  rule_action    = "allow"
  protocol       = "tcp"
  cidr_block     = "10.3.1.0/24"
  from_port      = var.port
  to_port        = var.port
}
resource "aws_network_acl_rule" "ping" {
  network_acl_id = aws_network_acl.rules.id
  rule_number    = 210
  egress         = true
  rule_action    = "allow"
  protocol       = "icmp"
  cidr_block     = "10.3.0.0/16"
  icmp_type      = -1
  icmp_code      = -1
}
resource "aws_network_acl_rule" "all" {
  network_acl_id = aws_network_acl.rules.id
  rule_number    = 220
  egress         = true
  rule_action    = "deny"
  protocol       = "all"
  cidr_block     = "10.9.0.0/16"
}
resource "aws_default_network_acl" "default" {
  default_network_acl_id = aws_vpc.main.default_network_acl_id
  ingress {
    rule_no    = 50
    action     = "allow"
    protocol   = "-1"
    cidr_block = "10.3.0.0/16"
    from_port  = 0
    to_port    = 0
  }
}
variable "port" { default = 5432 }
output "rules" { value = aws_network_acl.rules.id }
output "c" { value = aws_subnet.c.id }
`

// TestTerraformAcls: ACLs with blocks, with rules of their own, with
// associations, and the default one taken over; a changed rule is made anew;
// plans are empty afterwards; destroy leaves nothing.
func TestTerraformAcls(t *testing.T) {
	t.Parallel()
	needPackets(t)
	have(t, "terraform")
	mirrors := pluginFolders()
	if len(mirrors) == 0 {
		t.Skip("there is no folder with the AWS provider for terraform")
	}
	w := (&world{uid: os.Getuid()}).up(t, "--ephemeral", "--no-default-vpc")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.tf":      terraformAcls,
		"terraform.rc": "provider_installation {\n  filesystem_mirror { path = \"" + mirrors[0] + "\" }\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	terraform := func(args ...string) string {
		t.Helper()
		return w.run(dir, "terraform", append(args, "-no-color")...)
	}
	terraform("init", "-input=false")
	for _, port := range []string{"5432", "5433"} {
		terraform("apply", "-auto-approve", "-input=false", "-var", "port="+port)
		// -detailed-exitcode makes a plan that is not empty fail.
		terraform("plan", "-detailed-exitcode", "-input=false", "-var", "port="+port)
		rules := terraform("output", "-raw", "rules")
		if acl, _ := w.aclOf(terraform("output", "-raw", "c")); acl != rules {
			t.Errorf("subnet c has %s, want %s", acl, rules)
		}
		out := must(w.ec2.DescribeNetworkAcls(tctx(t), &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{rules}}))(t)
		for _, e := range out.NetworkAcls[0].Entries {
			if *e.RuleNumber == 200 && fmt.Sprint(*e.PortRange.From) != port {
				t.Errorf("rule 200 is for port %d, want %s", *e.PortRange.From, port)
			}
		}
	}
	terraform("destroy", "-auto-approve", "-input=false")
	if acls := must(w.ec2.DescribeNetworkAcls(tctx(t), &ec2.DescribeNetworkAclsInput{}))(t).NetworkAcls; len(acls) != 0 {
		t.Errorf("%d ACLs are left", len(acls))
	}
}
