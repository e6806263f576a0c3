package dnsview

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/state"
)

// The two values of HostnameType (EC2 User Guide, "EC2 instance hostnames and
// domains").
const (
	HostnameIP       = "ip-name"
	HostnameResource = "resource-name"
)

const oldRegion = "us-east-1" // the Region whose names do not have its own in them

// Domain is the domain of a Region's private names, which is also the
// domain-name of its default DHCP options: "ec2.internal" in us-east-1, else
// "REGION.compute.internal".
func Domain(region string) string {
	if region == oldRegion {
		return "ec2.internal"
	}
	return region + ".compute.internal"
}

// PrivateName is the IP name of a private IPv4 address:
// "ip-10-0-0-5.ec2.internal".
func PrivateName(region string, a netip.Addr) string {
	return ipLabel("ip-", a) + "." + Domain(region)
}

// ResourceName is the resource name of an instance:
// "i-0123456789abcdef0.ec2.internal".
func ResourceName(region, instanceID string) string {
	return instanceID + "." + Domain(region)
}

// PublicName is the name of a public IPv4 address:
// "ec2-203-0-113-25.compute-1.amazonaws.com" in us-east-1, else
// "ec2-203-0-113-25.REGION.compute.amazonaws.com", which ends in ".com.cn" in
// China.
func PublicName(region string, a netip.Addr) string {
	return ipLabel(publicLabel, a) + "." + PublicDomain(region)
}

// PublicDomain is the domain of a Region's public names.
func PublicDomain(region string) string {
	if region == oldRegion {
		return "compute-1." + ServicesDomain(region)
	}
	return region + ".compute." + ServicesDomain(region)
}

// ServicesDomain is the domain of AWS's services in a Region's partition.
func ServicesDomain(region string) string {
	if awsid.Partition(region) == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// InstancePrivateName is the PrivateDnsName of an instance with a hostname type,
// an id and a primary address.
func InstancePrivateName(region, hostnameType, instanceID string, a netip.Addr) string {
	if hostnameType == HostnameResource {
		return ResourceName(region, instanceID)
	}
	return PrivateName(region, a)
}

// HasPublicNames says whether public addresses in the VPC have names: both
// attributes are on (VPC User Guide, "DNS attributes for your VPC").
func HasPublicNames(v *state.Vpc) bool { return v.EnableDnsSupport && v.EnableDnsHostnames }

// LocalHostname is the name that the metadata of an instance gives one of its
// addresses (local-hostname): the first label of its name in the domain-name of
// the VPC's DHCP options as it stands, several domains with spaces between them
// included, and in the Region's domain when there is none.
func LocalHostname(r state.Reader, i *state.Instance, a netip.Addr) string {
	label := ipLabel("ip-", a)
	if i.HostnameType == HostnameResource {
		label = i.ID
	}
	domain := Domain(i.Region)
	if v, ok := state.Vpcs.Get(r, i.Scope().Key(i.VpcID)); ok {
		if o, ok := dhcpOptions(r, v); ok {
			if names := strings.Join(o.Get("domain-name"), " "); names != "" {
				domain = names
			}
		}
	}
	return label + "." + domain
}

// Hostname is the host name that an instance starts with: its local-hostname in
// the first of the domains.
func Hostname(r state.Reader, i *state.Instance) string {
	name, _, _ := strings.Cut(LocalHostname(r, i, i.PrivateIP), " ")
	return name
}

// ipLabel is "ip-10-0-0-5". Addresses of IPv6 have no such name: the label is
// made of their groups, which no resolver answers.
func ipLabel(prefix string, a netip.Addr) string {
	if !a.Is4() {
		return prefix + strings.ReplaceAll(a.StringExpanded(), ":", "-")
	}
	b := make([]byte, 0, len(prefix)+15)
	b = append(b, prefix...)
	for i, octet := range a.As4() {
		if i > 0 {
			b = append(b, '-')
		}
		b = strconv.AppendUint(b, uint64(octet), 10)
	}
	return string(b)
}

// parseIPLabel reads what ipLabel makes of an IPv4 address, in that one
// spelling: no leading zeros.
func parseIPLabel(prefix, label string) (netip.Addr, bool) {
	rest, ok := strings.CutPrefix(label, prefix)
	if !ok {
		return netip.Addr{}, false
	}
	var octets [4]byte
	for i := range octets {
		octet, n := parseOctet(rest)
		if n == 0 {
			return netip.Addr{}, false
		}
		octets[i], rest = octet, rest[n:]
		if i < 3 {
			if rest == "" || rest[0] != '-' {
				return netip.Addr{}, false
			}
			rest = rest[1:]
		}
	}
	return netip.AddrFrom4(octets), rest == ""
}

// parseOctet reads the decimal number from 0 to 255, without leading zeros, that
// s starts with; n is its length, 0 if there is none.
func parseOctet(s string) (octet byte, n int) {
	v := 0
	for n < len(s) && isDigit(s[n]) {
		v = v*10 + int(s[n]-'0')
		n++
		if v > 255 || n > 1 && s[0] == '0' {
			return 0, 0
		}
	}
	return byte(v), n
}
