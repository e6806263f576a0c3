package ec2

import (
	"fmt"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// routeOver describes the route of a table to a block.
func (w *world) routeOver(table, block string) api.Route {
	w.Helper()
	out := call[api.DescribeRouteTablesOutput](w, "DescribeRouteTables", &api.DescribeRouteTablesInput{RouteTableIds: []string{table}})
	for _, r := range out.RouteTables[0].Routes {
		if r.DestinationCidrBlock != nil && *r.DestinationCidrBlock == block {
			return r
		}
	}
	w.Fatalf("%s has no route to %s", table, block)
	return api.Route{}
}

// TestRouteToPeering: a route leads to a request or a connection of its VPC, and
// is a black hole unless that is active.
func TestRouteToPeering(t *testing.T) {
	w := newWorld(t)
	other := w.as(theirs, "eu-west-1")
	a, b, c := w.vpc("10.0.0.0/16"), other.vpc("10.1.0.0/16"), w.vpc("10.2.0.0/16")
	table := func(w *world, v string) string {
		return *call[api.CreateRouteTableOutput](w, "CreateRouteTable", &api.CreateRouteTableInput{VpcId: &v}).RouteTable.RouteTableId
	}
	here, there, third := table(w, a), table(other, b), table(w, c)
	route := func(table, block, id string) *api.CreateRouteInput {
		return &api.CreateRouteInput{RouteTableId: &table, DestinationCidrBlock: &block, VpcPeeringConnectionId: &id}
	}
	is := func(w *world, table, block, id, state string) {
		t.Helper()
		if r := w.routeOver(table, block); r.VpcPeeringConnectionId == nil || *r.VpcPeeringConnectionId != id || *r.State != state || *r.Origin != "CreateRoute" {
			t.Errorf("route to %s: %+v, want %s", block, r, state)
		}
	}
	id := *w.askPeering(a, other, b).VpcPeeringConnectionId
	call[api.CreateRouteOutput](w, "CreateRoute", route(here, "10.1.0.0/16", id))
	is(w, here, "10.1.0.0/16", id, "blackhole")
	w.fails("CreateRoute", route(third, "10.1.0.0/16", id), "InvalidParameterValue", "route table "+third+" and network gateway "+id+" belong to different networks")
	w.fails("ReplaceRoute", &api.ReplaceRouteInput{RouteTableId: &third, DestinationCidrBlock: ptr("10.1.0.0/16"), VpcPeeringConnectionId: &id}, "InvalidParameterValue", "belong to different networks")
	w.fails("CreateRoute", route(here, "10.0.1.0/24", id), "InvalidParameterValue", "Route target is not supported")
	call[api.AcceptVpcPeeringConnectionOutput](other, "AcceptVpcPeeringConnection", &api.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: &id})
	call[api.CreateRouteOutput](other, "CreateRoute", route(there, "10.0.0.0/16", id))
	is(w, here, "10.1.0.0/16", id, "active")
	is(other, there, "10.0.0.0/16", id, "active")
	w.fails("CreateRoute", route(here, "10.1.0.0/16", id), "RouteAlreadyExists", "The route identified by 10.1.0.0/16 already exists.")
	w.as("333333333333", "us-east-1").fails("CreateRoute", route(here, "10.1.0.0/16", id), "InvalidRouteTableID.NotFound", here)
	w.deletePeering(id)
	is(w, here, "10.1.0.0/16", id, "blackhole")
	is(other, there, "10.0.0.0/16", id, "blackhole")
	w.fails("CreateRoute", route(here, "10.1.1.0/24", id), "InvalidVpcPeeringConnectionID.NotFound", id)
	w.later(48 * 3600e9)
	is(w, here, "10.1.0.0/16", id, "blackhole")
	call[api.DeleteRouteOutput](w, "DeleteRoute", &api.DeleteRouteInput{RouteTableId: &here, DestinationCidrBlock: ptr("10.1.0.0/16")})
}

// TestRoutesToPeeringQuota: sixty routes beyond a table's quota are sixty refusals.
func TestRoutesToPeeringQuota(t *testing.T) {
	w := newWorld(t, Config{Quotas: map[string]int{"routes-per-route-table": 5}})
	a, b := w.vpc("10.0.0.0/16"), w.vpc("10.1.0.0/16")
	table := call[api.CreateRouteTableOutput](w, "CreateRouteTable", &api.CreateRouteTableInput{VpcId: &a}).RouteTable.RouteTableId
	id := w.peer(a, w, b)
	for i := range 65 {
		in := &api.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: ptr(fmt.Sprintf("10.1.%d.0/24", i)), VpcPeeringConnectionId: &id}
		if i < 5 {
			call[api.CreateRouteOutput](w, "CreateRoute", in)
		} else {
			w.fails("CreateRoute", in, "RouteLimitExceeded", "The maximum number of routes has been reached.")
		}
	}
}
