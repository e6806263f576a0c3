package fabrictest

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/state"
)

// Gateway puts an internet gateway that is attached to a VPC.
func Gateway(tx *state.Tx, id, vpc string) {
	state.InternetGateways.Put(tx, &state.InternetGateway{Meta: Meta(id), VpcID: vpc})
}

// Routes puts a route table that serves the subnets, with the VPC's local routes
// and others. Each of these is a destination (a block or a prefix list) and a target.
func Routes(tx *state.Tx, id, vpc string, number uint32, routes [][2]string, served ...string) {
	t := &state.RouteTable{Meta: Meta(id), VpcID: vpc, Number: number}
	if v, ok := state.Vpcs.Get(tx, Key(vpc)); ok {
		for _, c := range v.Cidrs {
			t.Routes = append(t.Routes, state.Route{Destination: c.Cidr, GatewayID: fabric.Local, Origin: "CreateRouteTable"})
		}
	}
	for _, r := range routes {
		route := state.Route{Origin: "CreateRoute"}
		if p, err := netip.ParsePrefix(r[0]); err == nil {
			route.Destination = p
		} else {
			route.PrefixListID = r[0]
		}
		switch target := r[1]; target[:3] {
		case "nat":
			route.NatGatewayID = target
		case "eni":
			route.InterfaceID = target
		case "pcx":
			route.PeeringID = target
		default:
			route.GatewayID = target
		}
		t.Routes = slices.DeleteFunc(t.Routes, func(other state.Route) bool {
			return other.Destination == route.Destination && other.PrefixListID == route.PrefixListID
		})
		t.Routes = append(t.Routes, route)
	}
	for _, s := range served {
		as := state.RouteTableAssociation{ID: "rtbassoc-" + s}
		switch s[:3] {
		case "sub":
			as.SubnetID = s
		case "igw":
			as.GatewayID = s
		default:
			as.Main = true
		}
		t.Associations = append(t.Associations, as)
	}
	state.RouteTables.Put(tx, t)
}

// PublicAddr gives a private address of an interface a public one; none with the
// zero address.
func PublicAddr(tx *state.Tx, eni, private, public string) {
	row, ok := state.NetworkInterfaces.Get(tx, Key(eni))
	if !ok {
		return
	}
	next := *row
	next.Addresses = slices.Clone(row.Addresses)
	for i := range next.Addresses {
		if next.Addresses[i].Addr.String() == private {
			next.Addresses[i].PublicIP = netip.Addr{}
			if public != "" {
				next.Addresses[i].PublicIP = netip.MustParseAddr(public)
			}
		}
	}
	state.NetworkInterfaces.Put(tx, &next)
}

// Unchecked switches an interface's source/destination check off.
func Unchecked(tx *state.Tx, eni string) {
	if row, ok := state.NetworkInterfaces.Get(tx, Key(eni)); ok {
		next := *row
		next.SourceDestCheck = false
		state.NetworkInterfaces.Put(tx, &next)
	}
}

// Nat puts a NAT gateway with its interface and addresses.
func Nat(tx *state.Tx, id, vpc, subnet string, addrs ...string) {
	eni := "eni-" + id
	Interface(tx, eni, vpc, subnet, "", 0, nil, addrs...)
	row, _ := state.NetworkInterfaces.Get(tx, Key(eni))
	next := *row
	next.InterfaceType, next.SourceDestCheck, next.Status = fabric.NatInterface, false, "in-use"
	state.NetworkInterfaces.Put(tx, &next)
	g := &state.NatGateway{Meta: Meta(id), VpcID: vpc, SubnetID: subnet, Public: true, State: "available", InterfaceID: eni}
	for i, a := range addrs {
		g.Addresses = append(g.Addresses, state.NatGatewayAddress{InterfaceID: eni, PrivateIP: netip.MustParseAddr(a), Primary: i == 0, Status: "succeeded"})
	}
	state.NatGateways.Put(tx, g)
}

// List puts a prefix list.
func List(tx *state.Tx, id string, cidrs ...string) {
	l := &state.PrefixList{Meta: Meta(id), Name: id, Family: "IPv4", MaxEntries: int32(len(cidrs)), State: "create-complete", Version: 1}
	v := state.PrefixListVersion{Version: 1}
	for _, c := range cidrs {
		v.Entries = append(v.Entries, state.PrefixListEntry{Cidr: netip.MustParsePrefix(c)})
	}
	l.Versions = []state.PrefixListVersion{v}
	state.PrefixLists.Put(tx, l)
}

// Host puts a machine of the simulated internet.
func Host(tx *state.Tx, name, addr string) {
	a := netip.MustParseAddr(addr)
	last := a.As4()
	state.Hosts.Put(tx, &state.Host{
		Meta: state.Meta{Key: state.Key{ID: name}, Created: epoch}, Addr: a,
		MAC: fmt.Sprintf("02:ff:%02x:%02x:%02x:%02x", last[0], last[1], last[2], last[3]), Boots: 1, Running: true,
	})
}
