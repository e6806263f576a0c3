// Package health asks the endpoints of Route 53's health checks whether they are
// healthy, from the simulated internet.
//
// Invariant: what it finds out is a fact in the row of the health check, written
// only when it says something new, and nothing else is kept: the next engine goes
// on from the rows.
package health

import (
	"context"
	"log/slog"
	"net/netip"
	"reflect"
	"sync"
	"time"

	"github.com/localvpc/localvpc/internal/node/rounds"
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
	cfg    Config
	rounds *rounds.Rounds
	dirty  map[state.Key]*target

	mu      sync.Mutex
	targets map[state.Key]*target // written by Run alone
}

// target is a health check with an endpoint that is to be asked.
type target struct {
	row      *state.HealthCheck // as it was configured
	interval time.Duration
	checkers []*checker

	// The facts, as they are in the row or about to be.
	down         bool
	observations []state.HealthObservation
	failures     []state.HealthObservation
}

// checker asks for one target.
type checker struct {
	rounds.Turn
	of     *target
	region string
	view   view
	seen   time.Time // when it last looked; of Checkers.mu
}

// New makes checkers.
func New(cfg Config) *Checkers {
	if cfg.Second == 0 {
		cfg.Second = time.Second
	}
	c := &Checkers{cfg: cfg, dirty: map[state.Key]*target{}, targets: map[state.Key]*target{}}
	c.rounds = rounds.New(rounds.Config{
		Store: cfg.Store, Most: underWay, What: "what health checkers have seen", Log: cfg.Log,
		Adopt: c.adopt,
		Follow: func(_ *state.Snapshot, commits []state.Commit) {
			for _, commit := range commits {
				for _, change := range commit.Changes {
					if change.Table == state.HealthChecks.Name() {
						row, _ := change.After.(*state.HealthCheck)
						c.follow(change.Key, row, 0)
					}
				}
			}
		},
		Facts: c.found,
	})
	return c
}

// Run follows the store until ctx ends.
func (c *Checkers) Run(ctx context.Context) error { return c.rounds.Run(ctx) }

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
		delete(c.targets, k)
		delete(c.dirty, k)
		for _, one := range old.checkers {
			c.rounds.Remove(&one.Turn)
		}
	}
	if h == nil || h.Disabled || h.Interval <= 0 {
		return // calculated checks and those of CloudWatch have no interval
	}
	regions := regionsOf(h)
	t := &target{row: h, interval: c.interval(h), down: h.Down, observations: of(h.Observations, regions), failures: of(h.Failures, regions)}
	for i, region := range regions {
		one := &checker{of: t, region: region}
		one.Due, one.Every = time.Now().Add(later+stagger(t.interval, i, len(regions))), t.interval
		one.Ask = func(ctx context.Context) func() {
			r := c.cfg.Probe(ctx, h)
			return func() { c.take(one, r) }
		}
		for _, o := range t.observations {
			if o.Region == region {
				one.view.down = o.Down
			}
		}
		t.checkers = append(t.checkers, one)
		c.rounds.Add(&one.Turn)
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

// take takes what a probe has seen.
func (c *Checkers) take(one *checker, r Result) {
	t, now := one.of, time.Now()
	c.mu.Lock()
	one.seen = now
	c.mu.Unlock()
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

// found gives what is new, for the rows.
func (c *Checkers) found() func(tx *state.Tx) {
	if len(c.dirty) == 0 {
		return nil
	}
	facts := make([]target, 0, len(c.dirty))
	for _, t := range c.dirty {
		facts = append(facts, *t)
	}
	clear(c.dirty)
	return func(tx *state.Tx) {
		for i := range facts {
			facts[i].put(tx)
		}
	}
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
