package health

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/state"
)

// bound is how many probes may be under way in a world. The race detector of Go 1.26
// fails over thousands of timers in a bubble (golang/go issue 78156).
const bound = 16

// world is a store and checkers in a bubble, whose endpoints are entries in a map.
type world struct {
	*testing.T
	store  *state.Store
	down   map[string]string // by domain: why it fails
	slow   map[string]time.Duration
	asked  map[string]int
	most   int // probes at one time
	now    int
	lock   chan struct{} // holds the maps
	c      *Checkers
	cancel context.CancelFunc
	ended  chan error
}

func newWorld(t *testing.T) *world {
	store, err := state.Open(state.Config{Now: time.Now, Rand: rand.NewChaCha8([32]byte{}), DetectMutations: true})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, store: store, down: map[string]string{}, slow: map[string]time.Duration{}, asked: map[string]int{}, lock: make(chan struct{}, 1)}
	w.start()
	return w
}

func (w *world) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.c = New(Config{
		Store: w.store, Probe: w.probe, Log: slog.New(slog.DiscardHandler),
		Address: func() netip.Addr { return netip.MustParseAddr("198.18.0.1") },
	})
	w.c.rounds.Most = bound
	w.cancel, w.ended = cancel, make(chan error, 1)
	go func() { w.ended <- w.c.Run(ctx) }()
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

func (w *world) locked(fn func()) {
	w.lock <- struct{}{}
	fn()
	<-w.lock
}

func (w *world) probe(ctx context.Context, h *state.HealthCheck) (r Result) {
	var wait time.Duration
	w.locked(func() {
		w.asked[h.Domain]++
		w.now++
		w.most = max(w.most, w.now)
		wait = w.slow[h.Domain]
	})
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
	w.locked(func() {
		w.now--
		if why := w.down[h.Domain]; why != "" {
			r = Result{Status: "Failure: " + why}
		} else {
			r = Result{Healthy: true, Status: "Success: fine"}
		}
	})
	return r
}

func key(id string) state.Key { return state.Key{Account: "123456789012", ID: id} }

// check puts a check of the endpoint that is named as it.
func (w *world) check(id string, change func(*state.HealthCheck)) {
	w.write(func(tx *state.Tx) {
		h, ok := state.HealthChecks.Get(tx, key(id))
		next := state.HealthCheck{Meta: state.Meta{Key: key(id), Created: tx.Now()}, Type: "HTTP", Domain: id, Port: 80, Interval: 10, Threshold: 3}
		if ok {
			next = *h
		}
		next.Version++
		if change != nil {
			change(&next)
		}
		state.HealthChecks.Put(tx, &next)
	})
}

func (w *world) write(fn func(*state.Tx)) {
	w.Helper()
	if _, err := w.store.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		w.Fatal(err)
	}
	synctest.Wait()
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (w *world) set(id, why string) { w.locked(func() { w.down[id] = why }) }

// times is how often an endpoint was asked.
func (w *world) times(id string) (n int) {
	w.locked(func() { n = w.asked[id] })
	return n
}

func (w *world) row(id string) *state.HealthCheck {
	w.Helper()
	h, ok := state.HealthChecks.Get(w.store.Snapshot(), key(id))
	if !ok {
		w.Fatalf("there is no check %s", id)
	}
	return h
}

func (w *world) is(id string, healthy bool) {
	w.Helper()
	if got := dnsview.CheckHealthy(w.store.Snapshot(), key(id)); got != healthy {
		w.Errorf("at %s: %s is healthy: %v; %+v", time.Now().Format("15:04:05"), id, got, w.row(id))
	}
}

// TestFailure: an endpoint is unhealthy when enough checkers have seen enough
// failures in a row, and healthy again likewise; the store changes no more often
// than what is seen.
func TestFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		w.pass(time.Hour)
		if w.store.Snapshot().Index != 0 {
			t.Error("without a check something is written")
		}
		w.check("a", nil)
		w.is("a", true)
		w.pass(time.Minute)
		quiet := w.store.Snapshot().Index
		if h := w.row("a"); len(h.Observations) != 3 || h.Observations[0].Status != "Success: fine" || h.Observations[0].IP != netip.MustParseAddr("198.18.0.1") || len(h.Failures) != 0 {
			t.Errorf("%+v", h)
		}
		w.pass(time.Hour)
		if now := w.store.Snapshot().Index; now != quiet {
			t.Errorf("nothing new was written %d times", now-quiet)
		}
		if n := w.times("a"); n < 3*360 || n > 3*370 {
			t.Errorf("asked %d times in an hour and a minute", n)
		}
		if seen := w.c.Seen(key("a"), "us-east-1"); time.Since(seen) > 10*time.Second {
			t.Errorf("last seen %s ago", time.Since(seen))
		}
		w.set("a", "gone")
		w.pass(19 * time.Second)
		w.is("a", true) // two failures at most
		w.pass(12 * time.Second)
		w.is("a", false)
		h := w.row("a")
		for _, list := range [][]state.HealthObservation{h.Observations, h.Failures} {
			if len(list) != 3 || list[1].Status != "Failure: gone" || list[1].Down == (&list[1] == &h.Failures[1]) {
				t.Errorf("%+v", list)
			}
		}
		w.check("a", func(h *state.HealthCheck) { h.Inverted = true })
		w.is("a", true)
		w.check("a", func(h *state.HealthCheck) { h.Inverted = false })
		w.is("a", false)
		w.set("a", "")
		w.pass(19 * time.Second)
		w.is("a", false)
		w.pass(12 * time.Second)
		w.is("a", true)
		if h := w.row("a"); h.Observations[2].Status != "Success: fine" || h.Failures[2].Status != "Failure: gone" {
			t.Errorf("%+v", h)
		}
	})
}

// TestOneChecker: one of three checkers that sees the endpoint is enough.
func TestOneChecker(t *testing.T) {
	for up := range 4 {
		var one target
		for i := range checkers {
			one.checkers = append(one.checkers, &checker{of: &one, view: view{down: i >= up}})
		}
		if one.judge(); one.down != (up == 0) {
			t.Errorf("%d of %d: down %v", up, checkers, one.down)
		}
	}
}

// TestNotAsked: disabled checks and those without an endpoint are not asked for;
// a disabled one counts as healthy and goes on from what was known.
func TestNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		w.set("a", "gone")
		w.check("a", nil)
		w.check("sum", func(h *state.HealthCheck) {
			h.Type, h.Interval, h.Children, h.HealthThreshold = "CALCULATED", 0, []string{"a", "metric"}, new(int32(2))
		})
		w.check("metric", func(h *state.HealthCheck) {
			h.Type, h.Interval, h.InsufficientData = "CLOUDWATCH_METRIC", 0, "LastKnownStatus"
		})
		w.is("sum", true)
		w.pass(time.Minute)
		w.is("a", false)
		w.is("sum", false)
		w.check("sum", func(h *state.HealthCheck) { h.HealthThreshold = new(int32(1)) })
		w.is("sum", true)
		w.check("metric", func(h *state.HealthCheck) { h.InsufficientData = "Unhealthy" })
		w.is("metric", false)
		w.is("sum", false)
		w.check("a", func(h *state.HealthCheck) { h.Disabled = true })
		w.is("a", true)
		w.is("sum", true)
		asked := w.times("a")
		w.pass(time.Hour)
		if w.times("a") != asked || w.times("sum") != 0 || w.times("metric") != 0 {
			t.Errorf("asked %d times, before %d", w.times("a"), asked)
		}
		w.check("a", func(h *state.HealthCheck) { h.Disabled = false })
		w.is("a", false)
		w.set("a", "")
		w.pass(time.Minute)
		w.is("a", true)
		w.write(func(tx *state.Tx) { state.HealthChecks.Delete(tx, key("a")) })
		asked = w.times("a")
		w.pass(time.Hour)
		if w.times("a") != asked {
			t.Error("a deleted check is asked for")
		}
		w.write(func(tx *state.Tx) { tx.Clear() })
		if len(w.c.targets) != 0 || w.c.rounds.Waiting() != 0 {
			t.Errorf("after a reset there are %d targets, %d due", len(w.c.targets), w.c.rounds.Waiting())
		}
	})
}

// TestUpdate: a check that is changed is asked for as it is now; what checkers of
// other Regions have seen is dropped.
func TestUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		w.set("a", "gone")
		w.check("a", nil)
		w.pass(time.Minute)
		w.is("a", false)
		w.check("a", func(h *state.HealthCheck) { h.Domain, h.Threshold = "b", 1 })
		w.pass(10 * time.Second)
		w.is("a", true)
		w.check("a", func(h *state.HealthCheck) { h.Regions = []string{"sa-east-1", "us-east-1", "ap-northeast-1"} })
		w.pass(10 * time.Second)
		h := w.row("a")
		regions := map[string]bool{}
		for _, o := range h.Observations {
			regions[o.Region] = true
		}
		if len(h.Observations) != 3 || !regions["sa-east-1"] || !regions["us-east-1"] || !regions["ap-northeast-1"] {
			t.Errorf("%+v", h.Observations)
		}
		w.check("a", func(h *state.HealthCheck) { h.Interval = 30 })
		before := w.times("b")
		w.pass(10 * time.Minute)
		if n := w.times("b") - before; n < 57 || n > 63 {
			t.Errorf("asked %d times in ten minutes by three checkers, each 30 s", n)
		}
	})
}

// TestTheNextEngine goes on from what the rows say.
func TestTheNextEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		w.check("a", nil)
		w.check("b", nil)
		w.set("b", "gone")
		w.pass(time.Minute)
		w.stop()
		index := w.store.Snapshot().Index
		w.pass(time.Minute)
		w.start()
		w.pass(time.Minute)
		if now := w.store.Snapshot().Index; now != index {
			t.Errorf("the next engine has written %d times", now-index)
		}
		w.is("b", false)
		w.set("b", "")
		w.pass(15 * time.Second)
		w.is("b", false)
		w.pass(20 * time.Second)
		w.is("b", true)
	})
}

// TestMany: many checks whose endpoints do not answer are asked for by a
// bounded number of probes, and those that answer are not starved.
func TestMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		w.write(func(tx *state.Tx) {
			for i := range 100 {
				id := fmt.Sprint("c", i)
				state.HealthChecks.Put(tx, &state.HealthCheck{Meta: state.Meta{Key: key(id)}, Type: "TCP", Domain: id, Port: 80, Interval: 10, Threshold: 1})
			}
		})
		w.locked(func() {
			for i := range 100 {
				if i%3 == 0 {
					w.down[fmt.Sprint("c", i)], w.slow[fmt.Sprint("c", i)] = "slow", tcpTime
				}
			}
		})
		w.pass(5 * time.Minute)
		if w.most > bound {
			t.Errorf("%d probes at one time", w.most)
		}
		for i := range 100 {
			id := fmt.Sprint("c", i)
			w.is(id, i%3 != 0)
			if w.times(id) < 4 {
				t.Errorf("%s was asked %d times", id, w.times(id))
			}
		}
		quiet := w.store.Snapshot().Index
		w.pass(5 * time.Minute)
		if now := w.store.Snapshot().Index; now != quiet {
			t.Errorf("nothing new was written %d times", now-quiet)
		}
	})
}
