package scenario

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
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
