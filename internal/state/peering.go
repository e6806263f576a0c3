package state

import (
	"net/netip"
	"time"
)

// VpcPeering is a VPC peering connection. It is one row for both sides: its key
// has the requester's account and Region, the index ByPeering finds it from either,
// and its Tags are the requester's.
type VpcPeering struct {
	Meta
	Requester    PeeringSide
	Accepter     PeeringSide
	AccepterTags Tags   `json:",omitempty"`
	Status       string // "pending-acceptance", "active", "rejected", "failed", "expired", "deleted", …
	StatusText   string
	Expires      time.Time `json:",omitzero"` // of a request that is pending
	EndedAt      time.Time `json:",omitzero"` // when it was rejected, deleted, has failed or expired
	ClientToken  string    `json:",omitempty"`
}

// PeeringSide is one VPC of a peering connection.
type PeeringSide struct {
	Vpc   Key            // its account, Region and id; of the accepter perhaps nobody's
	Cidrs []netip.Prefix `json:",omitempty"` // at the time of the request; packets obey the VPC's own
	// DNS: names of public addresses become private for questions from the other side.
	DNS bool `json:",omitempty"`
}

// Active says whether packets pass.
func (p *VpcPeering) Active() bool { return p.Status == "active" }

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
