package reconcile

import (
	"context"

	"github.com/localvpc/localvpc/internal/state"
)

// renewals has the instances of a VPC renew their leases when the VPC has other DHCP
// options than before.
func (r *Reconciler) renewals(ctx context.Context, snap *state.Snapshot, ch state.Change, index uint64) {
	before, was := ch.Before.(*state.Vpc)
	after, is := ch.After.(*state.Vpc)
	if !was || !is || before.DhcpOptionsID == after.DhcpOptionsID {
		return
	}
	for i := range state.Instances.By(snap, state.ByVpc, after.ID) {
		if i.Scope() != after.Scope() || i.State != state.Pending && i.State != state.Running {
			continue
		}
		if _, led := r.actors[i.Key]; led {
			r.mu.Lock()
			r.renewing[i.Key] = index
			r.mu.Unlock()
			r.aim(ctx, instances{}, snap, i.Key)
		}
	}
}

// renew tells the guest what its lease is, if it is not the one that it has. What a
// former engine told is not known: the guest itself knows whether it is news.
func (a *actor) renew(ctx context.Context) {
	w := a.aim()
	if w.phase != up || w.boots != a.guest.Boots() || w.lease == "" && a.kind == (hosts{}) || a.known && a.lease == w.lease {
		return
	}
	if err := a.guest.Renew(ctx, w.lease); err != nil {
		if ctx.Err() == nil {
			a.r.cfg.Log.Error("renewing a lease", "instance", a.name, "error", err)
		}
		return
	}
	a.lease = w.lease
}

// renewed tells those who wait that the guest has followed a commit.
func (a *actor) renewed(index uint64) {
	r := a.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.renewing[a.key]; ok && at <= index {
		delete(r.renewing, a.key)
		close(r.moved)
		r.moved = make(chan struct{})
	}
}
