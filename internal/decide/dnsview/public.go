package dnsview

import "net/netip"

// public is the root of the public tree, the zone of every name that no other
// has: what is asked from the internet, and what the resolver of a VPC asks the
// internet. In it are the public names of EC2 and the reverse names of public
// addresses. Any other name does not exist: an NXDOMAIN ends a search at once,
// where SERVFAIL or REFUSED would make every client try again and report a
// failure that is none.
type public struct{}

func (public) answer(v *View, q Question) Answer {
	a := recursive(Cause{Decider: PublicTree, Domain: Root})
	if v.vpc != nil && q.Name.In(v.domain) && !amazonNames(v) {
		a.Because = append(a.Because, Cause{Decider: HostnamesOff, ID: v.vpc.ID})
	}
	if !q.Recurse {
		// The resolver has recursive queries only (VPC User Guide, "Amazon DNS
		// server"); what it knows itself it tells all the same.
		a.Rcode = Refused
		a.Because = append(a.Because, Cause{Decider: NotRecursive})
		return a
	}
	if z, ok := computeAbove(q.Name); ok {
		return z.answer(v, q)
	}
	if block, ok := parseReverse(q.Name); ok {
		return publicReverse(v, q, block, a)
	}
	if q.Name == Root || computeBelow[q.Name] || inAddrArpa.In(q.Name) {
		return a.records(q, Root)
	}
	return a.absent(Root)
}

// publicReverse answers the name of a public address: the domain name that was
// set for an Elastic IP, else the name that EC2 gives it (EC2 User Guide, "Use
// reverse DNS for email applications").
func publicReverse(v *View, q Question, block netip.Prefix, a Answer) Answer {
	if !block.IsSingleIP() {
		if inPool(v.r, block) {
			return a.records(q, Root) // there are names below it
		}
		return a.absent(Root)
	}
	o, ok := ownerOf(v.r, block.Addr())
	if !ok {
		return a.absent(Root)
	}
	if o.elastic != nil && o.elastic.PtrRecord != "" {
		if name, err := ParseName(o.elastic.PtrRecord); err == nil { // ModifyAddressAttribute has checked it
			a.Because = append(a.Because, Cause{Decider: PtrRecord, ID: o.elastic.ID, Addr: block.Addr()})
			return a.records(q, Root, pointer(q.Name, v.publicTTL(), name))
		}
	}
	z, ok := computeZoneOf(o.region)
	if !ok {
		return a.absent(Root)
	}
	a.Because = append(a.Because, Cause{Decider: PublicIPName, ID: o.id(), Addr: block.Addr()})
	return a.records(q, Root, pointer(q.Name, v.publicTTL(), z.apex.below(ipLabel(publicLabel, block.Addr()))))
}
