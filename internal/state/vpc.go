package state

import "net/netip"

// Vpc is a virtual private cloud.
type Vpc struct {
	Meta
	State              string // "pending", "available"
	Cidrs              []CidrAssociation
	DhcpOptionsID      string // "default": the VPC has no options
	InstanceTenancy    string
	IsDefault          bool `json:",omitempty"`
	EnableDnsSupport   bool
	EnableDnsHostnames bool
	EnableNAUMetrics   bool   `json:",omitempty"` // stored: network address usage is not measured
	LastSubnetNumber   uint32 // subnet numbers are never used again in a VPC
}

// CidrAssociation is an IPv4 block of a VPC; the first one is the primary.
type CidrAssociation struct {
	ID    string
	Cidr  netip.Prefix
	State string // "associated"
}

// Primary is the block that the VPC was created with.
func (v *Vpc) Primary() netip.Prefix { return v.Cidrs[0].Cidr }

// Contains says whether the address is in one of the VPC's blocks.
func (v *Vpc) Contains(a netip.Addr) bool {
	for _, c := range v.Cidrs {
		if c.Cidr.Contains(a) {
			return true
		}
	}
	return false
}

// Resolver is the address of the Amazon-provided DNS server: the primary block's
// base plus two (VPC User Guide, "Amazon DNS server").
func (v *Vpc) Resolver() netip.Addr { return v.Primary().Addr().Next().Next() }

// Vpcs is the table of VPCs.
var Vpcs = &Table[Vpc]{name: "vpc", indexes: []index[Vpc]{
	{ByVpc, func(v *Vpc) []string { return []string{v.ID} }},
	{ByDhcp, func(v *Vpc) []string { return []string{v.DhcpOptionsID} }},
}}

// Subnet is a range of a VPC in one zone.
type Subnet struct {
	Meta
	VpcID                   string
	State                   string // "available"
	Cidr                    netip.Prefix
	AvailabilityZone        string
	AvailabilityZoneID      string
	Number                  uint32 // link group of its interfaces in the VPC's router; 1 to 65000
	DefaultForAz            bool   `json:",omitempty"`
	MapPublicIpOnLaunch     bool   `json:",omitempty"`
	AssignIpv6OnCreation    bool   `json:",omitempty"` // stored: IPv6 comes later
	EnableDns64             bool   `json:",omitempty"` // stored: IPv6 comes later
	HostnameType            string // "ip-name" or "resource-name"
	ResourceNameDnsA        bool   `json:",omitempty"`
	ResourceNameDnsAAAA     bool   `json:",omitempty"`
	EnableLniAtDeviceIndex  int32  `json:",omitempty"` // stored: for Outposts
	MapCustomerOwnedIP      bool   `json:",omitempty"` // stored: for Outposts
	CustomerOwnedIpv4PoolID string `json:",omitempty"` // stored: for Outposts
}

// Gateway is the subnet's router address: base plus one.
func (s *Subnet) Gateway() netip.Addr { return s.Cidr.Addr().Next() }

// Reserved says whether AWS keeps the address for itself: the first four and
// the last one (VPC User Guide, "Subnet CIDR blocks").
func (s *Subnet) Reserved(a netip.Addr) bool {
	base := s.Cidr.Addr()
	for range 4 {
		if a == base {
			return true
		}
		base = base.Next()
	}
	return s.Cidr.Contains(a) && !s.Cidr.Contains(a.Next())
}

// Subnets is the table of subnets.
var Subnets = &Table[Subnet]{name: "subnet", indexes: []index[Subnet]{
	{ByVpc, func(s *Subnet) []string { return []string{s.VpcID} }},
	{BySubnet, func(s *Subnet) []string { return []string{s.ID} }},
}}

// DhcpOptions is a set of DHCP options; sets are immutable.
type DhcpOptions struct {
	Meta
	Options []DhcpOption
}

// DhcpOption is one option with its values, for example domain-name-servers.
type DhcpOption struct {
	Key    string
	Values []string
}

// Get gives the values of an option.
func (d *DhcpOptions) Get(key string) []string {
	for _, o := range d.Options {
		if o.Key == key {
			return o.Values
		}
	}
	return nil
}

// DhcpOptionSets is the table of DHCP option sets.
var DhcpOptionSets = &Table[DhcpOptions]{name: "dhcp-options"}
