// Package reconcile makes the kernel and the instances follow the state.
//
// Invariant: what is settled at commit N holds in the kernel what the decisions
// give for N; one goroutine decides and applies, so that nothing is applied out
// of order; and after any failure the kernel is read back, never assumed.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/decide/ruleset"
	"github.com/localvpc/localvpc/internal/state"
)

// Kernel is what the reconciler needs of the kernel wing.
type Kernel interface {
	Apply(ctx context.Context, ops []plan.Op) error
	Read(ns plan.Netns) (plan.Objects, error)
	Namespaces() ([]plan.Netns, error)
	Attach(ns plan.Netns, f *os.File) error
	Detach(ns plan.Netns) error
	CutFlows(ns plan.Netns, any ...plan.Flows) (int, error)
}

// Services opens and closes the listeners inside routers.
type Services interface {
	// Open is what is open now; an engine that restarts finds what it had.
	Open() plan.Objects
	Apply(ctx context.Context, op plan.Op) error
}

// Config of a reconciler.
type Config struct {
	Store    *state.Store
	Kernel   Kernel
	Services Services
	Host     Host // instances and outside hosts
	Log      *slog.Logger
	// RetryAfter is how long what the kernel has refused waits for its next
	// try; a second when zero.
	RetryAfter time.Duration
}

// Reconciler follows the store. Run it once.
type Reconciler struct {
	cfg     Config
	want    *desired
	behind  map[string]struct{}     // keys that the kernel has not obeyed yet
	doubt   map[plan.Netns]struct{} // namespaces that may hold something else than is believed: a failed application was the last
	events  chan event
	later   []event // that wait until the loop has followed a commit
	actors  map[state.Key]*actor
	plugged map[plan.Netns]bool // namespaces of guests that the kernel wing knows
	slots   chan struct{}       // one taken for every guest that is being made

	mu       sync.Mutex
	settled  uint64
	failing  error // why some keys are behind; nil when none is
	waiters  map[chan struct{}]uint64
	idle     []chan struct{}             // closed when no actor is left
	moving   map[state.Key]uint64        // instances in a passing state, by the commit that brought it
	moved    chan struct{}               // closed and made anew when one of them has arrived
	renewing map[state.Key]uint64        // instances whose lease is to be renewed, by the commit that changed it; moved tells of them too
	still    map[state.Key]struct{}      // instances that stand still; moved tells of them too
	led      map[state.Key]chan struct{} // rows that have an actor; closed when it has ended
	captures map[state.Key]chan struct{} // images whose disk is or was copied; closed when it was
	running  sync.WaitGroup              // what Run waits for
	ready    chan struct{}               // closed after the first full pass
}

// event is something an actor asks of the loop. The answer goes to done.
type event struct {
	what  request
	actor *actor
	file  *os.File // the namespace, to plug
	after uint64   // the commit to follow
	done  chan error
}

// request is what an actor can ask for.
type request int

const (
	plug   request = iota // wire the guest
	unplug                // unwire it
	forget                // the guest is gone, and the actor ends
	follow                // answer when the aim is as new as a commit
)

// New makes a reconciler.
func New(cfg Config) *Reconciler {
	if cfg.RetryAfter == 0 {
		cfg.RetryAfter = time.Second
	}
	return &Reconciler{
		cfg: cfg, want: newDesired(),
		behind:   map[string]struct{}{},
		doubt:    map[plan.Netns]struct{}{},
		events:   make(chan event),
		actors:   map[state.Key]*actor{},
		plugged:  map[plan.Netns]bool{},
		slots:    make(chan struct{}, starting),
		waiters:  map[chan struct{}]uint64{},
		moving:   map[state.Key]uint64{},
		moved:    make(chan struct{}),
		renewing: map[state.Key]uint64{},
		still:    map[state.Key]struct{}{},
		captures: map[state.Key]chan struct{}{},
		led:      map[state.Key]chan struct{}{},
		ready:    make(chan struct{}),
	}
}

// Run follows the store until ctx ends. The kernel and the instances are left as
// they are: another engine may take over.
func (r *Reconciler) Run(ctx context.Context) error {
	snap, sub := r.cfg.Store.Subscribe()
	defer sub.Close()
	type news struct {
		commits []state.Commit
		snap    *state.Snapshot
		lost    bool
		err     error
	}
	fresh := make(chan news)
	index := snap.Index
	ctx, cancel := context.WithCancel(ctx)
	defer r.running.Wait()
	defer cancel()

	if err := r.adopt(ctx, snap); err != nil {
		return err
	}
	close(r.ready)
	r.running.Go(func() {
		for {
			commits, snap, lost, err := sub.Next(ctx, index)
			if err == nil {
				index = snap.Index
			}
			select {
			case fresh <- news{commits, snap, lost, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	})

	var retry <-chan time.Time
	for {
		// Once set, the time stands: what comes meanwhile must not put it off.
		if len(r.behind)+len(r.doubt) == 0 {
			retry = nil
		} else if retry == nil {
			retry = time.After(r.cfg.RetryAfter)
		}
		touched := map[string]struct{}{}
		select {
		case <-ctx.Done():
			return nil
		case n := <-fresh:
			if n.err != nil {
				if ctx.Err() != nil || errors.Is(n.err, state.ErrClosed) {
					return nil
				}
				return fmt.Errorf("following the state: %w", n.err)
			}
			snap = n.snap
			if n.lost {
				r.everything(snap, touched)
				r.retrack(snap)
			} else {
				r.follow(snap, n.commits, touched)
				r.track(n.commits)
			}
			_ = r.apply(ctx, touched) // it is kept as failing, and tried again
			r.guests(ctx, snap, n.commits, n.lost)
			r.followed(snap.Index)
		case e := <-r.events:
			if e.what == follow {
				r.later = append(r.later, e)
				r.followed(snap.Index)
			} else {
				e.done <- r.answer(ctx, snap, e)
			}
		case <-retry:
			retry = nil
			r.retry(ctx)
		}
		r.settle(snap.Index)
	}
}

// followed answers those who wait for a commit that the actors' aims are as new
// as now.
func (r *Reconciler) followed(index uint64) {
	r.later = slices.DeleteFunc(r.later, func(e event) bool {
		if e.after > index {
			return false
		}
		e.done <- nil
		return true
	})
}

// adopt takes over what a former engine left: routers, listeners, instances.
func (r *Reconciler) adopt(ctx context.Context, snap *state.Snapshot) error {
	touched := map[string]struct{}{}
	spaces, err := r.cfg.Kernel.Namespaces()
	if err != nil {
		return fmt.Errorf("listing the namespaces left by the last engine: %w", err)
	}
	if err := r.adoptGuests(ctx, snap); err != nil {
		return err
	}
	for ns := range r.plugged {
		spaces = append(spaces, ns)
	}
	for _, ns := range spaces {
		have, err := r.cfg.Kernel.Read(ns)
		if err != nil {
			return fmt.Errorf("reading namespace %s: %w", ns, err)
		}
		r.want.found(ns, have, touched)
	}
	maps.Copy(r.want.applied, r.cfg.Services.Open())
	for key := range r.want.applied {
		touched[key] = struct{}{}
	}
	r.everything(snap, touched)
	_ = r.apply(ctx, touched) // likewise
	r.guests(ctx, snap, nil, true)
	r.settle(snap.Index)
	return nil
}

// everything decides all units anew.
func (r *Reconciler) everything(snap *state.Snapshot, touched map[string]struct{}) {
	stale := maps.Clone(r.want.units)
	units := setOf(fabric.Units(snap))
	for u := range units {
		delete(stale, u)
	}
	for u := range stale {
		r.want.set(u, nil, touched)
	}
	r.decide(snap, units, touched)
}

// follow decides the units that commits may have changed.
func (r *Reconciler) follow(snap *state.Snapshot, commits []state.Commit, touched map[string]struct{}) {
	units := map[fabric.Unit]struct{}{}
	for _, c := range commits {
		for _, ch := range c.Changes {
			for _, u := range fabric.Affected(snap, ch) {
				units[u] = struct{}{}
			}
		}
	}
	r.decide(snap, units, touched)
}

// decide derives units anew. Route tables come last: a route to a link that is not
// there is a black hole until it is.
func (r *Reconciler) decide(snap *state.Snapshot, units map[fabric.Unit]struct{}, touched map[string]struct{}) {
	tables := map[fabric.Unit]struct{}{}
	for u := range units {
		if u.Kind == fabric.KindRouteTable {
			tables[u] = struct{}{}
			continue
		}
		policy, wiring := ruleset.Objects(snap, u)
		objects := policy
		if r.wired(wiring) {
			objects = append(objects[:len(objects):len(objects)], wiring...)
		}
		before := r.linksOf(u)
		r.want.set(u, objects, touched)
		if u.Kind == fabric.KindPort && before != r.linksOf(u) {
			for _, t := range fabric.RoutesTo(snap, u.Key) {
				tables[t] = struct{}{}
			}
		}
	}
	for u := range tables {
		policy, _ := ruleset.Objects(snap, u)
		r.want.set(u, r.leading(policy), touched)
	}
}

func setOf(units []fabric.Unit) map[fabric.Unit]struct{} {
	set := make(map[fabric.Unit]struct{}, len(units))
	for _, u := range units {
		set[u] = struct{}{}
	}
	return set
}

// linksOf counts the links that a unit wants.
func (r *Reconciler) linksOf(u fabric.Unit) (n int) {
	for _, o := range r.want.units[u] {
		if o.Kind() == plan.KindLink {
			n++
		}
	}
	return n
}

// leading gives routes, with black holes in the place of those to links that
// nobody wants yet.
func (r *Reconciler) leading(policy []plan.Object) []plan.Object {
	out := make([]plan.Object, len(policy))
	for i, o := range policy {
		out[i] = o
		if route, ok := o.(plan.Route); ok && route.Link != "" && !r.want.links(route.Netns, route.Link) {
			out[i] = plan.Route{Netns: route.Netns, Table: route.Table, Dst: route.Dst, Type: plan.Blackhole, Cause: route.Cause}
		}
	}
	return out
}

// wired says whether the instance that the wiring leads into has its namespace.
func (r *Reconciler) wired(wiring []plan.Object) bool {
	for _, o := range wiring {
		if l, ok := o.(plan.Link); ok && !r.plugged[l.Peer] {
			return false
		}
	}
	return len(wiring) > 0
}

// answer does what an actor asks for.
func (r *Reconciler) answer(ctx context.Context, snap *state.Snapshot, e event) error {
	switch e.what {
	case plug:
		return r.plug(ctx, snap, e)
	case unplug:
		return r.unplug(ctx, snap, e)
	}
	if e.actor.kind.wish(snap, e.actor.key).phase != gone {
		return errors.New("the instance is wanted again")
	}
	delete(r.actors, e.actor.key)
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.led[e.actor.key])
	delete(r.led, e.actor.key)
	if _, ok := r.renewing[e.actor.key]; ok {
		delete(r.renewing, e.actor.key)
		close(r.moved)
		r.moved = make(chan struct{})
	}
	if len(r.led) == 0 {
		for _, ch := range r.idle {
			close(ch)
		}
		r.idle = nil
	}
	return nil
}

// plug wires one guest into its namespace.
func (r *Reconciler) plug(ctx context.Context, snap *state.Snapshot, e event) error {
	ns := plan.Netns(e.actor.name)
	if err := r.cfg.Kernel.Attach(ns, e.file); err != nil {
		return fmt.Errorf("taking the namespace of %s: %w", ns, err)
	}
	r.plugged[ns] = true
	touched := map[string]struct{}{}
	r.decide(snap, setOf(e.actor.kind.ports(snap, e.actor.key)), touched)
	return r.apply(ctx, touched)
}

// unplug unwires one guest; its namespace is going away.
func (r *Reconciler) unplug(ctx context.Context, snap *state.Snapshot, e event) error {
	ns := plan.Netns(e.actor.name)
	delete(r.plugged, ns)
	touched := map[string]struct{}{}
	r.decide(snap, setOf(e.actor.kind.ports(snap, e.actor.key)), touched)
	return errors.Join(r.apply(ctx, touched), r.cfg.Kernel.Detach(ns))
}
