package elbv2

import (
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
)

func TestTargetGroup(t *testing.T) {
	w := newWorld(t, nil)
	g := call[api.CreateTargetGroupOutput](w, targets()).TargetGroups[0]
	if *g.HealthCheckProtocol != "TCP" || *g.HealthCheckPort != "traffic-port" || *g.HealthCheckIntervalSeconds != 30 || *g.HealthCheckTimeoutSeconds != 10 || *g.HealthyThresholdCount != 5 ||
		*g.UnhealthyThresholdCount != 2 || g.HealthCheckPath != nil || g.Matcher != nil || *g.TargetType != "instance" || *g.IpAddressType != "ipv4" || len(g.LoadBalancerArns) != 0 {
		t.Errorf("%+v", g)
	}
	if again := w.newGroup(); again != *g.TargetGroupArn {
		t.Error("the same request made another group")
	}
	http := call[api.CreateTargetGroupOutput](w, targets(func(in *api.CreateTargetGroupInput) {
		in.Name, in.HealthCheckProtocol, in.HealthCheckPort, in.Matcher = new("http"), new("HTTP"), new("8080"), &api.Matcher{HttpCode: new("200,300-399")}
	})).TargetGroups[0]
	if *http.HealthCheckTimeoutSeconds != 6 || *http.HealthCheckPath != "/" || *http.Matcher.HttpCode != "200,300-399" || *http.HealthCheckPort != "8080" {
		t.Errorf("%+v", http)
	}
	mod := call[api.ModifyTargetGroupOutput](w, &api.ModifyTargetGroupInput{TargetGroupArn: g.TargetGroupArn, HealthCheckProtocol: new("HTTPS"), HealthCheckPath: new("/health"), HealthCheckIntervalSeconds: new(int32(10)), UnhealthyThresholdCount: new(int32(3))}).TargetGroups[0]
	if *mod.HealthCheckProtocol != "HTTPS" || *mod.HealthCheckPath != "/health" || *mod.Matcher.HttpCode != "200-399" || *mod.HealthCheckIntervalSeconds != 10 || *mod.UnhealthyThresholdCount != 3 || *mod.HealthyThresholdCount != 5 {
		t.Errorf("%+v", mod)
	}
	lb := *w.newBalancer().LoadBalancerArn
	w.newListener(lb, *g.TargetGroupArn, 80)
	w.newListener(lb, *g.TargetGroupArn, 81)
	of := call[api.DescribeTargetGroupsOutput](w, &api.DescribeTargetGroupsInput{LoadBalancerArn: &lb}).TargetGroups
	if len(of) != 1 || *of[0].TargetGroupName != "web" || len(of[0].LoadBalancerArns) != 1 || of[0].LoadBalancerArns[0] != lb {
		t.Errorf("%+v", of)
	}
	first := call[api.DescribeTargetGroupsOutput](w, &api.DescribeTargetGroupsInput{PageSize: new(int32(1))})
	rest := call[api.DescribeTargetGroupsOutput](w, &api.DescribeTargetGroupsInput{PageSize: new(int32(1)), Marker: first.NextMarker})
	if len(first.TargetGroups) != 1 || len(rest.TargetGroups) != 1 || *rest.TargetGroups[0].TargetGroupName != "web" || rest.NextMarker != nil {
		t.Errorf("%+v %+v", first, rest)
	}
	w.fails(&api.DescribeTargetGroupsInput{Names: []string{"web", "none"}}, "TargetGroupNotFound", "One or more target groups not found")
	w.fails(&api.DescribeTargetGroupsInput{Names: []string{"web"}, LoadBalancerArn: &lb}, "ValidationError", "at the same time")
	w.fails(&api.DescribeTargetGroupsInput{Marker: new("?")}, "ValidationError", "The marker '?' is not valid")
}

func TestTargetGroupRefused(t *testing.T) {
	w := newWorld(t, map[string]int{"target-groups-per-region": 1})
	w.newGroup()
	type in = api.CreateTargetGroupInput
	set := func(fn func(*in)) *in {
		return targets(func(in *api.CreateTargetGroupInput) { in.Name = new("other"); fn(in) })
	}
	for _, test := range []struct {
		in         *in
		code, text string
	}{
		{set(func(in *in) { in.Name = new("a b") }), "ValidationError", "Target group name 'a b' can only contain characters"},
		{set(func(in *in) { in.Protocol = nil }), "ValidationError", "A protocol must be specified"},
		{set(func(in *in) { in.Protocol = new("HTTP") }), "UnsupportedProtocol", "'HTTP'"},
		{set(func(in *in) { in.Protocol = new("TLS") }), "UnsupportedProtocol", "'TLS'"},
		{set(func(in *in) { in.Port = nil }), "ValidationError", "A port must be specified"},
		{set(func(in *in) { in.VpcId = nil }), "ValidationError", "A VPC ID must be specified"},
		{set(func(in *in) { in.VpcId = new("vpc-1") }), "ValidationError", "The VPC ID 'vpc-1' is not found"},
		{set(func(in *in) { in.TargetType = new("lambda") }), "OperationNotPermitted", "'lambda'"},
		{set(func(in *in) { in.TargetType = new("alb") }), "OperationNotPermitted", "'alb'"},
		{set(func(in *in) { in.IpAddressType = new("ipv6") }), "InvalidConfigurationRequest", "'ipv6'"},
		{set(func(in *in) { in.ProtocolVersion = new("HTTP2") }), "ValidationError", "Protocol version"},
		{set(func(in *in) { in.TargetControlPort = new(int32(1)) }), "ValidationError", "Target control port"},
		{set(func(in *in) { in.HealthCheckEnabled = new(false) }), "ValidationError", "Health check enabled must be true"},
		{set(func(in *in) { in.HealthCheckProtocol = new("UDP") }), "ValidationError", "Health check protocol 'UDP'"},
		{set(func(in *in) { in.HealthCheckPort = new("0") }), "ValidationError", "Health check port '0'"},
		{set(func(in *in) { in.HealthCheckPort = new("+80") }), "ValidationError", "Health check port '+80'"},
		{set(func(in *in) { in.HealthCheckPath = new("/") }), "InvalidConfigurationRequest", "not supported for TCP health checks"},
		{set(func(in *in) { in.Matcher = &api.Matcher{HttpCode: new("200")} }), "InvalidConfigurationRequest", "Health check matchers are not supported for TCP health checks"},
		{set(func(in *in) { in.HealthCheckProtocol, in.HealthCheckPath = new("HTTP"), new("health") }), "ValidationError", "must begin with a '/'"},
		{set(func(in *in) { in.HealthCheckProtocol, in.Matcher = new("HTTP"), &api.Matcher{HttpCode: new("100")} }), "ValidationError", "matcher HTTP code '100'"},
		{set(func(in *in) { in.HealthCheckProtocol, in.Matcher = new("HTTP"), &api.Matcher{HttpCode: new("300-200")} }), "ValidationError", "matcher HTTP code '300-200'"},
		{set(func(in *in) { in.HealthCheckProtocol, in.Matcher = new("HTTP"), &api.Matcher{GrpcCode: new("0")} }), "ValidationError", "gRPC"},
		{set(func(in *in) { in.HealthCheckIntervalSeconds = new(int32(5)) }), "ValidationError", "Health check timeout '10' must be smaller than or equal to the interval '5'"},
		{targets(func(in *api.CreateTargetGroupInput) { in.Port = new(int32(81)) }), "DuplicateTargetGroupName", "A target group with the same name 'web' exists, but with different settings"},
		{set(func(*in) {}), "TooManyTargetGroups", "maximum number of target groups"},
	} {
		w.fails(test.in, test.code, test.text)
	}
}

func TestTargetGroupAttributes(t *testing.T) {
	w := newWorld(t, nil)
	get := func(group, key string) string {
		for _, a := range call[api.DescribeTargetGroupAttributesOutput](w, &api.DescribeTargetGroupAttributesInput{TargetGroupArn: &group}).Attributes {
			if *a.Key == key {
				return *a.Value
			}
		}
		return "none"
	}
	set := func(group, key, value string) *api.ModifyTargetGroupAttributesInput {
		return &api.ModifyTargetGroupAttributesInput{TargetGroupArn: &group, Attributes: []api.TargetGroupAttribute{{Key: &key, Value: &value}}}
	}
	of := func(name, kind, protocol string) string {
		return w.newGroup(func(in *api.CreateTargetGroupInput) { in.Name, in.TargetType, in.Protocol = &name, &kind, &protocol })
	}
	for _, test := range []struct{ name, kind, protocol, keeps, ends string }{
		{"a", "instance", "TCP", "true", "false"}, {"b", "ip", "TCP", "false", "false"}, {"c", "ip", "UDP", "true", "true"}, {"d", "instance", "TCP_UDP", "true", "true"},
	} {
		g := of(test.name, test.kind, test.protocol)
		if k, e := get(g, "preserve_client_ip.enabled"), get(g, "deregistration_delay.connection_termination.enabled"); k != test.keeps || e != test.ends {
			t.Errorf("%s %s: keeps the client %s, ends connections %s", test.kind, test.protocol, k, e)
		}
	}
	tcp, udp := of("b", "ip", "TCP"), of("c", "ip", "UDP")
	w.ok(set(tcp, "preserve_client_ip.enabled", "true"), set(tcp, "deregistration_delay.timeout_seconds", "3600"), set(tcp, "proxy_protocol_v2.enabled", "true"),
		set(tcp, "stickiness.type", "source_ip"), set(tcp, "stickiness.enabled", "true"), set(tcp, "target_group_health.dns_failover.minimum_healthy_targets.percentage", "50"))
	if get(tcp, "preserve_client_ip.enabled") != "true" || get(tcp, "deregistration_delay.timeout_seconds") != "3600" {
		t.Error("not set")
	}
	w.fails(set(tcp, "deregistration_delay.timeout_seconds", "3601"), "ValidationError", "between '0' and '3600'")
	w.fails(set(tcp, "deregistration_delay.timeout_seconds", "+1"), "ValidationError", "between '0' and '3600'")
	w.fails(set(tcp, "stickiness.type", "lb_cookie"), "InvalidConfigurationRequest", "Stickiness type 'lb_cookie' is not supported for target groups with the TCP protocol")
	w.fails(set(tcp, "slow_start.duration_seconds", "30"), "InvalidConfigurationRequest", "is not supported on load balancers with type 'network'")
	w.fails(set(tcp, "nonsense", "30"), "ValidationError", "Target group attribute key 'nonsense' is not recognized")
	w.fails(set(tcp, "target_health_state.unhealthy.draining_interval_seconds", "10"), "ValidationError", "cannot be '10'")
	w.fails(set(udp, "preserve_client_ip.enabled", "false"), "InvalidConfigurationRequest", "cannot be disabled for target groups with the UDP protocol")
	w.fails(set(udp, "proxy_protocol_v2.enabled", "true"), "InvalidConfigurationRequest", "Proxy Protocol v2")
}
