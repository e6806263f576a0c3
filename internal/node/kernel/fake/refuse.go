package fake

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel"
)

// do is one operation; all are given, for what goes with a namespace that leaves.
func (w *world) do(op plan.Op, all []plan.Op) error {
	o := op.Object
	if op.Verb == plan.Remove {
		return w.remove(o, all)
	}
	if o.Kind() != plan.KindNetns && !w.known(o.NS()) {
		return kernel.ErrNoNamespace
	}
	_, exists := w.objects[o.Key()]
	switch o := o.(type) {
	case plan.Router:
		if op.Verb != plan.Add {
			return errNothingToChange
		}
		if exists {
			return unix.EEXIST
		}
	case plan.Set, plan.Timeout, plan.Chain, plan.Element, plan.IPRule:
		if exists && op.Verb == plan.Add {
			return unix.EEXIST
		}
		if !exists && op.Verb == plan.Change && o.Kind() != plan.KindIPRule {
			return unix.ENOENT
		}
	case plan.Link:
		return w.putLink(op)
	case plan.Addr, plan.Neigh, plan.Route:
		if err := w.carries(o); err != nil {
			return err
		}
	}
	w.objects[o.Key()] = o
	return nil
}

func (w *world) remove(o plan.Object, all []plan.Op) error {
	have, exists := w.objects[o.Key()]
	switch o := o.(type) {
	case plan.Router:
		w.end(o.Name)
	case plan.Set, plan.Timeout, plan.Chain, plan.Element:
		if !w.known(o.NS()) || leaves(o.NS(), all) {
			return nil
		}
		if e, ok := o.(plan.Element); ok && removesSet(e, all) {
			return nil
		}
		if !exists {
			return unix.ENOENT
		}
	case plan.Link:
		if exists {
			w.unlink(have.(plan.Link))
		}
	case plan.Addr:
		if exists {
			w.removeAddr(o)
		}
	}
	delete(w.objects, o.Key())
	if s, ok := o.(plan.Set); ok {
		maps.DeleteFunc(w.objects, func(_ string, o plan.Object) bool {
			e, ok := o.(plan.Element)
			return ok && e.Netns == s.Netns && e.Set == s.Name
		})
	}
	return nil
}

// removeAddr removes an address with the routes of the main table (of no other)
// that name it as their source, and all that hangs on its interface when it was the last there.
func (w *world) removeAddr(a plan.Addr) {
	last := true
	for _, o := range w.objects {
		other, ok := o.(plan.Addr)
		last = last && !(ok && other != a && other.Netns == a.Netns && other.Link == a.Link)
	}
	maps.DeleteFunc(w.objects, func(_ string, o plan.Object) bool {
		if o.NS() != a.Netns {
			return false
		}
		r, ok := o.(plan.Route)
		return ok && r.Source == a.Prefix.Addr() && r.Table == 254 || last && a.Link != "lo" && plan.LinkOf(o) == a.Link
	})
}

func leaves(ns plan.Netns, all []plan.Op) bool {
	for _, op := range all {
		if op.Verb == plan.Remove && op.Object == (plan.Router{Name: ns}) {
			return true
		}
	}
	return false
}

func removesSet(e plan.Element, all []plan.Op) bool {
	for _, op := range all {
		if s, ok := op.Object.(plan.Set); ok && op.Verb == plan.Remove && s.Netns == e.Netns && s.Name == e.Set {
			return true
		}
	}
	return false
}

func (w *world) putLink(op plan.Op) error {
	l := op.Object.(plan.Link)
	_, exists := w.objects[l.Key()]
	if op.Verb == plan.Change && !exists && !anew(op) {
		return unix.ENODEV
	}
	if op.Verb == plan.Add && exists {
		return unix.EEXIST
	}
	if !w.known(l.Peer) {
		return kernel.ErrNoNamespace
	}
	if !exists && (w.hasLink(l.Peer, l.PeerName) || w.hasLink(l.Netns, l.Name)) {
		return unix.EEXIST
	}
	w.objects[l.Key()] = l
	return nil
}

// hasLink says whether a namespace has an interface of that name.
func (w *world) hasLink(ns plan.Netns, name string) bool {
	if name == "lo" {
		return true
	}
	for _, o := range w.objects {
		if l, ok := o.(plan.Link); ok && (l.Netns == ns && l.Name == name || l.Peer == ns && l.PeerName == name) {
			return true
		}
	}
	return false
}

// carries says why an address, neighbour or route has nothing to rest on.
func (w *world) carries(o plan.Object) error {
	name := plan.LinkOf(o)
	if name != "" && !w.hasLink(o.NS(), name) {
		return fmt.Errorf("no interface %s in %s: %w", name, o.NS(), unix.ENODEV)
	}
	r, ok := o.(plan.Route)
	if !ok {
		return nil
	}
	if r.Source.IsValid() && !w.isLocal(r.Netns, r.Source) {
		return unix.EINVAL
	}
	if r.Via.IsValid() && w.isLocal(r.Netns, r.Via) {
		return unix.EINVAL
	}
	if r.Via.IsValid() && !r.Onlink && !w.onLink(r) {
		return unix.ENETUNREACH
	}
	return nil
}

func (w *world) isLocal(ns plan.Netns, a netip.Addr) bool {
	for _, o := range w.objects {
		if have, ok := o.(plan.Addr); ok && have.Netns == ns && have.Prefix.Addr() == a {
			return true
		}
	}
	return false
}

// onLink says whether the gateway of a route can be reached on its link.
func (w *world) onLink(r plan.Route) bool {
	for _, o := range w.objects {
		switch o := o.(type) {
		case plan.Addr:
			if o.Netns == r.Netns && o.Link == r.Link && o.Prefix.Contains(r.Via) {
				return true
			}
		case plan.Route:
			if o.Netns == r.Netns && o.Table == 254 && o.Link == r.Link && !o.Via.IsValid() && o.Type == plan.Unicast && o.Dst.Contains(r.Via) {
				return true
			}
		}
	}
	return false
}

// checkRules says which set, chain or element refers to what is not there or
// does not fit it, after the operations.
func (w *world) checkRules(ops []plan.Op) (plan.Object, error) {
	if o := w.inUse(ops); o != nil {
		return o, unix.EBUSY
	}
	elements := map[string][]plan.Element{} // by the key of their set
	for _, o := range w.objects {
		if e, ok := o.(plan.Element); ok {
			key := plan.Set{Netns: e.Netns, Name: e.Set}.Key()
			elements[key] = append(elements[key], e)
		}
	}
	whole := map[string]bool{} // chains known to have no loop
	for _, o := range w.objects {
		var err error
		switch o := o.(type) {
		case plan.Element:
			err = w.checkElement(o)
		case plan.Chain:
			if err = w.checkChain(o); err == nil && o.Hook != nil {
				err = w.walk(o, elements, map[string]bool{}, whole)
			}
		}
		if err != nil {
			return o, err
		}
	}
	for _, op := range ops {
		e, ok := op.Object.(plan.Element)
		if s, _ := w.set(e.Netns, e.Set); !ok || op.Verb == plan.Remove || !s.Interval {
			continue
		}
		for _, other := range elements[plan.Set{Netns: e.Netns, Name: e.Set}.Key()] {
			if other.Key() != e.Key() && overlap(e, other) {
				return e, fmt.Errorf("overlaps %s: %w", other.Key(), unix.EEXIST)
			}
		}
	}
	return nil, nil
}

// inUse gives a set or chain that the operations removed and something still
// refers to.
func (w *world) inUse(ops []plan.Op) plan.Object {
	gone := plan.Objects{}
	for _, op := range ops {
		_, still := w.objects[op.Object.Key()]
		if op.Verb == plan.Remove && !still && of(op, plan.KindSet, plan.KindChain) {
			gone.Put(op.Object)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	for _, o := range w.objects {
		var names []string
		switch o := o.(type) {
		case plan.Chain:
			names = o.Uses()
		case plan.Element:
			if o.Verdict != nil {
				names = []string{o.Verdict.Chain}
			}
		}
		for _, name := range names {
			for _, key := range []string{plan.Set{Netns: o.NS(), Name: name}.Key(), plan.Chain{Netns: o.NS(), Name: name}.Key(), plan.Timeout{Netns: o.NS(), Name: name}.Key()} {
				if used, ok := gone[key]; ok {
					return used
				}
			}
		}
	}
	return nil
}

func (w *world) set(ns plan.Netns, name string) (plan.Set, bool) {
	s, ok := w.objects[plan.Set{Netns: ns, Name: name}.Key()].(plan.Set)
	return s, ok
}

func (w *world) checkElement(e plan.Element) error {
	s, ok := w.set(e.Netns, e.Set)
	if !ok {
		return fmt.Errorf("no such set: %w", unix.ENOENT)
	}
	if err := s.CheckElement(e); err != nil {
		return err
	}
	if e.Verdict != nil {
		return w.checkTarget(e.Netns, *e.Verdict)
	}
	return nil
}

func overlap(a, b plan.Element) bool {
	for i, v := range a.At {
		u := b.At[i]
		switch {
		case v.Num:
			if v.Lo > u.Hi || u.Lo > v.Hi {
				return false
			}
		case v.From.IsValid():
			if u.To.Less(v.From) || v.To.Less(u.From) {
				return false
			}
		case v.Name != u.Name:
			return false
		}
	}
	return true
}

// checkTarget says why a verdict has nowhere to go.
func (w *world) checkTarget(ns plan.Netns, v plan.Verdict) error {
	if v.Chain == "" {
		return nil
	}
	target, ok := w.objects[plan.Chain{Netns: ns, Name: v.Chain}.Key()].(plan.Chain)
	if !ok {
		return fmt.Errorf("no chain %s: %w", v.Chain, unix.ENOENT)
	}
	if target.Hook != nil {
		return fmt.Errorf("chain %s has a hook: %w", v.Chain, unix.EOPNOTSUPP)
	}
	return nil
}

func (w *world) checkChain(c plan.Chain) error {
	for _, r := range c.Rules {
		if err := w.checkRule(c, r); err != nil {
			return fmt.Errorf("rule %s: %w", r, err)
		}
	}
	return nil
}

func (w *world) checkRule(c plan.Chain, r plan.Rule) error {
	find := func(types []plan.DataType, name string, data plan.DataType) error {
		s, ok := w.set(c.Netns, name)
		if !ok {
			return fmt.Errorf("no set %s: %w", name, unix.ENOENT)
		}
		fits := len(types) == len(s.Types) && (data == "" || s.Data == data)
		for i := 0; fits && i < len(types); i++ {
			fits = types[i] == s.Types[i]
		}
		if !fits {
			return fmt.Errorf("%s does not take the fields: %w", s, unix.EINVAL)
		}
		return nil
	}
	lookup := func(fields []plan.Field, name string, data plan.DataType) error {
		types := make([]plan.DataType, len(fields))
		for i, f := range fields {
			types[i] = f.DataType()
		}
		return find(types, name, data)
	}
	var errs []error
	for _, m := range r.Match {
		if m.Set != "" {
			errs = append(errs, lookup(m.Fields, m.Set, ""))
		}
	}
	if r.MarkFrom != nil {
		errs = append(errs, lookup(r.MarkFrom.Fields, r.MarkFrom.Map, plan.TypeMark))
	}
	if _, ok := w.objects[plan.Timeout{Netns: c.Netns, Name: r.Timeout}.Key()]; !ok && r.Timeout != "" {
		errs = append(errs, fmt.Errorf("no timeout %s: %w", r.Timeout, unix.ENOENT))
	}
	if r.NAT != nil && r.NAT.Hash != nil {
		errs = append(errs, find([]plan.DataType{plan.TypeMark}, r.NAT.Map, plan.TypeEndpoint))
	} else if r.NAT != nil && r.NAT.Map != "" {
		errs = append(errs, lookup([]plan.Field{r.NAT.Field}, r.NAT.Map, plan.TypeIPv4))
	}
	if r.NAT != nil && c.Hook != nil && c.Hook.Type != "nat" {
		errs = append(errs, fmt.Errorf("%s outside of a nat chain: %w", r.NAT.Code, unix.EOPNOTSUPP))
	}
	if r.VMap != nil {
		errs = append(errs, lookup(r.VMap.Fields, r.VMap.Map, plan.TypeVerdict))
	}
	if r.Verdict != nil {
		errs = append(errs, w.checkTarget(c.Netns, *r.Verdict))
	}
	return errors.Join(errs...)
}

// walk follows a chain into all that it leads to, maps included, and finds loops.
func (w *world) walk(c plan.Chain, elements map[string][]plan.Element, path, whole map[string]bool) error {
	if path[c.Key()] {
		return fmt.Errorf("chain %s leads to itself: %w", c.Name, unix.EMLINK)
	}
	if whole[c.Key()] {
		return nil
	}
	path[c.Key()] = true
	var targets []plan.Verdict
	for _, r := range c.Rules {
		if r.Verdict != nil {
			targets = append(targets, *r.Verdict)
		}
		maps := []string{}
		if r.VMap != nil {
			maps = append(maps, r.VMap.Map)
		}
		for _, m := range r.Match { // to be a member of a verdict map is as good as to follow it
			maps = append(maps, m.Set)
		}
		for _, name := range maps {
			for _, e := range elements[plan.Set{Netns: c.Netns, Name: name}.Key()] {
				if e.Verdict != nil {
					targets = append(targets, *e.Verdict)
				}
			}
		}
	}
	for _, v := range targets {
		if next, ok := w.objects[plan.Chain{Netns: c.Netns, Name: v.Chain}.Key()].(plan.Chain); ok {
			if err := w.walk(next, elements, path, whole); err != nil {
				return err
			}
		}
	}
	delete(path, c.Key())
	whole[c.Key()] = true
	return nil
}
