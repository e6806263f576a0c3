package dnsview

// public is the root of the public tree, the zone of every name that no other
// has. The tree has nothing in it yet, so that a name in it does not exist: an
// NXDOMAIN ends a search at once, where SERVFAIL or REFUSED would make every
// client try again and report a failure that is none.
type public struct{}

func (public) answer(v *View, q Question) Answer {
	a := recursive(Cause{Decider: PublicTree, Domain: Root})
	if q.Name.In(v.domain) && !amazonNames(v) {
		a.Because = append(a.Because, Cause{Decider: HostnamesOff, ID: v.vpc.ID})
	}
	if !q.Recurse {
		// The resolver has recursive queries only (VPC User Guide, "Amazon DNS
		// server"); what it knows itself it tells all the same.
		a.Rcode = Refused
		a.Because = append(a.Because, Cause{Decider: NotRecursive})
		return a
	}
	if q.Name == Root {
		return a.records(q, Root)
	}
	return a.absent(Root)
}
