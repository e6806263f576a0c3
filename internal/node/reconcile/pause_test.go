package reconcile

import (
	"context"
	"testing"

	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/fault"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

// TestPause: a guest stands still as long as its fault is there, over another engine
// too; one that is started again does not.
func TestPause(t *testing.T) {
	order := func(effect string) func(*state.Tx) {
		return func(tx *state.Tx) {
			if _, err := fault.Apply(tx, fabrictest.Scope, fault.Order{Kind: fault.Instance, What: one.ID, Effect: effect}); err != nil {
				t.Error(err)
			}
		}
	}
	life(t, func(e *engine) {
		is := func(paused bool) {
			e.Helper()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if err := e.r.WaitPaused(ctx, one, paused); err != nil {
				e.Fatalf("%v", err)
			}
			e.quiet()
			e.check()
			if g := e.host.guest(one.ID); g != nil && g.isPaused() != paused {
				e.Fatalf("it stands still: %v", !paused)
			}
		}
		e.write(launch("stop"))
		e.quiet()
		is(false)
		e.write(order("pause"))
		is(true)
		e.stop()
		e.start()
		is(true)
		e.stop()
		e.write(order(fault.Resume))
		e.start()
		e.quiet()
		is(false)
		e.write(order("pause"))
		is(true)
		e.write(asked(e, lifecycle.Reboot))
		e.quiet()
		is(false)
		e.write(order("pause"))
		is(true)
		e.write(asked(e, lifecycle.Stop))
		e.quiet()
		is(false)
		e.write(asked(e, lifecycle.Start))
		e.quiet()
		is(false)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := e.r.WaitPaused(ctx, one, true); err == nil {
			e.Errorf("nobody has paused it, and it is said to stand still")
		}
	})
}
