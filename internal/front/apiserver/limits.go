package apiserver

import (
	"cmp"
	"errors"
	"net"
	"sync"
	"time"
)

// Limits bound what one client can take. A field that is zero has its default,
// which is far above any honest request.
type Limits struct {
	Body        int64         // bytes of a request's body; 1 MiB
	Header      int           // bytes of a request's header; 64 KiB
	HeaderTime  time.Duration // for a header to arrive; 10 s
	BodyTime    time.Duration // for a body to arrive; 30 s
	AnswerTime  time.Duration // for an answer, or one line of a stream, to be taken; 30 s
	IdleTime    time.Duration // between two requests of a connection; 2 min
	Connections int           // open at once; a further one waits; 1024
}

func (l Limits) orDefault() Limits {
	return Limits{
		Body:        cmp.Or(l.Body, 1<<20),
		Header:      cmp.Or(l.Header, 64<<10),
		HeaderTime:  cmp.Or(l.HeaderTime, 10*time.Second),
		BodyTime:    cmp.Or(l.BodyTime, 30*time.Second),
		AnswerTime:  cmp.Or(l.AnswerTime, 30*time.Second),
		IdleTime:    cmp.Or(l.IdleTime, 2*time.Minute),
		Connections: cmp.Or(l.Connections, 1024),
	}
}

// limited bounds the connections that are open at once: one more waits in the
// kernel's queue until another ends.
type limited struct {
	net.Listener
	free   chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newLimited(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, free: make(chan struct{}, n), closed: make(chan struct{})}
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.free <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &counted{Conn: c, done: func() { <-l.free }}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type counted struct {
	net.Conn
	once sync.Once
	done func()
}

// CloseWrite ends what is sent, and leaves what comes.
func (c *counted) CloseWrite() error {
	if tcp, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return tcp.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (c *counted) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.done)
	return err
}
