package scenario

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestNothingIsLeft ends localvpc in every way that there is, with an instance
// running: no process, mount, control group or file is left outside its data directory.
func TestNothingIsLeft(t *testing.T) {
	for _, way := range []struct {
		name  string
		flags []string
		end   func(*lodger)
	}{
		{"down", []string{"--data", "data", "-d"}, func(l *lodger) { l.run("down") }},
		{"down, ephemeral", []string{"--ephemeral", "-d"}, func(l *lodger) { l.run("down") }},
		{"Ctrl-C", []string{"--data", "data"}, func(l *lodger) { l.kill(l.parent, syscall.SIGINT) }},
		{"Ctrl-C twice", []string{"--ephemeral"}, func(l *lodger) { l.kill(l.parent, syscall.SIGINT); l.kill(l.parent, syscall.SIGINT) }},
		{"SIGTERM", []string{"--ephemeral"}, func(l *lodger) { l.kill(l.parent, syscall.SIGTERM) }},
		{"a terminal that closes", []string{"--ephemeral"}, func(l *lodger) { l.kill(l.parent, syscall.SIGHUP) }},
		{"kill -9 of the parent", []string{"--data", "data"}, func(l *lodger) { l.kill(l.parent, syscall.SIGKILL) }},
		{"kill -9 of the parent, in the background", []string{"--ephemeral", "-d"}, func(l *lodger) { l.kill(l.parent, syscall.SIGKILL) }},
		{"kill -9 of the holder", []string{"--ephemeral"}, func(l *lodger) { l.kill(l.w.holder(), syscall.SIGKILL) }},
		{"standard input that ends", []string{"--ephemeral", "--until-stdin-ends"}, func(l *lodger) { l.stdin.Close() }},
	} {
		t.Run(way.name, func(t *testing.T) {
			inTurn(t, func(t *testing.T, w *world) {
				l := lodge(t, w, way.flags)
				_, subnet := w.vpc(w.ec2, "10.0.0.0/16", "10.0.0.0/24")
				w.launch(w.ec2, "web", subnet, nil, "")
				if out, code := w.in("web", "setsid sleep 1000 >/dev/null 2>&1 & echo started"); code != 0 || out != "started\n" {
					t.Fatalf("%q, exit code %d", out, code)
				}
				pids := descendants(l.parent)
				if len(pids) < 5 { // parent, holder, engine, init, sleep
					t.Fatalf("%d processes", len(pids))
				}
				groups, all := controlGroups(t, pids), watch(t, pids)
				way.end(l)
				all.ended(t)
				l.check(groups)
			})
		})
	}
}

// lodger is a localvpc in a directory of its own, that its parent is found in.
type lodger struct {
	t      *testing.T
	w      *world
	dir    string // holds home, tmp and data
	env    []string
	parent int
	stdin  *os.File // of a parent in the foreground
}

func lodge(t *testing.T, w *world, flags []string) *lodger {
	t.Helper()
	l := &lodger{t: t, w: w, dir: t.TempDir()}
	for _, name := range []string{"home", "tmp", "data"} {
		dir := filepath.Join(l.dir, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if w.uid != os.Getuid() {
			allow(t, dir, w.uid)
		}
	}
	l.env = []string{"HOME=" + filepath.Join(l.dir, "home"), "TMPDIR=" + filepath.Join(l.dir, "tmp"), "XDG_STATE_HOME="}
	w.t = t
	args := append([]string{"up", "--json", "--listen", "127.0.0.1:0"}, flags...)
	for i, a := range args {
		if a == "data" {
			args[i] = filepath.Join(l.dir, "data")
		}
	}
	cmd := l.command(args...)
	cmd.Stderr = &w.errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l.stdin = held
	cmd.Stdin = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	t.Cleanup(func() {
		held.Close()
		if l.parent > 0 {
			_ = syscall.Kill(l.parent, syscall.SIGKILL)
		}
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("localvpc said:\n%s", w.errs.String())
		}
	})
	var ready struct{ URL string }
	if err := json.NewDecoder(out).Decode(&ready); err != nil {
		_ = cmd.Wait()
		t.Fatalf("localvpc %v: %v\n%s", args, err, w.errs.String())
	}
	w.URL = ready.URL
	w.ec2 = w.client("us-east-1", "test")
	l.parent = cmd.Process.Pid
	if slices.Contains(flags, "-d") {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		l.parent = l.detached()
	}
	w.cmd = &exec.Cmd{Process: &os.Process{Pid: l.parent}} // for those who look for the engine
	return l
}

func (l *lodger) command(args ...string) *exec.Cmd {
	cmd := l.w.command(args...)
	cmd.Env = append(cmd.Env, l.env...)
	cmd.Dir = filepath.Join(l.dir, "home")
	return cmd
}

func (l *lodger) run(args ...string) {
	l.t.Helper()
	if out, err := l.command(args...).CombinedOutput(); err != nil || len(out) > 0 {
		l.t.Errorf("localvpc %v: %v\n%s", args, err, out)
	}
}

func (l *lodger) kill(pid int, sig syscall.Signal) {
	l.t.Helper()
	if err := syscall.Kill(pid, sig); err != nil && sig != syscall.SIGINT { // it may have ended after the first one
		l.t.Fatalf("%v to %d: %v", sig, pid, err)
	}
}

// detached finds the parent that went into the background, by its environment.
func (l *lodger) detached() int {
	l.t.Helper()
	mark := "TMPDIR=" + filepath.Join(l.dir, "tmp") + "\x00"
	paths, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		l.t.Fatal(err)
	}
	for _, path := range paths {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text)+"\x00", mark) && strings.Contains(cmdline(pid), "\x00up\x00") {
			return pid
		}
	}
	l.t.Fatal("there is no parent in the background")
	return 0
}

// check looks for what is left.
func (l *lodger) check(groups []string) {
	l.t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		l.t.Fatal(err)
	}
	if strings.Contains(string(mounts), l.dir) {
		l.t.Errorf("a mount is left:\n%s", mounts)
	}
	for _, g := range groups {
		if _, err := os.Stat(g); err == nil {
			l.t.Errorf("the control group %s is left", g)
		}
	}
	err = filepath.WalkDir(l.dir, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(l.dir, path)
		if err == nil && strings.Count(rel, "/") > 0 && !strings.HasPrefix(rel, "data/") {
			l.t.Errorf("%s is left", rel)
		}
		if err == nil && strings.HasPrefix(rel, "data/run/") {
			l.t.Errorf("%s is left, which was to be in memory", rel)
		}
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// controlGroups are the groups that only those processes are in.
func controlGroups(t *testing.T, pids []int) []string {
	t.Helper()
	ours := map[string]bool{}
	for _, pid := range pids {
		ours[strconv.Itoa(pid)] = true
	}
	var groups []string
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		members := strings.Fields(string(text))
		if err == nil && len(members) > 0 && !slices.ContainsFunc(members, func(pid string) bool { return !ours[pid] }) {
			groups = append(groups, path)
		}
		return nil
	})
	return groups
}

// TestDemo: the session that the README shows, and its exit code.
func TestDemo(t *testing.T) {
	inTurn(t, func(t *testing.T, w *world) {
		w.t = t
		out, code := w.cli("demo")
		if code != 0 || strings.Count(out, "Hello, Angela!\n") != 2 || !strings.HasSuffix(out, "Everything was as expected.\n") {
			t.Errorf("exit code %d\n%s", code, out)
		}
		for _, has := range []string{"$ aws ec2 run-instances --image-id ami-", "exit code 28, as expected", ": not reachable\n", "SG_HAS_NO_RULES"} {
			if !strings.Contains(out, has) {
				t.Errorf("it does not show %q:\n%s", has, out)
			}
		}
	})
}

// TestDemoSessions: the scenarios that have a session of their own, each with
// what was to be seen in it.
func TestDemoSessions(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.t = t
		for name, has := range map[string][]string{
			"S2": {"Here is web1.\n", "Here is web2.\n", "back\n", "exit code 28, as expected"},
			"S4": {"Here is one.\n", "Here is two.\n", "Target.FailedHealthChecks", "exit code 28, as expected"},
			"S5": {"Here is web.\n", "Here is other.\n", "exit code 28, as expected"},
			"S7": {"Hello, Angela!\n", " --region eu-west-1\n", "pending-acceptance", "exit code 2, as expected", "exit code 28, as expected", "http://api.internal/say-hello?name=Angela\nHello, Angela!\n"},
			"s6": {"Here is db.\n", "exit code 28, as expected", "SUBNET_ACL_RESTRICTION"},
		} {
			out, code := w.cli("demo", name)
			if code != 0 || !strings.HasSuffix(out, "Everything was as expected.\n") {
				t.Errorf("demo %s: exit code %d\n%s", name, code, out)
			}
			for _, text := range has {
				if !strings.Contains(out, text) {
					t.Errorf("demo %s does not show %q:\n%s", name, text, out)
				}
			}
		}
	})
}

// TestDemoIsKilled: its localvpc goes with it.
func TestDemoIsKilled(t *testing.T) {
	needPackets(t)
	w := &world{uid: os.Getuid(), t: t}
	cmd := w.command("demo")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	for buf := make([]byte, 4096); !strings.Contains(shown.String(), "Hello, Angela!"); {
		n, err := out.Read(buf)
		shown.Write(buf[:n])
		if err != nil {
			t.Fatalf("%v\n%s", err, shown.String())
		}
	}
	all := watch(t, descendants(cmd.Process.Pid))
	if len(all) < 6 { // demo, parent, holder, engine, two instances
		t.Errorf("%d processes", len(all))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	all.ended(t)
}
