// Package rounds asks things again and again, each in an interval of its own, and
// keeps what is found out.
//
// Invariant: one goroutine knows what is due when, and runs everything but the probes
// and transactions themselves; a goroutine of its own has only a probe that is under way,
// and their number is bounded; there is one transaction at a time.
package rounds

import (
	"container/heap"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// Config of rounds. Its functions, and the answers of probes, run one at a time.
type Config struct {
	Store *state.Store
	Most  int    // probes at one time; further ones are late
	What  string // is kept, in the log
	Log   *slog.Logger
	// Adopt takes everything from a snapshot, at first and when commits were lost.
	Adopt func(*state.Snapshot)
	// Follow takes what commits have changed.
	Follow func(*state.Snapshot, []state.Commit)
	// Facts gives what was found out since it was last asked, for a transaction; nil when
	// there is nothing.
	Facts func() func(tx *state.Tx)
}

// Rounds go on while Run does. Turns are added and removed by the functions of
// Config alone.
type Rounds struct {
	Config
	due     queue
	probes  int // under way
	answers chan answer
	written chan error // the end of a write; nil while there is none
}

// Turn is one thing that is asked again and again.
type Turn struct {
	Due   time.Time // the next time
	Every time.Duration
	// Ask asks. It returns when it has seen enough or ctx ends, and bounds itself in
	// time; what it returns is done with what was seen, unless the turn was removed.
	Ask func(ctx context.Context) (seen func())

	at   int // in the queue, or away
	gone bool
}

// away is where a turn is that is being asked.
const away = -1

type answer struct {
	of   *Turn
	seen func()
}

// New makes rounds.
func New(cfg Config) *Rounds { return &Rounds{Config: cfg, answers: make(chan answer)} }

// Add begins a turn.
func (r *Rounds) Add(t *Turn) { heap.Push(&r.due, t) }

// Remove ends a turn. An answer that is under way counts no more.
func (r *Rounds) Remove(t *Turn) {
	if t.gone = true; t.at != away {
		heap.Remove(&r.due, t.at)
	}
}

// Waiting is how many turns are not being asked.
func (r *Rounds) Waiting() int { return len(r.due) }

// Run follows the store until ctx ends.
func (r *Rounds) Run(ctx context.Context) error {
	snap, sub := r.Store.Subscribe()
	defer sub.Close()
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	type news struct {
		commits []state.Commit
		snap    *state.Snapshot
		lost    bool
		err     error
	}
	fresh := make(chan news)
	running.Go(func() {
		for index := snap.Index; ; {
			n := news{}
			if n.commits, n.snap, n.lost, n.err = sub.Next(ctx, index); n.err == nil {
				index = n.snap.Index
			}
			select {
			case fresh <- n:
			case <-ctx.Done():
				return
			}
			if n.err != nil {
				return
			}
		}
	})
	r.Adopt(snap)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var wake <-chan time.Time // nil while nothing is due, whatever the time
		r.ask(ctx, &running)
		if len(r.due) > 0 && r.probes < r.Most {
			timer.Reset(time.Until(r.due[0].Due))
			wake = timer.C
		}
		r.write(ctx, &running)
		select {
		case <-wake:
		case a := <-r.answers:
			r.probes--
			r.take(a)
		case err := <-r.written:
			r.written = nil
			if err != nil && !errors.Is(err, state.ErrClosed) && ctx.Err() == nil {
				r.Log.Warn("keeping "+r.What, "error", err)
			}
		case n := <-fresh:
			switch {
			case n.err != nil:
				if ctx.Err() != nil || errors.Is(n.err, state.ErrClosed) {
					return nil
				}
				return n.err
			case n.lost:
				r.Adopt(n.snap)
			default:
				r.Follow(n.snap, n.commits)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// ask begins the probes that are due.
func (r *Rounds) ask(ctx context.Context, running *sync.WaitGroup) {
	for now := time.Now(); len(r.due) > 0 && r.probes < r.Most && !r.due[0].Due.After(now); {
		t := heap.Pop(&r.due).(*Turn)
		r.probes++
		running.Go(func() {
			a := answer{t, t.Ask(ctx)}
			select {
			case r.answers <- a:
			case <-ctx.Done():
			}
		})
	}
}

// take takes an answer. The next time is an interval after it was due, unless that
// has passed.
func (r *Rounds) take(a answer) {
	t := a.of
	if t.gone {
		return
	}
	now := time.Now()
	if t.Due = t.Due.Add(t.Every); t.Due.Before(now) {
		t.Due = now.Add(t.Every)
	}
	heap.Push(&r.due, t)
	a.seen()
}

// write keeps what is new, one transaction at a time.
func (r *Rounds) write(ctx context.Context, running *sync.WaitGroup) {
	if r.written != nil {
		return
	}
	put := r.Facts()
	if put == nil {
		return
	}
	written := make(chan error, 1)
	r.written = written
	running.Go(func() {
		_, err := r.Store.Write(ctx, func(tx *state.Tx) error {
			put(tx)
			return nil
		})
		written <- err
	})
}

// queue is the turns that wait, the one that is due first on top.
type queue []*Turn

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].Due.Before(q[j].Due) }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

func (q *queue) Push(x any) {
	t := x.(*Turn)
	t.at = len(*q)
	*q = append(*q, t)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	t.at = away
	return t
}
