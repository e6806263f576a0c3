package service

import (
	"context"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// Caller is who sent a request; the front names it by this package.
type Caller = authz.Caller

// Root is the root user of an account, calling in a Region.
func Root(account, region, accessKey string) Caller {
	return authz.Root(state.Scope{Account: account, Region: region}, accessKey)
}

// Defaults are made in a transaction of its own before an action of a scope:
// what AWS has in every account and Region from the start. Prepare is called
// only when Prepared says no.
type Defaults interface {
	Prepared(state.Reader, state.Scope) bool
	Prepare(*state.Tx, state.Scope) error
}

// Access says whether a caller may do what a request asks: nil, or AWS's error.
type Access interface {
	Allow(r state.Reader, service, action string, c *Caller, in any) error
}

// Runner runs actions on a store: the one way from a request to the state.
type Runner struct {
	Store    *state.Store
	Defaults Defaults
	// Access decides what a caller may do. Nil: everybody may do all.
	Access Access
	// Settle waits until packets and names obey the commit, at most for the
	// context's time. Nil: there is no data plane to wait for.
	Settle func(ctx context.Context, index uint64) error
	// SettleTime bounds the wait for the data plane. What has not settled by
	// then goes on settling; the commit stands and the caller is answered.
	SettleTime time.Duration
}

// Do runs one action for a caller. Errors are *awserr.Error or become InternalError.
func (r *Runner) Do(ctx context.Context, a Action, c Caller, in any) (any, error) {
	// No policy limits root: it is not even asked about.
	if r.Access != nil && (c.Session != nil || !c.Unlimited()) {
		if err := r.Access.Allow(r.Store.Snapshot(), a.Service, a.Name, &c, in); err != nil {
			return nil, awserr.From(err)
		}
	}
	if r.Defaults != nil && !r.Defaults.Prepared(r.Store.Snapshot(), c.Scope) {
		if _, err := r.Store.Write(ctx, func(tx *state.Tx) error {
			if r.Defaults.Prepared(tx, c.Scope) {
				return nil
			}
			return r.Defaults.Prepare(tx, c.Scope)
		}); err != nil {
			return nil, awserr.From(err)
		}
	}
	out, index, err := a.Run(ctx, r.Store, c, in)
	if err != nil {
		return nil, awserr.From(err)
	}
	if a.Mutates() && r.Settle != nil {
		wait, cancel := context.WithTimeout(ctx, r.SettleTime)
		defer cancel()
		// A data plane that lags or fails does not unwind the commit: what went
		// wrong is a fact on the resource, and the change ticker tells when it settled.
		_ = r.Settle(wait, index)
	}
	return out, nil
}
