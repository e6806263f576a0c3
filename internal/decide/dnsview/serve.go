package dnsview

import (
	"net/netip"
	"slices"

	"github.com/localvpc/localvpc/internal/state"
)

// ServerAt makes the view of those who ask the name server at an address of the
// simulated internet; false when there is none.
func ServerAt(r state.Reader, at netip.Addr) (*View, bool) {
	_, fixed := fixedAddrs[at]
	_, ours := serverAt(at)
	return &View{r: r, at: at}, fixed || ours
}

// serve is what the name server answers. It is authoritative for the zones that
// it holds, and has nothing to say about any other.
func (v *View) serve(q Question) Answer {
	if i, ok := serverAt(v.at); ok {
		return v.serveZone(NameServer(i), q)
	}
	hosts := rootHosts
	for _, list := range [...][]host{registryHosts, amazonHosts} {
		if slices.ContainsFunc(list, func(h host) bool { return h.addr == v.at }) {
			hosts = list
		}
	}
	if hosts[0] == amazonHosts[0] {
		if z, ok := computeAbove(q.Name); ok {
			a := z.answer(v, q)
			a.AA, a.RA = true, false
			return a
		}
	}
	if b, ok := v.branchOf(hosts, q.Name); ok {
		return b.answer(v, q)
	}
	return v.refuse(q)
}

func (v *View) refuse(q Question) Answer {
	c := Cause{Decider: NameServerHost, Domain: q.Name, Addr: v.at}
	if i, ok := serverAt(v.at); ok {
		c.ID = NameServer(i) + "."
	} else {
		c.ID = fixedAddrs[v.at].String()
	}
	return Answer{Rcode: Refused, Because: []Cause{c}}
}

// serveZone answers from the narrowest of the public hosted zones whose delegation
// set holds the name server; the DS records of a zone are its parent's.
func (v *View) serveZone(name string, q Question) Answer {
	from := q.Name
	if q.Type == TypeDS && from != Root {
		if _, above := from.First(); v.zoneAt(name, above) != nil {
			from = above
		}
	}
	z := v.zoneAt(name, from)
	if z == nil {
		return v.refuse(q)
	}
	return publicAnswer(v.r, hosted{z, q.Name.last(z.Reversed)}, q, func() Place { return v.place(q.Client) }, !v.brief)
}

// zoneAt finds the narrowest zone of a name server that a name is in.
func (v *View) zoneAt(server string, n Name) *state.HostedZone {
	var found *state.HostedZone
	state.ZonesAlong(v.r, "", n.Reversed(), func(z *state.HostedZone) {
		if (found == nil || len(z.Reversed) > len(found.Reversed)) && slices.Contains(z.NameServers, server) {
			found = z
		}
	})
	return found
}

// PublicAnswer is what the name servers of a public hosted zone answer an asker at
// a place; draw settles what is drawn.
func PublicAnswer(r state.Reader, z *state.HostedZone, q Question, p Place, draw uint64) Answer {
	q.Draw = draw
	apex, err := ParseEscaped(z.Name)
	if err != nil || !q.Name.In(apex) {
		return Answer{Rcode: Refused}
	}
	return publicAnswer(r, hosted{z, apex}, q, func() Place { return p }, false)
}

// publicAnswer is PublicAnswer, which finds the place only when a policy goes by it; whole adds what a name server adds: the name
// servers of the zone, and addresses of the names in the answer that the zone has
// (Route 53 Developer Guide, "DNS constraints and behaviors").
func publicAnswer(r state.Reader, h hosted, q Question, locate func() Place, whole bool) Answer {
	if q.left == nil {
		left := maxZones
		q.left = &left
	}
	asks := asking{r: r, locate: locate, seed: q.Draw, chances: q.Chances, public: true, health: health{r: r}}
	asks.outside = func(n Name, t Type) []Record {
		ans := Internet(r).Answer(Question{Name: n, Type: t, Recurse: true, Draw: q.Draw, Client: locate().Client, Chances: q.Chances, left: q.left})
		asks.located = asks.located || ans.Located
		return ans.Answer
	}
	ans := h.resolve(&asks, q)
	ans.Located = asks.located
	// AA is about the first owner (RFC 1034 section 6.2): a referral that a CNAME
	// record leads to leaves it set.
	ans.AA = !ans.referral()
	if !whole {
		return ans
	}
	if ans.AA && len(ans.Authority) == 0 && len(ans.Answer) > 0 && (q.Type != TypeNS || q.Name != h.apex) {
		sets, _ := h.at(r, h.apex)
		for _, s := range ofType(sets, "NS") {
			ans.Authority = inOrder(s, TypeNS, h.apex)
		}
	}
	return ans
}

// referral says whether an answer only tells who knows more.
func (a Answer) referral() bool {
	return len(a.Answer) == 0 && len(a.Authority) > 0 && a.Authority[0].Type == TypeNS && a.Rcode == Success
}
