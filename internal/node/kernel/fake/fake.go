// Package fake is the kernel in memory: for tests without namespaces, and to see
// what a plan amounts to.
//
// Invariant: it accepts what the kernel accepts and refuses what the kernel
// refuses, with the same error numbers; a test in package kernel holds the two
// against each other. An Apply that fails changes nothing here, which the
// kernel does not promise.
package fake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel"
)

var _ kernel.Interface = (*Kernel)(nil)

// Kernel holds objects in memory. Its methods may be called concurrently.
type Kernel struct {
	mu sync.Mutex
	world
}

// world is what one Apply works on.
type world struct {
	guests  map[plan.Netns]bool // attached
	objects plan.Objects
}

// New makes an empty kernel.
func New() *Kernel {
	return &Kernel{world: world{guests: map[plan.Netns]bool{}, objects: plan.Objects{}}}
}

// Apply does the operations, all or none.
func (k *Kernel) Apply(ctx context.Context, ops []plan.Op) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("applying operations: %w", err)
	}
	if err := kernel.Check(ops); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	next := world{guests: maps.Clone(k.guests), objects: maps.Clone(k.objects)}
	for _, phase := range phases {
		for _, op := range ops {
			if !phase.takes(op) {
				continue
			}
			if phase.pairs && op.Verb == plan.Change {
				op = plan.Op{Verb: plan.Remove, Object: op.Old}
			}
			if err := next.do(op, ops); err != nil {
				return &kernel.Error{Op: op, Err: err}
			}
		}
		if phase.rules {
			if o, err := next.checkRules(ops); err != nil {
				return &kernel.Error{Op: culprit(ops, o), Err: err}
			}
		}
	}
	k.world = next
	return nil
}

// phases are the order in which the kernel takes operations.
var phases = []struct {
	takes func(plan.Op) bool
	rules bool // what refers to what is checked after it
	pairs bool // those that are made anew go first
}{
	{takes: func(op plan.Op) bool { return of(op, plan.KindNetns) && op.Verb != plan.Remove }},
	{takes: func(op plan.Op) bool { return of(op, plan.KindSysctl) }},
	{takes: func(op plan.Op) bool { return of(op, plan.KindElement) && op.Verb == plan.Remove }},
	{takes: func(op plan.Op) bool {
		return of(op, plan.KindSet, plan.KindChain, plan.KindElement) && (op.Verb != plan.Remove || !of(op, plan.KindElement))
	}, rules: true},
	{takes: func(op plan.Op) bool { return of(op, plan.KindLink) && (op.Verb == plan.Remove || anew(op)) }, pairs: true},
	{takes: func(op plan.Op) bool { return of(op, plan.KindLink) && op.Verb != plan.Remove }},
	{takes: func(op plan.Op) bool {
		return of(op, plan.KindAddr, plan.KindNeigh, plan.KindRoute, plan.KindIPRule)
	}},
	{takes: func(op plan.Op) bool { return of(op, plan.KindNetns) && op.Verb == plan.Remove }},
}

// anew says whether a change of a link is one of its pair.
func anew(op plan.Op) bool {
	l, ok := op.Object.(plan.Link)
	return ok && op.Verb == plan.Change && !op.Old.(plan.Link).SamePair(l)
}

func of(op plan.Op, kinds ...plan.Kind) bool { return slices.Contains(kinds, op.Object.Kind()) }

// culprit finds the operation that concerns an object.
func culprit(ops []plan.Op, o plan.Object) plan.Op {
	for _, op := range ops {
		if op.Object.Key() == o.Key() {
			return op
		}
	}
	return plan.Op{Verb: plan.Change, Object: o, Old: o}
}

// Read gives the objects of a namespace.
func (k *Kernel) Read(ns plan.Netns) (plan.Objects, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.known(ns) {
		return nil, fmt.Errorf("reading: namespace %s: %w", ns, kernel.ErrNoNamespace)
	}
	objects := plan.Objects{}
	for key, o := range k.objects {
		if o.NS() == ns {
			objects[key] = o
		}
	}
	return objects, nil
}

// Namespaces lists the routers.
func (k *Kernel) Namespaces() ([]plan.Netns, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []plan.Netns
	for _, o := range k.objects {
		if r, ok := o.(plan.Router); ok {
			list = append(list, r.Name)
		}
	}
	slices.Sort(list)
	return list, nil
}

// Attach makes known a namespace; the file is not looked at and may be nil.
func (k *Kernel) Attach(ns plan.Netns, _ *os.File) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.router(ns) {
		return fmt.Errorf("attaching namespace %s: it is a router: %w", ns, unix.EEXIST)
	}
	k.end(ns)
	k.guests[ns] = true
	return nil
}

// Detach forgets a namespace, and takes it to have ended.
func (k *Kernel) Detach(ns plan.Netns) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.router(ns) {
		return fmt.Errorf("detaching namespace %s: it is a router, which Apply removes", ns)
	}
	k.end(ns)
	delete(k.guests, ns)
	return nil
}

// In runs f where it is.
func (k *Kernel) In(ns plan.Netns, f func() error) error {
	k.mu.Lock()
	known := k.known(ns)
	k.mu.Unlock()
	if !known {
		return fmt.Errorf("entering namespace %s: %w", ns, kernel.ErrNoNamespace)
	}
	return f()
}

// Dump writes all objects as the kernel's Dump does.
func (k *Kernel) Dump(w io.Writer) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var lines []string
	for _, o := range k.objects {
		lines = append(lines, kernel.Text(o))
	}
	slices.Sort(lines)
	_, err := io.WriteString(w, strings.Join(lines, ""))
	return err
}

// String is everything in full, rules included, in plan's order: text for goldens.
func (k *Kernel) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	ops := make([]plan.Op, 0, len(k.objects))
	for _, o := range k.objects {
		ops = append(ops, plan.Op{Verb: plan.Add, Object: o})
	}
	plan.Sort(ops)
	var b strings.Builder
	for _, op := range ops {
		b.WriteString(op.Object.String() + "\n")
	}
	return b.String()
}

// CutFlows finds none: no packets pass here.
func (k *Kernel) CutFlows(ns plan.Netns, _ ...plan.Flows) (int, error) { return k.CountFlows(ns) }

// CountFlows finds none.
func (k *Kernel) CountFlows(ns plan.Netns, _ ...plan.Flows) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.known(ns) {
		return 0, fmt.Errorf("counting connections in %s: %w", ns, kernel.ErrNoNamespace)
	}
	return 0, nil
}

func (w *world) router(ns plan.Netns) bool {
	_, ok := w.objects[plan.Router{Name: ns}.Key()]
	return ok
}

func (w *world) known(ns plan.Netns) bool { return w.guests[ns] || w.router(ns) }

// end removes a namespace's objects and the links into it.
func (w *world) end(ns plan.Netns) {
	for _, o := range w.objects {
		if l, ok := o.(plan.Link); ok && (l.Netns == ns || l.Peer == ns) {
			w.unlink(l)
		}
	}
	maps.DeleteFunc(w.objects, func(_ string, o plan.Object) bool { return o.NS() == ns })
}

// unlink removes a link and what hangs on its two ends.
func (w *world) unlink(l plan.Link) {
	delete(w.objects, l.Key())
	maps.DeleteFunc(w.objects, func(_ string, o plan.Object) bool {
		name := plan.LinkOf(o)
		return name != "" && (o.NS() == l.Netns && name == l.Name || o.NS() == l.Peer && name == l.PeerName)
	})
}

var errNothingToChange = errors.New("a router has nothing to change")
