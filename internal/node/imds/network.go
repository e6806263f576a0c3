package imds

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/state"
)

// macs has a directory for each interface of the instance, under its MAC address.
func macs(s *subject) directory {
	var d directory
	for _, n := range s.interfaces() {
		d = append(d, entry{name: n.MAC, sub: func(s *subject) directory { return about(s, n) }})
	}
	slices.SortFunc(d, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return d
}

// about is what is told of one interface.
func about(s *subject, n *state.NetworkInterface) directory {
	// optional is an entry that is not there without a text.
	optional := func(name string, text func() string) entry {
		return entry{name: name, text: func(*subject) (string, bool) { t := text(); return t, t != "" }}
	}
	return directory{
		fixed("device-number", strconv.Itoa(int(n.Attachment.DeviceIndex))),
		fixed("interface-id", n.ID),
		{name: "ipv4-associations", sub: func(*subject) directory { return associations(n) }},
		optional("ipv4-prefix", func() string { return lines(n.Prefixes, netip.Prefix.String) }),
		optional("local-hostname", func() string {
			if len(n.Addresses) == 0 {
				return ""
			}
			return dnsview.LocalHostname(s.snap, s.instance, n.Primary())
		}),
		optional("local-ipv4s", func() string {
			return lines(n.Addresses, func(a state.PrivateAddress) string { return a.Addr.String() })
		}),
		fixed("mac", n.MAC),
		fixed("network-card", strconv.Itoa(int(n.Attachment.NetworkCardIndex))),
		fixed("owner-id", n.Account),
		optional("public-hostname", func() string { return publicHostname(s, n) }),
		optional("public-ipv4s", func() string {
			return lines(n.Addresses, func(a state.PrivateAddress) string {
				if !a.PublicIP.IsValid() {
					return ""
				}
				return a.PublicIP.String()
			})
		}),
		optional("security-group-ids", func() string { return strings.Join(n.Groups, "\n") }),
		optional("security-groups", func() string { return groupNames(s, n) }),
		fixed("subnet-id", n.SubnetID),
		optional("subnet-ipv4-cidr-block", func() string {
			subnet, ok := state.Subnets.Get(s.snap, n.Scope().Key(n.SubnetID))
			if !ok {
				return ""
			}
			return subnet.Cidr.String()
		}),
		fixed("vpc-id", n.VpcID),
		optional("vpc-ipv4-cidr-block", func() string {
			vpc, ok := vpcOf(s, n)
			if !ok {
				return ""
			}
			return vpc.Primary().String()
		}),
		optional("vpc-ipv4-cidr-blocks", func() string {
			vpc, ok := vpcOf(s, n)
			if !ok {
				return ""
			}
			return lines(vpc.Cidrs, func(c state.CidrAssociation) string { return c.Cidr.String() })
		}),
	}
}

// associations gives, under each public address, the private one behind it.
func associations(n *state.NetworkInterface) directory {
	var d directory
	for _, a := range n.Addresses {
		if a.PublicIP.IsValid() {
			d = append(d, fixed(a.PublicIP.String(), a.Addr.String()))
		}
	}
	return d
}

func vpcOf(s *subject, n *state.NetworkInterface) (*state.Vpc, bool) {
	return state.Vpcs.Get(s.snap, n.Scope().Key(n.VpcID))
}

// publicHostname is the name of the interface's public address, if it has one
// and the VPC gives names to them.
func publicHostname(s *subject, n *state.NetworkInterface) string {
	vpc, ok := vpcOf(s, n)
	if !ok || !dnsview.HasPublicNames(vpc) || len(n.Addresses) == 0 || !n.Addresses[0].PublicIP.IsValid() {
		return ""
	}
	return dnsview.PublicName(n.Region, n.Addresses[0].PublicIP)
}

func groupNames(s *subject, n *state.NetworkInterface) string {
	return lines(n.Groups, func(id string) string {
		g, ok := state.SecurityGroups.Get(s.snap, n.Scope().Key(id))
		if !ok {
			return ""
		}
		return g.Name
	})
}

// lines puts the texts of items, those that have one, on a line each.
func lines[T any](items []T, text func(T) string) string {
	var out []string
	for _, i := range items {
		if t := text(i); t != "" {
			out = append(out, t)
		}
	}
	return strings.Join(out, "\n")
}
