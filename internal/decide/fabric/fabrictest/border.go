package fabrictest

import (
	"fmt"
	"net/netip"
	"strings"

	"pgregory.net/rapid"

	"github.com/localvpc/localvpc/internal/state"
)

// OutsideHosts are machines of the simulated internet, with their addresses.
var OutsideHosts = map[string]string{"far": "198.18.9.9", "other": "198.18.9.10"}

// PublicOf is the public address that a private one of a VPC may have.
func PublicOf(v int, private netip.Addr) netip.Addr {
	a := private.As4()
	return netip.AddrFrom4([4]byte{198, 18, byte(10*(v+1) + int(a[2])), a[3]})
}

// GatewayID, and the others, name what is at the border of a VPC.
func GatewayID(v int) string  { return "igw-" + digit(v) }
func NatID(v int) string      { return "nat-" + digit(v) }
func TableID(v, n int) string { return fmt.Sprintf("rtb-%s%d", digit(v), n) }

// NatAddr is an address of a VPC's NAT gateway.
func NatAddr(v, subnet, n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, second(v), byte(subnet + 1), byte(100 + n)})
}

// tables is how many route tables a VPC has beside its main one; the first of
// them may be the gateway's.
const tables = 3

// destinations of routes: the world, hosts, subnets, parts of nothing.
var destinations = []string{"0.0.0.0/0", "0.0.0.0/0", "0.0.0.0/0", "198.18.9.9/32", "198.18.0.0/16", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24", "10.0.0.0/16", "10.0.0.0/8", "192.0.2.0/24"}

// border gives a VPC what lies between it and the world, some of it or all.
func border(t *rapid.T, tx *state.Tx, v int) {
	for name, addr := range OutsideHosts {
		Host(tx, name, addr)
	}
	gateway := state.InternetGateway{Meta: Meta(GatewayID(v))}
	if rapid.IntRange(0, 5).Draw(t, "gateway") > 0 {
		gateway.VpcID = VpcID(v)
	}
	state.InternetGateways.Put(tx, &gateway)
	drawNat(t, tx, v)
	forwards := rapid.IntRange(0, 2*interfaces-1).Draw(t, "forwards")
	for n := range interfaces {
		row, ok := state.NetworkInterfaces.Get(tx, Key(InterfaceID(v, n)))
		if !ok {
			continue
		}
		if n == forwards {
			Unchecked(tx, row.ID)
		}
		for _, a := range row.Addresses {
			drawPublic(t, tx, v, row.ID, a.Addr)
		}
	}
	drawRoutes(t, tx, v)
}

func drawPublic(t *rapid.T, tx *state.Tx, v int, eni string, private netip.Addr) {
	public := ""
	if rapid.IntRange(0, 2).Draw(t, "public") > 0 {
		public = PublicOf(v, private).String()
	}
	PublicAddr(tx, eni, private.String(), public)
}

func drawNat(t *rapid.T, tx *state.Tx, v int) {
	state.NatGateways.Delete(tx, Key(NatID(v)))
	state.NetworkInterfaces.Delete(tx, Key("eni-"+NatID(v)))
	subnet := below(t, subnets, "subnet of nat")
	var addrs []string
	for n := range rapid.IntRange(0, 3).Draw(t, "nat addresses") {
		addrs = append(addrs, NatAddr(v, subnet, n).String())
	}
	if len(addrs) == 0 {
		return
	}
	Nat(tx, NatID(v), VpcID(v), SubnetID(v, subnet), addrs...)
	for n := range addrs {
		drawPublic(t, tx, v, "eni-"+NatID(v), NatAddr(v, subnet, n))
	}
}

// drawRoutes gives the subnets route tables, and the gateway sometimes.
func drawRoutes(t *rapid.T, tx *state.Tx, v int) {
	served := make([][]string, tables+1)
	for n := range subnets {
		at := below(t, tables+1, "table of subnet")
		served[at] = append(served[at], SubnetID(v, n))
	}
	served[0] = append(served[0], "main")
	if rapid.IntRange(0, 3).Draw(t, "gateway table") == 0 {
		served[tables] = append(served[tables], GatewayID(v))
	}
	for n, of := range served {
		var routes [][2]string
		for range rapid.IntRange(0, 3).Draw(t, "routes") {
			targets := []string{GatewayID(v), GatewayID(v), GatewayID(v), NatID(v), NatID(v), InterfaceID(v, below(t, interfaces, "route to")), PeeringID(below(t, peerings, "peering"))}
			to := pick(t, destinations, "destination")
			if strings.HasPrefix(to, fmt.Sprintf("10.%d.", second(v))) { // AWS takes these there only
				targets = targets[3:6]
			}
			routes = append(routes, [2]string{to, pick(t, targets, "target")})
		}
		routes = append(routes, drawCrossing(t, v)...)
		id := TableID(v, n)
		if n == 0 {
			id = "rtb-" + VpcID(v)[4:]
		}
		Routes(tx, id, VpcID(v), uint32(n+1), routes, of...)
	}
}

// disturbBorder changes one thing there.
func disturbBorder(t *rapid.T, tx *state.Tx, v int) {
	switch rapid.IntRange(0, 5).Draw(t, "border") {
	case 0:
		g := state.InternetGateway{Meta: Meta(GatewayID(v))}
		g.VpcID = pick(t, []string{"", VpcID(v)}, "attached")
		state.InternetGateways.Put(tx, &g)
	case 1:
		drawNat(t, tx, v)
	case 2:
		if row, ok := state.NatGateways.Get(tx, Key(NatID(v))); ok {
			next := *row
			next.State = pick(t, []string{"pending", "available", "deleting", "deleted"}, "nat state")
			state.NatGateways.Put(tx, &next)
		}
	case 3:
		if row, ok := state.NetworkInterfaces.Get(tx, Key(InterfaceID(v, below(t, interfaces, "interface")))); ok {
			next := *row
			next.SourceDestCheck = !next.SourceDestCheck
			state.NetworkInterfaces.Put(tx, &next)
			for _, a := range row.Addresses {
				drawPublic(t, tx, v, row.ID, a.Addr)
			}
		}
	case 4:
		drawRoutes(t, tx, v)
	case 5:
		if rapid.Bool().Draw(t, "host") {
			Host(tx, "far", OutsideHosts["far"])
		} else {
			state.Hosts.Delete(tx, state.Key{ID: "far"})
		}
	}
}
