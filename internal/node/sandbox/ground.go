//go:build linux

package sandbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// ground is what all instances of one world share: the skeleton of the host's
// own image, and where the host's directories of programs are mounted for it.
// It lives in RunDir/ground and is kept for the engines that come later.
type ground struct {
	IDMapped bool
	Notes    []string
	Binary   string // this program, where it can be mounted and executed from
	Skeleton string // lower directory of the tree "root"
	Trees    []tree // the others, outer ones first
}

// tree is one overlay of a root.
type tree struct {
	Name  string   // of its upper directory on the disk, and in captured layers
	At    string   // path below the root; empty for the root
	Lower []string // directories below the image's layers, top first
}

// Directories of the host's root that hold programs. An allow list: what is not
// here, nor made by skeleton, does not exist for instances.
var programs = []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "opt"}

// The state of package managers, which only root inside can use.
var packages = []string{"var/lib/dpkg", "var/lib/apt", "var/lib/rpm", "var/lib/pacman", "var/lib/dnf"}

// lay makes the ground, or finds it made.
func (h *Host) lay() (*ground, error) {
	dir := filepath.Join(h.cfg.RunDir, "ground")
	ready := filepath.Join(dir, "ready.json")
	h.hide = h.hidden()
	g := &ground{}
	if err := readJSON(ready, g); err == nil {
		return g, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if left, err := os.ReadDir(filepath.Join(dir, "host")); err == nil { // of an engine that died here
		for _, entry := range left {
			unmount(filepath.Join(dir, "host", entry.Name()))
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("clearing %s: %w", dir, err)
	}
	var err error
	if g.Binary, err = h.program(filepath.Join(dir, "localvpc")); err != nil {
		return nil, err
	}
	g.Skeleton = filepath.Join(dir, "root")
	if err := h.skeleton(g.Skeleton); err != nil {
		return nil, fmt.Errorf("making the instances' skeleton: %w", err)
	}
	if err := h.programTrees(g, dir); err != nil {
		return nil, err
	}
	if !h.cfg.Rootful {
		g.Notes = append(g.Notes, "running as an ordinary user: instances have one user id, so chown, su and package installation do not work inside; run localvpc as root for these")
	}
	return g, writeJSON(ready, g)
}

// program finds this program under a name in this mount namespace: what
// /proc/self/exe leads to may belong to another one, and then cannot be mounted.
// Without such a name, or if others may not execute it, it is copied.
func (h *Host) program(copied string) (string, error) {
	self := h.cfg.Binary
	if self == "" {
		self = "/proc/self/exe"
	}
	running, err := os.Stat(self)
	if err != nil {
		return "", fmt.Errorf("finding this program: %w", err)
	}
	if path, err := filepath.EvalSymlinks(self); err == nil && running.Mode()&0o005 == 0o005 {
		if found, err := os.Stat(path); err == nil && os.SameFile(running, found) {
			return path, nil
		}
	}
	in, err := os.Open(self)
	if err != nil {
		return "", fmt.Errorf("copying this program: %w", err)
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(copied), 0o700); err != nil {
		return "", err
	}
	out, err := os.OpenFile(copied, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return "", fmt.Errorf("copying this program: %w", err)
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Chmod(0o755)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return "", fmt.Errorf("copying this program: %w", err)
	}
	return copied, nil
}

// owner gives a path to an id of the instances.
func (h *Host) owner(path string, uid, gid int) error {
	if !h.cfg.Rootful {
		return nil // everything is ours, which is root inside
	}
	return os.Lchown(path, shift(uid), shift(gid))
}

// shift gives the outer id of an inner one; what is not mapped is nobody's.
func shift(id int) int {
	if id < 0 || id >= idCount {
		id = 65534
	}
	return idBase + id
}

func (h *Host) mkdir(path string, mode fs.FileMode, uid, gid int) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := h.owner(path, uid, gid); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// skeleton makes the root directory that instances of the host's own image
// start from: the links and empty directories of a fresh system, a sanitised
// copy of etc, and the directories, without contents, that services have in var.
func (h *Host) skeleton(root string) error {
	if err := h.mkdir(root, 0o755, 0, 0); err != nil {
		return err
	}
	for _, dir := range []struct {
		name string
		mode fs.FileMode
	}{
		{"boot", 0o755}, {"dev", 0o755}, {"etc", 0o755}, {"home", 0o755}, {"media", 0o755}, {"mnt", 0o755}, {"proc", 0o555},
		{"root", 0o700}, {"run", 0o755}, {"srv", 0o755}, {"sys", 0o555}, {"tmp", 0o777 | fs.ModeSticky}, {"var", 0o755},
		{"var/backups", 0o755}, {"var/cache", 0o755}, {"var/lib", 0o755}, {"var/local", 0o755}, {"var/log", 0o755},
		{"var/mail", 0o755}, {"var/opt", 0o755}, {"var/spool", 0o755}, {"var/tmp", 0o777 | fs.ModeSticky},
	} {
		if err := h.mkdir(filepath.Join(root, dir.name), dir.mode, 0, 0); err != nil {
			return err
		}
	}
	for link, target := range map[string]string{"var/run": "/run", "var/lock": "/run/lock"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			return err
		}
	}
	for _, dir := range []string{"var/cache", "var/lib", "var/log", "var/spool"} {
		h.emptyDirs(filepath.Join(root, dir), filepath.Join(h.cfg.HostRoot, dir))
	}
	return h.copyEtc(filepath.Join(root, "etc"), filepath.Join(h.cfg.HostRoot, "etc"))
}

// emptyDirs repeats the directories of one level, with owner and mode: services
// expect theirs to exist. Missing ones are no failure.
func (h *Host) emptyDirs(to, from string) {
	entries, err := os.ReadDir(from)
	if err != nil {
		return
	}
	for i, entry := range entries {
		path := filepath.Join(from, entry.Name())
		info, err := entry.Info()
		if err != nil || !info.IsDir() || i > 1000 || h.hides(path) {
			continue
		}
		uid, gid := ownerOf(info)
		_ = h.mkdir(filepath.Join(to, entry.Name()), info.Mode()&(fs.ModePerm|fs.ModeSticky|fs.ModeSetgid), uid, gid)
	}
}

// hidden lists what must not be seen even inside a directory of programs: the
// data of localvpc, and the home directories of people.
func (h *Host) hidden() []string {
	paths := append([]string{h.cfg.DataDir, h.cfg.RunDir}, h.cfg.Hide...)
	homes := []string{os.Getenv("HOME")}
	for _, user := range readTable(filepath.Join(h.cfg.HostRoot, "etc/passwd"), 7) {
		if person(user[2]) {
			homes = append(homes, filepath.Join(h.cfg.HostRoot, user[5]))
		}
	}
	for _, home := range homes {
		inside, err := filepath.Rel(h.cfg.HostRoot, home)
		if err == nil && inside != "." && !slices.Contains(programs, inside) {
			paths = append(paths, filepath.Clean(home))
		}
	}
	return paths
}

// hides tells whether path is hidden or holds something hidden.
func (h *Host) hides(path string) bool {
	return slices.ContainsFunc(h.hide, func(hidden string) bool { return within(hidden, path) })
}

// within tells whether path is dir or lies below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// programTrees makes a tree for each directory of programs of the host, and
// repeats its symbolic links in the skeleton.
func (h *Host) programTrees(g *ground, dir string) error {
	names := programs
	if h.cfg.Rootful {
		names = append(append([]string{}, programs...), packages...)
	}
	userns, err := h.userns(g)
	if err != nil {
		return err
	}
	if userns != nil {
		defer userns.Close()
	}
	for _, name := range names {
		at := filepath.Join(h.cfg.HostRoot, name)
		info, err := os.Lstat(at)
		if err != nil {
			continue
		}
		inside := filepath.Join(g.Skeleton, name)
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(at)
			if err == nil {
				err = os.Symlink(target, inside)
			}
			if err != nil {
				return fmt.Errorf("repeating the link %s: %w", at, err)
			}
			continue
		}
		if !info.IsDir() {
			continue
		}
		t := tree{Name: strings.ReplaceAll(name, "/", "-"), At: name}
		if err := h.mkdir(inside, 0o755, 0, 0); err != nil {
			return err
		}
		if slices.ContainsFunc(h.hide, func(hidden string) bool { return within(at, hidden) }) {
			continue
		}
		shadow := filepath.Join(dir, "shadow", t.Name)
		if err := h.shadow(shadow, name, at); err != nil {
			return fmt.Errorf("preparing %s for instances: %w", at, err)
		}
		lower := at
		// What lies in opt often has secrets that only its owner may read, so
		// it keeps its owners: root inside is not one of them.
		if userns != nil && name != "opt" {
			lower = filepath.Join(dir, "host", t.Name)
			if err := mapped(at, lower, userns); err != nil {
				return err
			}
		}
		t.Lower = []string{shadow, lower}
		g.Trees = append(g.Trees, t)
	}
	sort.SliceStable(g.Trees, func(i, j int) bool { return len(g.Trees[i].At) < len(g.Trees[j].At) })
	return nil
}

// userns makes the user namespace for idmapped mounts if the kernel and the
// file system of the host's programs allow them; nil where not.
func (h *Host) userns(g *ground) (*os.File, error) {
	if !h.cfg.Rootful {
		return nil, nil
	}
	userns, err := shiftedUserns()
	if err != nil {
		return nil, err
	}
	clone, err := cloneMount(filepath.Join(h.cfg.HostRoot, "usr"))
	if err == nil {
		err = idmap(clone, userns)
		unix.Close(clone)
	}
	if err != nil {
		userns.Close()
		g.Notes = append(g.Notes, fmt.Sprintf("the host's file system or kernel refuses idmapped mounts (%v): programs of the host can be used but not changed inside instances, and su, sudo and package installation do not work there", err))
		return nil, nil
	}
	g.IDMapped = true
	return userns, nil
}

// mapped mounts a directory of the host, ids shifted, on a directory that it makes.
func mapped(from, on string, userns *os.File) error {
	clone, err := cloneMount(from)
	if err != nil {
		return err
	}
	defer unix.Close(clone)
	if err := idmap(clone, userns); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	if err := os.MkdirAll(on, 0o755); err != nil {
		return err
	}
	return attach(clone, on)
}
