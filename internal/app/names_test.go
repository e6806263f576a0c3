package app

import (
	"net"
	"strings"
	"testing"

	"github.com/localvpc/localvpc/internal/node/datagram"
)

func TestOpenNames(t *testing.T) {
	n, why, err := openNames("127.0.0.1:0")
	if err != nil || why != "" || n.address() == "" || n.stream.Addr().String() != n.address() {
		t.Fatalf("%q %v %v", why, err, n)
	}
	if m, why, err := openNames(n.address()); err != nil || m.address() != "" || !strings.Contains(why, "--dns") {
		t.Errorf("what is taken: %q, %v, %q", m.address(), err, why)
	}
	n.close()
	// The other transport is taken.
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if m, why, err := openNames(c.LocalAddr().String()); err != nil || m.address() != "" || why == "" {
		t.Errorf("what is taken over UDP: %q, %v, %q", m.address(), err, why)
	}
	for _, off := range []string{"", "off"} {
		if m, why, err := openNames(off); err != nil || m.address() != "" || why != "" {
			t.Errorf("%q: %q, %v, %q", off, m.address(), err, why)
		}
	}
	for _, wrong := range []string{"5300", "0.0.0.0:5300", "192.0.2.1:53", "nowhere:53", "127.0.0.1:x"} {
		if _, _, err := openNames(wrong); err == nil || !strings.Contains(err.Error(), "--dns") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// TestNamesAreTaken: the engine serves what it was handed and what it has opened
// itself, which without packets are the same process.
func TestNamesAreTaken(t *testing.T) {
	opened, why, err := openNames("127.0.0.1:0")
	if err != nil || why != "" {
		t.Fatal(why, err)
	}
	at := opened.address()
	n, err := opened.taken()
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	if _, ok := n.packets.(*datagram.Conn); !ok || n.address() != at {
		t.Errorf("%T at %s, opened at %s", n.packets, n.address(), at)
	}
	if n, err := (names{}).taken(); err != nil || n.packets != nil {
		t.Error(n, err)
	}
}
