package fabrictest

import (
	"fmt"
	"net/netip"

	"github.com/localvpc/localvpc/internal/state"
)

// Large puts a VPC, vpc-1, with n running instances i-0 …, twenty to a group in
// subnets of 200, and groups with the given number of rules: port 443 from the
// VPC, everything out, and other ports from single addresses.
func Large(tx *state.Tx, n, rules int) {
	Vpc(tx, "vpc-1", "10.0.0.0/8")
	var served []string
	for s := range (n + 199) / 200 {
		id := fmt.Sprintf("subnet-%d", s)
		Subnet(tx, id, "vpc-1", uint32(s+1), fmt.Sprintf("10.%d.%d.0/24", s>>8, s&255))
		served = append(served, id)
	}
	Acl(tx, "acl-1", "vpc-1", []state.NetworkAclEntry{Allow(100, false), Allow(100, true)}, served...)
	for g := range (n + 19) / 20 {
		id := fmt.Sprintf("sg-%04d", g)
		Group(tx, id, "vpc-1", id)
		Rule(tx, fmt.Sprintf("sgr-%04d-in", g), id, false, "tcp", 443, 443, "10.0.0.0/8")
		Rule(tx, fmt.Sprintf("sgr-%04d-out", g), id, true, "-1", -1, -1, "0.0.0.0/0")
		for k := range max(0, rules-2) {
			from := netip.AddrFrom4([4]byte{192, 168, byte(g), byte(k)})
			Rule(tx, fmt.Sprintf("sgr-%04d-%03d", g, k), id, false, "tcp", int32(1000+k), int32(1000+k), from.String()+"/32")
		}
	}
	for i := range n {
		Instance(tx, fmt.Sprintf("i-%d", i), "vpc-1", state.Running)
		PlaceLarge(tx, i, fmt.Sprintf("sg-%04d", i/20))
	}
}

// PlaceLarge puts the interface of an instance of a Large VPC, in these groups.
func PlaceLarge(tx *state.Tx, i int, groups ...string) {
	s := i / 200
	Interface(tx, fmt.Sprintf("eni-%d", i), "vpc-1", fmt.Sprintf("subnet-%d", s), fmt.Sprintf("i-%d", i), 0, groups,
		netip.AddrFrom4([4]byte{10, byte(s >> 8), byte(s), byte(4 + i%200)}).String())
}
