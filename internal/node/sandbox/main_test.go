//go:build linux

package sandbox_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/kernel/testns"
	"github.com/localvpc/localvpc/internal/node/sandbox/guest"
	"github.com/localvpc/localvpc/internal/node/sandbox/guest/tool"
)

// The tests run in worlds of their own: this binary starts itself again in new
// namespaces, once as root if it is root, once as an ordinary user in a user
// namespace. The environment says where in this a process stands.
const stage = "LOCALVPC_SANDBOX_TEST"

const (
	nobody     = 65534
	spaces     = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC
	notAllowed = 3 // exit status: namespaces are not permitted
)

func TestMain(m *testing.M) {
	if guest.IsInit() {
		guest.Run()
	}
	if len(os.Args) > 1 && os.Args[1] == "guest" {
		os.Exit(tool.Main(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == "probe" {
		os.Exit(probe(os.Args[2:]))
	}
	switch os.Getenv(stage) {
	case "":
		os.Exit(worlds())
	case "user": // an ordinary user; one step more to be root in a namespace
		os.Exit(again("rootless", nil, &syscall.SysProcAttr{
			Cloneflags:  spaces | syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
			Pdeathsig: syscall.SIGKILL,
		}))
	}
	if len(os.Args) > 1 && os.Args[1] == "engine" {
		os.Exit(engine(os.Args[2:]))
	}
	if err := furnish(); err != nil {
		fmt.Fprintln(os.Stderr, "making a world for tests:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// worlds runs the tests as everybody they can be run as.
func worlds() int {
	flag.Parse()
	if only := os.Getenv("LOCALVPC_SANDBOX_MODE"); only != "" && only != "rootful" && only != "rootless" {
		fmt.Fprintln(os.Stderr, "LOCALVPC_SANDBOX_MODE is rootful or rootless")
		return 2
	}
	want := func(mode string) bool {
		only := os.Getenv("LOCALVPC_SANDBOX_MODE")
		return only == "" || only == mode
	}
	code := 0
	if os.Getuid() == 0 && want("rootful") {
		code = again("rootful", nil, &syscall.SysProcAttr{Cloneflags: spaces, Pdeathsig: syscall.SIGKILL})
	}
	if code == 0 && want("rootless") {
		sys := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if os.Getuid() == 0 {
			sys.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		}
		code = again("user", nil, sys)
	}
	if code == notAllowed {
		fmt.Println("skipped: namespaces are not permitted here (user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns, seccomp of a container)")
		return 0
	}
	return code
}

// again runs this binary, by descriptor: its directory may be closed to others.
func again(next string, env []string, sys *syscall.SysProcAttr) int {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fd, err := unix.FcntlInt(self.Fd(), unix.F_DUPFD_CLOEXEC, 100)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cmd := exec.Command("/proc/self/fd/"+strconv.Itoa(fd), testns.Args()...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "HOME=") && !strings.HasPrefix(entry, stage+"=") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	cmd.Env = append(append(cmd.Env, stage+"="+next), env...)
	cmd.SysProcAttr = sys
	err = cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		fmt.Fprintf(os.Stderr, "starting tests as %s: %v\n", next, err)
		return notAllowed
	}
	return cmd.ProcessState.ExitCode()
}

// furnish makes this process's namespaces a world, as localvpc up does.
func furnish() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	return unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

func rootful() bool { return os.Getenv(stage) == "rootful" }
