package state

import (
	"net/netip"
	"time"
)

// NetworkInterface is an elastic network interface.
type NetworkInterface struct {
	Meta
	VpcID              string
	SubnetID           string
	AvailabilityZone   string
	AvailabilityZoneID string
	Description        string
	InterfaceType      string // "interface", …
	MAC                string // lower case, with colons
	Groups             []string
	Addresses          []PrivateAddress // the first one is the primary
	SourceDestCheck    bool
	Status             string // "available", "in-use", …
	RequesterID        string `json:",omitempty"`
	RequesterManaged   bool   `json:",omitempty"`
	ClientToken        string `json:",omitempty"`
	// AutoPublic: its primary address gets a public one at each start, and gives
	// it up at each stop.
	AutoPublic bool           `json:",omitempty"`
	Prefixes   []netip.Prefix `json:",omitempty"` // delegated prefixes, IPv4 /28
	Attachment *Attachment
}

// PrivateAddress is a private IPv4 address of an interface.
type PrivateAddress struct {
	Addr    netip.Addr
	Primary bool
	// PublicIP is the public address that stands for this one at the internet
	// gateway. An Elastic IP has an allocation and an association, an address that
	// was assigned at launch has neither and the owner "amazon".
	PublicIP      netip.Addr `json:",omitzero"`
	AllocationID  string     `json:",omitempty"`
	AssociationID string     `json:",omitempty"`
	IPOwnerID     string     `json:",omitempty"`
}

// Attachment of an interface to an instance.
type Attachment struct {
	ID                  string
	InstanceID          string // empty: of a service of AWS's
	InstanceOwnerID     string
	DeviceIndex         int32
	NetworkCardIndex    int32
	Status              string // "attaching", "attached", …
	AttachTime          time.Time
	DeleteOnTermination bool
}

// Primary is the primary private address.
func (n *NetworkInterface) Primary() netip.Addr { return n.Addresses[0].Addr }

// Has says whether an address is the interface's, its own or of a prefix.
func (n *NetworkInterface) Has(a netip.Addr) bool {
	for _, own := range n.Addresses {
		if own.Addr == a {
			return true
		}
	}
	for _, p := range n.Prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// VpcAddress is the key of the index ByAddress.
func VpcAddress(vpcID string, a netip.Addr) string { return vpcID + " " + a.String() }

// NetworkInterfaces is the table of interfaces.
var NetworkInterfaces = &Table[NetworkInterface]{name: "network-interface", indexes: []index[NetworkInterface]{
	{ByVpc, func(n *NetworkInterface) []string { return []string{n.VpcID} }},
	{BySubnet, func(n *NetworkInterface) []string { return []string{n.SubnetID} }},
	{ByGroup, func(n *NetworkInterface) []string { return n.Groups }},
	{ByInstance, func(n *NetworkInterface) []string {
		if n.Attachment == nil {
			return nil
		}
		return []string{n.Attachment.InstanceID}
	}},
	{ByAddress, func(n *NetworkInterface) []string {
		keys := make([]string, len(n.Addresses))
		for i, a := range n.Addresses {
			keys[i] = VpcAddress(n.VpcID, a.Addr)
		}
		for _, p := range n.Prefixes {
			for a := p.Masked().Addr(); p.Contains(a); a = a.Next() {
				keys = append(keys, VpcAddress(n.VpcID, a))
			}
		}
		return keys
	}},
	{ByUnchecked, func(n *NetworkInterface) []string {
		if n.SourceDestCheck {
			return nil
		}
		return []string{n.VpcID}
	}},
	{ByPublic, func(n *NetworkInterface) []string {
		var keys []string
		for _, a := range n.Addresses {
			if a.PublicIP.IsValid() {
				keys = append(keys, a.PublicIP.String())
			}
		}
		return keys
	}},
}}
