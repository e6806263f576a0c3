package world

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// store is what the holder keeps for the next engine: descriptors by name.
type store struct {
	max   int
	fds   map[string]int
	owned map[string]string // of those, directories to remove at the end: their paths
}

// newStore makes a store of as many names as descriptors are allowed: starting
// an engine needs two for each.
func newStore() *store {
	s := &store{max: MaxNames, fds: make(map[string]int), owned: make(map[string]string)}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && limit.Cur/2 < MaxNames+64 {
		s.max = max(0, int(limit.Cur/2)-64)
	}
	return s
}

// put keeps fd, in place of an earlier one of that name. It closes what it does
// not keep.
func (s *store) put(name string, fd int) error {
	if err := checkName(name); err != nil {
		unix.Close(fd)
		return fmt.Errorf("storing a descriptor: %w", err)
	}
	old, replaces := s.fds[name]
	if !replaces && len(s.fds) >= s.max {
		unix.Close(fd)
		return fmt.Errorf("storing descriptor %s: there are %d already, remove some or raise the limit of open files (ulimit -n)", name, s.max)
	}
	if replaces {
		unix.Close(old)
		delete(s.owned, name)
	}
	s.fds[name] = fd
	return nil
}

// own keeps a directory that is removed at the end.
func (s *store) own(name string, fd int) (path string, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		unix.Close(fd)
		return "", fmt.Errorf("owning %q: not a directory", name)
	}
	if path, err = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err != nil {
		unix.Close(fd)
		return "", fmt.Errorf("owning %q: %w", name, err)
	}
	if err := s.put(name, fd); err != nil {
		return "", err
	}
	s.owned[name] = path
	return path, nil
}

// remove forgets a name; one that is not there is forgotten.
func (s *store) remove(name string) {
	if fd, ok := s.fds[name]; ok {
		unix.Close(fd)
		delete(s.fds, name)
		delete(s.owned, name)
	}
}

// names are sorted, so that two starts of an engine look the same.
func (s *store) names() []string {
	names := make([]string, 0, len(s.fds))
	for name := range s.fds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// removeSoon is removeTree for control groups whose last processes are still on their
// way out: it waits for those that are in them, for a while.
func removeSoon(path string) error {
	for deadline := time.Now().Add(leaveTime); ; {
		err := removeTree(path)
		left := time.Until(deadline)
		if !errors.Is(err, unix.EBUSY) || left <= 0 {
			return err
		}
		for _, pid := range membersOf(path) {
			if fd, err := unix.PidfdOpen(pid, 0); err == nil {
				_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
				unix.Close(fd)
			}
		}
		runtime.Gosched() // nothing tells when the kernel is done with the last one
	}
}

// membersOf lists the processes in a control group and those below it.
func membersOf(path string) (pids []int) {
	entries, _ := os.ReadDir(path)
	for _, e := range entries {
		if e.IsDir() {
			pids = append(pids, membersOf(filepath.Join(path, e.Name()))...)
		}
	}
	text, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
	for word := range strings.FieldsSeq(string(text)) {
		if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// removeTree removes a tree of empty directories and what the kernel shows in
// them, as the cgroup file systems have it.
func removeTree(path string) error {
	entries, err := os.ReadDir(path)
	for _, e := range entries {
		if e.IsDir() {
			_ = removeTree(filepath.Join(path, e.Name()))
		}
	}
	if rm := unix.Rmdir(path); rm != nil && rm != unix.ENOENT {
		return fmt.Errorf("removing %s: %w", path, rm)
	}
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
