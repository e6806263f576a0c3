package elbv2

import (
	"strconv"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/state"
)

// attrStickyType is how clients are told apart: by their address alone.
const attrStickyType = "stickiness.type"

// groupAttributes are those of target groups of network load balancers (ELBv2 API
// Reference, TargetGroupAttribute).
var groupAttributes = attributes{
	noun: "Target group", most: 20,
	list: []attribute{
		{key: balance.AttrDelay, value: "300", check: number(0, 3600)},
		{key: balance.AttrTerminate, values: boolean},
		{key: balance.AttrPreserve, values: boolean},
		{key: balance.AttrProxyProtocol, value: "false", values: boolean},
		{key: balance.AttrSticky, value: "false", values: boolean},
		{key: attrStickyType, value: "source_ip"},
		{key: balance.AttrCrossZone, value: "use_load_balancer_configuration", values: []string{"true", "false", "use_load_balancer_configuration"}},
		{key: "target_group_health.dns_failover.minimum_healthy_targets.count", value: "1", check: numberOrOff(1, 1000)},
		{key: "target_group_health.dns_failover.minimum_healthy_targets.percentage", value: "off", check: numberOrOff(1, 100)},
		{key: "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", value: "1", check: number(1, 1000)},
		{key: "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", value: "off", check: numberOrOff(1, 100)},
		{key: balance.AttrUnhealthyEnd, value: "true", values: boolean},
		{key: "target_health_state.unhealthy.draining_interval_seconds", value: "0", check: notOffered("0")},
	},
	foreign: []string{
		"load_balancing.algorithm.type", "load_balancing.algorithm.anomaly_mitigation", "slow_start.duration_seconds",
		"stickiness.app_cookie.cookie_name", "stickiness.app_cookie.duration_seconds", "stickiness.lb_cookie.duration_seconds",
		"lambda.multi_value_headers.enabled", "target_failover.on_deregistration", "target_failover.on_unhealthy",
	},
}

func numberOrOff(least, most int) func(string) error {
	return func(text string) error {
		if text == "off" {
			return nil
		}
		if number(least, most)(text) != nil {
			return invalid("must be 'off' or an integer between '%d' and '%d'", least, most)
		}
		return nil
	}
}

// ModifyTargetGroupAttributes sets attributes of a target group.
func (s *Service) ModifyTargetGroupAttributes(tx *state.Tx, c authz.Caller, in *api.ModifyTargetGroupAttributesInput) (*api.ModifyTargetGroupAttributesOutput, error) {
	old, err := groupKind.find(tx, c, *in.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	g := *old
	g.Attributes, err = groupAttributes.change(old.Attributes, mapped(in.Attributes, func(a api.TargetGroupAttribute) pair { return pair{val(a.Key), val(a.Value)} }))
	if err != nil {
		return nil, err
	}
	datagrams := g.Protocol != api.ProtocolEnumTCP
	switch kind := g.Attribute(attrStickyType, "source_ip"); {
	case kind != "source_ip":
		return nil, awserr.New(api.ErrInvalidConfigurationRequest, "Stickiness type '%s' is not supported for target groups with the %s protocol", awserr.Clip(kind), g.Protocol)
	case datagrams && g.Attribute(balance.AttrPreserve, "true") != "true":
		return nil, awserr.New(api.ErrInvalidConfigurationRequest, "Client IP preservation cannot be disabled for target groups with the %s protocol", g.Protocol)
	case datagrams && balance.Proxied(&g):
		return nil, awserr.New(api.ErrInvalidConfigurationRequest, "Proxy Protocol v2 is not supported for target groups with the %s protocol", g.Protocol)
	}
	state.TargetGroups.Put(tx, &g)
	return &api.ModifyTargetGroupAttributesOutput{Attributes: apiGroupAttributes(&g)}, nil
}

// DescribeTargetGroupAttributes gives all attributes of a target group.
func (s *Service) DescribeTargetGroupAttributes(r state.Reader, c authz.Caller, in *api.DescribeTargetGroupAttributesInput) (*api.DescribeTargetGroupAttributesOutput, error) {
	g, err := groupKind.find(r, c, *in.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	return &api.DescribeTargetGroupAttributesOutput{Attributes: apiGroupAttributes(g)}, nil
}

func apiGroupAttributes(g *state.TargetGroup) []api.TargetGroupAttribute {
	override := map[string]string{
		balance.AttrPreserve:  strconv.FormatBool(balance.KeepsClient(g)),
		balance.AttrTerminate: strconv.FormatBool(balance.Terminates(g)),
	}
	return mapped(groupAttributes.all(g.Attributes, override), func(p pair) api.TargetGroupAttribute {
		return api.TargetGroupAttribute{Key: ptr(p.key), Value: ptr(p.value)}
	})
}
