package fabric

import (
	"slices"

	"github.com/localvpc/localvpc/internal/state"
)

// Affected names the units whose values a change may have changed, in canonical
// order. r is the state after the change, or after later ones too. Units that
// are gone are named as well: they are to be derived anew, and are not there.
func Affected(r state.Reader, c state.Change) []Unit {
	a := affected{r: r}
	switch c.Table {
	case state.Vpcs.Name():
		before, after := sides[state.Vpc](c)
		a.vpc(c.Key, before, after)
	case state.Subnets.Name():
		before, after := sides[state.Subnet](c)
		a.subnet(c.Key, before, after)
	case state.RouteTables.Name():
		before, after := sides[state.RouteTable](c)
		a.routeTable(c.Key, before, after)
	case state.NetworkAcls.Name():
		before, after := sides[state.NetworkAcl](c)
		a.add(KindAcl, c.Key)
		for _, side := range []*state.NetworkAcl{before, after} {
			if side != nil {
				a.add(KindVPC, c.Key.Scope().Key(side.VpcID)) // whether it filters at all
				for _, as := range side.Associations {
					a.add(KindSubnet, c.Key.Scope().Key(as.SubnetID))
				}
			}
		}
	case state.SecurityGroups.Name():
		before, after := sides[state.SecurityGroup](c)
		a.group(c.Key, before, after)
	case state.SecurityGroupRules.Name():
		before, after := sides[state.SecurityGroupRule](c)
		for _, side := range []*state.SecurityGroupRule{before, after} {
			if side != nil {
				a.add(KindGroup, c.Key.Scope().Key(side.GroupID))
				a.members(side)
			}
		}
	case state.NetworkInterfaces.Name():
		before, after := sides[state.NetworkInterface](c)
		a.netInterface(c.Key, before, after)
	case state.Instances.Name():
		before, after := sides[state.Instance](c)
		if (before != nil && before.State == state.Running) != (after != nil && after.State == state.Running) {
			a.targets(c.Key.Scope(), c.Key.ID)
		}
		if (before != nil && Active(before.State)) != (after != nil && Active(after.State)) {
			a.ports(state.ByInstance, c.Key)
			for n := range state.NetworkInterfaces.By(r, state.ByInstance, c.Key.ID) {
				a.routesTo(c.Key.Scope(), n.ID)
			}
		}
	case state.InternetGateways.Name():
		before, after := sides[state.InternetGateway](c)
		a.gateway(c.Key, before, after)
	case state.NatGateways.Name():
		before, after := sides[state.NatGateway](c)
		if before == nil || after == nil || natCarries(before) != natCarries(after) || before.InterfaceID != after.InterfaceID {
			for _, side := range []*state.NatGateway{before, after} {
				if side != nil {
					a.add(KindPort, c.Key.Scope().Key(side.InterfaceID))
				}
			}
			a.routesTo(c.Key.Scope(), c.Key.ID)
		}
	case state.PrefixLists.Name():
		before, after := sides[state.PrefixList](c)
		a.prefixList(c.Key, before, after)
	case state.Hosts.Name():
		a.add(KindHost, c.Key)
	case state.Faults.Name():
		before, after := sides[state.Fault](c)
		a.fault(before, after)
	case state.VpcPeerings.Name():
		before, after := sides[state.VpcPeering](c)
		a.peering(c.Key, before, after)
	case state.LoadBalancers.Name():
		before, after := sides[state.LoadBalancer](c)
		a.loadBalancer(before, after)
	case state.Listeners.Name():
		a.add(KindListener, c.Key)
	case state.TargetGroups.Name():
		a.targetGroup(c.Key)
	case state.Targets.Name():
		before, after := sides[state.Target](c)
		for _, side := range []*state.Target{before, after} {
			if side != nil {
				a.targetGroup(c.Key.Scope().Key(side.GroupID))
			}
		}
	}
	a.balancers()
	return Canonical(a.units)
}

type affected struct {
	r     state.Reader
	units []Unit
}

// sides gives both ends of a change as rows of its table.
func sides[T any, P interface {
	*T
	state.Resource
}](c state.Change) (before, after P) {
	before, _ = c.Before.(P)
	after, _ = c.After.(P)
	return before, after
}

func (a *affected) add(kind Kind, k state.Key) { a.units = append(a.units, Unit{kind, k}) }

// ports adds the ports that an index of the interfaces holds under the key.
func (a *affected) ports(index string, k state.Key) {
	for n := range state.NetworkInterfaces.By(a.r, index, k.ID) {
		if mayCarry(n) && n.Scope() == k.Scope() {
			a.add(KindPort, n.Key)
		}
	}
}

// vpc: everything in a VPC exists with it only; the API makes it first and
// removes it last, so that there is nothing in it then.
func (a *affected) vpc(k state.Key, before, after *state.Vpc) {
	a.add(KindVPC, k)
	if before != nil && after != nil && len(before.Cidrs) > 0 && len(after.Cidrs) > 0 {
		if !slices.Equal(before.Cidrs, after.Cidrs) {
			for t := range state.RouteTables.By(a.r, state.ByVpc, k.ID) {
				a.add(KindRouteTable, t.Key) // which routes are more specific than local
			}
		}
		return
	}
	a.peers(k)
	for g := range state.InternetGateways.By(a.r, state.ByVpc, k.ID) {
		a.add(KindGateway, g.Key)
	}
	for s := range state.Subnets.By(a.r, state.ByVpc, k.ID) {
		a.add(KindSubnet, s.Key)
	}
	for t := range state.RouteTables.By(a.r, state.ByVpc, k.ID) {
		a.add(KindRouteTable, t.Key)
	}
	for acl := range state.NetworkAcls.By(a.r, state.ByVpc, k.ID) {
		a.add(KindAcl, acl.Key)
	}
	for b := range state.LoadBalancers.By(a.r, state.ByVpc, k.ID) {
		a.balancer(b)
	}
	for g := range state.SecurityGroups.By(a.r, state.ByVpc, k.ID) {
		a.add(KindGroup, g.Key)
	}
	a.ports(state.ByVpc, k)
}

func (a *affected) subnet(k state.Key, before, after *state.Subnet) {
	a.add(KindSubnet, k)
	for _, side := range []*state.Subnet{before, after} {
		if side == nil {
			continue
		}
		if before == nil || after == nil || before.AvailabilityZone != after.AvailabilityZone {
			a.add(KindVPC, k.Scope().Key(side.VpcID)) // it filters if this one does, and is broken if its zone is
		}
		for b := range state.LoadBalancers.By(a.r, state.ByVpc, side.VpcID) {
			a.balancer(b) // the zones of targets
		}
	}
	if before != nil && after != nil && before.Cidr == after.Cidr && before.Number == after.Number && before.AvailabilityZone == after.AvailabilityZone {
		return
	}
	a.ports(state.BySubnet, k)
}

func (a *affected) routeTable(k state.Key, before, after *state.RouteTable) {
	a.add(KindRouteTable, k)
	for _, side := range []*state.RouteTable{before, after} {
		if side == nil {
			continue
		}
		a.add(KindVPC, k.Scope().Key(side.VpcID)) // whether it leads anywhere
		for _, as := range side.Associations {
			if as.GatewayID != "" {
				a.add(KindGateway, k.Scope().Key(as.GatewayID))
			}
		}
	}
	if before != nil && after != nil && slices.Equal(before.Associations, after.Associations) {
		return
	}
	for _, side := range []*state.RouteTable{before, after} {
		if side == nil {
			continue
		}
		for _, as := range side.Associations {
			if as.SubnetID != "" {
				a.add(KindSubnet, k.Scope().Key(as.SubnetID))
			}
		}
		if side.IsMain() {
			for s := range state.Subnets.By(a.r, state.ByVpc, side.VpcID) {
				a.add(KindSubnet, s.Key)
			}
		}
	}
}

// group: a group that appears or goes takes part in its members' ports and in
// the rules that refer to it; its names do not.
func (a *affected) group(k state.Key, before, after *state.SecurityGroup) {
	a.add(KindGroup, k)
	if before != nil && after != nil && before.VpcID == after.VpcID {
		return
	}
	a.ports(state.ByGroup, k)
	for rule := range state.SecurityGroupRules.By(a.r, state.ByPeer, k.ID) {
		a.add(KindGroup, rule.Scope().Key(rule.GroupID))
	}
	for rule := range state.SecurityGroupRules.By(a.r, state.ByGroup, k.ID) {
		if rule.Scope() == k.Scope() {
			a.members(rule)
		}
	}
}

// netInterface: its own port, and those of the same instance, which route by
// interface when there are several.
func (a *affected) netInterface(k state.Key, before, after *state.NetworkInterface) {
	a.add(KindPort, k)
	for _, side := range []*state.NetworkInterface{before, after} {
		if side != nil && (!side.SourceDestCheck || before != nil && !before.SourceDestCheck) {
			a.add(KindVPC, k.Scope().Key(side.VpcID)) // whether any of it forwards
		}
	}
	if !sameLead(before, after) {
		a.routesTo(k.Scope(), k.ID)
		if nat := a.natOf(before, after); nat != "" {
			a.routesTo(k.Scope(), nat)
		}
	}
	was, is := plugOf(before), plugOf(after)
	for _, p := range []plug{was, is} {
		if p.instance != "" {
			a.targets(k.Scope(), p.instance) // its address and zone may be the instance's as a target
		}
	}
	if was == is {
		return
	}
	for _, p := range []plug{was, is} {
		if p.instance != "" {
			a.ports(state.ByInstance, k.Scope().Key(p.instance))
		}
	}
}

// sameLead says whether routes to an interface lead to the same as before.
func sameLead(before, after *state.NetworkInterface) bool {
	if before == nil || after == nil {
		return false
	}
	return plugOf(before) == plugOf(after) && Checked(before) == Checked(after) && before.VpcID == after.VpcID &&
		(len(before.Addresses) == 0 || before.Primary() == after.Primary())
}

// prefixList: groups and route tables have its entries in place of the list; its
// name and size do not matter to packets.
func (a *affected) prefixList(k state.Key, before, after *state.PrefixList) {
	if before != nil && after != nil && slices.Equal(before.Entries(), after.Entries()) {
		return
	}
	for rule := range state.SecurityGroupRules.By(a.r, state.ByPrefixList, k.ID) {
		if rule.Scope() == k.Scope() {
			a.add(KindGroup, k.Scope().Key(rule.GroupID))
		}
	}
	a.routesTo(k.Scope(), k.ID)
}

// RoutesTo names the route tables that lead to an interface, or to the NAT gateway
// that has it.
func RoutesTo(r state.Reader, eni state.Key) []Unit {
	a := affected{r: r}
	a.routesTo(eni.Scope(), eni.ID)
	for g := range state.NatGateways.By(r, state.ByInterface, eni.ID) {
		a.routesTo(eni.Scope(), g.ID)
	}
	return Canonical(a.units)
}

// routesTo adds the route tables that have the target, or the prefix list as a
// destination.
func (a *affected) routesTo(scope state.Scope, target string) {
	for t := range state.RouteTables.By(a.r, state.ByRouteTarget, target) {
		if t.Scope() == scope {
			a.add(KindRouteTable, t.Key)
		}
	}
}

// natOf is the NAT gateway that an interface belongs to, "" for none.
func (a *affected) natOf(sides ...*state.NetworkInterface) string {
	for _, n := range sides {
		if n != nil && n.InterfaceType == NatInterface {
			for g := range state.NatGateways.By(a.r, state.ByInterface, n.ID) {
				return g.ID
			}
		}
	}
	return ""
}

// gateway: one that comes or goes opens or closes its VPC's way out, and with it
// the public addresses of the ports in it.
func (a *affected) gateway(k state.Key, before, after *state.InternetGateway) {
	a.add(KindGateway, k)
	if before != nil && after != nil && before.VpcID == after.VpcID {
		return
	}
	a.routesTo(k.Scope(), k.ID)
	for _, side := range []*state.InternetGateway{before, after} {
		if side == nil || side.VpcID == "" {
			continue
		}
		a.add(KindVPC, k.Scope().Key(side.VpcID))
		for n := range state.NetworkInterfaces.By(a.r, state.ByVpc, side.VpcID) {
			if mayCarry(n) && n.Scope() == k.Scope() && slices.ContainsFunc(n.Addresses, func(p state.PrivateAddress) bool { return p.PublicIP.IsValid() }) {
				a.add(KindPort, n.Key)
			}
		}
	}
}

// plug is what the other ports of the instance see of an interface.
type plug struct {
	instance, status string
	empty            bool
}

func plugOf(n *state.NetworkInterface) plug {
	if n == nil || n.Attachment == nil {
		return plug{}
	}
	return plug{n.Attachment.InstanceID, n.Attachment.Status, len(n.Addresses) == 0}
}
