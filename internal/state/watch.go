package state

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
)

// maxQueued bounds what a slow subscriber may leave unread, in commits; past it
// the subscriber is told to start again from a snapshot.
const maxQueued = 65536

// Subscription receives published commits in order.
type Subscription struct {
	store *Store
	mu    sync.Mutex
	queue []Commit
	snap  *Snapshot // after the last commit that was delivered
	lost  bool
	ended bool
	wake  chan struct{}
}

// Subscribe gives the current snapshot and all commits after it.
func (s *Store) Subscribe() (*Snapshot, *Subscription) {
	s.watch.Lock()
	defer s.watch.Unlock()
	sub := &Subscription{store: s, wake: make(chan struct{}, 1)}
	select {
	case <-s.done: // Close has told the others
		sub.ended = true
	default:
		s.readers[sub] = struct{}{}
	}
	return s.Snapshot(), sub
}

// deliver is called with commits that have just been published. Taking the lock
// after publishing may hand a new subscriber commits that its snapshot has
// already; Next drops them by index.
func (s *Store) deliver(commits []Commit, snap *Snapshot) {
	s.watch.Lock()
	defer s.watch.Unlock()
	for sub := range s.readers {
		sub.mu.Lock()
		if len(sub.queue)+len(commits) > maxQueued {
			sub.queue, sub.lost = nil, true
		} else if !sub.lost {
			sub.queue = append(sub.queue, commits...)
		}
		sub.snap = snap
		sub.mu.Unlock()
		sub.signal()
	}
}

func (sub *Subscription) signal() {
	select {
	case sub.wake <- struct{}{}:
	default:
	}
}

// Next waits for commits after index and returns all that are there, with the
// snapshot after the last of them: no later one, so that whoever goes on from
// the snapshot's index misses nothing. lost means that some were dropped: take
// everything from the snapshot.
func (sub *Subscription) Next(ctx context.Context, index uint64) (commits []Commit, snap *Snapshot, lost bool, err error) {
	for {
		sub.mu.Lock()
		queue := sub.queue
		snap = sub.snap
		lost, sub.queue, sub.lost = sub.lost, nil, false
		ended := sub.ended
		sub.mu.Unlock()
		for len(queue) > 0 && queue[0].Index <= index {
			queue = queue[1:]
		}
		if lost || len(queue) > 0 {
			return queue, snap, lost, nil
		}
		if ended {
			return nil, nil, false, ErrClosed
		}
		select {
		case <-sub.wake:
		case <-ctx.Done():
			return nil, nil, false, ctx.Err()
		}
	}
}

// Close ends the subscription.
func (sub *Subscription) Close() {
	sub.store.watch.Lock()
	delete(sub.store.readers, sub)
	sub.store.watch.Unlock()
	sub.close()
}

func (sub *Subscription) close() {
	sub.mu.Lock()
	sub.ended = true
	sub.mu.Unlock()
	sub.signal()
}

// remember keeps the text of rows as they were put. The caller holds s.write.
func (s *Store) remember(changes []Change) {
	for _, c := range changes {
		if c.Before != nil {
			delete(s.seen, c.Before)
		}
		if c.After != nil {
			b, _ := json.Marshal(c.After)
			s.seen[c.After] = string(b)
		}
	}
}

// Mutations lists the rows that were modified after they had been put, which
// nothing may do. It needs Config.DetectMutations.
func (s *Store) Mutations() []string {
	s.write.Lock()
	defer s.write.Unlock()
	var out []string
	for row, was := range s.seen {
		if b, _ := json.Marshal(row); string(b) != was {
			out = append(out, fmt.Sprintf("%s: was %s, is %s", row.meta().Key, was, b))
		}
	}
	return out
}
