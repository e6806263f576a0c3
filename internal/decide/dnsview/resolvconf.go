package dnsview

import (
	"net/netip"
	"strings"

	"github.com/localvpc/localvpc/internal/state"
)

// AmazonProvidedDNS stands for the VPC's resolver in domain-name-servers.
const AmazonProvidedDNS = "AmazonProvidedDNS"

// defaultDhcp is the DhcpOptionsID of a VPC without options.
const defaultDhcp = "default"

// ResolvConf is the text of /etc/resolv.conf in the instances of a VPC, as a
// DHCP client would write it from the VPC's options: their domain names to
// search in and their servers. It names no server when the VPC has no options,
// or does not exist.
func ResolvConf(r state.Reader, vpc state.Key) string {
	v, ok := state.Vpcs.Get(r, vpc)
	if !ok {
		return ""
	}
	o, ok := dhcpOptions(r, v)
	if !ok {
		return ""
	}
	var b strings.Builder
	if names := searchDomains(o); len(names) > 0 {
		b.WriteString("search " + strings.Join(names, " ") + "\n")
	}
	for _, a := range NameServers(v, o) {
		b.WriteString("nameserver " + a.String() + "\n")
	}
	return b.String()
}

// NameServers are the addresses that the options give the instances of the VPC
// to ask. The resolver's is given even when EnableDnsSupport is off and it does
// not answer.
func NameServers(v *state.Vpc, o *state.DhcpOptions) []netip.Addr {
	var out []netip.Addr
	for _, s := range o.Get("domain-name-servers") {
		if s == AmazonProvidedDNS {
			out = append(out, v.Resolver())
		} else if a, err := netip.ParseAddr(s); err == nil {
			out = append(out, a)
		}
	}
	return out
}

// searchDomains are the domains in domain-name: Linux takes several, with spaces
// between them, as a search list (VPC User Guide, "DHCP option sets"). What is
// not a domain name could be read as another line, and is left out.
func searchDomains(o *state.DhcpOptions) []string {
	var out []string
	for _, v := range o.Get("domain-name") {
		for _, d := range strings.Fields(v) {
			if n, err := ParseName(d); err == nil && n != Root {
				out = append(out, strings.TrimSuffix(n.String(), "."))
			}
		}
	}
	return out
}

func dhcpOptions(r state.Reader, v *state.Vpc) (*state.DhcpOptions, bool) {
	if v.DhcpOptionsID == "" || v.DhcpOptionsID == defaultDhcp {
		return nil, false
	}
	return state.DhcpOptionSets.Get(r, v.Scope().Key(v.DhcpOptionsID))
}
