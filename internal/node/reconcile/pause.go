package reconcile

import (
	"context"
	"fmt"

	"github.com/localvpc/localvpc/internal/state"
)

// pause has the guest stand still, or go on, as its row asks for. What a former
// engine left is told in any case. A guest that has ended in between is not missed:
// its end is the next thing that the actor sees.
func (a *actor) pause(ctx context.Context) {
	w := a.aim()
	if w.phase != up || w.boots != a.guest.Boots() || a.known && a.still == w.paused {
		return
	}
	if err := a.guest.Pause(ctx, w.paused); err != nil {
		if ctx.Err() == nil {
			a.r.cfg.Log.Error("pausing an instance", "instance", a.name, "paused", w.paused, "error", err)
		}
		return
	}
	a.still, a.known = w.paused, true
	a.paused(w.paused)
}

// paused tells those who wait whether the guest stands still.
func (a *actor) paused(still bool) {
	r := a.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, was := r.still[a.key]; was == still {
		return
	}
	if still {
		r.still[a.key] = struct{}{}
	} else {
		delete(r.still, a.key)
	}
	close(r.moved)
	r.moved = make(chan struct{})
}

// WaitPaused returns when the processes of an instance stand still, or no longer do,
// or ctx ends.
func (r *Reconciler) WaitPaused(ctx context.Context, key state.Key, paused bool) error {
	for {
		r.mu.Lock()
		_, still := r.still[key]
		moved := r.moved
		r.mu.Unlock()
		if still == paused {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the processes of %s: %w", key.ID, ctx.Err())
		}
	}
}
