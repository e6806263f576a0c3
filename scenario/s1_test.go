package scenario

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	r53 "github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// echo keeps an echo server on port 5432.
const echo = "#!/bin/sh\nsetsid localvpc guest serve --addr :5432 --text db >/var/log/db.log 2>&1 &\n"

// TestS1Groups is the group half of scenario S1 within one VPC: db takes port
// 5432 from members of app, by reference; nobody else gets through; membership
// and rules act from the next connection on.
func TestS1Groups(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		c := w.ec2
		vpc, subnet := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		app, db, other := w.group(c, vpc, "app"), w.group(c, vpc, "db"), w.group(c, vpc, "other")
		rule := must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &db, IpPermissions: fromGroup(app, 5432)}))(t)
		db1 := w.launch(c, "db1", subnet, []string{db}, echo)
		w.launch(c, "app1", subnet, []string{app}, "")
		w.launch(c, "stranger", subnet, []string{other}, "")
		url := "http://" + *db1.PrivateDnsName + ":5432/"

		if out, code := w.cli("exec", "app1", "--", "localvpc", "guest", "get", "--wait", "20", "-m", "5", url); code != 0 || strings.TrimSpace(out) != "db" {
			t.Fatalf("a member of app: %q, exit code %d", out, code)
		}
		if out, code := w.get("stranger", url, 1); code != timedOut {
			t.Errorf("somebody else: %q, exit code %d, want no answer", out, code)
		}
		if out, code := w.get("app1", "http://"+*db1.PrivateIpAddress+":80/", 1); code != timedOut {
			t.Errorf("another port: %q, exit code %d, want no answer", out, code)
		}
		if out, code := w.cli("explain", "app1", "db1:5432"); code != 0 || !strings.Contains(out, *rule.SecurityGroupRules[0].SecurityGroupRuleId) {
			t.Errorf("explain, reachable: exit code %d\n%s", code, out)
		}
		if out, code := w.cli("explain", "stranger", "db1:5432"); code != 1 || !strings.Contains(out, "ENI_SG_RULES_MISMATCH") || !strings.Contains(out, db) {
			t.Errorf("explain, not reachable: exit code %d\n%s", code, out)
		}

		// The stranger becomes a member, and is one at once.
		eni := ""
		out := must(c.DescribeInstances(tctx(t), &ec2.DescribeInstancesInput{Filters: []types.Filter{{Name: aws.String("tag:Name"), Values: []string{"stranger"}}}}))(t)
		eni = *out.Reservations[0].Instances[0].NetworkInterfaces[0].NetworkInterfaceId
		must(c.ModifyNetworkInterfaceAttribute(tctx(t), &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: &eni, Groups: []string{other, app}}))(t)
		if out, code := w.get("stranger", url, 5); code != 0 || out != "db" {
			t.Errorf("after joining app: %q, exit code %d", out, code)
		}

		// Revoked: a connection that is open goes on, the next one gets no answer.
		must(c.RevokeSecurityGroupIngress(tctx(t), &ec2.RevokeSecurityGroupIngressInput{GroupId: &db, SecurityGroupRuleIds: []string{*rule.SecurityGroupRules[0].SecurityGroupRuleId}}))(t)
		for _, from := range []string{"app1", "stranger"} {
			if out, code := w.get(from, url, 1); code != timedOut {
				t.Errorf("%s after the rule was revoked: %q, exit code %d, want no answer", from, out, code)
			}
		}
		if out, code := w.cli("explain", "app1", "db1:5432"); code != 1 || !strings.Contains(out, "SG_HAS_NO_RULES") && !strings.Contains(out, "ENI_SG_RULES_MISMATCH") {
			t.Errorf("explain after the rule was revoked: exit code %d\n%s", code, out)
		}
	})
}

// TestS1Addresses is scenario S1: a
// group sees public addresses through the gateway, so that a reference to a group
// matches by the private address and never by the Elastic IP; the public name
// leads to the one inside and to the other outside.
func TestS1Addresses(t *testing.T) {
	have(t, "getent") // the instance has the host's programs
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		c := w.ec2
		vpc, subnet := w.vpc(c, "10.0.0.0/16", "10.0.1.0/24")
		w.opened(c, vpc)
		app, db := w.group(c, vpc, "app"), w.group(c, vpc, "db")
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &db, IpPermissions: fromGroup(app, 5432)}))(t)
		db1 := w.start("db1", subnet, func(in *ec2.RunInstancesInput) {
			publicly(subnet, db)(in)
			in.UserData = script(strings.TrimPrefix(echo, "#!/bin/sh\n"))
		})
		w.start("app1", subnet, publicly(subnet, app))
		w.serving("db1", "5432")
		allocation, ip := w.elastic(c)
		must(c.AssociateAddress(tctx(t), &ec2.AssociateAddressInput{AllocationId: &allocation, InstanceId: db1.InstanceId}))(t)
		name := publicName("us-east-1", ip)

		w.reads("app1", ip+":5432", "")
		w.reads("internet", ip+":5432", "")
		w.reads("app1", name+":5432", "db")
		w.reads("internet", name+":5432", "") // where the name is the Elastic IP
		if out := strings.Fields(w.says("app1", "getent hosts "+name)); len(out) != 2 || out[0] != *db1.PrivateIpAddress {
			t.Errorf("inside, %s is %q, want %s", name, out, *db1.PrivateIpAddress)
		}
		if out := strings.Fields(w.says("app1", "getent hosts "+ip)); len(out) != 2 || out[1] != name {
			t.Errorf("inside, %s is called %q, want %s", ip, out, name)
		}

		// The explainer says what the gateway did, and by which name to come instead;
		// by that name it sees what the instance sees.
		public, private := *w.instance(w.id("app1")).PublicIpAddress, *w.instance(w.id("app1")).PrivateIpAddress
		out, code := w.cli("explain", "app1", ip+":5432")
		for _, want := range []string{
			private + " > " + ip + " becomes " + public + " > " + ip,
			public + " > " + ip + " becomes " + public + " > " + *db1.PrivateIpAddress,
			"came back from the public address " + public, "would match its private address " + private, "connect by the public DNS name " + name,
		} {
			if code != 1 || !strings.Contains(out, want) {
				t.Errorf("explain by the Elastic IP: exit code %d, want %q in\n%s", code, want, out)
			}
		}
		if out, code := w.cli("explain", "app1", name+":5432"); code != 0 || !strings.Contains(out, private+" > "+*db1.PrivateIpAddress) {
			t.Errorf("explain by the public name: exit code %d\n%s", code, out)
		}
		if out, code := w.cli("explain", public, "db1:5432"); code != 0 || !strings.Contains(out, private+" > "+*db1.PrivateIpAddress) {
			t.Errorf("explain from the public address: exit code %d\n%s", code, out)
		}
		if out, code := w.cli("explain", "app1", "nosuch.example.com:5432"); code != 2 || !strings.Contains(out, "nosuch.example.com has no address") {
			t.Errorf("explain to a name that does not exist: exit code %d\n%s", code, out)
		}
		if out, code := w.cli("explain", "internet", name+":5432"); code != 1 || !strings.Contains(out, " > "+ip) || strings.Contains(out, "connect by the public DNS name") {
			t.Errorf("explain by the public name, from the internet: exit code %d\n%s", code, out)
		}

		// The same by names of a public zone: an A record is the address for everybody,
		// a CNAME record on the public name is what that is for who asks.
		zone, _ := w.publicZone("example.com")
		byAddress := &r53.ResourceRecordSet{Name: aws.String("db.example.com"), Type: r53.RRTypeA, TTL: aws.Int64(60), ResourceRecords: []r53.ResourceRecord{{Value: &ip}}}
		w.changed(zone, r53.ChangeActionCreate, byAddress)
		w.finds("app1", "db.example.com", ip)
		w.finds("internet", "db.example.com", ip)
		w.reads("app1", "db.example.com:5432", "")
		w.reads("internet", "db.example.com:5432", "")
		if out, code := w.cli("explain", "app1", "db.example.com:5432"); code != 1 || !strings.Contains(out, "came back from the public address "+public) || !strings.Contains(out, "connect by the public DNS name "+name) {
			t.Errorf("explain by an A record: exit code %d\n%s", code, out)
		}
		w.changed(zone, r53.ChangeActionDelete, byAddress)
		w.upsert(zone, "db.example.com", r53.RRTypeCname, name)
		w.finds("app1", "db.example.com", *db1.PrivateIpAddress)
		w.finds("internet", "db.example.com", ip)
		w.reads("app1", "db.example.com:5432", "db")
		w.reads("internet", "db.example.com:5432", "")
		if out, code := w.cli("explain", "app1", "db.example.com:5432"); code != 0 || !strings.Contains(out, *db1.PrivateIpAddress) {
			t.Errorf("explain by a CNAME record: exit code %d\n%s", code, out)
		}
		for _, from := range []string{"app1", "internet"} {
			if out := strings.Fields(w.says(from, "getent hosts "+ip)); len(out) != 2 || out[1] != name {
				t.Errorf("from %s, %s is called %q, want %s", from, ip, out, name)
			}
		}

		// dig says the same, and what decided.
		zoneID := strings.TrimPrefix(zone, "/hostedzone/")
		for _, d := range []struct {
			args []string
			code int
			has  []string
		}{
			{[]string{"app1", "db.example.com"}, 0, []string{"NOERROR", "CNAME  " + name, "60  A      " + *db1.PrivateIpAddress, "the hosted zone " + zoneID + " has example.com.", "it goes on with " + name, "has the public address"}},
			{[]string{vpc, "DB.example.com", "A"}, 0, []string{*db1.PrivateIpAddress}},
			{[]string{"internet", "db.example.com"}, 0, []string{ip, "com. is delegated to a.gtld-servers.net.", "example.com. is delegated to ns-"}},
			{[]string{"internet", "db.example.com", "AAAA"}, 1, []string{"NODATA", "compute-1.amazonaws.com."}},
			{[]string{"internet", "nobody.example.com"}, 1, []string{"NXDOMAIN", "SOA"}},
			{[]string{"app1", "-x", ip}, 0, []string{"PTR", name}},
			{[]string{"205.251.201.1", "db.example.com"}, 1, []string{"NODATA", "NS"}}, // a referral of com's name server
			{[]string{"nowhere", "db.example.com"}, 2, []string{"nowhere"}},
			{[]string{"app1", "db..example.com"}, 2, []string{"is not a domain name"}},
			{[]string{"app1", "db.example.com", "AXFR"}, 2, []string{"none of the types"}},
			{[]string{"app1"}, 2, []string{"there is no name"}},
		} {
			out, code := w.cli(append([]string{"dig"}, d.args...)...)
			for _, want := range d.has {
				if code != d.code || !strings.Contains(out, want) {
					t.Errorf("dig %v: exit code %d, want %d and %q in\n%s", d.args, code, d.code, want, out)
				}
			}
		}

		// A rule for app1's public address is what lets it through by the gateway.
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &db, IpPermissions: []types.IpPermission{
			{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(5432), ToPort: aws.Int32(5432), IpRanges: []types.IpRange{{CidrIp: aws.String(public + "/32")}}}}}))(t)
		w.reads("app1", ip+":5432", "db")
		w.reads("internet", ip+":5432", "")
	})
}
