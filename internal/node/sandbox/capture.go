//go:build linux

package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Capture copies what an instance has changed, running or not, into a new
// directory, and gives the image that other instances boot from: that layer on
// the instance's own image. File data is shared with the disk where the file
// system can. A running instance goes on; files that it changes meanwhile are
// captured in some state, as CreateImage with NoReboot says.
func (h *Host) Capture(id, dir string) (Image, error) {
	image, err := h.capture(id, dir)
	if err != nil {
		return Image{}, fmt.Errorf("capturing the disk of %s: %w", id, err)
	}
	return image, nil
}

func (h *Host) capture(id, dir string) (Image, error) {
	release, err := h.claim(id)
	if err != nil {
		return Image{}, err
	}
	defer release()
	d := &disk{}
	if err := readJSON(filepath.Join(h.diskDir(id), "disk.json"), d); err != nil {
		return Image{}, err
	}
	if !filepath.IsAbs(dir) {
		return Image{}, fmt.Errorf("%q is not an absolute path", dir)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return Image{}, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return Image{}, err
	}
	if err := copyTree(filepath.Join(h.diskDir(id), "upper"), dir); err != nil {
		return Image{}, errors.Join(err, os.RemoveAll(dir))
	}
	if err := writeJSON(filepath.Join(dir, "layer.json"), d); err != nil {
		return Image{}, errors.Join(err, os.RemoveAll(dir))
	}
	return Image{Base: d.Image.Base, Layers: append([]string{dir}, d.Image.Layers...)}, nil
}

// copier copies a directory that its owner may be changing, hostile as it may
// be: every name is opened in the directory that it was found in and never
// followed, so that no exchange of a directory for a link leads out.
type copier struct {
	links map[inode]string // files with several names → the first, in the copy
	root  int              // of the copy
	buf   []byte
}

type inode struct{ dev, ino uint64 }

func copyTree(from, to string) error {
	source, err := unix.Open(from, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: from, Err: err}
	}
	target, err := unix.Open(to, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(source)
		return &os.PathError{Op: "open", Path: to, Err: err}
	}
	defer unix.Close(target)
	c := &copier{links: map[inode]string{}, root: target, buf: make([]byte, 64<<10)}
	return c.dir(source, target, "")
}

// dir copies the entries of one directory; it closes source.
func (c *copier) dir(source, target int, path string) error {
	file := os.NewFile(uintptr(source), path)
	defer file.Close()
	names, err := file.Readdirnames(-1)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, name := range names {
		at := filepath.Join(path, name)
		if err := c.entry(source, target, name, at); err != nil {
			if gone(err) {
				continue
			}
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	return nil
}

// gone tells of an entry that went or became something else while it was copied.
func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, errChanged)
}

var errChanged = errors.New("changed while it was copied")

func (c *copier) entry(source, target int, name, path string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(source, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	kind := st.Mode & unix.S_IFMT
	key := inode{uint64(st.Dev), st.Ino}
	if kind != unix.S_IFDIR && st.Nlink > 1 {
		if first, ok := c.links[key]; ok {
			return unix.Linkat(c.root, first, target, name, 0)
		}
		defer func() {
			if unix.Fstatat(target, name, &unix.Stat_t{}, unix.AT_SYMLINK_NOFOLLOW) == nil {
				c.links[key] = path
			}
		}()
	}
	switch kind {
	case unix.S_IFDIR:
		return c.subdir(source, target, name, path)
	case unix.S_IFREG:
		return c.file(source, target, name)
	case unix.S_IFLNK:
		return c.link(source, target, name, &st)
	case unix.S_IFIFO:
		if err := unix.Mkfifoat(target, name, st.Mode&0o7777); err != nil {
			return err
		}
		return unix.Fchownat(target, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW)
	case unix.S_IFCHR:
		if st.Rdev == 0 { // a whiteout of the overlay
			return unix.Mknodat(target, name, unix.S_IFCHR, 0)
		}
	}
	return nil // sockets mean nothing without their listeners; devices cannot be made inside
}

func (c *copier) subdir(source, target int, name, path string) error {
	from, err := unix.Openat(source, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		unix.Close(from)
		return err
	}
	if err := unix.Mkdirat(target, name, 0o700); err != nil {
		unix.Close(from)
		return err
	}
	to, err := unix.Openat(target, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(from)
		return err
	}
	defer unix.Close(to)
	if err := copyXattrs(from, to); err != nil {
		unix.Close(from)
		return err
	}
	if err := c.dir(from, to, path); err != nil {
		return err
	}
	return finish(to, &st)
}

func (c *copier) file(source, target int, name string) error {
	from, err := unix.Openat(source, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err != nil {
		return err
	}
	in := os.NewFile(uintptr(from), name)
	defer in.Close()
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errChanged
	}
	to, err := unix.Openat(target, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	out := os.NewFile(uintptr(to), name)
	defer out.Close()
	if unix.IoctlFileClone(to, from) != nil {
		// No more than the file has now: one that grows as fast as it is
		// copied would never end.
		if _, err := io.CopyBuffer(onlyWriter{out}, io.LimitReader(in, st.Size), c.buf); err != nil {
			return err
		}
	}
	if err := copyXattrs(from, to); err != nil {
		return err
	}
	return finish(to, &st)
}

// onlyWriter keeps io.CopyBuffer to the buffer.
type onlyWriter struct{ io.Writer }

func (c *copier) link(source, target int, name string, st *unix.Stat_t) error {
	n, err := unix.Readlinkat(source, name, c.buf)
	if err != nil {
		return err
	}
	if err := unix.Symlinkat(string(c.buf[:n]), target, name); err != nil {
		return err
	}
	return unix.Fchownat(target, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW)
}

// finish sets owner, mode and times, in the order in which they last.
func finish(fd int, st *unix.Stat_t) error {
	if err := unix.Fchown(fd, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Fchmod(fd, st.Mode&0o7777); err != nil {
		return err
	}
	return unix.Futimes(fd, []unix.Timeval{unix.NsecToTimeval(st.Atim.Nano()), unix.NsecToTimeval(st.Mtim.Nano())})
}

// copyXattrs copies the attributes that make up a disk: the overlay's marks,
// file capabilities, access control lists and the user's own.
func copyXattrs(from, to int) error {
	names := make([]byte, 64<<10)
	n, err := unix.Flistxattr(from, names)
	if errors.Is(err, unix.ENOTSUP) || n == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	value := make([]byte, 64<<10)
	for name := range bytes.SplitSeq(names[:n], []byte{0}) {
		key := string(name)
		if key != "security.capability" && !strings.HasPrefix(key, "trusted.overlay.") && !strings.HasPrefix(key, "user.") && !strings.HasPrefix(key, "system.posix_acl_") {
			continue
		}
		n, err := unix.Fgetxattr(from, key, value)
		if err == nil {
			err = unix.Fsetxattr(to, key, value[:n], 0)
		}
		if err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP) {
			return fmt.Errorf("attribute %s: %w", key, err)
		}
	}
	return nil
}
