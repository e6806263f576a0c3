package balance

import (
	"strconv"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// Attributes of balancers, target groups and listeners that packets obey (ELBv2 API
// Reference: LoadBalancerAttribute, TargetGroupAttribute, ListenerAttribute).
const (
	AttrCrossZone     = "load_balancing.cross_zone.enabled"
	AttrPreserve      = "preserve_client_ip.enabled"
	AttrProxyProtocol = "proxy_protocol_v2.enabled"
	AttrDelay         = "deregistration_delay.timeout_seconds"
	AttrTerminate     = "deregistration_delay.connection_termination.enabled"
	AttrUnhealthyEnd  = "target_health_state.unhealthy.connection_termination.enabled"
	AttrSticky        = "stickiness.enabled"
	AttrIdle          = "tcp.idle_timeout.seconds"

	naming  = "target_group_health.dns_failover.minimum_healthy_targets."
	routing = "target_group_health.unhealthy_state_routing.minimum_healthy_targets."
)

// CrossZone says whether a balancer's nodes use the targets of all its zones: the
// group's own word, or the balancer's. By default they do not.
func CrossZone(b *state.LoadBalancer, g *state.TargetGroup) bool {
	switch v := g.Attribute(AttrCrossZone, "use_load_balancer_configuration"); v {
	case "true", "false":
		return v == "true"
	}
	return b.Attribute(AttrCrossZone, "false") == "true"
}

// KeepsClient says whether targets see the client's address: always with UDP, else
// by default those that are registered by instance id, not those by address (NLB
// User Guide, "Client IP preservation").
func KeepsClient(g *state.TargetGroup) bool {
	if g.Protocol == "UDP" || g.Protocol == "TCP_UDP" {
		return true
	}
	return g.Attribute(AttrPreserve, strconv.FormatBool(g.TargetType == "instance")) == "true"
}

// Proxied says whether connections go through the proxy in the balancer's
// namespace, which tells targets about the client (proxy protocol version 2).
func Proxied(g *state.TargetGroup) bool { return g.Attribute(AttrProxyProtocol, "false") == "true" }

// Sticky says whether a client's flows all go to one target ("source_ip").
func Sticky(g *state.TargetGroup) bool { return g.Attribute(AttrSticky, "false") == "true" }

// Delay is how long a deregistered target drains.
func Delay(g *state.TargetGroup) time.Duration { return seconds(g.Attribute(AttrDelay, "300"), 300) }

// Terminates says whether the flows of a target end when it has drained; AWS's
// default lets TCP connections go on.
func Terminates(g *state.TargetGroup) bool {
	fallback := strconv.FormatBool(g.Protocol == "UDP" || g.Protocol == "TCP_UDP")
	return g.Attribute(AttrTerminate, fallback) == "true"
}

// EndsUnhealthy says whether the flows of a target end when it becomes unhealthy.
func EndsUnhealthy(g *state.TargetGroup) bool { return g.Attribute(AttrUnhealthyEnd, "true") == "true" }

// Idle is how long an idle TCP flow of a listener is remembered.
func Idle(l *state.Listener) time.Duration {
	for _, t := range l.Attributes {
		if t.Key == AttrIdle {
			return seconds(t.Value, 350)
		}
	}
	return 350 * time.Second
}

func seconds(text string, otherwise int) time.Duration {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		n = otherwise
	}
	return time.Duration(n) * time.Second
}

// least is how many of a number of targets have to be healthy, by a count and a
// percentage of which the larger holds.
func least(g *state.TargetGroup, what string, of int) int {
	count, err := strconv.Atoi(g.Attribute(what+"count", "1"))
	if err != nil {
		count = 0 // "off"
	}
	if percent, err := strconv.Atoi(g.Attribute(what+"percentage", "off")); err == nil {
		count = max(count, (of*percent+99)/100)
	}
	return max(count, 1)
}
