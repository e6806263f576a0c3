package datagram

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// echo serves a socket on loopback: it answers what comes and who sent it, and
// nothing to "silence".
func echo(t *testing.T, network string, at net.IP, told bool) (*Conn, chan error) {
	t.Helper()
	udp, err := net.ListenUDP(network, &net.UDPAddr{IP: at})
	if err != nil {
		t.Fatal(err)
	}
	c, err := Take(udp)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- c.Serve(told, func(p Packet, out []byte) []byte {
			switch string(p.Text) {
			case "silence":
				return out
			case "later":
				reply, text := p.Later(), fmt.Appendf(nil, "later from %s to %s", p.From, p.To)
				go reply(text)
				return out
			}
			return fmt.Appendf(out, "%s from %s to %s", p.Text, p.From, p.To)
		})
	}()
	t.Cleanup(func() { c.Close() })
	return c, ended
}

func dial(t *testing.T, network string, to net.Addr) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP(network, nil, to.(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func expect(t *testing.T, c *net.UDPConn, want string) {
	t.Helper()
	b := make([]byte, 2*maxPacket)
	n, err := c.Read(b)
	if err != nil || string(b[:n]) != want {
		t.Fatalf("got %q %v, want %q", b[:n], err, want)
	}
}

func TestEachPacketIsAnswered(t *testing.T) {
	for _, c := range []struct {
		network string
		at      net.IP
		told    bool
		to      string
	}{
		{"udp4", net.IPv4(127, 0, 0, 1), false, "invalid IP"},
		{"udp4", net.IPv4(127, 0, 0, 1), true, "127.0.0.1"},
		{"udp6", net.IPv6loopback, false, "invalid IP"},
	} {
		s, ended := echo(t, c.network, c.at, c.told)
		one, other := dial(t, c.network, s.LocalAddr()), dial(t, c.network, s.LocalAddr())
		// More than a batch, with some in it that get no answer.
		for i := range 3 * batchSize {
			text := fmt.Sprint(i)
			if i%5 == 0 {
				text = "silence"
			}
			if _, err := one.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := other.Write(nil); err != nil {
			t.Fatal(err)
		}
		for i := range 3 * batchSize {
			if i%5 != 0 {
				expect(t, one, fmt.Sprintf("%d from %s to %s", i, c.at, c.to))
			}
		}
		expect(t, other, fmt.Sprintf(" from %s to %s", c.at, c.to))
		// A packet that is too long is cut off.
		if _, err := one.Write(bytes.Repeat([]byte("x"), maxPacket+100)); err != nil {
			t.Fatal(err)
		}
		expect(t, one, fmt.Sprintf("%s from %s to %s", bytes.Repeat([]byte("x"), maxPacket), c.at, c.to))
		if _, err := one.Write([]byte("later")); err != nil {
			t.Fatal(err)
		}
		expect(t, one, fmt.Sprintf("later from %s to %s", c.at, c.to))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestAnswersLeaveFromWhereTheQuestionCame: one socket has all addresses of lo.
func TestAnswersLeaveFromWhereTheQuestionCame(t *testing.T) {
	s, _ := echo(t, "udp4", net.IPv4zero, true)
	port := s.LocalAddr().(*net.UDPAddr).Port
	for _, at := range []string{"127.0.0.1", "127.9.8.7"} {
		c := dial(t, "udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(at), uint16(port))))
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		expect(t, c, "hello from "+c.LocalAddr().(*net.UDPAddr).IP.String()+" to "+at) // a connected socket hears no other address
	}
}

// TestRest: a socket that nobody has asked for a while is left to the poller, and
// answers again; it ends from there, too.
func TestRest(t *testing.T) {
	s, ended := echo(t, "udp4", net.IPv4(127, 0, 0, 1), false)
	c := dial(t, "udp4", s.LocalAddr())
	for range 3 {
		awaitRest(t, s)
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		expect(t, c, "hello from 127.0.0.1 to invalid IP")
	}
	awaitRest(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// The address is free.
	again, err := net.ListenUDP("udp4", s.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := s.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing it twice: %v", err)
	}
}

// TestNeverServed: a socket that nobody serves is freed as well, and serving it then
// is over at once.
func TestNeverServed(t *testing.T) {
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Take(udp)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(false, nil); err != nil {
		t.Error(err)
	}
	again, err := net.ListenUDP("udp4", s.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// awaitRest waits until the poller waits for the socket.
func awaitRest(t *testing.T, c *Conn) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); <-look.C {
		c.mu.Lock()
		parked := c.parked != nil
		c.mu.Unlock()
		if parked {
			return
		}
	}
	t.Fatal("the socket is never left to the poller")
}

// TestClosingUnderLoad: a socket that is never at rest ends all the same, and those
// who share it go on.
func TestClosingUnderLoad(t *testing.T) {
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	shared, err := udp.File()
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	s, err := Take(udp)
	if err != nil {
		t.Fatal(err)
	}
	some, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- s.Serve(false, func(p Packet, out []byte) []byte {
			select {
			case some <- struct{}{}:
			default:
			}
			return out
		})
	}()
	c := dial(t, "udp4", s.LocalAddr())
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = c.Write([]byte("x"))
			}
		}
	}()
	<-some
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	close(stop)
	<-stopped
	again, err := net.FilePacketConn(shared)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("last")); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if _, _, err := again.ReadFrom(make([]byte, 10)); err != nil {
		t.Errorf("the socket that was shared: %v", err)
	}
}
