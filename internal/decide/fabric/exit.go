package fabric

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/state"
)

// Entrance is where a packet comes into a VPC's router: from an interface, by the
// internet gateway, which has put private addresses in already, or by a peering
// connection, which asks for neither.
type Entrance struct {
	Interface *state.NetworkInterface
	Gateway   string
}

// Exit is what a router does with a packet.
type Exit struct {
	Service Service // of the VPC itself
	Served  bool    // the address is a service's …
	Asked   bool    // … and it is asked for that
	Table   string  // the route table that was asked
	Route   Route   // what it said
	Rule    string  // id of the route
	Found   bool
	Inside  bool // the VPC's own address, which its local route leads to
	// Where it goes: to an interface, which has the address unless a route led
	// there, by the gateway, or by a peering connection.
	Interface *state.NetworkInterface
	Internet  string
	Peering   string
}

// Exit decides where a packet goes: the VPC's services first; then a route more
// specific than the local one, unless the packet stays in its subnet; then the
// VPC's own addresses; then the other routes.
func (v VPC) Exit(r state.Reader, in Entrance, h Header) Exit {
	scope := v.Key.Scope()
	if service, at, asked := v.ServiceAt(h); at && in.Interface != nil {
		return Exit{Service: service, Served: true, Asked: asked}
	}
	for s := range state.Subnets.By(r, state.ByVpc, v.Key.ID) {
		if s.Scope() == scope && s.Gateway() == h.Dst {
			return Exit{Inside: true} // the router itself, which answers nothing
		}
	}
	var table RouteTable
	stays := in.Interface == nil // without a table of its own a gateway leads to the VPC only
	if in.Interface != nil {
		table, _ = RouteTableOf(r, scope, v.Key.ID, in.Interface.SubnetID)
		if s, ok := state.Subnets.Get(r, scope.Key(in.Interface.SubnetID)); ok {
			stays = s.Cidr.Contains(h.Dst)
		}
	} else if in.Gateway != "" {
		if t, ok := GatewayTableOf(r, scope, in.Gateway); ok && t.VPC == v.Key.ID {
			table, stays = t, false
		}
	}
	out := Exit{Table: table.Key.ID}
	if out.Route, out.Found = table.Lookup(h.Dst); out.Found {
		out.Rule = table.ID(out.Route)
	}
	inside := v.Contains(h.Dst)
	if inside && (stays || !out.Found || out.Route.Target == Local || !v.Within(out.Route.Destination)) {
		out.Inside = true
		if out.Found && out.Route.Target != Local {
			out.Route, out.Rule = Route{}, ""
		}
		out.Interface, _ = InterfaceAt(r, scope, v.Key.ID, h.Dst)
		return out
	}
	if stays {
		out.Found = false
	}
	switch {
	case !out.Found || out.Route.State != RouteActive:
	case out.Route.Internet:
		out.Internet, _ = GatewayOf(r, scope, v.Key.ID)
	case out.Route.Peering != "":
		out.Peering = out.Route.Peering
	case out.Route.Port.ID != "":
		out.Interface, _ = state.NetworkInterfaces.Get(r, out.Route.Port)
		// A route that leads to who has the address is as good as the local one.
		out.Inside = out.Interface != nil && !out.Route.Checked && has(out.Interface, h.Dst)
	}
	return out
}

func has(n *state.NetworkInterface, a netip.Addr) bool {
	for _, own := range n.Addresses {
		if own.Addr == a {
			return true
		}
	}
	return false
}

// PublicOf is the public address that stands for a private one of an interface
// at the gateway; the zero address when there is none.
func PublicOf(n *state.NetworkInterface, private netip.Addr) netip.Addr {
	for _, a := range n.Addresses {
		if a.Addr == private {
			return a.PublicIP
		}
	}
	return netip.Addr{}
}

// NatOf is the NAT gateway of an interface.
func NatOf(r state.Reader, n *state.NetworkInterface) (*state.NatGateway, bool) {
	for g := range state.NatGateways.By(r, state.ByInterface, n.ID) {
		if g.Scope() == n.Scope() {
			return g, true
		}
	}
	return nil, false
}

// Translates says whether a NAT gateway has a place for a protocol (VPC User
// Guide, "NAT gateway basics": TCP, UDP and ICMP).
func Translates(protocol uint8) bool { return protocol == TCP || protocol == UDP || protocol == ICMP }
