// Package plan holds the desired kernel objects as plain values, and turns the
// difference between two sets of them into ordered operations.
//
// Invariant: a value of this package says everything its effect needs and
// nothing about where it came from except in Cause; two objects with the same
// Key and the same String are the same kernel state.
package plan

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Netns names a network namespace of the world: "vpc-…" is the router of one
// VPC, "i-…" an instance, "inet" the simulated internet, "nat-…" a NAT gateway.
type Netns string

// Kind orders the classes of objects. Creation goes in ascending, removal in
// descending order (design: ../../../docs/design/decide.md).
type Kind int

// The kinds, in the order in which they have to exist.
const (
	KindNetns Kind = iota + 1
	KindSysctl
	KindLink
	KindAddr
	KindNeigh
	KindRoute
	KindIPRule
	KindSet     // set or map, without elements
	KindChain   // chain with its rules
	KindElement // element of a set or map
	KindService // a listener inside a router: resolver, metadata
)

// Object is one thing in the kernel.
type Object interface {
	Kind() Kind
	NS() Netns
	// Key identifies the object within the world for all its life, unique
	// across kinds. Two objects with one Key and different String are a change.
	Key() string
	// String is the whole object in one line of canonical text.
	String() string
}

// Router is the network namespace of a VPC, with the sysctls and the nft table
// "vpc" that every router has. Of policy rules it has the stock
// ones: table local at 0, main at 32766, default at 32767.
type Router struct{ Name Netns }

func (o Router) Kind() Kind     { return KindNetns }
func (o Router) NS() Netns      { return o.Name }
func (o Router) Key() string    { return "netns " + string(o.Name) }
func (o Router) String() string { return o.Key() }

// Sysctl is one value under /proc/sys of a namespace, path with slashes.
type Sysctl struct {
	Netns       Netns
	Path, Value string
}

func (o Sysctl) Kind() Kind     { return KindSysctl }
func (o Sysctl) NS() Netns      { return o.Netns }
func (o Sysctl) Key() string    { return fmt.Sprintf("sysctl %s %s", o.Netns, o.Path) }
func (o Sysctl) String() string { return o.Key() + " = " + o.Value }

// Link is a veth pair: Name in the router Netns, PeerName inside Peer.
// Group is the interface group of the router's end: the subnet number. PeerGroup is
// that of the other one, where Peer is a router whose rules ask for it, else 0.
type Link struct {
	Netns     Netns
	Name      string // at most 15 bytes
	MAC       string // of the router's end, also the gateway's MAC inside
	Group     uint32
	Peer      Netns
	PeerName  string
	PeerMAC   string
	PeerGroup uint32
	MTU       int
	Delay     time.Duration // of what leaves by the router's end, microseconds
}

func (o Link) Kind() Kind  { return KindLink }
func (o Link) NS() Netns   { return o.Netns }
func (o Link) Key() string { return fmt.Sprintf("link %s %s", o.Netns, o.Name) }
func (o Link) String() string {
	s := fmt.Sprintf("%s mac %s group %d mtu %d peer %s %s mac %s", o.Key(), o.MAC, o.Group, o.MTU, o.Peer, o.PeerName, o.PeerMAC)
	if o.PeerGroup != 0 {
		s += fmt.Sprintf(" group %d", o.PeerGroup)
	}
	if o.Delay != 0 {
		s += " delay " + o.Delay.String()
	}
	return s
}

// SamePair says whether two states of a link are of one pair: another peer, or
// another name there, is a pair made anew.
func (o Link) SamePair(other Link) bool { return o.Peer == other.Peer && o.PeerName == other.PeerName }

// LinkOf names the interface that an object goes with, "" when it is none.
func LinkOf(o Object) string {
	switch o := o.(type) {
	case Addr:
		return o.Link
	case Neigh:
		return o.Link
	case Route:
		return o.Link
	}
	return ""
}

// Addr is an address on a link ("lo" included).
type Addr struct {
	Netns  Netns
	Link   string
	Prefix netip.Prefix
}

func (o Addr) Kind() Kind     { return KindAddr }
func (o Addr) NS() Netns      { return o.Netns }
func (o Addr) Key() string    { return fmt.Sprintf("addr %s %s %s", o.Netns, o.Link, o.Prefix) }
func (o Addr) String() string { return o.Key() }

// Neigh is a permanent neighbour entry.
type Neigh struct {
	Netns Netns
	Link  string
	IP    netip.Addr
	MAC   string
}

func (o Neigh) Kind() Kind     { return KindNeigh }
func (o Neigh) NS() Netns      { return o.Netns }
func (o Neigh) Key() string    { return fmt.Sprintf("neigh %s %s %s", o.Netns, o.Link, o.IP) }
func (o Neigh) String() string { return o.Key() + " mac " + o.MAC }

// RouteType is the kernel's route type; the zero value is unicast.
type RouteType string

const (
	Unicast   RouteType = ""
	Blackhole RouteType = "blackhole"
)

// Route is a route in one table; table 254 is main. A route with a Via and
// Onlink needs no address on the link.
type Route struct {
	Netns  Netns
	Table  int
	Dst    netip.Prefix
	Type   RouteType
	Link   string
	Via    netip.Addr // zero: on link
	Onlink bool
	Source netip.Addr // preferred source, zero: none
	Cause  string     // resource id, not in the kernel
}

func (o Route) Kind() Kind  { return KindRoute }
func (o Route) NS() Netns   { return o.Netns }
func (o Route) Key() string { return fmt.Sprintf("route %s %d %s", o.Netns, o.Table, o.Dst) }
func (o Route) String() string {
	var b strings.Builder
	b.WriteString(o.Key())
	if o.Type != Unicast {
		b.WriteString(" " + string(o.Type))
	}
	if o.Via.IsValid() {
		b.WriteString(" via " + o.Via.String())
	}
	if o.Link != "" {
		b.WriteString(" dev " + o.Link)
	}
	if o.Onlink {
		b.WriteString(" onlink")
	}
	if o.Source.IsValid() {
		b.WriteString(" src " + o.Source.String())
	}
	return b.String()
}

// IPRule is a policy routing rule. Zero fields do not match on anything.
type IPRule struct {
	Netns    Netns
	Family   int // 4 or 6
	Pref     int
	Mark     uint32
	Mask     uint32
	From     netip.Prefix
	IIf, OIf string
	Table    int
}

func (o IPRule) Kind() Kind { return KindIPRule }
func (o IPRule) NS() Netns  { return o.Netns }
func (o IPRule) Key() string {
	return fmt.Sprintf("rule %s %d pref %d", o.Netns, o.Family, o.Pref)
}
func (o IPRule) String() string {
	var b strings.Builder
	b.WriteString(o.Key())
	if o.From.IsValid() {
		b.WriteString(" from " + o.From.String())
	}
	if o.Mask != 0 {
		fmt.Fprintf(&b, " fwmark %#x/%#x", o.Mark, o.Mask)
	}
	if o.IIf != "" {
		b.WriteString(" iif " + o.IIf)
	}
	if o.OIf != "" {
		b.WriteString(" oif " + o.OIf)
	}
	fmt.Fprintf(&b, " lookup %d", o.Table)
	return b.String()
}

// Service is a listener that the node opens inside a router namespace.
type Service struct {
	Netns Netns
	Name  string // "dns", "metadata", "api", …
	Proto string // "udp" or "tcp"
	Addr  netip.AddrPort
}

func (o Service) Kind() Kind { return KindService }
func (o Service) NS() Netns  { return o.Netns }
func (o Service) Key() string {
	return fmt.Sprintf("service %s %s %s %s", o.Netns, o.Name, o.Proto, o.Addr)
}
func (o Service) String() string { return o.Key() }
