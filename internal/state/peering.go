package state

import (
	"net/netip"
	"time"
)

// VpcPeering is a VPC peering connection. It is one row for both sides: its key
// has the requester's account and Region, the index ByPeering finds it from either,
// and its Tags are the requester's; those of the accepter's account and Region
// where that is another one are AccepterTags.
type VpcPeering struct {
	Meta
	Requester    PeeringSide
	Accepter     PeeringSide
	AccepterTags Tags `json:",omitempty"`
	Status       string
	StatusText   string
	Expires      time.Time `json:",omitzero"`  // of a request that is pending
	EndedAt      time.Time `json:",omitzero"`  // when it was rejected, deleted, has failed or expired
	EndedBy      string    `json:",omitempty"` // the account that rejected or deleted it
}

// PeeringSide is one VPC of a peering connection.
type PeeringSide struct {
	Vpc Key // its account, Region and id; of the accepter perhaps nobody's
	// Cidrs are shown for a VPC that is gone, and packets obey the VPC's own. The
	// accepter's are not there, and not shown, before it has accepted.
	Cidrs []netip.Prefix `json:",omitempty"`
	// DNS: names of public addresses become private for questions from the other side.
	DNS bool `json:",omitempty"`
	// Forgotten: it has ended, and is no longer described to this side.
	Forgotten bool `json:",omitempty"`
}

// States of a peering connection (VPC Peering Guide, "VPC peering connection
// lifecycle"). AWS's others, initiating-request, provisioning and deleting, pass
// within a call here.
const (
	PeeringPending  = "pending-acceptance"
	PeeringActive   = "active"
	PeeringRejected = "rejected"
	PeeringFailed   = "failed"
	PeeringExpired  = "expired"
	PeeringDeleted  = "deleted"
)

// Active says whether packets pass.
func (p *VpcPeering) Active() bool { return p.Status == PeeringActive }

// Of gives a VPC's side and the other one.
func (p *VpcPeering) Of(vpc Key) (own, other *PeeringSide, ok bool) {
	switch vpc {
	case p.Requester.Vpc:
		return &p.Requester, &p.Accepter, true
	case p.Accepter.Vpc:
		return &p.Accepter, &p.Requester, true
	}
	return nil, nil, false
}

// VpcPeerings is the table of VPC peering connections.
var VpcPeerings = &Table[VpcPeering]{name: "vpc-peering", indexes: []index[VpcPeering]{
	{ByPeering, func(p *VpcPeering) []string { return []string{p.ID} }},
	{ByVpc, func(p *VpcPeering) []string { return []string{p.Requester.Vpc.ID, p.Accepter.Vpc.ID} }},
	{ByScope, func(p *VpcPeering) []string {
		return []string{p.Requester.Vpc.Scope().String(), p.Accepter.Vpc.Scope().String()}
	}},
}}
