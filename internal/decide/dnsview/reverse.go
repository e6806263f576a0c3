package dnsview

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/localvpc/localvpc/internal/state"
)

var inAddrArpa = mustName("in-addr.arpa")

// reverse is a zone of names of addresses under in-addr.arpa.
type reverse struct{ apex Name }

// reverseAt gives the reverse zone with exactly this domain: one per block of
// RFC 1918, one for the metadata service, and one for each 256 addresses of the
// VPC.
func reverseAt(v *state.Vpc, domain Name) (reverse, bool) {
	block, ok := parseReverse(domain)
	if !ok {
		return reverse{}, false
	}
	o := block.Addr().As4()
	switch block.Bits() {
	case 8:
		ok = o[0] == 10
	case 16:
		ok = o[0] == 172 && o[1]&0xf0 == 16 || o[0] == 192 && o[1] == 168
	case 24:
		ok = overlaps(v, block)
	case 32:
		ok = block.Addr() == metadata
	default:
		ok = false
	}
	return reverse{domain}, ok
}

func (z reverse) answer(v *View, q Question) Answer {
	a := recursive(Cause{Decider: Autodefined, Domain: z.apex})
	block, ok := parseReverse(q.Name)
	switch {
	case !ok:
		return a.absent(z.apex)
	case block.Addr() == metadata && block.IsSingleIP():
		a.Because = append(a.Because, Cause{Decider: ServiceName, Addr: metadata})
		return a.records(q, z.apex, pointer(q.Name, reverseTTL, v.domain.below(metadataLabel)))
	case !block.IsSingleIP():
		// The name of a block exists when a name below it does, and an apex always.
		if q.Name == z.apex || overlaps(v.vpc, block) || slices.ContainsFunc(v.peers, func(p peer) bool { return overlaps(p.vpc, block) }) {
			return a.records(q, z.apex)
		}
		return a.absent(z.apex)
	}
	domain := v.domain
	if p, ok := v.peerAt(block.Addr()); ok {
		domain = mustName(Domain(p.vpc.Region))
		a.Because = append(a.Because, Cause{Decider: PeeringOn, ID: p.id})
	} else if !hasReverse(v.vpc, block.Addr()) {
		a.Because = append(a.Because, Cause{Decider: OutsideVpcRange, ID: v.vpc.ID, Addr: block.Addr()})
		return a.absent(z.apex)
	}
	a.Because = append(a.Because, Cause{Decider: ReverseName, Addr: block.Addr()})
	return a.records(q, z.apex, pointer(q.Name, reverseTTL, domain.below(ipLabel("ip-", block.Addr()))))
}

// hasReverse says whether the address has a name: every address of the VPC, used
// or not. What AWS does for unused ones, and for private addresses elsewhere, is
// not verified.
func hasReverse(v *state.Vpc, a netip.Addr) bool { return v.Contains(a) }

func overlaps(v *state.Vpc, block netip.Prefix) bool {
	for _, c := range v.Cidrs {
		if c.Cidr.Overlaps(block) {
			return true
		}
	}
	return false
}

// PointerName is the name under in-addr.arpa or ip6.arpa that an address has (RFC 1035
// section 3.5, RFC 3596 section 2.5).
func PointerName(a netip.Addr) Name {
	if a = a.Unmap(); a.Is4() {
		n := inAddrArpa
		for _, octet := range a.As4() {
			n = n.below(strconv.Itoa(int(octet)))
		}
		return n
	}
	n := mustName("ip6.arpa")
	for _, octet := range a.As16() {
		n = n.below(string("0123456789abcdef"[octet>>4])).below(string("0123456789abcdef"[octet&15]))
	}
	return n
}

// parseReverse reads a name under in-addr.arpa with one to four octets: the block
// of addresses that it is about, a single one with four (RFC 1035 section 3.5).
func parseReverse(n Name) (netip.Prefix, bool) {
	var octets [4]byte
	var count int
	for rest := n; rest != inAddrArpa; count++ {
		if len(rest) <= len(inAddrArpa) || count == 4 {
			return netip.Prefix{}, false
		}
		var label string
		label, rest = rest.First()
		octet, length := parseOctet(label)
		if length == 0 || length != len(label) {
			return netip.Prefix{}, false
		}
		octets[3] = octets[2]
		octets[2] = octets[1]
		octets[1] = octets[0]
		octets[0] = octet
	}
	if count == 0 {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(netip.AddrFrom4(octets), 8*count), true
}
