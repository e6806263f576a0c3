package targets

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

var scope = state.Scope{Account: "123456789012", Region: "us-east-1"}

func meta(id string) state.Meta { return state.Meta{Key: scope.Key(id)} }

// world is a store with a balancer in two zones, and checks in a bubble.
type world struct {
	*testing.T
	store  *state.Store
	mu     sync.Mutex
	down   map[string]bool // by address
	asked  map[string]int
	now    int // probes under way
	most   int
	cancel context.CancelFunc
	ended  chan error
}

func newWorld(t *testing.T) *world {
	store, err := state.Open(state.Config{Now: time.Now, DetectMutations: true})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, store: store, down: map[string]bool{}, asked: map[string]int{}}
	w.write(func(tx *state.Tx) {
		state.Vpcs.Put(tx, &state.Vpc{Meta: meta("vpc-1")})
		lb := &state.LoadBalancer{Meta: meta("net/lb/1"), Hash: "1", VpcID: "vpc-1", State: "active"}
		for i, zone := range []string{"us-east-1a", "us-east-1b"} {
			id := fmt.Sprintf("subnet-%d", i+1)
			state.Subnets.Put(tx, &state.Subnet{Meta: meta(id), VpcID: "vpc-1", AvailabilityZone: zone, Cidr: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i + 1), 0, 0}), 16)})
			lb.Nodes = append(lb.Nodes, state.BalancerNode{Zone: zone, SubnetID: id, PrivateIP: netip.AddrFrom4([4]byte{10, byte(i + 1), 0, 4})})
		}
		state.LoadBalancers.Put(tx, lb)
		state.TargetGroups.Put(tx, &state.TargetGroup{Meta: meta("tg/1"), VpcID: "vpc-1", Protocol: "TCP", Port: 80, TargetType: "ip",
			Check: state.TargetCheck{Protocol: "TCP", Interval: 10, Timeout: 5, Healthy: 3, Unhealthy: 2}})
		state.Listeners.Put(tx, &state.Listener{Meta: meta("net/lb/1/1"), BalancerID: "net/lb/1", Protocol: "TCP", Port: 80, TargetsID: "tg/1"})
	})
	w.start()
	return w
}

func (w *world) start() {
	ctx, cancel := context.WithCancel(context.Background())
	c := New(Config{Store: w.store, Probe: w.probe, Log: slog.New(slog.DiscardHandler)})
	c.rounds.Most = 16 // the race detector of Go 1.26 fails over thousands of timers in a bubble (golang/go issue 78156)
	w.cancel, w.ended = cancel, make(chan error, 1)
	go func() { w.ended <- c.Run(ctx) }()
	synctest.Wait()
}

func (w *world) stop() {
	w.cancel()
	if err := <-w.ended; err != nil {
		w.Error(err)
	}
}

func (w *world) close() {
	w.stop()
	for _, m := range w.store.Mutations() {
		w.Errorf("a row was modified: %s", m)
	}
	if err := w.store.Close(); err != nil {
		w.Error(err)
	}
}

func (w *world) write(fn func(*state.Tx)) {
	w.Helper()
	if _, err := w.store.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		w.Fatal(err)
	}
}

func (w *world) probe(ctx context.Context, a Ask) bool {
	w.mu.Lock()
	w.asked[a.To.String()+" from "+a.From.String()]++
	down := w.down[a.To.Addr().String()]
	w.now++
	w.most = max(w.most, w.now)
	w.mu.Unlock()
	timer := time.NewTimer(time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now--
	return !down
}

func (w *world) set(addr string, down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down[addr] = down
}

// after lets time pass, and says what the rows say then.
func (w *world) after(d time.Duration, addr, want string) {
	w.Helper()
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
	t, ok := state.Targets.Get(w.store.Snapshot(), scope.Key("tg/1 "+addr+":80"))
	if !ok {
		w.Fatalf("there is no target %s", addr)
	}
	var got []string
	for _, h := range t.Health {
		word := "unhealthy"
		if h.Healthy {
			word = "healthy"
		}
		got = append(got, strings.TrimPrefix(h.Zone, "us-east-1")+" "+word)
	}
	if text := strings.Join(got, ", "); text != want {
		w.Errorf("%s: %q, want %q", addr, text, want)
	}
}

func register(tx *state.Tx, addr string) {
	state.Targets.Put(tx, &state.Target{Meta: meta("tg/1 " + addr + ":80"), GroupID: "tg/1", Target: addr, Port: 80})
}

// TestThresholds: one success makes a new target healthy; after that as many results
// in a row as the thresholds say, an interval apart, change it.
func TestThresholds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		w.write(func(tx *state.Tx) { register(tx, "10.1.0.10"); register(tx, "10.2.0.10") })
		w.after(time.Second, "10.1.0.10", "a healthy")
		w.after(0, "10.2.0.10", "b healthy")
		index := w.store.Snapshot().Index
		w.after(time.Minute, "10.1.0.10", "a healthy")
		if now := w.store.Snapshot().Index; now != index {
			t.Errorf("%d commits about what has not changed", now-index)
		}
		w.set("10.1.0.10", true)
		w.after(10*time.Second, "10.1.0.10", "a healthy")
		w.after(10*time.Second, "10.1.0.10", "a unhealthy")
		w.set("10.1.0.10", false)
		w.after(20*time.Second, "10.1.0.10", "a unhealthy")
		w.after(10*time.Second, "10.1.0.10", "a healthy")
		// One failure in between counts for nothing.
		w.set("10.1.0.10", true)
		w.after(10*time.Second, "10.1.0.10", "a healthy")
		w.set("10.1.0.10", false)
		w.after(10*time.Second, "10.1.0.10", "a healthy")
		w.set("10.1.0.10", true)
		w.after(10*time.Second, "10.1.0.10", "a healthy")
	})
}

// TestWhoAsks: each node asks what it may use, from its own address, and forgets what
// it asks no longer.
func TestWhoAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		w.set("10.1.0.11", true)
		w.write(func(tx *state.Tx) { register(tx, "10.1.0.10"); register(tx, "10.1.0.11") })
		w.after(9*time.Second, "10.1.0.11", "")
		w.after(2*time.Second, "10.1.0.11", "a unhealthy")
		group := func(change func(*state.TargetGroup)) {
			w.write(func(tx *state.Tx) {
				g, _ := state.TargetGroups.Get(tx, scope.Key("tg/1"))
				next := *g
				change(&next)
				state.TargetGroups.Put(tx, &next)
			})
		}
		group(func(g *state.TargetGroup) {
			g.Attributes = g.Attributes.With("load_balancing.cross_zone.enabled", "true")
		})
		w.after(15*time.Second, "10.1.0.10", "a healthy, b healthy")
		group(func(g *state.TargetGroup) { g.Check.Port, g.Attributes = 81, nil })
		w.after(15*time.Second, "10.1.0.10", "a healthy")
		w.after(0, "10.1.0.11", "a unhealthy")
		if w.asked["10.1.0.10:81 from 10.1.0.4"] == 0 || w.asked["10.1.0.10:80 from 10.2.0.4"] == 0 || w.asked["10.1.0.10:81 from 10.2.0.4"] != 0 {
			t.Errorf("asked %v", w.asked)
		}
		// The next engine goes on from the rows.
		w.stop()
		w.start()
		w.after(0, "10.1.0.10", "a healthy")
		w.after(11*time.Second, "10.1.0.11", "a unhealthy")
		// What drains has no health, nor what has no listener.
		w.write(func(tx *state.Tx) {
			row, _ := state.Targets.Get(tx, scope.Key("tg/1 10.1.0.10:80"))
			next := *row
			next.Drains = tx.Now().Add(time.Minute)
			state.Targets.Put(tx, &next)
		})
		w.after(time.Second, "10.1.0.10", "")
		w.write(func(tx *state.Tx) { state.Listeners.Delete(tx, scope.Key("net/lb/1/1")) })
		w.after(time.Second, "10.1.0.11", "")
		before := len(w.asked)
		clear(w.asked)
		w.after(time.Minute, "10.1.0.11", "")
		if len(w.asked) != 0 {
			t.Errorf("nobody forwards to it, and it is asked %v, before %d", w.asked, before)
		}
	})
}

// TestMany: thousands of targets are asked once an interval, and few at a time.
func TestMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		const n = 3000
		addr := func(i int) string { return netip.AddrFrom4([4]byte{10, 1, byte(1 + i/250), byte(1 + i%250)}).String() }
		w.write(func(tx *state.Tx) {
			for i := range n {
				register(tx, addr(i))
			}
		})
		w.after(15*time.Second, addr(n-1), "a healthy")
		index := w.store.Snapshot().Index
		w.mu.Lock()
		clear(w.asked)
		w.mu.Unlock()
		w.after(30*time.Second, addr(0), "a healthy")
		w.mu.Lock()
		defer w.mu.Unlock()
		for i := range n {
			if got := w.asked[addr(i)+":80 from 10.1.0.4"]; got != 3 {
				t.Fatalf("%s was asked %d times", addr(i), got)
			}
		}
		if w.most > 16 || w.store.Snapshot().Index != index {
			t.Errorf("%d at a time, %d commits", w.most, w.store.Snapshot().Index-index)
		}
	})
}

// TestProbe: what each protocol takes for an answer.
func TestProbe(t *testing.T) {
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/up" || !strings.HasPrefix(r.UserAgent(), "ELB-HealthChecker") {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	odd, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer odd.Close()
	go func() {
		for {
			c, err := odd.Accept()
			if err != nil {
				return
			}
			_, _ = bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100))
			c.Close()
		}
	}()
	p := &Prober{Dial: func(ctx context.Context, a Ask) (net.Conn, error) {
		if a.To.Port() == 1 {
			return nil, errors.New("refused")
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", a.To.String())
	}}
	for _, test := range []struct {
		name, at string
		check    state.TargetCheck
		up       bool
	}{
		{"tcp", silent.Addr().String(), state.TargetCheck{Protocol: "TCP", Timeout: 2}, true},
		{"tcp refused", "127.0.0.1:1", state.TargetCheck{Protocol: "TCP", Timeout: 2}, false},
		{"http", plain.Listener.Addr().String(), state.TargetCheck{Protocol: "HTTP", Path: "/up", Timeout: 2}, true},
		{"http elsewhere", plain.Listener.Addr().String(), state.TargetCheck{Protocol: "HTTP", Path: "/", Timeout: 2}, false},
		{"http, a matcher", plain.Listener.Addr().String(), state.TargetCheck{Protocol: "HTTP", Path: "/", Matcher: "200,500-503", Timeout: 2}, true},
		{"http, a path that ends the line", plain.Listener.Addr().String(), state.TargetCheck{Protocol: "HTTP", Path: "/up HTTP/1.1\r\nX: y", Timeout: 2}, false},
		{"http, no answer", silent.Addr().String(), state.TargetCheck{Protocol: "HTTP", Path: "/", Timeout: 1}, false},
		{"http, answers without end", odd.Addr().String(), state.TargetCheck{Protocol: "HTTP", Path: "/", Timeout: 2}, false},
		{"https", secure.Listener.Addr().String(), state.TargetCheck{Protocol: "HTTPS", Path: "/up", Timeout: 2}, true},
		{"https to http", plain.Listener.Addr().String(), state.TargetCheck{Protocol: "HTTPS", Path: "/up", Timeout: 2}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if up := p.Probe(t.Context(), Ask{To: netip.MustParseAddrPort(test.at), Check: test.check}); up != test.up {
				t.Errorf("healthy: %v", up)
			}
		})
	}
}

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		matcher string
		code    int
		want    bool
	}{{"", 200, true}, {"", 399, true}, {"", 400, false}, {"200", 200, true}, {"200", 201, false}, {"200,202", 202, true}, {"200-299", 250, true}, {"200-299,404", 404, true}, {"x", 200, false}} {
		if got := Matches(test.matcher, test.code); got != test.want {
			t.Errorf("%q, %d: %v", test.matcher, test.code, got)
		}
	}
}
