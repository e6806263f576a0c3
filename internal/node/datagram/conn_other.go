//go:build !linux

package datagram

import (
	"errors"
	"net"
	"net/netip"
)

// Conn is a UDP socket that is served.
type Conn struct{ c *net.UDPConn }

// peer is who sent a packet.
type peer struct {
	c    *net.UDPConn
	from netip.AddrPort
}

func (p peer) later() func([]byte) {
	return func(answer []byte) {
		if len(answer) > 0 {
			_, _ = p.c.WriteToUDPAddrPort(answer, p.from)
		}
	}
}

// Take takes over a socket.
func Take(c *net.UDPConn) (*Conn, error) { return &Conn{c}, nil }

// LocalAddr is the address that the socket is bound to.
func (c *Conn) LocalAddr() net.Addr { return c.c.LocalAddr() }

// Close ends Serve.
func (c *Conn) Close() error { return c.c.Close() }

// Serve answers what comes until the socket is closed, which is no error, one packet
// after the other. Where packets were sent to is not told here.
func (c *Conn) Serve(told bool, answer Answer) error {
	if told {
		return errors.ErrUnsupported
	}
	in, out := make([]byte, maxPacket), make([]byte, 0, maxPacket)
	for {
		n, from, err := c.c.ReadFromUDPAddrPort(in)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if out = answer(Packet{Text: in[:n], From: from.Addr().Unmap(), peer: peer{c.c, from}}, out[:0]); len(out) > 0 {
			_, _ = c.c.WriteToUDPAddrPort(out, from)
		}
	}
}
