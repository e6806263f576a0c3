package dnsview

import "net/netip"

// publicReverse answers the name of a public address: the domain name that was
// set for an Elastic IP, else the name that EC2 gives it (EC2 User Guide, "Use
// reverse DNS for email applications").
func publicReverse(v *View, q Question, block netip.Prefix, a Answer) Answer {
	if !block.IsSingleIP() {
		if inPool(v.r, block) {
			return a.records(q, inAddrArpa) // there are names below it
		}
		return a.absent(inAddrArpa)
	}
	o, ok := ownerOf(v.r, block.Addr())
	if !ok {
		return a.absent(inAddrArpa)
	}
	if o.elastic != nil && o.elastic.PtrRecord != "" {
		if name, err := ParseName(o.elastic.PtrRecord); err == nil { // ModifyAddressAttribute has checked it
			a.Because = append(a.Because, Cause{Decider: PtrRecord, ID: o.elastic.ID, Addr: block.Addr()})
			return a.records(q, inAddrArpa, pointer(q.Name, v.publicTTL(), name))
		}
	}
	z, ok := computeZoneOf(o.region)
	if !ok {
		return a.absent(inAddrArpa)
	}
	a.Because = append(a.Because, Cause{Decider: PublicIPName, ID: o.id(), Addr: block.Addr()})
	return a.records(q, inAddrArpa, pointer(q.Name, v.publicTTL(), z.apex.below(ipLabel(publicLabel, block.Addr()))))
}
