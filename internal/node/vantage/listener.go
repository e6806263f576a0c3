package vantage

import (
	"net"
	"net/netip"
	"sync"
)

// Listener lets only those connections through that come from an interface of
// the VPC which has not too many already; it closes the others.
type Listener struct {
	net.Listener
	point *Point
}

// Listen wraps the listener of a service.
func (p *Point) Listen(l net.Listener) *Listener { return &Listener{l, p} }

// Conn is a connection from an interface of the VPC.
type Conn struct {
	net.Conn
	Source netip.Addr

	point     *Point
	allowance *allowance
	once      sync.Once
}

// Accept waits for the next connection that is let through; it is a *Conn.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if conn, ok := l.point.admit(c); ok {
			return conn, nil
		}
		// The asker is not told why: in AWS its packets would be dropped.
		_ = c.Close()
	}
}

func (p *Point) admit(c net.Conn) (*Conn, bool) {
	remote, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return nil, false
	}
	a, ok := p.Asker(remote.AddrPort().Addr())
	if !ok {
		return nil, false
	}
	w := a.allowance
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conns >= p.limit.Conns {
		return nil, false
	}
	w.conns++
	return &Conn{Conn: c, Source: a.Source, point: p, allowance: w}, true
}

// Asker gives the interface at the other end as it is now. There is none once
// the address is no longer one of the VPC, or is another interface's.
func (c *Conn) Asker() (Asker, bool) {
	a, ok := c.point.Asker(c.Source)
	if !ok || a.allowance != c.allowance {
		return Asker{}, false
	}
	return a, true
}

// Close ends the connection and gives its place free.
func (c *Conn) Close() error {
	c.once.Do(func() {
		c.allowance.mu.Lock()
		c.allowance.conns--
		c.allowance.mu.Unlock()
	})
	return c.Conn.Close()
}
