package elbv2

import (
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/state"
)

// CreateTargetGroup makes a target group. The same request again gives the same
// group.
func (s *Service) CreateTargetGroup(tx *state.Tx, c authz.Caller, in *api.CreateTargetGroupInput) (*api.CreateTargetGroupOutput, error) {
	g, err := newGroup(tx, c, in)
	if err != nil {
		return nil, err
	}
	count := 1
	for other := range state.TargetGroups.In(tx, c.Scope) {
		if count++; other.Name != g.Name {
			continue
		}
		if other.VpcID != g.VpcID || other.Protocol != g.Protocol || other.Port != g.Port || other.TargetType != g.TargetType || other.Check != g.Check || !sameTags(other.Tags, g.Tags) {
			return nil, awserr.New(api.ErrDuplicateTargetGroupName, "A target group with the same name '%s' exists, but with different settings", g.Name)
		}
		return &api.CreateTargetGroupOutput{TargetGroups: []api.TargetGroup{apiGroup(tx, other)}}, nil
	}
	if err := s.within(tx, c, "target-groups-per-region", count); err != nil {
		return nil, err
	}
	g.Key, g.Created = c.Scope.Key(g.Name+"/"+newHash(tx)), tx.Now()
	state.TargetGroups.Put(tx, g)
	return &api.CreateTargetGroupOutput{TargetGroups: []api.TargetGroup{apiGroup(tx, g)}}, nil
}

// newGroup is the target group that a request describes, without its key.
func newGroup(r state.Reader, c authz.Caller, in *api.CreateTargetGroupInput) (*state.TargetGroup, error) {
	if err := checkName("Target group name", val(in.Name)); err != nil {
		return nil, err
	}
	g := &state.TargetGroup{Name: *in.Name, VpcID: val(in.VpcId), Protocol: val(in.Protocol), Port: val(in.Port), TargetType: val(in.TargetType)}
	if g.TargetType == "" {
		g.TargetType = api.TargetTypeEnumInstance
	}
	var err error
	if g.Tags, err = tagsOf(in.Tags); err != nil {
		return nil, err
	}
	switch {
	case g.TargetType != api.TargetTypeEnumInstance && g.TargetType != api.TargetTypeEnumIp:
		return nil, awserr.New(api.ErrOperationNotPermitted, "This AWS account currently does not support target groups with target type '%s': localvpc has 'instance' and 'ip'", g.TargetType)
	case g.Protocol == "":
		return nil, invalid("A protocol must be specified")
	case !balanced(g.Protocol):
		return nil, unsupportedProtocol(g.Protocol)
	case g.Port == 0:
		return nil, invalid("A port must be specified")
	case g.VpcID == "":
		return nil, invalid("A VPC ID must be specified")
	case val(in.IpAddressType) == api.TargetGroupIpAddressTypeEnumIpv6:
		return nil, awserr.New(api.ErrInvalidConfigurationRequest, "The IP address type 'ipv6' is not supported for target groups of a VPC without IPv6 CIDR blocks")
	case in.ProtocolVersion != nil:
		return nil, invalid("Protocol version cannot be specified for target groups with the %s protocol", g.Protocol)
	case in.TargetControlPort != nil:
		return nil, invalid("Target control port cannot be specified for target groups with the %s protocol", g.Protocol)
	}
	if _, ok := state.Vpcs.Get(r, c.Scope.Key(g.VpcID)); !ok {
		return nil, invalid("The VPC ID '%s' is not found", awserr.Clip(g.VpcID))
	}
	g.Check, err = checkOf(defaultCheck(val(in.HealthCheckProtocol)), asked{in.HealthCheckProtocol, in.HealthCheckPort, in.HealthCheckPath, in.HealthCheckEnabled,
		in.HealthCheckIntervalSeconds, in.HealthCheckTimeoutSeconds, in.HealthyThresholdCount, in.UnhealthyThresholdCount, in.Matcher})
	return g, err
}

// balanced says whether a protocol is one of those that network load balancers here
// can balance.
func balanced(protocol string) bool {
	return slices.Contains([]string{api.ProtocolEnumTCP, api.ProtocolEnumUDP, api.ProtocolEnumTCPUDP}, protocol)
}

func unsupportedProtocol(protocol string) error {
	return awserr.New(api.ErrUnsupportedProtocol, "The protocol '%s' is not supported: localvpc has network load balancers with TCP, UDP and TCP_UDP", protocol)
}

// DeleteTargetGroup removes a target group that no listener forwards to, with its
// targets. One that is not there is no error.
func (s *Service) DeleteTargetGroup(tx *state.Tx, c authz.Caller, in *api.DeleteTargetGroupInput) (*api.DeleteTargetGroupOutput, error) {
	g, err := groupKind.find(tx, c, *in.TargetGroupArn)
	switch {
	case awserr.Is(err, api.ErrTargetGroupNotFound):
		return &api.DeleteTargetGroupOutput{}, nil
	case err != nil:
		return nil, err
	case len(balance.Balancers(tx, g)) > 0:
		return nil, awserr.New(api.ErrResourceInUse, "Target group '%s' is currently in use by a listener or a rule", *in.TargetGroupArn)
	}
	for _, t := range balance.Targets(tx, g) {
		state.Targets.Delete(tx, t.Key)
	}
	state.TargetGroups.Delete(tx, g.Key)
	return &api.DeleteTargetGroupOutput{}, nil
}

// DescribeTargetGroups lists those asked for, by ARN, name or load balancer, or all.
func (s *Service) DescribeTargetGroups(r state.Reader, c authz.Caller, in *api.DescribeTargetGroupsInput) (*api.DescribeTargetGroupsOutput, error) {
	var rows []*state.TargetGroup
	var err error
	ways := 0
	for _, given := range []bool{in.LoadBalancerArn != nil, len(in.TargetGroupArns) > 0, len(in.Names) > 0} {
		if given {
			ways++
		}
	}
	switch {
	case ways > 1:
		return nil, invalid("Target group names, target group ARNs, and a load balancer ARN cannot be specified at the same time")
	case in.LoadBalancerArn != nil:
		b, err := balancerKind.find(r, c, *in.LoadBalancerArn)
		if err != nil {
			return nil, err
		}
		for _, l := range balance.Listeners(r, b) {
			if g, ok := balance.Group(r, l); ok && !slices.Contains(rows, g) {
				rows = append(rows, g)
			}
		}
	case len(in.TargetGroupArns) > 0:
		rows, err = groupKind.findAll(r, c, in.TargetGroupArns)
	case len(in.Names) > 0:
		found := 0
		for g := range state.TargetGroups.In(r, c.Scope) {
			if slices.Contains(in.Names, g.Name) {
				rows, found = append(rows, g), found+1
			}
		}
		if names := slices.Compact(slices.Sorted(slices.Values(in.Names))); found < len(names) {
			err = groupKind.none()
		}
	default:
		rows = groupKind.all(r, c)
	}
	if err != nil {
		return nil, err
	}
	rows, next, err := page(rows, func(g *state.TargetGroup) string { return g.ID }, in.Marker, in.PageSize)
	return &api.DescribeTargetGroupsOutput{NextMarker: next, TargetGroups: mapped(rows, func(g *state.TargetGroup) api.TargetGroup { return apiGroup(r, g) })}, err
}

func apiGroup(r state.Reader, g *state.TargetGroup) api.TargetGroup {
	k := g.Check
	out := api.TargetGroup{
		TargetGroupArn: ptr(groupKind.arn(g)), TargetGroupName: ptr(g.Name), Protocol: ptr(g.Protocol), Port: ptr(g.Port), VpcId: ptr(g.VpcID), TargetType: ptr(g.TargetType),
		HealthCheckProtocol: ptr(k.Protocol), HealthCheckPort: ptr(checkPort(k)), HealthCheckEnabled: ptr(true), HealthCheckIntervalSeconds: ptr(k.Interval),
		HealthCheckTimeoutSeconds: ptr(k.Timeout), HealthyThresholdCount: ptr(k.Healthy), UnhealthyThresholdCount: ptr(k.Unhealthy), HealthCheckPath: opt(k.Path),
		IpAddressType:    ptr(api.TargetGroupIpAddressTypeEnumIpv4),
		LoadBalancerArns: mapped(balance.Balancers(r, g), balancerKind.arn),
	}
	if k.Matcher != "" {
		out.Matcher = &api.Matcher{HttpCode: ptr(k.Matcher)}
	}
	return out
}
