package elbv2

import (
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/state"
)

// CreateListener opens a port of a load balancer. The same request again gives the
// same listener.
func (s *Service) CreateListener(tx *state.Tx, c authz.Caller, in *api.CreateListenerInput) (*api.CreateListenerOutput, error) {
	b, err := balancerKind.find(tx, c, *in.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.Tags)
	switch {
	case err != nil:
		return nil, err
	case in.Protocol == nil:
		return nil, invalid("A listener protocol must be specified")
	case in.Port == nil:
		return nil, invalid("A listener port must be specified")
	}
	if err := plain(*in.Protocol, in.SslPolicy, in.Certificates, in.AlpnPolicy, in.MutualAuthentication); err != nil {
		return nil, err
	}
	g, weight, err := forwardTo(tx, c, in.DefaultActions)
	if err != nil {
		return nil, err
	}
	l := &state.Listener{BalancerID: b.ID, Protocol: *in.Protocol, Port: *in.Port, TargetsID: g.ID, Weight: weight}
	l.Tags = tags
	count := 1
	for _, other := range balance.Listeners(tx, b) {
		if count++; other.Port != l.Port {
			continue
		}
		if other.Protocol != l.Protocol || other.TargetsID != l.TargetsID || other.Weight != l.Weight || !sameTags(other.Tags, tags) {
			return nil, duplicateListener(b)
		}
		return &api.CreateListenerOutput{Listeners: []api.Listener{apiListener(other)}}, nil
	}
	if err := fits(tx, b, l.Protocol, g); err != nil {
		return nil, err
	}
	if err := s.within(tx, c, "listeners-per-network-load-balancer", count); err != nil {
		return nil, err
	}
	if err := s.targetsWithin(tx, c, b, g); err != nil {
		return nil, err
	}
	l.Key, l.Created = c.Scope.Key(b.ID+"/"+newHash(tx)), tx.Now()
	state.Listeners.Put(tx, l)
	return &api.CreateListenerOutput{Listeners: []api.Listener{apiListener(l)}}, nil
}

func duplicateListener(b *state.LoadBalancer) error {
	return awserr.New(api.ErrDuplicateListener, "A listener already exists on this port for this load balancer '%s'", balancerKind.arn(b))
}

// plain refuses what listeners of network load balancers cannot be, and TLS, which
// comes later.
func plain(protocol string, policy *string, certificates []api.Certificate, alpn []string, mutual *api.MutualAuthenticationAttributes) error {
	switch {
	case protocol == api.ProtocolEnumTLS, protocol == api.ProtocolEnumQUIC, protocol == api.ProtocolEnumTCPQUIC:
		return unsupportedProtocol(protocol)
	case !balanced(protocol):
		return invalid("Listener protocol '%s' must be one of 'UDP, TCP, TCP_UDP, TLS'", protocol)
	case len(certificates) > 0:
		return invalid("Certificates cannot be specified for %s listeners", protocol)
	case policy != nil:
		return invalid("SSL policies cannot be specified for %s listeners", protocol)
	case len(alpn) > 0:
		return invalid("ALPN policies cannot be specified for %s listeners", protocol)
	case mutual != nil:
		return invalid("Mutual authentication cannot be specified for %s listeners", protocol)
	}
	return nil
}

// forwardTo finds the target group of the default action: one action, forward, to
// one group, whose weight says nothing then.
func forwardTo(r state.Reader, c authz.Caller, actions []api.Action) (g *state.TargetGroup, weight int32, err error) {
	switch {
	case len(actions) == 0:
		return nil, 0, invalid("A default action must be specified")
	case len(actions) > 1:
		return nil, 0, awserr.New(api.ErrTooManyActions, "You cannot specify more than '1' default action for a listener of a load balancer with type 'network'")
	}
	a := actions[0]
	if *a.Type != api.ActionTypeEnumForward {
		return nil, 0, awserr.New(api.ErrInvalidLoadBalancerAction, "The action type '%s' is not supported on load balancers with type 'network'", *a.Type)
	}
	arn := val(a.TargetGroupArn)
	if f := a.ForwardConfig; f != nil {
		for _, t := range f.TargetGroups {
			if weight = val(t.Weight); t.Weight != nil && (weight < 1 || weight > 999) {
				return nil, 0, invalid("The weight '%d' of a target group must be between '1' and '999'", weight)
			}
		}
		switch {
		case len(f.TargetGroups) > 1:
			return nil, 0, awserr.New(api.ErrInvalidLoadBalancerAction, "Forward actions of load balancers with type 'network' can have only one target group")
		case f.TargetGroupStickinessConfig != nil && val(f.TargetGroupStickinessConfig.Enabled):
			return nil, 0, awserr.New(api.ErrInvalidLoadBalancerAction, "Target group stickiness is not supported on load balancers with type 'network'")
		case len(f.TargetGroups) == 1 && arn == "":
			arn = val(f.TargetGroups[0].TargetGroupArn)
		case len(f.TargetGroups) == 1 && val(f.TargetGroups[0].TargetGroupArn) != arn:
			return nil, 0, invalid("The target group ARN of the action and that of its forward configuration must be the same")
		}
	}
	if arn == "" {
		return nil, 0, invalid("A target group ARN must be specified")
	}
	g, err = groupKind.find(r, c, arn)
	return g, weight, err
}

// pairs are the protocols of target groups that a listener can forward to (NLB User
// Guide, "Listeners for your Network Load Balancers").
var pairs = map[string][]string{
	api.ProtocolEnumTCP:    {api.ProtocolEnumTCP, api.ProtocolEnumTCPUDP},
	api.ProtocolEnumUDP:    {api.ProtocolEnumUDP, api.ProtocolEnumTCPUDP},
	api.ProtocolEnumTCPUDP: {api.ProtocolEnumTCPUDP},
}

// fits says why a listener of a balancer cannot forward to a target group.
func fits(r state.Reader, b *state.LoadBalancer, protocol string, g *state.TargetGroup) error {
	switch {
	case g.VpcID != b.VpcID:
		return awserr.New(api.ErrInvalidConfigurationRequest, "The target group '%s' and the load balancer '%s' must be in the same VPC", groupKind.arn(g), balancerKind.arn(b))
	case !slices.Contains(pairs[protocol], g.Protocol):
		return awserr.New(api.ErrIncompatibleProtocols, "The listener and its associated target group '%s' have incompatible protocols: '%s' and '%s'", groupKind.arn(g), protocol, g.Protocol)
	}
	for _, other := range balance.Balancers(r, g) {
		if other.ID != b.ID {
			return awserr.New(api.ErrTargetGroupAssociationLimit, "The following target groups cannot be associated with more than one load balancer: %s", groupKind.arn(g))
		}
	}
	return nil
}

// ModifyListener changes port, protocol or target group of a listener.
func (s *Service) ModifyListener(tx *state.Tx, c authz.Caller, in *api.ModifyListenerInput) (*api.ModifyListenerOutput, error) {
	old, b, err := listenerOf(tx, c, *in.ListenerArn)
	if err != nil {
		return nil, err
	}
	l := *old
	if in.Port != nil {
		l.Port = *in.Port
	}
	if in.Protocol != nil {
		l.Protocol = *in.Protocol
	}
	if err := plain(l.Protocol, in.SslPolicy, in.Certificates, in.AlpnPolicy, in.MutualAuthentication); err != nil {
		return nil, err
	}
	g, ok := balance.Group(tx, old)
	if len(in.DefaultActions) > 0 {
		if g, l.Weight, err = forwardTo(tx, c, in.DefaultActions); err != nil {
			return nil, err
		}
	} else if !ok {
		return nil, groupKind.none()
	}
	l.TargetsID = g.ID
	for _, other := range balance.Listeners(tx, b) {
		if other.ID != l.ID && other.Port == l.Port {
			return nil, duplicateListener(b)
		}
	}
	if err := fits(tx, b, l.Protocol, g); err != nil {
		return nil, err
	}
	if err := s.targetsWithin(tx, c, b, g); err != nil {
		return nil, err
	}
	state.Listeners.Put(tx, &l)
	forget(tx, b, old.TargetsID)
	return &api.ModifyListenerOutput{Listeners: []api.Listener{apiListener(&l)}}, nil
}

// listenerOf finds a listener and its balancer.
func listenerOf(r state.Reader, c authz.Caller, arn string) (*state.Listener, *state.LoadBalancer, error) {
	l, err := listenerKind.find(r, c, arn)
	if err != nil {
		return nil, nil, err
	}
	b, ok := state.LoadBalancers.Get(r, c.Scope.Key(l.BalancerID))
	if !ok {
		return nil, nil, listenerKind.none()
	}
	return l, b, nil
}

// DeleteListener closes a port.
func (s *Service) DeleteListener(tx *state.Tx, c authz.Caller, in *api.DeleteListenerInput) (*api.DeleteListenerOutput, error) {
	l, b, err := listenerOf(tx, c, *in.ListenerArn)
	if err != nil {
		return nil, err
	}
	removeListener(tx, b, l)
	return &api.DeleteListenerOutput{}, nil
}

func removeListener(tx *state.Tx, b *state.LoadBalancer, l *state.Listener) {
	state.Listeners.Delete(tx, l.Key)
	forget(tx, b, l.TargetsID)
}

// forget drops what a balancer has found out about the targets of a group, and the
// draining ones, when no listener of it forwards there any more.
func forget(tx *state.Tx, b *state.LoadBalancer, group string) {
	for _, l := range balance.Listeners(tx, b) {
		if l.TargetsID == group {
			return
		}
	}
	g, ok := state.TargetGroups.Get(tx, b.Scope().Key(group))
	if !ok {
		return
	}
	for _, old := range balance.Targets(tx, g) {
		if !old.Drains.IsZero() {
			state.Targets.Delete(tx, old.Key)
			continue
		}
		t := *old
		t.Health = slices.DeleteFunc(slices.Clone(old.Health), func(h state.TargetHealth) bool { return h.BalancerID == b.ID })
		if len(t.Health) < len(old.Health) {
			state.Targets.Put(tx, &t)
		}
	}
}

// DescribeListeners lists those asked for, by ARN, or those of a load balancer.
func (s *Service) DescribeListeners(r state.Reader, c authz.Caller, in *api.DescribeListenersInput) (*api.DescribeListenersOutput, error) {
	var rows []*state.Listener
	switch {
	case in.LoadBalancerArn != nil && len(in.ListenerArns) > 0:
		return nil, invalid("You cannot specify both a load balancer ARN and listener ARNs")
	case in.LoadBalancerArn != nil:
		b, err := balancerKind.find(r, c, *in.LoadBalancerArn)
		if err != nil {
			return nil, err
		}
		rows = balance.Listeners(r, b)
	case len(in.ListenerArns) > 0:
		var err error
		if rows, err = listenerKind.findAll(r, c, in.ListenerArns); err != nil {
			return nil, err
		}
	default:
		return nil, invalid("You must specify either listener ARNs or a load balancer ARN")
	}
	rows, next, err := page(rows, func(l *state.Listener) string { return l.ID }, in.Marker, in.PageSize)
	return &api.DescribeListenersOutput{NextMarker: next, Listeners: mapped(rows, apiListener)}, err
}

func apiListener(l *state.Listener) api.Listener {
	return api.Listener{
		ListenerArn: ptr(listenerKind.arn(l)), LoadBalancerArn: ptr(arnOf(balancerKind.resource, l.Scope().Key(l.BalancerID))),
		Port: ptr(l.Port), Protocol: ptr(l.Protocol), DefaultActions: []api.Action{apiForward(l)},
	}
}

func apiForward(l *state.Listener) api.Action {
	arn := arnOf(groupKind.resource, l.Scope().Key(l.TargetsID))
	return api.Action{Type: ptr(api.ActionTypeEnumForward), TargetGroupArn: ptr(arn), Order: ptr(int32(1)),
		ForwardConfig: &api.ForwardActionConfig{TargetGroups: []api.TargetGroupTuple{{TargetGroupArn: ptr(arn), Weight: ptr(max(l.Weight, 1))}}}}
}
