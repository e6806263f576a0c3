package world

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// findPlaces chooses where groups can be made: in a hierarchy of version 2 the
// nearest group at or above this process's that passes on the controllers of
// memory and pids, or in those of version 1 this process's own.
func findPlaces(mountinfo, cgroup string) ([]place, error) {
	mounts, err := os.ReadFile(mountinfo)
	if err != nil {
		return nil, fmt.Errorf("looking for control groups: %w", err)
	}
	own, err := os.ReadFile(cgroup)
	if err != nil {
		return nil, fmt.Errorf("looking for control groups: %w", err)
	}
	unified, v1 := hierarchies(string(mounts), string(own))
	var refused error
	for at, dir := range ancestors(unified) {
		control, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
		passes := strings.Fields(string(control))
		if err != nil || !slices.Contains(passes, "memory") || !slices.Contains(passes, "pids") {
			continue
		}
		// Moving a process needs the right to do so in the group above both.
		if err := writable(dir, "cgroup.procs"); err != nil {
			if refused == nil {
				refused = fmt.Errorf("%s, %d above this process's group: %w", dir, at, err)
			}
			continue
		}
		return []place{{dir, kindUnified}}, nil
	}
	if v1[kindMemory].own == "" || v1[kindPids].own == "" {
		why := "no group above this process's passes on the controllers of memory and pids"
		if refused != nil {
			why = "the groups that pass on the controllers of memory and pids are not writable: " + refused.Error()
		}
		return nil, errors.New(why + ": run as root, or where groups are delegated: systemd-run --user --scope -p Delegate=yes localvpc up")
	}
	var places []place
	for _, controller := range []string{kindMemory, kindPids} {
		dir := v1[controller].own
		if err := writable(dir, "."); err != nil {
			return nil, fmt.Errorf("control group %s is not writable: %w: run as root", dir, err)
		}
		if len(places) == 0 || places[0].dir != dir { // both may be mounted as one
			places = append(places, place{dir, controller})
		}
	}
	return places, nil
}

// writable asks for this process's right to write, and not the caller's of a
// program that has changed its user.
func writable(dir, name string) error {
	path := filepath.Join(dir, name)
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS); err != nil {
		return &os.PathError{Op: "writing", Path: path, Err: err}
	}
	return nil
}

// hierarchy is a mounted one: its topmost visible group and this process's.
type hierarchy struct{ top, own string }

// hierarchies reads proc_pid_mountinfo(5) and cgroups(7): the hierarchy of
// version 2, and those of version 1 by controller.
func hierarchies(mountinfo, cgroup string) (unified hierarchy, v1 map[string]hierarchy) {
	paths := make(map[string]string) // by controller, "" for version 2
	for line := range strings.Lines(cgroup) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) != 3 {
			continue
		}
		for _, controller := range strings.Split(f[1], ",") {
			paths[controller] = f[2]
		}
	}
	v1 = make(map[string]hierarchy)
	for line := range strings.Lines(mountinfo) {
		left, right, ok := strings.Cut(line, " - ")
		f, kind := strings.Fields(left), strings.Fields(right)
		if !ok || len(f) < 5 || len(kind) < 3 {
			continue
		}
		root, point := f[3], unescape(f[4])
		at := func(controller string) hierarchy {
			path, ok := paths[controller]
			rel, err := filepath.Rel(root, path)
			if !ok || err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
				return hierarchy{}
			}
			return hierarchy{top: point, own: filepath.Join(point, rel)}
		}
		switch kind[0] {
		case "cgroup2":
			unified = at("")
		case "cgroup":
			for _, option := range strings.Split(kind[2], ",") {
				if option == kindMemory || option == kindPids {
					v1[option] = at(option)
				}
			}
		}
	}
	return unified, v1
}

// ancestors are the groups from this process's own upwards.
func ancestors(h hierarchy) (dirs []string) {
	if h.own == "" {
		return nil
	}
	for dir := h.own; ; dir = filepath.Dir(dir) {
		dirs = append(dirs, dir)
		if dir == h.top || dir == "/" {
			return dirs
		}
	}
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
