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
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/netns"
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
	// CutFlows ends the tracked connections that match, as AWS does when an
	// address is taken away, and says how many there were.
	CutFlows(ns plan.Netns, m Flows) (int, error)
	// CountFlows counts the tracked connections that match.
	CountFlows(ns plan.Netns, m Flows) (int, error)
}

// Flows selects tracked connections by their first packet. Zero fields match all.
type Flows struct {
	Src, Dst netip.Addr
	Protocol uint8  // IP protocol number
	Port     uint16 // destination port
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

// Kernel is the kernel of the world that the process runs in. Its methods may be
// called concurrently; the kernel has one lock for links and routes, and so has
// this.
type Kernel struct {
	dir netns.Dir

	mu     sync.Mutex
	spaces map[plan.Netns]*space
}

// New finds the namespaces that a former process has left in the run directory.
func New(cfg Config) (*Kernel, error) {
	dir := filepath.Join(cfg.RunDir, "netns")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of network namespaces: %w", err)
	}
	k := &Kernel{dir: netns.Dir(dir), spaces: map[plan.Netns]*space{}}
	names, err := k.dir.List()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		f, err := k.dir.Open(name)
		if err != nil {
			k.Close()
			return nil, fmt.Errorf("opening network namespace %s: %w", name, err)
		}
		k.spaces[plan.Netns(name)] = newSpace(plan.Netns(name), f, true)
	}
	return k, nil
}

// Close gives up all files and sockets. The namespaces stay.
func (k *Kernel) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for ns, s := range k.spaces {
		s.close()
		delete(k.spaces, ns)
	}
	return nil
}

// Namespaces lists the routers.
func (k *Kernel) Namespaces() ([]plan.Netns, error) {
	names, err := k.dir.List()
	if err != nil {
		return nil, err
	}
	list := make([]plan.Netns, len(names))
	for i, name := range names {
		list[i] = plan.Netns(name)
	}
	return list, nil
}

// Attach makes known a namespace made elsewhere.
func (k *Kernel) Attach(ns plan.Netns, f *os.File) error {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("attaching namespace %s: %w", ns, err)
	}
	own := os.NewFile(uintptr(fd), string(ns))
	k.mu.Lock()
	defer k.mu.Unlock()
	if old, ok := k.spaces[ns]; ok {
		if old.router {
			own.Close()
			return fmt.Errorf("attaching namespace %s: it is a router: %w", ns, unix.EEXIST)
		}
		old.close()
	}
	k.spaces[ns] = newSpace(ns, own, false)
	return nil
}

// Detach forgets an attached namespace. What is not attached is detached.
func (k *Kernel) Detach(ns plan.Netns) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s, ok := k.spaces[ns]; ok {
		if s.router {
			return fmt.Errorf("detaching namespace %s: it is a router, which Apply removes", ns)
		}
		s.close()
		delete(k.spaces, ns)
	}
	return nil
}

// In runs f inside a namespace.
func (k *Kernel) In(ns plan.Netns, f func() error) error {
	k.mu.Lock()
	s, ok := k.spaces[ns]
	var file *os.File
	if ok {
		// The function may take its time, and the space may go meanwhile.
		fd, err := unix.FcntlInt(s.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			k.mu.Unlock()
			return fmt.Errorf("entering namespace %s: %w", ns, err)
		}
		file = os.NewFile(uintptr(fd), string(ns))
	}
	k.mu.Unlock()
	if !ok {
		return fmt.Errorf("entering namespace %s: %w", ns, ErrNoNamespace)
	}
	defer file.Close()
	return netns.Enter(file, f)
}

// space finds a namespace. k.mu is held.
func (k *Kernel) space(ns plan.Netns) (*space, error) {
	if s, ok := k.spaces[ns]; ok {
		return s, nil
	}
	return nil, fmt.Errorf("namespace %s: %w", ns, ErrNoNamespace)
}
