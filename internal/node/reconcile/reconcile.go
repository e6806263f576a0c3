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
	Host     Host // instances
	Log      *slog.Logger
}

// retryAfter is how long a failed application waits for its next try.
const retryAfter = time.Second

// Reconciler follows the store. Run it once.
type Reconciler struct {
	cfg     Config
	want    *desired
	events  chan event
	actors  map[state.Key]*actor
	plugged map[plan.Netns]bool // instance namespaces that the kernel wing knows

	capturing map[state.Key]bool // images whose disk is being copied
	slots     chan struct{}      // one taken for every instance that is being made

	mu      sync.Mutex
	settled uint64
	failing error // of the last application; nil when it succeeded
	waiters map[chan struct{}]uint64
	idle    []chan struct{}      // closed when no actor is left
	moving  map[state.Key]uint64 // instances in a passing state, by the commit that brought it
	moved   chan struct{}        // closed and made anew when one of them has arrived
	acting  int                  // actors
	running sync.WaitGroup       // actors and captures
	ready   chan struct{}        // closed after the first full pass
}

// event is something an actor asks of the loop: to wire or unwire the
// interfaces of its instance, or to forget the actor. The answer goes to done.
type event struct {
	actor  *actor
	plug   bool
	forget bool
	file   *os.File // the namespace, to plug
	done   chan error
}

// New makes a reconciler.
func New(cfg Config) *Reconciler {
	return &Reconciler{
		cfg: cfg, want: newDesired(),
		events:    make(chan event),
		actors:    map[state.Key]*actor{},
		plugged:   map[plan.Netns]bool{},
		capturing: map[state.Key]bool{},
		slots:     make(chan struct{}, starting),
		waiters:   map[chan struct{}]uint64{},
		moving:    map[state.Key]uint64{},
		moved:     make(chan struct{}),
		ready:     make(chan struct{}),
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
	go func(index uint64) {
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
	}(index)

	retry := time.NewTimer(time.Hour)
	retry.Stop()
	for {
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
			} else {
				r.follow(snap, n.commits, touched)
			}
			r.apply(ctx, touched)
			r.track(n.commits)
			r.instances(ctx, snap, n.commits, n.lost)
		case e := <-r.events:
			e.done <- r.answer(ctx, snap, e)
		case <-retry.C:
			for key := range r.differing() {
				touched[key] = struct{}{}
			}
			r.apply(ctx, touched)
		}
		r.settle(snap.Index)
		if r.Failing() != nil {
			retry.Reset(retryAfter)
		}
	}
}

// adopt takes over what a former engine left: routers, listeners, instances.
func (r *Reconciler) adopt(ctx context.Context, snap *state.Snapshot) error {
	touched := map[string]struct{}{}
	spaces, err := r.cfg.Kernel.Namespaces()
	if err != nil {
		return fmt.Errorf("listing the namespaces left by the last engine: %w", err)
	}
	if err := r.adoptInstances(ctx, snap); err != nil {
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
	r.apply(ctx, touched)
	r.instances(ctx, snap, nil, true)
	r.settle(snap.Index)
	return nil
}

// everything decides all units anew.
func (r *Reconciler) everything(snap *state.Snapshot, touched map[string]struct{}) {
	stale := maps.Clone(r.want.units)
	for _, u := range fabric.Units(snap) {
		r.decide(snap, u, touched)
		delete(stale, u)
	}
	for u := range stale {
		r.want.set(u, nil, touched)
	}
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
	for u := range units {
		r.decide(snap, u, touched)
	}
}

func (r *Reconciler) decide(snap *state.Snapshot, u fabric.Unit, touched map[string]struct{}) {
	policy, wiring := ruleset.Objects(snap, u)
	objects := policy
	if r.wired(wiring) {
		objects = append(objects[:len(objects):len(objects)], wiring...)
	}
	r.want.set(u, objects, touched)
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

// apply makes the kernel obey for the touched keys. A failure is read back and
// tried once more at once, then again after a while.
func (r *Reconciler) apply(ctx context.Context, touched map[string]struct{}) {
	err := r.try(ctx, r.want.diff(touched))
	if err != nil && ctx.Err() == nil {
		r.cfg.Log.Warn("the kernel refused; reading it back", "error", err)
		for ns := range r.spaces(touched) {
			have, readErr := r.cfg.Kernel.Read(ns)
			if readErr != nil {
				have = plan.Objects{} // the namespace is not there
			}
			r.want.found(ns, have, touched)
		}
		if err = r.try(ctx, r.want.diff(touched)); err != nil {
			r.cfg.Log.Error("the kernel does not follow the state; what is missing stays closed", "error", err)
		}
	}
	r.mu.Lock()
	r.failing = err
	r.mu.Unlock()
}

func (r *Reconciler) spaces(touched map[string]struct{}) map[plan.Netns]struct{} {
	out := map[plan.Netns]struct{}{}
	for key := range touched {
		if o, ok := r.want.applied[key]; ok {
			out[o.NS()] = struct{}{}
		}
		if w, ok := r.want.wanted[key]; ok {
			out[w.object.NS()] = struct{}{}
		}
	}
	return out
}

// try applies operations: listeners close before and open after the kernel's own.
func (r *Reconciler) try(ctx context.Context, ops []plan.Op) error {
	if len(ops) == 0 {
		return nil
	}
	var kernel, open []plan.Op
	for _, op := range ops {
		if op.Object.Kind() != plan.KindService {
			kernel = append(kernel, op)
			continue
		}
		if op.Verb == plan.Remove {
			if err := r.cfg.Services.Apply(ctx, op); err != nil {
				return err
			}
			r.want.done([]plan.Op{op})
			continue
		}
		open = append(open, op)
	}
	if len(kernel) > 0 {
		if err := r.cfg.Kernel.Apply(ctx, kernel); err != nil {
			return err
		}
		r.want.done(kernel)
	}
	for _, op := range open {
		if err := r.cfg.Services.Apply(ctx, op); err != nil {
			return err
		}
		r.want.done([]plan.Op{op})
	}
	return nil
}

// differing is every key whose applied state is not the wanted one.
func (r *Reconciler) differing() map[string]struct{} {
	out := map[string]struct{}{}
	for key, w := range r.want.wanted {
		if have, ok := r.want.applied[key]; !ok || !plan.Same(have, w.object) {
			out[key] = struct{}{}
		}
	}
	for key := range r.want.applied {
		if _, ok := r.want.wanted[key]; !ok {
			out[key] = struct{}{}
		}
	}
	return out
}

// answer does what an actor asks for.
func (r *Reconciler) answer(ctx context.Context, snap *state.Snapshot, e event) error {
	if !e.forget {
		return r.plug(ctx, snap, e)
	}
	if i, ok := state.Instances.Get(snap, e.actor.key); ok && i.State != state.Terminated {
		return errors.New("the instance is wanted again")
	}
	delete(r.actors, e.actor.key)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.acting--; r.acting == 0 {
		for _, ch := range r.idle {
			close(ch)
		}
		r.idle = nil
	}
	return nil
}

// plug wires or unwires the interfaces of one instance.
func (r *Reconciler) plug(ctx context.Context, snap *state.Snapshot, e event) error {
	ns := plan.Netns(e.actor.key.ID)
	if e.plug {
		if err := r.cfg.Kernel.Attach(ns, e.file); err != nil {
			return fmt.Errorf("taking the namespace of %s: %w", ns, err)
		}
		r.plugged[ns] = true
	} else {
		delete(r.plugged, ns)
	}
	touched := map[string]struct{}{}
	for _, u := range portsOf(snap, e.actor.key.ID) {
		r.decide(snap, u, touched)
	}
	if !e.plug {
		// The row may have changed since: nothing may stay that leads into
		// a namespace that is going away.
		for key, o := range r.want.applied {
			if l, ok := o.(plan.Link); ok && l.Peer == ns || o.NS() == ns {
				touched[key] = struct{}{}
			}
		}
	}
	r.apply(ctx, touched)
	err := r.Failing()
	if !e.plug {
		if detachErr := r.cfg.Kernel.Detach(ns); err == nil {
			err = detachErr
		}
	}
	return err
}

// Failing is why the kernel does not follow, nil when it does.
func (r *Reconciler) Failing() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failing
}

// Ready is closed when the kernel has obeyed the state that was found at start.
func (r *Reconciler) Ready() <-chan struct{} { return r.ready }

// Settled is the index of the last commit that the kernel obeys.
func (r *Reconciler) Settled() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.settled
}

func (r *Reconciler) settle(index uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing != nil {
		return
	}
	r.settled = index
	for ch, at := range r.waiters {
		if at <= index {
			close(ch)
			delete(r.waiters, ch)
		}
	}
}

// WaitIdle returns when there is no instance left, not even a stopped one whose
// disk is to be removed, or ctx ends.
func (r *Reconciler) WaitIdle(ctx context.Context) error {
	r.mu.Lock()
	if r.acting == 0 {
		r.mu.Unlock()
		return nil
	}
	ch := make(chan struct{})
	r.idle = append(r.idle, ch)
	r.mu.Unlock()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for instances to end: %w", ctx.Err())
	}
}

// passing states end by themselves, when the instance's processes have followed.
func passing(s state.InstanceState) bool {
	return s == state.Pending || s == state.Stopping || s == state.ShuttingDown
}

// track notes which instances a commit has set moving, and which have arrived.
func (r *Reconciler) track(commits []state.Commit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	arrived := false
	for _, c := range commits {
		for _, ch := range c.Changes {
			if ch.Table != state.Instances.Name() {
				continue
			}
			if i, ok := ch.After.(*state.Instance); ok && passing(i.State) {
				if _, already := r.moving[ch.Key]; !already || ch.Before == nil || ch.Before.(*state.Instance).State != i.State {
					r.moving[ch.Key] = c.Index
				}
			} else if _, ok := r.moving[ch.Key]; ok {
				delete(r.moving, ch.Key)
				arrived = true
			}
		}
	}
	if arrived {
		close(r.moved)
		r.moved = make(chan struct{})
	}
}

// WaitArrived returns when no instance is in a passing state any more that the
// commit brought it to, or ctx ends. The commit has settled before.
func (r *Reconciler) WaitArrived(ctx context.Context, index uint64) error {
	for {
		r.mu.Lock()
		wait := false
		for _, at := range r.moving {
			wait = wait || at == index
		}
		moved := r.moved
		r.mu.Unlock()
		if !wait {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the instances of commit %d: %w", index, ctx.Err())
		}
	}
}

// Wait returns when the kernel obeys the commit, or ctx ends.
func (r *Reconciler) Wait(ctx context.Context, index uint64) error {
	r.mu.Lock()
	if r.settled >= index {
		r.mu.Unlock()
		return nil
	}
	ch := make(chan struct{})
	r.waiters[ch] = index
	r.mu.Unlock()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		r.mu.Lock()
		delete(r.waiters, ch)
		failing := r.failing
		r.mu.Unlock()
		return errors.Join(fmt.Errorf("waiting for commit %d to settle: %w", index, ctx.Err()), failing)
	}
}
