package publicip

import "net/netip"

// NameServers is the block of the name servers of the simulated internet other
// than the root's, where those of Route 53 are on the internet (205.251.192.0/21).
// Nobody else has an address of it, and no pool can.
var NameServers = netip.MustParsePrefix("205.251.192.0/20")

// RootServers are the addresses of a.root-servers.net to m.root-servers.net, as on
// the internet (IANA, "Root Servers"): a recursive server's built-in hints lead to
// the simulated root.
var RootServers = [13]netip.Addr{
	netip.AddrFrom4([4]byte{198, 41, 0, 4}), netip.AddrFrom4([4]byte{170, 247, 170, 2}), netip.AddrFrom4([4]byte{192, 33, 4, 12}),
	netip.AddrFrom4([4]byte{199, 7, 91, 13}), netip.AddrFrom4([4]byte{192, 203, 230, 10}), netip.AddrFrom4([4]byte{192, 5, 5, 241}),
	netip.AddrFrom4([4]byte{192, 112, 36, 4}), netip.AddrFrom4([4]byte{198, 97, 190, 53}), netip.AddrFrom4([4]byte{192, 36, 148, 17}),
	netip.AddrFrom4([4]byte{192, 58, 128, 30}), netip.AddrFrom4([4]byte{193, 0, 14, 129}), netip.AddrFrom4([4]byte{199, 7, 83, 42}),
	netip.AddrFrom4([4]byte{202, 12, 27, 33}),
}

// Reserved gives the ranges that the name servers of the simulated internet have.
func Reserved() []netip.Prefix {
	out := []netip.Prefix{NameServers}
	for _, a := range RootServers {
		out = append(out, netip.PrefixFrom(a, a.BitLen()))
	}
	return out
}

// IsReserved says whether an address is a name server's or kept for one.
func IsReserved(a netip.Addr) bool {
	if NameServers.Contains(a) {
		return true
	}
	for _, root := range RootServers {
		if a == root {
			return true
		}
	}
	return false
}
