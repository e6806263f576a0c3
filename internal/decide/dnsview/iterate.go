package dnsview

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/localvpc/localvpc/internal/state"
)

// iterate resolves a name in the public tree as an iterative resolver does: it asks
// a name server of the root and follows the delegations. The name servers are asked
// by calling what decides for them, with the same snapshot; nothing travels and
// nothing is remembered. So the answer is the one that a resolver with an empty
// cache gets, a change is answered from its commit on, and TTLs are whole. A name
// server that is not of the public tree (a program in an instance) cannot be asked
// this way: what it has said is told by the question's Others, or else is what the
// answer needs.
//
// Where the way from the root to a registered zone leads is the same for all names
// in it, as long as the snapshot is: a view finds it out once.
func (v *View) iterate(q Question) Answer {
	a := recursive(Cause{Decider: PublicTree, Domain: Root})
	if v.vpc != nil && q.Name.In(v.domain) && !amazonNames(v) {
		a.Because = append(a.Because, Cause{Decider: HostnamesOff, ID: v.vpc.ID})
	}
	if v.vpc != nil && amazonNames(v) && q.Name.In(internalDomain) {
		a.Because = append(a.Because, v.silent(func(vpc *state.Vpc) bool { return q.Name.In(mustName(Domain(vpc.Region))) })...)
	}
	if !q.Recurse {
		// The resolver has recursive queries only (VPC User Guide, "Amazon DNS
		// server"); what it knows itself it tells all the same.
		a.Rcode = Refused
		a.Because = append(a.Because, Cause{Decider: NotRecursive})
		return a
	}
	zone, hosts := Root, rootHosts[:1]
	start := len(a.Because)
	a.Because = append(make([]Cause, 0, 8), a.Because...) // as many as most answers have
	if c, ok := v.cuts.above(q); ok {
		zone, hosts = c.zone, c.hosts
		a.Because = append(a.Because, c.because...)
	}
	for made := true; ; {
		ans, ok := v.askOne(&a, zone, hosts, q)
		if !ok {
			a.Rcode = ServerFailure
			return a
		}
		if !ans.referral() {
			return v.finish(a, ans)
		}
		next := ans.Authority[0].Name
		if next == zone || !next.In(zone) || !q.Name.In(next) {
			a.Rcode = ServerFailure // it leads nowhere
			return a
		}
		zone, hosts = next, delegated(ans)
		// What a hosted zone delegates to is in an order that was drawn.
		if made = made && len(ans.Because) > 0 && ans.Because[0].Decider == PublicTree; made {
			for i := range hosts {
				hosts[i].text = hosts[i].name.String()
			}
			v.cuts.put(cut{zone, hosts, slices.Clone(a.Because[start:])})
		}
	}
}

// finish makes the resolver's answer of a name server's.
func (v *View) finish(a, ans Answer) Answer {
	a.Rcode, a.Answer, a.Located = ans.Rcode, ans.Answer, ans.Located
	if len(ans.Answer) == 0 || len(ans.Authority) > 0 && ans.Authority[0].Type == TypeSOA {
		a.Authority = ans.Authority
	}
	for _, c := range ans.Because {
		if c.Decider != PublicTree || c.Domain != Root {
			a.Because = append(a.Because, c)
		}
	}
	return a
}

// delegated are the hosts of a referral with the addresses that came with it.
func delegated(ans Answer) []host {
	hosts := make([]host, 0, len(ans.Authority))
	for _, ns := range ans.Authority {
		h := host{name: Name(ns.Data)}
		for _, r := range ans.Additional {
			if r.Name == h.name && r.Type == TypeA {
				h.addr, _ = netip.AddrFromSlice([]byte(r.Data))
				break
			}
		}
		hosts = append(hosts, h)
	}
	return hosts
}

// askOne asks the name servers of a zone, one after the other, until one has it. It
// notes which one that was, or why none.
func (v *View) askOne(a *Answer, zone Name, hosts []host, q Question) (Answer, bool) {
	for _, h := range hosts {
		if *q.left--; *q.left < 0 {
			a.Because = append(a.Because, Cause{Decider: TooManyZones, Domain: q.Name})
			return Answer{}, false
		}
		if !h.addr.IsValid() {
			if h.addr = v.addrOf(a, h.name, q); a.Need != nil {
				return Answer{}, false
			}
		}
		server, ok := ServerAt(v.r, h.addr)
		cause := Cause{Decider: Delegation, Domain: zone, ID: h.text, Addr: h.addr}
		if h.text == "" {
			cause.ID = h.name.String()
		}
		ans := Answer{Rcode: ServerFailure}
		switch {
		case ok:
			ans = v.through(server, q)
		case q.Others != nil && h.addr.IsValid():
			cause.Decider = OtherServer
			need := Need{h.addr, q.Name, q.Type}
			if ans, ok = q.Others(need); !ok {
				a.Need, a.Because = &need, append(a.Because, cause)
				return Answer{}, false
			}
			a.Foreign = true
			ans = ans.said(zone, q)
		default:
			cause.Decider = OtherServer
			a.Because = append(a.Because, cause)
			continue
		}
		if ans.Rcode == Refused || ans.Rcode == ServerFailure {
			if cause.Decider == OtherServer {
				cause.Decider = SilentServer
			} else {
				cause.Decider = LameServer
			}
			a.Because = append(a.Because, cause)
			if ans.Rcode == ServerFailure {
				a.Because = append(a.Because, ans.Because...)
			}
			continue
		}
		if zone != Root {
			a.Because = append(a.Because, cause)
		}
		return ans, true
	}
	return Answer{}, false
}

// through asks a name server on behalf of those who ask the resolver: their place
// is what routing goes by, and in a VPC public names have the TTL that they have
// there.
func (v *View) through(server *View, q Question) Answer {
	server.vpc, server.brief = v.vpc, true
	return server.serve(q)
}

// addrOf finds the address of a name server that came without one; the zero one
// when it has none, or the answer needs more to know it.
func (v *View) addrOf(to *Answer, n Name, q Question) netip.Addr {
	if a, ok := hostAddr(n); ok {
		return a
	}
	ans := Internet(v.r).Answer(Question{Name: n, Type: TypeA, Recurse: true, Draw: q.Draw, Chances: q.Chances, Others: q.Others, left: q.left})
	to.Foreign, to.Need = to.Foreign || ans.Foreign, ans.Need
	for _, r := range ans.Answer {
		if r.Type == TypeA {
			a, _ := netip.AddrFromSlice([]byte(r.Data))
			return a
		}
	}
	return netip.Addr{}
}

// cut is a delegation by the zones that are made from what is registered, and what
// has led there.
type cut struct {
	zone    Name
	hosts   []host
	because []Cause
}

// cuts are those that one view has met.
type cuts struct {
	mu sync.RWMutex
	by map[Name]cut
}

// maxCuts bounds them, whatever is asked for.
const maxCuts = 4096

// above gives the narrowest one that the question's name is in. DS records of a
// zone are above its cut.
func (c *cuts) above(q Question) (cut, bool) {
	n := q.Name
	if q.Type == TypeDS {
		_, n = n.First()
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	for ; n != Root; _, n = n.First() {
		if found, ok := c.by[n]; ok {
			return found, true
		}
	}
	return cut{}, false
}

func (c *cuts) put(met cut) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[Name]cut{}
	}
	if len(c.by) < maxCuts {
		c.by[met.zone] = met
	}
}
