// Package targets asks the targets of load balancers whether they are healthy, each
// balancer's node from its own address.
//
// Invariant: what a node has found out is a fact in the row of the target, written
// only when it says something new; the next engine goes on from the rows. What is
// asked, and by whom, is decide/balance's to say.
package targets

import (
	"context"
	"log/slog"
	"time"

	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/node/rounds"
	"github.com/localvpc/localvpc/internal/state"
)

// underWay bounds the probes at one time.
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
	cfg    Config
	rounds *rounds.Rounds
	facts  map[source]fact      // to be written
	groups map[state.Key]checks // by target group
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
	rounds.Turn
	source
	ask  Ask
	view view
}

// New makes checks.
func New(cfg Config) *Checks {
	if cfg.Second == 0 {
		cfg.Second = time.Second
	}
	c := &Checks{cfg: cfg, facts: map[source]fact{}, groups: map[state.Key]checks{}}
	c.rounds = rounds.New(rounds.Config{
		Store: cfg.Store, Most: underWay, What: "the health of targets", Log: cfg.Log,
		Adopt: c.adopt,
		Follow: func(snap *state.Snapshot, commits []state.Commit) {
			for key := range groupsOf(snap, commits) {
				c.follow(snap, key, false)
			}
		},
		Facts: c.found,
	})
	return c
}

// Run follows the store until ctx ends.
func (c *Checks) Run(ctx context.Context) error { return c.rounds.Run(ctx) }

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
		c.rounds.Remove(&old.Turn)
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
		one := &check{source: s, ask: ask}
		one.Due, one.Every, one.Ask = now, time.Duration(max(ask.Check.Interval, 1))*c.cfg.Second, func(ctx context.Context) func() {
			up := c.cfg.Probe(ctx, ask)
			return func() { c.take(one, up) }
		}
		was, known := views[s]
		switch {
		case known:
			one.view = was
		case spread:
			one.view = viewOf(r, s)
			one.Due = now.Add(one.Every * time.Duration(n) / time.Duration(len(want)))
		case viewOf(r, s) != (view{}):
			c.facts[s] = nil // what was known of an earlier time counts no more
		}
		n++
		have[s] = one
		c.rounds.Add(&one.Turn)
	}
}

// take takes what a probe has seen.
func (c *Checks) take(one *check, up bool) {
	was := one.view.health
	if one.view = one.view.see(up, one.ask.Check); one.view.health != was {
		h := one.view.fact(one.source)
		c.facts[one.source] = &h
	}
}

// found gives what is new, for the rows.
func (c *Checks) found() func(tx *state.Tx) {
	if len(c.facts) == 0 {
		return nil
	}
	facts := c.facts
	c.facts = map[source]fact{}
	return func(tx *state.Tx) {
		for s, h := range facts {
			lifecycle.TargetSeen(tx, s.target, s.balancer, s.zone, h)
		}
	}
}
