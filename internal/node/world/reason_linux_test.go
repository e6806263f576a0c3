package world

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestExplain(t *testing.T) {
	ordinary := facts{userns: true, clone: "1", maxUser: "100", apparmor: "0"}
	with := func(edit func(*facts)) facts {
		f := ordinary
		edit(&f)
		return f
	}
	for _, c := range []struct {
		name  string
		step  string
		errno error
		facts facts
		want  []string
	}{
		{"Debian's switch", stepClone, unix.EPERM, with(func(f *facts) { f.clone = "0" }), []string{"sysctl kernel.unprivileged_userns_clone=1", "--no-packets"}},
		{"no user namespaces", stepClone, unix.ENOSPC, with(func(f *facts) { f.maxUser = "0" }), []string{"sysctl user.max_user_namespaces=15000"}},
		{"no network namespaces for root", stepClone, unix.ENOSPC, facts{root: true, exhausted: "user/max_net_namespaces"}, []string{"sysctl user.max_net_namespaces=15000"}},
		{"too many", stepClone, unix.ENOSPC, ordinary, []string{"too many namespaces"}},
		{"Ubuntu's AppArmor, refused when used", stepPrivate, unix.EACCES, with(func(f *facts) { f.apparmor = "1" }), []string{"making mounts private: permission denied", "kernel.apparmor_restrict_unprivileged_userns=0", "profile"}},
		{"masked proc", stepProc, unix.EPERM, facts{userns: true, container: true}, []string{"mounting /proc", "systempaths=unconfined", "--no-packets"}},
		{"container", stepClone, unix.EPERM, facts{root: true, userns: true, container: true, seccomp: true}, []string{"docker run --privileged", "seccomp=unconfined"}},
		{"filter", stepClone, unix.EPERM, with(func(f *facts) { f.seccomp = true }), []string{"filter of system calls"}},
		{"weak root", stepClone, unix.EPERM, facts{root: true, userns: true}, []string{"root lacks CAP_SYS_ADMIN"}},
		{"old kernel", stepClone, unix.EINVAL, ordinary, []string{"CONFIG_USER_NS"}},
		{"unknown", stepClone, unix.EPERM, ordinary, []string{"run as root"}},
		{"run directory", stepRun, unix.ENOENT, ordinary, []string{"mounting the run directory: no such file or directory"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := explain(&stepError{c.step, c.errno}, c.facts)
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("%q does not say %q", got, want)
				}
			}
			if strings.Contains(got, "\n") {
				t.Errorf("%q has more than one line", got)
			}
		})
	}
}

func TestDenied(t *testing.T) {
	if err := denied(unix.EPERM, true); !errors.Is(err, ErrNotPermitted) {
		t.Errorf("%v is not ErrNotPermitted", err)
	}
	if err := denied(unix.EAGAIN, true); errors.Is(err, ErrNotPermitted) || !errors.Is(err, unix.EAGAIN) {
		t.Errorf("%v: no namespaces for now is not: never", err)
	}
}

func TestChooseRunDir(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"dev/shm/data", "media", "real"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("real", filepath.Join(root, "mnt")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, keep, want string }{
		{"nothing to keep", "/home/u", "dev/shm"},
		{"a name that begins alike", "dev/shmoo", "dev/shm"},
		{"data in shared memory, and mnt is a link", "dev/shm/data", "media"},
		{"shared memory itself", "dev/shm", "media"},
	} {
		t.Run(c.name, func(t *testing.T) {
			keep := c.keep
			if !filepath.IsAbs(keep) {
				keep = filepath.Join(root, keep)
			}
			got, err := chooseRunDir(root, []string{keep})
			if want := filepath.Join(root, c.want); err != nil || got != want {
				t.Errorf("%s, %v, want %s", got, err, want)
			}
		})
	}
	_, err := chooseRunDir(root, []string{filepath.Join(root, "dev/shm/data"), filepath.Join(root, "media/x")})
	if err == nil || !strings.Contains(err.Error(), "/srv is free") {
		t.Errorf("nothing is free: %v", err)
	}
}

func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"dns:vpc-0a1b": true, "x": true, "a/b,c=d": true, strings.Repeat("x", 255): true,
		"": false, "two words": false, "line\n": false, "nul\x00": false, "é": false, strings.Repeat("x", 256): false,
	} {
		if err := checkName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestStore(t *testing.T) {
	open := func() int {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	isOpen := func(fd int) bool {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		return err == nil
	}
	s := newStore()
	s.max = 2
	a, b, again, third := open(), open(), open(), open()
	for _, err := range []error{s.put("a", a), s.put("b", b), s.put("b", again)} {
		if err != nil {
			t.Error(err)
		}
	}
	if err := s.put("c", third); err == nil {
		t.Error("a third name was kept")
	}
	if got := strings.Join(s.names(), " "); got != "a b" {
		t.Errorf("names %q", got)
	}
	if isOpen(b) || isOpen(third) || !isOpen(a) || !isOpen(again) {
		t.Error("what is kept is not what is open")
	}
	s.remove("a")
	s.remove("never")
	if isOpen(a) {
		t.Error("what was removed is open")
	}
	if _, err := s.own("d", open()); err == nil {
		t.Error("a file is owned")
	}
	dir, err := unix.Open(t.TempDir(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.own("d", dir); err != nil || len(s.owned) != 1 {
		t.Errorf("owned %v, %v", s.owned, err)
	}
	if err := s.put("d", open()); err != nil || len(s.owned) != 0 || isOpen(dir) {
		t.Errorf("replaced by what is not owned: %v, %v", s.owned, err)
	}
}

func TestReceive(t *testing.T) {
	a, b, err := pair()
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{sock: b}
	if _, _, _, err := r.next(unix.MSG_DONTWAIT); err != unix.EAGAIN {
		t.Errorf("nothing was sent: %v", err)
	}
	if err := send(a, verbStore, "a name", 0, 0); err != nil {
		t.Fatal(err)
	}
	verb, arg, fd, err := r.next(0)
	if verb != verbStore || arg != "a name" || fd < 0 || err != nil {
		t.Errorf("%q %q %d %v", verb, arg, fd, err)
	}
	unix.Close(fd)
	for _, text := range []string{"", "lower", "\x00", strings.Repeat("A", maxMessage+1)} {
		if err := unix.Sendmsg(a, []byte(text), nil, nil, 0); err != nil {
			t.Fatal(err)
		}
		if _, _, fd, err := r.next(0); !errors.Is(err, errGarbage) || fd != -1 {
			t.Errorf("%.10q: %v", text, err)
		}
	}
	send(b, verbOwn, "never read", -1, 0)
	send(a, verbReady, strings.Repeat("x", 2*maxMessage), -1, 0)
	unix.Close(a)
	if verb, arg, _, err := r.next(0); verb != verbReady || len(arg) != maxMessage-len(verbReady)-1 || err != nil {
		t.Errorf("what was sent before the end: %q, %d bytes, %v", verb, len(arg), err)
	}
	if _, _, _, err := r.next(0); err == nil || errors.Is(err, errGarbage) {
		t.Errorf("the end: %v", err)
	}
	unix.Close(b)
}

func TestProbe(t *testing.T) {
	if err := Probe(); err != nil {
		if !errors.Is(err, ErrNotPermitted) {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// TestRefused lets the kernel refuse: a user namespace may not have namespaces
// of its own.
func TestRefused(t *testing.T) {
	needWorld(t)
	out := refusedProbe(t)
	if !strings.Contains(out, "namespaces are not permitted") || !strings.Contains(out, "sysctl user.max_") || !strings.Contains(out, "--no-packets") {
		t.Errorf("the reason: %s", out)
	}
}
