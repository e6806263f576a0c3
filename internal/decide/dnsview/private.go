package dnsview

import (
	"net/netip"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/state"
)

// private is the zone of a Region's private names: ip-…, i-… and instance-data.
type private struct {
	region string
	apex   Name
	by     string // the peering connection by which another Region's is known
}

// metadata is the address of the instance metadata service, which the name
// instance-data has in every Region.
var metadata = netip.AddrFrom4([4]byte{169, 254, 169, 254})

const metadataLabel = "instance-data"

func (z private) answer(v *View, q Question) Answer {
	cause := Cause{Decider: Autodefined, Domain: z.apex}
	recursive := func(more ...Cause) Answer {
		if z.by != "" {
			more = append([]Cause{{Decider: PeeringOn, ID: z.by}}, more...)
		}
		return recursive(more...)
	}
	label, rest := q.Name.First()
	switch {
	case q.Name == z.apex:
		return recursive(cause).records(q, z.apex)
	case rest != z.apex:
		return recursive(cause).absent(z.apex) // nothing is two labels below
	case label == metadataLabel:
		return recursive(cause, Cause{Decider: ServiceName, Addr: metadata}).
			records(q, z.apex, address(q.Name, privateTTL, metadata))
	case strings.HasPrefix(label, "i-"):
		return z.resourceName(v, q, cause, label)
	}
	a, ok := parseIPLabel("ip-", label)
	if !ok {
		return recursive(cause).absent(z.apex)
	}
	if !z.answersIPName(v, a) {
		return recursive(cause, Cause{Decider: OutsideVpcRange, ID: v.vpc.ID, Addr: a}).absent(z.apex)
	}
	return recursive(cause, Cause{Decider: IPName, Addr: a}).records(q, z.apex, address(q.Name, privateTTL, a))
}

// answersIPName says whether the IP name of the address resolves in the VPC:
// addresses of RFC 1918 from any VPC of the Region (VPC User Guide, "DNS
// hostnames"), whether or not something has them; others in the VPC whose
// blocks hold them, and for its peers.
func (z private) answersIPName(v *View, a netip.Addr) bool {
	if _, ok := v.peerWith(z.region, a); ok || a.IsPrivate() {
		return true
	}
	return v.vpc.Region == z.region && v.vpc.Contains(a)
}

// resourceName answers i-… of an instance of the VPC. The name exists when one
// of the instance's options says so (EC2 User Guide, "Resource name").
func (z private) resourceName(v *View, q Question, cause Cause, id string) Answer {
	if !awsid.Valid("i", id) {
		return recursive(cause).absent(z.apex)
	}
	for i := range state.Instances.By(v.r, state.ByInstance, id) {
		if i.VpcID != v.vpc.ID || i.Region != v.vpc.Region || i.State == state.Terminated || !i.ResourceNameDnsA {
			continue
		}
		return recursive(cause, Cause{Decider: InstanceName, ID: id, Addr: i.PrivateIP}).
			records(q, z.apex, address(q.Name, privateTTL, i.PrivateIP))
	}
	return recursive(cause, Cause{Decider: InstanceName, ID: id}).absent(z.apex)
}
