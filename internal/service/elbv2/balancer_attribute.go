package elbv2

import (
	"strconv"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/state"
)

// attrProtected keeps a balancer from being deleted.
const attrProtected = "deletion_protection.enabled"

// attrDenyGateway is stored: IPv6 comes later.
const attrDenyGateway = "ipv6.deny_all_igw_traffic"

// balancerAttributes are those of network load balancers (ELBv2 API Reference,
// LoadBalancerAttribute).
var balancerAttributes = attributes{
	noun: "Load balancer", most: 20,
	list: []attribute{
		{key: balance.AttrLogs, value: "false", values: boolean},
		{key: balance.AttrLogBucket, check: named(balance.LogBucket)},
		{key: balance.AttrLogPrefix, check: named(balance.LogPrefix)},
		{key: attrProtected, value: "false", values: boolean},
		{key: attrDenyGateway, value: "false", values: boolean},
		{key: balance.AttrCrossZone, value: "false", values: boolean},
		{key: "dns_record.client_routing_policy", value: "any_availability_zone",
			values: []string{"any_availability_zone", "availability_zone_affinity", "partial_availability_zone_affinity"}},
		{key: "secondary_ips.auto_assigned.per_subnet", value: "0", check: notOffered("0")},
		{key: "zonal_shift.config.enabled", value: "false", check: notOffered("false")},
	},
	foreign: []string{
		"idle_timeout.timeout_seconds", "client_keep_alive.seconds", "connection_logs.s3.enabled", "connection_logs.s3.bucket", "connection_logs.s3.prefix",
		"health_check_logs.s3.enabled", "health_check_logs.s3.bucket", "health_check_logs.s3.prefix",
		"routing.http.desync_mitigation_mode", "routing.http.drop_invalid_header_fields.enabled", "routing.http.preserve_host_header.enabled",
		"routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "routing.http.xff_client_port.enabled", "routing.http.xff_header_processing.mode",
		"routing.http2.enabled", "waf.fail_open.enabled",
	},
}

// notOffered is the check of what localvpc has with one value only.
func notOffered(only string) func(string) error {
	return func(text string) error {
		if text != only {
			return invalid("cannot be '%s': localvpc has it with '%s' only", awserr.Clip(text), only)
		}
		return nil
	}
}

// named is the check of a text that names a place.
func named(wrong func(string) error) func(string) error {
	return func(text string) error {
		if err := wrong(text); err != nil {
			return invalid("is not valid: %s", err)
		}
		return nil
	}
}

// ModifyLoadBalancerAttributes sets attributes of a balancer.
func (s *Service) ModifyLoadBalancerAttributes(tx *state.Tx, c authz.Caller, in *api.ModifyLoadBalancerAttributesInput) (*api.ModifyLoadBalancerAttributesOutput, error) {
	old, err := balancerKind.find(tx, c, *in.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	b := *old
	b.Attributes, err = balancerAttributes.change(old.Attributes, mapped(in.Attributes, func(a api.LoadBalancerAttribute) pair { return pair{val(a.Key), val(a.Value)} }))
	if err != nil {
		return nil, err
	}
	if b.Attribute(balance.AttrLogs, "false") == "true" && b.Attribute(balance.AttrLogBucket, "") == "" {
		return nil, invalid("The value of 'access_logs.s3.bucket' cannot be empty when access logs are enabled")
	}
	state.LoadBalancers.Put(tx, &b)
	return &api.ModifyLoadBalancerAttributesOutput{Attributes: apiBalancerAttributes(&b)}, nil
}

// DescribeLoadBalancerAttributes gives all attributes of a balancer.
func (s *Service) DescribeLoadBalancerAttributes(r state.Reader, c authz.Caller, in *api.DescribeLoadBalancerAttributesInput) (*api.DescribeLoadBalancerAttributesOutput, error) {
	b, err := balancerKind.find(r, c, *in.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	return &api.DescribeLoadBalancerAttributesOutput{Attributes: apiBalancerAttributes(b)}, nil
}

func apiBalancerAttributes(b *state.LoadBalancer) []api.LoadBalancerAttribute {
	override := map[string]string{attrDenyGateway: strconv.FormatBool(b.Internal)}
	return mapped(balancerAttributes.all(b.Attributes, override), func(p pair) api.LoadBalancerAttribute {
		return api.LoadBalancerAttribute{Key: ptr(p.key), Value: ptr(p.value)}
	})
}
