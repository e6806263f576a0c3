package dnsview

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/state"
)

// delegationTTL is the TTL in seconds of the NS records of the public tree and of
// the addresses beside them, as those of top-level domains have it.
const delegationTTL = 172800

// branch is a zone of the public tree that is made from what is registered: the
// root, a top-level domain, amazonaws.com, in-addr.arpa. A public hosted zone is
// registered by being there: the narrowest branch above it delegates its name to
// its name servers, unless a wider hosted zone is there, whose matter it then is
// to delegate. Of several with one name the oldest is delegated to.
type branch struct {
	apex  Name
	hosts []host
}

var arpa = mustName("arpa")

// fixedDomains are the top-level domains that are always there: those of name
// servers and of reverse names. Any other exists while a public zone is in it.
var fixedDomains = map[Name]bool{mustName("com"): true, mustName("net"): true, mustName("org"): true, mustName("uk"): true, arpa: true}

// amazonDomains are the domains that EC2's public names are in.
var amazonDomains = func() map[Name]bool {
	out := map[Name]bool{}
	for n := range computeBelow {
		if label, _ := n.First(); label == "amazonaws" {
			out[n] = true
		}
	}
	return out
}()

// amazonAbove finds the domain of EC2's public names that a name is in.
func amazonAbove(n Name) (Name, bool) {
	for ; n != Root; _, n = n.First() {
		if amazonDomains[n] {
			return n, true
		}
	}
	return Root, false
}

// branchOf gives the branch that a name is in at the name servers of a level.
func (v *View) branchOf(hosts []host, n Name) (branch, bool) {
	switch hosts[0].name {
	case rootHosts[0].name:
		return branch{Root, rootHosts}, true
	case registryHosts[0].name:
		if n == Root {
			return branch{}, false
		}
		for _, rest := n.First(); rest != Root; _, rest = rest.First() {
			n = rest
		}
		return branch{n, registryHosts}, v.topLevel(n)
	}
	if apex, ok := amazonAbove(n); ok {
		return branch{apex, amazonHosts}, true
	}
	return branch{inAddrArpa, amazonHosts}, n.In(inAddrArpa)
}

// topLevel says whether a top-level domain is there.
func (v *View) topLevel(n Name) bool {
	return fixedDomains[n] || computeBelow[n] || v.registeredBelow(n)
}

// registeredBelow says whether there are public hosted zones below a domain.
func (v *View) registeredBelow(n Name) bool {
	return state.ZonesBelow(v.r, n.Reversed())
}

// registered is the public hosted zone that a name is delegated to.
func (v *View) registered(n Name) (oldest *state.HostedZone) {
	reversed := n.Reversed()
	state.ZonesAlong(v.r, "", reversed, func(z *state.HostedZone) {
		if oldest == nil && z.Reversed == reversed {
			oldest = z
		}
	})
	return oldest
}

// cut gives the name servers that the branch delegates exactly this name to.
func (b branch) cut(v *View, n Name) []host {
	switch {
	case b.apex == Root:
		if v.topLevel(n) {
			return registryHosts
		}
		return nil
	case amazonDomains[b.apex] || aboveHosts(n):
		return nil
	case amazonDomains[n] || n == inAddrArpa:
		return amazonHosts
	case b.apex == inAddrArpa:
		// The names of public addresses are EC2's own.
		if block, ok := parseReverse(n); ok && inPool(v.r, block) {
			return nil
		}
	}
	if z := v.registered(n); z != nil {
		return zoneServers(z)
	}
	return nil
}

// answer is what the branch's name servers say: authoritative, or the way on.
func (b branch) answer(v *View, q Question) Answer {
	a := Answer{AA: true, Because: []Cause{{Decider: PublicTree, Domain: b.apex}}}
	var path []Name
	for n := q.Name; n != b.apex; _, n = n.First() {
		path = append(path, n)
	}
	for i := len(path) - 1; i >= 0; i-- {
		hosts := b.cut(v, path[i])
		switch {
		case len(hosts) == 0:
		case i == 0 && q.Type == TypeDS:
			return a.records(q, b.apex)
		default:
			return a.refer(path[i], hosts)
		}
	}
	if q.Name == b.apex {
		a = a.records(q, b.apex, b.servers()...)
		if len(a.Answer) > 0 && (q.Type == TypeNS || q.Type == TypeANY) {
			a.Additional = glue(b.hosts)
		}
		return a
	}
	if addr, ok := hostAddr(q.Name); ok {
		return a.records(q, b.apex, address(q.Name, delegationTTL, addr))
	}
	if out, ok := b.endpoint(v, q, a); ok {
		return out
	}
	if out, ok := b.balancer(v, q, a); ok {
		return out
	}
	if block, ok := parseReverse(q.Name); ok && b.apex == inAddrArpa {
		if !block.IsSingleIP() && v.registeredBelow(q.Name) {
			return a.records(q, b.apex)
		}
		return publicReverse(v, q, block, a)
	}
	if aboveHosts(q.Name) || computeBelow[q.Name] || v.registeredBelow(q.Name) {
		return a.records(q, b.apex)
	}
	return a.absent(b.apex)
}

func (b branch) servers() []Record { return servers(b.apex, b.hosts) }

// servers are the NS records of a domain.
func servers(domain Name, hosts []host) []Record {
	out := make([]Record, len(hosts))
	for i, h := range hosts {
		out[i] = Record{Name: domain, Type: TypeNS, TTL: delegationTTL, Data: string(h.name)}
	}
	return out
}

// glue are the addresses of name servers, as far as the public tree has them.
func glue(hosts []host) (out []Record) {
	for _, h := range hosts {
		if h.addr.IsValid() {
			out = append(out, address(h.name, delegationTTL, h.addr))
		}
	}
	return out
}

// refer makes an answer a referral.
func (a Answer) refer(domain Name, hosts []host) Answer {
	a.AA = false
	a.Authority = servers(domain, hosts)
	a.Additional = glue(hosts)
	a.Because = append(a.Because, Cause{Decider: Delegation, Domain: domain, ID: hosts[0].name.String(), Addr: hosts[0].addr})
	return a
}

// place is where an asker is: where its VPC is, else who has its address.
func (v *View) place(client netip.Prefix) Place {
	if v.vpc != nil {
		return RegionPlace(v.vpc.Region)
	}
	return ClientPlace(v.r, client)
}
