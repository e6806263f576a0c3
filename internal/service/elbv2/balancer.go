package elbv2

import (
	"errors"
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsregion"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// principal is the service as trust policies name it.
const principal = "elasticloadbalancing.amazonaws.com"

// CreateLoadBalancer makes a network load balancer with a node in each zone of the
// subnets. The answer says provisioning; when it is given the balancer is active. The
// same request again gives the same balancer.
func (s *Service) CreateLoadBalancer(tx *state.Tx, c authz.Caller, in *api.CreateLoadBalancerInput) (*api.CreateLoadBalancerOutput, error) {
	if err := checkBalancerName(val(in.Name)); err != nil {
		return nil, err
	}
	if err := offered(in); err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	internal := val(in.Scheme) == api.LoadBalancerSchemeEnumInternal
	wanted, err := wantedNodes(in.Subnets, in.SubnetMappings)
	if err != nil {
		return nil, err
	}
	nodes, err := nodesOf(tx, c, wanted, internal)
	if err != nil {
		return nil, err
	}
	groups, err := s.groupsOf(tx, c, nodes[0].subnet.VpcID, in.SecurityGroups)
	if err != nil {
		return nil, err
	}
	if same, ok := balancerNamed(tx, c, *in.Name); ok {
		if same.Internal != internal || !sameNodes(same.Nodes, nodes) || !sameSet(same.Groups, groups) || !sameTags(same.Tags, tags) {
			return nil, awserr.New(api.ErrDuplicateLoadBalancerName, "A load balancer with the same name '%s' exists, but with different settings", *in.Name)
		}
		return &api.CreateLoadBalancerOutput{LoadBalancers: []api.LoadBalancer{apiBalancer(same)}}, nil
	}
	count := 1
	for range state.LoadBalancers.In(tx, c.Scope) {
		count++
	}
	if err := s.within(tx, c, "network-load-balancers-per-region", count); err != nil {
		return nil, err
	}
	if err := canHave(tx, nodes, internal); err != nil {
		return nil, err
	}
	service.LinkRole(tx, c.Account, principal, "", "Allows ELB to call AWS services on your behalf.")
	hash := newHash(tx)
	b := &state.LoadBalancer{
		Meta: state.Meta{Key: c.Scope.Key("net/" + *in.Name + "/" + hash), Created: tx.Now()},
		Name: *in.Name, Hash: hash, Internal: internal, VpcID: nodes[0].subnet.VpcID, State: api.LoadBalancerStateEnumActive,
		DNSName: strings.ToLower(*in.Name) + "-" + hash + ".elb." + c.Region + ".amazonaws.com",
		Guarded: len(groups) > 0, Groups: groups,
	}
	b.Tags = tags
	for _, n := range nodes {
		node, err := s.newNode(tx, c, b, n)
		if err != nil {
			return nil, err
		}
		b.Nodes = append(b.Nodes, node)
	}
	state.LoadBalancers.Put(tx, b)
	out := apiBalancer(b)
	out.State.Code = ptr(api.LoadBalancerStateEnumProvisioning)
	return &api.CreateLoadBalancerOutput{LoadBalancers: []api.LoadBalancer{out}}, nil
}

// offered refuses what is not: other types than network, IPv6, and what belongs to
// them or to machines elsewhere.
func offered(in *api.CreateLoadBalancerInput) error {
	kind := val(in.Type)
	if kind == "" {
		kind = api.LoadBalancerTypeEnumApplication // AWS's default
	}
	switch {
	case kind != api.LoadBalancerTypeEnumNetwork:
		return awserr.New(api.ErrOperationNotPermitted, "This AWS account currently does not support creating load balancers of type '%s': localvpc has those of type 'network'", kind)
	case val(in.IpAddressType) != "" && *in.IpAddressType != api.IpAddressTypeIpv4:
		return noIPv6(*in.IpAddressType)
	case val(in.EnablePrefixForIpv6SourceNat) == api.EnablePrefixForIpv6SourceNatEnumOn:
		return awserr.New(api.ErrInvalidConfigurationRequest, "EnablePrefixForIpv6SourceNat can only be set for load balancers with the IP address type 'dualstack'")
	case in.CustomerOwnedIpv4Pool != nil:
		return awserr.New(api.ErrInvalidConfigurationRequest, "CustomerOwnedIpv4Pool is only supported for Application Load Balancers on Outposts")
	case in.IpamPools != nil:
		return awserr.New(api.ErrInvalidConfigurationRequest, "IPAM pools are only supported for Application Load Balancers")
	}
	return nil
}

func noIPv6(kind string) error {
	return awserr.New(api.ErrInvalidConfigurationRequest, "The IP address type '%s' is not supported: the subnets have no IPv6 CIDR block", kind)
}

// balancerNamed finds a balancer of the scope by its name.
func balancerNamed(r state.Reader, c authz.Caller, name string) (*state.LoadBalancer, bool) {
	for b := range state.LoadBalancers.In(r, c.Scope) {
		if b.Name == name {
			return b, true
		}
	}
	return nil, false
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func sameTags(a, b state.Tags) bool {
	for _, t := range a {
		if v, ok := b.Get(t.Key); !ok || v != t.Value {
			return false
		}
	}
	return len(a) == len(b)
}

// DeleteLoadBalancer removes a balancer with its listeners and interfaces; its
// target groups stay. One that is not there is no error (ELBv2 API Reference).
func (s *Service) DeleteLoadBalancer(tx *state.Tx, c authz.Caller, in *api.DeleteLoadBalancerInput) (*api.DeleteLoadBalancerOutput, error) {
	b, err := balancerKind.find(tx, c, *in.LoadBalancerArn)
	switch {
	case awserr.Is(err, api.ErrLoadBalancerNotFound):
		return &api.DeleteLoadBalancerOutput{}, nil
	case err != nil:
		return nil, err
	case b.Attribute(attrProtected, "false") == "true":
		return nil, awserr.New(api.ErrOperationNotPermitted, "Load balancer '%s' cannot be deleted because deletion protection is enabled", *in.LoadBalancerArn)
	}
	for _, l := range balance.Listeners(tx, b) {
		removeListener(tx, b, l)
	}
	for _, n := range b.Nodes {
		removeNode(tx, b, n)
	}
	state.LoadBalancers.Delete(tx, b.Key)
	return &api.DeleteLoadBalancerOutput{}, nil
}

// DescribeLoadBalancers lists those asked for, by ARN or by name, or all.
func (s *Service) DescribeLoadBalancers(r state.Reader, c authz.Caller, in *api.DescribeLoadBalancersInput) (*api.DescribeLoadBalancersOutput, error) {
	var rows []*state.LoadBalancer
	var err error
	switch {
	case len(in.LoadBalancerArns) > 0 && len(in.Names) > 0:
		return nil, invalid("Load balancer names and load balancer ARNs cannot be specified at the same time")
	case len(in.LoadBalancerArns) > 0:
		rows, err = balancerKind.findAll(r, c, in.LoadBalancerArns)
	case len(in.Names) > 0:
		var missing []string
		for _, name := range in.Names {
			if b, ok := balancerNamed(r, c, name); ok {
				rows = append(rows, b)
			} else {
				missing = append(missing, name)
			}
		}
		if len(missing) > 0 {
			err = awserr.New(api.ErrLoadBalancerNotFound, "Load balancers '[%s]' not found", awserr.Clip(strings.Join(missing, ", ")))
		}
	default:
		rows = balancerKind.all(r, c)
	}
	if err != nil {
		return nil, err
	}
	rows, next, err := page(rows, func(b *state.LoadBalancer) string { return b.ID }, in.Marker, in.PageSize)
	return &api.DescribeLoadBalancersOutput{LoadBalancers: mapped(rows, apiBalancer), NextMarker: next}, err
}

func apiBalancer(b *state.LoadBalancer) api.LoadBalancer {
	region, _ := awsregion.Lookup(b.Region)
	out := api.LoadBalancer{
		LoadBalancerArn: ptr(balancerKind.arn(b)), DNSName: ptr(b.DNSName), CanonicalHostedZoneId: opt(region.BalancerZone),
		CreatedTime: when(b.Created), LoadBalancerName: ptr(b.Name), Scheme: ptr(api.LoadBalancerSchemeEnumInternetFacing), VpcId: ptr(b.VpcID),
		State: &api.LoadBalancerState{Code: ptr(b.State)}, Type: ptr(api.LoadBalancerTypeEnumNetwork), IpAddressType: ptr(api.IpAddressTypeIpv4),
		EnablePrefixForIpv6SourceNat: ptr(api.EnablePrefixForIpv6SourceNatEnumOff),
	}
	if b.Internal {
		out.Scheme = ptr(api.LoadBalancerSchemeEnumInternal)
	}
	if b.Guarded {
		out.SecurityGroups = b.Groups
		out.EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic = ptr(enforced(b))
	}
	for _, n := range b.Nodes {
		zone := api.AvailabilityZone{ZoneName: ptr(n.Zone), SubnetId: ptr(n.SubnetID), LoadBalancerAddresses: []api.LoadBalancerAddress{}}
		switch {
		case n.AllocationID != "":
			zone.LoadBalancerAddresses = append(zone.LoadBalancerAddresses, api.LoadBalancerAddress{IpAddress: ptr(n.PublicIP.String()), AllocationId: ptr(n.AllocationID)})
		case n.Chosen:
			zone.LoadBalancerAddresses = append(zone.LoadBalancerAddresses, api.LoadBalancerAddress{PrivateIPv4Address: ptr(n.PrivateIP.String())})
		}
		out.AvailabilityZones = append(out.AvailabilityZones, zone)
	}
	return out
}

// exhausted is AWS's error for a pool of public addresses that is used up.
func exhausted(err error) error {
	if errors.Is(err, publicip.ErrExhausted) {
		return awserr.New("InsufficientAddressCapacity", "There are not enough public addresses for the load balancer: %v.", err)
	}
	return err
}
