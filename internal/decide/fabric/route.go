package fabric

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/state"
)

// RouteTable is a route table: where packets of its subnets may go.
type RouteTable struct {
	Key    state.Key
	VPC    string
	Number uint32 // mark of its packets in the router
	Routes []Route
}

// Local is the target of the routes to the VPC's own blocks.
const Local = "local"

// States of a route (EC2 API Reference, Route).
const (
	RouteActive    = "active"
	RouteBlackhole = "blackhole"
)

// Route is one route; one to a prefix list is one for each of its entries.
type Route struct {
	Destination netip.Prefix
	List        string // the prefix list that it comes from
	Target      string // Local, or the id of a gateway, interface, peering …
	State       string // RouteActive or RouteBlackhole
	// Where it leads, when it carries packets: to the internet gateway, to a peering
	// connection, or to the port of a NAT gateway or an interface.
	Internet bool
	Peering  string
	Port     state.Key
	Link     string     // of the port or the peering connection, in the router
	Via      netip.Addr // of the port: its primary address; of the peering connection: its other end
	Checked  bool       // the port's source/destination check drops what is not for itself
}

// ID is the id of a route, as a cause.
func (t RouteTable) ID(r Route) string {
	if r.List != "" {
		return t.Key.ID + "/" + r.List
	}
	return t.Key.ID + "/" + r.Destination.String()
}

// LoadRouteTable derives a route table.
func LoadRouteTable(r state.Reader, k state.Key) (RouteTable, bool) {
	row, ok := state.RouteTables.Get(r, k)
	if !ok || !hasVPC(r, k.Scope(), row.VpcID) {
		return RouteTable{}, false
	}
	return newRouteTable(r, row), true
}

func newRouteTable(r state.Reader, row *state.RouteTable) RouteTable {
	t := RouteTable{Key: row.Key, VPC: row.VpcID, Number: row.Number}
	for _, route := range row.Routes {
		leads := lead(r, row.Scope(), row.VpcID, route)
		if route.Destination.IsValid() {
			leads.Destination = route.Destination.Masked()
			t.Routes = append(t.Routes, leads)
			continue
		}
		list, ok := state.PrefixLists.Get(r, row.Scope().Key(route.PrefixListID))
		if !ok {
			continue
		}
		leads.List = list.ID
		for _, e := range list.Entries() {
			leads.Destination = e.Cidr.Masked()
			t.Routes = append(t.Routes, leads)
		}
	}
	return t
}

// RouteState says whether a route's target is there: a route whose target has
// gone, is detached or does not run is a black hole (VPC User Guide, "Route
// table concepts").
func RouteState(r state.Reader, scope state.Scope, vpc string, route state.Route) string {
	return lead(r, scope, vpc, route).State
}

// lead finds a route's target.
func lead(r state.Reader, scope state.Scope, vpc string, route state.Route) Route {
	out := Route{Target: route.Target(), State: RouteBlackhole}
	switch {
	case route.GatewayID == Local:
		out.State = RouteActive
	case route.GatewayID != "":
		if g, ok := state.InternetGateways.Get(r, scope.Key(route.GatewayID)); ok && g.VpcID == vpc {
			out.State, out.Internet = RouteActive, true
		}
	case route.NatGatewayID != "":
		if g, ok := state.NatGateways.Get(r, scope.Key(route.NatGatewayID)); ok && g.VpcID == vpc && natCarries(g) {
			out.to(r, scope.Key(g.InterfaceID))
		}
	case route.InterfaceID != "":
		out.to(r, scope.Key(route.InterfaceID))
	case route.PeeringID != "":
		if _, side, ok := peeringOf(r, scope.Key(vpc), route.PeeringID); ok {
			out.State, out.Peering = RouteActive, route.PeeringID
			out.Link, out.Via = PeeringLink(route.PeeringID), peeringEnds[1-side]
		}
	}
	return out
}

// to leads a route to a port, if that carries packets.
func (route *Route) to(r state.Reader, k state.Key) {
	row, ok := state.NetworkInterfaces.Get(r, k)
	if !ok || !carries(r, row) {
		return
	}
	route.State, route.Port, route.Link = RouteActive, k, LinkName(k.ID)
	route.Via = row.Primary()
	route.Checked = Checked(row)
}

// Lookup gives the most specific route to an address; of equal ones that which
// was written, not that of a prefix list (VPC User Guide, "Route priority").
func (t RouteTable) Lookup(a netip.Addr) (Route, bool) {
	var best Route
	found := false
	for _, r := range t.Routes {
		better := !found || r.Destination.Bits() > best.Destination.Bits() ||
			r.Destination.Bits() == best.Destination.Bits() && best.List != "" && r.List == ""
		if r.Destination.Contains(a) && better {
			best, found = r, true
		}
	}
	return best, found
}

// RouteTableOf finds the route table that serves a subnet.
func RouteTableOf(r state.Reader, scope state.Scope, vpc, subnet string) (RouteTable, bool) {
	if row := routeTableRow(r, scope, vpc, subnet); row != nil {
		return newRouteTable(r, row), true
	}
	return RouteTable{}, false
}

// GatewayTableOf finds the route table of what enters by an internet gateway, if
// it has one (VPC User Guide, "Gateway route tables").
func GatewayTableOf(r state.Reader, scope state.Scope, gateway string) (RouteTable, bool) {
	for t := range state.RouteTables.By(r, state.ByRouteTarget, gateway) {
		if t.Scope() != scope {
			continue
		}
		for _, a := range t.Associations {
			if a.GatewayID == gateway {
				return newRouteTable(r, t), true
			}
		}
	}
	return RouteTable{}, false
}

func routeTableRow(r state.Reader, scope state.Scope, vpc, subnet string) *state.RouteTable {
	for t := range state.RouteTables.By(r, state.BySubnet, subnet) {
		if t.Scope() == scope {
			return t
		}
	}
	for t := range state.RouteTables.By(r, state.ByVpc, vpc) {
		if t.Scope() == scope && t.IsMain() {
			return t
		}
	}
	return nil
}
