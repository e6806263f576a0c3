package reconcile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/state"
)

// Host runs instances.
type Host interface {
	// Adopt gives the instances that were running when a former engine ended,
	// by instance id.
	Adopt(ctx context.Context) (map[string]Guest, error)
	// Create makes the instance's processes, blocked before their first step,
	// in namespaces of their own.
	Create(ctx context.Context, snap *state.Snapshot, key state.Key) (Guest, error)
	// Destroy removes the disk of an instance that does not run.
	Destroy(id string) error
	// Capture copies the disk of an instance to an image.
	Capture(ctx context.Context, instance, image string) error
}

// Guest is one running instance.
type Guest interface {
	Boots() uint64                  // Instance.Boots of the row it was made for
	Netns() *os.File                // its network namespace
	Boot(ctx context.Context) error // lets it go; again does no harm
	Stop(force bool)                // asks it to end; Exited tells when it has
	Exited() <-chan struct{}
	Cause() lifecycle.Cause // after Exited
	Release()               // after Exited: closes what was held for it
}

// starting bounds how many instances are made at once: their cost is the
// kernel's locks, and two are enough to keep those busy.
var starting = 2 * runtime.NumCPU()

// actor leads one instance's processes after its row. It alone touches its guest.
type actor struct {
	r     *Reconciler
	key   state.Key
	guest Guest
	wake  chan struct{}
	fresh bool // the guest was taken over and may not have been let go yet

	mu   sync.Mutex
	want aim
}

// aim is what the row asks for.
type aim struct {
	snap  *state.Snapshot
	state state.InstanceState // empty: the row is gone
	boots uint64
}

func (a aim) runs() bool { return a.state == state.Pending || a.state == state.Running }

// gone says that the instance's disk is to be removed.
func (a aim) gone() bool { return a.state == "" || a.state == state.Terminated }

// adoptInstances takes over the guests of a former engine.
func (r *Reconciler) adoptInstances(ctx context.Context, snap *state.Snapshot) error {
	guests, err := r.cfg.Host.Adopt(ctx)
	if err != nil {
		return fmt.Errorf("adopting the instances left by the last engine: %w", err)
	}
	for id, g := range guests {
		key := state.Key{ID: id} // of no row: it will be ended
		for i := range state.Instances.By(snap, state.ByInstance, id) {
			key = i.Key
		}
		ns := plan.Netns(id)
		if err := r.cfg.Kernel.Attach(ns, g.Netns()); err != nil {
			return fmt.Errorf("taking the namespace of %s: %w", id, err)
		}
		r.plugged[ns] = true
		a := r.actor(ctx, key)
		a.guest, a.fresh = g, true
	}
	return nil
}

// instances tells the actors of changed rows what is wanted.
func (r *Reconciler) instances(ctx context.Context, snap *state.Snapshot, commits []state.Commit, all bool) {
	if all {
		for i := range state.Instances.All(snap) {
			r.aim(ctx, snap, i.Key)
		}
		for key := range r.actors {
			r.aim(ctx, snap, key)
		}
		for img := range state.Images.All(snap) {
			r.capture(ctx, snap, img)
		}
		return
	}
	for _, c := range commits {
		for _, ch := range c.Changes {
			switch ch.Table {
			case state.Instances.Name():
				r.aim(ctx, snap, ch.Key)
			case state.Images.Name():
				if img, ok := state.Images.Get(snap, ch.Key); ok {
					r.capture(ctx, snap, img)
				}
			}
		}
	}
}

func (r *Reconciler) aim(ctx context.Context, snap *state.Snapshot, key state.Key) {
	w := aim{snap: snap}
	if i, ok := state.Instances.Get(snap, key); ok {
		w.state, w.boots = i.State, i.Boots
	}
	a, ok := r.actors[key]
	if !ok {
		if w.state == state.Stopped || w.state == state.Terminated || w.state == "" {
			return
		}
		a = r.actor(ctx, key)
	}
	a.mu.Lock()
	a.want = w
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// actor starts the actor of an instance; it ends with ctx or with the instance.
func (r *Reconciler) actor(ctx context.Context, key state.Key) *actor {
	a := &actor{r: r, key: key, wake: make(chan struct{}, 1)}
	r.actors[key] = a
	r.mu.Lock()
	r.acting++
	r.mu.Unlock()
	r.running.Go(func() { a.run(ctx) })
	return a
}

func (a *actor) aim() aim {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.want
}

func (a *actor) run(ctx context.Context) {
	asked := false // the guest was asked to end
	for {
		var exited <-chan struct{}
		if a.guest != nil {
			exited = a.guest.Exited()
		}
		select {
		case <-ctx.Done():
			return
		case <-exited:
			a.ended(ctx, asked)
			asked = false
		case <-a.wake:
		}
		w := a.aim()
		if w.snap == nil {
			continue // woken by nothing that is known yet
		}
		switch {
		case a.guest != nil && (!w.runs() || w.boots != a.guest.Boots()):
			if !asked {
				a.guest.Stop(w.gone() || w.state == state.ShuttingDown)
				asked = true
			}
		case a.guest != nil && a.fresh:
			a.fresh = false
			a.boot(ctx, a.guest, w)
		case a.guest == nil && w.runs():
			a.start(ctx, w)
		case a.guest == nil && w.state == state.Stopping, a.guest == nil && w.state == state.ShuttingDown:
			a.fact(ctx, func(tx *state.Tx) error { return lifecycle.Exited(tx, a.key, w.boots, lifecycle.Requested) })
		case a.guest == nil && w.gone():
			if err := a.r.cfg.Host.Destroy(a.key.ID); err != nil {
				a.r.cfg.Log.Error("removing a disk", "instance", a.key.ID, "error", err)
			}
			if a.r.forget(ctx, a) {
				return
			}
		}
	}
}

// start makes the guest, wires it and lets it go.
func (a *actor) start(ctx context.Context, w aim) {
	select {
	case a.r.slots <- struct{}{}:
		defer func() { <-a.r.slots }()
	case <-ctx.Done():
		return
	}
	for img := range state.Images.In(w.snap, a.key.Scope()) {
		if img.State == lifecycle.ImagePending && img.SourceInstance == a.key.ID && !img.NoReboot {
			a.r.captureNow(ctx, img)
		}
	}
	g, err := a.r.cfg.Host.Create(ctx, w.snap, a.key)
	if err != nil {
		a.failed(ctx, w, err)
		return
	}
	a.guest = g
	if err := a.r.ask(ctx, event{actor: a, plug: true, file: g.Netns()}); err != nil {
		a.failed(ctx, w, err)
		return
	}
	a.boot(ctx, g, w)
}

// boot lets the guest go, behind rules that are there already.
func (a *actor) boot(ctx context.Context, g Guest, w aim) {
	if err := g.Boot(ctx); err != nil {
		a.failed(ctx, w, err)
		return
	}
	a.fact(ctx, func(tx *state.Tx) error { return lifecycle.Started(tx, a.key, w.boots) })
}

// failed ends a guest that could not be started, and tells the state.
func (a *actor) failed(ctx context.Context, w aim, err error) {
	if ctx.Err() != nil {
		return // the next engine goes on
	}
	a.r.cfg.Log.Error("an instance did not start", "instance", a.key.ID, "error", err)
	if a.guest != nil {
		a.guest.Stop(true)
		<-a.guest.Exited()
		a.unplug(ctx)
		a.guest.Release()
		a.guest = nil
	}
	a.fact(ctx, func(tx *state.Tx) error { return lifecycle.Failed(tx, a.key, w.boots, err.Error()) })
}

// ended tells the state that the guest is no more.
func (a *actor) ended(ctx context.Context, asked bool) {
	g := a.guest
	cause := g.Cause()
	if asked {
		cause = lifecycle.Requested
	}
	a.unplug(ctx)
	g.Release()
	a.guest = nil
	w := a.aim()
	if w.runs() && w.boots != g.Boots() {
		return // it was ended to be started again
	}
	a.fact(ctx, func(tx *state.Tx) error { return lifecycle.Exited(tx, a.key, g.Boots(), cause) })
}

func (a *actor) unplug(ctx context.Context) {
	if err := a.r.ask(ctx, event{actor: a}); err != nil && ctx.Err() == nil {
		a.r.cfg.Log.Error("unwiring an instance", "instance", a.key.ID, "error", err)
	}
}

func (a *actor) fact(ctx context.Context, fn func(*state.Tx) error) {
	if _, err := a.r.cfg.Store.Write(ctx, fn); err != nil && !errors.Is(err, state.ErrClosed) && ctx.Err() == nil {
		a.r.cfg.Log.Error("recording what happened to an instance", "instance", a.key.ID, "error", err)
	}
}

// ask has the loop do something and waits for its answer.
func (r *Reconciler) ask(ctx context.Context, e event) error {
	e.done = make(chan error, 1)
	select {
	case r.events <- e:
		return <-e.done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// forget ends the actor of an instance that is gone. It says false when the
// instance is wanted again meanwhile.
func (r *Reconciler) forget(ctx context.Context, a *actor) bool {
	return r.ask(ctx, event{actor: a, forget: true}) == nil
}

// capture copies the disk of an instance for an image that waits for it. An
// instance that is to be still meanwhile is ended first: its actor captures
// before it starts it again.
func (r *Reconciler) capture(ctx context.Context, snap *state.Snapshot, img *state.Image) {
	if img.State != lifecycle.ImagePending || r.capturing[img.Key] {
		return
	}
	if !img.NoReboot {
		for i := range state.Instances.By(snap, state.ByInstance, img.SourceInstance) {
			if i.State == state.Pending || i.State == state.Running {
				return
			}
		}
	}
	r.capturing[img.Key] = true
	r.running.Go(func() { r.captureNow(ctx, img) })
}

// captureNow copies the disk and says in the state how it went.
func (r *Reconciler) captureNow(ctx context.Context, img *state.Image) {
	err := r.cfg.Host.Capture(ctx, img.SourceInstance, img.ID)
	if ctx.Err() != nil {
		return // the next engine starts over
	}
	_, writeErr := r.cfg.Store.Write(ctx, func(tx *state.Tx) error {
		if err != nil {
			return lifecycle.CaptureFailed(tx, img.Key, err.Error())
		}
		return lifecycle.Captured(tx, img.Key)
	})
	if err := errors.Join(err, writeErr); err != nil {
		r.cfg.Log.Error("capturing a disk", "instance", img.SourceInstance, "image", img.ID, "error", err)
	}
}

// portsOf gives the units of an instance's interfaces.
func portsOf(snap *state.Snapshot, instance string) []fabric.Unit {
	var units []fabric.Unit
	for n := range state.NetworkInterfaces.By(snap, state.ByInstance, instance) {
		units = append(units, fabric.Unit{Kind: fabric.KindPort, Key: n.Key})
	}
	return units
}
