package scenario

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// run runs a program that talks to localvpc with nothing but AWS's own
// environment variables, and fails the test if it fails.
func (w *world) run(dir, name string, args ...string) string {
	w.t.Helper()
	out, err := w.try(dir, name, args...)
	if err != nil {
		w.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// try is run for a program that may fail: then its output has its errors, too.
func (w *world) try(dir, name string, args ...string) (string, error) {
	w.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"AWS_ENDPOINT_URL="+w.URL, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=",
		"TF_IN_AUTOMATION=1", "TF_CLI_CONFIG_FILE="+filepath.Join(dir, "terraform.rc"))
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return string(out) + errs.String(), err
	}
	return strings.TrimSpace(string(out)), nil
}

func have(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
}

// TestAWSCLI plays the session with the stock AWS CLI, waiters included.
func TestAWSCLI(t *testing.T) {
	t.Parallel()
	needPackets(t)
	have(t, "aws")
	w := (&world{uid: os.Getuid()}).up(t)
	dir := t.TempDir()
	aws := func(args ...string) string {
		t.Helper()
		return w.run(dir, "aws", append(args, "--output", "text")...)
	}
	vpc := aws("ec2", "create-vpc", "--cidr-block", "10.0.0.0/16", "--query", "Vpc.VpcId")
	aws("ec2", "modify-vpc-attribute", "--vpc-id", vpc, "--enable-dns-hostnames")
	subnet := aws("ec2", "create-subnet", "--vpc-id", vpc, "--cidr-block", "10.0.0.0/24", "--query", "Subnet.SubnetId")
	web := aws("ec2", "create-security-group", "--vpc-id", vpc, "--group-name", "web", "--description", "web", "--query", "GroupId")
	app := aws("ec2", "create-security-group", "--vpc-id", vpc, "--group-name", "app", "--description", "app", "--query", "GroupId")
	aws("ec2", "authorize-security-group-ingress", "--group-id", web, "--protocol", "tcp", "--port", "80", "--source-group", app)
	if err := os.WriteFile(filepath.Join(dir, "server.sh"), []byte(sayHello), 0o644); err != nil {
		t.Fatal(err)
	}
	image := aws("ec2", "describe-images", "--owners", "amazon", "--filters", "Name=name,Values=al2023-ami-2023*", "--query", "Images[0].ImageId")
	launch := func(name, group string, more ...string) string {
		return aws(append([]string{"ec2", "run-instances", "--image-id", image, "--instance-type", "t3.micro", "--subnet-id", subnet, "--security-group-ids", group,
			"--tag-specifications", "ResourceType=instance,Tags=[{Key=Name,Value=" + name + "}]", "--query", "Instances[0].InstanceId"}, more...)...)
	}
	server := launch("server", web, "--user-data", "file://server.sh")
	client := launch("client", app)
	aws("ec2", "wait", "instance-running", "--instance-ids", server, client)
	aws("ec2", "wait", "instance-status-ok", "--instance-ids", server, client)
	name := aws("ec2", "describe-instances", "--instance-ids", server, "--query", "Reservations[0].Instances[0].PrivateDnsName")
	if out, code := w.cli("exec", "client", "--", "localvpc", "guest", "get", "--wait", "20", "-m", "5", "http://"+name+"/say-hello?name=Angela"); code != 0 || strings.TrimSpace(out) != "Hello, Angela!" {
		t.Errorf("before: %q, exit code %d", out, code)
	}
	aws("ec2", "revoke-security-group-ingress", "--group-id", web, "--protocol", "tcp", "--port", "80", "--source-group", app)
	if out, code := w.get("client", "http://"+name+"/", 1); code != timedOut {
		t.Errorf("after the rule was revoked: %q, exit code %d", out, code)
	}
	aws("ec2", "stop-instances", "--instance-ids", server)
	aws("ec2", "wait", "instance-stopped", "--instance-ids", server)
	aws("ec2", "terminate-instances", "--instance-ids", server, client)
	aws("ec2", "wait", "instance-terminated", "--instance-ids", server, client)
	aws("ec2", "delete-security-group", "--group-id", web)
	aws("ec2", "delete-security-group", "--group-id", app)
	aws("ec2", "delete-subnet", "--subnet-id", subnet)
	aws("ec2", "delete-vpc", "--vpc-id", vpc)
}

const botoSession = `
import boto3, json, sys
ec2 = boto3.resource("ec2")
vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")
vpc.wait_until_available()
vpc.modify_attribute(EnableDnsHostnames={"Value": True})
subnet = vpc.create_subnet(CidrBlock="10.1.0.0/24")
web = vpc.create_security_group(GroupName="web", Description="web")
app = vpc.create_security_group(GroupName="app", Description="app")
web.authorize_ingress(IpPermissions=[{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": app.id}]}])
image = sorted(ec2.images.filter(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["al2023-ami-2023*"]}]), key=lambda i: i.creation_date)[-1]
def launch(name, group, data=""):
    return subnet.create_instances(ImageId=image.id, InstanceType="t3.micro", MinCount=1, MaxCount=1, SecurityGroupIds=[group.id], UserData=data,
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}])[0]
server, client = launch("server", web, sys.argv[1]), launch("client", app)
for i in (server, client):
    i.wait_until_running()
    i.reload()
print(json.dumps({"name": server.private_dns_name, "group": web.id}))
`

// TestBoto3 plays it with boto3's resources and waiters.
func TestBoto3(t *testing.T) {
	needPackets(t)
	have(t, "python3")
	if exec.Command("python3", "-c", "import boto3").Run() != nil {
		t.Skip("boto3 is not installed")
	}
	w := (&world{uid: os.Getuid()}).up(t)
	var made struct{ Name, Group string }
	if err := json.Unmarshal([]byte(w.run(t.TempDir(), "python3", "-c", botoSession, sayHello)), &made); err != nil {
		t.Fatal(err)
	}
	url := "http://" + made.Name + "/say-hello?name=Angela"
	if out, code := w.cli("exec", "client", "--", "localvpc", "guest", "get", "--wait", "20", "-m", "5", url); code != 0 || strings.TrimSpace(out) != "Hello, Angela!" {
		t.Errorf("%q, exit code %d", out, code)
	}
	rules := must(w.ec2.DescribeSecurityGroups(tctx(t), &ec2.DescribeSecurityGroupsInput{GroupIds: []string{made.Group}}))(t)
	must(w.ec2.RevokeSecurityGroupIngress(tctx(t), &ec2.RevokeSecurityGroupIngressInput{GroupId: &made.Group, IpPermissions: rules.SecurityGroups[0].IpPermissions}))(t)
	if out, code := w.get("client", url, 1); code != timedOut {
		t.Errorf("after the rule was revoked: %q, exit code %d", out, code)
	}
}
