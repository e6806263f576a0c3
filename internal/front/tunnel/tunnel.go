// Package tunnel is a TCP connection into the world, carried by an upgraded HTTP
// connection to localvpc: one tunnel, one connection.
//
// Invariant: bytes pass as they are and nothing is held between the ends but one
// buffer, so that who reads slowly slows who writes; an end of one direction
// leaves the other open, and an error ends both.
package tunnel

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
)

// Protocol is the name in the Upgrade header.
const Protocol = "localvpc-tunnel/1"

// Request says where a tunnel leads. It is the body of the upgrade request.
type Request struct {
	// Instance is an instance's id: the connection is made inside of it, to itself,
	// so that no security group has a say.
	Instance string `json:",omitempty"`
	// Host is a name or an address, as the simulated internet sees it: the
	// connection is made from there.
	Host string `json:",omitempty"`
	Port int
}

// Codes of the errors with which a tunnel is refused.
const (
	NotFound    = "HostNotFound"       // no such name
	Refused     = "ConnectionRefused"  // nobody listens
	Unreachable = "NetworkUnreachable" // nobody has the address
	TimedOut    = "ConnectTimeout"     // no answer
)

// Error is why a tunnel was refused: one of the codes or another, and a text for
// people.
type Error struct{ Code, Message string }

func (e *Error) Error() string { return e.Message }

// CodeOf is the code of an error, "" when it has none.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// Conn is a connection whose directions end one by one.
type Conn interface {
	net.Conn
	CloseWrite() error
}

// Buffered is a connection of which something has been read ahead.
func Buffered(c Conn, r *bufio.Reader) Conn { return &buffered{c, r} }

type buffered struct {
	Conn
	r *bufio.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

// WriteTo gives what was read ahead, and then the connection itself to the kernel.
func (b *buffered) WriteTo(w io.Writer) (int64, error) {
	ahead, err := b.r.Peek(b.r.Buffered())
	if err != nil {
		return 0, err
	}
	n, err := w.Write(ahead)
	_, _ = b.r.Discard(n)
	if err != nil {
		return int64(n), err
	}
	m, err := io.Copy(w, b.Conn)
	return int64(n) + m, err
}

// Join carries bytes both ways until both directions have ended, or one fails.
// Both connections are closed then.
func Join(a, b Conn) {
	defer a.Close()
	defer b.Close()
	var both sync.WaitGroup
	carry := func(to, from Conn) {
		_, err := io.Copy(to, from)
		if err == nil {
			err = to.CloseWrite()
		}
		if err != nil {
			// The other direction is of no use, and may wait for ever.
			_ = a.Close()
			_ = b.Close()
		}
	}
	both.Go(func() { carry(a, b) })
	both.Go(func() { carry(b, a) })
	both.Wait()
}
