//go:build linux

package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/netns"
)

var _ Interface = (*Kernel)(nil)

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
