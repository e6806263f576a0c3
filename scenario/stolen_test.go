package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	dns "github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// roleCredentials are what an instance's metadata says.
type roleCredentials struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	Expiration      time.Time
}

func (w *world) roleCredentials(instance, role string) (c roleCredentials) {
	w.t.Helper()
	_, body := w.metadata(instance, "meta-data/iam/security-credentials/"+role)
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		w.t.Fatalf("%v: %s", err, body)
	}
	return c
}

// route53 and compute are the stock SDK with credentials of somebody.
func (c roleCredentials) route53(w *world) *route53.Client {
	return route53.New(route53.Options{Region: "us-east-1", BaseEndpoint: &w.URL, Retryer: retry.NewStandard(brokenOff),
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.Token)})
}

func (c roleCredentials) compute(w *world) *ec2.Client {
	return ec2.New(ec2.Options{Region: "us-east-1", BaseEndpoint: &w.URL, Retryer: retry.NewStandard(brokenOff),
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.Token)})
}

// curl asks AWS from an outside host with the credentials, and gives what is answered.
func (c roleCredentials) curl(w *world, host, service, url string) string {
	w.t.Helper()
	out, _ := w.cli("exec", host, "--", "curl", "-sS", "-m", "20", "--aws-sigv4", "aws:amz:us-east-1:"+service,
		"--user", c.AccessKeyID+":"+c.SecretAccessKey, "-H", "X-Amz-Security-Token: "+c.Token, url)
	return out
}

// change is a batch with one A record.
func change(action dns.ChangeAction, name, addr string) *dns.ChangeBatch {
	return &dns.ChangeBatch{Changes: []dns.Change{{Action: action, ResourceRecordSet: &dns.ResourceRecordSet{
		Name: &name, Type: dns.RRTypeA, TTL: aws.Int64(60), ResourceRecords: []dns.ResourceRecord{{Value: &addr}},
	}}}}
}

// TestS3StolenCredentials is the end of scenario S3's step 5: credentials taken out
// of an instance's metadata work for whoever has them, from the internet and from
// elsewhere, until they expire, and not after. The instance has fresh ones by then.
func TestS3StolenCredentials(t *testing.T) {
	have(t, "aws")
	have(t, "getent")
	have(t, "curl")
	needPackets(t)
	w := (&world{uid: os.Getuid()}).up(t, "--ephemeral", "--role-session-duration", "12")
	s := stageNames(t, w, agentPolicy, "ec2.example.com")
	const name = "webdev1.ec2.example.com"
	s.named("one", name, "")
	w.says("internet", "true") // the thief's machine
	const zones = "https://route53.amazonaws.com/2013-04-01/hostedzone"
	const instances = "https://ec2.us-east-1.amazonaws.com/?Action=DescribeInstances&Version=2016-11-15"

	stolen := w.roleCredentials("one", "dyndns")
	if left := time.Until(stolen.Expiration); left > 12*time.Second {
		t.Errorf("the credentials last %s yet", left)
	}
	try := func(c roleCredentials) error {
		_, err := c.route53(w).ChangeResourceRecordSets(tctx(t), &route53.ChangeResourceRecordSetsInput{
			HostedZoneId: aws.String(s.zones["ec2.example.com"]), ChangeBatch: change(dns.ChangeActionUpsert, name, "203.0.113.66"),
		})
		return err
	}
	if err := try(stolen); err != nil {
		t.Errorf("before they expire: %v", err)
	}
	s.finds(name, "203.0.113.66")
	if out := stolen.curl(w, "internet", "route53", zones); !strings.Contains(out, "<Name>ec2.example.com.</Name>") {
		t.Errorf("from the internet, before they expire: %s", out)
	}
	if out := stolen.curl(w, "internet", "ec2", instances); !strings.Contains(out, "<Code>UnauthorizedOperation</Code>") {
		t.Errorf("EC2 from the internet, before they expire: %s", out)
	}

	// They work until their time is over; long before, the instance is told others.
	var fresh roleCredentials
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	var err error
	for time.Now().Before(stolen.Expiration.Add(20 * time.Second)) {
		asked := time.Now()
		if err = try(stolen); err != nil {
			if asked.Before(stolen.Expiration.Add(-time.Second)) {
				t.Fatalf("%s before they expire: %v", time.Until(stolen.Expiration), err)
			}
			break
		}
		if asked.After(stolen.Expiration.Add(time.Second)) {
			t.Fatal("they work after they have expired")
		}
		if fresh.AccessKeyID == "" || fresh.AccessKeyID == stolen.AccessKeyID {
			if fresh = w.roleCredentials("one", "dyndns"); fresh.AccessKeyID != stolen.AccessKeyID && time.Now().After(stolen.Expiration) {
				t.Error("fresh credentials came when the former ones had expired")
			}
		}
		<-ticker.C
	}
	if code(err) != "ExpiredToken" || !strings.Contains(err.Error(), "The security token included in the request is expired") {
		t.Errorf("after they have expired: %v", err)
	}
	if !fresh.Expiration.After(stolen.Expiration) {
		t.Errorf("the instance has no fresh credentials: %s, then %s", stolen.Expiration, fresh.Expiration)
	}
	_, err = stolen.compute(w).DescribeInstances(tctx(t), &ec2.DescribeInstancesInput{})
	if code(err) != "RequestExpired" {
		t.Errorf("EC2 after they have expired: %v", err)
	}
	if out := stolen.curl(w, "internet", "route53", zones); !strings.Contains(out, "<Code>ExpiredToken</Code>") {
		t.Errorf("from the internet, after they have expired: %s", out)
	}
	if out := stolen.curl(w, "internet", "ec2", instances); !strings.Contains(out, "<Code>RequestExpired</Code>") {
		t.Errorf("EC2 from the internet, after they have expired: %s", out)
	}
	if out := w.signed(stolen.AccessKeyID, stolen.SecretAccessKey, stolen.Token)("sts", "get-caller-identity"); !strings.Contains(out, "ExpiredToken") {
		t.Errorf("the AWS CLI, after they have expired: %s", out)
	}
	if err := try(w.roleCredentials("one", "dyndns")); err != nil {
		t.Errorf("fresh credentials: %v", err)
	}
	// The agent in the instance never notices.
	out, code := s.agent("one")
	if code != 0 || !strings.HasPrefix(out, "setting "+name+" to ") {
		t.Errorf("the agent: exit code %d, %s", code, out)
	}
}

// TestS3NothingElse: with its role an instance cannot change another zone, delete
// one, look into EC2, or become somebody: each is AWS's own refusal, and nothing is
// changed.
func TestS3NothingElse(t *testing.T) {
	have(t, "aws")
	have(t, "getent")
	have(t, "curl")
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		s := stageNames(t, w, agentPolicy, "example.com", "ec2.example.com")
		one := s.named("one", "webdev1.ec2.example.com", "")
		text := must(os.ReadFile(filepath.Join("testdata", "role.sh")))(t)
		put := w.command("exec", "one", "--", "/bin/sh", "-c", "cat > /run/role.sh")
		put.Stdin = bytes.NewReader(text)
		if out, err := put.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		const zones = "https://route53.amazonaws.com/2013-04-01/hostedzone/"
		record := func(name string) string {
			return `'<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeBatch><Changes><Change><Action>UPSERT</Action><ResourceRecordSet><Name>` + name +
				`</Name><Type>A</Type><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>203.0.113.66</Value></ResourceRecord></ResourceRecords></ResourceRecordSet></Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>'`
		}
		own, parent := s.zones["ec2.example.com"], s.zones["example.com"]
		me := "User: arn:aws:sts::000000000000:assumed-role/dyndns/" + *one.InstanceId + " is not authorized to perform: "
		form := func(service, version, action string) string {
			return service + " -d 'Action=" + action + "&Version=" + version + "' https://" + map[string]string{"ec2": "ec2.us-east-1", "iam": "iam", "sts": "sts.us-east-1"}[service] + ".amazonaws.com/"
		}
		for _, row := range []struct {
			name, line, status string
			has                []string
		}{
			{"its own zone", "route53 -H 'Content-Type: text/xml' -d " + record("webdev1.ec2.example.com") + " " + zones + own + "/rrset/", "200", []string{"<ChangeInfo>"}},
			{"the parent zone", "route53 -H 'Content-Type: text/xml' -d " + record("www.example.com") + " " + zones + parent + "/rrset/", "403",
				[]string{"<Code>AccessDenied</Code>", me + "route53:ChangeResourceRecordSets on resource: arn:aws:route53:::hostedzone/" + parent + " because no identity-based policy allows the route53:ChangeResourceRecordSets action"}},
			{"deleting its zone", "route53 -X DELETE " + zones + own, "403", []string{"<Code>AccessDenied</Code>", me + "route53:DeleteHostedZone on resource: arn:aws:route53:::hostedzone/" + own}},
			{"deleting the parent zone", "route53 -X DELETE " + zones + parent, "403", []string{"<Code>AccessDenied</Code>", me + "route53:DeleteHostedZone"}},
			{"looking into EC2", form("ec2", "2016-11-15", "DescribeInstances"), "403", []string{"<Code>UnauthorizedOperation</Code>", "You are not authorized to perform this operation. " + me + "ec2:DescribeInstances"}},
			{"ending itself", form("ec2", "2016-11-15", "TerminateInstances&InstanceId.1="+*one.InstanceId), "403", []string{"<Code>UnauthorizedOperation</Code>", me + "ec2:TerminateInstances", "Encoded authorization failure message: "}},
			{"opening a port", form("ec2", "2016-11-15", "AuthorizeSecurityGroupIngress&GroupName=default&IpProtocol=tcp&FromPort=22&ToPort=22&CidrIp=0.0.0.0/0"), "403", []string{"<Code>UnauthorizedOperation</Code>"}},
			{"making itself a user", form("iam", "2010-05-08", "CreateUser&UserName=eve"), "403", []string{"<Code>AccessDenied</Code>", me + "iam:CreateUser on resource: arn:aws:iam::000000000000:user/eve"}},
			{"giving itself more", form("iam", "2010-05-08", "AttachRolePolicy&RoleName=dyndns&PolicyArn=arn:aws:iam::aws:policy/AdministratorAccess"), "403", []string{"<Code>AccessDenied</Code>", me + "iam:AttachRolePolicy"}},
			{"assuming itself again", form("sts", "2011-06-15", "AssumeRole&RoleArn=arn:aws:iam::000000000000:role/dyndns&RoleSessionName=eve"), "403", []string{"<Code>AccessDenied</Code>", me + "sts:AssumeRole"}},
			{"saying who it is", form("sts", "2011-06-15", "GetCallerIdentity"), "200", []string{":assumed-role/dyndns/" + *one.InstanceId}},
		} {
			out, exit := w.in("one", "sh /run/role.sh "+row.line)
			if exit != 0 || !strings.Contains(out, "\nstatus "+row.status+"\n") {
				t.Errorf("%s: exit code %d, want status %s: %s", row.name, exit, row.status, out)
			}
			for _, has := range row.has {
				if !strings.Contains(out, has) {
					t.Errorf("%s: %s\ndoes not say %s", row.name, out, has)
				}
			}
		}
		s.finds("webdev1.ec2.example.com", "203.0.113.66")
		s.finds("www.example.com", "")
		if list := must(s.dns.ListHostedZones(context.Background(), &route53.ListHostedZonesInput{}))(t).HostedZones; len(list) != 2 {
			t.Errorf("%d zones are left of 2", len(list))
		}
		w.running(w.ec2, *one.InstanceId)

		// A policy keeps credentials to the instance's own address, and to those who got
		// them with a token.
		deny := `{"Version":"2012-10-17","Statement":[
			{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"` + *one.PublicIpAddress + `"}}},
			{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"NumericLessThan":{"ec2:RoleDelivery":"2.0"}}},
			{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:Ec2InstanceSourceVpc":"` + *one.VpcId + `"}}}]}`
		if out := w.signed("test", "test", "")("iam", "put-role-policy", "--role-name", "dyndns", "--policy-name", "here", "--policy-document", deny); out != "" {
			t.Fatal(out)
		}
		if out := w.says("one", "sh /run/role.sh route53 "+zones); !strings.Contains(out, "<Name>ec2.example.com.</Name>") {
			t.Errorf("from the instance: %s", out)
		}
		stolen := w.roleCredentials("one", "dyndns")
		if out := stolen.curl(w, "internet", "route53", zones); !strings.Contains(out, "is not authorized to perform: route53:ListHostedZones") || !strings.Contains(out, "with an explicit deny in an identity-based policy") {
			t.Errorf("from another machine: %s", out)
		}
	})
}
