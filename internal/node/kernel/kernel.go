// Package kernel makes the kernel hold what plan says: namespaces, links,
// addresses, routes and one nft table per router.
//
// Invariant: the kernel is the only memory. What this package caches can be read
// again, all that it makes is recognisable as ours by what the kernel keeps
// with it, and Read gives back the very values that Apply was given: so an
// engine that knows nothing takes over from one that was killed.
//
// Design and costs: docs/design/kernel.md.
package kernel

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
)

// Interface is what the rest of the node sees of the kernel. Package fake has
// one in memory.
type Interface interface {
	// Apply does the operations, in the kernel's order where it differs from
	// theirs. It stops at the first failure, with an *Error that says which
	// operation; errors.Is tells ENOENT, EEXIST and the like. The caller then
	// reads back and decides anew. Services are not the kernel's: passed over.
	Apply(ctx context.Context, ops []plan.Op) error
	// Read gives all objects of ours in a namespace. Read routers first: they know
	// what the interfaces in instances were named.
	Read(ns plan.Netns) (plan.Objects, error)
	// Namespaces lists the routers, sorted; those of a former process too.
	Namespaces() ([]plan.Netns, error)
	// Attach makes known a namespace made elsewhere, an instance's, so that
	// links can name it as Peer. The file is duplicated. A second Attach under
	// the same name replaces the first.
	Attach(ns plan.Netns, f *os.File) error
	// Detach forgets an attached namespace.
	Detach(ns plan.Netns) error
	// In runs a function on a thread inside a namespace. What it opens there,
	// sockets above all, stays in that namespace.
	In(ns plan.Netns, f func() error) error
	// Dump writes everything of ours, as sorted text.
	Dump(w io.Writer) error
	// CutFlows ends the tracked connections that match any of the selections, as
	// AWS does when an address is taken away, and says how many there were.
	CutFlows(ns plan.Netns, any ...plan.Flows) (int, error)
	// CountFlows counts the tracked connections that match.
	CountFlows(ns plan.Netns, any ...plan.Flows) (int, error)
}

// Error says which operation failed.
type Error struct {
	Op  plan.Op
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("doing %s: %v", e.Op, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// ErrNoNamespace is what naming a namespace that does not exist gives.
var ErrNoNamespace = fmt.Errorf("no such namespace (routers are made by Apply, others made known by Attach): %w", unix.ENOENT)

// Config of a Kernel.
type Config struct {
	// RunDir is a directory on a tmpfs in a mount namespace of the program's own.
	// It and the namespaces in it outlive the process.
	RunDir string
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

// Text is one object in a dump, with its line ends. A chain is shown by the
// fingerprints of its rules, which is all that is known of one read back.
func Text(o plan.Object) string {
	chain, ok := o.(plan.Chain)
	if !ok {
		return o.String() + "\n"
	}
	seen := chain.Seen
	if seen == nil {
		for _, r := range chain.Rules {
			seen = append(seen, r.Fingerprint())
		}
	}
	chain.Rules, chain.Seen = nil, nil
	return strings.TrimSuffix(chain.String(), "}") + " " + strings.Join(seen, " ") + " }\n"
}
