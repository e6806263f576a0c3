package elbv2

import (
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
)

func TestListener(t *testing.T) {
	w := newWorld(t, nil)
	lb := *w.newBalancer().LoadBalancerArn
	group := w.newGroup()
	arn := w.newListener(lb, group, 80)
	if !strings.HasPrefix(arn, strings.Replace(lb, ":loadbalancer/", ":listener/", 1)+"/") {
		t.Errorf("%s of %s", arn, lb)
	}
	if again := w.newListener(lb, group, 80); again != arn {
		t.Error("the same request made another listener")
	}
	list := call[api.DescribeListenersOutput](w, &api.DescribeListenersInput{LoadBalancerArn: &lb}).Listeners
	if len(list) != 1 || *list[0].ListenerArn != arn || *list[0].Port != 80 || *list[0].DefaultActions[0].TargetGroupArn != group {
		t.Errorf("%+v", list)
	}
	second := w.newGroup(func(in *api.CreateTargetGroupInput) { in.Name = new("second") })
	mod := call[api.ModifyListenerOutput](w, &api.ModifyListenerInput{ListenerArn: &arn, Port: new(int32(8080)),
		DefaultActions: []api.Action{{Type: new("forward"), ForwardConfig: &api.ForwardActionConfig{TargetGroups: []api.TargetGroupTuple{{TargetGroupArn: &second, Weight: new(int32(7))}}}}}}).Listeners[0]
	if *mod.DefaultActions[0].ForwardConfig.TargetGroups[0].Weight != 7 || *mod.Port != 8080 || *mod.DefaultActions[0].TargetGroupArn != second || *mod.Protocol != "TCP" {
		t.Errorf("%+v", mod)
	}
	w.ok(&api.DeleteTargetGroupInput{TargetGroupArn: &group})

	rules := call[api.DescribeRulesOutput](w, &api.DescribeRulesInput{ListenerArn: &arn}).Rules
	if len(rules) != 1 || *rules[0].Priority != "default" || !*rules[0].IsDefault || *rules[0].Actions[0].TargetGroupArn != second {
		t.Fatalf("%+v", rules)
	}
	rule := rules[0].RuleArn
	if again := call[api.DescribeRulesOutput](w, &api.DescribeRulesInput{RuleArns: []string{*rule}}).Rules; len(again) != 1 || *again[0].RuleArn != *rule {
		t.Errorf("%+v", again)
	}
	w.fails(&api.CreateRuleInput{ListenerArn: &arn, Priority: new(int32(1)), Conditions: []api.RuleCondition{{}}, Actions: []api.Action{{Type: new("forward")}}}, "InvalidConfigurationRequest", "Rules are not supported")
	w.fails(&api.DeleteRuleInput{RuleArn: rule}, "OperationNotPermitted", "Default rule '"+*rule+"' cannot be deleted")
	w.fails(&api.ModifyRuleInput{RuleArn: rule}, "OperationNotPermitted", "cannot be modified")
	w.fails(&api.SetRulePrioritiesInput{RulePriorities: []api.RulePriorityPair{{RuleArn: rule, Priority: new(int32(1))}}}, "OperationNotPermitted", "priority")
	w.fails(&api.DescribeRulesInput{RuleArns: []string{*rule + "0"}}, "RuleNotFound", "One or more rules not found")
	w.fails(&api.DescribeRulesInput{}, "ValidationError", "You must specify either listener rule ARNs or a listener ARN")
	w.fails(&api.DeleteRuleInput{RuleArn: &arn}, "ValidationError", "is not a valid listener rule ARN")

	attr := func(key, value string) *api.ModifyListenerAttributesInput {
		return &api.ModifyListenerAttributesInput{ListenerArn: &arn, Attributes: []api.ListenerAttribute{{Key: &key, Value: &value}}}
	}
	if got := call[api.ModifyListenerAttributesOutput](w, attr("tcp.idle_timeout.seconds", "60")).Attributes; len(got) != 1 || *got[0].Value != "60" {
		t.Errorf("%+v", got)
	}
	w.fails(attr("tcp.idle_timeout.seconds", "59"), "ValidationError", "between '60' and '6000'")
	w.fails(attr("nonsense", "59"), "ValidationError", "Listener attribute key 'nonsense' is not recognized")
	if got := call[api.DescribeListenerCertificatesOutput](w, &api.DescribeListenerCertificatesInput{ListenerArn: &arn}).Certificates; len(got) != 0 {
		t.Errorf("%+v", got)
	}
	w.fails(&api.AddListenerCertificatesInput{ListenerArn: &arn, Certificates: []api.Certificate{{}}}, "ValidationError", "Certificates cannot be specified for TCP listeners")
	w.fails(&api.RemoveListenerCertificatesInput{ListenerArn: &arn, Certificates: []api.Certificate{{}}}, "ValidationError", "Certificates cannot be specified")
	w.ok(&api.DeleteListenerInput{ListenerArn: &arn})
	w.fails(&api.DeleteListenerInput{ListenerArn: &arn}, "ListenerNotFound", "not found")
}

func TestListenerRefused(t *testing.T) {
	w := newWorld(t, map[string]int{"listeners-per-network-load-balancer": 2})
	lb := *w.newBalancer().LoadBalancerArn
	other := *w.newBalancer(func(in *api.CreateLoadBalancerInput) { in.Name = new("other") }).LoadBalancerArn
	group := w.newGroup()
	of := func(name, protocol, in string) string {
		return w.newGroup(func(g *api.CreateTargetGroupInput) { g.Name, g.Protocol, g.VpcId = &name, &protocol, &in })
	}
	udp, both, foreign := of("udp", "UDP", vpc), of("both", "TCP_UDP", vpc), of("foreign", "TCP", vpc2)
	w.newListener(lb, group, 80)
	w.newListener(lb, both, 82)
	set := func(group string, fn func(*api.CreateListenerInput)) *api.CreateListenerInput {
		in := listener(lb, group, 81)
		fn(in)
		return in
	}
	action := func(a ...api.Action) *api.CreateListenerInput {
		return set(group, func(in *api.CreateListenerInput) { in.DefaultActions = a })
	}
	for _, test := range []struct {
		in         *api.CreateListenerInput
		code, text string
	}{
		{listener(lb, udp, 80), "DuplicateListener", "A listener already exists on this port for this load balancer '" + lb + "'"},
		{set(udp, func(in *api.CreateListenerInput) { in.Port, in.Protocol = new(int32(80)), new("UDP") }), "DuplicateListener", "on this port"},
		{set(group, func(in *api.CreateListenerInput) { in.Port = nil }), "ValidationError", "A listener port must be specified"},
		{set(group, func(in *api.CreateListenerInput) { in.Protocol = nil }), "ValidationError", "A listener protocol must be specified"},
		{set(group, func(in *api.CreateListenerInput) { in.Protocol = new("HTTP") }), "ValidationError", "Listener protocol 'HTTP' must be one of 'UDP, TCP, TCP_UDP, TLS'"},
		{set(group, func(in *api.CreateListenerInput) { in.Protocol = new("TLS") }), "UnsupportedProtocol", "'TLS'"},
		{set(group, func(in *api.CreateListenerInput) { in.Certificates = []api.Certificate{{}} }), "ValidationError", "Certificates"},
		{set(group, func(in *api.CreateListenerInput) { in.SslPolicy = new("x") }), "ValidationError", "SSL policies"},
		{set(group, func(in *api.CreateListenerInput) { in.AlpnPolicy = []string{"None"} }), "ValidationError", "ALPN"},
		{set(group, func(in *api.CreateListenerInput) { in.MutualAuthentication = &api.MutualAuthenticationAttributes{} }), "ValidationError", "Mutual"},
		{action(), "ValidationError", "A default action must be specified"},
		{action(api.Action{Type: new("forward")}), "ValidationError", "A target group ARN must be specified"},
		{action(api.Action{Type: new("redirect")}), "InvalidLoadBalancerAction", "'redirect'"},
		{action(api.Action{Type: new("forward"), TargetGroupArn: &group}, api.Action{Type: new("forward"), TargetGroupArn: &group}), "TooManyActions", "'1'"},
		{action(api.Action{Type: new("forward"), ForwardConfig: &api.ForwardActionConfig{TargetGroups: []api.TargetGroupTuple{{}, {}}}}), "InvalidLoadBalancerAction", "only one target group"},
		{action(api.Action{Type: new("forward"), ForwardConfig: &api.ForwardActionConfig{TargetGroups: []api.TargetGroupTuple{{TargetGroupArn: &group, Weight: new(int32(1000))}}}}), "ValidationError", "between '1' and '999'"},
		{action(api.Action{Type: new("forward"), TargetGroupArn: new(group + "0")}), "TargetGroupNotFound", "not found"},
		{listener(lb, udp, 81), "IncompatibleProtocols", "The listener and its associated target group '" + udp + "' have incompatible protocols: 'TCP' and 'UDP'"},
		{listener(lb, foreign, 81), "InvalidConfigurationRequest", "must be in the same VPC"},
		{listener(other, group, 81), "TargetGroupAssociationLimit", "The following target groups cannot be associated with more than one load balancer: " + group},
		{listener(lb+"0", group, 81), "LoadBalancerNotFound", "not found"},
		{listener(lb, group, 81), "TooManyListeners", "maximum number of listeners"},
	} {
		w.fails(test.in, test.code, test.text)
	}
	list := call[api.DescribeListenersOutput](w, &api.DescribeListenersInput{LoadBalancerArn: &lb}).Listeners
	w.fails(&api.ModifyListenerInput{ListenerArn: list[0].ListenerArn, Port: list[1].Port}, "DuplicateListener", "on this port")
	w.fails(&api.ModifyListenerInput{ListenerArn: list[0].ListenerArn, Protocol: new("HTTP")}, "ValidationError", "Listener protocol 'HTTP'")
	w.fails(&api.DescribeListenersInput{}, "ValidationError", "You must specify either listener ARNs or a load balancer ARN")
}

func TestTags(t *testing.T) {
	w := newWorld(t, nil)
	lb := *w.newBalancer().LoadBalancerArn
	group := w.newGroup()
	l := w.newListener(lb, group, 80)
	arns := []string{lb, group, l}
	w.ok(&api.AddTagsInput{ResourceArns: arns, Tags: []api.Tag{{Key: new("a"), Value: new("1")}, {Key: new("b")}}},
		&api.AddTagsInput{ResourceArns: arns, Tags: []api.Tag{{Key: new("a"), Value: new("2")}}}, &api.RemoveTagsInput{ResourceArns: arns, TagKeys: []string{"b", "c"}})
	for _, d := range call[api.DescribeTagsOutput](w, &api.DescribeTagsInput{ResourceArns: arns}).TagDescriptions {
		if len(d.Tags) != 1 || *d.Tags[0].Key != "a" || *d.Tags[0].Value != "2" {
			t.Errorf("%s %+v", *d.ResourceArn, d.Tags)
		}
	}
	rule := *call[api.DescribeRulesOutput](w, &api.DescribeRulesInput{ListenerArn: &l}).Rules[0].RuleArn
	if d := call[api.DescribeTagsOutput](w, &api.DescribeTagsInput{ResourceArns: []string{rule}}).TagDescriptions; len(d) != 1 || len(d[0].Tags) != 0 {
		t.Errorf("%+v", d)
	}
	w.fails(&api.AddTagsInput{ResourceArns: []string{lb, rule}, Tags: []api.Tag{{Key: new("c")}}}, "OperationNotPermitted", "Default rules")
	w.fails(&api.AddTagsInput{ResourceArns: []string{"lb"}, Tags: []api.Tag{{Key: new("c")}}}, "ValidationError", "'lb' is not a valid ARN")
	w.fails(&api.DescribeTagsInput{ResourceArns: make([]string, 21)}, "ValidationError", "more than '20' resources")
	var many []api.Tag
	for i := range 50 {
		many = append(many, api.Tag{Key: new("k" + string(rune('A'+i)))})
	}
	w.fails(&api.AddTagsInput{ResourceArns: []string{lb}, Tags: many}, "TooManyTags", "'50'")
}

func TestAccount(t *testing.T) {
	w := newWorld(t, map[string]int{"target-groups-per-region": 7})
	limits := map[string]string{}
	for _, l := range call[api.DescribeAccountLimitsOutput](w, &api.DescribeAccountLimitsInput{}).Limits {
		limits[*l.Name] = *l.Max
	}
	if limits["network-load-balancers"] != "50" || limits["target-groups"] != "7" || limits["targets-per-network-load-balancer"] != "3000" {
		t.Errorf("%v", limits)
	}
	if p := call[api.DescribeSSLPoliciesOutput](w, &api.DescribeSSLPoliciesInput{Names: []string{"ELBSecurityPolicy-2016-08"}}).SslPolicies; len(p) != 1 || len(p[0].SslProtocols) != 3 {
		t.Errorf("%+v", p)
	}
	w.fails(&api.DescribeSSLPoliciesInput{Names: []string{"none"}}, "SSLPolicyNotFound", "'none'")
	lb := w.newBalancer().LoadBalancerArn
	w.ok(&api.DescribeCapacityReservationInput{LoadBalancerArn: lb}, &api.ModifyCapacityReservationInput{LoadBalancerArn: lb, ResetCapacityReservation: new(true)})
	w.fails(&api.ModifyCapacityReservationInput{LoadBalancerArn: lb, MinimumLoadBalancerCapacity: &api.MinimumLoadBalancerCapacity{CapacityUnits: new(int32(100))}}, "CapacityUnitsLimitExceeded", "'0'")
	w.fails(&api.ModifyIpPoolsInput{LoadBalancerArn: lb}, "InvalidConfigurationRequest", "IPAM")
}
