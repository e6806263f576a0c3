//go:build linux

package sandbox_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox"
)

// TestEscape is an instance's root trying to see or touch what is not its own.
func TestEscape(t *testing.T) {
	p := newPlace(t)
	// Things of the host that exist while the instance runs.
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("host"), 0o644); err != nil {
		t.Fatal(err)
	}
	abstract, err := net.Listen("unix", "@localvpc-test-world")
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	if _, err := unix.AddKey("user", "localvpc-test", []byte("secret"), unix.KEY_SPEC_SESSION_KEYRING); err != nil {
		t.Log("no keys here:", err)
	}
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil {
		t.Fatal(err)
	}
	other := p.boot(t, sandbox.Spec{ID: "i-other"})
	sh(t, other, "echo mine > /other-was-here; echo mine > /usr/other-was-here; echo mine > /tmp/other-was-here")
	sb := p.boot(t, sandbox.Spec{ID: "i-one"})

	// Every script has to fail or print nothing.
	for _, try := range []struct{ name, script string }{
		{"host's temporary directory", "ls -d " + filepath.Dir(secret)},
		{"data directory", "ls -d " + p.data},
		{"run directory", "ls -d " + p.run},
		{"control socket by name", "find / -xdev -name control -type s 2>/dev/null | grep ."},
		{"control socket by descriptor", "ls -l /proc/1/fd"},
		{"init's root", "ls /proc/1/root/"},
		{"init's directory", "ls /proc/1/cwd/"},
		{"init's program", "cat /proc/1/exe > /dev/null"},
		{"init's memory", "cat /proc/1/mem"},
		{"init's memory by system call", "localvpc probe peek 1"},
		{"init's environment", "cat /proc/1/environ"},
		{"init's descriptors by system call", "localvpc probe getfd 1"},
		{"tracing init", "localvpc probe ptrace 1"},
		{"foreign top-level directories", "ls / | grep -vxE 'bin|boot|dev|etc|home|lib|lib32|lib64|libx32|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var'"},
		{"home directories", "ls -A /root /home /mnt /media /srv /boot | grep -v : | grep ."},
		{"password hashes", "cut -d: -f2 /etc/shadow | grep -vxF -e '*' -e '!'"},
		{"people", "awk -F: '$3>=1000 && $3!=65534' /etc/passwd | grep ."},
		{"host keys", "ls /etc/ssh/ssh_host_* | grep ."},
		{"host's disk table", "grep . /etc/fstab"},
		{"core pattern", "echo '|/bin/sh' > /proc/sys/kernel/core_pattern"},
		{"core pattern by a new /proc", "mkdir -p /tmp/p && mount -t proc proc /tmp/p && echo '|/bin/sh' > /tmp/p/sys/kernel/core_pattern"},
		{"modprobe path", "echo /tmp/x > /proc/sys/kernel/modprobe"},
		{"uevent helper", "mount -o remount,rw /sys; echo /tmp/x > /sys/kernel/uevent_helper"},
		{"sysrq", "echo b > /proc/sysrq-trigger"},
		{"kernel memory", "head -c1 /proc/kcore"},
		{"kernel log", "head -c1 /dev/kmsg"},
		{"device node in /tmp", fmt.Sprintf("localvpc probe mknod /tmp/disk %d", unix.Mkdev(254, 0))},
		{"device node in /dev", fmt.Sprintf("localvpc probe mknod /dev/disk %d", unix.Mkdev(254, 0))},
		{"mounting a disk", "for d in /dev/vda /dev/sda /dev/nvme0n1p1; do mount $d /mnt && exit 0; done; exit 1"},
		{"mounting devtmpfs", "mount -t devtmpfs dev /mnt"},
		{"the host's file system by an overlay's root", "localvpc probe handle /etc/passwd"},
		{"unmounting a tree", "umount /usr || umount -l /usr"},
		{"unmounting a device", "umount -l /usr/bin/localvpc"},
		{"writing the program", "echo x > /usr/bin/localvpc"},
		{"remounting the program", "localvpc probe remount /usr/bin/localvpc && echo x >> /usr/bin/localvpc"},
		{"setting the clock", "date -s 2001-01-01"},
		{"abstract socket of the world", "localvpc probe abstract localvpc-test-world"},
		{"processes outside", "cat /proc/[0-9]*/comm | grep -vxE 'localvpc-init|cat|grep|sh'"},
		{"keys of the session", "localvpc probe key"},
		{"descriptors of init in a command", "ls -l /proc/self/fd/ | grep -vE '(pipe:|/dev/null|/proc/[0-9]+/fd|^total)'"},
		{"raising the limit of files", "echo 99999999 > /proc/sys/fs/file-max"},
		{"dmesg", "dmesg | grep ."},
		{"joining another namespace", "nsenter -t 1 -m true"},
		{"lower layers in the mount table", "grep -E '" + p.data + "|" + p.run + "' /proc/self/mountinfo"},
		{"another instance's files", "ls /other-was-here /usr/other-was-here /tmp/other-was-here 2>/dev/null | grep ."},
	} {
		t.Run(try.name, func(t *testing.T) {
			text, code := output(t, sb, "/bin/sh", "-c", "("+try.script+") 2>/dev/null")
			if code == 0 {
				t.Errorf("%s succeeded: %q", try.script, text)
			}
		})
	}
	if after, _ := os.ReadFile("/proc/sys/kernel/core_pattern"); string(after) != string(pattern) {
		os.WriteFile("/proc/sys/kernel/core_pattern", pattern, 0o644)
		t.Error("core_pattern was changed")
	}
	// All signals to everything: the outside and the neighbour live on.
	sh(t, sb, "kill -9 -1 2>/dev/null; true")
	if got := sh(t, other, "cat /other-was-here"); got != "mine" {
		t.Errorf("the other instance's file is %q", got)
	}
}

// TestOutside looks from outside at what an instance is made of.
func TestOutside(t *testing.T) {
	p := newPlace(t)
	before := mounts(t)
	sb := p.boot(t, sandbox.Spec{})
	text := sh(t, sb, "id -u; cat /proc/self/uid_map; touch /tmp/x; stat -c %u /tmp/x")
	lines := strings.Split(text, "\n")
	if lines[0] != "0" || lines[2] != "0" {
		t.Errorf("inside: %q", text)
	}
	want := os.Getuid()
	if rootful() {
		want = 0x20000000
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(p.data, "instances", sb.ID(), "upper/root/tmp/x"), &st); err != nil || int(st.Uid) != want {
		t.Errorf("a file of root inside belongs to %d outside, want %d (%v)", st.Uid, want, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", sb.Pid()))
	if err != nil || !strings.Contains(string(status), fmt.Sprintf("Uid:\t%d\t%d", want, want)) {
		t.Errorf("init does not run as %d: %v\n%s", want, err, status)
	}
	if dir, err := os.Stat(filepath.Join(p.data, "instances")); err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("disks are open to others: %v %v", dir.Mode(), err)
	}
	for _, name := range []string{"user", "net", "mnt", "pid", "uts", "ipc", "cgroup"} {
		inside, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", sb.Pid(), name))
		own, _ := os.Readlink("/proc/self/ns/" + name)
		if inside == "" || inside == own {
			t.Errorf("%s namespace %q is the world's", name, inside)
		}
	}
	during := mounts(t)
	if err := sb.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(p.run, "instances", sb.ID())); err == nil {
		t.Error("the run directory is left")
	}
	if err := p.Destroy(sb.ID()); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(filepath.Join(p.data, "instances")); len(left) > 0 {
		t.Errorf("left on disk: %v", left)
	}
	// What is mounted in the world is the ground, which all instances share.
	for _, mount := range during {
		if strings.Contains(mount, "/instances/") {
			t.Errorf("mounted in the world: %s", mount)
		}
	}
	if after := mounts(t); len(after) != len(during) || len(before) > len(after) {
		t.Errorf("mounts before %d, during %d, after %d", len(before), len(during), len(after))
	}
}

func mounts(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}
