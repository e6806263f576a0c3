package state

import "net/netip"

// RouteTable is a route table with its routes and associations.
type RouteTable struct {
	Meta
	VpcID           string
	Number          uint32 // in the VPC's router: mark and table; 1 to 30000, the lowest free one
	Routes          []Route
	Associations    []RouteTableAssociation
	PropagatingVgws []string `json:",omitempty"`
}

// Route is one route. Destination is a prefix or a prefix list; exactly one
// target is set, but a route to an instance names the interface too. Whether it is
// active or a black hole follows from its target (fabric.RouteState) and is not kept.
type Route struct {
	Destination  netip.Prefix `json:",omitzero"`
	PrefixListID string       `json:",omitempty"`
	GatewayID    string       `json:",omitempty"` // "local", igw-…, vgw-…, vpce-…
	NatGatewayID string       `json:",omitempty"`
	InterfaceID  string       `json:",omitempty"`
	InstanceID   string       `json:",omitempty"`
	PeeringID    string       `json:",omitempty"`
	Origin       string       // "CreateRouteTable", "CreateRoute", "EnableVgwRoutePropagation"
}

// Target is the id of the route's target, or "local". That of a route to an
// instance is its interface.
func (r Route) Target() string {
	for _, id := range []string{r.GatewayID, r.NatGatewayID, r.InterfaceID, r.InstanceID} {
		if id != "" {
			return id
		}
	}
	return r.PeeringID
}

// RouteTableAssociation ties a table to a subnet or a gateway, or makes it the
// VPC's main table.
type RouteTableAssociation struct {
	ID        string
	Main      bool   `json:",omitempty"`
	SubnetID  string `json:",omitempty"`
	GatewayID string `json:",omitempty"`
}

// IsMain says whether the table serves the subnets that have no table of their own.
func (t *RouteTable) IsMain() bool {
	for _, a := range t.Associations {
		if a.Main {
			return true
		}
	}
	return false
}

// RouteTables is the table of route tables.
var RouteTables = &Table[RouteTable]{name: "route-table", indexes: []index[RouteTable]{
	{ByVpc, func(t *RouteTable) []string { return []string{t.VpcID} }},
	{BySubnet, func(t *RouteTable) []string {
		var keys []string
		for _, a := range t.Associations {
			if a.SubnetID != "" {
				keys = append(keys, a.SubnetID)
			}
		}
		return keys
	}},
	{ByRouteTarget, func(t *RouteTable) []string {
		var keys []string
		for _, r := range t.Routes {
			if target := r.Target(); target != "local" {
				keys = append(keys, target)
			}
			if r.PrefixListID != "" {
				keys = append(keys, r.PrefixListID)
			}
		}
		for _, a := range t.Associations {
			if a.GatewayID != "" {
				keys = append(keys, a.GatewayID)
			}
		}
		return keys
	}},
}}

// NetworkAcl is a stateless firewall at the edge of subnets.
type NetworkAcl struct {
	Meta
	VpcID        string
	IsDefault    bool
	Entries      []NetworkAclEntry // ordered by Egress, family and number
	Associations []NetworkAclAssociation
}

// DefaultAclRule is the number of the entry that denies what no other allows.
const DefaultAclRule = 32767

// NetworkAclEntry is one numbered entry.
type NetworkAclEntry struct {
	Number   int32
	Egress   bool
	Allow    bool
	Protocol string       // "-1" or a number
	Cidr     netip.Prefix // IPv4 or IPv6
	FromPort int32        // -1: all
	ToPort   int32
	ICMPType int32 // with protocol 1 or 58; -1: all
	ICMPCode int32
}

// NetworkAclAssociation ties an ACL to a subnet; every subnet has exactly one.
type NetworkAclAssociation struct {
	ID       string
	SubnetID string
}

// NetworkAcls is the table of network ACLs.
var NetworkAcls = &Table[NetworkAcl]{name: "network-acl", indexes: []index[NetworkAcl]{
	{ByVpc, func(a *NetworkAcl) []string { return []string{a.VpcID} }},
	{BySubnet, func(a *NetworkAcl) []string {
		keys := make([]string, len(a.Associations))
		for i, as := range a.Associations {
			keys[i] = as.SubnetID
		}
		return keys
	}},
}}
