package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/fault"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/decide/ruleset"
	"github.com/localvpc/localvpc/internal/node/kernel"
	"github.com/localvpc/localvpc/internal/node/kernel/fake"
	"github.com/localvpc/localvpc/internal/state"
)

// fataler is a *testing.T or a *rapid.T.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// engine is a reconciler on the fake kernel, with instances that are only
// entries in a map. It lives in a bubble of testing/synctest, so that quiet()
// is exact and the retries take no time.
type engine struct {
	fataler
	store    *fabrictest.Store
	kernel   *faultyKernel
	services *services
	host     *host

	r      *Reconciler
	cancel context.CancelFunc
	ended  chan error
}

func newEngine(t fataler) *engine {
	k := fake.New()
	e := &engine{fataler: t, store: fabrictest.Open(t), services: &services{kernel: k, open: plan.Objects{}}}
	e.host = &host{e: e, running: map[string]*guest{}, disks: map[string]bool{}, captured: map[string]string{}}
	e.kernel = &faultyKernel{Kernel: k, host: e.host}
	return e
}

// start runs a reconciler over what is there.
func (e *engine) start() {
	ctx, cancel := context.WithCancel(context.Background())
	e.r = New(Config{Store: e.store.Store, Kernel: e.kernel, Services: e.services, Host: e.host, Log: slog.New(slog.DiscardHandler)})
	e.cancel, e.ended = cancel, make(chan error, 1)
	r, ended := e.r, e.ended
	go func() { ended <- r.Run(ctx) }()
}

// stop ends the reconciler and leaves the kernel and the instances to the next.
func (e *engine) stop() {
	e.Helper()
	e.cancel()
	if err := <-e.ended; err != nil {
		e.Fatalf("the reconciler ended: %v", err)
	}
	if n := e.r.live(); n != 0 {
		e.Errorf("%d goroutines are left", n)
	}
}

// live counts what Run has to wait for.
func (r *Reconciler) live() (n int) {
	done := make(chan struct{})
	go func() { r.running.Wait(); close(done) }()
	synctest.Wait()
	select {
	case <-done:
		return 0
	default:
		return 1
	}
}

func (e *engine) close() {
	e.Helper()
	e.stop()
	if err := e.store.Close(); err != nil {
		e.Fatalf("closing the store: %v", err)
	}
}

// write changes the state and gives the commit.
func (e *engine) write(fn func(*state.Tx)) uint64 {
	e.Helper()
	index, err := e.store.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil })
	if err != nil {
		e.Fatalf("changing the state: %v", err)
	}
	return index
}

// quiet returns when nothing moves any more.
func (e *engine) quiet() { synctest.Wait() }

// settled waits for a commit as a call of the API does.
func (e *engine) settled(index uint64) {
	e.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := e.r.Wait(ctx, index); err != nil {
		e.Fatalf("%v", err)
	}
}

// desired is the whole compilation of a snapshot: kernel text and listeners.
// Instances in plugged are wired.
func desiredOf(snap *state.Snapshot, plugged map[string]bool) (text string, open []string) {
	objects := plan.Objects{}
	for _, u := range fabric.Units(snap) {
		policy, wiring := ruleset.Objects(snap, u)
		objects.Put(policy...)
		wired := len(wiring) > 0
		for _, o := range wiring {
			if l, ok := o.(plan.Link); ok && !plugged[string(l.Peer)] {
				wired = false
			}
		}
		if wired {
			objects.Put(wiring...)
		}
	}
	ends := map[[2]string]bool{}
	for _, o := range objects {
		if l, ok := o.(plan.Link); ok {
			ends[[2]string{string(l.Netns), l.Name}], ends[[2]string{string(l.Peer), l.PeerName}] = true, true
		}
	}
	var ops []plan.Op
	for key, o := range objects {
		if route, ok := o.(plan.Route); ok && strings.HasPrefix(string(route.Netns), "vpc-") && route.Link != "" {
			// A route to a link that is not there yet is a black hole.
			if !ends[[2]string{string(route.Netns), route.Link}] {
				o = plan.Route{Netns: route.Netns, Table: route.Table, Dst: route.Dst, Type: plan.Blackhole}
			}
		}
		if o.Kind() == plan.KindService {
			open = append(open, key)
			continue
		}
		ops = append(ops, plan.Op{Verb: plan.Add, Object: o})
	}
	plan.Sort(ops)
	var b strings.Builder
	for _, op := range ops {
		b.WriteString(op.Object.String() + "\n")
	}
	slices.Sort(open)
	return b.String(), open
}

// check holds the kernel, the listeners and the instances against the state.
func (e *engine) check() {
	e.Helper()
	snap := e.store.Snapshot()
	want := map[string]bool{}
	for i := range state.Instances.All(snap) {
		if i.State == state.Running || i.State == state.Pending {
			want[i.ID] = true
			if g := e.host.guest(i.ID); g != nil && g.isPaused() != fault.IsPaused(snap, i.Key) {
				e.Fatalf("%s stands still: %v", i.ID, g.isPaused())
			}
		}
	}
	for h := range state.Hosts.All(snap) {
		if h.Ended == "" {
			want[fabric.HostSpace(h.ID)] = true
		}
	}
	if have := e.host.list(); !maps.Equal(have, want) {
		e.Fatalf("running: %v, the state says %v", have, want)
	}
	e.checkKernel(snap, want)
}

func (e *engine) checkKernel(snap *state.Snapshot, plugged map[string]bool) {
	e.Helper()
	text, open := desiredOf(snap, plugged)
	if have := e.kernel.String(); have != text {
		e.Fatalf("the kernel differs from the state at %d:\n%s", snap.Index, difference(text, have))
	}
	if have := slices.Sorted(maps.Keys(e.services.Open())); !slices.Equal(have, open) {
		e.Fatalf("open at %d: %v\nwant %v", snap.Index, have, open)
	}
}

// difference shows the lines that only one of two texts has.
func difference(want, have string) string {
	count := map[string]int{}
	for l := range strings.Lines(want) {
		count[l]--
	}
	for l := range strings.Lines(have) {
		count[l]++
	}
	var b strings.Builder
	for _, l := range slices.Sorted(maps.Keys(count)) {
		if count[l] < 0 {
			b.WriteString("missing: " + l)
		} else if count[l] > 0 {
			b.WriteString("extra:   " + l)
		}
	}
	return b.String()
}

// faultyKernel is the fake that refuses when it is told to.
type faultyKernel struct {
	*fake.Kernel
	host   *host
	mu     sync.Mutex
	refuse func(ops []plan.Op) (int, error) // how many it does before it fails; nil: never
	unread func(ns plan.Netns) error        // why a namespace cannot be read; nil: it can
	ops    []plan.Op                        // what was done
	wait   chan struct{}                    // Apply blocks until it is closed; nil: never
}

func (k *faultyKernel) Apply(ctx context.Context, ops []plan.Op) error {
	k.mu.Lock()
	refuse, wait := k.refuse, k.wait
	k.mu.Unlock()
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if refuse != nil {
		if n, err := refuse(ops); err != nil {
			// What a real kernel does before it fails stays done.
			if k.Kernel.Apply(ctx, ops[:n]) == nil {
				k.note(ops[:n])
			}
			return err
		}
	}
	if err := k.Kernel.Apply(ctx, ops); err != nil {
		return err
	}
	k.note(ops)
	return nil
}

func (k *faultyKernel) note(ops []plan.Op) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ops = append(k.ops, ops...)
}

// done gives the operations since the last call.
func (k *faultyKernel) done() []plan.Op {
	k.mu.Lock()
	defer k.mu.Unlock()
	ops := k.ops
	k.ops = nil
	return ops
}

// Attach takes a namespace by its name for that of the guest that runs: what an
// earlier engine has attached is the same namespace still, with all that is in it.
func (k *faultyKernel) Attach(ns plan.Netns, f *os.File) error {
	g := k.host.guest(string(ns))
	if g == nil || g.attached {
		return nil
	}
	g.attached = true
	return k.Kernel.Attach(ns, f)
}

func (k *faultyKernel) set(refuse func([]plan.Op) (int, error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refuse = refuse
}

func (k *faultyKernel) Read(ns plan.Netns) (plan.Objects, error) {
	k.mu.Lock()
	unread := k.unread
	k.mu.Unlock()
	if unread != nil {
		if err := unread(ns); err != nil {
			return nil, err
		}
	}
	return k.Kernel.Read(ns)
}

var _ Kernel = (*faultyKernel)(nil)

// services are listeners: entries in a map, refused where there is no router.
type services struct {
	kernel *fake.Kernel
	mu     sync.Mutex
	open   plan.Objects
	refuse func(plan.Op) error
}

func (s *services) Open() plan.Objects {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.open)
}

func (s *services) Apply(_ context.Context, op plan.Op) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		if err := s.refuse(op); err != nil {
			return err
		}
	}
	_, open := s.open[op.Object.Key()]
	switch {
	case op.Verb == plan.Remove:
		delete(s.open, op.Object.Key()) // the router may be gone
		return nil
	case open:
		return fmt.Errorf("%s is open", op.Object.Key())
	}
	s.open[op.Object.Key()] = op.Object
	return s.kernel.In(op.Object.NS(), func() error { return nil })
}

// host runs instances that do nothing.
type host struct {
	e *engine

	mu       sync.Mutex
	running  map[string]*guest
	disks    map[string]bool
	captured map[string]string // image: instance
	gate     chan struct{}     // Create blocks until it is closed; nil: never
	create   func(id string) error
	boot     func(g *guest) error
	capture  func(instance, image string) error
	deaf     bool     // guests do not obey unless they are forced
	late     []*guest // that ended without an engine, and that the next is told of
	log      []string
}

func (h *host) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

// said gives what has been noted since the last call.
func (h *host) said() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := strings.Join(h.log, ", ")
	h.log = nil
	return text
}

// list gives the instances that run and have been let go.
func (h *host) list() map[string]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[string]bool{}
	for id, g := range h.running {
		if g.let {
			out[id] = true
		}
	}
	return out
}

func (h *host) guest(id string) *guest {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running[id]
}

func (h *host) Adopt(context.Context) (map[string]Guest, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[string]Guest{}
	for id, g := range h.running {
		out[id] = g
	}
	for _, g := range h.late {
		out[g.id] = g
	}
	h.late = nil
	return out, nil
}

func (h *host) Create(ctx context.Context, snap *state.Snapshot, key state.Key) (Guest, error) {
	h.mu.Lock()
	gate, create := h.gate, h.create
	h.mu.Unlock()
	h.note("create")
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if create != nil {
		if err := create(key.ID); err != nil {
			return nil, err
		}
	}
	g := &guest{h: h, id: key.ID, exited: make(chan struct{})}
	if i, ok := state.Instances.Get(snap, key); ok {
		g.boots = i.Boots
	} else if o, ok := state.Hosts.Get(snap, key); ok {
		g.id, g.boots = fabric.HostSpace(key.ID), o.Boots
	} else {
		return nil, fmt.Errorf("there is no row %s", key)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running[g.id] != nil {
		return nil, fmt.Errorf("%s runs already", g.id)
	}
	h.running[g.id], h.disks[g.id] = g, true
	return g, nil
}

func (h *host) Destroy(id string) error {
	h.note("destroy")
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running[id] != nil {
		return fmt.Errorf("%s still runs", id)
	}
	delete(h.disks, id)
	return nil
}

func (h *host) Capture(_ context.Context, instance, image string) error {
	h.note("capture")
	h.mu.Lock()
	fn, disk := h.capture, h.disks[instance]
	h.mu.Unlock()
	if fn != nil {
		if err := fn(instance, image); err != nil {
			return err
		}
	}
	if !disk {
		return fmt.Errorf("%s has no disk", instance)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if was, ok := h.captured[image]; ok {
		return fmt.Errorf("%s was captured from %s already", image, was)
	}
	h.captured[image] = instance
	return nil
}

// guest is one instance that runs.
type guest struct {
	h      *host
	id     string
	boots  uint64
	let    bool
	exited chan struct{}

	attached bool
	paused   bool
	leases   []string // that it was told of
	once     sync.Once
	cause    lifecycle.Cause
}

func (g *guest) Boots() uint64           { return g.boots }
func (g *guest) Exited() <-chan struct{} { return g.exited }
func (g *guest) Cause() lifecycle.Cause  { return g.cause }

func (g *guest) Netns() *os.File {
	select {
	case <-g.exited:
		return nil
	default:
		return os.Stdin // nobody looks at it
	}
}

func (g *guest) Boot(context.Context) error {
	g.h.note("boot")
	if g.h.boot != nil {
		if err := g.h.boot(g); err != nil {
			return err
		}
	}
	g.h.mu.Lock()
	defer g.h.mu.Unlock()
	g.let = true
	return nil
}

func (g *guest) isPaused() bool {
	g.h.mu.Lock()
	defer g.h.mu.Unlock()
	return g.paused
}

func (g *guest) Pause(_ context.Context, paused bool) error {
	g.h.mu.Lock()
	defer g.h.mu.Unlock()
	g.paused = paused
	return nil
}

func (g *guest) Renew(_ context.Context, lease string) error {
	g.h.mu.Lock()
	defer g.h.mu.Unlock()
	g.leases = append(g.leases, lease)
	return nil
}

func (g *guest) Stop(force bool) {
	g.h.note("stop %v", force)
	if force || !g.h.deaf {
		g.exit(lifecycle.Requested)
	}
}

// exit ends the guest's processes.
func (g *guest) exit(c lifecycle.Cause) {
	g.once.Do(func() {
		g.h.mu.Lock()
		delete(g.h.running, g.id)
		g.h.mu.Unlock()
		g.cause = c
		close(g.exited)
	})
}

func (g *guest) Release() {
	have, err := g.h.e.kernel.Kernel.Read(plan.Netns(g.id))
	if !errors.Is(err, kernel.ErrNoNamespace) {
		g.h.note("released with its namespace attached, %d objects", len(have))
	}
}

// populated fills both VPCs of fabrictest and disturbs them.
func (e *engine) populate(rt *rapid.T) uint64 {
	e.Helper()
	return e.write(func(tx *state.Tx) {
		for v := range 2 {
			fabrictest.Populate(rt, tx, v)
		}
	})
}

func (e *engine) disturb(rt *rapid.T) uint64 {
	e.Helper()
	return e.write(func(tx *state.Tx) { fabrictest.Disturb(rt, tx) })
}

// bubble runs a property in a bubble of its own.
func bubble(t *testing.T, fn func(rt *rapid.T)) {
	synctest.Test(t, func(t *testing.T) { rapid.Check(untimed{t}, fn) })
}

// untimed is a test without a deadline, which has no meaning in a bubble.
type untimed struct{ rapid.TB }
