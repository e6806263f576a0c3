//go:build linux

package sandbox_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox"
)

// probe is what tests run inside instances, where this binary is
// /usr/bin/localvpc: system calls that no common program makes. It exits 0 if
// the call succeeded.
func probe(args []string) int {
	err := fmt.Errorf("no probe %q", args)
	switch args[0] {
	case "ptrace":
		pid, _ := strconv.Atoi(args[1])
		err = unix.PtraceSeize(pid)
	case "peek": // another process's memory
		pid, _ := strconv.Atoi(args[1])
		var b [1]byte
		local := unix.Iovec{Base: &b[0]}
		local.SetLen(1)
		_, err = unix.ProcessVMReadv(pid, []unix.Iovec{local}, []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&b[0])), Len: 1}}, 0)
	case "getfd": // another process's descriptor
		pid, _ := strconv.Atoi(args[1])
		var pidfd int
		if pidfd, err = unix.PidfdOpen(pid, 0); err == nil {
			_, err = unix.PidfdGetfd(pidfd, 5, 0)
		}
	case "key": // of the session that localvpc was started in, or one of our own
		if _, err = unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", "localvpc-test", 0); err != nil {
			_, err = unix.AddKey("user", "localvpc-mine", []byte("x"), unix.KEY_SPEC_SESSION_KEYRING)
		}
	case "abstract":
		_, err = net.Dial("unix", "@"+args[1])
	case "mknod":
		dev, _ := strconv.Atoi(args[2])
		err = unix.Mknod(args[1], unix.S_IFBLK|0o600, dev)
	case "remount": // writable
		err = unix.Mount("", args[1], "", unix.MS_REMOUNT|unix.MS_BIND, "")
	case "reboot":
		how := unix.LINUX_REBOOT_CMD_RESTART
		if args[1] == "poweroff" {
			how = unix.LINUX_REBOOT_CMD_POWER_OFF
		}
		err = unix.Reboot(how)
	case "handle": // opening by file handle reaches around mounts
		var handle unix.FileHandle
		var mount int
		if handle, mount, err = unix.NameToHandleAt(unix.AT_FDCWD, args[1], 0); err == nil {
			_ = mount
			_, err = unix.OpenByHandleAt(unix.AT_FDCWD, handle, unix.O_RDONLY)
		}
	case "hold": // print ready, then wait for a signal and print it
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, unix.SIGTERM, unix.SIGUSR1, unix.SIGWINCH, unix.SIGHUP)
		fmt.Println("ready")
		fmt.Println("got", <-signals)
		return 0
	case "stubborn": // print ready and survive what can be survived
		signal.Ignore(unix.SIGTERM, unix.SIGHUP, unix.SIGINT)
		fmt.Println("ready")
		select {}
	case "tty":
		size, sizeErr := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
		if err = sizeErr; err == nil {
			name, _ := os.Readlink("/proc/self/fd/0")
			fmt.Println(name, size.Row, size.Col)
			signals := make(chan os.Signal, 1)
			signal.Notify(signals, unix.SIGWINCH)
			fmt.Println("ready")
			<-signals
			size, err = unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
			fmt.Println(size.Row, size.Col)
		}
	case "mute": // a listener that never answers
		if _, err = net.Listen("tcp", args[1]); err == nil {
			fmt.Println("ready")
			select {}
		}
	case "threads": // more processes than allowed
		n, _ := strconv.Atoi(args[1])
		for range n {
			if _, err = syscall.ForkExec("/bin/sleep", []string{"sleep", "1000"}, &syscall.ProcAttr{Env: os.Environ()}); err != nil {
				break
			}
		}
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// engine creates an instance and goes, as one that is killed: init stays.
// Arguments: run directory, data directory, id, "boot" or "create".
func engine(args []string) int {
	h, err := sandbox.New(sandbox.Config{RunDir: args[0], DataDir: args[1], Rootful: rootful()})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	sb, err := h.Create(sandbox.Spec{ID: args[2], ConsoleLog: args[1] + "/console"})
	if err == nil && args[3] == "boot" {
		err = sb.Boot(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
