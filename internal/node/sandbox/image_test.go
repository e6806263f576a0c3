//go:build linux

package sandbox_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox"
)

// TestCapture makes an image of a running instance and boots another from it,
// and a third from an image of that one.
func TestCapture(t *testing.T) {
	p := newPlace(t)
	console := filepath.Join(p.data, "console")
	script := "#!/bin/sh\necho booted >> /root/boots\n"
	first := p.boot(t, sandbox.Spec{ID: "i-first", UserData: []byte(script), ConsoleLog: console})
	awaitConsole(t, console, "boot finished")
	sh(t, first, `echo one > /srv/data; ln /srv/data /srv/again; ln -s data /srv/link; mkfifo /srv/pipe; mkdir -m 1777 /srv/sticky
		rm -r /etc/skel /usr/local/etc; echo tool > /usr/local/bin/tool; chmod 4755 /usr/local/bin/tool; touch -d @1000000000 /srv/data
		head -c 300000 /dev/zero > /srv/large`)
	image, err := p.Capture("i-first", filepath.Join(p.data, "images/one"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Capture("i-first", filepath.Join(p.data, "images/one")); !errors.Is(err, os.ErrExist) {
		t.Errorf("capturing over an image: %v", err)
	}
	sh(t, first, "echo later > /srv/later; echo changed > /srv/data")

	second := p.boot(t, sandbox.Spec{ID: "i-second", Image: image, UserData: []byte(script), ConsoleLog: console + "2"})
	awaitConsole(t, console+"2", "boot finished")
	check := `cat /srv/data; test /srv/data -ef /srv/again && echo linked; readlink /srv/link; test -p /srv/pipe && echo fifo; stat -c %a /srv/sticky /usr/local/bin/tool
		ls -d /etc/skel /usr/local/etc /srv/later 2>/dev/null; stat -c %Y /srv/data; stat -c %s /srv/large; cat /root/boots`
	want := "one\nlinked\ndata\nfifo\n1777\n4755\n1000000000\n300000\nbooted\nbooted"
	if got := sh(t, second, check); got != want {
		t.Errorf("second: %q, want %q", got, want)
	}
	sh(t, second, "rm /srv/link; echo two > /srv/two")
	if err := second.Shutdown(limit(t), time.Second); err != nil {
		t.Fatal(err)
	}
	image, err = p.Capture("i-second", filepath.Join(p.data, "images/two"))
	if err != nil {
		t.Fatal(err)
	}
	if len(image.Layers) != 2 {
		t.Fatalf("layers %v", image.Layers)
	}
	third := p.boot(t, sandbox.Spec{ID: "i-third", Image: image})
	if got := sh(t, third, "cat /srv/data /srv/two; ls /srv/link 2>/dev/null; cat /usr/local/bin/tool"); got != "one\ntwo\ntool" {
		t.Errorf("third: %q", got)
	}
	if got := sh(t, first, "cat /srv/data"); got != "changed" {
		t.Errorf("the first instance's disk was touched: %q", got)
	}
	if _, err := p.Capture("i-none", filepath.Join(p.data, "images/none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("capturing nothing: %v", err)
	}
}

// TestCaptureWhileHostile captures while the instance exchanges directories for
// links to the host's.
func TestCaptureWhileHostile(t *testing.T) {
	p := newPlace(t)
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.MkdirAll(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("host"), 0o644); err != nil {
		t.Fatal(err)
	}
	sb := p.boot(t, sandbox.Spec{ID: "i-hostile"})
	script := fmt.Sprintf(`mkdir -p /srv/a; echo ready; i=0; while :; do
		mkdir /srv/d; echo x > /srv/d/secret; mv /srv/d /srv/e; ln -s %s /srv/d; rm -rf /srv/d /srv/e; mkfifo /srv/f; rm /srv/f; done`, outside)
	follow(t, sb, "/bin/sh", "-c", script)
	for i := range 20 {
		dir := filepath.Join(p.data, "images", fmt.Sprint(i))
		if _, err := p.Capture("i-hostile", dir); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"root/srv/d/secret", "root/srv/e/secret"} {
			if text, err := os.ReadFile(filepath.Join(dir, path)); err == nil && string(text) == "host" {
				if info, err := os.Lstat(filepath.Join(dir, filepath.Dir(path))); err == nil && info.IsDir() {
					t.Fatal("a host's file was captured")
				}
			}
		}
	}
}

// plainRoot makes a root directory of its own: sh, ls, cat and what they need.
func plainRoot(t *testing.T, dir string) {
	t.Helper()
	paths := map[string]bool{}
	for _, name := range []string{"sh", "ls", "cat", "id"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skipf("%s is not installed", name)
		}
		paths[path] = true
		out, err := exec.Command("ldd", path).Output()
		if err != nil {
			t.Skipf("ldd is not installed or does not know %s", path)
		}
		for _, library := range regexp.MustCompile(`/\S+`).FindAllString(string(out), -1) {
			paths[library] = true
		}
	}
	for path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, path), string(text), 0o755)
		if strings.HasPrefix(path, "/usr/bin/") {
			write(t, filepath.Join(dir, path[4:]), string(text), 0o755)
		}
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestPlainImage(t *testing.T) {
	p := newPlace(t)
	base := filepath.Join(t.TempDir(), "image")
	plainRoot(t, base)
	write(t, filepath.Join(base, "etc/name"), "plain", 0o644)
	if rootful() { // nothing may come of a device in an image
		if err := unix.Mknod(filepath.Join(base, "etc/zero"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))); err != nil {
			t.Fatal(err)
		}
	}
	image := sandbox.Image{Base: []string{base}}
	sb := p.boot(t, sandbox.Spec{ID: "i-plain", Image: image, Hostname: "plain"})
	got := sh(t, sb, "cat /etc/name; echo; cat /etc/hostname; echo changed > /etc/name; id -u; ls /")
	if want := "plain\nplain\n0\n"; !strings.HasPrefix(got, want) || strings.Contains(got, "opt") {
		t.Errorf("%q", got)
	}
	if rootful() {
		if text, code := output(t, sb, "/bin/sh", "-c", "cat < /etc/zero"); code == 0 {
			t.Errorf("a device of the image opened: %q", text)
		}
	}
	if text, _ := os.ReadFile(filepath.Join(base, "etc/name")); string(text) != "plain" {
		t.Errorf("the image was changed: %q", text)
	}
	layer, err := p.Capture("i-plain", filepath.Join(p.data, "images/plain"))
	if err != nil {
		t.Fatal(err)
	}
	second := p.boot(t, sandbox.Spec{ID: "i-again", Image: layer})
	if got := sh(t, second, "cat /etc/name"); got != "changed" {
		t.Errorf("%q", got)
	}
}

// TestHidden runs instances on a host's root made for the test, with people's
// homes and keys in many places.
func TestHidden(t *testing.T) {
	dir := t.TempDir()
	host := filepath.Join(dir, "host")
	plainRoot(t, host)
	for path, mode := range map[string]os.FileMode{
		"root/.ssh/id": 0o600, "home/alice/notes": 0o644, "opt/bob/notes": 0o644, "usr/people/carol/notes": 0o644, "work/project": 0o644,
		"data/x": 0o644, "boot/vmlinuz": 0o644, "srv/www": 0o644, "mnt/usb": 0o644, "media/cd": 0o644, "tmp/scratch": 0o644, "var/tmp/scratch": 0o644,
		"run/secrets": 0o644, "var/lib/app/db": 0o644, "var/log/syslog": 0o644, "var/mail/alice": 0o644, "var/www/index": 0o644,
		"etc/ssh/ssh_host_rsa_key": 0o600, "etc/ssh/ssh_host_rsa_key.pub": 0o644, "etc/ssl/private/key": 0o644, "etc/secret": 0o640, "etc/wireguard/wg0.conf": 0o644,
		"opt/tool/tool": 0o755, "opt/tool/secret": 0o600, "usr/share/doc/file": 0o644, "usr/lib/localvpc-data/x": 0o644, "etc/config": 0o644, "etc/rc.local": 0o755, "etc/extra/hidden": 0o644,
	} {
		write(t, filepath.Join(host, path), "text of "+path, mode)
	}
	os.Chmod(filepath.Join(host, "etc/ssl/private"), 0o700)
	write(t, filepath.Join(host, "etc/passwd"), "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/bin/false\nalice:x:1000:1000::/home/alice:/bin/sh\n"+
		"bob:x:1001:1001::/opt/bob:/bin/sh\ncarol:x:1002:1002::/usr/people/carol:/bin/sh\ndave:x:1003:1003::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\nbroken\n", 0o644)
	write(t, filepath.Join(host, "etc/group"), "root:x:0:\nsudo:x:27:alice,daemon\nalice:x:1000:\nshadow:x:42:\n", 0o644)
	write(t, filepath.Join(host, "etc/shadow"), "root:$6$hash:1::::::\nalice:$6$hash:1::::::\n", 0o640)
	write(t, filepath.Join(host, "etc/fstab"), "/dev/vda / ext4 defaults 0 0\n", 0o644)
	p := newPlace(t, func(cfg *sandbox.Config) {
		cfg.HostRoot = host
		cfg.Hide = []string{filepath.Join(host, "usr/lib/localvpc-data"), filepath.Join(host, "etc/extra")}
	})
	sb := p.boot(t, sandbox.Spec{})
	for _, path := range []string{
		"/root/.ssh", "/home/alice", "/opt/bob", "/usr/people/carol", "/work", "/data", "/boot/vmlinuz", "/srv/www", "/mnt/usb", "/media/cd", "/tmp/scratch",
		"/var/tmp/scratch", "/run/secrets", "/var/lib/app/db", "/var/log/syslog", "/var/mail/alice", "/var/www", "/etc/ssh/ssh_host_rsa_key",
		"/etc/ssh/ssh_host_rsa_key.pub", "/etc/ssl/private", "/etc/secret", "/etc/wireguard", "/usr/lib/localvpc-data", "/etc/extra", "/etc/rc.local",
	} {
		if text, code := output(t, sb, "ls", "-d", path); code == 0 {
			t.Errorf("%s is visible: %s", path, text)
		}
	}
	for path, want := range map[string]string{
		"/opt/tool/tool": "text of opt/tool/tool", "/usr/share/doc/file": "text of usr/share/doc/file", "/etc/config": "text of etc/config",
		"/etc/passwd": "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/bin/false\nnobody:x:65534:65534::/:/bin/false",
		"/etc/group":  "root:x:0:\nsudo:x:27:daemon\nshadow:x:42:",
		"/etc/shadow": "root:*::0:99999:7:::\ndaemon:*::0:99999:7:::\nnobody:*::0:99999:7:::", "/etc/fstab": "",
	} {
		if got := sh(t, sb, "cat "+path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if rootful() { // only its owner on the host may read it
		if text, code := output(t, sb, "cat", "/opt/tool/secret"); code == 0 {
			t.Errorf("a secret in opt: %s", text)
		}
	}
	sh(t, sb, "ls -d /var/lib/app /usr/people; echo new > /usr/people/carol; echo new > /opt/tool2; echo new > /usr/bin/new")
	if text, err := os.ReadFile(filepath.Join(host, "usr/people/carol/notes")); err != nil || string(text) != "text of usr/people/carol/notes" {
		t.Errorf("the host's file: %q, %v", text, err)
	}
}

// TestWithoutIDMap: as root, on a file system that refuses idmapped mounts,
// instances run with what is theirs and cannot touch the rest.
func TestWithoutIDMap(t *testing.T) {
	if !rootful() {
		return // has no idmapped mounts anyway: all other tests are run that way
	}
	dir := t.TempDir()
	host := filepath.Join(dir, "host")
	plainRoot(t, host)
	write(t, filepath.Join(host, "usr/share/file"), "of the host", 0o644)
	write(t, filepath.Join(host, "usr/share/secret"), "of root", 0o600)
	merged := filepath.Join(dir, "merged")
	for _, sub := range []string{"merged", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("overlay", merged, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", host, dir, dir)); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(merged, unix.MNT_DETACH)
	p := newPlace(t, func(cfg *sandbox.Config) { cfg.HostRoot = merged })
	status, err := p.Status()
	if err != nil || status.IDMapped || len(status.Notes) != 1 {
		t.Fatalf("%+v, %v", status, err)
	}
	sb := p.boot(t, sandbox.Spec{})
	if got := sh(t, sb, "cat /usr/share/file; echo new > /usr/bin/new; cat /usr/bin/new; id -u"); got != "of the hostnew\n0" {
		t.Errorf("%q", got)
	}
	for _, script := range []string{"cat /usr/share/secret", "echo x > /usr/share/file"} {
		if text, code := output(t, sb, "/bin/sh", "-c", script); code == 0 {
			t.Errorf("%s: %q", script, text)
		}
	}
}

// awaitConsole waits until a line of the console contains want, by the change
// notifications of its file.
func awaitConsole(t testing.TB, path, want string) string {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_MODIFY); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	buf := make([]byte, 4096)
	for {
		text, err := sandbox.Console(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), want) {
			return string(text)
		}
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, _ := unix.Poll(poll, int(time.Until(deadline).Milliseconds())); n == 0 {
			t.Fatalf("no %q on the console:\n%s", want, text)
		}
		_, _ = unix.Read(fd, buf)
	}
}
