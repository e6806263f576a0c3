// Package health asks the endpoints of Route 53's health checks whether they are
// healthy, from the simulated internet.
//
// Invariant: what it finds out is a fact in the row of the health check, written
// only when it says something new, and nothing else is kept: the next engine goes
// on from the rows. One goroutine knows what is due when; a goroutine of its own
// has only a probe that is under way, and their number is bounded.
package health

import (
	"container/heap"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"reflect"
	"sync"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// underWay bounds the probes at one time; further ones are late.
const underWay = 512

// Config of the checkers.
type Config struct {
	Store *state.Store
	// Probe asks an endpoint. It returns when it has seen enough or ctx ends, and
	// bounds itself in time.
	Probe func(ctx context.Context, h *state.HealthCheck) Result
	// Address is where the checkers ask from.
	Address func() netip.Addr
	// Second is how long a second of a check's interval lasts; a second when zero.
	// Timeouts are not affected.
	Second time.Duration
	Log    *slog.Logger
}

// Checkers are the health checkers. Run them once.
type Checkers struct {
	cfg     Config
	due     queue
	probes  int // under way
	most    int // of them at one time
	results chan result
	written chan error // the end of a write; nil while there is none
	dirty   map[state.Key]*target

	mu      sync.Mutex
	targets map[state.Key]*target // written by Run alone
}

// target is a health check with an endpoint that is to be asked.
type target struct {
	row      *state.HealthCheck // as it was configured
	interval time.Duration
	checkers []*checker
	gone     bool

	// The facts, as they are in the row or about to be.
	down         bool
	observations []state.HealthObservation
	failures     []state.HealthObservation
}

// checker asks for one target.
type checker struct {
	of     *target
	region string
	view   view
	due    time.Time
	at     int       // in the queue, or probing
	seen   time.Time // when it last looked; of Checkers.mu
}

// probing is where a checker is that is not in the queue.
const probing = -1

type result struct {
	c *checker
	Result
}

// New makes checkers.
func New(cfg Config) *Checkers {
	if cfg.Second == 0 {
		cfg.Second = time.Second
	}
	return &Checkers{cfg: cfg, most: underWay, results: make(chan result), dirty: map[state.Key]*target{}, targets: map[state.Key]*target{}}
}

// Run follows the store until ctx ends.
func (c *Checkers) Run(ctx context.Context) error {
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
				c.cfg.Log.Warn("keeping what health checkers have seen", "error", err)
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
				for _, commit := range n.commits {
					for _, change := range commit.Changes {
						if change.Table == state.HealthChecks.Name() {
							row, _ := change.After.(*state.HealthCheck)
							c.follow(change.Key, row, 0)
						}
					}
				}
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// Seen tells when the checker in a Region last looked; zero if it has not since the
// engine began.
func (c *Checkers) Seen(k state.Key, region string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t, ok := c.targets[k]; ok {
		for _, one := range t.checkers {
			if one.region == region {
				return one.seen
			}
		}
	}
	return time.Time{}
}

// adopt takes everything from a snapshot. Checks that have all been there are
// spread over their intervals.
func (c *Checkers) adopt(snap *state.Snapshot) {
	there := map[state.Key]bool{}
	var rows []*state.HealthCheck
	for h := range state.HealthChecks.All(snap) {
		there[h.Key] = true
		rows = append(rows, h)
	}
	for k := range c.targets {
		if !there[k] {
			c.follow(k, nil, 0)
		}
	}
	for i, h := range rows {
		c.follow(h.Key, h, stagger(c.interval(h)/checkers, i, len(rows)))
	}
}

func (c *Checkers) interval(h *state.HealthCheck) time.Duration {
	return time.Duration(h.Interval) * c.cfg.Second
}

// follow makes a target what its row asks for; nil: it is gone. What is found out
// is no change of what is asked for.
func (c *Checkers) follow(k state.Key, h *state.HealthCheck, later time.Duration) {
	old := c.targets[k]
	if old != nil && h != nil && same(old.row, h) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old != nil {
		old.gone = true
		delete(c.targets, k)
		delete(c.dirty, k)
		for _, one := range old.checkers {
			if one.at != probing {
				heap.Remove(&c.due, one.at)
			}
		}
	}
	if h == nil || h.Disabled || h.Interval <= 0 {
		return // calculated checks and those of CloudWatch have no interval
	}
	regions := regionsOf(h)
	t := &target{row: h, interval: c.interval(h), down: h.Down, observations: of(h.Observations, regions), failures: of(h.Failures, regions)}
	for i, region := range regions {
		one := &checker{of: t, region: region, due: time.Now().Add(later + stagger(t.interval, i, len(regions)))}
		for _, o := range t.observations {
			if o.Region == region {
				one.view.down = o.Down
			}
		}
		t.checkers = append(t.checkers, one)
		heap.Push(&c.due, one)
	}
	c.targets[k] = t
	if len(t.observations) != len(h.Observations) || len(t.failures) != len(h.Failures) {
		t.judge()
		c.dirty[k] = t
	}
}

// same says whether two rows ask for the same, whatever has been found out.
func same(a, b *state.HealthCheck) bool {
	x, y := *a, *b
	x.Down, x.Observations, x.Failures, x.Tags = y.Down, y.Observations, y.Failures, y.Tags
	return reflect.DeepEqual(x, y)
}

// start begins the probes that are due.
func (c *Checkers) start(ctx context.Context, running *sync.WaitGroup) {
	for now := time.Now(); len(c.due) > 0 && c.probes < c.most && !c.due[0].due.After(now); {
		one := heap.Pop(&c.due).(*checker)
		c.probes++
		running.Go(func() {
			r := result{one, c.cfg.Probe(ctx, one.of.row)}
			select {
			case c.results <- r:
			case <-ctx.Done():
			}
		})
	}
}

// take takes the result of a probe.
func (c *Checkers) take(r result) {
	one, t := r.c, r.c.of
	if t.gone {
		return
	}
	now := time.Now()
	c.mu.Lock()
	one.seen = now
	c.mu.Unlock()
	// An interval after it was due, unless that has passed.
	if one.due = one.due.Add(t.interval); one.due.Before(now) {
		one.due = now.Add(t.interval)
	}
	heap.Push(&c.due, one)

	one.view = one.view.see(r.Healthy, t.row.Threshold)
	o := state.HealthObservation{Region: one.region, IP: c.cfg.Address(), Status: r.Status, Time: now.UTC().Truncate(time.Millisecond), Down: one.view.down}
	var fresh, worse bool
	t.observations, fresh = noted(t.observations, o)
	if !r.Healthy {
		o.Down = false
		t.failures, worse = noted(t.failures, o)
	}
	t.judge()
	if fresh || worse {
		c.dirty[t.row.Key] = t
	}
}

// judge settles whether enough checkers see the endpoint healthy.
func (t *target) judge() {
	up := 0
	for _, one := range t.checkers {
		if !one.view.down {
			up++
		}
	}
	t.down = !verdict(up, len(t.checkers))
}

// write puts what is new into the rows, one transaction at a time.
func (c *Checkers) write(ctx context.Context, running *sync.WaitGroup) {
	if len(c.dirty) == 0 || c.written != nil {
		return
	}
	facts := make([]target, 0, len(c.dirty))
	for _, t := range c.dirty {
		facts = append(facts, *t)
	}
	clear(c.dirty)
	written := make(chan error, 1)
	c.written = written
	running.Go(func() {
		_, err := c.cfg.Store.Write(ctx, func(tx *state.Tx) error {
			for i := range facts {
				facts[i].put(tx)
			}
			return nil
		})
		written <- err
	})
}

// put writes the facts into the row, if that still asks for the same.
func (t *target) put(tx *state.Tx) {
	h, ok := state.HealthChecks.Get(tx, t.row.Key)
	if !ok || !same(h, t.row) {
		return
	}
	next := *h
	next.Down, next.Observations, next.Failures = t.down, t.observations, t.failures
	state.HealthChecks.Put(tx, &next)
}

// queue is the checkers that wait, the one that is due first on top.
type queue []*checker

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

func (q *queue) Push(x any) {
	one := x.(*checker)
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
