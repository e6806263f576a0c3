package app

import (
	"context"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/fault"
	"github.com/localvpc/localvpc/internal/front/apiserver"
	"github.com/localvpc/localvpc/internal/front/cli"
	"github.com/localvpc/localvpc/internal/state"
)

// Faults implements apiserver.Control.
func (e *engine) Faults() any { return faultsOf(fault.List(e.store.Snapshot())) }

func faultsOf(list []*state.Fault) cli.Faults {
	out := cli.Faults{Faults: []cli.Fault{}}
	for _, f := range list {
		out.Faults = append(out.Faults, faultOf(f))
	}
	return out
}

func faultOf(f *state.Fault) cli.Fault {
	return cli.Fault{Kind: f.Kind, What: f.What, Effect: f.Effect, Rate: f.Rate, Account: f.Account, Region: f.Region, Created: f.Created}
}

// SetFault implements apiserver.Control.
func (e *engine) SetFault(ctx context.Context, req apiserver.FaultRequest) (any, error) {
	scope := state.Scope{Account: req.Account, Region: req.Region}
	var f *state.Fault
	index, err := e.store.Write(ctx, func(tx *state.Tx) (err error) {
		f, err = fault.Apply(tx, scope, fault.Order{Kind: req.Kind, What: req.What, Effect: req.Effect, Rate: req.Rate})
		return err
	})
	if err != nil {
		return nil, err
	}
	var moved []state.Key
	if req.Kind == fault.Instance {
		moved = append(moved, scope.Key(req.What))
	}
	if err := e.broken(ctx, index, f != nil, moved...); err != nil {
		return nil, err
	}
	if f == nil {
		return cli.Fault{Kind: req.Kind, What: req.What, Region: req.Region}, nil
	}
	return faultOf(f), nil
}

// ClearFaults implements apiserver.Control.
func (e *engine) ClearFaults(ctx context.Context) (any, error) {
	var list []*state.Fault
	index, err := e.store.Write(ctx, func(tx *state.Tx) error { list = fault.Clear(tx); return nil })
	if err != nil {
		return nil, err
	}
	var moved []state.Key
	for _, f := range list {
		if key, ok := fault.InstanceOf(f.Key); ok {
			moved = append(moved, key)
		}
	}
	if err := e.broken(ctx, index, false, moved...); err != nil {
		return nil, err
	}
	return faultsOf(list), nil
}

// broken returns when packets obey a commit, and instances stand still or go on.
func (e *engine) broken(ctx context.Context, index uint64, paused bool, instances ...state.Key) error {
	if e.nodes == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := e.nodes.Wait(ctx, index); err != nil {
		return awserr.New("Unavailable", "%s", err)
	}
	for _, key := range instances {
		if err := e.nodes.WaitPaused(ctx, key, paused); err != nil {
			return awserr.New("Unavailable", "%s", err)
		}
	}
	return nil
}
