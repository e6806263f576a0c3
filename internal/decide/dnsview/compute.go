package dnsview

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/base/awsregion"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

// publicLabel begins the names of public addresses: "ec2-203-0-113-25".
const publicLabel = "ec2-"

// compute is the zone of a Region's public names, "compute-1.amazonaws.com" or
// "REGION.compute.amazonaws.com". It answers from the internet, and as an
// autodefined zone in the VPCs of the Region: there the name of an address of the
// VPC itself is its private address (VPC User Guide, "DNS hostnames").
type compute struct {
	region string
	apex   Name
}

// computeTTL is the TTL of the zones' NS records, as seen on the internet.
const computeTTL = 900

// computeZones are those of all Regions, computeBelow the names that exist only
// because one of them is below.
var computeZones, computeBelow = func() (map[Name]compute, map[Name]bool) {
	zones, below := map[Name]compute{}, map[Name]bool{}
	for _, r := range awsregion.All() {
		apex := mustName(PublicDomain(r.Name))
		zones[apex] = compute{r.Name, apex}
		for _, n := apex.First(); n != Root; _, n = n.First() {
			below[n] = true
		}
	}
	return zones, below
}()

func computeZoneOf(region string) (compute, bool) {
	apex, err := ParseName(PublicDomain(region))
	z, ok := computeZones[apex]
	return z, err == nil && ok
}

// computeAbove finds the zone that a name is in.
func computeAbove(n Name) (compute, bool) {
	for ; n != Root; _, n = n.First() {
		if z, ok := computeZones[n]; ok {
			return z, true
		}
	}
	return compute{}, false
}

func (z compute) answer(v *View, q Question) Answer {
	cause := Cause{Decider: PublicTree, Domain: z.apex}
	if v.vpc != nil && v.knows(z.region) {
		cause.Decider = Autodefined
	}
	label, rest := q.Name.First()
	if q.Name == z.apex {
		var ns []Record
		if cause.Decider == PublicTree {
			ns = servers(z.apex, amazonHosts)
			for i := range ns {
				ns[i].TTL = computeTTL
			}
		}
		return recursive(cause).records(q, z.apex, ns...)
	}
	a, ok := parseIPLabel(publicLabel, label)
	if !ok || rest != z.apex {
		return recursive(cause).absent(z.apex)
	}
	o, ok := ownerOf(v.r, a)
	if !ok || o.region != z.region {
		return recursive(cause, Cause{Decider: PublicIPName, Addr: a}).absent(z.apex)
	}
	if cause.Decider == Autodefined && o.nic != nil && o.nic.Scope() == v.vpc.Scope() && o.nic.VpcID == v.vpc.ID {
		a = o.private
	}
	because := []Cause{cause}
	if v.vpc != nil && o.nic != nil {
		p, ok := v.peerOf(o.nic)
		switch {
		case ok:
			a = o.private
			because = append(because, Cause{Decider: PeeringOn, ID: p.id})
		case amazonNames(v):
			because = append(because, v.silent(func(vpc *state.Vpc) bool { return vpc.Key == o.nic.Scope().Key(o.nic.VpcID) })...)
		}
	}
	return recursive(append(because, Cause{Decider: PublicIPName, ID: o.id(), Addr: a})...).records(q, z.apex, address(q.Name, v.publicTTL(), a))
}

// publicTTL is the TTL of public names and of their reverse.
func (v *View) publicTTL() uint32 {
	if v.vpc == nil {
		return internetTTL
	}
	return privateTTL
}

// owner is who has a public address: an interface, an allocation, or both.
type owner struct {
	region  string
	nic     *state.NetworkInterface // nil: it leads to nothing
	private netip.Addr              // of the interface
	elastic *state.Address          // nil: it was assigned
}

// id is that of the interface, else of the allocation.
func (o owner) id() string {
	if o.nic != nil {
		return o.nic.ID
	}
	return o.elastic.ID
}

// ownerOf finds who has a public address. Names are theirs alone; AWS goes on
// answering names of addresses that nobody has.
func ownerOf(r state.Reader, a netip.Addr) (owner, bool) {
	var o owner
	for n := range state.NetworkInterfaces.By(r, state.ByPublic, a.String()) {
		for _, p := range n.Addresses {
			if p.PublicIP == a {
				o.region, o.nic, o.private = n.Region, n, p.Addr
			}
		}
	}
	for e := range state.Addresses.By(r, state.ByPublic, a.String()) {
		o.region, o.elastic = e.Region, e
	}
	return o, o.region != ""
}

// inPool says whether there may be public addresses in a block.
func inPool(r state.Reader, block netip.Prefix) bool {
	for _, p := range publicip.Pool(r) {
		if p.Overlaps(block) {
			return true
		}
	}
	return false
}
