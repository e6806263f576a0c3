package app

import (
	"context"
	"errors"
	"time"

	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

// drain takes deregistered targets out of their groups when their time has come, until
// the context ends.
func (e *engine) drain(ctx context.Context) {
	snap, sub := e.store.Subscribe()
	defer sub.Close()
	_, next := lifecycle.Drained(snap, time.Time{})
	index := snap.Index
	for {
		due, cancel := ctx, context.CancelFunc(func() {})
		if !next.IsZero() {
			due, cancel = context.WithDeadline(ctx, next)
		}
		commits, after, lost, err := sub.Next(due, index)
		cancel()
		switch {
		case err == nil:
			index = after.Index
			for _, c := range commits {
				lost = lost || lifecycle.Drains(c)
			}
			if lost {
				_, next = lifecycle.Drained(after, time.Time{})
			}
		case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
			return
		default:
			if _, err := e.store.Write(ctx, func(tx *state.Tx) error { lifecycle.Drain(tx); return nil }); err != nil {
				e.log.Warn("removing targets that have drained", "error", err)
				return
			}
			_, next = lifecycle.Drained(e.store.Snapshot(), time.Time{})
		}
	}
}
