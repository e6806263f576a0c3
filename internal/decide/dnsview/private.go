package dnsview

import (
	"net/netip"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/state"
)

// private is the zone of the Region's private names: ip-…, i-… and
// instance-data.
type private struct{}

// metadata is the address of the instance metadata service, which the name
// instance-data has in every Region.
var metadata = netip.AddrFrom4([4]byte{169, 254, 169, 254})

const metadataLabel = "instance-data"

func (private) answer(v *View, q Question) Answer {
	cause := Cause{Decider: Autodefined, Domain: v.domain}
	label, rest := q.Name.First()
	switch {
	case q.Name == v.domain:
		return recursive(cause).records(q, v.domain)
	case rest != v.domain:
		return recursive(cause).absent(v.domain) // nothing is two labels below
	case label == metadataLabel:
		return recursive(cause, Cause{Decider: ServiceName, Addr: metadata}).
			records(q, v.domain, address(q.Name, privateTTL, metadata))
	case strings.HasPrefix(label, "i-"):
		return resourceName(v, q, cause, label)
	}
	a, ok := parseIPLabel("ip-", label)
	if !ok {
		return recursive(cause).absent(v.domain)
	}
	if !answersIPName(v.vpc, a) {
		return recursive(cause, Cause{Decider: OutsideVpcRange, ID: v.vpc.ID, Addr: a}).absent(v.domain)
	}
	return recursive(cause, Cause{Decider: IPName, Addr: a}).records(q, v.domain, address(q.Name, privateTTL, a))
}

// answersIPName says whether the IP name of the address resolves in the VPC:
// addresses of RFC 1918 from any VPC of the Region (VPC User Guide, "DNS
// hostnames"), whether or not something has them; others in the VPC whose
// blocks hold them.
func answersIPName(v *state.Vpc, a netip.Addr) bool { return a.IsPrivate() || v.Contains(a) }

// resourceName answers i-… of an instance of the VPC. The name exists when one
// of the instance's options says so (EC2 User Guide, "Resource name").
func resourceName(v *View, q Question, cause Cause, id string) Answer {
	if !awsid.Valid("i", id) {
		return recursive(cause).absent(v.domain)
	}
	for i := range state.Instances.By(v.r, state.ByInstance, id) {
		if i.VpcID != v.vpc.ID || i.Region != v.vpc.Region || i.State == state.Terminated || !i.ResourceNameDnsA {
			continue
		}
		return recursive(cause, Cause{Decider: InstanceName, ID: id, Addr: i.PrivateIP}).
			records(q, v.domain, address(q.Name, privateTTL, i.PrivateIP))
	}
	return recursive(cause, Cause{Decider: InstanceName, ID: id}).absent(v.domain)
}
