package dnsview

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

// host is a name server of the public tree.
type host struct {
	name Name
	addr netip.Addr
	text string // the name as it is printed, where it is printed often; else ""
}

// Who serves the zones of the public tree that nobody has in Route 53: the root,
// the top-level domains, and amazonaws.com with the reverse zones.
var (
	rootHosts     = rootServers()
	registryHosts = inBlock(9, "a.gtld-servers.net", "b.gtld-servers.net")
	amazonHosts   = inBlock(8, "ns1.amazonaws.com", "ns2.amazonaws.com")
)

// inBlock puts hosts into a /24 of publicip.NameServers; the first eight are
// Route 53's.
func inBlock(third byte, names ...string) []host {
	hosts := make([]host, len(names))
	for i, n := range names {
		a := publicip.NameServers.Addr().As4()
		a[2] += third
		a[3] = byte(i + 1)
		hosts[i] = host{name: mustName(n), addr: netip.AddrFrom4(a)}
	}
	return hosts
}

func rootServers() []host {
	hosts := make([]host, len(publicip.RootServers))
	for i, a := range publicip.RootServers {
		hosts[i] = host{name: rootDomain.below(string(rune('a' + i))), addr: a}
	}
	return hosts
}

var (
	rootDomain     = mustName("root-servers.net")
	registryDomain = mustName("gtld-servers.net")
	coUK           = mustName("co.uk")
)

// fixed are the hosts other than Route 53's, by name and by address.
var fixedNames, fixedAddrs = func() (map[Name]netip.Addr, map[netip.Addr]Name) {
	names, addrs := map[Name]netip.Addr{}, map[netip.Addr]Name{}
	for _, list := range [][]host{rootHosts, registryHosts, amazonHosts} {
		for _, h := range list {
			names[h.name], addrs[h.addr] = h.addr, h.name
		}
	}
	return names, addrs
}()

// hostAddr gives the address of a name server of the public tree. They have no
// IPv6 addresses: the simulated internet has none.
func hostAddr(n Name) (netip.Addr, bool) {
	if a, ok := fixedNames[n]; ok {
		return a, true
	}
	if i, ok := serverNumber(n); ok {
		return NameServerAddrs(i)[0], true
	}
	return netip.Addr{}, false
}

// serverNumber reads the name of one of Route 53's name servers.
func serverNumber(n Name) (int, bool) {
	label, rest := n.First()
	digits, ok := strings.CutPrefix(label, "ns-")
	if !ok || !serverDomain(rest) {
		return 0, false
	}
	i, err := strconv.Atoi(digits)
	if err != nil || i < 0 || i >= NameServerCount {
		return 0, false
	}
	return i, n.String() == NameServer(i)+"."
}

// serverAt gives the number of the one of Route 53's name servers that has an
// address.
func serverAt(a netip.Addr) (int, bool) {
	if !publicip.NameServers.Contains(a) {
		return 0, false
	}
	base, b := publicip.NameServers.Addr().As4(), a.As4()
	i := int(b[2]-base[2])<<8 | int(b[3])
	return i, i < NameServerCount
}

// serverDomain says whether a name is awsdns-00 to awsdns-63 in one of the four
// domains of Route 53's name servers.
func serverDomain(n Name) bool {
	label, rest := n.First()
	digits, ok := strings.CutPrefix(label, "awsdns-")
	if !ok || len(digits) != 2 || !isDigit(digits[0]) || !isDigit(digits[1]) || digits > "63" {
		return false
	}
	return rest == coUK || rest == "\x03com\x00" || rest == "\x03net\x00" || rest == "\x03org\x00"
}

// aboveHosts says whether a name exists only because name servers are below it.
func aboveHosts(n Name) bool {
	return n == coUK || n == rootDomain || n == registryDomain || serverDomain(n)
}

// zoneServers are the name servers of a public hosted zone.
func zoneServers(z *state.HostedZone) []host {
	var hosts []host
	for _, s := range z.NameServers {
		if n, err := ParseName(s); err == nil {
			a, _ := hostAddr(n)
			hosts = append(hosts, host{name: n, addr: a})
		}
	}
	return hosts
}
