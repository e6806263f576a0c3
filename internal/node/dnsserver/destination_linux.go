package dnsserver

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// tellDestination has the kernel tell with each packet to which address it was
// sent (ip(7), IP_PKTINFO).
func tellDestination(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return fmt.Errorf("taking the socket: %w", err)
	}
	var refused error
	if err := raw.Control(func(fd uintptr) { refused = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1) }); err != nil {
		return fmt.Errorf("taking the socket: %w", err)
	}
	if refused != nil {
		return fmt.Errorf("asking for the destinations of packets: %w", refused)
	}
	return nil
}

// destination reads what tellDestination asked for; the zero address when it is not
// there.
func destination(control []byte) netip.Addr {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return netip.Addr{}
	}
	for _, m := range messages {
		// ifindex, the local address, the destination: 4 octets each.
		if m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= 12 {
			return netip.AddrFrom4([4]byte(m.Data[8:12]))
		}
	}
	return netip.Addr{}
}

// from has a packet sent from an address.
func from(a netip.Addr) []byte {
	return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: a.As4()})
}

// controlSize is enough for one destination.
var controlSize = unix.CmsgSpace(unix.SizeofInet4Pktinfo)
