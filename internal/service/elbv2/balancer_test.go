package elbv2

import (
	"net/netip"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/state"
)

func TestBalancer(t *testing.T) {
	w := newWorld(t, nil)
	made := w.newBalancer(func(in *api.CreateLoadBalancerInput) {
		in.SecurityGroups, in.Tags = []string{group}, []api.Tag{{Key: new("team"), Value: new("a")}}
	})
	if *made.State.Code != "provisioning" || *made.Scheme != "internet-facing" || *made.VpcId != vpc || *made.Type != "network" || *made.IpAddressType != "ipv4" {
		t.Errorf("%+v", made)
	}
	if *made.CanonicalHostedZoneId != "Z26RNL4JYFTOTI" || !strings.HasPrefix(*made.LoadBalancerArn, "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/front/") ||
		*made.DNSName != "front-"+(*made.LoadBalancerArn)[len(*made.LoadBalancerArn)-16:]+".elb.us-east-1.amazonaws.com" {
		t.Errorf("%s %s", *made.LoadBalancerArn, *made.DNSName)
	}
	got := call[api.DescribeLoadBalancersOutput](w, &api.DescribeLoadBalancersInput{Names: []string{"front"}}).LoadBalancers
	if len(got) != 1 || *got[0].State.Code != "active" || len(got[0].AvailabilityZones) != 2 || *got[0].EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic != "on" {
		t.Errorf("%+v", got)
	}
	again := w.newBalancer(func(in *api.CreateLoadBalancerInput) {
		in.Subnets, in.SecurityGroups, in.Tags = []string{subB, subA}, []string{group}, []api.Tag{{Key: new("team"), Value: new("a")}}
	})
	if *again.LoadBalancerArn != *made.LoadBalancerArn {
		t.Error("the same request made another balancer")
	}
	nodes := 0
	for n := range state.NetworkInterfaces.By(w.store.Snapshot(), state.ByGroup, group) {
		nodes++
		if n.Description != "ELB net/front/"+(*made.LoadBalancerArn)[len(*made.LoadBalancerArn)-16:] || n.InterfaceType != "network_load_balancer" || !n.RequesterManaged ||
			n.RequesterID != "amazon-elb" || n.Status != "in-use" || !n.Addresses[0].PublicIP.IsValid() {
			t.Errorf("%+v", n)
		}
	}
	if nodes != 2 {
		t.Errorf("%d interfaces", nodes)
	}
	if _, ok := state.Roles.Get(w.store.Snapshot(), state.NameKey("123456789012", "AWSServiceRoleForElasticLoadBalancing")); !ok {
		t.Error("there is no service-linked role")
	}
	w.ok(&api.DeleteLoadBalancerInput{LoadBalancerArn: made.LoadBalancerArn}, &api.DeleteLoadBalancerInput{LoadBalancerArn: made.LoadBalancerArn})
	for n := range state.NetworkInterfaces.By(w.store.Snapshot(), state.ByGroup, group) {
		t.Errorf("%s is left", n.ID)
	}
	w.fails(&api.DescribeLoadBalancersInput{LoadBalancerArns: []string{*made.LoadBalancerArn}}, "LoadBalancerNotFound", "One or more load balancers not found")
}

func TestBalancerRefused(t *testing.T) {
	w := newWorld(t, map[string]int{"network-load-balancers-per-region": 1})
	w.newBalancer()
	set := func(fn func(*api.CreateLoadBalancerInput)) *api.CreateLoadBalancerInput {
		return balancer(func(in *api.CreateLoadBalancerInput) { in.Name = new("other"); fn(in) })
	}
	mapped := func(list ...api.SubnetMapping) *api.CreateLoadBalancerInput {
		return set(func(in *api.CreateLoadBalancerInput) { in.Subnets, in.SubnetMappings = nil, list })
	}
	tests := []struct {
		in         *api.CreateLoadBalancerInput
		code, text string
	}{
		{set(func(in *api.CreateLoadBalancerInput) { in.Name = new("") }), "ValidationError", "cannot be empty"},
		{set(func(in *api.CreateLoadBalancerInput) { in.Name = new(strings.Repeat("a", 33)) }), "ValidationError", "cannot be longer than '32' characters"},
		{set(func(in *api.CreateLoadBalancerInput) { in.Name = new("a_b") }), "ValidationError", "can only contain characters that are alphanumeric"},
		{set(func(in *api.CreateLoadBalancerInput) { in.Name = new("a-") }), "ValidationError", "cannot begin or end with"},
		{set(func(in *api.CreateLoadBalancerInput) { in.Name = new("internal-a") }), "ValidationError", "cannot begin with 'internal-'"},
		{set(func(in *api.CreateLoadBalancerInput) { in.Type = nil }), "OperationNotPermitted", "of type 'application'"},
		{set(func(in *api.CreateLoadBalancerInput) { in.Type = new("gateway") }), "OperationNotPermitted", "of type 'gateway'"},
		{set(func(in *api.CreateLoadBalancerInput) { in.IpAddressType = new("dualstack") }), "InvalidConfigurationRequest", "no IPv6 CIDR block"},
		{set(func(in *api.CreateLoadBalancerInput) { in.EnablePrefixForIpv6SourceNat = new("on") }), "InvalidConfigurationRequest", "EnablePrefixForIpv6SourceNat"},
		{set(func(in *api.CreateLoadBalancerInput) { in.CustomerOwnedIpv4Pool = new("ipv4pool-coip-1") }), "InvalidConfigurationRequest", "Outposts"},
		{set(func(in *api.CreateLoadBalancerInput) { in.IpamPools = &api.IpamPools{} }), "InvalidConfigurationRequest", "IPAM"},
		{set(func(in *api.CreateLoadBalancerInput) { in.Tags = []api.Tag{{Key: new("a")}, {Key: new("a")}} }), "DuplicateTagKeys", "'a'"},
		{set(func(in *api.CreateLoadBalancerInput) { in.Tags = []api.Tag{{Key: new("AWS:a")}} }), "ValidationError", "cannot begin with 'aws:'"},
		{set(func(in *api.CreateLoadBalancerInput) { in.Subnets = nil }), "ValidationError", "At least one subnet must be specified"},
		{set(func(in *api.CreateLoadBalancerInput) { in.SubnetMappings = []api.SubnetMapping{{SubnetId: new(subC)}} }), "ValidationError", "but not both"},
		{set(func(in *api.CreateLoadBalancerInput) { in.Subnets = []string{"eni-1"} }), "ValidationError", "The subnet ID 'eni-1' is not valid"},
		{set(func(in *api.CreateLoadBalancerInput) { in.Subnets = []string{"subnet-00000000000000099"} }), "SubnetNotFound", "The subnet ID 'subnet-00000000000000099' does not exist"},
		{set(func(in *api.CreateLoadBalancerInput) { in.Subnets = []string{subA, subA2} }), "InvalidConfigurationRequest", "A load balancer cannot be attached to multiple subnets in the same Availability Zone"},
		{set(func(in *api.CreateLoadBalancerInput) { in.Subnets = []string{subA, subA} }), "InvalidConfigurationRequest", "in the same Availability Zone"},
		{set(func(in *api.CreateLoadBalancerInput) { in.Subnets = []string{subA, subOther} }), "InvalidConfigurationRequest", "must belong to the same VPC"},
		{set(func(in *api.CreateLoadBalancerInput) { in.SecurityGroups = []string{groupElse} }), "InvalidSecurityGroup", "One or more security groups are invalid"},
		{set(func(in *api.CreateLoadBalancerInput) { in.SecurityGroups = []string{"sg-1"} }), "InvalidSecurityGroup", "One or more security groups are invalid"},
		{mapped(api.SubnetMapping{}), "ValidationError", "A subnet ID must be specified"},
		{mapped(api.SubnetMapping{SubnetId: new(subA), PrivateIPv4Address: new("10.0.1.5")}), "InvalidConfigurationRequest", "internal load balancers"},
		{mapped(api.SubnetMapping{SubnetId: new(subA), PrivateIPv4Address: new("10.0.1")}), "ValidationError", "The private IPv4 address '10.0.1' is not valid"},
		{mapped(api.SubnetMapping{SubnetId: new(subA), IPv6Address: new("::1")}), "InvalidConfigurationRequest", "dualstack"},
		{mapped(api.SubnetMapping{SubnetId: new(subA), AllocationId: new("eipalloc-1")}), "AllocationIdNotFound", "The allocation ID 'eipalloc-1' does not exist"},
		{mapped(api.SubnetMapping{SubnetId: new(subA), AllocationId: new(eip)}, api.SubnetMapping{SubnetId: new(subB), AllocationId: new(eip)}), "ValidationError", "more than once"},
		{balancer(func(in *api.CreateLoadBalancerInput) { in.Subnets = []string{subA} }), "DuplicateLoadBalancerName", "A load balancer with the same name 'front' exists, but with different settings"},
		{balancer(func(in *api.CreateLoadBalancerInput) { in.Scheme = new("internal") }), "DuplicateLoadBalancerName", "exists, but with different settings"},
		{set(func(*api.CreateLoadBalancerInput) {}), "TooManyLoadBalancers", "maximum number of load balancers"},
	}
	for _, test := range tests {
		w.fails(test.in, test.code, test.text)
	}
	w = newWorld(t, nil)
	w.fails(set(func(in *api.CreateLoadBalancerInput) { in.Subnets = []string{subOther} }), "InvalidSubnet", "VPC "+vpc2+" has no internet gateway")
	w.fails(set(func(in *api.CreateLoadBalancerInput) {
		in.Subnets = []string{subA}
		in.SecurityGroups = []string{group, groupElse}
	}), "InvalidSecurityGroup", "invalid")
	internal := func(list ...api.SubnetMapping) *api.CreateLoadBalancerInput {
		in := mapped(list...)
		in.Scheme = new("internal")
		return in
	}
	w.fails(internal(api.SubnetMapping{SubnetId: new(subA), AllocationId: new(eip)}), "InvalidConfigurationRequest", "internet-facing load balancers")
	w.fails(internal(api.SubnetMapping{SubnetId: new(subA), PrivateIPv4Address: new("10.0.1.10")}), "ResourceInUse", "'10.0.1.10' is not available for use")
	w.fails(internal(api.SubnetMapping{SubnetId: new(subA), PrivateIPv4Address: new("10.0.1.2")}), "InvalidConfigurationRequest", "'10.0.1.2'")
	w.fails(internal(api.SubnetMapping{SubnetId: new(subA), PrivateIPv4Address: new("10.0.2.20")}), "InvalidConfigurationRequest", "'10.0.2.20'")
	w.write(func(tx *state.Tx) { // 4 of 11 addresses of the small subnet are left over 8
		for i := range 4 {
			n := &state.NetworkInterface{Meta: w.meta("eni-00000000000000f0" + string(rune('0'+i))), VpcID: vpc, SubnetID: subTiny, Addresses: []state.PrivateAddress{{Addr: netip.AddrFrom4([4]byte{10, 0, 5, byte(4 + i)})}}}
			state.NetworkInterfaces.Put(tx, n)
		}
	})
	w.fails(set(func(in *api.CreateLoadBalancerInput) { in.Subnets = []string{subTiny} }), "InvalidSubnet", "Not enough IP space available in "+subTiny+". ELB requires at least 8 free IP addresses in each subnet.")
	w.ok(internal(api.SubnetMapping{SubnetId: new(subTiny), PrivateIPv4Address: new("10.0.5.9")}))
}

// TestAddresses: Elastic IPs and private addresses of the caller's choice.
func TestAddresses(t *testing.T) {
	w := newWorld(t, nil)
	made := w.newBalancer(func(in *api.CreateLoadBalancerInput) {
		in.Subnets, in.SubnetMappings = nil, []api.SubnetMapping{{SubnetId: new(subA), AllocationId: new(eip)}, {SubnetId: new(subB)}}
	})
	zones := made.AvailabilityZones
	if a := zones[0].LoadBalancerAddresses; len(a) != 1 || *a[0].AllocationId != eip || *a[0].IpAddress != "198.51.100.1" || len(zones[1].LoadBalancerAddresses) != 0 {
		t.Errorf("%+v", zones)
	}
	if a, _ := state.Addresses.Get(w.store.Snapshot(), w.caller.Scope.Key(eip)); a.AssociationID == "" {
		t.Error("the Elastic IP is not associated")
	}
	w.fails(balancer(func(in *api.CreateLoadBalancerInput) {
		in.Name, in.Subnets, in.SubnetMappings = new("second"), nil, []api.SubnetMapping{{SubnetId: new(subA), AllocationId: new(eip)}}
	}), "ResourceInUse", "The allocation IDs are not available for use")
	inner := w.newBalancer(func(in *api.CreateLoadBalancerInput) {
		in.Name, in.Scheme = new("inner"), new("internal")
		in.Subnets, in.SubnetMappings = nil, []api.SubnetMapping{{SubnetId: new(subA), PrivateIPv4Address: new("10.0.1.77")}}
	})
	if a := inner.AvailabilityZones[0].LoadBalancerAddresses; len(a) != 1 || *a[0].PrivateIPv4Address != "10.0.1.77" || a[0].IpAddress != nil {
		t.Errorf("%+v", a)
	}
	w.ok(&api.DeleteLoadBalancerInput{LoadBalancerArn: made.LoadBalancerArn})
	if a, ok := state.Addresses.Get(w.store.Snapshot(), w.caller.Scope.Key(eip)); !ok || a.AssociationID != "" {
		t.Errorf("%+v", a)
	}
}

func TestSetSubnets(t *testing.T) {
	w := newWorld(t, nil)
	arn := w.newBalancer().LoadBalancerArn
	before, _ := state.LoadBalancers.Get(w.store.Snapshot(), w.caller.Scope.Key(strings.SplitN(*arn, "loadbalancer/", 2)[1]))
	out := call[api.SetSubnetsOutput](w, &api.SetSubnetsInput{LoadBalancerArn: arn, Subnets: []string{subB, subC}})
	if len(out.AvailabilityZones) != 2 || *out.AvailabilityZones[1].SubnetId != subC || *out.IpAddressType != "ipv4" {
		t.Errorf("%+v", out)
	}
	after, _ := state.LoadBalancers.Get(w.store.Snapshot(), before.Key)
	if after.Nodes[0] != before.Nodes[1] {
		t.Errorf("the node that stays has changed: %+v", after.Nodes[0])
	}
	if _, ok := state.NetworkInterfaces.Get(w.store.Snapshot(), w.caller.Scope.Key(before.Nodes[0].InterfaceID)); ok {
		t.Error("the interface of the node that went is there")
	}
	w.ok(&api.SetSubnetsInput{LoadBalancerArn: arn, Subnets: []string{subA2, subC}})
	for _, test := range []struct {
		in         *api.SetSubnetsInput
		code, text string
	}{
		{&api.SetSubnetsInput{LoadBalancerArn: arn}, "ValidationError", "At least one subnet"},
		{&api.SetSubnetsInput{LoadBalancerArn: arn, Subnets: []string{subA}}, "ValidationError", "The Availability Zone 'us-east-1a' corresponding to the new subnet '" + subA + "' is already associated with the load balancer."},
		{&api.SetSubnetsInput{LoadBalancerArn: arn, Subnets: []string{subOther}}, "InvalidConfigurationRequest", vpc},
		{&api.SetSubnetsInput{LoadBalancerArn: arn, Subnets: []string{subC}, IpAddressType: new("dualstack")}, "InvalidConfigurationRequest", "IPv6"},
		{&api.SetSubnetsInput{LoadBalancerArn: arn, SubnetMappings: []api.SubnetMapping{{SubnetId: new(subC), AllocationId: new(eip)}}}, "ValidationError", "cannot be changed"},
		{&api.SetSubnetsInput{LoadBalancerArn: new("x"), Subnets: []string{subC}}, "ValidationError", "'x' is not a valid load balancer ARN"},
		{&api.SetSubnetsInput{LoadBalancerArn: new(*arn + "0"), Subnets: []string{subC}}, "LoadBalancerNotFound", "not found"},
	} {
		w.fails(test.in, test.code, test.text)
	}
}

func TestSetSecurityGroups(t *testing.T) {
	w := newWorld(t, nil)
	guarded := w.newBalancer(func(in *api.CreateLoadBalancerInput) { in.SecurityGroups = []string{group} }).LoadBalancerArn
	open := w.newBalancer(func(in *api.CreateLoadBalancerInput) { in.Name = new("open") }).LoadBalancerArn
	out := call[api.SetSecurityGroupsOutput](w, &api.SetSecurityGroupsInput{LoadBalancerArn: guarded, SecurityGroups: []string{group2}, EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic: new("off")})
	if len(out.SecurityGroupIds) != 1 || out.SecurityGroupIds[0] != group2 || *out.EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic != "off" {
		t.Errorf("%+v", out)
	}
	count := 0
	for range state.NetworkInterfaces.By(w.store.Snapshot(), state.ByGroup, group2) {
		count++
	}
	if count != 2 {
		t.Errorf("%d interfaces are in the new group", count)
	}
	w.fails(&api.SetSecurityGroupsInput{LoadBalancerArn: open, SecurityGroups: []string{group}}, "InvalidConfigurationRequest", "created without security groups")
	w.fails(&api.SetSecurityGroupsInput{LoadBalancerArn: guarded}, "ValidationError", "At least one security group")
	w.fails(&api.SetSecurityGroupsInput{LoadBalancerArn: guarded, SecurityGroups: []string{groupElse}}, "InvalidSecurityGroup", "invalid")
	w.fails(&api.SetIpAddressTypeInput{LoadBalancerArn: open, IpAddressType: new("dualstack")}, "InvalidConfigurationRequest", "IPv6")
	w.ok(&api.SetIpAddressTypeInput{LoadBalancerArn: open, IpAddressType: new("ipv4")})
}

func TestBalancerAttributes(t *testing.T) {
	w := newWorld(t, nil)
	arn := w.newBalancer().LoadBalancerArn
	get := func(key string) string {
		for _, a := range call[api.DescribeLoadBalancerAttributesOutput](w, &api.DescribeLoadBalancerAttributesInput{LoadBalancerArn: arn}).Attributes {
			if *a.Key == key {
				return *a.Value
			}
		}
		return "none"
	}
	set := func(key, value string) *api.ModifyLoadBalancerAttributesInput {
		return &api.ModifyLoadBalancerAttributesInput{LoadBalancerArn: arn, Attributes: []api.LoadBalancerAttribute{{Key: &key, Value: &value}}}
	}
	if get("load_balancing.cross_zone.enabled") != "false" || get("dns_record.client_routing_policy") != "any_availability_zone" || get("access_logs.s3.bucket") != "" {
		t.Error("the defaults are others")
	}
	w.ok(set("load_balancing.cross_zone.enabled", "true"), set("deletion_protection.enabled", "true"), set("dns_record.client_routing_policy", "availability_zone_affinity"))
	if get("load_balancing.cross_zone.enabled") != "true" {
		t.Error("not set")
	}
	w.fails(&api.DeleteLoadBalancerInput{LoadBalancerArn: arn}, "OperationNotPermitted", "deletion protection is enabled")
	w.fails(set("load_balancing.cross_zone.enabled", "yes"), "ValidationError", "must be one of 'true, false'")
	w.fails(set("nonsense", "true"), "ValidationError", "Load balancer attribute key 'nonsense' is not recognized")
	w.fails(set("idle_timeout.timeout_seconds", "60"), "InvalidConfigurationRequest", "is not supported on load balancers with type 'network'")
	w.fails(set("access_logs.s3.enabled", "true"), "ValidationError", "access_logs.s3.bucket")
	w.fails(set("access_logs.s3.bucket", "../../etc"), "ValidationError", "Load balancer attribute 'access_logs.s3.bucket' is not valid: a bucket's name")
	w.fails(set("access_logs.s3.prefix", "a/../../b"), "ValidationError", "Load balancer attribute 'access_logs.s3.prefix' is not valid: a prefix")
	w.ok(set("access_logs.s3.bucket", "my-logs"), set("access_logs.s3.prefix", "a/b"), set("access_logs.s3.enabled", "true"))
	w.fails(set("access_logs.s3.bucket", ""), "ValidationError", "access_logs.s3.bucket")
	w.ok(set("access_logs.s3.prefix", ""), set("access_logs.s3.enabled", "false"), set("access_logs.s3.bucket", ""))
	w.fails(set("zonal_shift.config.enabled", "true"), "ValidationError", "cannot be 'true'")
	twice := set("deletion_protection.enabled", "false")
	twice.Attributes = append(twice.Attributes, twice.Attributes[0])
	w.fails(twice, "ValidationError", "more than once")
	w.fails(&api.ModifyLoadBalancerAttributesInput{LoadBalancerArn: arn}, "ValidationError", "Member must have length")
	w.ok(set("deletion_protection.enabled", "false"), &api.DeleteLoadBalancerInput{LoadBalancerArn: arn})
}
