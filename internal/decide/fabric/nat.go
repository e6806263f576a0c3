package fabric

import "github.com/localvpc/localvpc/internal/state"

// NatInterface is the type of the interfaces of NAT gateways (EC2 API Reference,
// NetworkInterface).
const NatInterface = "nat_gateway"

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

// checked says whether an interface drops what is neither from nor for one of
// its own addresses.
func checked(n *state.NetworkInterface) bool {
	return n.InterfaceType != NatInterface && n.SourceDestCheck
}
