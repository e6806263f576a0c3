package ec2

import (
	"fmt"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/state"
)

// routeTable makes a route table and gives its id.
func (w *world) routeTable(vpcID string) string {
	w.Helper()
	return *call[api.CreateRouteTableOutput](w, "CreateRouteTable", &api.CreateRouteTableInput{VpcId: &vpcID}).RouteTable.RouteTableId
}

// tableNow describes a route table.
func (w *world) tableNow(id string) api.RouteTable {
	w.Helper()
	return call[api.DescribeRouteTablesOutput](w, "DescribeRouteTables", &api.DescribeRouteTablesInput{RouteTableIds: []string{id}}).RouteTables[0]
}

// mainTable is the id of a VPC's main route table, and of the association that
// makes it so.
func (w *world) mainTable(vpcID string) (table, association string) {
	w.Helper()
	tables := call[api.DescribeRouteTablesOutput](w, "DescribeRouteTables", &api.DescribeRouteTablesInput{Filters: filtersOf("vpc-id", vpcID, "association.main", "true")}).RouteTables
	if len(tables) != 1 {
		w.Fatalf("%d main route tables", len(tables))
	}
	for _, a := range tables[0].Associations {
		if *a.Main {
			association = *a.RouteTableAssociationId
		}
	}
	return *tables[0].RouteTableId, association
}

// wantRoutes compares a table's routes: "10.0.0.0/16 local active CreateRouteTable".
func (w *world) wantRoutes(table string, want ...string) {
	w.Helper()
	var got []string
	for _, r := range w.tableNow(table).Routes {
		got = append(got, strings.Join(strings.Fields(fmt.Sprint(val(r.DestinationCidrBlock), val(r.DestinationIpv6CidrBlock), val(r.DestinationPrefixListId), " ",
			val(r.GatewayId), val(r.NatGatewayId), val(r.NetworkInterfaceId), " ", val(r.InstanceId), " ", *r.State)), " "))
	}
	wantSame(w.T, got, want)
}

// putGateway makes an internet gateway, attached unless the VPC is empty.
func (w *world) putGateway(vpcID string) (id string) {
	w.write(func(tx *state.Tx) {
		g := &state.InternetGateway{Meta: tx.Meta(w.caller.Scope, "igw"), VpcID: vpcID}
		id = g.ID
		state.InternetGateways.Put(tx, g)
	})
	return id
}

// putNatGateway makes a NAT gateway that carries no packets.
func (w *world) putNatGateway(vpcID, status string) (id string) {
	w.write(func(tx *state.Tx) {
		g := &state.NatGateway{Meta: tx.Meta(w.caller.Scope, "nat"), VpcID: vpcID, State: status}
		id = g.ID
		state.NatGateways.Put(tx, g)
	})
	return id
}

func TestRouteTableLife(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	call[api.AssociateVpcCidrBlockOutput](w, "AssociateVpcCidrBlock", &api.AssociateVpcCidrBlockInput{VpcId: &v, CidrBlock: ptr("10.1.0.0/16")})
	in := &api.CreateRouteTableInput{VpcId: &v, ClientToken: ptr("once"), TagSpecifications: tagSpec("route-table", "Name", "private")}
	made := call[api.CreateRouteTableOutput](w, "CreateRouteTable", in)
	again := call[api.CreateRouteTableOutput](w, "CreateRouteTable", in)
	id := *made.RouteTable.RouteTableId
	if *again.RouteTable.RouteTableId != id || *made.ClientToken != "once" || len(made.RouteTable.Tags) != 1 || *made.RouteTable.OwnerId != "123456789012" {
		t.Errorf("%+v\nthen %+v", made, again)
	}
	w.wantRoutes(id, "10.0.0.0/16 local active", "10.1.0.0/16 local active")

	// Numbers: the main table has the first one; a free one is used again.
	number := func(id string) uint32 {
		row, _ := state.RouteTables.Get(w.snapshot(), w.caller.Scope.Key(id))
		return row.Number
	}
	main, _ := w.mainTable(v)
	third := w.routeTable(v)
	if number(main) != 1 || number(id) != 2 || number(third) != 3 {
		t.Errorf("numbers %d, %d, %d", number(main), number(id), number(third))
	}
	call[api.DeleteRouteTableOutput](w, "DeleteRouteTable", &api.DeleteRouteTableInput{RouteTableId: &id})
	if n := number(w.routeTable(v)); n != 2 {
		t.Errorf("number %d, want the free one, 2", n)
	}
	w.fails("DeleteRouteTable", &api.DeleteRouteTableInput{RouteTableId: &id}, "InvalidRouteTableID.NotFound", "The routeTable ID '"+id+"' does not exist")
	w.fails("DeleteRouteTable", &api.DeleteRouteTableInput{RouteTableId: &main}, "DependencyViolation", "The routeTable '"+main+"' has dependencies and cannot be deleted.")
	w.fails("CreateRouteTable", &api.CreateRouteTableInput{VpcId: ptr("vpc-01234567")}, "InvalidVpcID.NotFound", "vpc-01234567")
	w.fails("CreateRouteTable", &api.CreateRouteTableInput{VpcId: ptr("x")}, "InvalidVpcID.Malformed", "x")
	w.fails("CreateRouteTable", &api.CreateRouteTableInput{VpcId: &v, TagSpecifications: tagSpec("vpc", "a", "b")}, "InvalidParameterValue", "'vpc' is not a valid taggable resource type")
	w.fails("CreateRouteTable", &api.CreateRouteTableInput{VpcId: &v, DryRun: ptr(true)}, "DryRunOperation", "")
	w.as("210987654321", "us-east-1").fails("DeleteRouteTable", &api.DeleteRouteTableInput{RouteTableId: &third}, "InvalidRouteTableID.NotFound", third)
	w.fails("DeleteVpc", &api.DeleteVpcInput{VpcId: &v}, "DependencyViolation", "")

	small := newWorld(t, Config{Quotas: map[string]int{"route-tables-per-vpc": 2}})
	v = small.vpc("10.0.0.0/16")
	small.routeTable(v)
	small.fails("CreateRouteTable", &api.CreateRouteTableInput{VpcId: &v}, "RouteTableLimitExceeded", "The maximum number of route tables has been reached.")
}

func TestRouteTableAssociations(t *testing.T) {
	w := newWorld(t)
	v, other := w.vpc("10.0.0.0/16"), w.vpc("10.0.0.0/16")
	sub, foreign := w.subnet(v, "10.0.1.0/24"), w.subnet(other, "10.0.1.0/24")
	one, two, theirs := w.routeTable(v), w.routeTable(v), w.routeTable(other)
	main, mainAssociation := w.mainTable(v)
	gateway, loose := w.putGateway(v), w.putGateway("")

	associate := func(table, subnet, gateway string) *api.AssociateRouteTableInput {
		return &api.AssociateRouteTableInput{RouteTableId: &table, SubnetId: opt(subnet), GatewayId: opt(gateway)}
	}
	made := call[api.AssociateRouteTableOutput](w, "AssociateRouteTable", associate(one, sub, ""))
	if *made.AssociationState.State != "associated" {
		t.Errorf("%+v", made)
	}
	a := w.tableNow(one).Associations[0]
	if *a.RouteTableAssociationId != *made.AssociationId || *a.SubnetId != sub || *a.Main || *a.AssociationState.State != "associated" {
		t.Errorf("%+v", a)
	}
	replaced := call[api.ReplaceRouteTableAssociationOutput](w, "ReplaceRouteTableAssociation", &api.ReplaceRouteTableAssociationInput{AssociationId: made.AssociationId, RouteTableId: &two})
	if *replaced.NewAssociationId == *made.AssociationId || len(w.tableNow(one).Associations) != 0 || *w.tableNow(two).Associations[0].SubnetId != sub {
		t.Errorf("%+v", replaced)
	}
	w.fails("DeleteRouteTable", &api.DeleteRouteTableInput{RouteTableId: &two}, "DependencyViolation", two)

	// Another main table; the old one can go then, and the new one cannot.
	newMain := call[api.ReplaceRouteTableAssociationOutput](w, "ReplaceRouteTableAssociation", &api.ReplaceRouteTableAssociationInput{AssociationId: &mainAssociation, RouteTableId: &one})
	if table, association := w.mainTable(v); table != one || association != *newMain.NewAssociationId || association == mainAssociation {
		t.Errorf("main table %s by %s", table, association)
	}
	call[api.DeleteRouteTableOutput](w, "DeleteRouteTable", &api.DeleteRouteTableInput{RouteTableId: &main})
	w.fails("DisassociateRouteTable", &api.DisassociateRouteTableInput{AssociationId: newMain.NewAssociationId}, "InvalidParameterValue", "cannot disassociate the main route table association "+*newMain.NewAssociationId)

	edge := call[api.AssociateRouteTableOutput](w, "AssociateRouteTable", associate(two, "", gateway))
	if got := w.tableNow(two).Associations[1]; *got.GatewayId != gateway || got.SubnetId != nil {
		t.Errorf("%+v", got)
	}
	wide := w.routeTable(v)
	call[api.CreateRouteOutput](w, "CreateRoute", &api.CreateRouteInput{RouteTableId: &wide, DestinationCidrBlock: ptr("0.0.0.0/0"), GatewayId: &gateway})
	listed := w.routeTable(v)
	list := w.prefixList("IPv4", 2, "10.0.1.0/24")
	call[api.CreateRouteOutput](w, "CreateRoute", &api.CreateRouteInput{RouteTableId: &listed, DestinationPrefixListId: &list, NetworkInterfaceId: ptr(w.eni(sub))})
	free := w.putGateway(v)
	nats := w.routeTable(v)
	call[api.CreateRouteOutput](w, "CreateRoute", &api.CreateRouteInput{RouteTableId: &nats, DestinationCidrBlock: ptr("10.0.1.0/24"), NatGatewayId: ptr(w.putNatGateway(v, "available"))})

	replace := func(association, table string) *api.ReplaceRouteTableAssociationInput {
		return &api.ReplaceRouteTableAssociationInput{AssociationId: &association, RouteTableId: &table}
	}
	for _, c := range []struct {
		name, action string
		in           any
		code, text   string
	}{
		{"again", "AssociateRouteTable", associate(one, sub, ""), "Resource.AlreadyAssociated", "the specified association for route table " + one + " conflicts with an existing association"},
		{"gateway again", "AssociateRouteTable", associate(one, "", gateway), "Resource.AlreadyAssociated", one},
		{"subnet elsewhere", "AssociateRouteTable", associate(one, foreign, ""), "InvalidParameterValue", "Route table " + one + " and subnet " + foreign + " belong to different networks"},
		{"gateway elsewhere", "AssociateRouteTable", associate(theirs, "", gateway), "InvalidParameterValue", "route table " + theirs + " and network gateway " + gateway + " belong to different networks"},
		{"gateway nowhere", "AssociateRouteTable", associate(one, "", loose), "InvalidParameterValue", "belong to different networks"},
		{"no gateway", "AssociateRouteTable", associate(one, "", "igw-01234567"), "InvalidGatewayID.NotFound", "The gateway ID 'igw-01234567' does not exist"},
		{"no subnet", "AssociateRouteTable", associate(one, "subnet-01234567", ""), "InvalidSubnetID.NotFound", "subnet-01234567"},
		{"malformed subnet", "AssociateRouteTable", associate(one, "x", ""), "InvalidSubnetID.Malformed", "x"},
		{"no table", "AssociateRouteTable", associate("rtb-01234567", sub, ""), "InvalidRouteTableID.NotFound", "rtb-01234567"},
		{"malformed table", "AssociateRouteTable", associate("x", sub, ""), "InvalidRouteTableId.Malformed", "x"},
		{"both", "AssociateRouteTable", associate(one, sub, gateway), "InvalidParameterCombination", "gatewayId"},
		{"neither", "AssociateRouteTable", associate(one, "", ""), "MissingParameter", "subnetId"},
		{"pool", "AssociateRouteTable", &api.AssociateRouteTableInput{RouteTableId: &one, PublicIpv4Pool: ptr("x")}, "UnsupportedOperation", "public IPv4 pools"},
		{"wide route for a gateway", "AssociateRouteTable", associate(wide, "", free), "InvalidParameterValue", "Route table contains unsupported route destination. The unsupported route destination is less specific than VPC local CIDR."},
		{"prefix list for a gateway", "AssociateRouteTable", associate(listed, "", free), "InvalidParameterValue", "Route table contains unsupported route destination."},
		{"target for a gateway", "AssociateRouteTable", associate(nats, "", free), "InvalidParameterValue", "Route table contains unsupported route target"},
		{"replace by one for no gateway", "ReplaceRouteTableAssociation", replace(*edge.AssociationId, wide), "InvalidParameterValue", "unsupported route destination"},
		{"replace elsewhere", "ReplaceRouteTableAssociation", replace(*replaced.NewAssociationId, theirs), "InvalidParameterValue", "belong to different networks"},
		{"replace main elsewhere", "ReplaceRouteTableAssociation", replace(*newMain.NewAssociationId, theirs), "InvalidParameterValue", "belong to different networks"},
		{"replace nothing", "ReplaceRouteTableAssociation", replace(*made.AssociationId, one), "InvalidAssociationID.NotFound", "The association ID '" + *made.AssociationId + "' does not exist"},
		{"replace by no table", "ReplaceRouteTableAssociation", replace(*replaced.NewAssociationId, "rtb-01234567"), "InvalidRouteTableID.NotFound", "rtb-01234567"},
		{"replace by a malformed table", "ReplaceRouteTableAssociation", replace(*replaced.NewAssociationId, "x"), "InvalidRouteTableId.Malformed", "x"},
		{"disassociate nothing", "DisassociateRouteTable", &api.DisassociateRouteTableInput{AssociationId: ptr("x")}, "InvalidAssociationID.NotFound", "The association ID 'x' does not exist"},
	} {
		t.Run(c.name, func(t *testing.T) { w.in(t).fails(c.action, c.in, c.code, c.text) })
	}

	call[api.DisassociateRouteTableOutput](w, "DisassociateRouteTable", &api.DisassociateRouteTableInput{AssociationId: edge.AssociationId})
	call[api.DisassociateRouteTableOutput](w, "DisassociateRouteTable", &api.DisassociateRouteTableInput{AssociationId: replaced.NewAssociationId})
	call[api.DeleteRouteTableOutput](w, "DeleteRouteTable", &api.DeleteRouteTableInput{RouteTableId: &two})
}
