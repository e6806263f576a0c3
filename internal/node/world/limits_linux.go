package world

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Limits are control groups for the instances of a world, where the machine
// permits them: one group per instance, below one of the world's own in each
// hierarchy that is used.
//
// The world's own are handed to the holder, which removes them at its end. They
// are locked (flock(2)) as long as the world lives, so one that was left behind
// all the same, because parent and holder were killed together, is recognised by
// not being locked and removed by the next world in the same place.
type Limits struct {
	groups []worldGroup
}

// worldGroup is a world's own group in one hierarchy.
type worldGroup struct{ dir, kind string }

// Kinds of hierarchies: version 2, or version 1 by a controller.
const (
	kindUnified = "unified"
	kindMemory  = "memory"
	kindPids    = "pids"
)

func (w worldGroup) name() string { return limitPrefix + w.kind }

const (
	limitPrefix = "limits:" // of the names that the holder knows the groups by
	groupPrefix = "localvpc-"
)

// NewLimits takes over the groups of an earlier engine of this world, or makes
// them. An error is the reason why instances cannot be limited by control
// groups, for people to read, with the remedy.
func NewLimits(in *Inside) (*Limits, error) {
	l := new(Limits)
	for name, f := range in.Stored {
		kind, ok := strings.CutPrefix(name, limitPrefix)
		if !ok {
			continue
		}
		dir, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
		if err != nil {
			return nil, fmt.Errorf("finding control group %s again: %w", name, err)
		}
		l.groups = append(l.groups, worldGroup{dir, kind})
	}
	if len(l.groups) > 0 {
		return l, nil
	}
	places, err := findPlaces("/proc/self/mountinfo", "/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	for _, p := range places {
		g, err := p.make(in)
		if err != nil {
			return nil, errors.Join(err, l.abandon(in))
		}
		l.groups = append(l.groups, g)
	}
	return l, nil
}

// abandon undoes what NewLimits has made so far.
func (l *Limits) abandon(in *Inside) (err error) {
	for _, g := range l.groups {
		err = errors.Join(err, removeTree(g.dir), in.Remove(g.name()))
	}
	return err
}

// place is a directory in which the world's own group is made.
type place struct{ dir, kind string }

// make makes and locks the world's own group in a place, after removing what
// worlds that are gone have left there.
func (p place) make(in *Inside) (g worldGroup, err error) {
	left, err := filepath.Glob(filepath.Join(p.dir, groupPrefix+"*"))
	if err != nil {
		return g, err
	}
	for _, dir := range left {
		if f, err := lock(dir); err == nil {
			_ = removeTree(dir)
			f.Close()
		}
	}
	f, err := p.lockNew()
	if err != nil {
		return g, err
	}
	defer f.Close()
	g = worldGroup{f.Name(), p.kind}
	if err = in.Own(g.name(), f); err == nil && p.kind == kindUnified {
		err = write(g.dir, "cgroup.subtree_control", "+memory +pids")
	}
	if err != nil {
		return g, errors.Join(fmt.Errorf("making control group %s: %w", g.dir, err), removeTree(g.dir), in.Remove(g.name()))
	}
	return g, nil
}

// lockNew makes a directory and locks it. Another world that begins may take it
// for a left one before it is locked: then the next try has another name.
func (p place) lockNew() (*os.File, error) {
	var last error
	for range 8 {
		var random [6]byte
		if _, err := rand.Read(random[:]); err != nil {
			return nil, err
		}
		dir := filepath.Join(p.dir, groupPrefix+hex.EncodeToString(random[:]))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, fmt.Errorf("making a control group: %w: run as root, or where groups are delegated: systemd-run --user --scope -p Delegate=yes localvpc up", err)
		}
		f, err := lock(dir)
		if err == nil {
			if _, err = os.Stat(dir); err == nil {
				return f, nil
			}
			f.Close()
		}
		last = errors.Join(err, removeTree(dir))
	}
	return nil, fmt.Errorf("making a control group: %w", last)
}

// lock opens a directory and locks it for as long as the file, or a duplicate,
// is open; it fails if somebody else has it.
func lock(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	return f, nil
}

// Group holds the processes of one instance.
type Group struct{ dirs []string }

// Group makes the group of an instance, or finds it again, and sets its limits:
// the number of processes and threads, and bytes of memory without swap; 0 or
// less is none. id is a name of one path element.
func (l *Limits) Group(id string, pids int, memory int64) (*Group, error) {
	if id == "" || id[0] == '.' || strings.ContainsAny(id, "/\n") {
		return nil, fmt.Errorf("making a control group: %q is no name for one", id)
	}
	g := new(Group)
	for _, w := range l.groups {
		dir := filepath.Join(w.dir, id)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, errors.Join(fmt.Errorf("making the control group of %s: %w", id, err), g.Remove())
		}
		g.dirs = append(g.dirs, dir)
		if err := w.limit(dir, pids, memory); err != nil {
			return nil, errors.Join(fmt.Errorf("limiting %s: %w", id, err), g.Remove())
		}
	}
	return g, nil
}

// limit writes the limits that a hierarchy has files for: in version 1 each has
// only its own.
func (w worldGroup) limit(dir string, pids int, memory int64) error {
	most, bytes, swap := strconv.Itoa(pids), strconv.FormatInt(memory, 10), "0"
	if pids <= 0 {
		most = "max"
	}
	// Memory alone may not exceed memory and swap, neither on the way.
	const both = "memory.memsw.limit_in_bytes"
	files := []setting{{"pids.max", most}, {both, "-1"}, {"memory.limit_in_bytes", bytes}, {both, bytes}}
	needed := 1
	switch {
	case w.kind == kindUnified && memory <= 0:
		bytes, swap = "max", "max"
		fallthrough
	case w.kind == kindUnified:
		files = []setting{{"pids.max", most}, {"memory.max", bytes}, {"memory.swap.max", swap}}
		needed = 2
	case memory <= 0:
		files[2].value, files[3].value = "-1", "-1"
	}
	set := 0
	for _, f := range files {
		err := write(dir, f.file, f.value)
		if errors.Is(err, fs.ErrNotExist) { // of another hierarchy, or not accounted for by this kernel
			continue
		}
		if err != nil {
			return err
		}
		set++
	}
	if set < needed {
		return fmt.Errorf("%s has not the files of limits", dir)
	}
	return nil
}

// setting is a file of a control group, and what it is set to.
type setting struct{ file, value string }

// Add moves a process into the group; what it starts from then on is born there.
func (g *Group) Add(pid int) error {
	for _, dir := range g.dirs {
		if err := write(dir, "cgroup.procs", strconv.Itoa(pid)); err != nil {
			return fmt.Errorf("limiting process %d: %w", pid, err)
		}
	}
	return nil
}

// Remove removes the group, whose processes have ended.
func (g *Group) Remove() (err error) {
	for _, dir := range g.dirs {
		err = errors.Join(err, removeTree(dir))
	}
	return err
}

// write sets a file of the kernel's.
func write(dir, name, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
