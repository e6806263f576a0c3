package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/aws/wire/elbv2"
)

// balanced is session S4: a service in two zones behind a network load balancer, which
// outlives the loss of a server and of a zone.
func (s *story) balanced() error {
	const page = "localvpc guest get --wait 20 -m 5 http://{name}/"
	const zonal = "localvpc guest get -m 5 http://us-east-1%s.{name}/"
	s.say("A VPC with a public and a private subnet in each of two zones; who is private leaves by his own zone's NAT gateway.")
	s.vpc()
	for i, zone := range []string{"a", "b"} {
		s.within("front-"+zone, fmt.Sprintf("10.0.%d.0/24", 1+i), zone)
		s.within("back-"+zone, fmt.Sprintf("10.0.%d.0/24", 11+i), zone)
	}
	s.public("front-a")
	tell[ec2.AssociateRouteTableOutput](s, "aws ec2 associate-route-table --route-table-id {rtb} --subnet-id {front-b}", "AssociateRouteTable", func() *ec2.AssociateRouteTableInput {
		return &ec2.AssociateRouteTableInput{RouteTableId: s.id("rtb"), SubnetId: s.id("front-b")}
	})
	for _, zone := range []string{"a", "b"} {
		s.leaves(zone)
	}

	s.say("Two servers without public addresses.")
	s.group("web")
	s.allow("web", 80, "0.0.0.0/0")
	s.launch("one", "back-a", "web", 80)
	s.launch("two", "back-b", "web", 80)

	s.say("A network load balancer in front of them.")
	balancing(s, "targets", "create-target-group --name web --protocol TCP --port 80 --vpc-id {vpc} --health-check-interval-seconds 5 --health-check-timeout-seconds 2 --healthy-threshold-count 2 --unhealthy-threshold-count 2",
		"CreateTargetGroup", func() *elbv2.CreateTargetGroupInput {
			return &elbv2.CreateTargetGroupInput{Name: new("web"), Protocol: new("TCP"), Port: new(int32(80)), VpcId: s.id("vpc"),
				HealthCheckIntervalSeconds: new(int32(5)), HealthCheckTimeoutSeconds: new(int32(2)), HealthyThresholdCount: new(int32(2)), UnhealthyThresholdCount: new(int32(2))}
		}, func(out *elbv2.CreateTargetGroupOutput) *string { return out.TargetGroups[0].TargetGroupArn })
	balancing(s, "balancer", "create-load-balancer --name front --type network --subnets {front-a} {front-b}", "CreateLoadBalancer", func() *elbv2.CreateLoadBalancerInput {
		return &elbv2.CreateLoadBalancerInput{Name: new("front"), Type: new("network"), Subnets: []string{s.ids["front-a"], s.ids["front-b"]}}
	}, func(out *elbv2.CreateLoadBalancerOutput) *string {
		s.ids["name"] = value(out.LoadBalancers[0].DNSName)
		return out.LoadBalancers[0].LoadBalancerArn
	})
	balancing(s, "listener", "create-listener --load-balancer-arn {balancer} --protocol TCP --port 80 --default-actions Type=forward,TargetGroupArn={targets}", "CreateListener", func() *elbv2.CreateListenerInput {
		return &elbv2.CreateListenerInput{LoadBalancerArn: s.id("balancer"), Protocol: new("TCP"), Port: new(int32(80)),
			DefaultActions: []elbv2.Action{{Type: new("forward"), TargetGroupArn: s.id("targets")}}}
	}, func(out *elbv2.CreateListenerOutput) *string { return out.Listeners[0].ListenerArn })
	balancing[elbv2.RegisterTargetsOutput](s, "", "register-targets --target-group-arn {targets} --targets Id={one} Id={two}", "RegisterTargets", func() *elbv2.RegisterTargetsInput {
		return &elbv2.RegisterTargetsInput{TargetGroupArn: s.id("targets"), Targets: []elbv2.TargetDescription{{Id: s.id("one")}, {Id: s.id("two")}}}
	}, nil)
	s.target("one", "healthy")
	s.target("two", "healthy")
	s.see(internet, page, 0, "Here is ")
	s.see(internet, fmt.Sprintf(zonal, "a"), 0, "Here is one.")
	s.see(internet, fmt.Sprintf(zonal, "b"), 0, "Here is two.")
	s.see(internet, "localvpc guest get -m 1 http://{ip-one}/", 28, "")

	s.say("The first server stands still. When the checks have seen it, every request goes to the other.")
	s.fault("instance", "one", "pause")
	s.target("one", "unhealthy")
	s.see(internet, page, 0, "Here is two.")
	s.fault("instance", "one", "resume")
	s.target("one", "healthy")

	s.say("A whole zone goes down: the name loses its address at once.")
	s.fault("zone", "us-east-1b", "down")
	s.see(internet, page, 0, "Here is one.")
	s.fault("zone", "us-east-1b", "up")
	s.target("two", "healthy")
	s.see(internet, fmt.Sprintf(zonal, "b"), 0, "Here is two.")
	return s.err
}

// within makes a subnet in a zone.
func (s *story) within(name, cidr, zone string) {
	ask(s, name, "aws ec2 create-subnet --vpc-id {vpc} --cidr-block "+cidr+" --availability-zone us-east-1"+zone, "CreateSubnet", func() *ec2.CreateSubnetInput {
		return &ec2.CreateSubnetInput{VpcId: s.id("vpc"), CidrBlock: &cidr, AvailabilityZone: new("us-east-1" + zone)}
	}, func(out *ec2.CreateSubnetOutput) *string { return out.Subnet.SubnetId })
}

// leaves makes the NAT gateway of a zone, and the private subnet's route to it.
func (s *story) leaves(zone string) {
	nat, table := "nat-"+zone, "rtb-"+zone
	s.allocate("eip-" + zone)
	ask(s, nat, "aws ec2 create-nat-gateway --subnet-id {front-"+zone+"} --allocation-id {eip-"+zone+"}", "CreateNatGateway", func() *ec2.CreateNatGatewayInput {
		return &ec2.CreateNatGatewayInput{SubnetId: s.id("front-" + zone), AllocationId: s.id("eip-" + zone)}
	}, func(out *ec2.CreateNatGatewayOutput) *string { return out.NatGateway.NatGatewayId })
	ask(s, table, "aws ec2 create-route-table --vpc-id {vpc}", "CreateRouteTable", func() *ec2.CreateRouteTableInput {
		return &ec2.CreateRouteTableInput{VpcId: s.id("vpc")}
	}, func(out *ec2.CreateRouteTableOutput) *string { return out.RouteTable.RouteTableId })
	tell[ec2.CreateRouteOutput](s, "aws ec2 create-route --route-table-id {"+table+"} --destination-cidr-block 0.0.0.0/0 --nat-gateway-id {"+nat+"}", "CreateRoute", func() *ec2.CreateRouteInput {
		return &ec2.CreateRouteInput{RouteTableId: s.id(table), DestinationCidrBlock: new("0.0.0.0/0"), NatGatewayId: s.id(nat)}
	})
	tell[ec2.AssociateRouteTableOutput](s, "aws ec2 associate-route-table --route-table-id {"+table+"} --subnet-id {back-"+zone+"}", "AssociateRouteTable", func() *ec2.AssociateRouteTableInput {
		return &ec2.AssociateRouteTableInput{RouteTableId: s.id(table), SubnetId: s.id("back-" + zone)}
	})
}

// balancing is a step of Elastic Load Balancing.
func balancing[Out, In any](s *story, name, command, action string, in func() *In, id func(*Out) *string) {
	s.then(name, "aws elbv2 "+command, func() (string, error) {
		out, err := callOf[Out](s.ctx, s.e, elbv2.API, action, in())
		if err != nil || id == nil {
			return "", err
		}
		return value(id(out)), nil
	})
}

// fault breaks or mends something.
func (s *story) fault(kind, what, effect string) {
	if s.err != nil {
		return
	}
	s.show("localvpc fault " + kind + " " + what + " " + effect)
	in := map[string]any{"Kind": kind, "What": what, "Effect": effect}
	if id, ok := s.ids[what]; ok {
		in["What"] = id
	}
	var f Fault
	if s.err = s.e.signed(s.ctx, "POST", "fault/set", in, &f); s.err == nil {
		s.result(kind + " " + what + " " + f.text())
	}
}

// targetTime bounds the wait for health checks.
const targetTime = time.Minute

// target waits until the checks have found a target to be so: they tell by commits.
func (s *story) target(name, want string) {
	if s.err != nil {
		return
	}
	s.show(s.fill("aws elbv2 describe-target-health --target-group-arn {targets} --targets Id={" + name + "}"))
	ctx, cancel := context.WithTimeout(s.ctx, targetTime)
	defer cancel()
	resp, err := s.e.controlResponse(ctx, "GET", "changes", nil)
	if err != nil {
		s.err = err
		return
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); ; {
		out, err := callOf[elbv2.DescribeTargetHealthOutput](ctx, s.e, elbv2.API, "DescribeTargetHealth", &elbv2.DescribeTargetHealthInput{
			TargetGroupArn: s.id("targets"), Targets: []elbv2.TargetDescription{{Id: s.id(name)}}})
		switch {
		case err != nil:
			s.err = fmt.Errorf("step %d: %w", s.step, err)
			return
		case len(out.TargetHealthDescriptions) == 1 && value(out.TargetHealthDescriptions[0].TargetHealth.State) == want:
			s.result(strings.TrimSpace(want + " " + value(out.TargetHealthDescriptions[0].TargetHealth.Reason)))
			return
		case !lines.Scan():
			s.err = errors.Join(fmt.Errorf("step %d: %s did not become %s", s.step, name, want), s.ctx.Err())
			return
		}
	}
}
