package dial

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
)

// here enters nothing: the sockets are the test's own.
func here(_ plan.Netns, f func() error) error { return f() }

func listen(t *testing.T, address string) (net.Listener, netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, l.Addr().(*net.TCPAddr).AddrPort()
}

func TestTCP(t *testing.T) {
	l, to := listen(t, "127.0.0.1:0")
	for _, from := range []string{"", "127.0.0.7"} {
		var source netip.Addr
		if from != "" {
			source = netip.MustParseAddr(from)
		}
		c, err := TCP(t.Context(), here, "inet", source, to)
		if err != nil {
			t.Fatal(err)
		}
		far, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if at := far.RemoteAddr().(*net.TCPAddr).IP.String(); from != "" && at != from {
			t.Errorf("it comes from %s, want %s", at, from)
		}
		if c.RemoteAddr().String() != to.String() {
			t.Errorf("it leads to %s, want %s", c.RemoteAddr(), to)
		}
		if _, err := io.WriteString(c, "question"); err != nil {
			t.Fatal(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(far); err != nil || string(text) != "question" {
			t.Errorf("%q, %v", text, err)
		}
		far.Close()
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
		c.Close()
	}
}

func TestRefusals(t *testing.T) {
	l, to := listen(t, "127.0.0.1:0")
	l.Close()
	if _, err := TCP(t.Context(), here, "inet", netip.Addr{}, to); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
	if _, err := TCP(t.Context(), here, "inet", netip.MustParseAddr("192.0.2.77"), to); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("from an address that is not there: %v", err)
	}
	gone := errors.New("no such namespace")
	if _, err := TCP(t.Context(), func(plan.Netns, func() error) error { return gone }, "inet", netip.Addr{}, to); !errors.Is(err, gone) {
		t.Errorf("without a namespace: %v", err)
	}
}

// TestWhoWaitsGivesUp: a listener whose queue is full does not answer.
func TestWhoWaitsGivesUp(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(sa.(*unix.SockaddrInet4).Port))
	first, err := TCP(t.Context(), here, "inet", netip.Addr{}, to) // has the only place
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	ctx, cancel := context.WithCancel(t.Context())
	begun := func(_ plan.Netns, f func() error) error {
		err := f()
		cancel() // while the kernel asks
		return err
	}
	if _, err := TCP(ctx, begun, "inet", netip.Addr{}, to); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
