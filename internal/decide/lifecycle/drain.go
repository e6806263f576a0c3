package lifecycle

import (
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// terminatedTargetFor is how long a terminated instance stays registered, unused.
// AWS deregisters it "automatically" and does not say when (NLB User Guide, "Register
// targets").
const terminatedTargetFor = 5 * time.Minute

// drainedAt is when a target goes: it has been deregistered and its delay passes, or
// its instance is no more. ok is false for one that stays.
func drainedAt(r state.Reader, t *state.Target) (at time.Time, ok bool) {
	if !t.Drains.IsZero() {
		return t.Drains, true
	}
	i, found := state.Instances.Get(r, t.Scope().Key(t.Target))
	if !found || i.State != state.Terminated {
		return time.Time{}, false
	}
	return i.TerminatedAt.Add(terminatedTargetFor), true
}

// Drained finds the targets that are to go at a time, and when the next is; zero: none
// waits.
func Drained(r state.Reader, now time.Time) (gone []state.Key, next time.Time) {
	for t := range state.Targets.All(r) {
		switch at, ok := drainedAt(r, t); {
		case !ok:
		case !at.After(now):
			gone = append(gone, t.Key)
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	return gone, next
}

// Drain removes the targets that are to go by the time of the transaction.
func Drain(tx *state.Tx) {
	gone, _ := Drained(tx, tx.Now())
	for _, k := range gone {
		state.Targets.Delete(tx, k)
	}
}

// Drains says whether a commit changes when targets go.
func Drains(c state.Commit) bool {
	for _, ch := range c.Changes {
		switch ch.Table {
		case state.Targets.Name():
			before, _ := ch.Before.(*state.Target)
			after, _ := ch.After.(*state.Target)
			if drains(before) != drains(after) {
				return true
			}
		case state.Instances.Name():
			if after, ok := ch.After.(*state.Instance); ok && after.State == state.Terminated {
				return true
			}
		}
	}
	return false
}

func drains(t *state.Target) (at time.Time) {
	if t != nil {
		at = t.Drains
	}
	return at
}
