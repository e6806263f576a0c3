package relay

import (
	"encoding/binary"
	"net/netip"
)

// signature begins a header (The PROXY protocol, version 2, section 2.2).
const signature = "\r\n\r\n\x00\r\nQUIT\n"

// Version and command, family and protocol.
const (
	local  = 0x20
	proxy  = 0x21
	unspec = 0x00
	tcp4   = 0x11
	tcp6   = 0x21
)

// Header tells a target who the client is and where he has asked: the node's own
// address, as with AWS. It has no further fields; AWS's has some for endpoint services.
func Header(client, node netip.AddrPort) []byte {
	family, from, to := byte(tcp4), client.Addr().AsSlice(), node.Addr().AsSlice()
	if len(from) != 4 {
		family = tcp6
	}
	out := append([]byte(signature), proxy, family)
	out = binary.BigEndian.AppendUint16(out, uint16(len(from)+len(to)+4))
	out = append(append(out, from...), to...)
	out = binary.BigEndian.AppendUint16(out, client.Port())
	return binary.BigEndian.AppendUint16(out, node.Port())
}

// Own begins what a node sends for itself, as its health checks (NLB User Guide,
// "Proxy protocol": they say nothing of a client).
func Own() []byte { return append([]byte(signature), local, unspec, 0, 0) }
