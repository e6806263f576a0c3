package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53 "github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// dns is the stock AWS SDK for Route 53, which is global.
func (w *world) dns(key string) *route53.Client {
	return route53.New(route53.Options{
		Region: "us-east-1", BaseEndpoint: &w.URL,
		Credentials: credentials.NewStaticCredentialsProvider(key, "test", ""),
		Retryer:     retry.NewStandard(brokenOff),
	})
}

// TestS7PrivateZone is step 3 of scenario S7 within one Region: a private zone
// with a CNAME to an internal name, associated with two VPCs, is known in both; in
// a third one, and where DNS support or hostnames are off, it is not.
func TestS7PrivateZone(t *testing.T) {
	have(t, "getent")
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		c, dns := w.ec2, w.dns("test")
		home, subnet := w.vpc(c, "172.30.0.0/16", "172.30.0.0/24")
		second, secondSubnet := w.vpc(c, "172.31.0.0/16", "172.31.0.0/24")
		_, thirdSubnet := w.vpc(c, "10.0.0.0/16", "10.0.0.0/24")
		group := w.group(c, home, "web")
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: fromGroup(group, 80)}))(t)
		server := w.launch(c, "say-hello", subnet, []string{group}, sayHello)
		w.launch(c, "one", subnet, []string{group}, "")
		w.launch(c, "two", secondSubnet, nil, "")
		w.launch(c, "three", thirdSubnet, nil, "")

		region := r53.VPCRegionUsEast1
		zone := must(dns.CreateHostedZone(tctx(t), &route53.CreateHostedZoneInput{
			Name: aws.String("internal"), CallerReference: aws.String("s7"), VPC: &r53.VPC{VPCId: &home, VPCRegion: region}}))(t).HostedZone
		in := func(instance, want string) {
			t.Helper()
			out, code := w.in(instance, "RES_OPTIONS='timeout:1 attempts:1' getent hosts api.internal")
			if got := strings.Join(strings.Fields(out), " "); want == "" && code != 2 || want != "" && (code != 0 || !strings.HasPrefix(got, want+" ")) {
				t.Errorf("%s: %q, exit code %d, want %q", instance, got, code, want)
			}
		}
		in("one", "")
		changed := must(dns.ChangeResourceRecordSets(tctx(t), &route53.ChangeResourceRecordSetsInput{HostedZoneId: zone.Id, ChangeBatch: &r53.ChangeBatch{
			Changes: []r53.Change{{Action: r53.ChangeActionCreate, ResourceRecordSet: &r53.ResourceRecordSet{
				Name: aws.String("api.internal"), Type: r53.RRTypeCname, TTL: aws.Int64(60), ResourceRecords: []r53.ResourceRecord{{Value: server.PrivateDnsName}}}}},
		}}))(t)
		waiter := route53.NewResourceRecordSetsChangedWaiter(dns)
		if err := waiter.Wait(tctx(t), &route53.GetChangeInput{Id: changed.ChangeInfo.Id}, time.Minute); err != nil {
			t.Fatal(err)
		}
		address := *server.PrivateIpAddress
		in("one", address)
		in("two", "")
		if out, code := w.cli("exec", "one", "--", "localvpc", "guest", "get", "--wait", "20", "-m", "5", "http://api.internal/say-hello?name=Angela"); code != 0 || strings.TrimSpace(out) != "Hello, Angela!" {
			t.Errorf("from its VPC: %q, exit code %d", out, code)
		}
		must(dns.AssociateVPCWithHostedZone(tctx(t), &route53.AssociateVPCWithHostedZoneInput{HostedZoneId: zone.Id, VPC: &r53.VPC{VPCId: &second, VPCRegion: region}}))(t)
		in("two", address)
		in("three", "")

		// Both attributes of the VPC are needed.
		hostnames := func(on bool) *ec2.ModifyVpcAttributeInput {
			return &ec2.ModifyVpcAttributeInput{VpcId: &second, EnableDnsHostnames: &types.AttributeBooleanValue{Value: &on}}
		}
		support := func(on bool) *ec2.ModifyVpcAttributeInput {
			return &ec2.ModifyVpcAttributeInput{VpcId: &second, EnableDnsSupport: &types.AttributeBooleanValue{Value: &on}}
		}
		must(c.ModifyVpcAttribute(tctx(t), hostnames(false)))(t)
		in("two", "")
		in("one", address)
		must(c.ModifyVpcAttribute(tctx(t), hostnames(true)))(t)
		in("two", address)
		must(c.ModifyVpcAttribute(tctx(t), hostnames(false)))(t)
		must(c.ModifyVpcAttribute(tctx(t), support(false)))(t)
		in("two", "")
		must(c.ModifyVpcAttribute(tctx(t), support(true)))(t)
		must(c.ModifyVpcAttribute(tctx(t), hostnames(true)))(t)
		in("two", address)

		must(dns.DisassociateVPCFromHostedZone(tctx(t), &route53.DisassociateVPCFromHostedZoneInput{HostedZoneId: zone.Id, VPC: &r53.VPC{VPCId: &second, VPCRegion: region}}))(t)
		in("two", "")
		in("one", address)
	})
}

// TestPrivateZoneOfAnotherAccount: the owner of a zone authorizes a VPC, whose
// owner associates it.
func TestPrivateZoneOfAnotherAccount(t *testing.T) {
	w := (&world{uid: os.Getuid()}).up(t, "--ephemeral", "--no-packets")
	const owner, guest = "111111111111", "222222222222"
	own, other := w.dns(owner), w.dns(guest)
	vpcOf := func(key, cidr string) *r53.VPC {
		t.Helper()
		v := must(w.client("us-east-1", key).CreateVpc(tctx(t), &ec2.CreateVpcInput{CidrBlock: &cidr}))(t)
		return &r53.VPC{VPCId: v.Vpc.VpcId, VPCRegion: r53.VPCRegionUsEast1}
	}
	zone := must(own.CreateHostedZone(tctx(t), &route53.CreateHostedZoneInput{Name: aws.String("corp.test"), CallerReference: aws.String("1"), VPC: vpcOf(owner, "10.0.0.0/16")}))(t).HostedZone
	theirs := vpcOf(guest, "10.1.0.0/16")
	associate := &route53.AssociateVPCWithHostedZoneInput{HostedZoneId: zone.Id, VPC: theirs}
	if _, err := other.AssociateVPCWithHostedZone(tctx(t), associate); code(err) != "NotAuthorizedException" {
		t.Errorf("before it is authorized: %v", err)
	}
	must(own.CreateVPCAssociationAuthorization(tctx(t), &route53.CreateVPCAssociationAuthorizationInput{HostedZoneId: zone.Id, VPC: theirs}))(t)
	must(other.AssociateVPCWithHostedZone(tctx(t), associate))(t)
	must(own.DeleteVPCAssociationAuthorization(tctx(t), &route53.DeleteVPCAssociationAuthorizationInput{HostedZoneId: zone.Id, VPC: theirs}))(t)
	list := must(other.ListHostedZonesByVPC(tctx(t), &route53.ListHostedZonesByVPCInput{VPCId: theirs.VPCId, VPCRegion: theirs.VPCRegion}))(t).HostedZoneSummaries
	if len(list) != 1 || *list[0].Name != "corp.test." || *list[0].Owner.OwningAccount != owner {
		t.Errorf("the VPC has the zones %+v", list)
	}
	if _, err := other.GetHostedZone(tctx(t), &route53.GetHostedZoneInput{Id: zone.Id}); code(err) != "NoSuchHostedZone" {
		t.Errorf("another account's zone: %v", err)
	}
}

const botoZones = `
import boto3, botocore, sys
r = boto3.client("route53")
for i in range(3):
    r.create_hosted_zone(Name="z%d.example.test" % i, CallerReference="boto-%d" % i)
zones = [z for page in r.get_paginator("list_hosted_zones").paginate(PaginationConfig={"PageSize": 2}) for z in page["HostedZones"]]
names = [z["Name"] for z in r.list_hosted_zones_by_name()["HostedZones"]]
assert len(zones) == 3 and names == ["z0.example.test.", "z1.example.test.", "z2.example.test."], names
zone = zones[0]["Id"]
apex = zones[0]["Name"]
def change(action, name, values, **more):
    return {"Action": action, "ResourceRecordSet": dict(Name=name, Type="A", TTL=60, ResourceRecords=[{"Value": v} for v in values], **more)}
batch = [change("CREATE", "n%03d.%s" % (i, apex), ["192.0.2.1"]) for i in range(350)]
info = r.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": batch})["ChangeInfo"]
assert info["Status"] == "PENDING"
r.get_waiter("resource_record_sets_changed").wait(Id=info["Id"])
sets = [s for page in r.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone) for s in page["ResourceRecordSets"]]
assert len(sets) == 352 and [s["Type"] for s in sets[:2]] == ["NS", "SOA"] and sets[2]["Name"] == "n000." + apex
try:
    r.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change("CREATE", "new." + apex, ["192.0.2.1"]), batch[0], change("DELETE", "gone." + apex, ["192.0.2.1"])]})
    sys.exit("accepted")
except r.exceptions.InvalidChangeBatch as e:
    print(e.response["Error"]["Message"].replace(apex, "ZONE"))
assert r.get_hosted_zone(Id=zone)["HostedZone"]["ResourceRecordSetCount"] == 352
for i in range(0, 350, 100):
    r.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [dict(b, Action="DELETE") for b in batch[i:i+100]]})
for z in zones:
    r.delete_hosted_zone(Id=z["Id"])
assert r.get_hosted_zone_count()["HostedZoneCount"] == 0
`

// TestRoute53Boto3: paging, waiters and the text of a refused batch in boto3.
func TestRoute53Boto3(t *testing.T) {
	have(t, "python3")
	w := (&world{uid: os.Getuid()}).up(t, "--ephemeral", "--no-packets")
	dir := t.TempDir()
	if out, err := w.try(dir, "python3", "-c", "import boto3"); err != nil {
		t.Skipf("boto3 is not installed: %s", out)
	}
	want := "[Tried to create resource record set [name='n000.ZONE', type='A'] but it already exists, " +
		"Tried to delete resource record set [name='gone.ZONE', type='A'] but it was not found]"
	if got := w.run(dir, "python3", "-c", botoZones); got != want {
		t.Errorf("a refused batch says\n     %s\nwant %s", got, want)
	}
}

// TestRoute53CLI: the stock AWS CLI, with ids as answers show them.
func TestRoute53CLI(t *testing.T) {
	have(t, "aws")
	w := (&world{uid: os.Getuid()}).up(t, "--ephemeral", "--no-packets")
	dir := t.TempDir()
	aws := func(args ...string) string {
		t.Helper()
		return w.run(dir, "aws", append(append([]string{"route53"}, args...), "--output", "text")...)
	}
	zone := aws("create-hosted-zone", "--name", "Example.test", "--caller-reference", "1", "--query", "HostedZone.Id")
	id := strings.TrimPrefix(zone, "/hostedzone/")
	batch := `{"Changes":[
		{"Action":"CREATE","ResourceRecordSet":{"Name":"*.example.test","Type":"A","TTL":60,"ResourceRecords":[{"Value":"192.0.2.1"}]}},
		{"Action":"CREATE","ResourceRecordSet":{"Name":"example.test","Type":"A","AliasTarget":{"HostedZoneId":"` + id + `","DNSName":"\\052.example.test","EvaluateTargetHealth":false}}}]}`
	if err := os.WriteFile(filepath.Join(dir, "batch.json"), []byte(batch), 0o644); err != nil {
		t.Fatal(err)
	}
	change := aws("change-resource-record-sets", "--hosted-zone-id", zone, "--change-batch", "file://batch.json", "--query", "ChangeInfo.Id")
	aws("wait", "resource-record-sets-changed", "--id", change)
	if got := aws("list-resource-record-sets", "--hosted-zone-id", id, "--query", "ResourceRecordSets[].[Name,Type]"); strings.Join(strings.Fields(got), " ") != `example.test. A example.test. NS example.test. SOA \052.example.test. A` {
		t.Errorf("the zone has %s", got)
	}
	if got := aws("test-dns-answer", "--hosted-zone-id", id, "--record-name", "example.test", "--record-type", "A", "--query", "[ResponseCode,RecordData[0]]"); strings.Join(strings.Fields(got), " ") != "NOERROR 192.0.2.1" {
		t.Errorf("the alias answers %s", got)
	}
	aws("change-tags-for-resource", "--resource-type", "hostedzone", "--resource-id", id, "--add-tags", "Key=a,Value=b")
	if got := aws("list-tags-for-resources", "--resource-type", "hostedzone", "--resource-ids", id, "--query", "ResourceTagSets[0].Tags[0].Value"); got != "b" {
		t.Errorf("the tag is %q", got)
	}
	if out, err := w.try(dir, "aws", "route53", "delete-hosted-zone", "--id", zone); err == nil || !strings.Contains(out, "(HostedZoneNotEmpty)") {
		t.Errorf("a zone that holds records: %v, %s", err, out)
	}
	if out, err := w.try(dir, "aws", "route53", "get-hosted-zone", "--id", "Z0"); err == nil || !strings.Contains(out, "No hosted zone found with ID: Z0") {
		t.Errorf("a zone that does not exist: %v, %s", err, out)
	}
}

// TestTerraformRoute53 applies terraform-route53: zones, records of every policy
// and many types, health checks, associations; then some of it changed. The plan
// after each is empty; destroy leaves nothing. It takes its time: the provider
// waits 10 seconds and more before it asks whether a change is in sync.
func TestTerraformRoute53(t *testing.T) {
	t.Parallel()
	have(t, "terraform")
	mirrors := pluginFolders()
	if len(mirrors) == 0 {
		t.Skip("there is no folder with the AWS provider for terraform")
	}
	w := (&world{uid: os.Getuid()}).up(t, "--ephemeral", "--no-packets")
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("terraform-route53")); err != nil {
		t.Fatal(err)
	}
	rc := "provider_installation {\n  filesystem_mirror { path = \"" + mirrors[0] + "\" }\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "terraform.rc"), []byte(rc), 0o644); err != nil {
		t.Fatal(err)
	}
	w.run(dir, "terraform", "init", "-input=false", "-no-color")
	w.run(dir, "terraform", "apply", "-auto-approve", "-input=false", "-no-color", "-parallelism=50")
	for _, output := range []string{"private", "same_servers"} {
		if got := w.run(dir, "terraform", "output", "-raw", output); got != "true" {
			t.Errorf("%s is %s", output, got)
		}
	}
	w.run(dir, "terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color")
	w.run(dir, "terraform", "apply", "-auto-approve", "-input=false", "-no-color", "-parallelism=50", "-var", "n=2")
	w.run(dir, "terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color", "-var", "n=2")
	w.run(dir, "terraform", "destroy", "-auto-approve", "-input=false", "-no-color", "-parallelism=50", "-var", "n=2")
	dns := w.dns("test")
	zones := must(dns.ListHostedZones(tctx(t), &route53.ListHostedZonesInput{}))(t).HostedZones
	checks := must(dns.ListHealthChecks(tctx(t), &route53.ListHealthChecksInput{}))(t).HealthChecks
	sets := must(dns.ListReusableDelegationSets(tctx(t), &route53.ListReusableDelegationSetsInput{}))(t).DelegationSets
	if len(zones)+len(checks)+len(sets) != 0 {
		t.Errorf("%d zones, %d health checks and %d delegation sets are left", len(zones), len(checks), len(sets))
	}
}
