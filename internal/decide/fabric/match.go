package fabric

import (
	"fmt"
	"net/netip"
	"strconv"
)

// Protocol numbers that rules treat specially (IANA protocol numbers).
const (
	AnyProtocol = -1
	ICMP        = 1
	TCP         = 6
	UDP         = 17
	ICMPv6      = 58
)

// Header is what rules look at in a packet. Ports are of TCP and UDP, Type and
// Code of ICMP; they are zero otherwise.
type Header struct {
	Src, Dst     netip.Addr
	Protocol     uint8
	SPort, DPort uint16
	Type, Code   uint8
}

func (h Header) String() string {
	switch {
	case h.HasPorts():
		return fmt.Sprintf("%s:%d > %s:%d protocol %d", h.Src, h.SPort, h.Dst, h.DPort, h.Protocol)
	case h.Protocol == ICMP:
		return fmt.Sprintf("%s > %s icmp type %d code %d", h.Src, h.Dst, h.Type, h.Code)
	}
	return fmt.Sprintf("%s > %s protocol %d", h.Src, h.Dst, h.Protocol)
}

// HasPorts says whether the protocol is one whose ports rules look at.
func (h Header) HasPorts() bool { return h.Protocol == TCP || h.Protocol == UDP }

// Reply gives the header of an answer. ICMP has answers to its requests only
// (RFC 792: echo, timestamp, information; RFC 950: address mask); other types
// are never part of a flow that groups remember.
func (h Header) Reply() (Header, bool) {
	back := Header{Src: h.Dst, Dst: h.Src, Protocol: h.Protocol, SPort: h.DPort, DPort: h.SPort}
	if h.Protocol != ICMP {
		return back, true
	}
	back.Code = h.Code
	switch h.Type {
	case 8:
		back.Type = 0
	case 13, 15, 17:
		back.Type = h.Type + 1
	default:
		return Header{}, false
	}
	return back, true
}

// Range is a range of ports, both ends included.
type Range struct{ Lo, Hi uint16 }

// AllPorts is the range of every port.
var AllPorts = Range{0, 65535}

// Contains says whether the port is in the range.
func (r Range) Contains(p uint16) bool { return r.Lo <= p && p <= r.Hi }

// Covers says whether all of o is in the range.
func (r Range) Covers(o Range) bool { return r.Lo <= o.Lo && o.Hi <= r.Hi }

// Overlaps says whether the ranges have a port in common.
func (r Range) Overlaps(o Range) bool { return r.Lo <= o.Hi && o.Lo <= r.Hi }

func (r Range) String() string {
	if r.Lo == r.Hi {
		return strconv.Itoa(int(r.Lo))
	}
	return fmt.Sprintf("%d-%d", r.Lo, r.Hi)
}

// Void says why a rule can match no packet. The zero value: it can.
type Void string

// The reasons.
const (
	VoidGroup      Void = "the group does not exist in this VPC"
	VoidPeering    Void = "the group is in a VPC that no active peering connection of this Region joins"
	VoidPrefixList Void = "the prefix list does not exist"
	VoidFamily     Void = "the protocol and the address are of different IP versions"
	VoidProtocol   Void = "the protocol is not known"
	VoidPorts      Void = "the range is empty"
)

// Match is what a rule of a group or an entry of an ACL asks of a packet. The
// peer is the source for ingress and the destination for egress.
type Match struct {
	Protocol int   // AnyProtocol or 0 to 255
	Ports    Range // of TCP and UDP, the destination's
	Type     int   // of ICMP, -1: all
	Code     int   // of ICMP, -1: all
	Cidr     netip.Prefix
	Group    string // members of this group; then Cidr is not valid
	Peering  string // of a group in another VPC: what joins the two
	Through  bool   // the group is a balancer's: also what comes through that
	Void     Void
}

// Family is 4 or 6, or 0 for rules of both.
func (m Match) Family() int {
	switch {
	case m.Protocol == ICMPv6:
		return 6
	case !m.Cidr.IsValid() && m.Protocol == ICMP:
		return 4
	case !m.Cidr.IsValid():
		return 0
	case m.Cidr.Addr().Is4():
		return 4
	}
	return 6
}

// HasPorts says whether the rule looks at ports.
func (m Match) HasPorts() bool { return m.Protocol == TCP || m.Protocol == UDP }

// IsICMP says whether the rule looks at ICMP's type and code.
func (m Match) IsICMP() bool { return m.Protocol == ICMP || m.Protocol == ICMPv6 }

// Asks says whether the header matches, given its address on the peer's side
// and a test of membership for groups.
func (m Match) Asks(h Header, peer netip.Addr, member func(m Match, a netip.Addr) bool) bool {
	if m.Void != "" || m.Protocol != AnyProtocol && m.Protocol != int(h.Protocol) {
		return false
	}
	if family := m.Family(); family != 0 && (family == 4) != peer.Is4() {
		return false
	}
	if m.HasPorts() && !m.Ports.Contains(h.DPort) {
		return false
	}
	if m.IsICMP() && (m.Type >= 0 && m.Type != int(h.Type) || m.Code >= 0 && m.Code != int(h.Code)) {
		return false
	}
	if m.Group != "" {
		return member(m, peer)
	}
	return m.Cidr.Contains(peer)
}

func (m Match) String() string {
	s := "all"
	switch {
	case m.HasPorts():
		s = fmt.Sprintf("%s %s", map[int]string{TCP: "tcp", UDP: "udp"}[m.Protocol], m.Ports)
	case m.IsICMP():
		s = fmt.Sprintf("icmp type %d code %d", m.Type, m.Code)
	case m.Protocol != AnyProtocol:
		s = fmt.Sprintf("protocol %d", m.Protocol)
	}
	if m.Group != "" {
		s += " " + m.Group
		if m.Peering != "" {
			s += " by " + m.Peering
		}
	} else if m.Cidr.IsValid() {
		s += " " + m.Cidr.String()
	}
	if m.Void != "" {
		s += " (" + string(m.Void) + ")"
	}
	return s
}

// newMatch normalises the protocol and ports (or ICMP type and code) as rules
// of groups and entries of ACLs give them. Protocols other than TCP, UDP and
// ICMP have no ports, whatever is given (API Reference, IpPermission).
func newMatch(protocol string, from, to, icmpType, icmpCode int32, cidr netip.Prefix) Match {
	m := Match{Ports: AllPorts, Type: -1, Code: -1}
	switch protocol {
	case "-1", "all":
		m.Protocol = AnyProtocol
	case "tcp":
		m.Protocol = TCP
	case "udp":
		m.Protocol = UDP
	case "icmp":
		m.Protocol = ICMP
	case "icmpv6":
		m.Protocol = ICMPv6
	default:
		n, err := strconv.Atoi(protocol)
		if err != nil || n < 0 || n > 255 {
			m.Void = VoidProtocol
		}
		m.Protocol = n
	}
	if cidr.IsValid() {
		m.Cidr = cidr.Masked()
		if m.Protocol == ICMP && !cidr.Addr().Is4() || m.Protocol == ICMPv6 && cidr.Addr().Is4() {
			m.Void = VoidFamily
		}
	}
	switch {
	case m.HasPorts() && from >= 0:
		if from > to || to > 65535 {
			m.Void = VoidPorts
		}
		m.Ports = Range{uint16(from), uint16(to)}
	case m.IsICMP() && icmpType >= 0:
		m.Type = int(icmpType)
		m.Code = max(int(icmpCode), -1)
	}
	return m
}
