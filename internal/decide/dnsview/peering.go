package dnsview

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/state"
)

// peer is a VPC whose names are answered in another one as in itself: they are
// peered, DNS resolution is on for its side of the peering connection, and both
// attributes are on in both VPCs (VPC Peering Guide, "Enable DNS resolution for a VPC
// peering connection"). Names of its public addresses are its private ones, its
// reverse zones are known, and its Region's zones (Route 53 Developer Guide, "Domain
// names that Resolver creates autodefined system rules for"). Its private hosted
// zones and its resource names are not.
type peer struct {
	id  string // of the peering connection
	vpc *state.Vpc
}

// internalDomain is above the private names of all Regions.
var internalDomain = mustName("internal")

// peersOf finds them.
func peersOf(v *View) (peers []peer) {
	if !amazonNames(v) {
		return nil
	}
	for row := range state.VpcPeerings.By(v.r, state.ByVpc, v.vpc.ID) {
		if _, other, ok := row.Of(v.vpc.Key); ok && row.Active() && other.DNS {
			if vpc, ok := state.Vpcs.Get(v.r, other.Vpc); ok && vpc.EnableDnsSupport && vpc.EnableDnsHostnames {
				peers = append(peers, peer{row.ID, vpc})
			}
		}
	}
	return peers
}

// peerWith finds the peer with an address, in a Region.
func (v *View) peerWith(region string, a netip.Addr) (peer, bool) {
	for _, p := range v.peers {
		if p.vpc.Region == region && p.vpc.Contains(a) {
			return p, true
		}
	}
	return peer{}, false
}

// peerAt finds the peer with an address that is not the VPC's own.
func (v *View) peerAt(a netip.Addr) (peer, bool) {
	for _, p := range v.peers {
		if p.vpc.Contains(a) && !v.vpc.Contains(a) {
			return p, true
		}
	}
	return peer{}, false
}

// peerOf finds the peer that an interface is in.
func (v *View) peerOf(n *state.NetworkInterface) (peer, bool) {
	for _, p := range v.peers {
		if p.vpc.Key == n.Scope().Key(n.VpcID) {
			return p, true
		}
	}
	return peer{}, false
}

// knows says whether a Region's zones are among the VPC's own: its own Region's, and
// those of its peers.
func (v *View) knows(region string) bool {
	if v.vpc.Region == region {
		return amazonNames(v)
	}
	for _, p := range v.peers {
		if p.vpc.Region == region {
			return true
		}
	}
	return false
}

// silent names the peering connections that would make a VPC's names known here if
// DNS resolution were on for its side; match says whether a VPC is meant.
func (v *View) silent(match func(vpc *state.Vpc) bool) (because []Cause) {
	for row := range state.VpcPeerings.By(v.r, state.ByVpc, v.vpc.ID) {
		_, other, ok := row.Of(v.vpc.Key)
		if !ok || !row.Active() || other.DNS {
			continue
		}
		if vpc, ok := state.Vpcs.Get(v.r, other.Vpc); ok && match(vpc) {
			because = append(because, Cause{Decider: PeeringOff, ID: row.ID})
		}
	}
	return because
}
