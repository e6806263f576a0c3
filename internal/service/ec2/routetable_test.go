package ec2

import (
	"net/netip"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/state"
)

func TestRouteTableFilters(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	main := *call[api.DescribeRouteTablesOutput](w, "DescribeRouteTables", &api.DescribeRouteTablesInput{}).RouteTables[0].RouteTableId
	own := "rtb-0123456789abcdef0"
	w.write(func(tx *state.Tx) {
		state.NetworkInterfaces.Put(tx, &state.NetworkInterface{
			Meta: state.Meta{Key: w.caller.Scope.Key("eni-1")}, VpcID: v, Attachment: &state.Attachment{InstanceID: "i-1", InstanceOwnerID: w.caller.Account},
		})
		state.RouteTables.Put(tx, &state.RouteTable{
			Meta: state.Meta{Key: w.caller.Scope.Key(own)}, VpcID: v,
			Routes: []state.Route{
				{Destination: netip.MustParsePrefix("0.0.0.0/0"), NatGatewayID: "nat-1", Origin: "CreateRoute"},
				{Destination: netip.MustParsePrefix("::/0"), GatewayID: "igw-1", Origin: "CreateRoute"},
				{PrefixListID: "pl-1", PeeringID: "pcx-1", Origin: "EnableVgwRoutePropagation"},
				{Destination: netip.MustParsePrefix("192.0.2.0/24"), InterfaceID: "eni-1", InstanceID: "i-1", Origin: "CreateRoute"},
			},
			Associations:    []state.RouteTableAssociation{{ID: "rtbassoc-1", SubnetID: "subnet-1"}, {ID: "rtbassoc-2", GatewayID: "igw-2"}},
			PropagatingVgws: []string{"vgw-1"},
		})
	})
	for _, c := range []struct {
		name, values string
		want         []string
	}{
		{"association.gateway-id", "igw-2", []string{own}},
		{"association.route-table-association-id", "rtbassoc-1", []string{own}},
		{"association.route-table-id", own, []string{own}},
		{"association.subnet-id", "subnet-1", []string{own}},
		{"association.main", "true", []string{main}},
		{"association.main", "false", []string{own}},
		{"owner-id", "123456789012", []string{main, own}},
		{"route-table-id", main, []string{main}},
		{"route.destination-cidr-block", "0.0.0.0/0", []string{own}},
		{"route.destination-ipv6-cidr-block", "::/0", []string{own}},
		{"route.destination-prefix-list-id", "pl-1", []string{own}},
		{"route.egress-only-internet-gateway-id", "*", nil},
		{"route.gateway-id", "local", []string{main}},
		{"route.instance-id", "i-1", []string{own}},
		{"route.nat-gateway-id", "nat-1", []string{own}},
		{"route.transit-gateway-id", "*", nil},
		{"route.origin", "CreateRouteTable", []string{main}},
		{"route.state", "blackhole", []string{own}},
		{"route.vpc-peering-connection-id", "pcx-1", []string{own}},
		{"vpc-id", v, []string{main, own}},
	} {
		t.Run(c.name+" "+c.values, func(t *testing.T) {
			out := call[api.DescribeRouteTablesOutput](w.in(t), "DescribeRouteTables", &api.DescribeRouteTablesInput{Filters: filtersOf(c.name, c.values)})
			wantSame(t, ids(out.RouteTables, func(a api.RouteTable) *string { return a.RouteTableId }), c.want)
		})
	}
	w.fails("DescribeRouteTables", &api.DescribeRouteTablesInput{RouteTableIds: []string{"rtb-01234567"}}, "InvalidRouteTableID.NotFound", "The routeTable ID 'rtb-01234567' does not exist")
	w.fails("DescribeRouteTables", &api.DescribeRouteTablesInput{RouteTableIds: []string{"x"}}, "InvalidRouteTableId.Malformed", "x")
}
