//go:build linux

package kernel

import (
	"errors"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
	"github.com/localvpc/localvpc/internal/node/kernel/route"
)

// applyRoutes does a namespace's addresses, neighbours, routes and rules in few
// runs. Removals of what is not there are done.
func (k *Kernel) applyRoutes(ns plan.Netns, ops []plan.Op) error {
	if len(ops) == 0 {
		return nil
	}
	s, err := k.space(ns)
	if err != nil {
		return wantOnlyRemovals(ops, err)
	}
	c, err := s.route()
	if err != nil {
		return &Error{ops[0], err}
	}
	if !s.router {
		defer s.hangUp() // there may be very many, and they are seldom needed
	}
	var w nl.Buf
	for len(ops) > 0 {
		w.Reset()
		n := 0 // as far as the operations are of one kind: removals or not
		removal := ops[0].Verb == plan.Remove
		var blame []plan.Op
		for n < len(ops) && (ops[n].Verb == plan.Remove) == removal {
			op := ops[n]
			if err := s.writeRoute(&w, op); err != nil {
				return &Error{op, err}
			}
			for len(blame) < w.Len() {
				blame = append(blame, op)
			}
			n++
		}
		if err := c.Do(&w, nil); err != nil {
			if removal && route.Absent(err) {
				err = s.removeEach(c, ops[:n])
			} else if refused := (*nl.Error)(nil); errors.As(err, &refused) {
				err = &Error{blame[refused.Index], err}
			} else {
				err = &Error{ops[0], err}
			}
			if err != nil {
				return err
			}
		}
		ops = ops[n:]
	}
	return nil
}

func (s *space) writeRoute(w *nl.Buf, op plan.Op) error {
	_, rule := op.Object.(plan.IPRule)
	if op.Verb == plan.Remove || rule && op.Verb == plan.Change {
		o := op.Object
		if op.Verb == plan.Change {
			o = op.Old
		}
		if _, err := route.Drop(w, o, s.index); err != nil {
			return err
		}
	}
	if op.Verb != plan.Remove {
		return route.Put(w, op.Object, s.index)
	}
	return nil
}

// removeEach removes one by one, to tell what is absent from what fails.
func (s *space) removeEach(c *nl.Conn, ops []plan.Op) error {
	for _, op := range ops {
		var w nl.Buf
		ok, err := route.Drop(&w, op.Object, s.index)
		if ok {
			err = c.Do(&w, nil)
		}
		if err != nil && !route.Absent(err) {
			return &Error{op, err}
		}
	}
	return nil
}
