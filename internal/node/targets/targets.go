// Package targets asks the targets of load balancers whether they are healthy, each
// balancer's node from its own address.
//
// Invariant: what a node has found out is a fact in the row of the target, written
// only when it says something new; the next engine goes on from the rows. One
// goroutine knows what is due when; a goroutine of its own has only a probe that is
// under way, and their number is bounded. What is asked, and by whom, is
// decide/balance's to say.
package targets

import (
	"container/heap"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

// underWay bounds the probes at one time; further ones are late.
const underWay = 512

// Config of the checks.
type Config struct {
	Store *state.Store
	// Probe asks a target. It returns when it has seen enough or ctx ends, and bounds
	// itself in time.
	Probe func(ctx context.Context, a Ask) bool
	// Second is how long a second of an interval lasts; a second when zero. Timeouts
	// are not affected.
	Second time.Duration
	Log    *slog.Logger
}

// Checks are the health checks of all targets. Run them once.
type Checks struct {
	cfg     Config
	due     queue
	probes  int // under way
	most    int // of them at one time
	results chan result
	written chan error           // the end of a write; nil while there is none
	facts   map[source]fact      // to be written
	groups  map[state.Key]checks // by target group
}

// checks are those of one group's targets.
type checks map[source]*check

// source is who asks which target.
type source struct {
	target   state.Key
	balancer string
	zone     string
}

// fact is what a node has found out; nil: it asks no longer.
type fact *state.TargetHealth

// check is one node's view of one target.
type check struct {
	source
	ask  Ask
	view view
	due  time.Time
	at   int // in the queue, or probing
	gone bool
}

// probing is where a check is that is not in the queue.
const probing = -1

type result struct {
	c  *check
	up bool
}

// New makes checks.
func New(cfg Config) *Checks {
	if cfg.Second == 0 {
		cfg.Second = time.Second
	}
	return &Checks{cfg: cfg, most: underWay, results: make(chan result), facts: map[source]fact{}, groups: map[state.Key]checks{}}
}

// Run follows the store until ctx ends.
func (c *Checks) Run(ctx context.Context) error {
	snap, sub := c.cfg.Store.Subscribe()
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
	c.adopt(snap)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var wake <-chan time.Time // nil while nothing is due, whatever the time
		c.start(ctx, &running)
		if len(c.due) > 0 && c.probes < c.most {
			timer.Reset(time.Until(c.due[0].due))
			wake = timer.C
		}
		c.write(ctx, &running)
		select {
		case <-wake:
		case r := <-c.results:
			c.probes--
			c.take(r)
		case err := <-c.written:
			c.written = nil
			if err != nil && !errors.Is(err, state.ErrClosed) && ctx.Err() == nil {
				c.cfg.Log.Warn("keeping the health of targets", "error", err)
			}
		case n := <-fresh:
			switch {
			case n.err != nil:
				if ctx.Err() != nil || errors.Is(n.err, state.ErrClosed) {
					return nil
				}
				return n.err
			case n.lost:
				c.adopt(n.snap)
			default:
				for key := range groupsOf(n.snap, n.commits) {
					c.follow(n.snap, key, false)
				}
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// adopt takes everything from a snapshot: checks that have all been there are spread
// over their intervals.
func (c *Checks) adopt(snap *state.Snapshot) {
	there := map[state.Key]bool{}
	for g := range state.TargetGroups.All(snap) {
		there[g.Key] = true
		c.follow(snap, g.Key, true)
	}
	for key := range c.groups {
		if !there[key] {
			c.follow(snap, key, true)
		}
	}
}

// follow makes the checks of a group what the rows ask for. A check that asks for the
// same as before goes on.
func (c *Checks) follow(r state.Reader, group state.Key, spread bool) {
	want, stale := wanted(r, group)
	have, views := c.groups[group], map[source]view{}
	for s, old := range have {
		if ask, ok := want[s]; ok && ask == old.ask {
			continue
		}
		old.gone = true
		if old.at != probing {
			heap.Remove(&c.due, old.at)
		}
		delete(have, s)
		if _, ok := want[s]; ok {
			views[s] = old.view // asked otherwise from now on, it is what it was
		} else {
			c.facts[s] = nil
		}
	}
	for _, s := range stale {
		c.facts[s] = nil
	}
	if len(want) == 0 {
		delete(c.groups, group)
		return
	}
	if have == nil {
		have = checks{}
		c.groups[group] = have
	}
	now, n := time.Now(), 0
	for s, ask := range want {
		if have[s] != nil {
			continue
		}
		one := &check{source: s, ask: ask, due: now}
		was, known := views[s]
		switch {
		case known:
			one.view = was
		case spread:
			one.view = viewOf(r, s)
			one.due = now.Add(c.interval(one) * time.Duration(n) / time.Duration(len(want)))
		case viewOf(r, s) != (view{}):
			c.facts[s] = nil // what was known of an earlier time counts no more
		}
		n++
		have[s] = one
		heap.Push(&c.due, one)
	}
}

func (c *Checks) interval(one *check) time.Duration {
	return time.Duration(max(one.ask.Check.Interval, 1)) * c.cfg.Second
}

// start begins the probes that are due.
func (c *Checks) start(ctx context.Context, running *sync.WaitGroup) {
	for now := time.Now(); len(c.due) > 0 && c.probes < c.most && !c.due[0].due.After(now); {
		one := heap.Pop(&c.due).(*check)
		c.probes++
		running.Go(func() {
			r := result{one, c.cfg.Probe(ctx, one.ask)}
			select {
			case c.results <- r:
			case <-ctx.Done():
			}
		})
	}
}

// take takes the result of a probe.
func (c *Checks) take(r result) {
	one := r.c
	if one.gone {
		return
	}
	// An interval after it was due, unless that has passed.
	now := time.Now()
	if one.due = one.due.Add(c.interval(one)); one.due.Before(now) {
		one.due = now.Add(c.interval(one))
	}
	heap.Push(&c.due, one)
	was := one.view.health
	if one.view = one.view.see(r.up, one.ask.Check); one.view.health != was {
		h := one.view.fact(one.source)
		c.facts[one.source] = &h
	}
}

// write puts what is new into the rows, one transaction at a time.
func (c *Checks) write(ctx context.Context, running *sync.WaitGroup) {
	if len(c.facts) == 0 || c.written != nil {
		return
	}
	facts := c.facts
	c.facts = map[source]fact{}
	written := make(chan error, 1)
	c.written = written
	running.Go(func() {
		_, err := c.cfg.Store.Write(ctx, func(tx *state.Tx) error {
			for s, h := range facts {
				lifecycle.TargetSeen(tx, s.target, s.balancer, s.zone, h)
			}
			return nil
		})
		written <- err
	})
}

// queue is the checks that wait, the one that is due first on top.
type queue []*check

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

func (q *queue) Push(x any) {
	one := x.(*check)
	one.at = len(*q)
	*q = append(*q, one)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	one := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	one.at = probing
	return one
}
