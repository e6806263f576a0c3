package reconcile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/localvpc/localvpc/internal/decide/fault"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/state"
)

// Host runs guests: instances and outside hosts. A guest's name is its instance id
// or fabric.HostSpace's.
type Host interface {
	// Adopt gives the guests that were running when a former engine ended, by
	// name; those too that have shut themselves down since.
	Adopt(ctx context.Context) (map[string]Guest, error)
	// Create makes the processes of a row's guest, blocked before their first
	// step, in namespaces of their own.
	Create(ctx context.Context, snap *state.Snapshot, key state.Key) (Guest, error)
	// Destroy removes the disk of a guest that does not run.
	Destroy(name string) error
	// Capture copies the disk of an instance to an image.
	Capture(ctx context.Context, instance, image string) error
}

// Guest is one running instance or outside host.
type Guest interface {
	Boots() uint64                  // Boots of the row it was made for
	Netns() *os.File                // its network namespace; nil when it had ended before it was adopted
	Boot(ctx context.Context) error // lets it go; again does no harm
	// Pause has its processes stand still, or go on; again does no harm.
	Pause(ctx context.Context, paused bool) error
	// Renew tells it what DHCP tells now; again does no harm.
	Renew(ctx context.Context, lease string) error
	Stop(force bool) // asks it to end; Exited tells when it has
	Exited() <-chan struct{}
	Cause() lifecycle.Cause // after Exited
	Release()               // after Exited: closes what was held for it
}

// starting bounds how many guests are made at once: their cost is the
// kernel's locks, and two are enough to keep those busy.
var starting = 2 * runtime.NumCPU()

// actor leads one guest's processes after its row. It alone touches its guest.
type actor struct {
	r     *Reconciler
	kind  kind
	key   state.Key
	name  string // of the guest and its namespace
	guest Guest
	wake  chan struct{}
	fresh bool   // the guest was taken over and may not have been let go yet
	still bool   // the guest was paused
	known bool   // still and lease are so; not of one that was taken over
	lease string // what the guest was told by DHCP

	mu   sync.Mutex
	want aim
}

// aim is what the row asks for, in a snapshot.
type aim struct {
	snap *state.Snapshot // nil: nothing is known yet
	wish
}

// adoptGuests takes over the guests of a former engine.
func (r *Reconciler) adoptGuests(ctx context.Context, snap *state.Snapshot) error {
	guests, err := r.cfg.Host.Adopt(ctx)
	if err != nil {
		return fmt.Errorf("adopting the instances left by the last engine: %w", err)
	}
	for name, g := range guests {
		if file := g.Netns(); file != nil {
			ns := plan.Netns(name)
			if err := r.cfg.Kernel.Attach(ns, file); err != nil {
				return fmt.Errorf("taking the namespace of %s: %w", name, err)
			}
			r.plugged[ns] = true
		}
		for _, k := range kinds {
			if key, ok := k.row(snap, name); ok {
				r.actor(ctx, k, key, g) // it will be ended when there is no row
				break
			}
		}
	}
	return nil
}

// guests tells the actors of changed rows what is wanted.
func (r *Reconciler) guests(ctx context.Context, snap *state.Snapshot, commits []state.Commit, all bool) {
	if all {
		for _, k := range kinds {
			for key := range k.rows(snap) {
				r.aim(ctx, k, snap, key)
			}
		}
		for key, a := range r.actors {
			r.aim(ctx, a.kind, snap, key)
		}
		for img := range state.Images.All(snap) {
			r.capture(ctx, snap, img)
		}
		return
	}
	for _, c := range commits {
		for _, ch := range c.Changes {
			for _, k := range kinds {
				if ch.Table == k.table() {
					r.aim(ctx, k, snap, ch.Key)
				}
			}
			if ch.Table == state.Vpcs.Name() {
				r.renewals(ctx, snap, ch, c.Index)
			}
			if ch.Table == state.Faults.Name() {
				if key, ok := fault.InstanceOf(ch.Key); ok {
					r.aim(ctx, instances{}, snap, key)
				}
			}
			if ch.Table == state.Images.Name() {
				if img, ok := state.Images.Get(snap, ch.Key); ok {
					r.capture(ctx, snap, img)
				} else {
					r.uncapture(ch.Key)
				}
			}
		}
	}
}

func (r *Reconciler) aim(ctx context.Context, k kind, snap *state.Snapshot, key state.Key) {
	w := aim{snap, k.wish(snap, key)}
	a, ok := r.actors[key]
	if !ok {
		if w.phase == gone {
			return
		}
		a = r.actor(ctx, k, key, nil)
	}
	a.mu.Lock()
	a.want = w
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// actor starts the actor of a row; it ends with ctx or with the row. g is a guest
// that was taken over, or nil.
func (r *Reconciler) actor(ctx context.Context, k kind, key state.Key, g Guest) *actor {
	a := &actor{r: r, kind: k, key: key, name: k.guest(key), guest: g, fresh: g != nil, wake: make(chan struct{}, 1)}
	r.actors[key] = a
	r.mu.Lock()
	r.led[key] = make(chan struct{})
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
	asked, forced := false, false // the guest was asked to end, was made to
	for {
		var exited <-chan struct{}
		if a.guest != nil {
			exited = a.guest.Exited()
		}
		select {
		case <-ctx.Done():
			return
		case <-exited:
		case <-a.wake:
		}
		// An end comes before any wish: what has ended is not let go.
		select {
		case <-exited:
			a.ended(ctx, asked)
			asked, forced = false, false
		default:
		}
		w := a.aim()
		if ctx.Err() != nil || w.snap == nil {
			continue // woken by nothing that is known yet
		}
		if a.guest == nil {
			a.captureStill(ctx, w) // a disk that an image waits for is still now
			if ctx.Err() != nil {
				return // the next engine copies it, before it starts anything
			}
		}
		switch {
		case a.guest != nil && (w.phase != up || w.boots != a.guest.Boots()):
			if force := w.phase == gone || w.phase == ending; !asked || force && !forced {
				a.guest.Stop(force)
				asked, forced = true, force
			}
		case a.guest != nil && a.fresh:
			a.fresh = false
			a.boot(ctx, a.guest, w)
		case a.guest == nil && w.phase == up:
			a.start(ctx)
		case a.guest == nil && (w.phase == stopping || w.phase == ending):
			a.fact(ctx, func(tx *state.Tx) error { return a.kind.exited(tx, a.key, w.boots, lifecycle.Requested) })
		case a.guest == nil && w.phase == gone:
			if err := a.r.cfg.Host.Destroy(a.name); err != nil {
				a.r.cfg.Log.Error("removing a disk", "instance", a.name, "error", err)
			}
			if a.r.forget(ctx, a) {
				return
			}
		}
		if a.guest != nil && !asked && !a.fresh {
			a.renew(ctx)
			a.pause(ctx)
		}
		a.renewed(w.snap.Index)
	}
}

// start makes the guest, wires it and lets it go.
func (a *actor) start(ctx context.Context) {
	select {
	case a.r.slots <- struct{}{}:
		defer func() { <-a.r.slots }()
	case <-ctx.Done():
		return
	}
	w := a.aim()
	if w.phase != up || ctx.Err() != nil {
		return // no more; the actor has been woken for it
	}
	g, err := a.r.cfg.Host.Create(ctx, w.snap, a.key)
	if err != nil {
		a.failed(ctx, w, err)
		return
	}
	a.guest, a.still, a.lease, a.known = g, false, w.lease, true
	if err := a.r.ask(ctx, event{what: plug, actor: a, file: g.Netns()}); err != nil {
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
	a.fact(ctx, func(tx *state.Tx) error { return a.kind.started(tx, a.key, w.boots) })
}

// failed ends a guest that could not be started, and tells the state.
func (a *actor) failed(ctx context.Context, w aim, err error) {
	if ctx.Err() != nil {
		return // the next engine goes on
	}
	a.r.cfg.Log.Error("an instance did not start", "instance", a.name, "error", err)
	if a.guest != nil {
		a.guest.Stop(true)
		select {
		case <-a.guest.Exited():
		case <-ctx.Done():
			return
		}
		a.unplug(ctx)
		a.guest.Release()
		a.guest = nil
	}
	a.fact(ctx, func(tx *state.Tx) error { return a.kind.failed(tx, a.key, w.boots, err.Error()) })
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
	a.guest, a.fresh = nil, false
	a.paused(false)
	w := a.aim()
	if w.phase == up && w.boots != g.Boots() {
		return // it was ended to be started again
	}
	a.fact(ctx, func(tx *state.Tx) error { return a.kind.exited(tx, a.key, g.Boots(), cause) })
}

func (a *actor) unplug(ctx context.Context) {
	if err := a.r.ask(ctx, event{what: unplug, actor: a}); err != nil && ctx.Err() == nil {
		a.r.cfg.Log.Error("unwiring an instance", "instance", a.name, "error", err)
	}
}

// fact tells the state what has happened. When it returns the aim is what the
// row says after that: an older one would have the actor do again what is over.
func (a *actor) fact(ctx context.Context, fn func(*state.Tx) error) {
	index, err := a.r.cfg.Store.Write(ctx, fn)
	if err != nil {
		if !errors.Is(err, state.ErrClosed) && ctx.Err() == nil {
			a.r.cfg.Log.Error("recording what happened to an instance", "instance", a.name, "error", err)
		}
		return
	}
	_ = a.r.ask(ctx, event{what: follow, after: index}) // fails with ctx only
}

// ask has the loop do something and waits for its answer.
func (r *Reconciler) ask(ctx context.Context, e event) error {
	e.done = make(chan error, 1)
	select {
	case r.events <- e:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-e.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// forget ends the actor of a guest that is gone. It says false when the guest is
// wanted again meanwhile.
func (r *Reconciler) forget(ctx context.Context, a *actor) bool {
	return r.ask(ctx, event{what: forget, actor: a}) == nil
}

// capture has the disk of an instance copied for an image that waits for it:
// now, or when the instance's actor finds that nothing runs.
func (r *Reconciler) capture(ctx context.Context, snap *state.Snapshot, img *state.Image) {
	if img.State != lifecycle.ImagePending {
		return
	}
	if source := img.Scope().Key(img.SourceInstance); !img.NoReboot && r.actors[source] != nil {
		r.aim(ctx, instances{}, snap, source)
		return
	}
	r.running.Go(func() { r.captureNow(ctx, img) })
}

// uncapture forgets a capture of an image that is gone.
func (r *Reconciler) uncapture(key state.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.captures, key)
}

// captureStill copies the disk for the images that want it still.
func (a *actor) captureStill(ctx context.Context, w aim) {
	for img := range state.Images.In(w.snap, a.key.Scope()) {
		if img.State == lifecycle.ImagePending && img.SourceInstance == a.key.ID && !img.NoReboot {
			a.r.captureNow(ctx, img)
		}
	}
}

// captureNow copies the disk and says in the state how it went, once for each
// image; a second call returns when the first has.
func (r *Reconciler) captureNow(ctx context.Context, img *state.Image) {
	r.mu.Lock()
	done, under := r.captures[img.Key]
	if !under {
		done = make(chan struct{})
		r.captures[img.Key] = done
	}
	r.mu.Unlock()
	if under {
		select {
		case <-done:
		case <-ctx.Done():
		}
		return
	}
	defer close(done)
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
