package elbv2

import (
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// SetSubnets gives a balancer the nodes asked for: those that it has stay as they are,
// others come and go. A zone changes its subnet in two steps, as on AWS.
func (s *Service) SetSubnets(tx *state.Tx, c authz.Caller, in *api.SetSubnetsInput) (*api.SetSubnetsOutput, error) {
	old, err := balancerKind.find(tx, c, *in.LoadBalancerArn)
	switch {
	case err != nil:
		return nil, err
	case val(in.IpAddressType) != "" && *in.IpAddressType != api.IpAddressTypeIpv4:
		return nil, noIPv6(*in.IpAddressType)
	}
	list, err := wantedNodes(in.Subnets, in.SubnetMappings)
	if err != nil {
		return nil, err
	}
	nodes, err := nodesOf(tx, c, list, old.Internal)
	if err != nil {
		return nil, err
	}
	if nodes[0].subnet.VpcID != old.VpcID {
		return nil, awserr.New(api.ErrInvalidConfigurationRequest, "The subnets must belong to the VPC of the load balancer '%s'", old.VpcID)
	}
	b := *old
	b.Nodes = nil
	var more []node
	for _, n := range nodes {
		i := slices.IndexFunc(old.Nodes, func(row state.BalancerNode) bool { return row.Zone == n.subnet.AvailabilityZone })
		switch {
		case i < 0:
			more = append(more, n)
			continue
		case old.Nodes[i].SubnetID != n.subnetID:
			return nil, invalid("You cannot specify an additional subnet from an Availability Zone that is already associated with the load balancer. The Availability Zone '%s' corresponding to the new subnet '%s' is already associated with the load balancer.",
				n.subnet.AvailabilityZone, n.subnetID)
		case n.allocation != "" && n.allocation != old.Nodes[i].AllocationID, n.private.IsValid() && n.private != old.Nodes[i].PrivateIP:
			return nil, invalid("The addresses of the subnet '%s' cannot be changed: it is already associated with the load balancer", n.subnetID)
		}
		b.Nodes = append(b.Nodes, old.Nodes[i])
	}
	if err := canHave(tx, more, old.Internal); err != nil {
		return nil, err
	}
	for _, row := range old.Nodes {
		if !slices.ContainsFunc(b.Nodes, func(kept state.BalancerNode) bool { return kept.Zone == row.Zone }) {
			removeNode(tx, old, row)
		}
	}
	for _, n := range more {
		row, err := s.newNode(tx, c, &b, n)
		if err != nil {
			return nil, err
		}
		b.Nodes = append(b.Nodes, row)
	}
	state.LoadBalancers.Put(tx, &b)
	out := apiBalancer(&b)
	return &api.SetSubnetsOutput{AvailabilityZones: out.AvailabilityZones, IpAddressType: out.IpAddressType, EnablePrefixForIpv6SourceNat: out.EnablePrefixForIpv6SourceNat}, nil
}

// SetSecurityGroups gives a balancer that was created with security groups others.
func (s *Service) SetSecurityGroups(tx *state.Tx, c authz.Caller, in *api.SetSecurityGroupsInput) (*api.SetSecurityGroupsOutput, error) {
	old, err := balancerKind.find(tx, c, *in.LoadBalancerArn)
	switch {
	case err != nil:
		return nil, err
	case !old.Guarded:
		return nil, awserr.New(api.ErrInvalidConfigurationRequest, "Security groups cannot be set on the load balancer '%s': it was created without security groups", *in.LoadBalancerArn)
	case len(in.SecurityGroups) == 0:
		return nil, invalid("At least one security group must be specified")
	}
	b := *old
	if b.Groups, err = s.groupsOf(tx, c, old.VpcID, in.SecurityGroups); err != nil {
		return nil, err
	}
	if in.EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic != nil {
		b.PrivateLinkOpen = *in.EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic == api.EnforceSecurityGroupInboundRulesOnPrivateLinkTrafficEnumOff
	}
	for _, n := range b.Nodes {
		if row, ok := state.NetworkInterfaces.Get(tx, b.Scope().Key(n.InterfaceID)); ok {
			eni := *row
			eni.Groups = b.Groups
			state.NetworkInterfaces.Put(tx, &eni)
		}
	}
	state.LoadBalancers.Put(tx, &b)
	return &api.SetSecurityGroupsOutput{SecurityGroupIds: b.Groups, EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic: ptr(enforced(&b))}, nil
}

func enforced(b *state.LoadBalancer) string {
	if b.PrivateLinkOpen {
		return api.EnforceSecurityGroupInboundRulesOnPrivateLinkTrafficEnumOff
	}
	return api.EnforceSecurityGroupInboundRulesOnPrivateLinkTrafficEnumOn
}

// SetIpAddressType: without IPv6 there is one type.
func (s *Service) SetIpAddressType(tx *state.Tx, c authz.Caller, in *api.SetIpAddressTypeInput) (*api.SetIpAddressTypeOutput, error) {
	if _, err := balancerKind.find(tx, c, *in.LoadBalancerArn); err != nil {
		return nil, err
	}
	if *in.IpAddressType != api.IpAddressTypeIpv4 {
		return nil, noIPv6(*in.IpAddressType)
	}
	return &api.SetIpAddressTypeOutput{IpAddressType: in.IpAddressType}, nil
}
