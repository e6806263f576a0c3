package state

import (
	"net/netip"
	"time"
)

// InternetGateway is a VPC's way to the internet.
type InternetGateway struct {
	Meta
	VpcID string `json:",omitempty"` // empty: attached to none
}

// InternetGateways is the table of internet gateways.
var InternetGateways = &Table[InternetGateway]{name: "internet-gateway", indexes: []index[InternetGateway]{
	{ByVpc, func(g *InternetGateway) []string { return []string{g.VpcID} }},
}}

// Address is an Elastic IP address; its id is the allocation id. What it is
// associated with is repeated in the PrivateAddress of the interface, which is
// what packets obey.
type Address struct {
	Meta
	PublicIP      netip.Addr
	BorderGroup   string     // network border group: the Region
	Pool          string     // "amazon"
	AssociationID string     `json:",omitempty"`
	InterfaceID   string     `json:",omitempty"`
	PrivateIP     netip.Addr `json:",omitzero"`
	PtrRecord     string     `json:",omitempty"` // domain name of the reverse zone, with the final dot
	Managed       string     `json:",omitempty"` // service that manages it: "nat", "nlb"; empty: the caller
}

// Addresses is the table of Elastic IP addresses.
var Addresses = &Table[Address]{name: "address", indexes: []index[Address]{
	{ByPublic, func(a *Address) []string { return []string{a.PublicIP.String()} }},
	{ByInterface, func(a *Address) []string { return []string{a.InterfaceID} }},
	{ByAssociation, func(a *Address) []string { return []string{a.AssociationID} }},
}}

// NatGateway translates the sources of a subnet's packets to its own addresses.
type NatGateway struct {
	Meta
	VpcID       string
	SubnetID    string
	Public      bool   // connectivity type "public"; otherwise "private"
	State       string // "pending", "available", "failed", "deleting", "deleted"
	FailureCode string `json:",omitempty"`
	FailureText string `json:",omitempty"`
	InterfaceID string
	Addresses   []NatGatewayAddress // the primary one first
	ClientToken string              `json:",omitempty"`
	DeletedAt   time.Time           `json:",omitzero"` // when it was deleted or has failed
}

// NatGatewayAddress is one address of a NAT gateway. Those that packets leave
// from are the interface's.
type NatGatewayAddress struct {
	AllocationID  string     `json:",omitempty"`
	AssociationID string     `json:",omitempty"`
	InterfaceID   string     `json:",omitempty"`
	PrivateIP     netip.Addr `json:",omitzero"`
	PublicIP      netip.Addr `json:",omitzero"`
	Primary       bool       `json:",omitempty"`
	Status        string     // "assigning", "unassigning", "associating", "disassociating", "succeeded", "failed"
	FailureText   string     `json:",omitempty"`
}

// NatGateways is the table of NAT gateways.
var NatGateways = &Table[NatGateway]{name: "nat-gateway", indexes: []index[NatGateway]{
	{ByVpc, func(g *NatGateway) []string { return []string{g.VpcID} }},
	{BySubnet, func(g *NatGateway) []string { return []string{g.SubnetID} }},
	{ByInterface, func(g *NatGateway) []string { return []string{g.InterfaceID} }},
}}

// PrefixList is a customer-managed prefix list.
type PrefixList struct {
	Meta
	Name       string
	Family     string // "IPv4" or "IPv6"
	MaxEntries int32
	State      string // "create-complete", "modify-complete", …
	StateText  string `json:",omitempty"`
	Version    int64
	Versions   []PrefixListVersion // oldest first; the last one is Version
}

// PrefixListVersion is what a prefix list held in one version.
type PrefixListVersion struct {
	Version int64
	Entries []PrefixListEntry
}

// PrefixListEntry is one block of a prefix list.
type PrefixListEntry struct {
	Cidr        netip.Prefix
	Description string `json:",omitempty"`
}

// Entries are those of the current version.
func (l *PrefixList) Entries() []PrefixListEntry {
	if len(l.Versions) == 0 {
		return nil
	}
	return l.Versions[len(l.Versions)-1].Entries
}

// PrefixLists is the table of managed prefix lists.
var PrefixLists = &Table[PrefixList]{name: "prefix-list"}

// Host is a machine of the simulated internet, outside every VPC. It has no
// account and no Region; its id is its name.
type Host struct {
	Meta
	Addr netip.Addr
	MAC  string
	// Boots is counted up at each start, from the time at which it was made; Running
	// says that it has come so far.
	Boots   uint64
	Running bool `json:",omitempty"`
	// Ended is why it rests until it is asked for again, for people; empty while
	// it is to run.
	Ended string `json:",omitempty"`
}

// Hosts is the table of outside hosts.
var Hosts = &Table[Host]{name: "host", indexes: []index[Host]{
	{ByPublic, func(h *Host) []string { return []string{h.Addr.String()} }},
}}

// ServiceQuota is a quota that was changed; its id is the quota's code, or its
// localvpc name when AWS has no code for it. A negative value is no limit. What is
// not here has AWS's default.
type ServiceQuota struct {
	Meta
	Service string // "vpc", "ec2"
	Value   int64
}

// ServiceQuotas is the table of changed quotas.
var ServiceQuotas = &Table[ServiceQuota]{name: "service-quota"}

// QuotaChange is a request to change a quota; its id is the request's.
type QuotaChange struct {
	Meta
	Service string
	Code    string
	Desired int64
	Status  string // "APPROVED", …
	Caller  string // ARN of who asked
}

// QuotaChanges is the table of requests.
var QuotaChanges = &Table[QuotaChange]{name: "quota-change"}
