package fabric

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/state"
)

// Addresses of the services that every VPC has at the same place
// (VPC User Guide, "Amazon DNS server"; EC2 User Guide, "Instance metadata").
var (
	ResolverAddr = netip.MustParseAddr("169.254.169.253")
	MetadataAddr = netip.MustParseAddr("169.254.169.254")
)

// VPC is the router of one VPC.
type VPC struct {
	Key      state.Key
	Cidrs    []netip.Prefix // the primary one first
	Services []Service
	// What no packet has to ask where it is not so.
	Filters  bool // the ACL of any of its subnets filters
	Gateway  bool // an internet gateway is attached
	Inward   bool // it has a route table, for what comes in by it
	Routed   bool // any of its route tables leads elsewhere than to the VPC itself
	Specific bool // any does so for a part of the VPC
	Forwards bool // any of its interfaces passes packets on that are not its own
	Faulty   bool // something in it is broken on purpose
	Peered   bool // packets pass a peering connection of it
	Balances bool // it has a network load balancer
	Logs     bool // … whose flows are logged
}

// Service is something that the VPC itself answers. No group and no ACL is
// asked about it (VPC User Guide, "Network ACLs": traffic that is not filtered).
type Service struct {
	Name     string // "dns", "metadata"
	Addr     netip.Addr
	Protocol uint8
	Port     uint16
}

// LoadVPC derives the router of a VPC.
func LoadVPC(r state.Reader, k state.Key) (VPC, bool) {
	row, ok := state.Vpcs.Get(r, k)
	if !ok || len(row.Cidrs) == 0 {
		return VPC{}, false
	}
	v := newVPC(row)
	v.Faulty = isFaulty(r, k)
	for s := range state.Subnets.By(r, state.ByVpc, k.ID) {
		if _, out, in := aclOf(r, s.Key); s.Scope() == k.Scope() && (out || in) {
			v.Filters = true
			break
		}
	}
	var gateway string
	if gateway, v.Gateway = GatewayOf(r, k.Scope(), k.ID); v.Gateway {
		_, v.Inward = GatewayTableOf(r, k.Scope(), gateway)
	}
	for row := range state.RouteTables.By(r, state.ByVpc, k.ID) {
		if row.Scope() != k.Scope() || !leadsElsewhere(row) {
			continue
		}
		v.Routed = true
		for _, route := range newRouteTable(r, row).Routes {
			v.Specific = v.Specific || route.Target != Local && v.Within(route.Destination)
		}
	}
	v.Balances, v.Logs = balances(r, k.Scope(), k.ID)
	for n := range state.NetworkInterfaces.By(r, state.ByUnchecked, k.ID) {
		if n.Scope() == k.Scope() {
			v.Forwards = true
			break
		}
	}
	v.Peered = Peered(r, k)
	return v, true
}

func newVPC(row *state.Vpc) VPC {
	v := VPC{Key: row.Key, Cidrs: make([]netip.Prefix, 0, len(row.Cidrs)), Services: make([]Service, 0, 5)}
	for _, c := range row.Cidrs {
		v.Cidrs = append(v.Cidrs, c.Cidr.Masked())
	}
	if row.EnableDnsSupport {
		for _, addr := range [...]netip.Addr{row.Resolver(), ResolverAddr} {
			v.Services = append(v.Services, Service{"dns", addr, UDP, 53}, Service{"dns", addr, TCP, 53})
		}
	}
	v.Services = append(v.Services, Service{"metadata", MetadataAddr, TCP, 80})
	return v
}

// Contains says whether an address is in one of the VPC's blocks.
func (v VPC) Contains(a netip.Addr) bool {
	for _, c := range v.Cidrs {
		if c.Contains(a) {
			return true
		}
	}
	return false
}

// Within says whether a block lies in one of the VPC's: a route to it is more
// specific than the local one, or in its place.
func (v VPC) Within(p netip.Prefix) bool {
	for _, c := range v.Cidrs {
		if c.Bits() <= p.Bits() && c.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

// leadsElsewhere says whether a route table has any other route than local ones.
func leadsElsewhere(row *state.RouteTable) bool {
	for _, route := range row.Routes {
		if route.GatewayID != Local {
			return true
		}
	}
	return false
}

// ServiceAt says whether one of the VPC's services has the address, and which
// one the header asks for. A packet to such an address that asks for none of
// them is dropped: they answer no ping.
func (v VPC) ServiceAt(h Header) (s Service, at, asked bool) {
	for _, s := range v.Services {
		if s.Addr == h.Dst {
			at = true
			if s.Protocol == h.Protocol && s.Port == h.DPort {
				return s, true, true
			}
		}
	}
	return Service{}, at, false
}

// hasVPC says whether the VPC exists: nothing in it does without it.
func hasVPC(r state.Reader, scope state.Scope, id string) bool {
	v, ok := state.Vpcs.Get(r, scope.Key(id))
	return ok && len(v.Cidrs) > 0
}

// Subnet is a range of a VPC. Its gateway address belongs to the router, which
// answers ARP for it and nothing else, as AWS's does.
type Subnet struct {
	Key        state.Key
	VPC        string
	Number     uint32 // 1 to 65000, unique in the VPC for ever
	Cidr       netip.Prefix
	Gateway    netip.Addr
	RouteTable string // its own, else the VPC's main one
	Table      uint32 // the number of it
	Acl        string
	AclOut     bool // whether the ACL filters what leaves: not so when it is open
	AclIn      bool // whether the ACL filters what enters
}

// LoadSubnet derives a subnet. One without an ACL, which the API never leaves
// behind, is closed.
func LoadSubnet(r state.Reader, k state.Key) (Subnet, bool) {
	row, ok := state.Subnets.Get(r, k)
	if !ok || !hasVPC(r, k.Scope(), row.VpcID) {
		return Subnet{}, false
	}
	s := Subnet{Key: k, VPC: row.VpcID, Number: row.Number, Cidr: row.Cidr.Masked(), Gateway: row.Gateway()}
	if t := routeTableRow(r, k.Scope(), row.VpcID, k.ID); t != nil {
		s.RouteTable, s.Table = t.ID, t.Number
	}
	s.Acl, s.AclOut, s.AclIn = aclOf(r, k)
	return s, true
}

// aclOf gives a subnet's ACL and whether it filters what leaves and what enters.
func aclOf(r state.Reader, subnet state.Key) (id string, out, in bool) {
	row := aclRow(r, subnet.Scope(), subnet.ID)
	if row == nil {
		return "", true, true
	}
	a := newAcl(row)
	return row.ID, !a.Open(Egress), !a.Open(Ingress)
}
