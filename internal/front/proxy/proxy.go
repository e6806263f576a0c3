// Package proxy lets programs of the host into the simulated internet: SOCKS 5 and
// HTTP on one port, each connection a tunnel.
//
// Invariant: nothing that a client says is looked up or connected to on the host:
// names and addresses go to Dial as they came. Clients are bounded in number, in
// time until they have said what they want, and in what they may say.
package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/localvpc/localvpc/internal/front/tunnel"
)

// Dial opens a connection to a name or an address as the simulated internet sees
// it. Errors are *tunnel.Error where localvpc has refused.
type Dial func(ctx context.Context, host string, port int) (tunnel.Conn, error)

// Bounds of clients.
const (
	clients   = 512              // at once; a further one waits
	firstTime = 10 * time.Second // until a client has said what it wants
	idleTime  = time.Minute      // between two requests of an HTTP client
	maxHeader = 64 << 10
)

// Server is a proxy.
type Server struct {
	dial  Dial
	slots chan struct{}
	web   chan net.Conn // clients that speak HTTP

	mu   sync.Mutex
	open map[*client]struct{}
}

// New makes a proxy.
func New(dial Dial) *Server {
	return &Server{dial: dial, slots: make(chan struct{}, clients), web: make(chan net.Conn), open: map[*client]struct{}{}}
}

// client is a connection that a program of the host has made.
type client struct {
	*net.TCPConn
	s    *Server
	r    *bufio.Reader
	once sync.Once
}

func (c *client) Read(p []byte) (int, error) { return c.r.Read(p) }

// WriteTo stands before the connection's own, which knows nothing of what was read
// ahead.
func (c *client) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, tunnel.Buffered(c.TCPConn, c.r))
}

// Close gives the client's place free.
func (c *client) Close() error {
	err := c.TCPConn.Close()
	c.once.Do(func() {
		c.s.mu.Lock()
		delete(c.s.open, c)
		c.s.mu.Unlock()
		<-c.s.slots
	})
	return err
}

// Serve answers on a TCP listener until ctx ends, and closes it. All connections
// have ended then.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	web := s.http(ctx)
	stop := context.AfterFunc(ctx, func() {
		_ = l.Close()
		_ = web.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.open {
			_ = c.TCPConn.Close() // its owner notices
		}
	})
	defer stop()
	running.Go(func() { _ = web.Serve(queue{s.web, l.Addr(), ctx}) }) // ends with ctx
	for {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := l.Accept()
		if err != nil {
			<-s.slots
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("accepting a client: %w", err)
		}
		c := &client{TCPConn: conn.(*net.TCPConn), s: s, r: bufio.NewReader(conn)}
		s.mu.Lock()
		s.open[c] = struct{}{}
		s.mu.Unlock()
		if ctx.Err() != nil {
			_ = c.Close() // it came after all others were closed
			return nil
		}
		running.Go(func() { s.client(ctx, c) })
	}
}

// client finds out what a client speaks.
func (s *Server) client(ctx context.Context, c *client) {
	_ = c.SetReadDeadline(time.Now().Add(firstTime))
	first, err := c.r.Peek(1)
	switch {
	case err != nil:
		_ = c.Close()
	case first[0] == socks5:
		defer c.Close()
		s.socks(ctx, c)
	case first[0] == socks4:
		_ = c.Close() // it has no names, and no way to say so
	default:
		select {
		case s.web <- c:
		case <-ctx.Done():
			_ = c.Close()
		}
	}
}

// dialFor opens a connection for a client, and gives up when the client does: it
// has nothing to say before it is answered.
func (s *Server) dialFor(ctx context.Context, c *client, host string, port int) (tunnel.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if _, err := c.r.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			cancel()
		}
	}()
	far, err := s.dial(ctx, host, port)
	_ = c.SetReadDeadline(time.Unix(1, 0))
	<-watched
	_ = c.SetReadDeadline(time.Time{})
	return far, err
}

// queue is the listener of the HTTP server: clients come to it that speak HTTP.
type queue struct {
	web  <-chan net.Conn
	addr net.Addr
	ctx  context.Context
}

func (q queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.web:
		return c, nil
	case <-q.ctx.Done():
		return nil, http.ErrServerClosed
	}
}

func (q queue) Close() error   { return nil }
func (q queue) Addr() net.Addr { return q.addr }
