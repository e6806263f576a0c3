package scenario

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/localvpc/localvpc/internal/aws/wire/elbv2"
)

// TestTargetHealth: what checks find out follows what targets answer, what their groups
// let in from the nodes, and whether they run; each with AWS's state and reason.
func TestTargetHealth(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		b := stageBalanced(t, w, "")
		c := w.ec2
		b.becomes("healthy", "healthy")
		modify := func(change func(*elbv2.ModifyTargetGroupInput)) {
			in := &elbv2.ModifyTargetGroupInput{TargetGroupArn: &b.targets}
			change(in)
			elb[elbv2.ModifyTargetGroupOutput](b, "ModifyTargetGroup", in)
		}
		reason := func(zone string) string {
			d := elb[elbv2.DescribeTargetHealthOutput](b, "DescribeTargetHealth", &elbv2.DescribeTargetHealthInput{TargetGroupArn: &b.targets,
				Targets: []elbv2.TargetDescription{{Id: new(b.server[zone])}}}).TargetHealthDescriptions[0]
			return aws.ToString(d.TargetHealth.Reason)
		}

		// A status code that is not meant.
		modify(func(in *elbv2.ModifyTargetGroupInput) {
			in.HealthCheckProtocol, in.HealthCheckPath, in.Matcher = new("HTTP"), new("/health"), &elbv2.Matcher{HttpCode: new("204")}
		})
		b.becomes("unhealthy", "unhealthy")
		if got := reason("a"); got != "Target.FailedHealthChecks" {
			t.Errorf("the reason is %s", got)
		}
		if now := b.addresses(); len(now) != 2 {
			t.Errorf("with no healthy target at all the name has %v: it fails open", now)
		}
		modify(func(in *elbv2.ModifyTargetGroupInput) { in.Matcher = &elbv2.Matcher{HttpCode: new("200-299")} })
		b.becomes("healthy", "healthy")

		// A port that only one of them has.
		w.says("b", "setsid localvpc guest serve --addr :8080 >/dev/null 2>&1 & localvpc guest get --wait 20 -m 5 http://127.0.0.1:8080/ >/dev/null")
		modify(func(in *elbv2.ModifyTargetGroupInput) { in.HealthCheckPort = new("8080") })
		b.becomes("unhealthy", "unhealthy") // its group takes port 80 only
		group := *must(c.DescribeInstances(tctx(t), &ec2.DescribeInstancesInput{InstanceIds: []string{b.server["b"]}}))(t).Reservations[0].Instances[0].SecurityGroups[0].GroupId
		// The nodes ask from their own addresses, which are in the public subnets.
		allowed := port(8080)
		allowed[0].IpRanges[0].CidrIp = aws.String("10.0.2.0/24")
		must(c.AuthorizeSecurityGroupIngress(tctx(t), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: allowed}))(t)
		b.becomes("unhealthy", "healthy")
		modify(func(in *elbv2.ModifyTargetGroupInput) { in.HealthCheckPort = new("traffic-port") })
		b.becomes("healthy", "healthy")

		// What stands still answers nothing; what is stopped is not used.
		w.breaks("instance", "a", "pause")
		b.becomes("unhealthy", "healthy")
		w.breaks("instance", "a", "resume")
		b.becomes("healthy", "healthy")
		must(c.StopInstances(tctx(t), &ec2.StopInstancesInput{InstanceIds: []string{b.server["a"]}}))(t)
		w.stopped(b.server["a"])
		b.becomes("unused", "healthy")
		if got := reason("a"); got != "Target.InvalidState" {
			t.Errorf("the reason is %s", got)
		}
		must(c.StartInstances(tctx(t), &ec2.StartInstancesInput{InstanceIds: []string{b.server["a"]}}))(t)
		w.running(c, b.server["a"])
		b.becomes("unhealthy", "healthy") // its server begins at the first boot only
		b.serves("a", "")
		b.becomes("healthy", "healthy")

		// A node's link that is down finds nobody.
		node := ""
		for _, n := range must(c.DescribeNetworkInterfaces(tctx(t), &ec2.DescribeNetworkInterfacesInput{}))(t).NetworkInterfaces {
			if n.InterfaceType == "network_load_balancer" && aws.ToString(n.SubnetId) == b.public["a"] {
				node = *n.NetworkInterfaceId
			}
		}
		w.breaks("link", node, "down")
		b.becomes("unhealthy", "healthy")
		if now := b.addresses(); len(now) != 1 {
			t.Errorf("with a node that finds nobody the name has %v", now)
		}
		w.breaks("link", node, "up")
		b.becomes("healthy", "healthy")
	})
}
