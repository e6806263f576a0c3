//go:build linux

package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// disk is what DataDir/instances/<id>/disk.json says: upper/<tree> beside it is
// the instance's own part of each tree, work/<tree> belongs to the kernel.
type disk struct {
	Image   Image
	Rootful bool // owners are shifted, and overlay's marks are trusted.* attributes
}

// openDisk finds the disk of an instance or makes it from the image.
func (h *Host) openDisk(id string, image Image) (*disk, error) {
	dir := h.diskDir(id)
	d := &disk{}
	err := readJSON(filepath.Join(dir, "disk.json"), d)
	switch {
	case err == nil:
		if d.Rootful != h.cfg.Rootful {
			return nil, fmt.Errorf("the disk of %s was made by localvpc running %s: run it that way again, or terminate the instance", id, asWhom(d.Rootful))
		}
		return d, nil
	case !errors.Is(err, os.ErrNotExist):
		return nil, err
	}
	if err := h.checkImage(image); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	for _, sub := range []string{"", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	d = &disk{Image: image, Rootful: h.cfg.Rootful}
	return d, writeJSON(filepath.Join(dir, "disk.json"), d)
}

func asWhom(rootful bool) string {
	if rootful {
		return "as root"
	}
	return "as an ordinary user"
}

// checkImage refuses images that are no directories of their own, and layers
// captured under the other kind of localvpc.
func (h *Host) checkImage(image Image) error {
	for _, base := range image.Base {
		real, err := filepath.EvalSymlinks(base)
		if err != nil || !filepath.IsAbs(base) {
			return fmt.Errorf("image: %q is not the absolute path of a directory", base)
		}
		info, err := os.Stat(real)
		if err != nil || !info.IsDir() {
			return fmt.Errorf("image: %s is not a directory", base)
		}
		for _, own := range []string{h.cfg.DataDir, h.cfg.RunDir, "/proc", "/sys", "/dev"} {
			if within(own, real) {
				return fmt.Errorf("image: %s contains %s, which no instance may see; give a directory with nothing but the image", base, own)
			}
		}
	}
	for _, layer := range image.Layers {
		l := &disk{}
		if err := readJSON(filepath.Join(layer, "layer.json"), l); err != nil {
			return fmt.Errorf("image: %s is not a layer made from an instance: %w", layer, err)
		}
		if l.Rootful != h.cfg.Rootful {
			return fmt.Errorf("image: %s was made by localvpc running %s and cannot be used otherwise", layer, asWhom(l.Rootful))
		}
	}
	return nil
}

// trees lists the overlays of an instance, the root first, with all lower
// directories.
func (h *Host) trees(image Image) ([]tree, error) {
	var trees []tree
	if len(image.Base) == 0 {
		trees = append(trees, tree{Name: "root", Lower: []string{h.ground.Skeleton}})
		trees = append(trees, h.ground.Trees...)
	} else {
		t := tree{Name: "root"}
		for _, base := range image.Base {
			lower, err := h.base(base)
			if err != nil {
				return nil, err
			}
			t.Lower = append(t.Lower, lower)
		}
		trees = append(trees, t)
	}
	for i := range trees {
		var lower []string
		for _, layer := range image.Layers {
			path := filepath.Join(layer, trees[i].Name)
			if _, err := os.Lstat(path); err == nil {
				lower = append(lower, path)
			}
		}
		trees[i].Lower = append(lower, trees[i].Lower...)
	}
	return trees, nil
}

// base gives the directory that stands for a plain image directory: as root, a
// mount of it with shifted ids where the file system allows that.
func (h *Host) base(path string) (string, error) {
	if !h.cfg.Rootful || !h.ground.IDMapped {
		return path, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if on := h.bases[path]; on != "" && sameFile(on, path) {
		return on, nil
	}
	sum := sha256.Sum256([]byte(path))
	on := filepath.Join(h.cfg.RunDir, "bases", hex.EncodeToString(sum[:8]))
	if !isMount(on) || !sameFile(on, path) {
		unmount(on)
		userns, err := shiftedUserns()
		if err != nil {
			return "", err
		}
		defer userns.Close()
		if err := mapped(path, on, userns); errors.Is(err, unix.EINVAL) {
			on = path // a file system without idmapped mounts: read, not changed
		} else if err != nil {
			return "", err
		}
	}
	h.bases[path] = on
	return on, nil
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// mountTrees assembles the root of an instance on the directory at, in this
// mount namespace, from where the instance's own takes it over.
func (h *Host) mountTrees(id string, d *disk, at string) error {
	trees, err := h.trees(d.Image)
	if err != nil {
		return err
	}
	for _, t := range trees {
		upper := filepath.Join(h.diskDir(id), "upper", t.Name)
		work := filepath.Join(h.diskDir(id), "work", t.Name)
		if _, err := os.Lstat(upper); errors.Is(err, os.ErrNotExist) {
			if err := h.mkdir(upper, 0o755, 0, 0); err != nil {
				return err
			}
		}
		if err := os.MkdirAll(work, 0o700); err != nil {
			return err
		}
		if err := h.mountTree(t, upper, work, filepath.Join(at, t.At)); err != nil {
			return err
		}
	}
	return h.mountBinary(at)
}

func (h *Host) mountTree(t tree, upper, work, at string) error {
	mount, err := overlay(t.Lower, upper, work, h.cfg.Rootful)
	if errors.Is(err, unix.EINVAL) && t.At != "" && !h.cfg.Rootful {
		// A directory with mounts of others inside cannot be a layer for an
		// ordinary user; it can be shown as it is.
		mount, err = unix.OpenTree(unix.AT_FDCWD, t.Lower[len(t.Lower)-1], unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
		if err == nil {
			err = readOnly(mount)
		}
	}
	if err != nil {
		if errors.Is(err, unix.EINVAL) {
			err = fmt.Errorf("%w (the data directory has to be on a file system that overlayfs can write to: ext4, xfs, btrfs or tmpfs)", err)
		}
		return fmt.Errorf("mounting /%s of an instance: %w", t.At, err)
	}
	defer unix.Close(mount)
	return attach(mount, at)
}

// mountBinary puts this program at /usr/bin/localvpc, read-only. An image
// without that directory goes without; names are resolved within the root.
func (h *Host) mountBinary(at string) error {
	root, err := unix.Open(at, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	file, err := unix.Openat2(root, "usr/bin/localvpc", &unix.OpenHow{
		Flags: unix.O_CREAT | unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK, Mode: 0o755, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil
	}
	defer unix.Close(file)
	clone, err := unix.OpenTree(int(h.binary.Fd()), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("taking the program: %w", err)
	}
	defer unix.Close(clone)
	if err := readOnly(clone); err != nil {
		return fmt.Errorf("taking the program: %w", err)
	}
	if err := unix.MoveMount(clone, "", file, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return fmt.Errorf("mounting the program on /usr/bin/localvpc: %w", err)
	}
	nameAgent(root)
	return nil
}

// nameAgent gives the program its name as the dynamic DNS agent, /usr/bin/ec2-dyndns,
// unless the image has one.
func nameAgent(root int) {
	bin, err := unix.Openat2(root, "usr/bin", &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return
	}
	defer unix.Close(bin)
	_ = unix.Symlinkat("localvpc", bin, "ec2-dyndns") // it may be there
}

// Destroy removes the disk of an instance that is not running. One without a
// disk is no error.
func (h *Host) Destroy(id string) error {
	release, err := h.claim(id)
	if err != nil {
		return err
	}
	defer release()
	if h.alive(id) {
		return fmt.Errorf("removing the disk of %s: it is running", id)
	}
	if err := os.RemoveAll(h.diskDir(id)); err != nil {
		return fmt.Errorf("removing the disk of %s: %w", id, err)
	}
	return nil
}
