//go:build linux

package kernel

import (
	"context"
	"errors"
	"fmt"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/netns"
	"github.com/localvpc/localvpc/internal/node/kernel/nft"
)

// Apply does the operations:
//
//	routers · sysctls · nft, one transaction per namespace · links that go ·
//	links that come · addresses, neighbours, routes, rules · routers that go
//
// Rules come before links, so that a link is born into what decides on it; and
// links that go before links that come, which may take their names.
func (k *Kernel) Apply(ctx context.Context, ops []plan.Op) error {
	if err := Check(ops); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	j := sortOut(ops)
	if err := k.do(ctx, j); err != nil {
		for _, ns := range j.order { // what is remembered may be wrong
			if s, ok := k.spaces[ns]; ok && s.router {
				s.indexes = nil
			}
		}
		return err
	}
	return nil
}

func (k *Kernel) do(ctx context.Context, j job) error {
	for _, op := range j.routers {
		if err := k.addRouter(op); err != nil {
			return err
		}
	}
	for _, ns := range j.order {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("applying operations: %w", err)
		}
		if err := k.applyRules(j.by[ns], j.leaving[ns]); err != nil {
			return err
		}
	}
	for _, ns := range j.order {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("applying operations: %w", err)
		}
		if err := k.removeLinks(ns, j.by[ns].links); err != nil {
			return err
		}
		if err := k.addLinks(ns, j.by[ns].links); err != nil {
			return err
		}
	}
	for _, ns := range j.order {
		if j.leaving[ns] {
			continue
		}
		if err := k.applyRoutes(ns, j.by[ns].routes); err != nil {
			return err
		}
	}
	for _, op := range j.closing {
		if err := k.removeRouter(op); err != nil {
			return err
		}
	}
	return nil
}

// job is one Apply's operations by what does them.
type job struct {
	routers, closing []plan.Op
	leaving          map[plan.Netns]bool
	by               map[plan.Netns]*share
	order            []plan.Netns
}

// share is one namespace's, each list in the caller's order.
type share struct {
	ns                          plan.Netns
	sysctls, nft, links, routes []plan.Op
}

func sortOut(ops []plan.Op) job {
	j := job{leaving: map[plan.Netns]bool{}, by: map[plan.Netns]*share{}}
	for _, op := range ops {
		ns := op.Object.NS()
		s := j.by[ns]
		if s == nil {
			s = &share{ns: ns}
			j.by[ns] = s
			j.order = append(j.order, ns)
		}
		switch op.Object.Kind() {
		case plan.KindNetns:
			if op.Verb == plan.Remove {
				j.closing = append(j.closing, op)
				j.leaving[ns] = true
			} else {
				j.routers = append(j.routers, op)
			}
		case plan.KindSysctl:
			s.sysctls = append(s.sysctls, op)
		case plan.KindSet, plan.KindChain, plan.KindElement:
			s.nft = append(s.nft, op)
		case plan.KindLink:
			s.links = append(s.links, op)
		case plan.KindAddr, plan.KindNeigh, plan.KindRoute, plan.KindIPRule:
			s.routes = append(s.routes, op)
		}
	}
	return j
}

func (k *Kernel) addRouter(op plan.Op) error {
	ns := op.Object.NS()
	if op.Verb != plan.Add {
		return &Error{op, errors.New("a router has nothing to change")}
	}
	f, err := k.dir.Create(string(ns), setUpRouter)
	if err != nil {
		return &Error{op, err}
	}
	if old, ok := k.spaces[ns]; ok {
		old.close()
	}
	k.spaces[ns] = newSpace(ns, f, true)
	return nil
}

// removeRouter ends a namespace. The kernel would remove its links too, but in
// its own time: until then their names in the other namespaces were taken.
func (k *Kernel) removeRouter(op plan.Op) error {
	ns := op.Object.NS()
	if s, ok := k.spaces[ns]; ok {
		if err := k.unlink(s); err != nil {
			return &Error{op, err}
		}
		s.close()
		delete(k.spaces, ns)
	}
	if err := k.dir.Remove(string(ns)); err != nil {
		return &Error{op, err}
	}
	return nil
}

// applyRules does sysctls and nft of one namespace. In a namespace that leaves
// or has left nothing needs removing.
func (k *Kernel) applyRules(s *share, leaving bool) error {
	if len(s.sysctls)+len(s.nft) == 0 {
		return nil
	}
	if leaving {
		return nil
	}
	space, err := k.space(s.ns)
	if err != nil {
		return wantOnlyRemovals(append(s.sysctls, s.nft...), err)
	}
	if len(s.sysctls) > 0 {
		if err := space.setSysctls(s.sysctls); err != nil {
			return err
		}
	}
	if len(s.nft) == 0 {
		return nil
	}
	c, err := space.filter()
	if err != nil {
		return &Error{s.nft[0], err}
	}
	err = space.table.Apply(c, s.nft)
	var refused *nft.Error
	if errors.As(err, &refused) {
		return &Error{refused.Op, refused.Err}
	}
	if err != nil {
		return fmt.Errorf("changing the rules of %s: %w", s.ns, err)
	}
	return nil
}

// wantOnlyRemovals blames the first operation that needs the namespace.
func wantOnlyRemovals(ops []plan.Op, err error) error {
	for _, op := range ops {
		if op.Verb != plan.Remove {
			return &Error{op, err}
		}
	}
	return nil
}

func (s *space) setSysctls(ops []plan.Op) error {
	return netns.Enter(s.file, func() error {
		for _, op := range ops {
			o, ok := op.Object.(plan.Sysctl)
			if !ok {
				continue
			}
			if op.Verb == plan.Remove { // its value stays until somebody wants another
				delete(s.sysctls, o.Path)
				continue
			}
			if err := write([]setting{{o.Path, o.Value}}); err != nil {
				return &Error{op, err}
			}
			s.sysctls[o.Path] = o
		}
		return nil
	})
}
