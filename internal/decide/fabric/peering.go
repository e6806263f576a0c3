package fabric

import (
	"net/netip"
	"strings"
	"time"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/state"
)

// Peering is a VPC peering connection that is active: the link between the routers
// of two VPCs. What comes by it has the other VPC's addresses, and may go to the
// VPC's own only: neither on by another peering connection nor out by a gateway
// (VPC Peering Guide, "Limitations": no transitive peering, no edge to edge routing).
type Peering struct {
	Key   state.Key // the requester's
	Link  string    // its name in both routers
	MTU   int
	Delay time.Duration  // of a round trip, when Regions have one
	Sides [2]PeeringSide // requester, accepter
}

// PeeringSide is one VPC's end of a peering connection.
type PeeringSide struct {
	VPC state.Key
	MAC string
	End netip.Addr // what the other side knows the end by
}

// Largest packets within a Region and between two (EC2 User Guide, "Network MTU").
const (
	peeringMTU = 9001
	remoteMTU  = 8500
)

// Ends of the link. They are no addresses: each router knows the other's end as a
// neighbour.
var peeringEnds = [2]netip.Addr{netip.MustParseAddr("169.254.65.1"), netip.MustParseAddr("169.254.65.2")}

// PeeringLink is the name of a peering connection's link: "p" and the last 14
// digits of its id, as LinkName's.
func PeeringLink(id string) string {
	digits := strings.TrimPrefix(id, "pcx-")
	return "p" + digits[max(0, len(digits)-14):]
}

// LoadPeering derives a peering connection. It is not there when it is not active
// or a side has gone.
func LoadPeering(r state.Reader, k state.Key) (Peering, bool) {
	row, ok := state.VpcPeerings.Get(r, k)
	if !ok || !joins(r, row) {
		return Peering{}, false
	}
	p := Peering{Key: k, Link: PeeringLink(k.ID), MTU: peeringMTU}
	if row.Requester.Vpc.Region != row.Accepter.Vpc.Region {
		p.MTU = remoteMTU
		if hasLatency(r) {
			p.Delay = dnsview.RoundTrip(row.Requester.Vpc.Region, row.Accepter.Vpc.Region)
		}
	}
	for i, vpc := range []state.Key{row.Requester.Vpc, row.Accepter.Vpc} {
		p.Sides[i] = PeeringSide{VPC: vpc, MAC: macOf(k.ID + " " + vpc.ID), End: peeringEnds[i]}
	}
	return p, true
}

// joins says whether packets pass a peering connection.
func joins(r state.Reader, row *state.VpcPeering) bool {
	a, b := row.Requester.Vpc, row.Accepter.Vpc
	return row.Active() && a.ID != b.ID && hasVPC(r, a.Scope(), a.ID) && hasVPC(r, b.Scope(), b.ID)
}

// peeringOf finds a peering connection that packets of a VPC pass, and the VPC on
// its other side. 0 or 1 says which side the VPC is.
func peeringOf(r state.Reader, vpc state.Key, id string) (other state.Key, side int, ok bool) {
	for row := range state.VpcPeerings.By(r, state.ByPeering, id) {
		if own, peer, is := row.Of(vpc); is && joins(r, row) {
			if own == &row.Accepter {
				side = 1
			}
			return peer.Vpc, side, true
		}
	}
	return state.Key{}, 0, false
}

// Peered says whether packets of a VPC pass any peering connection.
func Peered(r state.Reader, vpc state.Key) bool {
	for row := range state.VpcPeerings.By(r, state.ByVpc, vpc.ID) {
		if _, _, is := row.Of(vpc); is && joins(r, row) {
			return true
		}
	}
	return false
}

// Between finds the peering connection of two VPCs that packets pass, "" for none.
// AWS lets two VPCs have one; of several the first by id is meant.
func Between(r state.Reader, a, b state.Key) string {
	first := ""
	for row := range state.VpcPeerings.By(r, state.ByVpc, a.ID) {
		if _, other, is := row.Of(a); is && other.Vpc == b && joins(r, row) && (first == "" || row.ID < first) {
			first = row.ID
		}
	}
	return first
}

// PeerVPC is the VPC on the other side of a peering connection that packets of a
// VPC pass.
func PeerVPC(r state.Reader, vpc state.Key, id string) (state.Key, bool) {
	other, _, ok := peeringOf(r, vpc, id)
	return other, ok
}

// foreign resolves a rule's reference to a group of another VPC: it holds over a
// peering connection within one Region (VPC Peering Guide, "Update your security
// groups to reference peer security groups").
func foreign(r state.Reader, g *state.SecurityGroup, peer *state.SecurityGroup) string {
	if peer.Region != g.Region {
		return ""
	}
	return Between(r, g.Scope().Key(g.VpcID), peer.Scope().Key(peer.VpcID))
}

// peerGroup finds the group that a rule refers to.
func peerGroup(r state.Reader, rule *state.SecurityGroupRule) (*state.SecurityGroup, bool) {
	k := rule.Scope().Key(rule.Peer.GroupID)
	if rule.Peer.UserID != "" {
		k.Account = rule.Peer.UserID
	}
	return state.SecurityGroups.Get(r, k)
}

// Reference is a VPC in which rules refer to a group of another one.
type Reference struct {
	VPC   string
	Group string
}

// references lists the VPCs whose rules refer to groups of a port's over a peering
// connection.
func references(r state.Reader, vpc state.Key, groups []string) []Reference {
	if !Peered(r, vpc) {
		return nil
	}
	var out []Reference
	for _, id := range groups {
		seen := map[string]bool{}
		for rule := range state.SecurityGroupRules.By(r, state.ByPeer, id) {
			g, ok := state.SecurityGroups.Get(r, rule.Scope().Key(rule.GroupID))
			if !ok || seen[g.VpcID] || g.Scope().Key(g.VpcID) == vpc || !hasVPC(r, g.Scope(), g.VpcID) {
				continue
			}
			peer, ok := peerGroup(r, rule)
			if !ok || peer.ID != id || peer.Scope().Key(peer.VpcID) != vpc || foreign(r, g, peer) == "" {
				continue
			}
			seen[g.VpcID] = true
			out = append(out, Reference{g.VpcID, id})
		}
	}
	return out
}

// peering: one that begins or ends to join two VPCs changes what their routers ask,
// where routes to it lead, and the rules and members that refer across it.
func (a *affected) peering(k state.Key, before, after *state.VpcPeering) {
	a.add(KindPeering, k)
	if before != nil && after != nil && before.Active() == after.Active() &&
		before.Requester.Vpc == after.Requester.Vpc && before.Accepter.Vpc == after.Accepter.Vpc {
		return
	}
	for _, side := range []*state.VpcPeering{before, after} {
		if side != nil {
			a.joined(side)
		}
	}
}

// joined names what depends on a peering connection beside itself.
func (a *affected) joined(row *state.VpcPeering) {
	ends := [2]state.Key{row.Requester.Vpc, row.Accepter.Vpc}
	for i, vpc := range ends {
		a.add(KindVPC, vpc)
		a.routesTo(vpc.Scope(), row.ID)
		for g := range state.SecurityGroups.By(a.r, state.ByVpc, vpc.ID) {
			if g.Scope() == vpc.Scope() {
				a.referring(g.Key, ends[1-i])
			}
		}
	}
}

// referring names the groups of a VPC whose rules refer to a group, and its members.
func (a *affected) referring(group, vpc state.Key) {
	found := false
	for rule := range state.SecurityGroupRules.By(a.r, state.ByPeer, group.ID) {
		if g, ok := state.SecurityGroups.Get(a.r, rule.Scope().Key(rule.GroupID)); ok && g.Scope().Key(g.VpcID) == vpc {
			a.add(KindGroup, g.Key)
			found = true
		}
	}
	if found {
		a.ports(state.ByGroup, group)
	}
}

// peers names the peering connections of a VPC that comes or goes, and what depends
// on them.
func (a *affected) peers(vpc state.Key) {
	for row := range state.VpcPeerings.By(a.r, state.ByVpc, vpc.ID) {
		a.add(KindPeering, row.Key)
		if row.Active() {
			a.joined(row)
		}
	}
}

// members names the ports of the group that a rule refers to, if that is one of
// another VPC.
func (a *affected) members(rule *state.SecurityGroupRule) {
	if rule.Peer.GroupID == "" || rule.Peer.GroupID == rule.GroupID {
		return
	}
	g, ok := state.SecurityGroups.Get(a.r, rule.Scope().Key(rule.GroupID))
	peer, found := peerGroup(a.r, rule)
	if found && (!ok || g.VpcID != peer.VpcID || g.Account != peer.Account) {
		a.ports(state.ByGroup, peer.Key)
	}
}
