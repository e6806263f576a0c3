package fabric

import (
	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/state"
)

// Front is what a packet to a balancer's node meets there.
type Front struct {
	Row      *state.LoadBalancer
	Balancer Balancer
	Node     Node
	Serves   bool            // the node takes packets: its zone has not failed
	Listener *state.Listener // that asks for the packet; nil: none
	Choice   balance.Choice  // of the listener
	Proxied  bool            // the node's proxy takes it
}

// FrontOf gives what an interface, of a balancer's node, does with a packet to it.
// False: it is no such interface, or packets do not pass the balancer.
func FrontOf(r state.Reader, n *state.NetworkInterface, h Header) (Front, bool) {
	if n == nil || n.InterfaceType != BalancerInterface {
		return Front{}, false
	}
	row, _, ok := NodeOf(r, n)
	if !ok {
		return Front{}, false
	}
	f := Front{Row: row}
	if f.Balancer, ok = LoadBalancer(r, row.Key); !ok {
		return Front{}, false
	}
	for _, node := range f.Balancer.Nodes {
		if node.Interface == n.Key {
			f.Node, f.Serves = node, node.Private == h.Dst
		}
	}
	protocol := map[uint8]string{TCP: "TCP", UDP: "UDP"}[h.Protocol]
	if !f.Serves || protocol == "" {
		return f, true
	}
	if f.Listener, ok = balance.ListenerAt(r, row, protocol, h.DPort); ok {
		f.Choice = balance.Choose(r, row, f.Node.Zone, f.Listener)
		f.Proxied = h.Protocol == TCP && f.Choice.Group != nil && balance.Proxied(f.Choice.Group)
	}
	return f, true
}

// Translates says whether the router itself sends the packet on to a target.
func (f Front) Translates() bool { return f.Listener != nil && !f.Proxied }

// Onward is the header that a target gets, the one in the slot of the flow or, when
// it is not known which port the client uses, the one of this number.
func (f Front) Onward(h Header, known bool, pick int) (Header, balance.Target) {
	ts, at := f.Choice.Targets, 0
	if known || balance.Sticky(f.Choice.Group) {
		at = balance.Spread(ts)[balance.Slot(h.Src, h.SPort, balance.Sticky(f.Choice.Group))]
	} else {
		at = pick % len(ts)
	}
	t := ts[at]
	h.Dst, h.DPort = t.Addr, t.Port
	if !balance.KeepsClient(f.Choice.Group) {
		h.Src = f.Node.Private
	}
	return h, t
}

// NodeExit decides where what a balancer's node sends goes: routes more specific than
// the local ones are not asked.
func (v VPC) NodeExit(r state.Reader, node *state.NetworkInterface, h Header) Exit {
	x := v.Exit(r, Entrance{Interface: node}, h)
	if v.Contains(h.Dst) {
		near, _ := InterfaceAt(r, v.Key.Scope(), v.Key.ID, h.Dst)
		return Exit{Table: x.Table, Inside: true, Interface: near}
	}
	return x
}
