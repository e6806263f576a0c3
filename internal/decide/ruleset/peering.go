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

// peerChain is the chain of what comes by a peering connection: from the other
// VPC's addresses only.
func peerChain(id string) string { return ident(id) }

// Peering gives a peering connection: the link between the two routers, and in each
// what the other VPC may send. Its packets have no mark: they ask for no route table,
// and so get to the VPC's own addresses and no further.
func Peering(p fabric.Peering) []plan.Object {
	near, far := p.Sides[0], p.Sides[1]
	objects := []plan.Object{plan.Link{
		Netns: router(near.VPC.ID), Name: p.Link, MAC: near.MAC, Group: groupPeering,
		Peer: router(far.VPC.ID), PeerName: p.Link, PeerMAC: far.MAC, PeerGroup: groupPeering, MTU: p.MTU,
	}}
	for i, own := range p.Sides {
		ns, other := router(own.VPC.ID), p.Sides[1-i]
		c := plan.Chain{Netns: ns, Name: peerChain(p.Key.ID)}
		for _, block := range other.Cidrs {
			c.Rules = append(c.Rules, plan.Do(plan.Accept, "", plan.Where(plan.SAddr, plan.Net(block))))
		}
		c.Rules = append(c.Rules, plan.Do(plan.Drop, p.Key.ID))
		from := plan.Goto(c.Name)
		objects = append(objects, c,
			plan.Element{Netns: ns, Set: mapPeer, At: []plan.Value{plan.Str(p.Link)}, Verdict: &from, Cause: p.Key.ID},
			plan.Neigh{Netns: ns, Link: p.Link, IP: other.End, MAC: other.MAC},
		)
	}
	return objects
}
