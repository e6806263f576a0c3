//go:build linux

package sandbox

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// shadow makes the layer right above a directory of the host. It hides what is
// hidden by whiteouts, holds the place for our own program, and repeats the
// upper directories: a directory in more than one layer has the owner of the
// topmost, so that root inside can add files there though it owns nothing below.
func (h *Host) shadow(dir, name, at string) error {
	depth := 0
	if name == "usr" {
		depth = 2
	}
	if err := h.repeatDirs(dir, at, depth); err != nil {
		return err
	}
	if name == "usr" {
		if err := h.place(filepath.Join(dir, "bin/localvpc")); err != nil {
			return err
		}
	}
	for _, path := range h.hide {
		inside, ok := strings.CutPrefix(path, at+"/")
		if !ok || inside == "" {
			continue
		}
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		if err := h.whiteout(dir, at, inside); err != nil {
			return fmt.Errorf("hiding %s: %w", path, err)
		}
	}
	return nil
}

// place makes the empty file that our program is mounted on, unless a link of
// the host has the name.
func (h *Host) place(path string) error {
	if _, err := os.Lstat(filepath.Dir(path)); err != nil {
		return nil
	}
	if err := os.WriteFile(path, nil, 0o755); err != nil {
		return err
	}
	return h.owner(path, 0, 0)
}

// repeatDirs makes the directories found in from, down to depth, in to. Of the
// second level only what an administrator adds to is repeated.
func (h *Host) repeatDirs(to, from string, depth int) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	uid, gid := ownerOf(info)
	if err := h.mkdir(to, info.Mode()&(fs.ModePerm|fs.ModeSticky|fs.ModeSetgid), uid, gid); err != nil {
		return err
	}
	if depth == 0 {
		return nil
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		deeper := 0
		if entry.Name() == "local" {
			deeper = depth - 1
		}
		if err := h.repeatDirs(filepath.Join(to, entry.Name()), filepath.Join(from, entry.Name()), deeper); err != nil {
			return err
		}
	}
	return nil
}

// whiteout hides at/inside by a whiteout in the layer dir, making the
// directories on the way as they are below.
func (h *Host) whiteout(dir, at, inside string) error {
	parts := strings.Split(inside, "/")
	for i := 1; i < len(parts); i++ {
		part := filepath.Join(parts[:i]...)
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, part), &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR {
			return nil // a parent is hidden already
		}
		info, err := os.Lstat(filepath.Join(at, part))
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return nil // not reached this way
		}
		uid, gid := ownerOf(info)
		if err := h.mkdir(filepath.Join(dir, part), info.Mode()&(fs.ModePerm|fs.ModeSticky), uid, gid); err != nil {
			return err
		}
	}
	path := filepath.Join(dir, inside)
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return unix.Mknod(path, unix.S_IFCHR, 0)
}
