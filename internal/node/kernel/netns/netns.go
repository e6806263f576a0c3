//go:build linux

// Package netns makes, keeps and enters network namespaces.
//
// Invariant: a namespace appears under its name only when its setup has
// succeeded, and from then on lives until Remove, whatever happens to the
// process; and no thread that a namespace was entered with is ever handed back
// to the scheduler in another namespace than it came from.
package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sort"

	"golang.org/x/sys/unix"
)

const current = "/proc/thread-self/ns/net"

// nsfsMagic is the type of the file system that namespaces are files of
// (NSFS_MAGIC, statfs(2)).
const nsfsMagic = 0x6e736673

// Dir is a directory in which namespaces are pinned, one file each. It has to be
// inside a mount namespace of the program's own.
type Dir string

// Current opens the namespace of the calling thread.
func Current() (*os.File, error) { return os.Open(current) }

// Create makes a namespace, runs setup inside it and pins it under name.
// Its file is returned. If setup fails nothing is left.
func (d Dir) Create(name string, setup func() error) (*os.File, error) {
	path := filepath.Join(string(d), name)
	pin, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("creating network namespace %s: %w", name, err)
	}
	pin.Close()
	var f *os.File
	err = onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		if err := setup(); err != nil {
			return err
		}
		if err := unix.Mount(current, path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("pinning it: %w", err)
		}
		f, err = os.Open(path)
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("creating network namespace %s: %w", name, err), d.Remove(name))
	}
	return f, nil
}

// Open opens a pinned namespace.
func (d Dir) Open(name string) (*os.File, error) {
	f, err := os.Open(filepath.Join(string(d), name))
	if err != nil {
		return nil, err
	}
	if !isNamespace(f) {
		f.Close()
		return nil, fmt.Errorf("%s is not a namespace: %w", f.Name(), unix.ENOENT)
	}
	return f, nil
}

// Remove unpins a namespace. It ends when nobody else uses it. What does not
// exist is removed.
func (d Dir) Remove(name string) error {
	path := filepath.Join(string(d), name)
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && err != unix.EINVAL && err != unix.ENOENT {
		return fmt.Errorf("unpinning network namespace %s: %w", name, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("unpinning network namespace %s: %w", name, err)
	}
	return nil
}

// List names the pinned namespaces, sorted. What an interrupted Create left
// behind is not listed but removed.
func (d Dir) List() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil, fmt.Errorf("listing network namespaces: %w", err)
	}
	var names []string
	for _, e := range entries {
		f, err := d.Open(e.Name())
		if errors.Is(err, unix.ENOENT) {
			if err := d.Remove(e.Name()); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listing network namespaces: %w", err)
		}
		f.Close()
		names = append(names, e.Name())
	}
	sort.Strings(names)
	return names, nil
}

// Enter runs fn on a thread inside a namespace.
func Enter(ns *os.File, fn func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering network namespace %s: %w", ns.Name(), err)
		}
		return fn()
	})
}

// onThread runs fn, which may change the namespace, on a thread that comes home
// afterwards or ends.
func onThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := Current()
		if err != nil {
			done <- err
			return
		}
		defer home.Close()
		err = fn()
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

func isNamespace(f *os.File) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &st) == nil && st.Type == nsfsMagic
}
