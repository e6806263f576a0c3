package elbv2

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/base/awsregion"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/state"
)

// RegisterTargets adds targets to a group, all or none. One that drains is back.
func (s *Service) RegisterTargets(tx *state.Tx, c authz.Caller, in *api.RegisterTargetsInput) (*api.RegisterTargetsOutput, error) {
	g, err := groupKind.find(tx, c, *in.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	list, err := targetsOf(tx, c, g, in.Targets)
	if err != nil {
		return nil, err
	}
	for _, t := range list {
		if old, ok := state.Targets.Get(tx, t.Key); ok {
			if old.Drains.IsZero() && old.Zone == t.Zone {
				continue
			}
			t.Created = old.Created
		}
		state.Targets.Put(tx, t)
	}
	count := 0
	for _, t := range balance.Targets(tx, g) {
		if t.Drains.IsZero() {
			count++
		}
	}
	if err := s.within(tx, c, "targets-per-target-group", count); err != nil {
		return nil, err
	}
	for _, b := range balance.Balancers(tx, g) {
		if err := s.targetsWithin(tx, c, b, g); err != nil {
			return nil, err
		}
	}
	return &api.RegisterTargetsOutput{}, nil
}

// targetsWithin refuses more targets of a balancer, the group's counted, than its
// quotas allow.
func (s *Service) targetsWithin(r state.Reader, c authz.Caller, b *state.LoadBalancer, g *state.TargetGroup) error {
	groups := []*state.TargetGroup{g}
	for _, l := range balance.Listeners(r, b) {
		if other, ok := balance.Group(r, l); ok && !slices.ContainsFunc(groups, func(seen *state.TargetGroup) bool { return seen.ID == other.ID }) {
			groups = append(groups, other)
		}
	}
	total, zones, most := 0, map[string]int{}, 0
	for _, g := range groups {
		for _, t := range balance.Targets(r, g) {
			if t.Drains.IsZero() {
				total++
				zones[t.Zone]++
				most = max(most, zones[t.Zone])
			}
		}
	}
	if err := s.within(r, c, "targets-per-network-load-balancer", total); err != nil {
		return err
	}
	return s.within(r, c, "targets-per-zone-of-network-load-balancer", most)
}

// targetsOf makes the rows of targets that a request describes, each once.
func targetsOf(tx *state.Tx, c authz.Caller, g *state.TargetGroup, list []api.TargetDescription) ([]*state.Target, error) {
	if len(list) == 0 {
		return nil, invalid("At least one target must be specified")
	}
	var out []*state.Target
	var stopped, elsewhere []string
	for _, d := range list {
		t := &state.Target{Meta: state.Meta{Key: targetKey(c, g, d), Created: tx.Now()}, GroupID: g.ID, Target: *d.Id, Port: portOf(g, d)}
		if d.QuicServerId != nil {
			return nil, invalid("QUIC server IDs cannot be specified for target groups with the %s protocol", g.Protocol)
		}
		if g.TargetType == api.TargetTypeEnumIp {
			var err error
			if t.Zone, err = zoneOf(tx, g, *d.Id, val(d.AvailabilityZone)); err != nil {
				return nil, err
			}
		} else {
			if !awsid.Valid("i", *d.Id) {
				return nil, invalid("Instance ID '%s' is not valid", awserr.Clip(*d.Id))
			}
			i, ok := state.Instances.Get(tx, c.Scope.Key(*d.Id))
			switch {
			case !ok:
				return nil, awserr.New(api.ErrInvalidTarget, "Instance ID '%s' is not valid", *d.Id)
			case d.AvailabilityZone != nil && *d.AvailabilityZone != i.AvailabilityZone:
				return nil, invalid("The Availability Zone of an instance cannot be overridden to '%s' from '%s'", awserr.Clip(*d.AvailabilityZone), i.AvailabilityZone)
			case i.State != state.Running:
				stopped = append(stopped, i.ID)
			case i.VpcID != g.VpcID:
				elsewhere = append(elsewhere, i.ID)
			}
			t.Zone = i.AvailabilityZone
		}
		if !slices.ContainsFunc(out, func(o *state.Target) bool { return o.Key == t.Key }) {
			out = append(out, t)
		}
	}
	switch {
	case len(stopped) > 0:
		return nil, awserr.New(api.ErrInvalidTarget, "The following targets are not in a running state and cannot be registered: %s", quoted(stopped))
	case len(elsewhere) > 0:
		return nil, awserr.New(api.ErrInvalidTarget, "The following targets are not in the target group VPC '%s': %s", g.VpcID, quoted(elsewhere))
	}
	return out, nil
}

// targetKey is that of the row of a target.
func targetKey(c authz.Caller, g *state.TargetGroup, d api.TargetDescription) state.Key {
	return c.Scope.Key(fmt.Sprintf("%s %s:%d", g.ID, *d.Id, portOf(g, d)))
}

// portOf is the port of a target: its own, or the group's.
func portOf(g *state.TargetGroup, d api.TargetDescription) int32 {
	if d.Port != nil {
		return *d.Port
	}
	return g.Port
}

func quoted(ids []string) string { return "'" + strings.Join(ids, "', '") + "'" }

// outside are the blocks that addresses outside of a VPC can be in (NLB User Guide,
// "Target type").
var outside = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
}

// zoneOf checks an address as a target and says in which zone it is.
func zoneOf(r state.Reader, g *state.TargetGroup, address, zone string) (string, error) {
	a, err := netip.ParseAddr(address)
	if err != nil || !a.Is4() {
		return "", invalid("The IP address '%s' is not a valid IPv4 address", awserr.Clip(address))
	}
	for sub := range state.Subnets.By(r, state.ByVpc, g.VpcID) {
		switch {
		case sub.Scope() != g.Scope() || !sub.Cidr.Contains(a):
		case zone != "" && zone != sub.AvailabilityZone:
			return "", invalid("The IP address '%s' is within the VPC, and cannot have its Availability Zone overridden to '%s' from '%s'", a, awserr.Clip(zone), sub.AvailabilityZone)
		default:
			return sub.AvailabilityZone, nil
		}
	}
	switch {
	case !slices.ContainsFunc(outside, func(p netip.Prefix) bool { return p.Contains(a) }):
		return "", invalid("The IP address '%s' is not valid: it is in no subnet of the VPC '%s', and not in one of the ranges 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16", a, g.VpcID)
	case zone == "":
		return "", invalid("The Availability Zone is required for IP address '%s' because it is not in the VPC", a)
	case zone != balance.AllZones && !slices.ContainsFunc(awsregion.Zones(g.Region), func(z awsregion.Zone) bool { return z.Name == zone }):
		return "", invalid("You must specify a valid Availability Zone or select 'all' for all enabled Availability zones, since the IP address '%s' is outside the VPC", a)
	}
	return zone, nil
}

// DeregisterTargets takes targets out of a group. One that may have connections
// drains first: new ones go elsewhere at once. What is not registered is no error
// (ELBv2 API Reference).
func (s *Service) DeregisterTargets(tx *state.Tx, c authz.Caller, in *api.DeregisterTargetsInput) (*api.DeregisterTargetsOutput, error) {
	g, err := groupKind.find(tx, c, *in.TargetGroupArn)
	switch {
	case err != nil:
		return nil, err
	case len(in.Targets) == 0:
		return nil, invalid("At least one target must be specified")
	}
	for _, d := range in.Targets {
		old, ok := state.Targets.Get(tx, targetKey(c, g, d))
		switch {
		case !ok || !old.Drains.IsZero():
		case balance.Delay(g) == 0 || balance.Describe(tx, g, old).State == balance.Unused:
			state.Targets.Delete(tx, old.Key)
		default:
			t := *old
			t.Drains = tx.Now().Add(balance.Delay(g))
			state.Targets.Put(tx, &t)
		}
	}
	return &api.DeregisterTargetsOutput{}, nil
}

// DescribeTargetHealth gives the health of the targets of a group, or of those asked
// for.
func (s *Service) DescribeTargetHealth(r state.Reader, c authz.Caller, in *api.DescribeTargetHealthInput) (*api.DescribeTargetHealthOutput, error) {
	g, err := groupKind.find(r, c, *in.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeTargetHealthOutput{TargetHealthDescriptions: []api.TargetHealthDescription{}}
	if len(in.Targets) == 0 {
		for _, t := range balance.Targets(r, g) {
			out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, apiHealth(g, t, s.health(r, g, t)))
		}
		return out, nil
	}
	for _, d := range in.Targets {
		if g.TargetType == api.TargetTypeEnumInstance && !awsid.Valid("i", *d.Id) {
			return nil, invalid("Instance ID '%s' is not valid", awserr.Clip(*d.Id))
		}
		health := balance.NotRegistered
		t, ok := state.Targets.Get(r, targetKey(c, g, d))
		if ok {
			health = s.health(r, g, t)
		} else {
			t = &state.Target{Target: *d.Id, Port: portOf(g, d), Zone: val(d.AvailabilityZone)}
		}
		out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, apiHealth(g, t, health))
	}
	return out, nil
}

// health is the health of a target.
func (s *Service) health(r state.Reader, g *state.TargetGroup, t *state.Target) balance.Health {
	h := balance.Describe(r, g, t)
	if s.cfg.NoPackets && h.State == balance.Initial {
		return balance.Health{State: balance.Healthy}
	}
	return h
}

func apiHealth(g *state.TargetGroup, t *state.Target, h balance.Health) api.TargetHealthDescription {
	port := fmt.Sprint(t.Port)
	if g.Check.Port != 0 {
		port = fmt.Sprint(g.Check.Port)
	}
	return api.TargetHealthDescription{
		Target:          &api.TargetDescription{Id: ptr(t.Target), Port: ptr(t.Port), AvailabilityZone: opt(t.Zone)},
		HealthCheckPort: ptr(port),
		TargetHealth:    &api.TargetHealth{State: ptr(string(h.State)), Reason: opt(h.Reason), Description: opt(h.Text)},
	}
}
