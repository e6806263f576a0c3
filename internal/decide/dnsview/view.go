package dnsview

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/state"
)

// View is what one vantage point sees of the names of one snapshot: the resolver
// of a VPC, or a resolver on the internet. It is cheap to make and may be used by several goroutines
// at once.
type View struct {
	r      state.Reader
	vpc    *state.Vpc // nil: on the internet
	domain Name       // of the Region's private names
	layers []layer
	zones  bool   // private hosted zones answer
	peers  []peer // VPCs whose names are answered as there
	// at is the address of the name server whose answers these are; the zero one
	// of a resolver.
	at    netip.Addr
	brief bool // a resolver asks, which has no use for what a name server adds
	cuts  cuts
}

// zone decides about all names in its domain for which there is no narrower one.
type zone interface {
	answer(*View, Question) Answer
}

// layer holds the zones of one kind; above gives the one with the narrowest domain
// that a name is in, and that domain, or nil.
type layer interface {
	above(*View, Name) (Name, zone)
}

// At makes the view of the resolver in a VPC. There is none when the VPC does
// not exist, or when its EnableDnsSupport is off: then nothing answers at its
// addresses (EC2 API Reference, ModifyVpcAttribute).
func At(r state.Reader, vpc state.Key) (*View, bool) {
	v, ok := state.Vpcs.Get(r, vpc)
	if !ok || !v.EnableDnsSupport {
		return nil, false
	}
	view := &View{r: r, vpc: v, domain: mustName(Domain(v.Region)), layers: order[:]}
	view.zones = hasZones(view)
	view.peers = peersOf(view)
	return view, true
}

// Internet makes the view of a resolver outside every VPC.
func Internet(r state.Reader) *View { return &View{r: r} }

// order is who answers in a VPC when several know the same domain, first the one
// who wins (Route 53 Developer Guide, "How Route 53 Resolver uses rules" and
// "Considerations when working with a private hosted zone"): resolver rules,
// private hosted zones, autodefined zones. The narrowest domain wins before
// that, and the root is left to the public tree. Resolver rules come with the
// issue that brings them.
var order = [...]layer{privateZones{}, autodefined{}}

// maxZones bounds the zones that one answer asks, from the root downwards and along
// CNAME records and aliases that lead from zone to zone.
const maxZones = 16 * maxChain

// Answer decides. It never fails: an answer with an Rcode is an answer. A CNAME
// record that leaves its zone is followed wherever the resolver would look.
func (v *View) Answer(q Question) Answer {
	if q.left == nil {
		left := maxZones
		q.left = &left
	}
	if v.at.IsValid() {
		return v.serve(q)
	}
	a := v.decide(q)
	for range maxChain {
		target, ok := a.unfinished(q)
		if !ok {
			return a
		}
		next := q
		next.Name = target
		more := v.decide(next)
		a.Rcode, a.Authority, a.Located = more.Rcode, more.Authority, a.Located || more.Located
		a.Foreign, a.Need = a.Foreign || more.Foreign, more.Need
		a.Answer = append(a.Answer, more.Answer...)
		a.Because = append(append(a.Because, Cause{Decider: CanonicalName, Domain: target}), more.Because...)
	}
	return Answer{Rcode: ServerFailure, RA: a.RA, Because: a.Because}
}

// unfinished says whether an answer ends with a CNAME record that was not asked
// for, and where it points to.
func (a Answer) unfinished(q Question) (Name, bool) {
	if a.Rcode != Success || len(a.Answer) == 0 || q.Type == TypeCNAME || q.Type == TypeANY || len(a.Authority) > 0 {
		return "", false
	}
	return canonical(a.Answer[len(a.Answer)-1:])
}

// decide asks the zone with the narrowest domain.
func (v *View) decide(q Question) Answer {
	if *q.left--; *q.left < 0 {
		return Answer{Rcode: ServerFailure, RA: true}
	}
	narrowest, decider := Root, zone(nil)
	for _, l := range v.layers {
		if domain, z := l.above(v, q.Name); z != nil && len(domain) > len(narrowest) {
			narrowest, decider = domain, z
		}
	}
	if decider != nil {
		return decider.answer(v, q)
	}
	return v.iterate(q)
}

// recursive starts an answer of the VPC's resolver: never authoritative, always
// offering recursion.
func recursive(because ...Cause) Answer {
	return Answer{RA: true, Because: because}
}

// records answers a name that exists: with those of its records that have the
// type, or with all for ANY; NODATA when none has.
func (a Answer) records(q Question, apex Name, all ...Record) Answer {
	for _, r := range all {
		if r.Type == q.Type || q.Type == TypeANY {
			a.Answer = append(a.Answer, r)
		}
	}
	if len(a.Answer) == 0 {
		if q.Name == apex && (q.Type == TypeSOA || q.Type == TypeANY) {
			a.Answer = []Record{soa(apex)}
		} else {
			a.Authority = []Record{soa(apex)}
		}
	}
	return a
}

// absent answers a name that does not exist.
func (a Answer) absent(apex Name) Answer {
	a.Rcode = NameError
	a.Authority = []Record{soa(apex)}
	return a
}
