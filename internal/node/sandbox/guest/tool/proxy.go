package tool

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// headed is a listener whose connections begin with a header of the proxy protocol,
// version 2 (The PROXY protocol, section 2.2).
type headed struct{ net.Listener }

func (l headed) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &headedConn{Conn: c}, nil
}

// headedConn reads the header when the first one asks for what comes behind it, or
// for where it comes from.
type headedConn struct {
	net.Conn
	once sync.Once
	from net.Addr
	err  error
}

const headerTime = 5 * time.Second

func (c *headedConn) header() {
	c.once.Do(func() {
		_ = c.SetReadDeadline(time.Now().Add(headerTime))
		defer func() { _ = c.SetReadDeadline(time.Time{}) }()
		head := make([]byte, 16)
		if _, c.err = io.ReadFull(c.Conn, head); c.err != nil {
			return
		}
		if string(head[:12]) != "\r\n\r\n\x00\r\nQUIT\n" || head[12]>>4 != 2 {
			c.err = errors.New("the connection does not begin with a header of the proxy protocol")
			return
		}
		body := make([]byte, binary.BigEndian.Uint16(head[14:]))
		if _, c.err = io.ReadFull(c.Conn, body); c.err != nil {
			return
		}
		if head[12]&0xf == 1 && head[13] == 0x11 && len(body) >= 12 { // a client, over TCP and IPv4
			c.from = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte(body)), binary.BigEndian.Uint16(body[8:])))
		}
	})
}

func (c *headedConn) Read(p []byte) (int, error) {
	if c.header(); c.err != nil {
		return 0, c.err
	}
	return c.Conn.Read(p)
}

func (c *headedConn) RemoteAddr() net.Addr {
	if c.header(); c.from != nil {
		return c.from
	}
	return c.Conn.RemoteAddr()
}
