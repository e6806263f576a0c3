// Package reach explains what becomes of a packet: the components on its way
// there and back, the rules that decided, and every reason why it would not
// arrive.
//
// Invariant: pure; it asks the fabric's stages in the fabric's order and decides
// nothing itself; a reason is a code of AWS's and typed ids, never prose.
package reach

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/state"
)

// Query asks for one kind of packet.
type Query struct {
	Scope       state.Scope
	Source      Endpoint
	Destination Endpoint
	Protocol    uint8
	Port        uint16 // the destination's, of TCP and UDP
	SourcePort  uint16 // 0: any port that a client may choose
	Type, Code  uint8  // of ICMP
}

// Endpoint is one end: an instance (its primary interface), an interface, or an
// address alone. With an address as well, that one of the interface's is meant;
// a source may give one that it does not have.
type Endpoint struct {
	Scope     state.Scope // of the ids; zero: the query's
	Instance  string
	Interface string
	Vpc       string // of an address alone; empty: found out
	Outside   bool   // of an address alone: in the simulated internet
	Host      string // a host of the simulated internet
	Addr      netip.Addr
}

// Report is the answer.
type Report struct {
	Reachable bool    // it arrives, and what is answered arrives as well
	Arrives   bool    // the way there alone
	Forward   []Hop   // in AWS's order of components
	Return    []Hop   // empty for packets that have no answer
	Because   []Cause // all that blocks, both ways, in the order of the hops
}

// First is the blocking cause that a packet meets first on its way there or
// back: the one that the kernel acts on. Nil: none.
func (r Report) First(back bool) *Cause {
	var first *Cause
	for i, c := range r.Because {
		if c.Return == back && (first == nil || c.Leg < first.Leg || c.Leg == first.Leg && c.Stage.Before(first.Stage)) {
			first = &r.Because[i]
		}
	}
	return first
}

// Kind is the kind of a hop's component, in the words of AWS's resource types.
type Kind string

// The kinds.
const (
	KindInstance   Kind = "instance"
	KindInterface  Kind = "network-interface"
	KindGroup      Kind = "security-group"
	KindAcl        Kind = "network-acl"
	KindRouteTable Kind = "route-table"
	KindVpc        Kind = "vpc" // the VPC itself answers: Rule is the service
	KindGateway    Kind = "internet-gateway"
	KindNat        Kind = "natgateway"
	KindBalancer   Kind = "load-balancer"
	KindHost       Kind = "host" // outside of every VPC
	KindFault      Kind = "fault"
	KindPeering    Kind = "vpc-peering-connection"
)

// Hop is one component on the way.
type Hop struct {
	Kind      Kind
	ID        string
	Leg       int          // which router on the way it belongs to, from 1
	Space     string       // that router: of a VPC, a NAT gateway, the internet
	Stage     fabric.Stage // what it decides; zero: nothing
	Direction fabric.Direction
	Rule      string        // sgr-…, acl-…/100, rtb-…/10.0.0.0/16: what let it pass or, of an ACL, refused it
	Stateful  bool          // passes because the way there did
	Header    fabric.Header // as it arrives here
	After     fabric.Header // as a translator sends it on; zero: as it came
	Blocked   []Cause       // empty: it passes
}

// Code is one of AWS's explanation codes (VPC Reachability Analyzer guide,
// "Explanation codes").
type Code string

// The codes that this package gives.
const (
	BadState             Code = "BAD_STATE"
	BadStateAttachment   Code = "BAD_STATE_ATTACHMENT"
	BadStateRoute        Code = "BAD_STATE_ROUTE"
	CannotRoute          Code = "CANNOT_ROUTE"
	DisconnectedVpcs     Code = "DISCONNECTED_VPCS"
	EniAddress           Code = "ENI_ADDRESS_RESTRICTION"
	EniGroupRules        Code = "ENI_SG_RULES_MISMATCH"
	EniSourceDest        Code = "ENI_SOURCE_DEST_CHECK_RESTRICTION"
	GatewaySpoof         Code = "GATEWAY_REJECTS_SPOOFED_TRAFFIC"
	GroupHasNoRules      Code = "SG_HAS_NO_RULES"
	IgwPublicEgress      Code = "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS"
	MoreSpecificRoute    Code = "MORE_SPECIFIC_ROUTE"
	Hairpin              Code = "ELBV2_SOURCE_ADDRESS_PRESERVATION"
	NoListener           Code = "ELBV2_LISTENERS_MISMATCH"
	NoTargetGroup        Code = "ELBV2_LISTENER_HAS_NO_TG"
	NoTargets            Code = "ELBV2_NO_TARGETS_IN_AZ"
	NoPath               Code = "NO_PATH"
	NoPossible           Code = "NO_POSSIBLE_DESTINATION"
	NoRoute              Code = "NO_ROUTE_TO_DESTINATION"
	NoSourceOrDest       Code = "NO_SOURCE_OR_DESTINATION"
	PeerAddress          Code = "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR"
	ProtocolRestriction  Code = "PROTOCOL_RESTRICTION"
	SubnetAcl            Code = "SUBNET_ACL_RESTRICTION"
	TargetAddress        Code = "TARGET_ADDRESS_RESTRICTION"
	UnassociatedResource Code = "UNASSOCIATED_COMPONENT"
	UnknownResource      Code = "UNKNOWN_RESOURCE"
	UnsupportedComponent Code = "UNSUPPORTED_COMPONENT"
)

// Cause is one reason why a packet does not pass. Fields that say nothing about
// it are zero.
type Cause struct {
	Code      Code
	Leg       int    // which router on the way refuses, from 1
	Space     string // that router
	Stage     fabric.Stage
	Direction fabric.Direction
	Return    bool // on the way back
	Component string
	Interface string         // whose groups or addresses are meant
	Zone      string         // of the balancer's node
	Subnet    string         // whose ACL or route table is meant
	Rule      string         // of an ACL or a route table: what refused it
	State     string         // of the component, or of the peering connection, when that is the reason
	Peering   string         // the peering connection that the packet comes by, or could go by
	Groups    []string       // of the interface
	Rules     []Considered   // of the groups, in the direction
	Addrs     []netip.Addr   // that the interface has
	Ports     []fabric.Range // of an ACL on the way back: the client's ports that do get answers
	Was       netip.Addr     // of groups: the sender's address before the gateway, which a rule would allow
	Header    fabric.Header
}

// Considered is a rule of a group that did not match, and why.
type Considered struct {
	Group string
	Rule  fabric.Rule
	Miss  Miss
}

// Miss says in what a rule and a packet differ; they may in several.
type Miss struct {
	Protocol bool
	Ports    bool // or ICMP's type and code
	Peer     bool // the CIDR or the members of the group
	Void     fabric.Void
}

// Walk explains a packet. Where a load balancer may send it to several targets, one
// that it does not get to and back is the answer.
func Walk(r state.Reader, q Query) Report {
	first, picks := explain(r, q, 0)
	for pick := 1; first.Reachable && pick < picks; pick++ {
		if other, _ := explain(r, q, pick); !other.Reachable {
			return other
		}
	}
	return first
}

// explain asks about one of the targets, and says how many there are.
func explain(r state.Reader, q Query, pick int) (report Report, picks int) {
	w := walk{r: r, q: q, pick: pick, passed: map[passage]bool{}, came: map[string]string{}}
	hint := q.Destination.Vpc
	if q.Source.Interface == "" && q.Source.Instance == "" && q.Source.Host == "" && !q.Source.Outside {
		if dst, cause := w.resolve(q.Destination, ""); cause == nil {
			hint = dst.vpc // of a source that is an address alone
		}
	}
	src, cause := w.resolve(q.Source, hint)
	if cause != nil {
		cause.Stage, cause.Direction = fabric.Source, fabric.Egress
		return Report{Because: []Cause{*cause}}, 0
	}
	dst, cause := w.resolve(q.Destination, src.vpc)
	if cause != nil {
		cause.Stage, cause.Direction = fabric.Destination, fabric.Ingress
		return Report{Because: []Cause{*cause}}, 0
	}
	if src.outside && dst.eni != nil && q.Destination.Addr == (netip.Addr{}) {
		// Who is outside means the public address; without one there is no way.
		if public := fabric.PublicOf(dst.eni, dst.addr); public.IsValid() {
			dst.addr = public
		}
	}
	w.src, w.dst = src, dst
	w.header = fabric.Header{Src: src.addr, Dst: dst.addr, Protocol: q.Protocol, SPort: q.SourcePort, DPort: q.Port, Type: q.Type, Code: q.Code}
	if !w.header.HasPorts() {
		w.header.SPort, w.header.DPort = 0, 0
	}
	if q.Protocol != fabric.ICMP {
		w.header.Type, w.header.Code = 0, 0
	}
	report = w.report()
	return report, w.picks
}
