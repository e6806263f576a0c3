package kernel

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/link"
	"github.com/localvpc/localvpc/internal/node/kernel/netns"
	"github.com/localvpc/localvpc/internal/node/kernel/nft"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
	"github.com/localvpc/localvpc/internal/node/kernel/route"
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

// Check says what is wrong with operations in themselves: objects that no kernel
// can hold, two operations on one object, additions to a router that is removed.
// The error is an *Error.
func Check(ops []plan.Op) error {
	seen := make(map[string]bool, len(ops))
	leaving := map[plan.Netns]bool{}
	for _, op := range ops {
		if op.Verb == plan.Remove && op.Object.Kind() == plan.KindNetns {
			leaving[op.Object.NS()] = true
		}
	}
	for _, op := range ops {
		if op.Verb != plan.Remove {
			if err := plan.Check(op.Object); err != nil {
				return &Error{op, err}
			}
			if leaving[op.Object.NS()] {
				return &Error{op, ErrNoNamespace}
			}
		}
		key := op.Object.Key()
		if seen[key] {
			return &Error{op, fmt.Errorf("a second operation on one object: %w", unix.EINVAL)}
		}
		seen[key] = true
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

// unlink removes all links of a router.
func (k *Kernel) unlink(s *space) error {
	found, err := s.links()
	if err != nil {
		return err
	}
	var indexes []uint32
	for _, f := range found {
		if f.Ours {
			indexes = append(indexes, f.Index)
			k.forgetPeer(f.Link)
		}
	}
	c, err := s.route()
	if err != nil {
		return err
	}
	return link.Remove(c, indexes)
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

// removeLinks removes a namespace's links in one sweep.
func (k *Kernel) removeLinks(ns plan.Netns, ops []plan.Op) error {
	var indexes []uint32
	var last plan.Op
	s, err := k.space(ns)
	for _, op := range ops {
		if op.Verb != plan.Remove || err != nil {
			continue
		}
		l := op.Object.(plan.Link)
		i, err := s.index(l.Name)
		if errors.Is(err, unix.ENODEV) {
			continue // its peer's namespace has ended, and the pair with it
		}
		if err != nil {
			return &Error{op, err}
		}
		indexes, last = append(indexes, i), op
		delete(s.indexes, l.Name)
		k.forgetPeer(l)
	}
	if len(indexes) == 0 {
		return nil
	}
	c, err := s.route()
	if err != nil {
		return &Error{last, err}
	}
	if err := link.Remove(c, indexes); err != nil {
		s.indexes = nil
		return &Error{last, err}
	}
	return nil
}

func (k *Kernel) forgetPeer(l plan.Link) {
	if peer, ok := k.spaces[l.Peer]; ok {
		delete(peer.indexes, l.PeerName)
	}
}

// addLinks makes a namespace's new links and changes others.
func (k *Kernel) addLinks(ns plan.Netns, ops []plan.Op) error {
	for _, op := range ops {
		if op.Verb == plan.Remove {
			continue
		}
		s, err := k.space(ns)
		if err == nil {
			err = k.putLink(s, op)
		}
		if err != nil {
			return &Error{op, err}
		}
	}
	return nil
}

func (k *Kernel) putLink(s *space, op plan.Op) error {
	l := op.Object.(plan.Link)
	if op.Verb == plan.Add {
		return k.addLink(s, l)
	}
	old := op.Old.(plan.Link)
	if old.Peer == l.Peer && old.PeerName == l.PeerName {
		if old.PeerMAC != l.PeerMAC || old.MTU != l.MTU {
			peer, err := k.space(l.Peer)
			if err != nil {
				return err
			}
			if !peer.router {
				defer peer.hangUp()
			}
			err = peer.keeping(l.PeerName, func(c *nl.Conn, i uint32) error { return link.AdjustPeer(c, i, old, l) })
			if err != nil {
				return err
			}
		}
		return s.keeping(l.Name, func(c *nl.Conn, i uint32) error { return link.Adjust(c, i, old, l) })
	}
	// Another peer is another pair.
	return s.keeping(l.Name, func(c *nl.Conn, i uint32) error {
		if err := link.Remove(c, []uint32{i}); err != nil {
			return err
		}
		delete(s.indexes, l.Name)
		k.forgetPeer(old)
		return k.addLink(s, l)
	})
}

// keeping does something to an interface that may cost it what hangs on it, and
// puts that back.
func (s *space) keeping(name string, do func(c *nl.Conn, index uint32) error) error {
	i, err := s.index(name)
	if err != nil {
		return err
	}
	c, err := s.route()
	if err != nil {
		return err
	}
	hanging, err := route.List(c, s.ns, func(index uint32) (string, bool) { return name, index == i })
	if err != nil {
		return err
	}
	if err := do(c, i); err != nil {
		return err
	}
	var w nl.Buf
	for _, o := range hanging {
		if _, ok := o.(plan.IPRule); ok {
			continue
		}
		if r, ok := o.(plan.Route); ok && r.Link == "" {
			continue
		}
		if err := route.Put(&w, o, s.index); err != nil {
			return err
		}
	}
	return c.Do(&w, nil)
}

func (k *Kernel) addLink(s *space, l plan.Link) error {
	peer, err := k.space(l.Peer)
	if err != nil {
		return err
	}
	if !peer.router && !peer.prepared {
		if err := netns.Enter(peer.file, setUpGuest); err != nil {
			return fmt.Errorf("preparing namespace %s: %w", l.Peer, err)
		}
		peer.prepared = true
	}
	c, err := s.route()
	if err != nil {
		return err
	}
	if s.indexes == nil {
		if _, err := s.links(); err != nil {
			return err
		}
	}
	index := s.next
	peerIndex, err := link.Add(c, index, l, peer.file)
	if err != nil {
		s.indexes = nil
		return err
	}
	s.next++
	s.indexes[l.Name] = index
	peer.name(l.PeerName, peerIndex)
	return nil
}

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
