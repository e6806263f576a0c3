//go:build linux

package kernel

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/link"
	"github.com/localvpc/localvpc/internal/node/kernel/netns"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
	"github.com/localvpc/localvpc/internal/node/kernel/route"
)

// removeLinks removes a namespace's links in one sweep, those too whose pair is
// made anew: a new one may take the name that another gives up.
func (k *Kernel) removeLinks(ns plan.Netns, ops []plan.Op) error {
	var indexes []uint32
	var last plan.Op
	s, err := k.space(ns)
	for _, op := range ops {
		l, leaves := leaving(op)
		if !leaves || err != nil {
			continue
		}
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

// leaving gives the pair that an operation ends, if it ends one.
func leaving(op plan.Op) (plan.Link, bool) {
	l := op.Object.(plan.Link)
	if op.Verb != plan.Change {
		return l, op.Verb == plan.Remove
	}
	old := op.Old.(plan.Link)
	return old, !old.SamePair(l)
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
	if _, anew := leaving(op); op.Verb == plan.Add || anew {
		return k.addLink(s, l)
	}
	old := op.Old.(plan.Link)
	if old.PeerMAC != l.PeerMAC || old.PeerGroup != l.PeerGroup || old.MTU != l.MTU {
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
	if !peer.router {
		return nil // an instance looks at its links before it uses them
	}
	other, err := peer.route()
	if err != nil {
		return err
	}
	return link.Settle(other, peerIndex)
}

// unlink removes all links of a router, those too that are another router's: with the
// namespace they would go some time later.
func (k *Kernel) unlink(s *space) error {
	found, err := s.links()
	if err != nil {
		return err
	}
	var indexes []uint32
	for _, f := range found {
		if f.Ours {
			k.forgetPeer(f.Link)
		}
		if f.Name != "lo" {
			indexes = append(indexes, f.Index)
		}
	}
	c, err := s.route()
	if err != nil {
		return err
	}
	return link.Remove(c, indexes)
}

// CanDelay says whether the kernel can make links slow: an error says why not.
func CanDelay() error { return link.CanDelay() }
