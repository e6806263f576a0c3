package scenario

import (
	"os"
	"strings"
	"testing"
)

// TestImageParameters finds an image as most instructions tell, by its public
// parameter, with the stock AWS CLI.
func TestImageParameters(t *testing.T) {
	have(t, "aws")
	w := (&world{uid: os.Getuid()}).up(t, "--ephemeral", "--no-packets")
	dir := t.TempDir()
	aws := func(args ...string) string {
		t.Helper()
		return w.run(dir, "aws", append(args, "--output", "text")...)
	}
	const name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
	id := aws("ssm", "get-parameter", "--name", name, "--query", "Parameter.Value")
	if got := aws("ec2", "describe-images", "--image-ids", id, "--query", "Images[0].Name"); !strings.HasPrefix(got, "al2023-ami-2023") {
		t.Errorf("the parameter gives %s, which is %s", id, got)
	}
	vpc := aws("ec2", "create-vpc", "--cidr-block", "10.0.0.0/16", "--query", "Vpc.VpcId")
	subnet := aws("ec2", "create-subnet", "--vpc-id", vpc, "--cidr-block", "10.0.0.0/24", "--query", "Subnet.SubnetId")
	if got := aws("ec2", "run-instances", "--image-id", "resolve:ssm:"+name, "--instance-type", "t3.micro", "--subnet-id", subnet, "--query", "Instances[0].ImageId"); got != id {
		t.Errorf("the parameter gives %s, an instance by it is made from %s", id, got)
	}
	if got := aws("ssm", "get-parameters-by-path", "--path", "/aws/service/ami-amazon-linux-latest", "--page-size", "2", "--query", "Parameters[].Name"); !strings.Contains(got, name) {
		t.Errorf("the parameter is not among %s", got)
	}
	if got := aws("ssm", "describe-parameters", "--query", "length(Parameters)"); got != "0" {
		t.Errorf("%s parameters of one's own", got)
	}
}
