package cli

import (
	"strings"
	"testing"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/front/render"
)

// TestTreeOrder: subnets stand in the order of their zones and blocks, whatever
// their ids are.
func TestTreeOrder(t *testing.T) {
	text := func(s string) *string { return &s }
	inv := inventory{Vpcs: []ec2.Vpc{{VpcId: text("vpc-1"), CidrBlock: text("10.0.0.0/16")}}}
	for _, s := range [][2]string{{"10.0.10.0/24", "us-east-1a"}, {"10.0.1.0/24", "us-east-1b"}, {"10.0.9.0/24", "us-east-1a"}} {
		inv.Subnets = append(inv.Subnets, ec2.Subnet{VpcId: text("vpc-1"), SubnetId: text("subnet-" + s[0]), CidrBlock: text(s[0]), AvailabilityZone: text(s[1])})
	}
	var out strings.Builder
	e := &env{}
	render.Tree(&out, e.tree(inv))
	var blocks []string
	for line := range strings.Lines(out.String()) {
		if words := strings.Fields(line); len(words) > 2 && words[1] == "subnet" {
			blocks = append(blocks, words[3])
		}
	}
	if got := strings.Join(blocks, " "); got != "10.0.9.0/24 10.0.10.0/24 10.0.1.0/24" {
		t.Errorf("%s in\n%s", got, out.String())
	}
}

// TestTreeBalancer: a load balancer stands in its VPC with its listeners and targets.
func TestTreeBalancer(t *testing.T) {
	arn := "arn:aws:elasticloadbalancing:us-east-1:000000000000:"
	b := balancer{LoadBalancer: elbv2.LoadBalancer{VpcId: new("vpc-1"), LoadBalancerArn: new(arn + "loadbalancer/net/front/1"), Scheme: new("internal"), State: &elbv2.LoadBalancerState{Code: new("active")},
		DNSName: new("front-1.elb.us-east-1.amazonaws.com"), AvailabilityZones: []elbv2.AvailabilityZone{{ZoneName: new("us-east-1a")}, {ZoneName: new("us-east-1b")}}}}
	b.Listeners = []listener{{
		Listener: elbv2.Listener{Protocol: new("TCP"), Port: new(int32(80)), DefaultActions: []elbv2.Action{{TargetGroupArn: new(arn + "targetgroup/web/2")}}},
		Targets:  []elbv2.TargetHealthDescription{{Target: &elbv2.TargetDescription{Id: new("i-1"), Port: new(int32(80)), AvailabilityZone: new("us-east-1a")}, TargetHealth: &elbv2.TargetHealth{State: new("unhealthy"), Reason: new("Target.Timeout")}}},
	}}
	var out strings.Builder
	render.Tree(&out, (&env{}).tree(inventory{Vpcs: []ec2.Vpc{{VpcId: new("vpc-1"), CidrBlock: new("10.0.0.0/16")}}, LoadBalancers: []balancer{b}}))
	for _, want := range []string{"load-balancer  net/front/1  internal  active  front-1.elb.us-east-1.amazonaws.com  us-east-1a us-east-1b", "listener  TCP 80  web/2", "target  i-1:80  us-east-1a  unhealthy  Target.Timeout"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
