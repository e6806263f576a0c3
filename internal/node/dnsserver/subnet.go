package dnsserver

import (
	"encoding/binary"
	"net/netip"
)

// optionSubnet is the EDNS option of the client's subnet (RFC 7871 section 6).
const optionSubnet = 8

// readSubnet reads the option of a query: family, source and scope prefix length,
// and the address as far as the prefix goes. False: it is malformed.
func (q *query) readSubnet(b []byte) bool {
	if len(b) < 4 || b[3] != 0 {
		return false
	}
	bits := int(b[2])
	var addr [16]byte
	if len(b)-4 > len(addr) || len(b)-4 != (bits+7)/8 {
		return false
	}
	copy(addr[:], b[4:])
	a := netip.AddrFrom16(addr)
	switch binary.BigEndian.Uint16(b) {
	case 1:
		a = netip.AddrFrom4([4]byte(addr[:4]))
	case 2:
	case 0:
		return bits == 0 // the client wants none to be used
	default:
		return false
	}
	p, err := a.Prefix(bits)
	if err != nil || p.Addr() != a {
		return false // longer than the family's addresses, or set beyond the prefix
	}
	q.subnet = p
	return true
}

// appendSubnet answers the option: the subnet, and for how much of it the answer
// holds, which is all when where the client is has decided and nothing otherwise.
func (q *query) appendSubnet(out []byte, located bool) []byte {
	size := (q.subnet.Bits() + 7) / 8
	out = binary.BigEndian.AppendUint16(out, optionSubnet)
	out = binary.BigEndian.AppendUint16(out, uint16(4+size))
	family := uint16(1)
	if q.subnet.Addr().Is6() {
		family = 2
	}
	out = binary.BigEndian.AppendUint16(out, family)
	scope := byte(0)
	if located {
		scope = byte(q.subnet.Bits())
	}
	out = append(out, byte(q.subnet.Bits()), scope)
	return append(out, q.subnet.Addr().AsSlice()[:size]...)
}
