package world

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const limitedName = "localvpc: limited"

// testLimited is a process in a group: told so, it starts processes or fills
// memory, and tells how far it got.
func testLimited() int {
	verb, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	switch verb {
	case "fork\n":
		n := 0
		for ; n < 100; n++ {
			if err := exec.Command("sleep", "1000").Start(); err != nil {
				break
			}
		}
		fmt.Println(n)
	case "fill\n":
		var all [][]byte
		for range 16 {
			part := make([]byte, 16<<20)
			for i := 0; i < len(part); i += 4096 {
				part[i] = 1
			}
			all = append(all, part)
		}
		fmt.Println(len(all))
	}
	return 0
}

const (
	testPids   = 40
	testMemory = 64 << 20
)

// limitOne does one command of the tests of limits inside the world.
func limitOne(in *Inside, verb string) (string, error) {
	l, err := NewLimits(in)
	if err != nil {
		return "", err
	}
	var dirs []string
	for _, g := range l.groups {
		dirs = append(dirs, g.dir)
	}
	if verb == "dirs" {
		return strings.Join(dirs, " "), nil
	}
	for _, memory := range []int64{testMemory / 2, 0, testMemory} { // any to any
		if _, err := l.Group("i-"+verb, testPids, memory); err != nil {
			return "", err
		}
	}
	g, err := l.Group("i-"+verb, testPids, testMemory)
	if err != nil {
		return "", err
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{limitedName}
	in2, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	out := new(strings.Builder)
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	if err := g.Add(cmd.Process.Pid); err != nil {
		return "", err
	}
	fmt.Fprintln(in2, verb)
	err = cmd.Wait()
	if verb == "fork" { // the others of the group hinder its removal
		if g.Remove() == nil {
			return "", errors.New("a group with processes in it was removed")
		}
		procs, err := os.ReadFile(filepath.Join(g.dirs[0], "cgroup.procs"))
		if err != nil {
			return "", err
		}
		for _, pid := range strings.Fields(string(procs)) {
			n, _ := strconv.Atoi(pid)
			fd, err := unix.PidfdOpen(n, 0)
			if err != nil {
				return "", err
			}
			unix.Kill(n, unix.SIGKILL)
			unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 20000)
			unix.Close(fd)
		}
	}
	if rm := g.Remove(); rm != nil {
		return "", rm
	}
	return strings.TrimSpace(out.String()) + " " + fmt.Sprint(err), nil
}

// withLimits starts a world with groups and gives their directories.
func withLimits(t *testing.T) (*parent, []string) {
	t.Helper()
	needWorld(t)
	p := start(t, os.Getuid(), Config{})
	answer := p.ask("limit dirs")
	if why, none := strings.CutPrefix(answer, "error: "); none {
		t.Skip("control groups are not available: " + why)
	}
	return p, strings.Fields(answer)
}

func TestLimits(t *testing.T) {
	p, dirs := withLimits(t)
	p.die()
	if got := p.ask("limit dirs"); strings.Join(strings.Fields(got), " ") == "" || !sameSet(strings.Fields(got), dirs) {
		t.Errorf("the second engine has groups %s, the first had %v", got, dirs)
	}
	// The program itself needs some threads.
	got := p.ask("limit fork")
	if n, err := strconv.Atoi(strings.Fields(got)[0]); err != nil || n < testPids-25 || n >= testPids {
		t.Errorf("of %d processes allowed it had %q", testPids, got)
	}
	if got := p.ask("limit fill"); got != "signal: killed" {
		t.Errorf("memory beyond the limit: %q", got)
	}
	p.cmd.Process.Signal(unix.SIGTERM)
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	gone(t, dirs)
}

func TestLimitsLeaveNothing(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	t.Run("parent is killed", func(t *testing.T) {
		p, dirs := withLimits(t)
		orphan := p.onHost(p.ask("orphan"))
		holder, err := unix.PidfdOpen(p.holder, 0)
		if err != nil {
			t.Fatal(err)
		}
		p.cmd.Process.Kill()
		await(t, holder)
		gone(t, dirs)
		if err := unix.Kill(orphan, 0); err != unix.ESRCH {
			t.Errorf("what the engine started: %v", err)
		}
		unix.Wait4(p.holder, nil, 0, nil)
	})
	t.Run("parent is killed when the engine is", func(t *testing.T) {
		p, dirs := withLimits(t)
		holder, err := unix.PidfdOpen(p.holder, 0)
		if err != nil {
			t.Fatal(err)
		}
		p.ask("die")
		p.cmd.Process.Kill()
		await(t, holder)
		gone(t, dirs)
		unix.Wait4(p.holder, nil, 0, nil)
	})
	t.Run("holder is killed", func(t *testing.T) {
		p, dirs := withLimits(t)
		unix.Kill(p.holder, unix.SIGKILL)
		p.exit()
		gone(t, dirs)
	})
	t.Run("both are killed", func(t *testing.T) {
		p, dirs := withLimits(t)
		other, kept := withLimits(t)
		unix.Kill(p.cmd.Process.Pid, unix.SIGSTOP)
		unix.Kill(p.holder, unix.SIGKILL)
		p.cmd.Process.Kill()
		p.exit()
		unix.Wait4(p.holder, nil, 0, nil)
		if _, err := os.Stat(dirs[0]); err != nil {
			t.Fatalf("nobody was left to remove it: %v", err)
		}
		_, next := withLimits(t) // removes it, and not those of the world that lives
		gone(t, dirs)
		for _, dir := range append(kept, next...) {
			if _, err := os.Stat(dir); err != nil {
				t.Error(err)
			}
		}
		other.die()
	})
}

func TestNoLimitsForOrdinaryUser(t *testing.T) {
	needWorld(t)
	if os.Getuid() != 0 {
		t.Skip("only root can become an ordinary user without delegated groups")
	}
	p := start(t, nobody, Config{})
	got := p.ask("limit dirs")
	if !strings.Contains(got, "not writable") || !strings.Contains(got, "run as root") {
		t.Errorf("the reason: %s", got)
	}
}

func gone(t *testing.T, dirs []string) {
	t.Helper()
	for _, dir := range dirs {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", dir, err)
		}
	}
}

func sameSet(a, b []string) bool {
	seen := make(map[string]int)
	for _, s := range a {
		seen[s]++
	}
	for _, s := range b {
		seen[s]--
	}
	for _, n := range seen {
		if n != 0 {
			return false
		}
	}
	return true
}
