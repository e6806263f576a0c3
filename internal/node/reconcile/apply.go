package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/decide/ruleset"
	"github.com/localvpc/localvpc/internal/node/kernel"
)

// apply makes the kernel obey for the touched keys, and in the same routers for
// those that it has not obeyed yet.
func (r *Reconciler) apply(ctx context.Context, touched map[string]struct{}) error {
	if len(r.behind)+len(r.doubt) == 0 {
		err := r.try(ctx, r.want.diff(touched))
		if err == nil {
			r.fail(nil)
			return nil
		}
		if ctx.Err() == nil {
			r.cfg.Log.Warn("the kernel refused; reading it back", "error", err)
		}
		maps.Copy(r.doubt, r.spaces(touched))
	}
	return r.each(ctx, r.parts(touched, false))
}

// retry applies all that the kernel has not obeyed yet.
func (r *Reconciler) retry(ctx context.Context) { _ = r.each(ctx, r.parts(nil, true)) }

// part is what is applied together: keys of one router and of the instances on it.
type part struct {
	router plan.Netns
	keys   map[string]struct{}
	doubt  map[plan.Netns]struct{} // to be read back first
}

// parts divides the touched keys by router. What is late joins its router's part;
// all gives those of untouched routers too. Keys of objects that are neither
// wanted nor there are left out.
func (r *Reconciler) parts(touched map[string]struct{}, all bool) []*part {
	routers := map[plan.Netns]plan.Netns{} // that instances hang on
	note := func(o plan.Object) {
		if l, ok := o.(plan.Link); ok && l.Peer != ruleset.Internet && l.PeerGroup == 0 {
			routers[l.Peer] = l.Netns
		}
	}
	for _, o := range r.want.applied {
		note(o)
	}
	for _, w := range r.want.wanted {
		note(w.object)
	}
	parts := map[plan.Netns]*part{}
	find := func(ns plan.Netns, make bool) *part {
		if router, ok := routers[ns]; ok {
			ns = router
		}
		if parts[ns] == nil && make {
			parts[ns] = &part{ns, map[string]struct{}{}, map[plan.Netns]struct{}{}}
		}
		return parts[ns]
	}
	add := func(keys map[string]struct{}, all bool) {
		for key := range keys {
			if ns, ok := r.want.space(key); ok {
				if p := find(ns, all); p != nil {
					p.keys[key] = struct{}{}
				}
			}
		}
	}
	add(touched, true)
	add(r.behind, all)
	for ns := range r.doubt {
		if p := find(ns, all); p != nil {
			p.doubt[ns] = struct{}{}
		}
	}
	return slices.SortedFunc(maps.Values(parts), func(a, b *part) int { return cmp.Compare(a.router, b.router) })
}

// each applies parts one by one: a router that the kernel refuses does not hold
// up the others. What fails is behind until a later try.
func (r *Reconciler) each(ctx context.Context, parts []*part) error {
	var errs []error
	r.routers(ctx, parts)
	for _, p := range parts {
		if err := r.again(ctx, p); err != nil {
			errs = append(errs, err)
			if ctx.Err() == nil {
				r.cfg.Log.Error("the kernel does not follow the state; what is missing stays closed", "router", p.router, "error", err)
			}
		}
		maps.Copy(r.behind, p.keys)
	}
	maps.DeleteFunc(r.behind, func(key string, _ struct{}) bool { return !r.want.differs(key) })
	err := errors.Join(errs...)
	r.fail(err)
	return err
}

// routers makes the namespaces that are missing, so that every part's links find
// the ones that they lead to. One that cannot be made, for example because it is
// there, is read back with its part.
func (r *Reconciler) routers(ctx context.Context, parts []*part) {
	for _, p := range parts {
		for key := range p.keys {
			w, wanted := r.want.wanted[key]
			if _, there := r.want.applied[key]; !wanted || there || w.object.Kind() != plan.KindNetns {
				continue
			}
			if r.try(ctx, []plan.Op{{Verb: plan.Add, Object: w.object}}) != nil {
				p.doubt[w.object.NS()] = struct{}{}
			}
		}
	}
}

// again applies a part, and once more after having read back what the kernel
// holds if it has failed.
func (r *Reconciler) again(ctx context.Context, p *part) error {
	for {
		read := len(p.doubt) > 0
		for ns := range p.doubt {
			have, err := r.cfg.Kernel.Read(ns)
			if err != nil && !errors.Is(err, kernel.ErrNoNamespace) {
				return fmt.Errorf("reading namespace %s back: %w", ns, err)
			}
			r.want.found(ns, have, p.keys)
			delete(r.doubt, ns)
		}
		err := r.try(ctx, r.want.diff(p.keys))
		if err == nil {
			return nil
		}
		// Some of it may have been done, even what is not wanted any more at
		// the next try.
		p.doubt = r.spaces(p.keys)
		maps.Copy(r.doubt, p.doubt)
		if read || ctx.Err() != nil {
			return err
		}
	}
}

// fail keeps why the kernel does not follow, until it does.
func (r *Reconciler) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || len(r.behind)+len(r.doubt) == 0 {
		r.failing = err
	}
}

// spaces are the namespaces of the keys' objects.
func (r *Reconciler) spaces(keys map[string]struct{}) map[plan.Netns]struct{} {
	out := map[plan.Netns]struct{}{}
	for key := range keys {
		if ns, ok := r.want.space(key); ok {
			out[ns] = struct{}{}
		}
	}
	return out
}

// try applies operations: listeners close before and open after the kernel's
// own. One listener that fails does not keep the others from being opened.
func (r *Reconciler) try(ctx context.Context, ops []plan.Op) error {
	if len(ops) == 0 {
		return nil
	}
	var own, open, closed []plan.Op
	for _, op := range ops {
		switch {
		case op.Object.Kind() != plan.KindService:
			own = append(own, op)
		case op.Verb == plan.Remove:
			closed = append(closed, op)
		default:
			open = append(open, op)
		}
	}
	if err := r.serve(ctx, closed); err != nil {
		return err
	}
	if len(own) > 0 {
		if err := r.cfg.Kernel.Apply(ctx, own); err != nil {
			return err
		}
		r.want.done(own)
		r.cut(own)
	}
	return r.serve(ctx, open)
}

// cut ends the connections of what is gone. One that the kernel keeps does no
// harm that a new one could not: it is logged, not tried again.
func (r *Reconciler) cut(ops []plan.Op) {
	for ns, flows := range ruleset.Cuts(ops) {
		if _, err := r.cfg.Kernel.CutFlows(ns, flows...); err != nil && !errors.Is(err, kernel.ErrNoNamespace) {
			r.cfg.Log.Error("ending the connections of addresses that are gone", "router", ns, "error", err)
		}
	}
}

// serve opens or closes listeners.
func (r *Reconciler) serve(ctx context.Context, ops []plan.Op) error {
	var errs []error
	for i, op := range ops {
		if err := r.cfg.Services.Apply(ctx, op); err != nil {
			errs = append(errs, err)
		} else {
			r.want.done(ops[i : i+1])
		}
	}
	return errors.Join(errs...)
}
