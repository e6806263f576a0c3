package world

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	hybridMounts = `31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`
	jointMounts = `35 31 0:32 / /sys/fs/cgroup/a\040b rw,relatime - cgroup cgroup rw,memory,pids
`
	containerMounts = `35 31 0:32 /docker/abc /sys/fs/cgroup rw,relatime - cgroup2 cgroup rw
`
)

func TestHierarchies(t *testing.T) {
	for _, c := range []struct {
		name, mounts, cgroup  string
		unified, memory, pids hierarchy
	}{
		{"hybrid", hybridMounts, "8:pids:/\n4:memory:/a/b\n0::/u\n",
			hierarchy{"/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified/u"}, hierarchy{"/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/a/b"}, hierarchy{"/sys/fs/cgroup/pids", "/sys/fs/cgroup/pids"}},
		{"two controllers in one, and a space", jointMounts, "4:memory,pids:/x:y\n",
			hierarchy{}, hierarchy{"/sys/fs/cgroup/a b", "/sys/fs/cgroup/a b/x:y"}, hierarchy{"/sys/fs/cgroup/a b", "/sys/fs/cgroup/a b/x:y"}},
		{"container without a cgroup namespace", containerMounts, "0::/docker/abc/in\n",
			hierarchy{"/sys/fs/cgroup", "/sys/fs/cgroup/in"}, hierarchy{}, hierarchy{}},
		{"own group out of sight", containerMounts, "0::/docker/abcd\n", hierarchy{}, hierarchy{}, hierarchy{}},
		{"nothing mounted", "", "0::/\n", hierarchy{}, hierarchy{}, hierarchy{}},
		{"garbage", "a b c\n1 2 3 4 5 - cgroup\n \n", "x\n1:2\n", hierarchy{}, hierarchy{}, hierarchy{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			unified, v1 := hierarchies(c.mounts, c.cgroup)
			if unified != c.unified || v1[kindMemory] != c.memory || v1[kindPids] != c.pids {
				t.Errorf("version 2 %v, version 1 %v", unified, v1)
			}
		})
	}
}

// tree makes a hierarchy of version 2 out of directories, and the two files
// about it.
func tree(t *testing.T, own string, passes map[string]string) (top, mountinfo, cgroup string) {
	t.Helper()
	top = t.TempDir()
	for dir, controllers := range passes {
		dir = filepath.Join(top, dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"cgroup.subtree_control": controllers, "cgroup.procs": "1\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	about := t.TempDir()
	mountinfo, cgroup = filepath.Join(about, "mountinfo"), filepath.Join(about, "cgroup")
	for name, text := range map[string]string{mountinfo: "1 2 0:3 / " + top + " rw - cgroup2 cgroup rw\n", cgroup: "0::" + own + "\n"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return top, mountinfo, cgroup
}

func TestFindPlaces(t *testing.T) {
	for _, c := range []struct {
		name, own string
		passes    map[string]string
		want      string // path, or what the error says
	}{
		{"the group above", "/app.slice/term.scope", map[string]string{"": "cpu memory pids", "app.slice": "memory pids", "app.slice/term.scope": ""}, "/app.slice"},
		{"one above lacks a controller", "/a/b", map[string]string{"": "memory pids", "a": "memory", "a/b": ""}, "/"},
		{"none passes them on", "/a", map[string]string{"": "cpu", "a": ""}, "systemd-run"},
	} {
		t.Run(c.name, func(t *testing.T) {
			top, mountinfo, cgroup := tree(t, c.own, c.passes)
			places, err := findPlaces(mountinfo, cgroup)
			switch {
			case err != nil && !strings.Contains(err.Error(), c.want):
				t.Error(err)
			case err == nil && (len(places) != 1 || places[0] != place{filepath.Join(top, c.want), kindUnified}):
				t.Errorf("places %v", places)
			}
		})
	}
}

// TestUnifiedFiles checks what is written to a hierarchy of version 2, on files
// that look like one.
func TestUnifiedFiles(t *testing.T) {
	for _, c := range []struct {
		name       string
		pids       int
		memory     int64
		files      []string
		pidsMax    string
		memoryMax  string
		swapMax    string
		wantsError bool
	}{
		{"limits", 100, 1 << 20, []string{"pids.max", "memory.max", "memory.swap.max"}, "100", "1048576", "0", false},
		{"none", 0, 0, []string{"pids.max", "memory.max", "memory.swap.max"}, "max", "max", "max", false},
		{"no accounting of swap", 1, 4096, []string{"pids.max", "memory.max"}, "1", "4096", "", false},
		{"no controllers", 1, 4096, nil, "", "", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range c.files {
				if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			err := worldGroup{dir, kindUnified}.limit(dir, c.pids, c.memory)
			if (err != nil) != c.wantsError {
				t.Fatal(err)
			}
			for name, want := range map[string]string{"pids.max": c.pidsMax, "memory.max": c.memoryMax, "memory.swap.max": c.swapMax} {
				if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestGroupNames(t *testing.T) {
	for _, id := range []string{"", ".", "..", "a/b", "../x", "a\nb"} {
		if _, err := new(Limits).Group(id, 1, 1); err == nil {
			t.Errorf("%q is taken for a name", id)
		}
	}
}
