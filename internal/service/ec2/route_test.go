package ec2

import (
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/state"
)

func TestRoutes(t *testing.T) {
	l := newLab(t)
	v := l.vpcID
	table, gateway := l.routeTable(v), l.putGateway(v)
	one := *l.run().InstanceId
	front := *l.describe(one).NetworkInterfaces[0].NetworkInterfaceId
	l.started(one)
	nat := l.putNatGateway(v, "available")

	create := func(in api.CreateRouteInput) {
		in.RouteTableId = &table
		if out := call[api.CreateRouteOutput](l.world, "CreateRoute", &in); !*out.Return {
			t.Errorf("%+v", out)
		}
	}
	create(api.CreateRouteInput{DestinationCidrBlock: ptr("0.0.0.0/0"), GatewayId: &gateway})
	create(api.CreateRouteInput{DestinationIpv6CidrBlock: ptr("::/0"), GatewayId: &gateway})
	create(api.CreateRouteInput{DestinationCidrBlock: ptr("100.68.0.18/18"), InstanceId: &one})
	create(api.CreateRouteInput{DestinationCidrBlock: ptr("192.0.2.0/24"), NetworkInterfaceId: &front})
	create(api.CreateRouteInput{DestinationCidrBlock: ptr("198.51.100.0/24"), GatewayId: &nat}) // taken by AWS too
	// More specific than local: a whole subnet, to an interface.
	create(api.CreateRouteInput{DestinationCidrBlock: ptr("10.0.1.0/24"), NetworkInterfaceId: &front})
	l.wantRoutes(table,
		"10.0.0.0/16 local active",
		"0.0.0.0/0 "+gateway+" active",
		"::/0 "+gateway+" active",
		"100.68.0.0/18 "+front+" "+one+" active",
		"192.0.2.0/24 "+front+" "+one+" active",
		"198.51.100.0/24 "+nat+" blackhole", // it has no interface
		"10.0.1.0/24 "+front+" "+one+" active")

	replace := func(in api.ReplaceRouteInput) {
		in.RouteTableId = &table
		call[api.ReplaceRouteOutput](l.world, "ReplaceRoute", &in)
	}
	replace(api.ReplaceRouteInput{DestinationCidrBlock: ptr("0.0.0.0/0"), NatGatewayId: &nat})
	replace(api.ReplaceRouteInput{DestinationCidrBlock: ptr("10.0.0.0/16"), NetworkInterfaceId: &front})
	remove := func(in api.DeleteRouteInput) {
		in.RouteTableId = &table
		call[api.DeleteRouteOutput](l.world, "DeleteRoute", &in)
	}
	for _, d := range []string{"100.68.0.0/18", "192.0.2.7/24", "198.51.100.0/24", "10.0.1.0/24"} {
		remove(api.DeleteRouteInput{DestinationCidrBlock: &d})
	}
	remove(api.DeleteRouteInput{DestinationIpv6CidrBlock: ptr("::/0")})
	l.wantRoutes(table, "10.0.0.0/16 "+front+" "+one+" active", "0.0.0.0/0 "+nat+" blackhole")
	l.fails("DeleteRoute", &api.DeleteRouteInput{RouteTableId: &table, DestinationCidrBlock: ptr("10.0.0.0/16")}, "InvalidParameterValue", "cannot remove local route 10.0.0.0/16 in route table "+table)
	// The target goes: the route stays, a black hole.
	call[api.TerminateInstancesOutput](l.world, "TerminateInstances", &api.TerminateInstancesInput{InstanceIds: []string{one}})
	l.exited(one)
	l.wantRoutes(table, "10.0.0.0/16 "+front+" blackhole", "0.0.0.0/0 "+nat+" blackhole")
	replace(api.ReplaceRouteInput{DestinationCidrBlock: ptr("10.0.0.0/16"), LocalTarget: ptr(true)})
	l.wantRoutes(table, "10.0.0.0/16 local active", "0.0.0.0/0 "+nat+" blackhole")
	call[api.DeleteRouteTableOutput](l.world, "DeleteRouteTable", &api.DeleteRouteTableInput{RouteTableId: &table})
}

func TestRouteRefused(t *testing.T) {
	l := newLab(t, Config{NoPackets: true, Quotas: map[string]int{"routes-per-route-table": 2}})
	v := l.vpcID
	other := l.vpc("10.0.0.0/16")
	theirSubnet := l.subnet(other, "10.0.9.0/24")
	table, gateway := l.routeTable(v), l.putGateway(v)
	edge := l.routeTable(v)
	call[api.AssociateRouteTableOutput](l.world, "AssociateRouteTable", &api.AssociateRouteTableInput{RouteTableId: &edge, GatewayId: &gateway})
	inUse, foreign := l.eni(l.subnetID), l.eni(theirSubnet)
	nat, gone, elsewhere := l.putNatGateway(v, "available"), l.putNatGateway(v, "deleted"), l.putNatGateway(other, "available")
	two := *l.run().InstanceId
	call[api.AttachNetworkInterfaceOutput](l.world, "AttachNetworkInterface", &api.AttachNetworkInterfaceInput{NetworkInterfaceId: &inUse, InstanceId: &two, DeviceIndex: ptr[int32](1)})
	theirs := *l.run(func(in *api.RunInstancesInput) { in.SubnetId = &theirSubnet }).InstanceId
	call[api.CreateRouteOutput](l.world, "CreateRoute", &api.CreateRouteInput{RouteTableId: &table, DestinationCidrBlock: ptr("192.0.2.0/24"), GatewayId: &gateway})
	list := l.prefixList("IPv4", 1)

	route := func(destination string, change func(*api.CreateRouteInput)) *api.CreateRouteInput {
		in := &api.CreateRouteInput{RouteTableId: &table, DestinationCidrBlock: opt(destination)}
		change(in)
		return in
	}
	by := func(set func(*api.CreateRouteInput, *string), id string) *api.CreateRouteInput {
		return route("198.51.100.0/24", func(in *api.CreateRouteInput) { set(in, &id) })
	}
	toGateway := func(in *api.CreateRouteInput) { in.GatewayId = &gateway }
	toInterface := func(in *api.CreateRouteInput) { in.NetworkInterfaceId = &inUse }
	inEdge := func(change func(*api.CreateRouteInput)) func(*api.CreateRouteInput) {
		return func(in *api.CreateRouteInput) {
			in.RouteTableId = &edge
			change(in)
		}
	}
	for _, c := range []struct {
		name       string
		in         *api.CreateRouteInput
		code, text string
	}{
		{"there", route("192.0.2.0/24", toGateway), "RouteAlreadyExists", "The route identified by 192.0.2.0/24 already exists."},
		{"there with host bits", route("192.0.2.9/24", toGateway), "RouteAlreadyExists", "The route identified by 192.0.2.0/24 already exists."},
		{"local", route("10.0.0.0/16", toInterface), "RouteAlreadyExists", "The route identified by 10.0.0.0/16 already exists."},
		{"local to a gateway", route("10.0.0.0/16", toGateway), "InvalidParameterValue", "Route target is not supported. This route only supports interface and instance targets."},
		{"part of local to a gateway", route("10.0.1.0/24", toGateway), "InvalidParameterValue", "Route target is not supported. This route only supports interface and instance targets."},
		{"no subnet", route("10.0.1.0/25", toInterface), "InvalidParameterValue", "The destination CIDR block 10.0.1.0/25 is equal to or more specific than one of this VPC's CIDR blocks."},
		{"reserved", route("169.254.169.0/24", toGateway), "InvalidParameterValue", "169.254.168.0/22"},
		{"no block", route("x", toGateway), "InvalidParameterValue", "Value (x) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block."},
		{"IPv6 as IPv4", route("::/0", toGateway), "InvalidParameterValue", "Value (::/0) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block."},
		{"IPv4 as IPv6", route("", func(in *api.CreateRouteInput) { toGateway(in); in.DestinationIpv6CidrBlock = ptr("0.0.0.0/0") }), "InvalidParameterValue", "destinationIpv6CidrBlock"},
		{"no destination", route("", toGateway), "MissingParameter", "exactly one of destinationCidrBlock"},
		{"two destinations", route("0.0.0.0/0", func(in *api.CreateRouteInput) { toGateway(in); in.DestinationIpv6CidrBlock = ptr("::/0") }), "InvalidParameterCombination", "exactly one of destinationCidrBlock"},
		{"no target", route("0.0.0.0/0", func(*api.CreateRouteInput) {}), "MissingParameter", "exactly one of gatewayId"},
		{"two targets", route("0.0.0.0/0", func(in *api.CreateRouteInput) { toGateway(in); in.NatGatewayId = &nat }), "InvalidParameterCombination", "natGatewayId cannot be used with the parameter gatewayId"},
		{"no table", route("0.0.0.0/0", func(in *api.CreateRouteInput) { toGateway(in); in.RouteTableId = ptr("rtb-01234567") }), "InvalidRouteTableID.NotFound", "rtb-01234567"},
		{"malformed table", route("0.0.0.0/0", func(in *api.CreateRouteInput) { toGateway(in); in.RouteTableId = ptr("x") }), "InvalidRouteTableId.Malformed", "x"},
		{"no prefix list", route("", func(in *api.CreateRouteInput) { toGateway(in); in.DestinationPrefixListId = ptr("pl-01234567") }), "InvalidPrefixListID.NotFound", "pl-01234567"},
		{"malformed prefix list", route("", func(in *api.CreateRouteInput) { toGateway(in); in.DestinationPrefixListId = ptr("x") }), "InvalidPrefixListId.Malformed", "x"},
		{"no gateway", by(func(in *api.CreateRouteInput, id *string) { in.GatewayId = id }, "igw-01234567"), "InvalidGatewayID.NotFound", "The gateway ID 'igw-01234567' does not exist"},
		{"local gateway id", by(func(in *api.CreateRouteInput, id *string) { in.GatewayId = id }, "local"), "InvalidGatewayID.NotFound", "The gateway ID 'local' does not exist"},
		{"gateway elsewhere", by(func(in *api.CreateRouteInput, id *string) { in.GatewayId = id }, l.putGateway(other)), "InvalidParameterValue", "route table " + table + " and network gateway"},
		{"gateway detached", by(func(in *api.CreateRouteInput, id *string) { in.GatewayId = id }, l.putGateway("")), "InvalidParameterValue", "belong to different networks"},
		{"no NAT gateway", by(func(in *api.CreateRouteInput, id *string) { in.NatGatewayId = id }, "nat-01234567"), "InvalidNatGatewayID.NotFound", "The natGateway ID 'nat-01234567' does not exist"},
		{"NAT gateway deleted", by(func(in *api.CreateRouteInput, id *string) { in.NatGatewayId = id }, gone), "InvalidNatGatewayID.NotFound", gone},
		{"NAT gateway elsewhere", by(func(in *api.CreateRouteInput, id *string) { in.NatGatewayId = id }, elsewhere), "InvalidParameterValue", "belong to different networks"},
		{"no interface", by(func(in *api.CreateRouteInput, id *string) { in.NetworkInterfaceId = id }, "eni-01234567"), "InvalidNetworkInterfaceID.NotFound", "eni-01234567"},
		{"interface elsewhere", by(func(in *api.CreateRouteInput, id *string) { in.NetworkInterfaceId = id }, foreign), "InvalidParameterValue", "route table " + table + " and interface " + foreign + " belong to different networks"},
		{"no instance", by(func(in *api.CreateRouteInput, id *string) { in.InstanceId = id }, "i-01234567"), "InvalidInstanceID.NotFound", "i-01234567"},
		{"instance with two interfaces", by(func(in *api.CreateRouteInput, id *string) { in.InstanceId = id }, two), "InvalidInstanceID", "There are multiple interfaces attached to instance '" + two + "'. Please specify an interface ID for the operation instead."},
		{"instance elsewhere", by(func(in *api.CreateRouteInput, id *string) { in.InstanceId = id }, theirs), "InvalidParameterValue", "belong to different networks"},
		{"peering", by(func(in *api.CreateRouteInput, id *string) { in.VpcPeeringConnectionId = id }, "pcx-01234567"), "InvalidVpcPeeringConnectionID.NotFound", "The vpcPeeringConnection ID 'pcx-01234567' does not exist"},
		{"malformed peering", by(func(in *api.CreateRouteInput, id *string) { in.VpcPeeringConnectionId = id }, "x"), "InvalidVpcPeeringConnectionId.Malformed", `expecting "pcx-..."`},
		{"egress-only gateway", by(func(in *api.CreateRouteInput, id *string) { in.EgressOnlyInternetGatewayId = id }, "eigw-01234567"), "InvalidGatewayID.NotFound", "eigw-01234567"},
		{"transit gateway", by(func(in *api.CreateRouteInput, id *string) { in.TransitGatewayId = id }, "tgw-01234567"), "InvalidTransitGatewayID.NotFound", "tgw-01234567"},
		{"local gateway", by(func(in *api.CreateRouteInput, id *string) { in.LocalGatewayId = id }, "lgw-01234567"), "InvalidLocalGatewayID.NotFound", "lgw-01234567"},
		{"carrier gateway", by(func(in *api.CreateRouteInput, id *string) { in.CarrierGatewayId = id }, "cagw-01234567"), "InvalidCarrierGatewayID.NotFound", "cagw-01234567"},
		{"endpoint", by(func(in *api.CreateRouteInput, id *string) { in.VpcEndpointId = id }, "vpce-01234567"), "InvalidVpcEndpointId.NotFound", "vpce-01234567"},
		{"core network", by(func(in *api.CreateRouteInput, id *string) { in.CoreNetworkArn = id }, "arn:x"), "InvalidCoreNetworkArn.NotFound", "arn:x"},
		{"ODB network", by(func(in *api.CreateRouteInput, id *string) { in.OdbNetworkArn = id }, "arn:x"), "InvalidOdbNetworkArn.NotFound", "arn:x"},
		{"outside from a gateway", route("192.0.2.0/24", inEdge(toInterface)), "InvalidParameterValue", "less specific than VPC local CIDR"},
		{"target from a gateway", route("10.0.1.0/24", inEdge(func(in *api.CreateRouteInput) { in.NatGatewayId = &nat })), "InvalidParameterValue", "Route table contains unsupported route target"},
		{"prefix list from a gateway", route("", inEdge(func(in *api.CreateRouteInput) { toInterface(in); in.DestinationPrefixListId = &list })), "InvalidParameterValue", "prefix list"},
		{"dry run", route("0.0.0.0/0", func(in *api.CreateRouteInput) { toGateway(in); in.DryRun = ptr(true) }), "DryRunOperation", ""},
	} {
		t.Run(c.name, func(t *testing.T) { l.in(t).fails("CreateRoute", c.in, c.code, c.text) })
	}
	call[api.CreateRouteOutput](l.world, "CreateRoute", route("10.0.1.0/24", inEdge(toInterface)))
	call[api.CreateRouteOutput](l.world, "CreateRoute", route("198.51.100.0/24", toGateway))
	l.fails("CreateRoute", route("203.0.113.0/24", toGateway), "RouteLimitExceeded", "The maximum number of routes has been reached.")
	// IPv6 routes are counted apart.
	call[api.CreateRouteOutput](l.world, "CreateRoute", &api.CreateRouteInput{RouteTableId: &table, DestinationIpv6CidrBlock: ptr("::/0"), GatewayId: &gateway})

	replace := func(in api.ReplaceRouteInput) *api.ReplaceRouteInput {
		in.RouteTableId = &table
		return &in
	}
	l.fails("ReplaceRoute", replace(api.ReplaceRouteInput{DestinationCidrBlock: ptr("0.0.0.0/0"), GatewayId: &gateway}), "InvalidParameterValue", "There is no route defined for '0.0.0.0/0' in the route table. Use CreateRoute instead.")
	l.fails("ReplaceRoute", replace(api.ReplaceRouteInput{DestinationCidrBlock: ptr("192.0.2.0/24"), LocalTarget: ptr(true)}), "InvalidParameterValue", "not a local route")
	l.fails("ReplaceRoute", replace(api.ReplaceRouteInput{DestinationCidrBlock: ptr("192.0.2.0/24")}), "MissingParameter", "gatewayId")
	l.fails("ReplaceRoute", replace(api.ReplaceRouteInput{DestinationCidrBlock: ptr("192.0.2.0/24"), LocalTarget: ptr(true), GatewayId: &gateway}), "InvalidParameterCombination", "localTarget")
	l.fails("ReplaceRoute", replace(api.ReplaceRouteInput{DestinationCidrBlock: ptr("10.0.0.0/16"), GatewayId: &gateway}), "InvalidParameterValue", "Route target is not supported.")
	l.fails("ReplaceRoute", replace(api.ReplaceRouteInput{GatewayId: &gateway}), "MissingParameter", "destinationCidrBlock")
	l.fails("ReplaceRoute", replace(api.ReplaceRouteInput{DestinationCidrBlock: ptr("192.0.2.0/24"), GatewayId: ptr("local")}), "InvalidGatewayID.NotFound", "The gateway ID 'local' does not exist")
	l.fails("ReplaceRoute", &api.ReplaceRouteInput{RouteTableId: ptr("rtb-01234567"), DestinationCidrBlock: ptr("0.0.0.0/0"), GatewayId: &gateway}, "InvalidRouteTableID.NotFound", "rtb-01234567")

	remove := func(in api.DeleteRouteInput) *api.DeleteRouteInput {
		in.RouteTableId = &table
		return &in
	}
	l.fails("DeleteRoute", remove(api.DeleteRouteInput{DestinationCidrBlock: ptr("0.0.0.0/0")}), "InvalidRoute.NotFound", "no route with destination-cidr-block 0.0.0.0/0 in route table "+table)
	l.fails("DeleteRoute", remove(api.DeleteRouteInput{DestinationIpv6CidrBlock: ptr("2001:db8::/32")}), "InvalidRoute.NotFound", "no route with destination-ipv6-cidr-block 2001:db8::/32 in route table "+table)
	l.fails("DeleteRoute", remove(api.DeleteRouteInput{DestinationPrefixListId: &list}), "InvalidRoute.NotFound", "no route with destination-prefix-list-id "+list+" in route table "+table)
	l.fails("DeleteRoute", remove(api.DeleteRouteInput{DestinationCidrBlock: ptr("10.0.0.0/16")}), "InvalidParameterValue", "cannot remove local route 10.0.0.0/16 in route table "+table)
	l.fails("DeleteRoute", remove(api.DeleteRouteInput{}), "MissingParameter", "destinationCidrBlock")
}

// TestCidrWithRoutes: a block goes with its local routes, but not while a route
// leads into it.
func TestCidrWithRoutes(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	block := *call[api.AssociateVpcCidrBlockOutput](w, "AssociateVpcCidrBlock", &api.AssociateVpcCidrBlockInput{VpcId: &v, CidrBlock: ptr("10.1.0.0/16")}).CidrBlockAssociation.AssociationId
	sub := w.subnet(v, "10.1.1.0/24")
	eni := w.eni(w.subnet(v, "10.0.1.0/24"))
	table, gateway := w.routeTable(v), w.putGateway(v)
	call[api.CreateRouteOutput](w, "CreateRoute", &api.CreateRouteInput{RouteTableId: &table, DestinationCidrBlock: ptr("10.1.1.0/24"), NetworkInterfaceId: &eni})
	call[api.CreateRouteOutput](w, "CreateRoute", &api.CreateRouteInput{RouteTableId: &table, DestinationCidrBlock: ptr("10.2.0.0/20"), GatewayId: &gateway})
	call[api.DeleteSubnetOutput](w, "DeleteSubnet", &api.DeleteSubnetInput{SubnetId: &sub})
	drop := &api.DisassociateVpcCidrBlockInput{AssociationId: &block}
	w.fails("DisassociateVpcCidrBlock", drop, "InvalidCidrBlock.InUse", "currently has a route within CIDR block 10.1.0.0/16")
	call[api.DeleteRouteOutput](w, "DeleteRoute", &api.DeleteRouteInput{RouteTableId: &table, DestinationCidrBlock: ptr("10.1.1.0/24")})
	call[api.ReplaceRouteOutput](w, "ReplaceRoute", &api.ReplaceRouteInput{RouteTableId: &table, DestinationCidrBlock: ptr("10.1.0.0/16"), NetworkInterfaceId: &eni})
	w.fails("DisassociateVpcCidrBlock", drop, "InvalidCidrBlock.InUse", table)
	call[api.ReplaceRouteOutput](w, "ReplaceRoute", &api.ReplaceRouteInput{RouteTableId: &table, DestinationCidrBlock: ptr("10.1.0.0/16"), LocalTarget: ptr(true)})
	call[api.DisassociateVpcCidrBlockOutput](w, "DisassociateVpcCidrBlock", drop)
	if row, _ := state.RouteTables.Get(w.snapshot(), w.caller.Scope.Key(table)); len(row.Routes) != 2 {
		t.Errorf("%+v", row.Routes)
	}
	for _, cidr := range []string{"10.2.0.0/16", "10.2.0.0/20"} {
		w.fails("AssociateVpcCidrBlock", &api.AssociateVpcCidrBlockInput{VpcId: &v, CidrBlock: &cidr}, "InvalidVpc.Conflict", "conflicts with the route to 10.2.0.0/20")
	}
	call[api.AssociateVpcCidrBlockOutput](w, "AssociateVpcCidrBlock", &api.AssociateVpcCidrBlockInput{VpcId: &v, CidrBlock: ptr("10.2.0.0/21")})
}
