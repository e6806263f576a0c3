package fabric

import (
	"net/netip"
	"strconv"

	"github.com/localvpc/localvpc/internal/state"
)

// NatInterface is the type of the interfaces of NAT gateways (EC2 API Reference,
// NetworkInterface).
const NatInterface = "nat_gateway"

// natIdle is where the idle time is kept, of no account and no Region.
var natIdle = state.Key{ID: "nat-idle-timeout"}

// defaultNatIdle is AWS's, in seconds (VPC User Guide, "Troubleshoot NAT gateways").
const defaultNatIdle = 350

// NatIdleTimeout is how long a NAT gateway keeps a flow that is idle, in seconds.
func NatIdleTimeout(r state.Reader) int {
	if row, ok := state.Settings.Get(r, natIdle); ok {
		if n, err := strconv.Atoi(row.Value); err == nil && n > 0 {
			return n
		}
	}
	return defaultNatIdle
}

// SetNatIdleTimeout keeps another idle time; it holds from the next start on. 0 is
// the default.
func SetNatIdleTimeout(tx *state.Tx, seconds int) {
	switch {
	case seconds == NatIdleTimeout(tx):
	case seconds == 0 || seconds == defaultNatIdle:
		state.Settings.Delete(tx, natIdle)
	default:
		state.Settings.Put(tx, &state.Setting{Meta: state.Meta{Key: natIdle}, Value: strconv.Itoa(seconds)})
	}
}

// natOf finds the NAT gateway that an interface belongs to, if packets pass it.
func natOf(r state.Reader, n *state.NetworkInterface) (*state.NatGateway, bool) {
	for g := range state.NatGateways.By(r, state.ByInterface, n.ID) {
		if g.Scope() == n.Scope() && natCarries(g) && len(n.Addresses) > 0 {
			return g, true
		}
	}
	return nil, false
}

// natCarries says whether packets pass a NAT gateway.
func natCarries(g *state.NatGateway) bool { return g.State == "available" }

// Checked says whether an interface drops what is neither from nor for one of
// its own addresses.
func Checked(n *state.NetworkInterface) bool {
	return n.InterfaceType == BalancerInterface || n.InterfaceType != NatInterface && n.SourceDestCheck
}

// NatSource is the address that a NAT gateway gives a packet: connections are
// spread over its addresses by the client's port.
func (p Port) NatSource(h Header) netip.Addr {
	if !h.HasPorts() {
		return p.Addrs[0]
	}
	return p.Addrs[int(h.SPort>>NatSpreadShift)%NatSpreads%len(p.Addrs)]
}

// NatSpreads is how many classes of ports there are, told apart by the bits above
// NatSpreadShift: Linux chooses even ports first, so the lowest one says little.
const (
	NatSpreadShift = 3
	NatSpreads     = 8
)
