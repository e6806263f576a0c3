package listen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/datagram"
	"github.com/localvpc/localvpc/internal/state"
)

// keeper is the holder: it has descriptors of its own.
type keeper struct {
	mu    sync.Mutex
	files map[string]*os.File
	fail  error
}

func (k *keeper) Store(name string, f *os.File) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return k.fail
	}
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return err
	}
	k.files[name] = os.NewFile(uintptr(fd), name)
	return nil
}

func (k *keeper) Remove(name string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f, ok := k.files[name]; ok {
		f.Close()
		delete(k.files, name)
	}
	return nil
}

// handOver gives what the next engine starts with: duplicates.
func (k *keeper) handOver(t *testing.T) map[string]*os.File {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	out := map[string]*os.File{}
	for name, f := range k.files {
		fd, err := syscall.Dup(int(f.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = os.NewFile(uintptr(fd), name)
	}
	return out
}

func (k *keeper) names() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.files))
}

// handler passes on what it gets, with the VPC that it got it for.
type handler struct {
	got   chan string
	ended chan error
	once  bool // it serves one datagram or connection
}

func newHandler() *handler {
	return &handler{got: make(chan string, 100), ended: make(chan error, 10)}
}

func (h *handler) ServePacket(c *datagram.Conn, vpc state.Key) (err error) {
	defer func() { h.ended <- err }()
	return c.Serve(false, func(p datagram.Packet, out []byte) []byte {
		h.got <- vpc.ID + " " + string(p.Text)
		if h.once {
			go c.Close() // it waits for what this is a part of
		}
		return out
	})
}

func (h *handler) ServeStream(l net.Listener, vpc state.Key) (err error) {
	defer func() { h.ended <- err }()
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		text, _ := io.ReadAll(c)
		c.Close()
		h.got <- vpc.ID + " " + string(text)
		if h.once {
			return nil
		}
	}
}

func (h *handler) expect(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case have := <-h.got:
			if have != w {
				t.Errorf("served %q, want %q", have, w)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%q did not come", w)
		}
	}
}

func config(k *keeper, h *handler) Config {
	return Config{
		In:       func(_ plan.Netns, fn func() error) error { return fn() },
		Handlers: map[string]Handler{"dns": h, "metadata": h},
		Vpc: func(ns plan.Netns) (state.Key, bool) {
			return state.Key{ID: string(ns)}, strings.HasPrefix(string(ns), "vpc-")
		},
		Keeper: k,
		Log:    slog.New(slog.DiscardHandler),
	}
}

// free is an address on loopback that nobody has at the moment.
func free(t *testing.T, proto string) netip.AddrPort {
	t.Helper()
	if proto == "udp" {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).AddrPort()
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func service(t *testing.T, proto string) plan.Service {
	return plan.Service{Netns: "vpc-1", Name: map[string]string{"udp": "dns", "tcp": "metadata"}[proto], Proto: proto, Addr: free(t, proto)}
}

func send(t *testing.T, s plan.Service, text string) {
	t.Helper()
	c, err := net.Dial(s.Proto, s.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func apply(t *testing.T, l *Listeners, verb plan.Verb, s plan.Service) {
	t.Helper()
	if err := l.Apply(context.Background(), plan.Op{Verb: verb, Object: s}); err != nil {
		t.Fatal(err)
	}
}

// TestOpenAndClose: a listener serves while it is wanted, and its socket is kept
// exactly as long.
func TestOpenAndClose(t *testing.T) {
	for _, proto := range []string{"udp", "tcp"} {
		t.Run(proto, func(t *testing.T) {
			k, h, s := &keeper{files: map[string]*os.File{}}, newHandler(), service(t, proto)
			l := New(config(k, h), nil)
			apply(t, l, plan.Add, s)
			send(t, s, "a")
			h.expect(t, "vpc-1 a")
			if open := l.Open(); len(open) != 1 || open[s.Key()] != s {
				t.Errorf("open: %v", open)
			}
			if names := k.names(); !slices.Equal(names, []string{name(s)}) {
				t.Errorf("kept: %v", names)
			}
			apply(t, l, plan.Remove, s)
			if err := <-h.ended; err != nil && !errors.Is(err, net.ErrClosed) {
				t.Errorf("the handler ended with %v", err)
			}
			if open, names := l.Open(), k.names(); len(open)+len(names) != 0 {
				t.Errorf("open: %v, kept: %v", open, names)
			}
			apply(t, l, plan.Remove, s) // again does no harm
			apply(t, l, plan.Add, s)    // the address is free again
			send(t, s, "b")
			h.expect(t, "vpc-1 b")
			apply(t, l, plan.Remove, s)
		})
	}
}

// TestHandingOver: what arrives while there is no engine waits in the kept
// socket for the next one; nothing is lost and nothing served twice.
func TestHandingOver(t *testing.T) {
	for _, proto := range []string{"udp", "tcp"} {
		t.Run(proto, func(t *testing.T) {
			k, s := &keeper{files: map[string]*os.File{}}, service(t, proto)
			h := newHandler()
			h.once = true
			l := New(config(k, h), nil)
			apply(t, l, plan.Add, s)
			send(t, s, "0")
			h.expect(t, "vpc-1 0")
			<-h.ended
			l.open[s.Key()].closer.Close() // as the kernel does for a dead engine

			var want []string
			for n := range 20 {
				text := fmt.Sprint("while nobody serves ", n)
				send(t, s, text)
				want = append(want, "vpc-1 "+text)
			}
			next := newHandler()
			l = New(config(k, next), k.handOver(t))
			next.expect(t, want...)
			if open := l.Open(); len(open) != 1 || open[s.Key()] != s {
				t.Errorf("open: %v", open)
			}
			send(t, s, "after")
			next.expect(t, "vpc-1 after")
			apply(t, l, plan.Remove, s)
			if names := k.names(); len(names) != 0 {
				t.Errorf("kept: %v", names)
			}
		})
	}
}

// TestKeptThatCannotBeUsed: names of others are left alone; what was a listener
// of ours and cannot be one any more is given up.
func TestKeptThatCannotBeUsed(t *testing.T) {
	k, h := &keeper{files: map[string]*os.File{}}, newHandler()
	u, s := service(t, "udp"), service(t, "tcp")
	first := New(config(k, newHandler()), nil)
	for _, s := range []plan.Service{u, s} {
		apply(t, first, plan.Add, s)
		first.open[s.Key()].closer.Close()
	}
	pipe, other, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer other.Close()
	theirs := []string{"limits:unified", "api", "a/b/c", "", "vpc-1/dns/sctp/127.0.0.1:53", "vpc-1/dns/udp/127.0.0.1", "/dns/udp/127.0.0.1:53"}
	ours := []string{
		"i-1/dns/udp/127.0.0.1:53",      // no router
		"vpc-1/teapot/tcp/127.0.0.1:1",  // nothing serves it
		"vpc-1/dns/udp/127.0.0.1:5353",  // no socket
		"vpc-1/metadata/tcp/[::1]:8080", // likewise
	}
	for _, name := range slices.Concat(theirs, ours) {
		if err := k.Store(name, pipe); err != nil {
			t.Fatal(err)
		}
	}
	// A stream under a packet's name, and the other way round.
	kept := k.handOver(t)
	kept[name(u)], kept[name(s)] = kept[name(s)], kept[name(u)]
	l := New(config(k, h), kept)
	if open := l.Open(); len(open) != 0 {
		t.Errorf("open: %v", open)
	}
	slices.Sort(theirs)
	if names := k.names(); !slices.Equal(names, theirs) {
		t.Errorf("kept: %q, want %q", names, theirs)
	}
	for _, name := range theirs {
		if _, err := kept[name].Stat(); err != nil {
			t.Errorf("%q was closed: %v", name, err)
		}
		kept[name].Close()
	}
}

// TestThatCannotBeOpened: nothing stays of a listener that failed.
func TestThatCannotBeOpened(t *testing.T) {
	taken := service(t, "udp")
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(taken.Addr))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	stranger, nowhere := service(t, "udp"), service(t, "tcp")
	stranger.Name, nowhere.Netns = "teapot", "i-1"
	full := errors.New("no room for another descriptor")
	for name, tt := range map[string]struct {
		s    plan.Object
		fail error
		want string
	}{
		"the address is taken":   {taken, nil, "address already in use"},
		"it cannot be kept":      {service(t, "tcp"), full, full.Error()},
		"nothing serves it":      {stranger, nil, `nothing serves "teapot"`},
		"it is not in a router":  {nowhere, nil, "i-1 is no router"},
		"something else, a link": {plan.Link{Netns: "vpc-1", Name: "e1"}, nil, "is no service"},
	} {
		t.Run(name, func(t *testing.T) {
			k := &keeper{files: map[string]*os.File{}, fail: tt.fail}
			l := New(config(k, newHandler()), nil)
			err := l.Apply(context.Background(), plan.Op{Verb: plan.Add, Object: tt.s})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want it to say %q", err, tt.want)
			}
			if open, names := l.Open(), k.names(); len(open)+len(names) != 0 {
				t.Errorf("open: %v, kept: %v", open, names)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for _, s := range []plan.Service{
		{Netns: "vpc-0123456789abcdef0", Name: "dns", Proto: "udp", Addr: netip.MustParseAddrPort("10.0.0.2:53")},
		{Netns: "vpc-1", Name: "metadata", Proto: "tcp", Addr: netip.MustParseAddrPort("[fd00:ec2::254]:80")},
	} {
		if have, ok := parse(name(s)); !ok || have != s {
			t.Errorf("%s is read as %+v, %v", name(s), have, ok)
		}
	}
}
