package scenario

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	dns "github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// atBoot has the agent run at every boot.
const atBoot = "#!/bin/sh\nprintf '#!/bin/sh\\nec2-dyndns\\n' > /etc/rc.local\nchmod +x /etc/rc.local\n/etc/rc.local\n"

// names is the stage of scenario S3: the zones and what the instances' profile may do.
type names struct {
	*world
	zones map[string]string // ids by name
	dns   *route53.Client
}

// agentPolicy lets an instance change the records of one zone, and what the agent
// needs to find it (README, "Dynamic DNS").
const agentPolicy = `{"Version":"2012-10-17","Statement":[
	{"Effect":"Allow","Action":["route53:ChangeResourceRecordSets","route53:ListResourceRecordSets"],"Resource":"arn:aws:route53:::hostedzone/ZONE"},
	{"Effect":"Allow","Action":["route53:ListHostedZones","route53:GetChange"],"Resource":"*"}]}`

func stageNames(t *testing.T, w *world, policy string, zones ...string) *names {
	s := &names{w, map[string]string{}, w.dns("test")}
	for _, name := range zones {
		z := must(s.dns.CreateHostedZone(tctx(t), &route53.CreateHostedZoneInput{Name: &name, CallerReference: aws.String("s3 " + name)}))(t)
		s.zones[name] = strings.TrimPrefix(*z.HostedZone.Id, "/hostedzone/")
		var servers []dns.ResourceRecord
		for _, server := range z.DelegationSet.NameServers {
			servers = append(servers, dns.ResourceRecord{Value: &server})
		}
		if _, parent, _ := strings.Cut(name, "."); s.zones[parent] != "" {
			must(s.dns.ChangeResourceRecordSets(tctx(t), &route53.ChangeResourceRecordSetsInput{
				HostedZoneId: aws.String(s.zones[parent]),
				ChangeBatch: &dns.ChangeBatch{Changes: []dns.Change{{Action: dns.ChangeActionCreate, ResourceRecordSet: &dns.ResourceRecordSet{
					Name: &name, Type: dns.RRTypeNs, TTL: aws.Int64(300), ResourceRecords: servers,
				}}}},
			}))(t)
		}
	}
	root := w.signed("test", "test", "")
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	for _, args := range [][]string{
		{"create-role", "--role-name", "dyndns", "--assume-role-policy-document", trust},
		{"put-role-policy", "--role-name", "dyndns", "--policy-name", "names", "--policy-document", strings.NewReplacer("ZONEID", s.zones["ec2.example.com"], "ZONE", s.zones["ec2.example.com"]).Replace(policy)},
		{"create-instance-profile", "--instance-profile-name", "dyndns"},
		{"add-role-to-instance-profile", "--instance-profile-name", "dyndns", "--role-name", "dyndns"},
	} {
		if out := root(append([]string{"iam"}, args...)...); strings.Contains(out, "rror") {
			t.Fatalf("%v: %s", args, out)
		}
	}
	return s
}

// named launches an instance in the default VPC with the profile and the tag.
func (s *names) named(name, tag, userData string, change ...func(*ec2.RunInstancesInput)) types.Instance {
	s.t.Helper()
	return s.start(name, "", func(in *ec2.RunInstancesInput) {
		in.SubnetId = nil
		in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Name: aws.String("dyndns")}
		in.MetadataOptions = &types.InstanceMetadataOptionsRequest{InstanceMetadataTags: types.InstanceMetadataTagsStateEnabled, HttpTokens: types.HttpTokensStateRequired}
		in.TagSpecifications[0].Tags = append(in.TagSpecifications[0].Tags, types.Tag{Key: aws.String("dnsname"), Value: &tag})
		if userData != "" {
			in.UserData = script(strings.TrimPrefix(userData, "#!/bin/sh\n"))
		}
		for _, fn := range change {
			fn(in)
		}
	})
}

// console waits until the console of an instance holds a text.
func (s *names) console(instance, text string) {
	s.t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	bound := time.After(30 * time.Second)
	for {
		out, _ := s.cli("logs", instance)
		if strings.Contains(out, text) {
			return
		}
		select {
		case <-ticker.C:
		case <-bound:
			s.t.Fatalf("the console of %s does not say %q:\n%s", instance, text, out)
		}
	}
}

// find is what the simulated internet finds under a name, "" for nothing.
func (s *names) find(name string) string {
	s.t.Helper()
	out, code := s.in("internet", "getent ahostsv4 "+name)
	if code != 0 {
		return ""
	}
	return strings.Fields(out)[0]
}

func (s *names) finds(name, want string) {
	s.t.Helper()
	if got := s.find(name); got != want {
		s.t.Errorf("the internet finds %s at %q, want %q", name, got, want)
	}
}

// agent runs the agent in an instance, by hand.
func (s *names) agent(instance string, args ...string) (string, int) {
	s.t.Helper()
	out, code := s.cli(append([]string{"exec", instance, "--", "ec2-dyndns"}, args...)...)
	return strings.TrimSpace(out), code
}

func (s *names) does(instance, want string, args ...string) {
	s.t.Helper()
	if out, code := s.agent(instance, args...); out != want || code != 0 {
		s.t.Errorf("%s: ec2-dyndns %v: %q, exit code %d, want %q", instance, args, out, code, want)
	}
}

func (s *names) refuses(instance, why string, args ...string) {
	s.t.Helper()
	if out, code := s.agent(instance, args...); !strings.Contains(out, why) || code == 0 || strings.Contains(out, "setting webdev1") && !strings.HasPrefix(out, "ec2-dyndns: ") {
		s.t.Errorf("%s: ec2-dyndns %v: %q, exit code %d, want it to say %q", instance, args, out, code, why)
	}
}

// TestS3DynamicDNS is scenario S3 with the agent: at boot an instance that has
// nothing but tag and profile sets its name, which the internet resolves from the
// root, and the name follows the instance through a stop.
func TestS3DynamicDNS(t *testing.T) {
	have(t, "aws")
	have(t, "getent")
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		s := stageNames(t, w, agentPolicy, "example.com", "ec2.example.com")
		const name = "webdev1.ec2.example.com"
		one := s.named("one", name, atBoot)
		id := *one.InstanceId
		s.console("one", "setting "+name+" to "+*one.PublicIpAddress+"\n")
		s.finds(name, *one.PublicIpAddress)

		must(w.ec2.StopInstances(tctx(t), &ec2.StopInstancesInput{InstanceIds: []string{id}}))(t)
		must(w.ec2.StartInstances(tctx(t), &ec2.StartInstancesInput{InstanceIds: []string{id}}))(t)
		again := w.running(w.ec2, id)
		if *again.PublicIpAddress == *one.PublicIpAddress {
			t.Errorf("the public address is %s still", *again.PublicIpAddress)
		}
		s.console("one", "setting "+name+" to "+*again.PublicIpAddress+"\n")
		s.finds(name, *again.PublicIpAddress)

		// Two instances with one name: the last one wins; CREATE is refused by Route 53.
		two := s.named("two", name, "")
		s.does("two", "setting "+name+" to "+*two.PublicIpAddress, "--wait")
		s.finds(name, *two.PublicIpAddress)
		s.refuses("one", "InvalidChangeBatch: [Tried to create resource record set [name='"+name+".', type='A'] but it already exists]", "--create")
		s.finds(name, *two.PublicIpAddress)

		// Deeper names land in the deepest zone; a name in no zone changes nothing.
		s.does("two", "setting webdev1.az1a.eu-west-1.ec2.example.com to "+*two.PublicIpAddress, "--name", "webdev1.az1a.eu-west-1.ec2.example.com")
		s.finds("webdev1.az1a.eu-west-1.ec2.example.com", *two.PublicIpAddress)
		s.refuses("two", "there is no public hosted zone that the name is in", "--name", "web.example.org")
		s.refuses("two", "AccessDenied", "--name", "web.example.com")
		s.does("two", "setting alias.ec2.example.com to "+*two.PublicDnsName, "--cname", "--name", "alias.ec2.example.com")
		s.finds("alias.ec2.example.com", *two.PublicIpAddress)
		if out := w.says("two", "getent ahostsv4 alias.ec2.example.com"); !strings.HasPrefix(out, *two.PrivateIpAddress) {
			t.Errorf("inside, the public name is %q, want %s", out, *two.PrivateIpAddress)
		}

		// The role can do nothing else.
		tool := "ln -s /usr/bin/localvpc /usr/local/bin/$0; "
		if out, code := w.cli("exec", "two", "--", "/bin/sh", "-c", tool+"$0", "ec2-describe-instances"); code == 0 || !strings.Contains(out, "UnauthorizedOperation") {
			t.Errorf("DescribeInstances with the role: exit code %d, %s", code, out)
		}
	})
}

// TestS3Owners: a name belongs to the instance that has set it, until that stops,
// removes it or is terminated.
func TestS3Owners(t *testing.T) {
	have(t, "aws")
	have(t, "getent")
	needPackets(t)
	w := (&world{uid: os.Getuid()}).up(t)
	policy := strings.Replace(agentPolicy, `"route53:GetChange"`, `"route53:GetChange","ec2:DescribeInstances"`, 1)
	s := stageNames(t, w, policy, "ec2.example.com")
	const name = "webdev1.ec2.example.com"
	one := s.named("one", name, "#!/bin/sh\nprintf '#!/bin/sh\\nsetsid ec2-dyndns --own --watch --every 1s &\\n' > /etc/rc.local\nchmod +x /etc/rc.local\n/etc/rc.local\n")
	two := s.named("two", name, "")
	s.console("one", "setting "+name+" to "+*one.PublicIpAddress+"\n")
	s.refuses("two", "it belongs to the instance "+*one.InstanceId+", which is running, and is not changed", "--own")
	s.finds(name, *one.PublicIpAddress)

	// When its owner stops, the name is free.
	must(w.ec2.StopInstances(tctx(t), &ec2.StopInstancesInput{InstanceIds: []string{*one.InstanceId}}))(t)
	s.finds(name, "")
	s.console("one", "removing "+name+"\n")
	s.does("two", "setting "+name+" to "+*two.PublicIpAddress, "--own")
	s.does("two", "setting "+name+" to "+*two.PublicIpAddress, "--own") // it is its own
	s.does("two", "removing "+name, "--own", "--remove")
	s.does("two", "", "--own", "--remove")
	s.finds(name, "")

	// A record that nobody owns is somebody's.
	s.does("two", "setting "+name+" to "+*two.PublicIpAddress)
	s.refuses("two", "but it already exists", "--own")
	s.does("two", "setting other.ec2.example.com to "+*two.PublicIpAddress, "--own", "--name", "other.ec2.example.com")

	// An owner that is terminated has left its name.
	three := s.named("three", "other.ec2.example.com", "")
	must(w.ec2.TerminateInstances(tctx(t), &ec2.TerminateInstancesInput{InstanceIds: []string{*two.InstanceId}}))(t)
	s.does("three", "setting other.ec2.example.com to "+*three.PublicIpAddress, "--own")
	s.finds("other.ec2.example.com", *three.PublicIpAddress)
}

// TestS3Image: an image of an instance that has the agent in /etc/rc.local needs
// nothing but tag and profile on the launch.
func TestS3Image(t *testing.T) {
	have(t, "aws")
	have(t, "getent")
	needPackets(t)
	w := (&world{uid: os.Getuid()}).up(t)
	s := stageNames(t, w, agentPolicy, "ec2.example.com")
	mother := s.named("mother", "mother.ec2.example.com", atBoot)
	s.console("mother", "setting mother.ec2.example.com to "+*mother.PublicIpAddress)
	image := s.image("golden", *mother.InstanceId, false)
	daughter := s.named("daughter", "daughter.ec2.example.com", "", func(in *ec2.RunInstancesInput) { in.ImageId = &image })
	s.console("daughter", "setting daughter.ec2.example.com to "+*daughter.PublicIpAddress+"\n")
	s.finds("daughter.ec2.example.com", *daughter.PublicIpAddress)
	s.finds("mother.ec2.example.com", *must(w.ec2.DescribeInstances(tctx(t), &ec2.DescribeInstancesInput{InstanceIds: []string{*mother.InstanceId}}))(t).Reservations[0].Instances[0].PublicIpAddress)

}

// TestS3Boto3: a user's own script of boto3 in /etc/rc.local does what the agent
// does. An image without boto3 is given that of the machine.
func TestS3Boto3(t *testing.T) {
	have(t, "aws")
	have(t, "getent")
	needPackets(t)
	w := (&world{uid: os.Getuid()}).up(t)
	s := stageNames(t, w, agentPolicy, "ec2.example.com")
	const name = "own.ec2.example.com"
	own := s.named("own", name, "")
	if out, code := w.in("own", "python3 -c 'import boto3'"); code != 0 {
		s.packages("own", out, "boto3", "boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py")
	}
	text, err := os.ReadFile(filepath.Join("testdata", "dyndns.py"))
	if err != nil {
		t.Fatal(err)
	}
	write := w.command("exec", "own", "--", "/bin/sh", "-c", "cat > /usr/local/bin/dyndns.py && printf '#!/bin/sh\nPYTHONPATH=/opt/py python3 /usr/local/bin/dyndns.py\n' > /etc/rc.local && chmod +x /etc/rc.local")
	write.Stdin = bytes.NewReader(text)
	if out, err := write.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	must(w.ec2.StopInstances(tctx(t), &ec2.StopInstancesInput{InstanceIds: []string{*own.InstanceId}}))(t)
	must(w.ec2.StartInstances(tctx(t), &ec2.StartInstancesInput{InstanceIds: []string{*own.InstanceId}}))(t)
	again := w.running(w.ec2, *own.InstanceId)
	s.console("own", "setting "+name+" to "+*again.PublicIpAddress+"\n")
	s.finds(name, *again.PublicIpAddress)
}

// TestS3CLI: the AWS CLI in an instance, as it is and without any configuration, is
// what the instance's role is. An image without it is given that of the machine.
func TestS3CLI(t *testing.T) {
	have(t, "aws")
	needPackets(t)
	w := (&world{uid: os.Getuid()}).up(t)
	s := stageNames(t, w, agentPolicy, "ec2.example.com")
	one := s.named("one", "cli.ec2.example.com", "")
	const own = "PYTHONPATH=/opt/py python3 -m awscli "
	cli := "aws "
	if out, code := w.in("one", "aws --version"); code != 0 {
		s.packages("one", out, "awscli", "awscli", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py", "colorama", "docutils", "rsa", "pyasn1", "yaml", "_yaml")
		cli = own
	}
	if out := w.says("one", cli+"sts get-caller-identity --region us-east-1"); !strings.Contains(out, "arn:aws:sts::000000000000:assumed-role/dyndns/"+*one.InstanceId) {
		t.Errorf("the AWS CLI is %s", out)
	}
	if out := w.says("one", cli+"route53 list-hosted-zones --query HostedZones[].Name --output text"); out != "ec2.example.com." {
		t.Errorf("it finds the zones %q", out)
	}
	if out, code := w.in("one", cli+"ec2 describe-instances --region us-east-1"); code == 0 || !strings.Contains(out, "UnauthorizedOperation") {
		t.Errorf("DescribeInstances: exit code %d, %s", code, out)
	}
}

// packages copies a package of Python, and what it needs, from the machine into an
// instance, which has the machine's Python but not what users have installed for
// themselves.
func (s *names) packages(instance, why, name string, files ...string) {
	s.t.Helper()
	skip := func(format string, args ...any) {
		s.t.Skipf("the image has no "+name+" (%s) and it cannot be brought: "+format, append([]any{strings.TrimSpace(why)}, args...)...)
	}
	dir, err := exec.Command("python3", "-c", "import "+name+" as p, os; print(os.path.dirname(os.path.dirname(p.__file__)))").Output()
	if err != nil {
		skip("the machine has none: %v", err)
	}
	pack := exec.Command("tar", append([]string{"cf", "-"}, files...)...)
	pack.Dir = strings.TrimSpace(string(dir))
	packed, err := pack.Output()
	if err != nil {
		skip("packing it: %v", err)
	}
	unpack := s.command("exec", instance, "--", "/bin/sh", "-c", "mkdir -p /opt/py && tar xf - -C /opt/py && PYTHONPATH=/opt/py python3 -c 'import "+name+"'")
	unpack.Stdin = bytes.NewReader(packed)
	if out, err := unpack.CombinedOutput(); err != nil {
		skip("%v: %s", err, out)
	}
}

// TestS3LeastPrivilege: with the policy that docs/dynamic-dns.md shows, an instance
// changes its own name and nothing else, and what is no key of ours opens nothing
// from inside.
func TestS3LeastPrivilege(t *testing.T) {
	have(t, "aws")
	have(t, "getent")
	needPackets(t)
	text, err := os.ReadFile("../docs/dynamic-dns.md")
	if err != nil {
		t.Fatal(err)
	}
	_, policy, _ := strings.Cut(string(text), "```json\n")
	policy, _, _ = strings.Cut(policy, "```")
	w := (&world{uid: os.Getuid()}).up(t)
	s := stageNames(t, w, policy, "ec2.example.com")
	const name = "webdev1.ec2.example.com"
	one := s.named("one", name, "")
	s.does("one", "setting "+name+" to "+*one.PublicIpAddress, "--own", "--wait")
	s.finds(name, *one.PublicIpAddress)
	for _, args := range [][]string{{"--name", "other.ec2.example.com"}, {"--cname", "--name", "www." + name}, {"--own", "--name", "other.ec2.example.com"}} {
		s.refuses("one", "AccessDenied: User: arn:aws:sts::000000000000:assumed-role/dyndns/"+*one.InstanceId+" is not authorized to perform: route53:ChangeResourceRecordSets", args...)
	}
	for _, env := range []string{"AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test", "AWS_ACCESS_KEY_ID=000000000000 AWS_SECRET_ACCESS_KEY=test"} {
		if out, code := w.in("one", env+" ec2-dyndns"); code == 0 || !strings.Contains(out, "InvalidClientTokenId") {
			t.Errorf("%s: exit code %d, %s", env, code, out)
		}
	}
	s.does("one", "removing "+name, "--own", "--remove")
	s.finds(name, "")
}
