// Package cidr reads and judges CIDR blocks as AWS does.
//
// Invariant: pure; a prefix that it returns is masked, so equal blocks are equal
// values.
package cidr

import (
	"fmt"
	"net/netip"
)

// Parse reads a block in CIDR notation, IPv4 or IPv6, and clears the host's
// bits: CreateVpc takes 100.68.0.18/18 for 100.68.0.0/18 (EC2 API Reference,
// CreateVpc). IPv4 written as IPv6 is neither.
func Parse(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("reading CIDR block: %w", err)
	}
	if p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("reading CIDR block %q: an IPv4 address in IPv6 notation", s)
	}
	return p.Masked(), nil
}

// Sizes of a VPC's and a subnet's IPv4 block (VPC User Guide, "VPC CIDR blocks").
const (
	LargestBits  = 16
	SmallestBits = 28
)

// Sized says whether the block is of a size that VPCs and subnets may have.
func Sized(p netip.Prefix) bool {
	return p.Addr().Is4() && p.Bits() >= LargestBits && p.Bits() <= SmallestBits
}

// AllowedForVpc says whether a VPC may have the IPv4 block: of the right size,
// and not in a range that no host can have an address in.
func AllowedForVpc(p netip.Prefix) bool {
	if !Sized(p) {
		return false
	}
	for _, r := range unusable {
		if r.Overlaps(p) {
			return false
		}
	}
	return true
}

// unusable are the ranges of the current network, the loopback, link-local
// addresses and multicast (RFC 6890, RFC 5771).
var unusable = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("224.0.0.0/4"),
}

// Within says whether inner is a part of outer, or all of it.
func Within(outer, inner netip.Prefix) bool {
	return outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
}

// Reserved is how many addresses of a subnet AWS keeps for itself: the first
// four and the last one (VPC User Guide, "Subnet CIDR blocks").
const Reserved = 5

// Usable counts the addresses of an IPv4 subnet that interfaces can have.
func Usable(p netip.Prefix) int {
	return 1<<(p.Addr().BitLen()-p.Bits()) - Reserved
}

// MayJoin says whether a VPC whose primary block is primary may have block as a
// further one (VPC User Guide, "IPv4 CIDR block association restrictions"): of
// the private ranges only the one that the primary block is in, and never
// 198.19.0.0/16.
func MayJoin(primary, block netip.Prefix) bool {
	for _, r := range private {
		if r.Overlaps(block) && !Within(r, primary) {
			return false
		}
	}
	for _, r := range restricted {
		if r.block.Overlaps(block) && Within(r.primary, primary) {
			return false
		}
	}
	return true
}

var (
	// private are the ranges of RFC 1918.
	private = [...]netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
	}
	// restricted are blocks that cannot be added to a primary one in a range.
	restricted = [...]struct{ primary, block netip.Prefix }{
		{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("198.19.0.0/16")},
		{netip.MustParsePrefix("10.0.0.0/15"), netip.MustParsePrefix("10.0.0.0/16")},
		{netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("172.31.0.0/16")},
	}
)
