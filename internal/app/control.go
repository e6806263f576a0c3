package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/catalog"
	"github.com/localvpc/localvpc/internal/decide/fault"
	"github.com/localvpc/localvpc/internal/front/apiserver"
	"github.com/localvpc/localvpc/internal/front/cli"
	"github.com/localvpc/localvpc/internal/service/ec2"
	"github.com/localvpc/localvpc/internal/state"
)

var _ apiserver.Control = (*engine)(nil)

// Health implements apiserver.Control.
func (e *engine) Health() any {
	h := cli.Health{API: 1, Version: Version(), Account: e.set.Account, Packets: e.inside != nil, Data: e.set.Data, DNS: e.names.address()}
	h.Settled, h.Committed = e.Settled()
	h.Faults = len(fault.List(e.store.Snapshot()))
	if e.inside == nil {
		h.Notes = append(slices.Clone(e.set.Notes), "no packets: instances do not run, the API records them and explain computes")
		h.Notes = append(h.Notes, e.loggedNowhere()...)
		return h
	}
	h.Root = e.inside.Root
	h.Instances, h.Hosts = e.guests.Running()
	h.Notes = slices.Concat(e.set.Notes, e.notes, e.guests.Notes(), e.loggedNowhere())
	if err := e.nodes.Failing(); err != nil {
		h.Problem = err.Error()
	}
	return h
}

// Settled implements apiserver.Control.
func (e *engine) Settled() (settled, committed uint64) {
	committed = e.store.Snapshot().Index
	if e.nodes == nil {
		return committed, committed
	}
	return e.nodes.Settled(), committed
}

// WaitSettled implements apiserver.Control.
func (e *engine) WaitSettled(ctx context.Context, index uint64) error {
	if e.nodes == nil {
		return nil
	}
	if err := e.nodes.Wait(ctx, index); err != nil {
		return awserr.New("RequestExpired", "Commit %d has not settled: %s", index, err)
	}
	return nil
}

// Reset implements apiserver.Control.
func (e *engine) Reset(ctx context.Context) error {
	images, err := e.catalogue()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	release, err := e.hostsTurn(ctx)
	if err != nil {
		return err
	}
	defer release()
	index, err := e.store.Write(ctx, func(tx *state.Tx) error {
		tx.Clear()
		ec2.SeedImages(tx, images)
		return e.outside(tx)
	})
	if err != nil || e.nodes == nil {
		return err
	}
	if err := e.nodes.Wait(ctx, index); err != nil {
		return err
	}
	if err := e.nodes.WaitIdle(ctx); err != nil {
		return err
	}
	e.sweep() // layers of images that were made here
	return nil
}

// AddImages implements apiserver.Control.
func (e *engine) AddImages(ctx context.Context, entries json.RawMessage) error {
	list, err := catalog.Parse(entries)
	if err != nil {
		return awserr.New("InvalidParameterValue", "%s", err)
	}
	for _, i := range list {
		if i.Path == "" {
			continue
		}
		if err := imageDir(i.Path); err != nil {
			return awserr.New("InvalidParameterValue", "%s: the path cannot be booted from: %s", i.ImageId, err)
		}
	}
	_, err = e.store.Write(ctx, func(tx *state.Tx) error {
		ec2.SeedImages(tx, list)
		return nil
	})
	return err
}

// Changes implements apiserver.Control: one value for every commit.
func (e *engine) Changes(ctx context.Context, after uint64, fn func(any) error) error {
	type change struct {
		Table, Account, Region, ID string
		Removed                    bool `json:",omitempty"`
	}
	type commit struct {
		Index   uint64
		Time    time.Time
		Lost    bool     `json:",omitempty"` // some commits before this one are not listed
		Changes []change `json:",omitempty"`
	}
	_, sub := e.store.Subscribe()
	defer sub.Close()
	for {
		commits, snap, lost, err := sub.Next(ctx, after)
		if err != nil {
			return err
		}
		if lost {
			after = snap.Index
			if err := fn(commit{Index: after, Time: time.Now().UTC(), Lost: true}); err != nil {
				return err
			}
			continue
		}
		for _, c := range commits {
			line := commit{Index: c.Index, Time: c.Time}
			for _, ch := range c.Changes {
				line.Changes = append(line.Changes, change{ch.Table, ch.Key.Account, ch.Key.Region, ch.Key.ID, ch.After == nil})
			}
			if err := fn(line); err != nil {
				return err
			}
			after = c.Index
		}
	}
}

// Kernel implements apiserver.Control.
func (e *engine) Kernel(w io.Writer) error {
	if e.kernel == nil {
		return awserr.New("UnsupportedOperation", "There is no kernel state: localvpc runs with --no-packets.")
	}
	if err := e.kernel.Dump(w); err != nil {
		return fmt.Errorf("reading the kernel: %w", err)
	}
	return nil
}

// Stop implements apiserver.Control.
func (e *engine) Stop() {
	e.once.Do(func() {
		if e.inside != nil {
			if err := e.inside.Exit(0); err != nil {
				e.log.Error("asking for the end", "error", err)
			}
			return
		}
		e.end(nil)
	})
}
