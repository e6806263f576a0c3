package dnsview

import (
	"net/netip"
	"strings"

	"github.com/localvpc/localvpc/internal/state"
)

// PublicAddr finds the address that a name like
// "ec2-203-0-113-25.compute-1.amazonaws.com" has outside of every VPC: the public
// address in it, if an interface has it whose VPC gives such names (VPC User
// Guide, "DNS hostnames").
func PublicAddr(r state.Reader, name string) (netip.Addr, bool) {
	label, _, _ := strings.Cut(name, ".")
	a, ok := parseIPLabel("ec2-", label)
	if !ok {
		return netip.Addr{}, false
	}
	for n := range state.NetworkInterfaces.By(r, state.ByPublic, a.String()) {
		v, ok := state.Vpcs.Get(r, n.Scope().Key(n.VpcID))
		if ok && HasPublicNames(v) && PublicName(n.Region, a) == name {
			return a, true
		}
	}
	return netip.Addr{}, false
}
