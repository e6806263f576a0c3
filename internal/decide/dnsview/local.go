package dnsview

import "net/netip"

// local is a zone with the same few names everywhere, which is answered whatever
// the VPC's attributes are, as RFC 6761 section 6.3 and RFC 6303 ask of
// resolvers.
type local struct {
	apex  Name
	names map[Name][]Record // a name without records exists all the same
	// below, when set, is what every name below the apex has.
	below []Record
}

const localTTL = 86400 // not verified against AWS

var localZones = func() map[Name]*local {
	localhost := mustName("localhost")
	loopback4 := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	addresses := func(n Name) []Record {
		return []Record{address(n, localTTL, loopback4), address(n, localTTL, netip.IPv6Loopback())}
	}
	localdomain := mustName("localdomain")
	ipv4 := mustName("127.in-addr.arpa")
	loopback6, unspecified6 := ip6Name("1"), ip6Name("0")
	zones := []*local{
		{apex: localhost, names: map[Name][]Record{localhost: addresses(localhost)}, below: addresses(Root)},
		{apex: localdomain, names: map[Name][]Record{
			localdomain: nil, localdomain.below("localhost"): addresses(localdomain.below("localhost"))}},
		{apex: ipv4, names: map[Name][]Record{ipv4: nil, ipv4.below("0"): nil, ipv4.below("0").below("0"): nil,
			ipv4.below("0").below("0").below("1"): {pointer(ipv4.below("0").below("0").below("1"), localTTL, localhost)}}},
		{apex: loopback6, names: map[Name][]Record{loopback6: {pointer(loopback6, localTTL, localhost)}}},
		{apex: unspecified6, names: map[Name][]Record{unspecified6: nil}},
	}
	byApex := map[Name]*local{}
	for _, z := range zones {
		byApex[z.apex] = z
	}
	return byApex
}()

// ip6Name is the reverse name of the IPv6 address that is zero but for its last
// four bits.
func ip6Name(last string) Name {
	n := mustName("ip6.arpa")
	for range 31 {
		n = n.below("0")
	}
	return n.below(last)
}

func (z *local) answer(_ *View, q Question) Answer {
	a := recursive(Cause{Decider: Autodefined, Domain: z.apex})
	if records, ok := z.names[q.Name]; ok {
		return a.records(q, z.apex, records...)
	}
	if z.below == nil {
		return a.absent(z.apex)
	}
	records := make([]Record, len(z.below))
	for i, r := range z.below {
		r.Name = q.Name
		records[i] = r
	}
	return a.records(q, z.apex, records...)
}
