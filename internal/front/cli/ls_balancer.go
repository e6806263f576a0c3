package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/front/render"
)

// balancer is a load balancer with what it forwards to.
type balancer struct {
	elbv2.LoadBalancer
	Listeners []listener
}

type listener struct {
	elbv2.Listener
	Targets []elbv2.TargetHealthDescription
}

// balancers asks for the load balancers, their listeners and the health of what they
// forward to.
func (e *env) balancers(ctx context.Context, err *error, inv *inventory) {
	asked(ctx, e, elbv2.API, err, "DescribeLoadBalancers", &elbv2.DescribeLoadBalancersInput{}, func(o *elbv2.DescribeLoadBalancersOutput) {
		for _, b := range o.LoadBalancers {
			inv.LoadBalancers = append(inv.LoadBalancers, balancer{LoadBalancer: b})
		}
	})
	for i := range inv.LoadBalancers {
		b := &inv.LoadBalancers[i]
		asked(ctx, e, elbv2.API, err, "DescribeListeners", &elbv2.DescribeListenersInput{LoadBalancerArn: b.LoadBalancerArn}, func(o *elbv2.DescribeListenersOutput) {
			for _, l := range o.Listeners {
				b.Listeners = append(b.Listeners, listener{Listener: l})
			}
		})
		for j := range b.Listeners {
			l := &b.Listeners[j]
			asked(ctx, e, elbv2.API, err, "DescribeTargetHealth", &elbv2.DescribeTargetHealthInput{TargetGroupArn: groupOf(l.Listener)},
				func(o *elbv2.DescribeTargetHealthOutput) { l.Targets = o.TargetHealthDescriptions })
		}
	}
}

// groupOf is the ARN of the target group that a listener forwards to.
func groupOf(l elbv2.Listener) *string {
	for _, a := range l.DefaultActions {
		return a.TargetGroupArn
	}
	return nil
}

func (e *env) balancerNode(b *balancer) render.Node {
	state := ""
	if b.State != nil {
		state = value(b.State.Code)
	}
	var zones []string
	for _, z := range b.AvailabilityZones {
		zones = append(zones, value(z.ZoneName))
	}
	node := render.Node{Text: e.line("load-balancer", after(value(b.LoadBalancerArn), ":loadbalancer/"), "", value(b.Scheme), e.painted(state), value(b.DNSName), strings.Join(zones, " "))}
	for _, l := range b.Listeners {
		sub := render.Node{Text: e.line("listener", fmt.Sprintf("%s %d", value(l.Protocol), value(l.Port)), "", after(value(groupOf(l.Listener)), ":targetgroup/"))}
		for _, t := range l.Targets {
			if t.Target != nil && t.TargetHealth != nil {
				sub.Sub = append(sub.Sub, render.Node{Text: e.line("target", fmt.Sprintf("%s:%d", value(t.Target.Id), value(t.Target.Port)), "",
					value(t.Target.AvailabilityZone), e.painted(value(t.TargetHealth.State)), e.style.Dim(value(t.TargetHealth.Reason)))})
			}
		}
		node.Sub = append(node.Sub, sub)
	}
	return node
}

// after is what follows a word in an ARN.
func after(arn, word string) string {
	_, rest, _ := strings.Cut(arn, word)
	return rest
}
