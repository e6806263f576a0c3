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
	Attachment         *Attachment
}

// PrivateAddress is a private IPv4 address of an interface.
type PrivateAddress struct {
	Addr    netip.Addr
	Primary bool
	// Public address, when one is associated: see the edge of the VPC.
	PublicIP      netip.Addr `json:",omitzero"`
	AllocationID  string     `json:",omitempty"` // of an Elastic IP
	AssociationID string     `json:",omitempty"`
	IPOwnerID     string     `json:",omitempty"`
}

// Attachment of an interface to an instance.
type Attachment struct {
	ID                  string
	InstanceID          string
	InstanceOwnerID     string
	DeviceIndex         int32
	NetworkCardIndex    int32
	Status              string // "attaching", "attached", …
	AttachTime          time.Time
	DeleteOnTermination bool
}

// Primary is the primary private address.
func (n *NetworkInterface) Primary() netip.Addr { return n.Addresses[0].Addr }

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
		return keys
	}},
}}
