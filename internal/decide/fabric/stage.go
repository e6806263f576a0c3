package fabric

import "slices"

// Stage is one question that is asked about a packet. A packet arrives when
// every stage on its way lets it pass.
type Stage int

// The stages. Path gives their order.
const (
	// Sending: does the sender's link carry anything? It does unless it was broken on
	// purpose.
	Sending Stage = iota + 1
	// Source: an interface sends only from its own addresses
	// (VPC User Guide, "source/destination checking").
	Source
	// Destination: the address is one of the VPC's services, an interface of
	// the VPC by its local route, or nothing. It comes before the ACLs because
	// it decides whether they are on the way: not for services, and not inside
	// one subnet. Gateways, NAT and peering will be further answers here.
	Destination
	// AclOut and AclIn: the network ACLs of the two subnets, stateless, only
	// between different subnets (VPC User Guide, "Network ACLs").
	AclOut
	AclIn
	// Tracked: packets of a flow that was accepted before pass both groups
	// (VPC User Guide, "Security groups": stateful).
	Tracked
	// GroupOut and GroupIn: the union of the rules of all groups of the
	// sending and of the receiving interface.
	GroupOut
	GroupIn
	// Balance: a load balancer's listener has a target for the packet, which is not
	// who sent it.
	Balance
	// The same as above between a balancer's node and its target, in the second
	// half of a packet's way (NLB User Guide, "Security groups").
	NodeAclOut
	NodeAclIn
	NodeGroupOut
	NodeGroupIn
	// Leave: what leaves a VPC by its internet gateway has a public address
	// (VPC User Guide, "Internet gateways").
	Leave
	// Taking: does the receiver's link?
	Taking

	Stages = iota + 1 // above every stage
)

func (s Stage) String() string {
	switch s {
	case Sending:
		return "sending"
	case Taking:
		return "taking"
	case Source:
		return "source"
	case Destination:
		return "destination"
	case AclOut:
		return "acl out"
	case AclIn:
		return "acl in"
	case Tracked:
		return "tracked"
	case GroupOut:
		return "group out"
	case GroupIn:
		return "group in"
	case Balance:
		return "balance"
	case NodeAclOut:
		return "acl out of the node"
	case NodeAclIn:
		return "acl in behind the node"
	case NodeGroupOut:
		return "group out of the node"
	case NodeGroupIn:
		return "group in behind the node"
	case Leave:
		return "leave"
	}
	return "unknown stage"
}

// path is the one order of the stages. The verdict does not depend on it, for
// all stages have to let a packet pass; which of several refusals comes first
// does, and both readers build on it.
var path = [...]Stage{Sending, Source, Destination, AclOut, AclIn, Tracked, GroupOut, GroupIn, Balance, NodeAclOut, NodeAclIn, NodeGroupOut, NodeGroupIn, Leave, Taking}

// Before says whether a stage is asked before another one.
func (s Stage) Before(other Stage) bool {
	return slices.Index(path[:], s) < slices.Index(path[:], other)
}

// Behind is a stage as it is asked between a balancer's node and its target.
func (s Stage) Behind() Stage {
	switch s {
	case AclOut:
		return NodeAclOut
	case AclIn:
		return NodeAclIn
	case GroupOut:
		return NodeGroupOut
	case GroupIn, Tracked:
		return NodeGroupIn
	case Destination:
		return Balance
	}
	return s
}

// Path gives the stages in their order.
func Path() [len(path)]Stage { return path }

// Direction is the direction of a rule, as seen from its holder.
type Direction string

// The two directions, in the words of AWS's Explanation type.
const (
	Egress  Direction = "egress"
	Ingress Direction = "ingress"
)
