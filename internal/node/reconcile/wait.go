package reconcile

import (
	"context"
	"errors"
	"fmt"

	"github.com/localvpc/localvpc/internal/state"
)

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
	if len(r.led) == 0 {
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

// WaitGone returns when nothing is led after the row any more, its disk removed, or
// ctx ends. The commit that took the row away has settled before.
func (r *Reconciler) WaitGone(ctx context.Context, key state.Key) error {
	r.mu.Lock()
	led, ok := r.led[key]
	r.mu.Unlock()
	if !ok {
		return nil
	}
	select {
	case <-led:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for %s to end: %w", key.ID, ctx.Err())
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
			_, already := r.moving[ch.Key]
			i, ok := ch.After.(*state.Instance)
			switch {
			case ok && passing(i.State):
				before, _ := ch.Before.(*state.Instance)
				if !already || before == nil || before.State != i.State {
					r.moving[ch.Key] = c.Index
					arrived = arrived || already // on another way now: nobody waits for the former
				}
			case already:
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

// retrack notes anew which instances are moving, after some commits have been
// missed: what is moving still is told by the snapshot.
func (r *Reconciler) retrack(snap *state.Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.moving {
		if i, ok := state.Instances.Get(snap, key); !ok || !passing(i.State) {
			delete(r.moving, key)
		}
	}
	close(r.moved)
	r.moved = make(chan struct{})
}

// WaitArrived returns when no instance is in a passing state any more that the
// commit brought it to, and none has a lease that the commit changed still to be
// renewed, or ctx ends. The commit has settled before.
func (r *Reconciler) WaitArrived(ctx context.Context, index uint64) error {
	for {
		r.mu.Lock()
		wait := false
		for _, at := range r.moving {
			wait = wait || at == index
		}
		for _, at := range r.renewing {
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
