package world

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestEngineDies(t *testing.T) {
	eachUser(t, func(t *testing.T, uid int) {
		p := start(t, uid, Config{})
		p.ask("store dns:vpc-1")
		p.ask("store dns:vpc-2")
		orphan := p.ask("orphan")
		p.ask("die")
		// Asked while there may be no engine: the listener's queue holds it.
		if got := p.ask("restarts"); got != "1" {
			t.Errorf("the second engine says it is number %q", got)
		}
		if got := p.ask("stored"); got != "dns:vpc-1 dns:vpc-2" {
			t.Errorf("stored: %q", got)
		}
		if got := p.ask("use dns:vpc-1"); got != "question for dns:vpc-1" {
			t.Errorf("the datagram of the first engine's socket: %q", got)
		}
		if got := p.ask("cat /proc/" + orphan + "/comm"); got != "sleep" {
			t.Errorf("what the first engine started has become %q", got)
		}
		if got := p.ask("cat /proc/" + orphan + "/status"); !strings.Contains(got, "\nPPid:\t1\n") || !strings.Contains(got, "\nSigIgn:\t0000000000000000\n") {
			t.Errorf("what the first engine started: %s", got)
		}
		p.ask("remove dns:vpc-1")
		p.ask("die")
		if got := p.ask("stored"); got != "dns:vpc-2" {
			t.Errorf("stored after a removal: %q", got)
		}
	})
}

func TestOrphansAreReaped(t *testing.T) {
	eachUser(t, func(t *testing.T, uid int) {
		p := start(t, uid, Config{})
		var orphans []string
		for range 20 {
			orphans = append(orphans, p.ask("orphan"))
		}
		p.die()
		for _, pid := range orphans {
			fd, err := unix.PidfdOpen(p.onHost(pid), 0)
			if err != nil {
				t.Fatal(err)
			}
			p.ask("kill " + pid)
			await(t, fd)
		}
		// The holder reaps them in the order of their deaths, and a last one after them.
		p.die()
		if got := p.ask("zombies"); got != "" {
			t.Errorf("nobody waited for:\n%s", got)
		}
	})
}

func TestEngineDiesOften(t *testing.T) {
	const times = 200
	needWorld(t)
	p := start(t, os.Getuid(), Config{})
	p.ask("store a")
	p.die()
	before := p.fds()
	begin := time.Now()
	for range times {
		p.die()
	}
	t.Logf("an engine dies and the next is ready: %v", time.Since(begin)/times)
	if got := p.ask("restarts"); got != strconv.Itoa(times+1) {
		t.Errorf("restarts: %s", got)
	}
	if got := p.ask("use a"); got != "question for a" {
		t.Errorf("the stored socket: %q", got)
	}
	if got := p.fds(); got != before {
		t.Errorf("the holder has %d descriptors open, %d before", got, before)
	}
	t.Logf("the holder after that: %s", memory(p.holder))
}

func TestManyStored(t *testing.T) {
	needWorld(t)
	p := start(t, os.Getuid(), Config{})
	if got := p.ask("fill " + strconv.Itoa(MaxNames+10)); got != "" {
		t.Fatal(got)
	}
	p.ask("remove fill00000")
	p.ask("store one")
	begin := time.Now()
	p.die()
	t.Logf("a restart with %d stored descriptors: %v; holder %s", MaxNames, time.Since(begin), memory(p.holder))
	most := newStore().max
	if got := len(strings.Fields(p.ask("stored"))); got != most {
		t.Errorf("%d names are stored, want %d", got, most)
	}
	if !strings.Contains(p.said(), "there are "+strconv.Itoa(most)+" already") {
		t.Errorf("the log does not tell that names were refused: %s", p.said())
	}
	if got := p.ask("use one"); got != "question for one" {
		t.Errorf("the stored socket: %q", got)
	}
}

func TestParentIsKilled(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	eachUser(t, func(t *testing.T, uid int) {
		mounts, shm := read(t, "/proc/self/mountinfo"), list(t, "/dev/shm")
		p := start(t, uid, Config{})
		orphan := p.onHost(p.ask("orphan"))
		if got := p.ask("write " + p.ask("rundir") + "/file"); got != "" {
			t.Fatal(got)
		}
		if got := read(t, "/proc/self/mountinfo"); got != mounts {
			t.Errorf("the host's mounts while a world runs:\n%s\nwant\n%s", got, mounts)
		}
		inside := namespaces(t, p.holder)
		own := namespaces(t, os.Getpid())
		for kind, ns := range inside {
			if shared := ns == own[kind]; shared != (kind == "cgroup" || kind == "time" || kind == "user" && uid == 0) {
				t.Errorf("the world's %s namespace is the host's: %v", kind, shared)
			}
		}
		holder, err := unix.PidfdOpen(p.holder, 0)
		if err != nil {
			t.Fatal(err)
		}
		p.cmd.Process.Kill()
		await(t, holder)
		<-p.ended
		if _, err := unix.Wait4(p.holder, nil, 0, nil); err != nil { // its zombie is this process's now
			t.Error(err)
		}
		for pid, namespaces := range everybody() {
			for kind, ns := range namespaces {
				if ns != "" && ns == inside[kind] && ns != own[kind] {
					t.Errorf("process %d is left in the world's %s namespace", pid, kind)
				}
			}
		}
		if err := unix.Kill(orphan, 0); err != unix.ESRCH {
			t.Errorf("what the engine started: %v", err)
		}
		if got := read(t, "/proc/self/mountinfo"); got != mounts {
			t.Errorf("mounts afterwards:\n%s\nwant\n%s", got, mounts)
		}
		if got := list(t, "/dev/shm"); got != shm {
			t.Errorf("shared memory afterwards: %s, before %s", got, shm)
		}
		if got := list(t, p.dir); got != "" {
			t.Errorf("files are left: %s", got)
		}
	})
}

func TestHolderIsKilled(t *testing.T) {
	eachUser(t, func(t *testing.T, uid int) {
		p := start(t, uid, Config{})
		orphan := p.onHost(p.ask("orphan"))
		if err := unix.Kill(p.holder, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if code := p.exit(); code != 1 {
			t.Errorf("the parent's exit code is %d", code)
		}
		if !strings.Contains(p.said(), "killed by signal SIGKILL") || !strings.Contains(p.said(), "localvpc up") {
			t.Errorf("the parent says %q", p.said())
		}
		if err := unix.Kill(orphan, 0); err != unix.ESRCH {
			t.Errorf("what the engine started: %v", err)
		}
	})
}

func TestHolderIgnoresSignals(t *testing.T) {
	eachUser(t, func(t *testing.T, uid int) {
		p := start(t, uid, Config{})
		for _, s := range []syscall.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE, unix.SIGCHLD, unix.SIGUSR1} {
			if err := unix.Kill(p.holder, s); err != nil {
				t.Fatal(err)
			}
		}
		p.die()
		if got := p.ask("restarts"); got != "1" {
			t.Errorf("restarts: %s", got)
		}
	})
}

func TestStop(t *testing.T) {
	eachUser(t, func(t *testing.T, uid int) {
		for _, c := range []struct {
			name   string
			cfg    Config
			signal []os.Signal
			within time.Duration
			said   string
		}{
			{"one signal", Config{}, []os.Signal{syscall.SIGTERM}, DefaultGrace / 2, ""},
			{"interrupt", Config{}, []os.Signal{syscall.SIGINT}, DefaultGrace / 2, ""},
			{"stubborn engine", Config{Args: []string{"stubborn"}, Grace: 50 * time.Millisecond}, []os.Signal{syscall.SIGTERM}, DefaultGrace / 2, "did not end in time"},
			{"two signals", Config{Args: []string{"stubborn"}, Grace: time.Hour}, []os.Signal{syscall.SIGTERM, syscall.SIGINT}, DefaultGrace / 2, ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				p := start(t, uid, c.cfg)
				orphan := p.onHost(p.ask("orphan"))
				begin := time.Now()
				for _, s := range c.signal {
					p.cmd.Process.Signal(s)
				}
				if code := p.exit(); code != 0 {
					t.Errorf("exit code %d: %s", code, p.said())
				}
				if took := time.Since(begin); took > c.within {
					t.Errorf("it took %v", took)
				}
				if !strings.Contains(p.said(), c.said) {
					t.Errorf("it said %q, want %q", p.said(), c.said)
				}
				if err := unix.Kill(orphan, 0); err != unix.ESRCH {
					t.Errorf("what the engine started: %v", err)
				}
			})
		}
	})
}

func TestEngineEnds(t *testing.T) {
	needWorld(t)
	for _, c := range []struct {
		name, arg, ask string
		code           int
		said           []string
	}{
		{"in order", "", "end 0", 0, nil},
		{"in order with a code", "", "end 7", 7, nil},
		{"by itself", "", "quit 0", 0, nil},
		{"refuses", "refuse", "", 1, []string{"no, never", "could not start; its last words stand above"}},
		{"before it is ready", "crash", "", 1, []string{"boom before ready 4", "failed 5 times in a row, at last by exit code 3"}},
		{"soon after it is ready", "crash-later", "", 1, []string{"boom after ready 4", "failed 5 times in a row, at last by exit code 3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := launch(t, os.Getuid(), Config{Args: strings.Fields(c.arg)})
			if c.ask != "" {
				p.ask(c.ask)
			}
			if code := p.exit(); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, said := range c.said {
				if !strings.Contains(p.said(), said) {
					t.Errorf("it does not say %q: %s", said, p.said())
				}
			}
		})
	}
}

func TestGarbage(t *testing.T) {
	eachUser(t, func(t *testing.T, uid int) {
		p := start(t, uid, Config{})
		before := p.fds()
		for range 20 {
			if got := p.ask("garbage"); got != "" {
				t.Fatal(got)
			}
		}
		p.ask("store good")
		p.die()
		if got := p.ask("stored"); got != "good" {
			t.Errorf("stored: %q", got)
		}
		if got := p.fds(); got != before+1 {
			t.Errorf("the holder has %d descriptors, had %d before the garbage", got, before)
		}
		if n := strings.Count(p.said(), "refused what the engine sent"); n == 0 || n > 30 {
			t.Errorf("%d lines in the log:\n%s", n, p.said())
		}
		// An engine that has cut its own line works on, and its successor has a new one.
		p.ask("hangup")
		p.ask("store late")
		p.die()
		if got := p.ask("stored"); got != "good" {
			t.Errorf("stored after the line was cut: %q", got)
		}
	})
}

func TestLogBlocks(t *testing.T) {
	needWorld(t)
	p := start(t, os.Getuid(), Config{})
	p.mu.Lock() // nobody reads what the parent says
	for range 16 {
		if got := p.ask("chatter 1048576"); got != "" {
			t.Error(got)
		}
	}
	p.die()
	p.mu.Unlock()
	if got := p.ask("chatter 8000"); got != "" {
		t.Error(got)
	}
	p.ask("end 0")
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(p.said(), "bytes of log are lost here") {
		t.Error("the log does not tell that some of it is lost")
	}
}

func TestInside(t *testing.T) {
	eachUser(t, func(t *testing.T, uid int) {
		p := launch(t, uid, Config{})
		if got, want := p.awaitReady(), fmt.Sprintf("engine 0, root %v", uid == 0); got != want {
			t.Errorf("ready: %q, want %q", got, want)
		}
		if got := p.ask("lo"); !strings.Contains(got, "up") || !strings.HasSuffix(got, "of 1") {
			t.Errorf("interfaces: %s", got)
		}
		dir := p.ask("rundir")
		for _, line := range strings.Split(p.ask("cat /proc/self/mountinfo"), "\n") {
			f := strings.Fields(line)
			if f[4] == dir && strings.Contains(line, " - tmpfs localvpc ") {
				dir = ""
			}
			if strings.Contains(line, " shared:") || strings.Contains(line, " master:") {
				t.Errorf("a mount is not private: %s", line)
			}
		}
		if dir != "" {
			t.Errorf("%s is no mount of its own", dir)
		}
		if got := p.ask("cat /proc/1/comm"); !strings.HasPrefix(got, "exe") && !strings.HasPrefix(got, "world.test") {
			t.Errorf("process 1 is %q", got)
		}
		open := strings.Fields(p.ask("open"))
		for _, fd := range open {
			if n, _ := strconv.Atoi(fd); n > 20 {
				t.Errorf("the engine has descriptor %d open", n)
			}
		}
		if _, err := os.Lstat(fmt.Sprintf("/proc/%d/fd/%d", p.holder, stray)); !os.IsNotExist(err) {
			t.Errorf("the holder has what the parent's caller left open: %v", err)
		}
	})
}

func TestRunDirOfConfig(t *testing.T) {
	eachUser(t, func(t *testing.T, uid int) {
		dir := filepath.Join(t.TempDir(), "run")
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		for path := dir; len(path) > len(os.TempDir()); path = filepath.Dir(path) {
			os.Chmod(path, 0o777)
		}
		p := start(t, uid, Config{RunDir: dir})
		if got := p.ask("rundir"); got != dir {
			t.Errorf("run directory %s", got)
		}
		if got := p.ask("write " + dir + "/x"); got != "" {
			t.Error(got)
		}
		if got := list(t, dir); got != "" {
			t.Errorf("the host sees %s in it", got)
		}
	})
}

func TestRunDirIsMissing(t *testing.T) {
	needWorld(t)
	p := launch(t, os.Getuid(), Config{RunDir: "/nonexistent/run"})
	if code := p.exit(); code != 1 || !strings.Contains(p.said(), "mounting the run directory: /nonexistent/run: no such file") {
		t.Errorf("exit code %d: %s", code, p.said())
	}
}

func (p *parent) fds() int {
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.holder))
	if err != nil {
		p.t.Fatal(err)
	}
	return len(fds)
}

// onHost finds the process that has this number in the world.
func (p *parent) onHost(pid string) int {
	p.t.Helper()
	world := fmt.Sprintf("/proc/%d/ns/pid", p.holder)
	want, err := os.Readlink(world)
	if err != nil {
		p.t.Fatal(err)
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if ns, _ := os.Readlink(dir + "/ns/pid"); ns != want {
			continue
		}
		status, _ := os.ReadFile(dir + "/status")
		for line := range strings.Lines(string(status)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "NSpid:" && f[len(f)-1] == pid {
				n, _ := strconv.Atoi(filepath.Base(dir))
				return n
			}
		}
	}
	p.t.Fatalf("there is no process %s in the world", pid)
	return 0
}

// await waits for the end of a process by its pidfd.
func await(t *testing.T, pidfd int) {
	t.Helper()
	defer unix.Close(pidfd)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, 20000)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n != 1 {
			t.Fatalf("a process has not ended: %v", err)
		}
		return
	}
}

func namespaces(t *testing.T, pid int) map[string]string {
	t.Helper()
	found := namespacesOf(pid)
	if len(found) < 5 {
		t.Fatalf("namespaces of %d: %v", pid, found)
	}
	return found
}

func namespacesOf(pid int) map[string]string {
	dir := fmt.Sprintf("/proc/%d/ns", pid)
	entries, _ := os.ReadDir(dir)
	found := make(map[string]string)
	for _, e := range entries {
		if ns, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && !strings.HasSuffix(e.Name(), "_for_children") {
			found[e.Name()] = ns
		}
	}
	return found
}

// everybody gives the namespaces of all processes.
func everybody() map[int]map[string]string {
	all := make(map[int]map[string]string)
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		all[pid] = namespacesOf(pid)
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func list(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// memory is what a process occupies, from proc_pid_smaps_rollup(5).
func memory(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	var found []string
	for line := range strings.Lines(string(text)) {
		for _, name := range []string{"Rss:", "Pss:", "Private_Dirty:"} {
			if strings.HasPrefix(line, name) {
				found = append(found, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	return strings.Join(found, ", ")
}
