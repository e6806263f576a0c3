package dnsview

import (
	"fmt"
	"net/netip"
)

// NameServerCount is how many hosts serve public zones: 512 under each of four
// top-level domains.
const NameServerCount = 2048

// nameServersPerDomain is how many of them share a top-level domain.
const nameServersPerDomain = 512

// NameServer is the host name of a number below NameServerCount, without the final
// dot: ns-0.awsdns-00.com, ns-512.awsdns-00.net, ns-1024.awsdns-00.org,
// ns-1536.awsdns-00.co.uk (Developer Guide, "NS and SOA records").
func NameServer(n int) string { return nameServers[n] }

var nameServers = func() (names [NameServerCount]string) {
	domains := [...]string{"com", "net", "org", "co.uk"}
	for n := range names {
		names[n] = fmt.Sprintf("ns-%d.awsdns-%02d.%s", n, n%nameServersPerDomain/8, domains[n/nameServersPerDomain])
	}
	return names
}()

// NameServerAddrs are the addresses of a name server, IPv4 and IPv6: those that
// AWS's own have, 205.251.192.0/21 and 2600:9000:5300::/45.
func NameServerAddrs(n int) [2]netip.Addr {
	high, low := byte(n>>8), byte(n)
	return [2]netip.Addr{
		netip.AddrFrom4([4]byte{205, 251, 192 + high, low}),
		netip.AddrFrom16([16]byte{0x26, 0x00, 0x90, 0x00, 0x53, high, low, 15: 1}),
	}
}

// NameServerSet gives the four hosts of a delegation set, one of each domain, from
// a number below 512 for each.
func NameServerSet(numbers [4]int) []string {
	hosts := make([]string, 4)
	for i, n := range numbers {
		hosts[i] = NameServer(i*nameServersPerDomain + n%nameServersPerDomain)
	}
	return hosts
}

// PrivateNameServers are the name servers that every private hosted zone shows.
func PrivateNameServers() []string { return NameServerSet([4]int{}) }
