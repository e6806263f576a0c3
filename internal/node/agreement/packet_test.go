//go:build linux

package agreement

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/ruleset"
)

func text(v any) string { return fmt.Sprint(v) }

// frame is a probe as bytes on the wire: Ethernet II, IPv4 (RFC 791) and what
// the protocol needs for connection tracking to find it in order. The IPv4
// identification tells probes apart.
func frame(p probe, id uint16) []byte {
	return append(ethernet(p.from.routerMAC, p.from.mac, 0x0800), packet(p.Packet, id)...)
}

// packet is the bytes from the IPv4 header on.
func packet(p ruleset.Packet, id uint16) []byte {
	var about []byte
	if p.About != nil {
		about = packet(*p.About, id)
	}
	body := payload(p, about)
	ip := make([]byte, 20, 20+len(body))
	ip[0] = 0x45
	binary.BigEndian.PutUint16(ip[2:], uint16(20+len(body)))
	binary.BigEndian.PutUint16(ip[4:], id)
	ip[8], ip[9] = 64, p.Protocol
	copy(ip[12:], p.Src.AsSlice())
	copy(ip[16:], p.Dst.AsSlice())
	binary.BigEndian.PutUint16(ip[10:], checksum(ip))
	return append(ip, body...)
}

func ethernet(to, from string, kind uint16) []byte {
	return binary.BigEndian.AppendUint16(append(mac(to), mac(from)...), kind)
}

func mac(s string) []byte {
	m, err := net.ParseMAC(s)
	if err != nil {
		panic(err) // fabrictest makes them
	}
	return m
}

func payload(p ruleset.Packet, about []byte) []byte {
	b := make([]byte, 24)
	switch p.Protocol {
	case fabric.TCP: // RFC 9293
		binary.BigEndian.PutUint16(b, p.SPort)
		binary.BigEndian.PutUint16(b[2:], p.DPort)
		seq, ack := uint32(1000), uint32(0)
		if p.Flags == ruleset.SynAck { // to the SYN that seq 1000 is
			seq, ack = 5000, 1001
		}
		binary.BigEndian.PutUint32(b[4:], seq)
		binary.BigEndian.PutUint32(b[8:], ack)
		b[12] = 5 << 4
		b[13] = map[ruleset.Flags]byte{ruleset.Syn: 0x02, ruleset.SynAck: 0x12, ruleset.Ack: 0x10, ruleset.Rst: 0x04}[p.Flags]
		binary.BigEndian.PutUint16(b[14:], 65535)
		b = b[:20]
		binary.BigEndian.PutUint16(b[16:], transport(p, b))
	case fabric.UDP: // RFC 768
		binary.BigEndian.PutUint16(b, p.SPort)
		binary.BigEndian.PutUint16(b[2:], p.DPort)
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
		binary.BigEndian.PutUint16(b[6:], transport(p, b))
	case fabric.ICMP: // RFC 792
		if about != nil {
			b = append(b[:8], about...)
		}
		b[0], b[1] = p.Type, p.Code
		if about == nil {
			binary.BigEndian.PutUint16(b[4:], p.Ident)
		}
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	return b
}

// transport is the checksum of TCP and UDP, over the pseudo header as well.
func transport(p ruleset.Packet, b []byte) uint16 {
	pseudo := append(p.Src.AsSlice(), p.Dst.AsSlice()...)
	pseudo = append(pseudo, 0, p.Protocol)
	pseudo = binary.BigEndian.AppendUint16(pseudo, uint16(len(b)))
	return checksum(append(pseudo, b...))
}

// checksum is the internet checksum (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// arpRequest asks a machine's router for an address of its own (RFC 826).
func arpRequest(p plug) []byte {
	b := append(ethernet(p.routerMAC, p.mac, 0x0806), 0, 1, 8, 0, 6, 4, 0, 1)
	b = append(append(b, mac(p.mac)...), p.addrs[0].AsSlice()...)
	return append(append(b, make([]byte, 6)...), p.arp.AsSlice()...)
}

// isAnswer says whether a frame answers arpRequest.
func isAnswer(b []byte, p plug) bool {
	return len(b) >= 42 && binary.BigEndian.Uint16(b[12:]) == 0x0806 && b[21] == 2 && netip.AddrFrom4([4]byte(b[28:32])) == p.arp
}

// probeOf reads a probe from the IPv4 header on.
func probeOf(b []byte, id uint16) (h fabric.Header, ok bool) {
	if len(b) < 28 || b[0] != 0x45 || binary.BigEndian.Uint16(b[4:]) != id {
		return h, false
	}
	h = fabric.Header{Src: netip.AddrFrom4([4]byte(b[12:16])), Dst: netip.AddrFrom4([4]byte(b[16:20])), Protocol: b[9]}
	switch h.Protocol {
	case fabric.TCP, fabric.UDP:
		h.SPort, h.DPort = binary.BigEndian.Uint16(b[20:]), binary.BigEndian.Uint16(b[22:])
	case fabric.ICMP:
		h.Type, h.Code = b[20], b[21]
	}
	return h, true
}
