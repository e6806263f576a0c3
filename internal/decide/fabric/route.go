package fabric

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/state"
)

// RouteTable is a route table: where packets of its subnets may go.
type RouteTable struct {
	Key    state.Key
	VPC    string
	Routes []Route
}

// Local is the target of the routes to the VPC's own blocks.
const Local = "local"

// Route is one route. Only the local ones carry packets as yet; one with
// another target is kept, so that an explanation can name it, and drops.
type Route struct {
	Destination netip.Prefix
	Target      string // Local, or the id of a gateway, interface, peering …
	State       string // "active", "blackhole"
}

// ID is the id of a route, as a cause.
func (t RouteTable) ID(r Route) string { return t.Key.ID + "/" + r.Destination.String() }

// LoadRouteTable derives a route table.
func LoadRouteTable(r state.Reader, k state.Key) (RouteTable, bool) {
	row, ok := state.RouteTables.Get(r, k)
	if !ok || !hasVPC(r, k.Scope(), row.VpcID) {
		return RouteTable{}, false
	}
	return newRouteTable(row), true
}

func newRouteTable(row *state.RouteTable) RouteTable {
	t := RouteTable{Key: row.Key, VPC: row.VpcID}
	for _, route := range row.Routes {
		if !route.Destination.IsValid() {
			continue
		}
		target := route.GatewayID
		for _, id := range []string{route.NatGatewayID, route.InterfaceID, route.InstanceID, route.PeeringID} {
			if target == "" {
				target = id
			}
		}
		t.Routes = append(t.Routes, Route{route.Destination.Masked(), target, route.State})
	}
	return t
}

// Lookup gives the most specific route to an address.
func (t RouteTable) Lookup(a netip.Addr) (Route, bool) {
	var best Route
	found := false
	for _, r := range t.Routes {
		if r.Destination.Contains(a) && (!found || r.Destination.Bits() > best.Destination.Bits()) {
			best, found = r, true
		}
	}
	return best, found
}

// RouteTableOf finds the route table that serves a subnet.
func RouteTableOf(r state.Reader, scope state.Scope, vpc, subnet string) (RouteTable, bool) {
	if row := routeTableRow(r, scope, vpc, subnet); row != nil {
		return newRouteTable(row), true
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
