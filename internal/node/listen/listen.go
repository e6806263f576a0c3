// Package listen opens the services of a VPC inside its router: the resolver and
// the metadata service.
//
// Invariant: a listener is open exactly while the plan wants it, and its socket
// is kept by the holder from before the first question until after the last, so
// that an engine that dies loses none.
package listen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/datagram"
	"github.com/localvpc/localvpc/internal/state"
)

// Handler serves one kind of service.
type Handler interface {
	ServePacket(c *datagram.Conn, vpc state.Key) error
	ServeStream(l net.Listener, vpc state.Key) error
}

// Keeper keeps sockets over an engine's death: the holder.
type Keeper interface {
	Store(name string, f *os.File) error
	Remove(name string) error
}

// Config of a set of listeners.
type Config struct {
	// In runs fn in a network namespace.
	In func(ns plan.Netns, fn func() error) error
	// Handlers by the service's name: "dns", "metadata", "api", "api-tls".
	Handlers map[string]Handler
	// Vpc gives the key of the VPC whose router a namespace is.
	Vpc    func(ns plan.Netns) (state.Key, bool)
	Keeper Keeper
	Log    *slog.Logger
}

// Listeners are the open ones, by the service's key.
type Listeners struct {
	cfg  Config
	mu   sync.Mutex
	open map[string]socket
}

type socket struct {
	service plan.Service
	closer  interface{ Close() error }
}

// New takes over the sockets that the holder kept, by their names. What has
// another kind of name is somebody else's and left alone.
func New(cfg Config, kept map[string]*os.File) *Listeners {
	l := &Listeners{cfg: cfg, open: map[string]socket{}}
	for name, f := range kept {
		s, ok := parse(name)
		if !ok {
			continue
		}
		if err := l.serve(s, f); err != nil {
			cfg.Log.Warn("a kept listener cannot be used; it will be opened anew", "listener", name, "error", err)
			_ = cfg.Keeper.Remove(name)
		}
		f.Close()
	}
	return l
}

// Open gives what is open.
func (l *Listeners) Open() plan.Objects {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := plan.Objects{}
	for _, s := range l.open {
		out.Put(s.service)
	}
	return out
}

// Apply opens or closes one listener.
func (l *Listeners) Apply(_ context.Context, op plan.Op) error {
	s, ok := op.Object.(plan.Service)
	if !ok {
		return fmt.Errorf("%s is no service", op.Object.Key())
	}
	if op.Verb == plan.Remove || op.Verb == plan.Change {
		l.close(s)
	}
	if op.Verb == plan.Remove {
		return nil
	}
	var f *os.File
	err := l.cfg.In(s.Netns, func() (err error) {
		f, err = bind(s)
		return err
	})
	if err != nil {
		return fmt.Errorf("opening %s: %w", s.Key(), err)
	}
	defer f.Close()
	if err := l.cfg.Keeper.Store(name(s), f); err != nil {
		return fmt.Errorf("keeping %s: %w", s.Key(), err)
	}
	if err := l.serve(s, f); err != nil {
		return errors.Join(fmt.Errorf("serving %s: %w", s.Key(), err), l.cfg.Keeper.Remove(name(s)))
	}
	return nil
}

// bind makes the socket in the namespace that the thread is in.
func bind(s plan.Service) (*os.File, error) {
	family := "6"
	if s.Addr.Addr().Is4() {
		family = "4" // else every IPv4 address would be one of IPv6's
	}
	if s.Proto == "udp" {
		c, err := net.ListenUDP("udp"+family, net.UDPAddrFromAddrPort(s.Addr))
		if err != nil {
			return nil, err
		}
		defer c.Close()
		return c.File()
	}
	ln, err := net.ListenTCP("tcp"+family, net.TCPAddrFromAddrPort(s.Addr))
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	return ln.File()
}

// serve starts the handler on a socket; f stays the caller's.
func (l *Listeners) serve(s plan.Service, f *os.File) error {
	h, ok := l.cfg.Handlers[s.Name]
	if !ok {
		return fmt.Errorf("nothing serves %q", s.Name)
	}
	vpc, ok := l.cfg.Vpc(s.Netns)
	if !ok {
		return fmt.Errorf("%s is no router of a VPC", s.Netns)
	}
	var run func() error
	var sock socket
	if s.Proto == "udp" {
		pc, err := net.FilePacketConn(f)
		if err != nil {
			return err
		}
		udp, ok := pc.(*net.UDPConn)
		if !ok {
			pc.Close()
			return fmt.Errorf("the socket of %s is not UDP", s.Key())
		}
		c, err := datagram.Take(udp)
		if err != nil {
			return err
		}
		sock, run = socket{s, c}, func() error { return h.ServePacket(c, vpc) }
	} else {
		ln, err := net.FileListener(f)
		if err != nil {
			return err
		}
		sock, run = socket{s, ln}, func() error { return h.ServeStream(ln, vpc) }
	}
	l.mu.Lock()
	l.open[s.Key()] = sock
	l.mu.Unlock()
	go func() {
		if err := run(); err != nil && l.isOpen(s) {
			l.cfg.Log.Error("a listener ended", "listener", s.Key(), "error", err)
		}
	}()
	return nil
}

func (l *Listeners) isOpen(s plan.Service) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.open[s.Key()]
	return ok
}

func (l *Listeners) close(s plan.Service) {
	l.mu.Lock()
	sock, ok := l.open[s.Key()]
	delete(l.open, s.Key())
	l.mu.Unlock()
	if ok {
		_ = sock.closer.Close()
		_ = l.cfg.Keeper.Remove(name(s))
	}
}

// name is how the holder knows a socket: netns/service/proto/address.
func name(s plan.Service) string {
	return strings.Join([]string{string(s.Netns), s.Name, s.Proto, s.Addr.String()}, "/")
}

func parse(name string) (plan.Service, bool) {
	parts := strings.Split(name, "/")
	if len(parts) != 4 {
		return plan.Service{}, false
	}
	addr, err := netip.ParseAddrPort(parts[3])
	ok := err == nil && parts[0] != "" && parts[1] != "" && (parts[2] == "udp" || parts[2] == "tcp")
	return plan.Service{Netns: plan.Netns(parts[0]), Name: parts[1], Proto: parts[2], Addr: addr}, ok
}
