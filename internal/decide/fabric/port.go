package fabric

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/localvpc/localvpc/internal/state"
)

// Port is a network interface through which packets pass: attached to an
// instance that is pending or running, a NAT gateway's, or a balancer's node.
type Port struct {
	Key             state.Key
	VPC             string
	Subnet          string
	Number          uint32 // of the subnet
	Cidr            netip.Prefix
	Gateway         netip.Addr
	Instance        string // the namespace it leads into: of an instance, a NAT gateway or a balancer
	Nat             bool   // it is a NAT gateway's
	Balancer        string // the load balancer that it is a node of
	Guarded         bool   // … which has groups; otherwise none are asked
	Index           int    // device index
	Inside          string // its name in the instance: eth0
	Link            string // its name in the router
	MAC             string
	RouterMAC       string         // of the gateway, as the instance sees it
	Addrs           []netip.Addr   // the primary one first
	Prefixes        []netip.Prefix // delegated, IPv4
	Groups          []string       // sorted; only those that exist in the VPC
	SourceDestCheck bool
	Several         bool // the instance has more than one port
	Publics         []Public
	Outer           string // the gateway's link in the internet, when there are any
	IdleTimeout     int    // of a NAT gateway's flows, in seconds
	Fault           Fault
	References      []Reference
}

// Public is a public address that the internet gateway puts in the place of a
// private one.
type Public struct{ Private, Public netip.Addr }

// LinkName is the name of an interface in its VPC's router: "e" and the last 14
// digits of its id, within the 15 bytes that Linux allows.
func LinkName(eni string) string {
	digits := strings.TrimPrefix(eni, "eni-")
	return "e" + digits[max(0, len(digits)-14):]
}

// RouterMAC is the address of an interface's gateway: the interface's own with
// one bit of the first byte turned, so that it is as unique.
func RouterMAC(mac string) string {
	var first [1]byte
	if len(mac) < 2 {
		return mac
	}
	if _, err := hex.Decode(first[:], []byte(mac[:2])); err != nil {
		return mac
	}
	return fmt.Sprintf("%02x%s", first[0]^0x40, mac[2:])
}

// Active says whether an instance in this state sends and receives packets: one
// that is stopping has its network until its last process has ended.
func Active(s state.InstanceState) bool { return s != state.Stopped && s != state.Terminated }

// LoadPort derives a port. It is not there when the interface is not attached
// to an instance that is on.
func LoadPort(r state.Reader, k state.Key) (Port, bool) {
	row, ok := state.NetworkInterfaces.Get(r, k)
	if !ok || !carries(r, row) {
		return Port{}, false
	}
	scope := k.Scope()
	subnet, ok := state.Subnets.Get(r, scope.Key(row.SubnetID))
	if !ok || !hasVPC(r, scope, row.VpcID) {
		return Port{}, false
	}
	p := Port{
		Key: k, VPC: row.VpcID, Subnet: row.SubnetID,
		Number: subnet.Number, Cidr: subnet.Cidr.Masked(), Gateway: subnet.Gateway(),
		Link: LinkName(row.ID), MAC: row.MAC, RouterMAC: RouterMAC(row.MAC),
		SourceDestCheck: Checked(row), Fault: FaultOf(r, row),
	}
	if nat, ok := natOf(r, row); ok {
		p.Instance, p.Nat, p.IdleTimeout = nat.ID, true, NatIdleTimeout(r)
	} else if b, at, ok := NodeOf(r, row); ok && row.InterfaceType == BalancerInterface {
		p.Instance, p.Index, p.Balancer, p.Guarded, p.Several = BalancerSpace(b), at, b.ID, b.Guarded, true
	} else {
		p.Instance, p.Index = row.Attachment.InstanceID, int(row.Attachment.DeviceIndex)
	}
	p.Inside = fmt.Sprintf("eth%d", p.Index)
	_, open := GatewayOf(r, scope, row.VpcID)
	for _, a := range row.Addresses {
		if a.Addr.Is4() {
			p.Addrs = append(p.Addrs, a.Addr)
		}
		if open && a.PublicIP.IsValid() {
			p.Publics = append(p.Publics, Public{a.Addr, a.PublicIP})
			p.Outer = outerLink(row.VpcID)
		}
	}
	for _, d := range row.Prefixes {
		if d.Addr().Is4() {
			p.Prefixes = append(p.Prefixes, d)
		}
	}
	p.Groups = existing(r, scope, row.VpcID, row.Groups)
	p.References = references(r, scope.Key(row.VpcID), p.Groups)
	for other := range state.NetworkInterfaces.By(r, state.ByInstance, p.Instance) {
		if other.ID != k.ID && other.Scope() == scope && carries(r, other) {
			p.Several = true
		}
	}
	return p, true
}

// mayCarry says whether an interface is a unit: packets pass it if the instance
// or gateway that has it is on.
func mayCarry(n *state.NetworkInterface) bool {
	return n.Attachment != nil || n.InterfaceType == NatInterface || n.InterfaceType == BalancerInterface
}

// carries says whether packets pass an interface: it is attached to an instance
// that is on, or belongs to a NAT gateway that is available.
func carries(r state.Reader, n *state.NetworkInterface) bool {
	if n.InterfaceType == NatInterface {
		_, ok := natOf(r, n)
		return ok
	}
	if n.InterfaceType == BalancerInterface {
		return nodeCarries(r, n)
	}
	if n.Attachment == nil || len(n.Addresses) == 0 || n.Attachment.Status == "detaching" || n.Attachment.Status == "detached" {
		return false
	}
	i, ok := state.Instances.Get(r, n.Scope().Key(n.Attachment.InstanceID))
	return ok && Active(i.State)
}

// InterfaceAt finds the interface that has an address in a VPC.
func InterfaceAt(r state.Reader, scope state.Scope, vpc string, a netip.Addr) (*state.NetworkInterface, bool) {
	for n := range state.NetworkInterfaces.By(r, state.ByAddress, state.VpcAddress(vpc, a)) {
		if n.Scope() == scope {
			return n, true
		}
	}
	return nil, false
}

// Member says whether an address belongs to an interface of a group: a
// reference to a group means the private addresses, primary and secondary, of
// its members (VPC User Guide, "Security group rules"); those of interfaces that
// nothing passes make no difference and are left out, as in the rules. A group of
// another VPC has its members behind the peering connection that the packet comes
// by, or goes by; via is that, "" for none.
func Member(r state.Reader, scope state.Scope, vpc, via string) func(m Match, a netip.Addr) bool {
	return func(m Match, a netip.Addr) bool {
		at := scope.Key(vpc)
		if m.Peering != "" {
			other, ok := PeerVPC(r, at, m.Peering)
			if !ok || m.Peering != via {
				return false
			}
			at = other
		}
		n, ok := InterfaceAt(r, at.Scope(), at.ID, a)
		return ok && slices.Contains(n.Groups, m.Group) && carries(r, n)
	}
}
