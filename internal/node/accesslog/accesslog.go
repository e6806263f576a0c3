// Package accesslog writes the access logs of load balancers: a line for each flow
// through one that is over.
//
// Invariant: a router is watched exactly while a balancer of its VPC logs; where none
// does nothing runs. What is written stays in one directory, whatever buckets and
// prefixes are called; one file is open at one time for each router. What decide/balance
// says is a log's path and a line of it.
package accesslog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel"
	"github.com/localvpc/localvpc/internal/state"
)

// Watch hears which flows of a router are over: kernel.Watch.
type Watch interface {
	// Next waits for flows and hands them over; lost says that some are missing. The
	// error is os.ErrClosed after Close.
	Next(each func(kernel.Flow)) (lost bool, err error)
	Close() error
}

// Config of the logs.
type Config struct {
	Store *state.Store
	Dir   string // that buckets are in
	// Watch begins to hear the flows of a VPC's router.
	Watch func(ns plan.Netns) (Watch, error)
	// Settled waits until packets obey a commit.
	Settled func(ctx context.Context, index uint64) error
	Log     *slog.Logger
}

// Logs are the access logs of all balancers. Run them once.
type Logs struct {
	cfg     Config
	running sync.WaitGroup
	open    map[plan.Netns]*router

	mu    sync.Mutex
	index uint64        // of the commit that is followed
	next  chan struct{} // closed when that changes
}

// router is one that is watched.
type router struct {
	watch  Watch
	places atomic.Pointer[places]
	failed atomic.Bool // it hears nothing any more
}

// New makes logs.
func New(cfg Config) *Logs {
	return &Logs{cfg: cfg, open: map[plan.Netns]*router{}, next: make(chan struct{})}
}

// Run follows the store until ctx ends.
func (l *Logs) Run(ctx context.Context) error {
	defer l.running.Wait()
	defer l.end()
	snap, sub := l.cfg.Store.Subscribe()
	defer sub.Close()
	l.follow(ctx, snap)
	for {
		index := snap.Index
		l.reached(index)
		commits, next, lost, err := sub.Next(ctx, index)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, state.ErrClosed) {
				return nil
			}
			return err
		}
		snap = next
		if lost || matters(commits) {
			l.follow(ctx, snap)
		}
	}
}

// Wait waits until flows are logged as a commit wants it, or ctx ends. Where no balancer
// logs there is nothing to wait for.
func (l *Logs) Wait(ctx context.Context, index uint64) error {
	if !Any(l.cfg.Store.Snapshot()) {
		return nil
	}
	for {
		l.mu.Lock()
		at, next := l.index, l.next
		l.mu.Unlock()
		if at >= index {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return fmt.Errorf("waiting for access logs: %w", ctx.Err())
		}
	}
}

// Any says whether any balancer logs.
func Any(r state.Reader) bool {
	for b := range state.LoadBalancers.All(r) {
		if balance.Logs(b) {
			return true
		}
	}
	return false
}

func (l *Logs) reached(index uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.index = index
	close(l.next)
	l.next = make(chan struct{})
}

// matters says whether commits change what is logged.
func matters(commits []state.Commit) bool {
	for _, c := range commits {
		for _, ch := range c.Changes {
			if ch.Table == state.LoadBalancers.Name() || ch.Table == state.Listeners.Name() {
				return true
			}
		}
	}
	return false
}

// follow watches what a snapshot wants to be watched. What cannot be watched is tried
// again with the next change of a balancer.
func (l *Logs) follow(ctx context.Context, snap *state.Snapshot) {
	want := wanted(snap)
	for ns, r := range l.open {
		if want[ns] == nil || r.failed.Load() {
			_ = r.watch.Close()
			delete(l.open, ns)
		}
	}
	settled := false
	for ns, places := range want {
		if r := l.open[ns]; r != nil {
			r.places.Store(&places)
			continue
		}
		if !settled { // the router is there then, and counts
			if l.cfg.Settled(ctx, snap.Index) != nil {
				return
			}
			settled = true
		}
		watch, err := l.cfg.Watch(ns)
		if err != nil {
			l.cfg.Log.Error("flows of load balancers are not logged", "router", ns, "error", err)
			continue
		}
		r := &router{watch: watch}
		r.places.Store(&places)
		l.open[ns] = r
		l.running.Go(func() { l.write(ns, r) })
	}
}

func (l *Logs) end() {
	for _, r := range l.open {
		_ = r.watch.Close()
	}
}

// write writes the lines of a router until its watch is closed. Losses and failures are
// said when they begin, and again each time they have doubled.
func (l *Logs) write(ns plan.Netns, r *router) {
	var lost, failed count
	for {
		files := lines{}
		missing, err := r.watch.Next(func(f kernel.Flow) { files.add(*r.places.Load(), f) })
		if missing && lost.more() {
			l.cfg.Log.Warn("the kernel told of more flows than could be heard: lines of access logs are missing", "router", ns, "times", lost)
		}
		if broken := files.write(l.cfg.Dir); broken != nil && failed.more() {
			l.cfg.Log.Warn("lines of access logs could not be written", "error", broken, "times", failed)
		}
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			l.cfg.Log.Error("flows of load balancers are no longer logged", "router", ns, "error", err)
			r.failed.Store(true)
			return
		}
	}
}

// count is of what is said at 1, 2, 4, …
type count uint64

func (c *count) more() bool {
	*c++
	return *c&(*c-1) == 0
}
