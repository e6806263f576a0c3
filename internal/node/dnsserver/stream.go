package dnsserver

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/localvpc/localvpc/internal/node/vantage"
)

const (
	// idleTimeout is how long a connection may be silent (RFC 7766 section 6.2.3
	// advises a few seconds) or an answer unread.
	idleTimeout = 10 * time.Second
	// maxStreamQuery is the largest query that is read, in octets.
	maxStreamQuery = 4096
	// retryAccept is how long accepting rests when there are no file descriptors
	// left and none of our own connections ends.
	retryAccept = 100 * time.Millisecond
)

// converse answers the queries of one connection, in their order, as they come
// (RFC 7766 section 6.2.1.1). It ends with the context.
func (s *Server) converse(ctx context.Context, p *place, c *vantage.Conn) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	r, w := bufio.NewReaderSize(c, maxStreamQuery+2), bufio.NewWriter(c)
	var out []byte
	var to netip.Addr
	if local, ok := c.LocalAddr().(*net.TCPAddr); ok {
		to = local.AddrPort().Addr().Unmap()
	}
	for {
		// Deadlines fail only on connections that are closed.
		_ = c.SetDeadline(time.Now().Add(idleTimeout))
		if !whole(r) && w.Flush() != nil {
			return
		}
		head, err := r.Peek(2)
		if err != nil {
			return
		}
		size := 2 + int(binary.BigEndian.Uint16(head))
		if size > maxStreamQuery+2 {
			return
		}
		msg, err := r.Peek(size)
		if err != nil {
			return
		}
		asker, ok := c.Asker()
		if !ok || asker.Wait(ctx) != nil {
			return
		}
		by := p.asked(asker, to)
		if by.view == nil {
			return
		}
		s.queries.Add(1)
		by.wait = ctx
		out = s.respond(&by, msg[2:], append(out[:0], 0, 0), overTCP)
		if len(out) > 2 {
			binary.BigEndian.PutUint16(out, uint16(len(out)-2))
			if _, err := w.Write(out); err != nil {
				return
			}
		}
		if _, err := r.Discard(size); err != nil {
			return
		}
	}
}

// whole says whether a whole message has been read already. If not, what has
// been answered must be sent before more is waited for.
func whole(r *bufio.Reader) bool {
	if r.Buffered() < 2 {
		return false
	}
	head, err := r.Peek(2)
	return err == nil && r.Buffered() >= 2+int(binary.BigEndian.Uint16(head))
}

func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

// wait returns when a connection has ended, or after retryAccept.
func wait(ended <-chan struct{}) {
	timer := time.NewTimer(retryAccept)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	}
}
