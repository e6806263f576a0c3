package ruleset

import (
	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/plan"
)

// groupPeering is the group of both ends of a peering connection's link.
const groupPeering = 65002

// What comes from another VPC, and what goes there.
var (
	fromPeer = plan.Where(plan.IIfGroup, plan.Num(groupPeering))
	toPeer   = plan.Where(plan.OIfGroup, plan.Num(groupPeering))
)

// Peering gives a peering connection: the link between the two routers. What comes by
// it was asked about its source where it left, and has no mark: it asks for no route
// table, and so gets to the VPC's own addresses and no further.
func Peering(p fabric.Peering) []plan.Object {
	near, far := p.Sides[0], p.Sides[1]
	a, b := router(near.VPC.ID), router(far.VPC.ID)
	return []plan.Object{
		plan.Link{
			Netns: a, Name: p.Link, MAC: near.MAC, Group: groupPeering,
			Peer: b, PeerName: p.Link, PeerMAC: far.MAC, PeerGroup: groupPeering, MTU: p.MTU, Delay: p.Delay,
		},
		plan.Neigh{Netns: a, Link: p.Link, IP: far.End, MAC: far.MAC},
		plan.Neigh{Netns: b, Link: p.Link, IP: near.End, MAC: near.MAC},
	}
}

// leaving drops what goes to another VPC from an address that is none of the VPC's.
// Interfaces send from their own; so only what an instance passes on is asked, and what
// has come in by a gateway whose route table leads there.
func leaving(v fabric.VPC) []plan.Rule {
	if !v.Peered || !v.Forwards && !v.Inward {
		return nil
	}
	foreign := plan.In(setBlocks, plan.SAddr)
	foreign.Not = true
	return []plan.Rule{{Match: []plan.Match{toPeer, foreign}, Counter: true, Verdict: &plan.Drop}}
}
