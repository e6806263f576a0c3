package relay

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

var scope = state.Scope{Account: "123456789012", Region: "us-east-1"}

func meta(id string) state.Meta { return state.Meta{Key: scope.Key(id)} }

// world is a balancer with one node, which is this machine's loopback address, and the
// targets of a test.
type world struct {
	*testing.T
	store *state.Store
	relay *Relay
	at    string // where clients ask
}

func newWorld(t *testing.T) *world {
	store, err := state.Open(state.Config{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, store: store, at: l.Addr().String()}
	w.write(func(tx *state.Tx) {
		state.LoadBalancers.Put(tx, &state.LoadBalancer{Meta: meta("net/lb/1"), Hash: "1", VpcID: "vpc-1", State: "active",
			Nodes: []state.BalancerNode{{Zone: "us-east-1a", PrivateIP: netip.MustParseAddr("127.0.0.1")}}})
		state.TargetGroups.Put(tx, &state.TargetGroup{Meta: meta("tg/1"), VpcID: "vpc-1", Protocol: "TCP", TargetType: "ip"})
		state.Listeners.Put(tx, &state.Listener{Meta: meta("net/lb/1/1"), BalancerID: "net/lb/1", Protocol: "TCP", Port: int32(addrOf(l.Addr()).Port()), TargetsID: "tg/1"})
	})
	w.relay = New(Config{Store: store, Log: slog.New(slog.DiscardHandler), Dial: func(ctx context.Context, _ *state.LoadBalancer, node netip.Addr, to netip.AddrPort) (*net.TCPConn, error) {
		d := &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(node, 0))}
		c, err := d.DialContext(ctx, "tcp4", to.String())
		if err != nil {
			return nil, err
		}
		return c.(*net.TCPConn), nil
	}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- w.relay.Run(ctx) }()
	go func() { ended <- w.relay.ServeStream(l, scope.Key("net/lb/1")) }()
	t.Cleanup(func() {
		cancel()
		l.Close()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		store.Close()
	})
	return w
}

func (w *world) write(fn func(*state.Tx)) {
	w.Helper()
	if _, err := w.store.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		w.Fatal(err)
	}
}

// target registers a listening socket.
func (w *world) target() (l *net.TCPListener, key state.Key) {
	w.Helper()
	some, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { some.Close() })
	port := int32(addrOf(some.Addr()).Port())
	key = scope.Key("tg/1 127.0.0.1:" + strconv.Itoa(int(port)))
	w.write(func(tx *state.Tx) {
		state.Targets.Put(tx, &state.Target{Meta: state.Meta{Key: key}, GroupID: "tg/1", Target: "127.0.0.1", Port: port, Zone: "us-east-1a"})
		lifecycle.TargetSeen(tx, key, "net/lb/1", "us-east-1a", &state.TargetHealth{BalancerID: "net/lb/1", Zone: "us-east-1a", Healthy: true})
	})
	return some.(*net.TCPListener), key
}

// connects gives both ends of a connection through the relay, the header read.
func (w *world) connects(l *net.TCPListener) (client, server *net.TCPConn) {
	w.Helper()
	c, err := net.Dial("tcp4", w.at)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { c.Close() })
	_ = l.SetDeadline(time.Now().Add(10 * time.Second))
	s, err := l.AcceptTCP()
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { s.Close() })
	for _, end := range []net.Conn{c, s} {
		_ = end.SetDeadline(time.Now().Add(10 * time.Second))
	}
	header := make([]byte, 28)
	if _, err := io.ReadFull(s, header); err != nil {
		w.Fatal(err)
	}
	if want := Header(addrOf(c.LocalAddr()), addrOf(c.RemoteAddr())); !bytes.Equal(header, want) {
		w.Errorf("the header is %x, want %x", header, want)
	}
	return c.(*net.TCPConn), s
}

// TestPassedOn: the header, then what the client says, then what he is answered; each
// end of a direction is passed on by itself.
func TestPassedOn(t *testing.T) {
	w := newWorld(t)
	l, _ := w.target()
	client, server := w.connects(l)
	if _, err := io.WriteString(client, "question"); err != nil {
		t.Fatal(err)
	}
	_ = client.CloseWrite()
	if got, err := io.ReadAll(server); err != nil || string(got) != "question" {
		t.Errorf("%q, %v", got, err)
	}
	large := bytes.Repeat([]byte("answer"), 1<<18)
	go func() {
		_, _ = server.Write(large)
		_ = server.CloseWrite()
	}()
	if got, err := io.ReadAll(client); err != nil || !bytes.Equal(got, large) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestHeader(t *testing.T) {
	const sig = "0d0a0d0a000d0a515549540a"
	for _, test := range []struct{ client, node, want string }{
		{"203.0.113.9:40000", "10.0.1.5:80", sig + "2111000c" + "cb007109" + "0a000105" + "9c40" + "0050"},
		{"[2001:db8::1]:1", "[2001:db8::2]:2", sig + "21210024" + "20010db8000000000000000000000001" + "20010db8000000000000000000000002" + "0001" + "0002"},
	} {
		if got := hex.EncodeToString(Header(netip.MustParseAddrPort(test.client), netip.MustParseAddrPort(test.node))); got != test.want {
			t.Errorf("%s: %s", test.client, got)
		}
	}
	if got := hex.EncodeToString(Own()); got != sig+"20000000" {
		t.Errorf("its own: %s", got)
	}
}

// cutOff reads until a connection is reset.
func cutOff(t *testing.T, c *net.TCPConn) {
	t.Helper()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("it ends with %v", err)
	}
}

// TestCut: what ends a connection, and what does not.
func TestCut(t *testing.T) {
	seen := func(tx *state.Tx, key state.Key, healthy bool) {
		lifecycle.TargetSeen(tx, key, "net/lb/1", "us-east-1a", &state.TargetHealth{BalancerID: "net/lb/1", Zone: "us-east-1a", Healthy: healthy})
	}
	goesOn := func(t *testing.T, client, server *net.TCPConn) {
		t.Helper()
		if _, err := io.WriteString(client, "x"); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
			t.Errorf("it does not go on: %v", err)
		}
	}
	t.Run("no target", func(t *testing.T) {
		w := newWorld(t)
		c, err := net.Dial("tcp4", w.at)
		if errors.Is(err, syscall.ECONNRESET) {
			return // faster than we look
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		cutOff(t, c.(*net.TCPConn))
	})
	t.Run("nobody listens", func(t *testing.T) {
		w := newWorld(t)
		l, _ := w.target()
		l.Close()
		c, err := net.Dial("tcp4", w.at)
		if errors.Is(err, syscall.ECONNRESET) {
			return // faster than we look
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		cutOff(t, c.(*net.TCPConn))
	})
	t.Run("unhealthy", func(t *testing.T) {
		w := newWorld(t)
		l, key := w.target()
		client, server := w.connects(l)
		w.write(func(tx *state.Tx) { seen(tx, key, false) })
		goesOn(t, client, server) // it is the only one: all are used
		w.target()
		cutOff(t, client)
	})
	t.Run("drained", func(t *testing.T) {
		for _, ends := range []string{"true", "false"} {
			w := newWorld(t)
			w.write(func(tx *state.Tx) {
				g, _ := state.TargetGroups.Get(tx, scope.Key("tg/1"))
				next := *g
				next.Attributes = next.Attributes.With(balance.AttrTerminate, ends)
				state.TargetGroups.Put(tx, &next)
			})
			l, key := w.target()
			client, server := w.connects(l)
			w.write(func(tx *state.Tx) {
				row, _ := state.Targets.Get(tx, key)
				next := *row
				next.Drains = tx.Now().Add(time.Hour)
				state.Targets.Put(tx, &next)
			})
			goesOn(t, client, server)
			w.write(func(tx *state.Tx) { state.Targets.Delete(tx, key) })
			if ends == "true" {
				cutOff(t, client)
			} else {
				goesOn(t, client, server)
			}
		}
	})
	t.Run("idle", func(t *testing.T) {
		w := newWorld(t)
		w.write(func(tx *state.Tx) {
			row, _ := state.Listeners.Get(tx, scope.Key("net/lb/1/1"))
			next := *row
			next.Attributes = next.Attributes.With(balance.AttrIdle, "1")
			state.Listeners.Put(tx, &next)
		})
		l, _ := w.target()
		client, _ := w.connects(l)
		cutOff(t, client)
	})
	t.Run("the balancer goes", func(t *testing.T) {
		w := newWorld(t)
		l, _ := w.target()
		client, server := w.connects(l)
		w.write(func(tx *state.Tx) { state.LoadBalancers.Delete(tx, scope.Key("net/lb/1")) })
		cutOff(t, client)
		cutOff(t, server)
	})
}
