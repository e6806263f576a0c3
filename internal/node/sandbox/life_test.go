//go:build linux

package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox"
)

// await waits for the end of an instance.
func await(t *testing.T, sb *sandbox.Sandbox) sandbox.Exit {
	t.Helper()
	select {
	case <-sb.Exited():
	case <-limit(t).Done():
		t.Fatal("the instance does not end")
	}
	return sb.Exit()
}

// follow starts a command and waits until it has printed ready.
func follow(t *testing.T, sb *sandbox.Sandbox, args ...string) (*sandbox.Process, *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	p, err := sb.Exec(limit(t), sandbox.ExecSpec{Args: args, Stdout: w})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	readLine(t, r, "ready")
	return p, r
}

// readLine reads until a line is want.
func readLine(t *testing.T, r *os.File, want string) {
	t.Helper()
	var text []byte
	b := make([]byte, 1)
	for {
		if _, err := r.Read(b); err != nil {
			t.Fatalf("%v before %q, after %q", err, want, text)
		}
		text = append(text, b[0])
		if lines := strings.Split(strings.ReplaceAll(string(text), "\r", ""), "\n"); len(lines) > 1 && lines[len(lines)-2] == want {
			return
		}
	}
}

func TestDiskOutlivesInstance(t *testing.T) {
	p := newPlace(t)
	spec := sandbox.Spec{ID: "i-disk", Hostname: "first", ConsoleLog: filepath.Join(p.data, "console")}
	sb := p.boot(t, spec)
	script := "echo kept > /root/file; echo kept > /usr/local/bin/tool; rm /etc/issue; echo 10.0.0.9 db >> /etc/hosts; echo renamed > /etc/hostname; echo gone > /run/file"
	if rootful() {
		script += "; rm /usr/bin/env; mkdir /usr/newdir; chmod 700 /usr/share"
	}
	sh(t, sb, script)
	if err := p.Destroy("i-disk"); err == nil {
		t.Error("the disk of a running instance was removed")
	}
	if _, err := p.Create(spec); err == nil {
		t.Error("a running instance was created again")
	}
	if err := sb.Shutdown(limit(t), time.Second); err != nil {
		t.Fatal(err)
	}
	if exit := await(t, sb); exit.Cause != sandbox.Shutdown {
		t.Errorf("exit %+v", exit)
	}
	if err := sb.Boot(limit(t)); !errors.Is(err, sandbox.ErrNotRunning) {
		t.Errorf("booting an ended instance: %v", err)
	}

	spec.Hostname = "second" // the disk knows better
	sb = p.boot(t, spec)
	got := sh(t, sb, "cat /root/file /usr/local/bin/tool; ls /etc/issue /run/file 2>/dev/null; grep -c db /etc/hosts; hostname")
	if got != "kept\nkept\n1\nrenamed" {
		t.Errorf("after the second boot: %q", got)
	}
	if rootful() {
		if got := sh(t, sb, "ls -d /usr/newdir; stat -c %a /usr/share; ls /usr/bin/env 2>/dev/null || echo removed"); got != "/usr/newdir\n700\nremoved" {
			t.Errorf("in /usr after the second boot: %q", got)
		}
	}
	if err := sb.Kill(); err != nil {
		t.Fatal(err)
	}
	if exit := await(t, sb); exit.Cause != sandbox.Killed {
		t.Errorf("exit %+v", exit)
	}
	if disks, err := p.Disks(); err != nil || len(disks) != 1 {
		t.Errorf("disks %v, %v", disks, err)
	}
	for range 2 {
		if err := p.Destroy("i-disk"); err != nil {
			t.Fatal(err)
		}
	}
	if disks, _ := p.Disks(); len(disks) != 0 {
		t.Errorf("disks %v", disks)
	}
	if _, err := os.Stat("/usr/bin/env"); err != nil {
		t.Fatal("the host's /usr/bin/env is gone")
	}
}

// TestSystem is root inside as administrator.
func TestSystem(t *testing.T) {
	p := newPlace(t)
	status, err := p.Status()
	if err != nil {
		t.Fatal(err)
	}
	sb := p.boot(t, sandbox.Spec{})
	sh(t, sb, `ping -c1 -W1 127.0.0.1 >/dev/null 2>&1 || ! command -v ping >/dev/null
		echo x > /dev/shm/x; echo x > /tmp/x; test -t 0 || true; echo hello > /dev/null; head -c1 /dev/urandom >/dev/null
		cp /bin/ls /usr/local/bin/mine; /usr/local/bin/mine / >/dev/null; cp /bin/ls /usr/bin/mine; mkdir /opt/mine /srv/mine /newtop
		hostname changed; test "$(hostname)" = changed
		ip link show lo 2>/dev/null | grep -q UP || grep -q lo /proc/net/dev
		mount -t tmpfs t /mnt; umount /mnt; localvpc guest nosuch 2>/dev/null; test $? = 2`)
	if !status.IDMapped {
		if rootful() {
			t.Logf("no idmapped mounts here: %v", status.Notes)
		}
		return
	}
	sh(t, sb, `set -e
		touch /tmp/y; chown 33:33 /tmp/y; test "$(stat -c %u:%g /tmp/y)" = 33:33
		test "$(su nobody -s /bin/sh -c 'id -u')" = 65534
		mkdir /usr/share/mine; echo more >> /etc/profile; chown -R 33 /usr/local/share; echo x >> /usr/share/doc/x || true
		chmod u+s /usr/local/bin/mine; test -u /bin/su
		dpkg -l >/dev/null 2>&1 || ! command -v dpkg >/dev/null`)
}

func TestExitCauses(t *testing.T) {
	for _, test := range []struct {
		name, script string
		want         sandbox.Cause
	}{
		{"reboot(2)", "localvpc probe reboot restart", sandbox.Reboot},
		{"poweroff by reboot(2)", "localvpc probe reboot poweroff", sandbox.PowerOff},
		{"signal of systemctl poweroff", "kill -38 1", sandbox.PowerOff},
		{"signal of systemctl reboot", "kill -39 1", sandbox.Reboot},
		{"ctrl-alt-del", "kill -INT 1", sandbox.Reboot},
		{"power failure", "kill -PWR 1", sandbox.PowerOff},
		{"initctl run level 0", initRequest(0), sandbox.PowerOff},
		{"initctl run level 6", initRequest(6), sandbox.Reboot},
		{"poweroff", "command -v poweroff >/dev/null && poweroff || kill -PWR 1", sandbox.PowerOff},
		{"reboot", "command -v reboot >/dev/null && reboot || kill -INT 1", sandbox.Reboot},
	} {
		t.Run(test.name, func(t *testing.T) {
			sb := newPlace(t).boot(t, sandbox.Spec{})
			if _, err := sb.Exec(limit(t), sandbox.ExecSpec{Args: []string{"/bin/sh", "-c", test.script}}); err != nil && !errors.Is(err, sandbox.ErrNotRunning) {
				t.Fatal(err)
			}
			if exit := await(t, sb); exit.Cause != test.want || exit.Err != nil {
				t.Errorf("exit %+v, want %s", exit, test.want)
			}
		})
	}
}

// initRequest writes struct init_request for a run level (initreq.h of sysvinit).
func initRequest(level int) string {
	return fmt.Sprintf(`{ printf '\151\031\011\003\001\000\000\000\06%d\000\000\000'; head -c 372 /dev/zero; } > /tmp/r; cat /tmp/r > /run/initctl`, level)
}

// TestInitSurvives sends everything that could end a Go program to init.
func TestInitSurvives(t *testing.T) {
	sb := newPlace(t).boot(t, sandbox.Spec{})
	sh(t, sb, `for s in 1 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 31 34 36 50 64; do kill -$s 1; done
		head -c 384 /dev/urandom > /tmp/r; cat /tmp/r > /run/initctl; echo short > /run/initctl; rm -rf /dev/console /run/initctl /dev/pts /dev/ptmx; true`)
	if got := sh(t, sb, "echo alive"); got != "alive" {
		t.Errorf("%q", got)
	}
	tty, err := sb.Exec(limit(t), sandbox.ExecSpec{Args: []string{"true"}, TTY: true})
	if err != nil {
		t.Fatalf("a terminal after /dev/pts is gone: %v", err)
	}
	tty.TTY.Close()
}

func TestShutdown(t *testing.T) {
	sb := newPlace(t).boot(t, sandbox.Spec{})
	kind, out := follow(t, sb, "localvpc", "probe", "hold")
	stubborn, _ := follow(t, sb, "localvpc", "probe", "stubborn")
	begin := time.Now()
	if err := sb.Shutdown(limit(t), 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 300*time.Millisecond || took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if exit := await(t, sb); exit.Cause != sandbox.Shutdown {
		t.Errorf("exit %+v", exit)
	}
	readLine(t, out, "got terminated")
	for name, p := range map[string]*sandbox.Process{"kind": kind, "stubborn": stubborn} {
		exit, err := p.Wait()
		if err != nil && !errors.Is(err, sandbox.ErrNotRunning) {
			t.Errorf("%s: %+v, %v", name, exit, err)
		}
	}
	if _, err := sb.Exec(limit(t), sandbox.ExecSpec{Args: []string{"true"}}); !errors.Is(err, sandbox.ErrNotRunning) {
		t.Errorf("exec after the end: %v", err)
	}

	sb = newPlace(t).boot(t, sandbox.Spec{})
	begin = time.Now()
	if err := sb.Reboot(limit(t), 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if exit := await(t, sb); exit.Cause != sandbox.Reboot || time.Since(begin) > 5*time.Second {
		t.Errorf("exit %+v after %v", exit, time.Since(begin))
	}

	sb = newPlace(t).boot(t, sandbox.Spec{})
	follow(t, sb, "localvpc", "probe", "stubborn")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := sb.Shutdown(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("shutdown with an ended context: %v", err)
	}
	await(t, sb)
}

// TestAdopt lets a first engine create instances and die; a second finds them.
func TestAdopt(t *testing.T) {
	p := newPlace(t)
	for id, how := range map[string]string{"i-booted": "boot", "i-created": "create", "i-ended": "boot"} {
		cmd := exec.Command("/proc/self/exe", "engine", p.run, p.data, id, how)
		cmd.Env = os.Environ()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	running, err := p.Running()
	if err != nil || len(running) != 3 {
		t.Fatalf("running: %v, %v", running, err)
	}
	adopt := func(id string) *sandbox.Sandbox {
		sb, err := p.Adopt(limit(t), id)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { sb.Kill(); sb.Close() })
		return sb
	}
	booted := adopt("i-booted")
	if got := sh(t, booted, "echo here"); got != "here" {
		t.Error(got)
	}
	var inside, st unix.Stat_t
	if err := unix.Fstat(int(booted.Netns().Fd()), &inside); err != nil {
		t.Fatal(err)
	}
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/net", booted.Pid()), &st); err != nil || st.Ino != inside.Ino {
		t.Errorf("network namespace %d, of the process %d %d (%v)", inside.Ino, booted.Pid(), st.Ino, err)
	}
	created := adopt("i-created")
	if err := created.Boot(limit(t)); err != nil {
		t.Error(err)
	}
	if err := created.Shutdown(limit(t), time.Second); err != nil {
		t.Error(err)
	}
	if exit := await(t, created); exit.Cause != sandbox.Shutdown {
		t.Errorf("exit %+v", exit)
	}
	// One that ends while nobody looks, by its own order.
	ended := adopt("i-ended")
	pid := ended.Pid()
	other, err := sandbox.New(sandbox.Config{RunDir: p.run, DataDir: p.data, Rootful: rootful()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ended.Exec(limit(t), sandbox.ExecSpec{Args: []string{"/bin/sh", "-c", "kill -PWR 1"}}); err != nil && !errors.Is(err, sandbox.ErrNotRunning) {
		t.Fatal(err)
	}
	if exit := await(t, ended); exit.Cause != sandbox.PowerOff {
		t.Errorf("exit %+v", exit)
	}
	reap(pid)
	if _, err := other.Adopt(limit(t), "i-ended"); !errors.Is(err, sandbox.ErrNotRunning) {
		t.Errorf("adopting an instance whose end was seen: %v", err)
	}
	if _, err := p.Adopt(limit(t), "i-never"); !errors.Is(err, sandbox.ErrNotRunning) {
		t.Errorf("adopting nobody: %v", err)
	}
	// One that reboots by the system call: only its parent can read how it ended.
	cmd := exec.Command("/proc/self/exe", "engine", p.run, p.data, "i-reboots", "boot")
	cmd.Env = os.Environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	reboots := adopt("i-reboots")
	go reap(reboots.Pid())
	if _, err := reboots.Exec(limit(t), sandbox.ExecSpec{Args: []string{"localvpc", "probe", "reboot", "restart"}}); err != nil && !errors.Is(err, sandbox.ErrNotRunning) {
		t.Fatal(err)
	}
	if exit := await(t, reboots); exit.Cause != sandbox.Killed {
		t.Errorf("exit %+v", exit)
	}
	// A killed one.
	pid = booted.Pid()
	if err := booted.Kill(); err != nil {
		t.Fatal(err)
	}
	if exit := await(t, booted); exit.Cause != sandbox.Killed {
		t.Errorf("exit %+v", exit)
	}
	reap(pid)
}

// reap is what the holder does as process 1 of the world.
func reap(pid int) { _, _ = syscall.Wait4(pid, nil, 0, nil) }

// TestEndUnseen: an instance ends while no engine runs.
func TestEndUnseen(t *testing.T) {
	p := newPlace(t)
	cmd := exec.Command("/proc/self/exe", "engine", p.run, p.data, "i-alone", "boot")
	cmd.Env = os.Environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sb, err := p.Adopt(limit(t), "i-alone")
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Close()
	dir := filepath.Join(p.run, "instances/i-alone")
	saved := filepath.Join(p.run, "saved")
	if err := os.Rename(dir, saved); err != nil { // so that this engine's look is not seen
		t.Fatal(err)
	}
	if err := os.Symlink(saved, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := sb.Exec(limit(t), sandbox.ExecSpec{Args: []string{"/bin/sh", "-c", "kill -INT 1"}}); err != nil && !errors.Is(err, sandbox.ErrNotRunning) {
		t.Fatal(err)
	}
	await(t, sb)
	reap(sb.Pid())
	if err := os.Rename(saved, dir); err != nil {
		t.Fatal(err)
	}
	late, err := p.Adopt(limit(t), "i-alone")
	if err != nil {
		t.Fatal(err)
	}
	if exit := await(t, late); exit.Cause != sandbox.Reboot {
		t.Errorf("exit %+v", exit)
	}
	if err := late.Kill(); err != nil {
		t.Error(err)
	}
}

func TestConsoleIsBounded(t *testing.T) {
	p := newPlace(t)
	log := filepath.Join(p.data, "console")
	if text, err := sandbox.Console(log); err != nil || len(text) != 0 {
		t.Errorf("no console yet: %q, %v", text, err)
	}
	sb := p.boot(t, sandbox.Spec{ConsoleLog: log})
	sh(t, sb, "yes 0123456789abcdef | head -c 1000000 > /dev/console; echo the end > /dev/console")
	if err := sb.Shutdown(limit(t), time.Second); err != nil {
		t.Fatal(err)
	}
	text, err := sandbox.Console(log)
	if err != nil || len(text) > 64<<10 || len(text) < 32<<10 || !bytes.Contains(text, []byte("the end\n")) {
		t.Errorf("%d bytes, %v, ends %q", len(text), err, text[max(0, len(text)-80):])
	}
	if info, err := os.Stat(log); err != nil || info.Size() > 128<<10 {
		t.Errorf("the file has %d bytes (%v)", info.Size(), err)
	}
}

func TestProcessLimit(t *testing.T) {
	sb := newPlace(t).boot(t, sandbox.Spec{PIDs: 40})
	text, code := output(t, sb, "localvpc", "probe", "threads", "100")
	if code == 0 || !strings.Contains(text, "temporarily unavailable") {
		t.Errorf("100 processes: %d %q", code, text)
	}
}

func TestBadSpecs(t *testing.T) {
	p := newPlace(t)
	plain := filepath.Join(p.data, "plain")
	if err := os.Mkdir(plain, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		spec sandbox.Spec
		want string
	}{
		{"no id", sandbox.Spec{}, "not an instance id"},
		{"id with a path", sandbox.Spec{ID: "../x"}, "not an instance id"},
		{"id with an option", sandbox.Spec{ID: "-x"}, "not an instance id"},
		{"host root as image", sandbox.Spec{ID: "i-a", Image: sandbox.Image{Base: []string{"/"}}}, "contains"},
		{"image around the data", sandbox.Spec{ID: "i-a", Image: sandbox.Image{Base: []string{filepath.Dir(p.data)}}}, "contains"},
		{"relative image", sandbox.Spec{ID: "i-a", Image: sandbox.Image{Base: []string{"x"}}}, "absolute"},
		{"missing image", sandbox.Spec{ID: "i-a", Image: sandbox.Image{Base: []string{"/nonexistent"}}}, "not the absolute path of a directory"},
		{"layer that is none", sandbox.Spec{ID: "i-a", Image: sandbox.Image{Layers: []string{plain}}}, "not a layer"},
		{"hostname too long", sandbox.Spec{ID: "i-a", Hostname: strings.Repeat("x", 100)}, "host name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			sb, err := p.Create(test.spec)
			if err == nil {
				defer sb.Kill()
				err = sb.Boot(limit(t))
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
	if running, _ := p.Running(); len(running) > 0 {
		t.Errorf("left: %v", running)
	}
}

// TestManyDescriptors: the numbers of descriptors that the engine happens to
// use do not matter to the child.
func TestManyDescriptors(t *testing.T) {
	p := newPlace(t)
	for i := range 120 {
		file, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if i%10 == 0 {
			p.boot(t, sandbox.Spec{ID: fmt.Sprintf("i-%d", i)})
		}
	}
}
