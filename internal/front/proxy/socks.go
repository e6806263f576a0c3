package proxy

import (
	"context"
	"encoding/binary"
	"io"
	"net/netip"
	"time"

	"github.com/localvpc/localvpc/internal/front/tunnel"
)

// Numbers of RFC 1928.
const (
	socks4 = 4
	socks5 = 5

	methodNone       = 0
	methodAcceptable = 0xff // there is none

	commandConnect = 1

	addressIPv4 = 1
	addressName = 3
	addressIPv6 = 4

	replyDone        = 0
	replyFailure     = 1
	replyNetwork     = 3
	replyHost        = 4
	replyRefused     = 5
	replyCommand     = 7
	replyAddressType = 8
)

// socks speaks SOCKS 5 (RFC 1928) with a client: CONNECT, without authentication.
func (s *Server) socks(ctx context.Context, c *client) {
	if !greet(c) {
		return
	}
	host, port, reply := request(c)
	if reply != replyDone {
		answer(c, reply)
		return
	}
	_ = c.SetDeadline(time.Time{})
	far, err := s.dialFor(ctx, c, host, port)
	if err != nil {
		answer(c, replyTo(err))
		return
	}
	defer far.Close()
	stop := context.AfterFunc(ctx, func() { _ = far.Close() })
	defer stop()
	if answer(c, replyDone) {
		tunnel.Join(c, far)
	}
}

// greet takes the methods of authentication that the client offers.
func greet(c *client) bool {
	var head [2]byte
	if _, err := io.ReadFull(c, head[:]); err != nil || head[0] != socks5 {
		return false
	}
	methods := make([]byte, head[1])
	if _, err := io.ReadFull(c, methods); err != nil {
		return false
	}
	_ = c.SetWriteDeadline(time.Now().Add(firstTime))
	for _, m := range methods {
		if m == methodNone {
			_, err := c.Write([]byte{socks5, methodNone})
			return err == nil
		}
	}
	_, _ = c.Write([]byte{socks5, methodAcceptable})
	return false
}

// request reads where the client wants to go, or gives the reply that refuses it.
func request(c *client) (host string, port int, reply byte) {
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil || head[0] != socks5 {
		return "", 0, replyFailure
	}
	size := 0
	switch head[3] {
	case addressIPv4:
		size = 4
	case addressIPv6:
		size = 16
	case addressName:
		var n [1]byte
		if _, err := io.ReadFull(c, n[:]); err != nil || n[0] == 0 {
			return "", 0, replyFailure
		}
		size = int(n[0])
	default:
		return "", 0, replyAddressType
	}
	rest := make([]byte, size+2)
	if _, err := io.ReadFull(c, rest); err != nil {
		return "", 0, replyFailure
	}
	if head[1] != commandConnect {
		return "", 0, replyCommand
	}
	port = int(binary.BigEndian.Uint16(rest[size:]))
	if port == 0 {
		return "", 0, replyFailure
	}
	if head[3] == addressName {
		return string(rest[:size]), port, replyDone
	}
	a, _ := netip.AddrFromSlice(rest[:size])
	return a.String(), port, replyDone
}

// answer says how it went. The address that the connection comes from is nobody's
// business.
func answer(c *client, reply byte) bool {
	_ = c.SetWriteDeadline(time.Now().Add(firstTime))
	_, err := c.Write([]byte{socks5, reply, 0, addressIPv4, 0, 0, 0, 0, 0, 0})
	_ = c.SetWriteDeadline(time.Time{})
	return err == nil
}

func replyTo(err error) byte {
	switch tunnel.CodeOf(err) {
	case tunnel.Refused:
		return replyRefused
	case tunnel.Unreachable:
		return replyNetwork
	case tunnel.NotFound, tunnel.TimedOut:
		return replyHost
	}
	return replyFailure
}
