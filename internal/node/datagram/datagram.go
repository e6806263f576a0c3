// Package datagram serves UDP sockets that are asked much: packets are read, and
// answers written, many with one system call.
//
// Invariant: whatever comes is answered in its order or lost, as packets may be, and
// nothing is done for it once the socket is closed. A socket at rest costs neither a
// thread nor a buffer; while it is asked, it is waited for in the kernel and not by
// way of the poller that it would share with everything else.
package datagram

import "net/netip"

// maxPacket is how much of a packet is read, in octets.
const maxPacket = 4096

// Packet is what came. Its text may be used until it is answered.
type Packet struct {
	Text []byte
	From netip.Addr
	To   netip.Addr // the zero one unless it is told

	peer peer
}

// Later gives what sends the answer to the packet when it takes longer: nothing else
// of the packet may be used by then. The answer is lost if the socket is closed.
func (p Packet) Later() func(answer []byte) { return p.peer.later() }

// Answer appends the answer to a packet, or nothing when there is to be none.
type Answer func(p Packet, out []byte) []byte
