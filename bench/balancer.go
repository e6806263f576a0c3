//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/localvpc/localvpc/internal/aws/client"
	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/aws/wire/elbv2"
)

// Floors of connections through a network load balancer, as shares of connections
// straight to its target.
const (
	balancerThroughput = 0.9
	balancerConnect    = 0.7
)

// balancerPatterns are patterns of path.
var balancerPatterns = slices.DeleteFunc(slices.Clone(patterns), func(l pattern) bool { return l.name != "throughput" && l.name != "new connections" })

// balancerRows measures the way through a load balancer against the way straight to
// its target, in one VPC, and against HAProxy, which passes connections on in an
// instance of its own. HAProxy's own CPU time is in no agent's account, so that with
// it what counts is what gets through in a second.
func balancerRows(ctx context.Context, b *bench) ([]row, error) {
	var sides []*pathSide
	other := ""
	err := b.with(func(p *program) error {
		w, err := newNetwork(ctx, p, 90)
		if err != nil {
			return err
		}
		open, err := w.group(ctx, "open")
		if err != nil {
			return err
		}
		if err := w.allowAll(ctx, open, 9000); err != nil {
			return err
		}
		from, err := w.agent(ctx, order{subnet: 0, groups: []string{open}})
		if err != nil {
			return err
		}
		defer from.end()
		id, server, err := w.guest(ctx, order{subnet: 1, groups: []string{open}})
		if err != nil {
			return err
		}
		defer server.end()
		if _, err := server.say("serve 9000"); err != nil {
			return err
		}
		node, err := w.balancer(ctx, 0, id)
		if err != nil {
			return err
		}
		through := *server
		through.addr = node
		sides = append(sides, newSide("direct", from, server), newSide("load balancer", from, &through))
		proxy, err := w.haproxy(ctx, 0, open, server.addr)
		switch {
		case errors.Is(err, exec.ErrNotFound):
			other = "haproxy is not installed"
		case err != nil:
			return err
		default:
			passed := *server
			passed.addr = proxy
			sides = append(sides, newSide("HAProxy", from, &passed))
		}
		return inTurns(ctx, sides, balancerPatterns, b.times(15), pick(b, 0.75, 0.2))
	}, "--ephemeral", "--quotas", "off")
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, l := range balancerPatterns {
		least := balancerConnect
		if l.both {
			least = balancerThroughput
		}
		rows = append(rows, compare(l, sides[1], sides[0], least, "direct"))
		r := row{measure: l.name + ": load balancer, wall clock", unit: l.unit + "/s", of: "HAProxy", value: median(sides[1].wall[l.name]), note: other, target: ratioAtLeast(1)}
		if len(sides) > 2 {
			r.yard, r.ratio = median(sides[2].wall[l.name]), median(ratios(sides[1].wall[l.name], sides[2].wall[l.name]))
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// balancer makes an internal load balancer in a subnet, with a listener on port 9000
// and an instance as its target, and gives its node's address. A target that is not
// checked yet is used as well where there is no other.
func (w *network) balancer(ctx context.Context, subnet int, target string) (node string, err error) {
	made, err := balancing[elbv2.CreateLoadBalancerOutput](ctx, w.p, "CreateLoadBalancer", &elbv2.CreateLoadBalancerInput{
		Name: new("bench"), Type: new("network"), Scheme: new("internal"), Subnets: []string{w.subnets[subnet]}})
	if err != nil {
		return "", err
	}
	group, err := balancing[elbv2.CreateTargetGroupOutput](ctx, w.p, "CreateTargetGroup", &elbv2.CreateTargetGroupInput{
		Name: new("bench"), Protocol: new("TCP"), Port: new(int32(9000)), VpcId: &w.vpc, TargetType: new("instance")})
	if err != nil {
		return "", err
	}
	arn := group.TargetGroups[0].TargetGroupArn
	if _, err := balancing[elbv2.CreateListenerOutput](ctx, w.p, "CreateListener", &elbv2.CreateListenerInput{
		LoadBalancerArn: made.LoadBalancers[0].LoadBalancerArn, Protocol: new("TCP"), Port: new(int32(9000)),
		DefaultActions: []elbv2.Action{{Type: new("forward"), TargetGroupArn: arn}}}); err != nil {
		return "", err
	}
	if _, err := balancing[elbv2.RegisterTargetsOutput](ctx, w.p, "RegisterTargets", &elbv2.RegisterTargetsInput{TargetGroupArn: arn, Targets: []elbv2.TargetDescription{{Id: &target}}}); err != nil {
		return "", err
	}
	out, err := ask[ec2.DescribeNetworkInterfacesOutput](ctx, w.p, "DescribeNetworkInterfaces", &ec2.DescribeNetworkInterfacesInput{Filters: []ec2.Filter{
		{Name: new("vpc-id"), Values: []string{w.vpc}}, {Name: new("interface-type"), Values: []string{"network_load_balancer"}}}})
	if err != nil {
		return "", err
	}
	if len(out.NetworkInterfaces) != 1 {
		return "", fmt.Errorf("the load balancer has %d interfaces", len(out.NetworkInterfaces))
	}
	return *out.NetworkInterfaces[0].PrivateIpAddress, nil
}

// balancing calls one action of Elastic Load Balancing.
func balancing[Out, In any](ctx context.Context, p *program, action string, in *In) (*Out, error) {
	return client.Call[Out](ctx, p.client, elbv2.API, action, in)
}

// haproxyConfig passes connections to port 9000 on, as many as the load makes.
const haproxyConfig = `global
  maxconn 4000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen bench
  bind :9000
  server target %s:9000
`

// haproxy starts HAProxy in an instance of its own, and gives that one's address. The
// error is exec.ErrNotFound where it is not installed.
func (w *network) haproxy(ctx context.Context, subnet int, group, to string) (addr string, err error) {
	name, err := exec.LookPath("haproxy")
	if err != nil {
		if name, err = exec.LookPath("/usr/sbin/haproxy"); err != nil { // where an ordinary user's PATH does not lead
			return "", exec.ErrNotFound
		}
	}
	made, err := w.run(ctx, order{count: 1, subnet: subnet, groups: []string{group}})
	if err != nil {
		return "", err
	}
	if err := w.running(ctx); err != nil {
		return "", err
	}
	start := w.p.exec(ctx, *made[0].InstanceId, "/bin/sh", "-c", "cat >/tmp/haproxy.cfg && exec "+name+" -D -f /tmp/haproxy.cfg")
	start.Stdin = strings.NewReader(fmt.Sprintf(haproxyConfig, to))
	if out, err := start.CombinedOutput(); err != nil {
		return "", fmt.Errorf("starting HAProxy: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return *made[0].PrivateIpAddress, nil
}
