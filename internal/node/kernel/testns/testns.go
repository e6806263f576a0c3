//go:build linux

// Package testns runs a package's tests in network namespaces of their own.
//
// Invariant: a test that asks for namespaces either has them, in a private user,
// network and mount namespace in which it is root, or is skipped with the
// reason; it never sees the machine's network. As root the tests run twice:
// as root, and as an ordinary user.
package testns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// The environment of a run: unset in the first process.
const (
	variable = "LOCALVPC_TESTNS"
	asUser   = "user"    // become an ordinary user's namespace
	inside   = "inside:" // in namespaces; the mode follows
	refused  = "refused:"
)

const nobody = 65534

// Main is for TestMain: os.Exit(testns.Main(m)).
func Main(m *testing.M) int {
	value := os.Getenv(variable)
	if value == "" && slices.ContainsFunc(os.Args, func(arg string) bool { return strings.HasPrefix(arg, "-test.fuzz") }) {
		// Fuzzing begins workers by the binary's path, which is not to be seen inside.
		os.Setenv(variable, refused+"this is fuzzing")
		return m.Run()
	}
	if len(value) > 0 && value != asUser {
		if mode, ok := cut(value, inside); ok {
			if err := settle(); err != nil {
				fmt.Fprintln(os.Stderr, "testns: as", mode+":", err)
				return 1
			}
		}
		return m.Run()
	}
	if os.Getuid() == 0 && value == "" {
		code := again("root", inside+"root", &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS})
		user := again("user", asUser, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}})
		return max(code, user)
	}
	uid, gid := os.Getuid(), os.Getgid()
	return again("user", inside+"user", &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}},
	})
}

// Need skips the test where namespaces are not permitted.
func Need(t testing.TB) {
	t.Helper()
	value := os.Getenv(variable)
	if reason, ok := cut(value, refused); ok {
		t.Skip("network namespaces are not permitted here: " + reason)
	}
	if _, ok := cut(value, inside); !ok {
		t.Fatal("TestMain of this package does not call testns.Main")
	}
}

// Mode is "root" or "user": as whom the tests run.
func Mode() string {
	mode, _ := cut(os.Getenv(variable), inside)
	return mode
}

// Dir makes an empty directory on a tmpfs, fit for pinning namespaces.
func Dir(t testing.TB) string {
	t.Helper()
	Need(t)
	dir, err := os.MkdirTemp("/tmp", "run")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// settle makes mounts private and /tmp a fresh tmpfs.
func settle() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := syscall.Mount("tmpfs", "/tmp", "tmpfs", 0, "mode=0700"); err != nil {
		return fmt.Errorf("mounting a tmpfs: %w", err)
	}
	os.Setenv("TMPDIR", "/tmp")
	return nil
}

// again runs this test binary once more with other namespaces or another user,
// or, where that is refused, without, so that tests can say so.
func again(name, value string, attr *syscall.SysProcAttr) int {
	attr.Pdeathsig = syscall.SIGKILL
	err := run(value, attr)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		err = run(refused+name+": "+err.Error(), nil)
	}
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testns:", err)
		return 1
	}
	return 0
}

func run(value string, attr *syscall.SysProcAttr) error {
	cmd := exec.Command("/proc/self/exe", Args()...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), variable+"="+value)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = attr
	return cmd.Run()
}

// Args are the arguments for this test binary run once more: without the file that the
// go command keeps for its cache, which neither another user nor other mounts can open.
func Args() []string {
	return slices.DeleteFunc(slices.Clone(os.Args[1:]), func(arg string) bool { return strings.HasPrefix(arg, "-test.testlogfile") })
}

func cut(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && s[:len(prefix)] == prefix {
		return s[len(prefix):], true
	}
	return "", false
}
