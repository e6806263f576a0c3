package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/localvpc/localvpc/internal/node/datagram"
	"github.com/localvpc/localvpc/internal/node/dnsserver"
	"github.com/localvpc/localvpc/internal/node/vantage"
)

// The names of the sockets of names, as the world hands them down.
const (
	namesUDP = "dns-udp"
	namesTCP = "dns-tcp"
)

// names is where this machine's programs ask for names as somebody on the simulated
// internet does. Without sockets it is off.
type names struct {
	packets interface { // *net.UDPConn, and *datagram.Conn where it is served
		LocalAddr() net.Addr
		Close() error
	}
	stream net.Listener
}

// openNames opens the address of names over both transports. An address that is
// taken is no failure: why says that it is.
func openNames(addr string) (n names, why string, err error) {
	if addr == "" || addr == "off" {
		return n, "", nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return n, "", fmt.Errorf("--dns %q is neither an address like 127.0.0.1:5300 nor 'off'", addr)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return n, "", fmt.Errorf("--dns %s is not a loopback address, as 127.0.0.1:5300 is: names are for this machine's own programs", addr)
	}
	// A free port over TCP may be taken over UDP: then another one is tried.
	const tries = 16
	for range tries {
		if n, err = tryNames(addr); err == nil || strings.Trim(port, "0") != "" {
			break
		}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return n, addr + " is taken, and nobody answers names there: choose another address with --dns", nil
	}
	if err != nil {
		return n, "", fmt.Errorf("opening the address of names: %w; choose another with --dns, or --dns off", err)
	}
	return n, "", nil
}

func tryNames(addr string) (names, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return names{}, err
	}
	at := l.Addr().(*net.TCPAddr)
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Port: at.Port, Zone: at.Zone})
	if err != nil {
		l.Close()
		return names{}, err
	}
	return names{c, l}, nil
}

// files adds the sockets to those that the engine gets.
func (n names) files(all map[string]*os.File) error {
	if n.packets == nil {
		return nil
	}
	udp, err := n.packets.(*net.UDPConn).File()
	if err != nil {
		return fmt.Errorf("handing down the socket of names: %w", err)
	}
	all[namesUDP] = udp
	tcp, err := n.stream.(*net.TCPListener).File()
	if err != nil {
		return fmt.Errorf("handing down the listener of names: %w", err)
	}
	all[namesTCP] = tcp
	return nil
}

// givenNames takes the sockets that the parent opened.
func givenNames(all map[string]*os.File) (names, error) {
	if all[namesUDP] == nil || all[namesTCP] == nil {
		return names{}, nil
	}
	c, err := net.FilePacketConn(all[namesUDP])
	if err != nil {
		return names{}, fmt.Errorf("taking over the socket of names: %w", err)
	}
	l, err := net.FileListener(all[namesTCP])
	if err != nil {
		return names{}, fmt.Errorf("taking over the listener of names: %w", err)
	}
	udp, ok := c.(*net.UDPConn)
	if !ok {
		return names{}, errors.New("taking over the socket of names: it is not UDP")
	}
	return names{udp, l}.taken()
}

// taken makes the socket one that is served.
func (n names) taken() (names, error) {
	if n.packets == nil {
		return n, nil
	}
	c, err := datagram.Take(n.packets.(*net.UDPConn))
	if err != nil {
		return names{}, err
	}
	return names{c, n.stream}, nil
}

// address is where names are answered, "" when nowhere.
func (n names) address() string {
	if n.packets == nil {
		return ""
	}
	return n.packets.LocalAddr().String()
}

// serve answers until close; an error goes to failed.
func (n names) serve(s *dnsserver.Server, running *sync.WaitGroup, failed func(error)) {
	if n.packets == nil {
		return
	}
	running.Go(func() { failed(s.ServePacket(n.packets.(*datagram.Conn), vantage.Host)) })
	running.Go(func() { failed(s.ServeStream(n.stream, vantage.Host)) })
}

func (n names) close() {
	if n.packets != nil {
		n.packets.Close()
		n.stream.Close()
	}
}
