//go:build linux

package guest

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox/control"
)

// defaultEnv is what a command starts with when the engine names nothing.
var defaultEnv = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/sh", "LANG=C.UTF-8",
	// AWS's programs in Python bring a bundle of their own, and look at no other unless they are told to.
	"AWS_CA_BUNDLE=" + bundle,
}

// talk answers one connection of the engine.
func (g *guest) talk(conn *control.Conn) {
	defer conn.Close()
	for {
		var request control.Request
		files, err := conn.Receive(&request)
		if err != nil {
			return
		}
		switch request.Op {
		case control.OpHello:
			err = g.hello(conn)
		case control.OpBoot:
			g.boot.Do(func() { go g.firstSteps() })
			err = conn.Send(control.Reply{Booted: true})
		case control.OpPause:
			g.procs.pause(request.Paused)
			err = conn.Send(control.Reply{})
		case control.OpRenew:
			reply := control.Reply{}
			if err := g.renew(request.ResolvConf); err != nil {
				reply.Error = err.Error()
			}
			err = conn.Send(reply)
		case control.OpShutdown:
			cause := control.CauseShutdown
			if request.Reboot {
				cause = control.CauseReboot
			}
			err = conn.Send(control.Reply{})
			go g.shutdown(cause, time.Duration(request.Grace)*time.Millisecond)
		case control.OpExec:
			g.exec(conn, &request, files)
			return
		default:
			err = conn.Send(control.Reply{Error: fmt.Sprintf("unknown request %q", request.Op)})
		}
		control.CloseAll(files)
		if err != nil {
			return
		}
	}
}

// hello hands the engine what it needs to know this instance again: a pidfd of
// init and the network namespace.
func (g *guest) hello(conn *control.Conn) error {
	pidfd, err := unix.PidfdOpen(1, 0)
	if err != nil {
		return conn.Send(control.Reply{Error: "opening a pidfd: " + err.Error()})
	}
	self := os.NewFile(uintptr(pidfd), "pidfd")
	defer self.Close()
	netns, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return conn.Send(control.Reply{Error: err.Error()})
	}
	defer netns.Close()
	return conn.Send(control.Reply{}, self, netns)
}

// exec runs one command for the engine and stays with it to its end: requests
// on the connection are signals, the end of the connection hangs up.
func (g *guest) exec(conn *control.Conn, request *control.Request, files []*os.File) {
	var pid int
	var status <-chan syscall.WaitStatus
	var terminal *os.File
	err := g.procs.refuses()
	if err == nil {
		pid, status, terminal, err = g.launch(request, files)
	}
	control.CloseAll(files)
	if err != nil {
		_ = conn.Send(control.Reply{Error: err.Error(), Kind: kindOf(err)})
		return
	}
	if terminal == nil {
		err = conn.Send(control.Reply{Pid: pid})
	} else {
		err = conn.Send(control.Reply{Pid: pid}, terminal)
		terminal.Close()
	}
	go func() {
		defer func() {
			g.procs.signal(pid, syscall.SIGHUP)
			g.procs.signal(pid, syscall.SIGCONT)
		}()
		for err == nil {
			var request control.Request
			files, err := conn.Receive(&request)
			if err != nil {
				return
			}
			control.CloseAll(files)
			if request.Op == control.OpSignal {
				g.procs.signal(pid, syscall.Signal(request.Signal))
			}
		}
	}()
	ended := <-status
	reply := control.Reply{Exited: true}
	if ended.Signaled() {
		reply.Signal = int(ended.Signal())
		reply.Code = 128 + reply.Signal
	} else {
		reply.Code = ended.ExitStatus()
	}
	_ = conn.Send(reply)
	_ = conn.Socket().CloseWrite()
}

// launch starts the command of a request on the given descriptors or, for a
// terminal, on a new one of this instance, whose master it returns.
func (g *guest) launch(request *control.Request, files []*os.File) (int, <-chan syscall.WaitStatus, *os.File, error) {
	if len(request.Args) == 0 || request.Args[0] == "" {
		return 0, nil, nil, errors.New("no command")
	}
	env := append(append([]string{}, defaultEnv...), request.Env...)
	dir := request.Dir
	if dir == "" {
		dir = getenv(env, "HOME")
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			dir = "/"
		}
	} else if info, err := os.Stat(dir); err != nil {
		return 0, nil, nil, fmt.Errorf("working directory: %w", err)
	} else if !info.IsDir() {
		return 0, nil, nil, fmt.Errorf("working directory: %s: %w", dir, unix.ENOTDIR)
	}
	path, err := lookPath(request.Args[0], dir, env)
	if err != nil {
		return 0, nil, nil, err
	}
	if request.TTY {
		master, slave, err := g.terminal(request.Rows, request.Cols)
		if err != nil {
			return 0, nil, nil, err
		}
		defer slave.Close()
		fd := slave.Fd()
		pid, status, err := g.procs.start(path, request.Args, env, dir, [3]uintptr{fd, fd, fd}, true)
		if err != nil {
			master.Close()
			return 0, nil, nil, err
		}
		return pid, status, master, nil
	}
	if len(files) != 3 {
		return 0, nil, nil, fmt.Errorf("%d descriptors instead of three", len(files))
	}
	pid, status, err := g.procs.start(path, request.Args, env, dir, [3]uintptr{files[0].Fd(), files[1].Fd(), files[2].Fd()}, false)
	return pid, status, nil, err
}

// terminal makes a pseudo terminal in the devpts of this instance, by the
// descriptor kept since the start: nothing that was done to /dev since then
// matters.
func (g *guest) terminal(rows, cols uint16) (master, slave *os.File, err error) {
	fd, err := unix.Openat(g.pts, "ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("opening a terminal: %w", err)
	}
	master = os.NewFile(uintptr(fd), "ptmx")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		master.Close()
		return nil, nil, fmt.Errorf("unlocking a terminal: %w", err)
	}
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		master.Close()
		return nil, nil, fmt.Errorf("opening the other end of a terminal: %w", errno)
	}
	slave = os.NewFile(peer, "tty")
	if rows > 0 && cols > 0 {
		_ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	}
	return master, slave, nil
}

func kindOf(err error) string {
	switch {
	case errors.Is(err, os.ErrNotExist) || errors.Is(err, errNotFound):
		return control.KindNotFound
	case errors.Is(err, os.ErrPermission) || errors.Is(err, unix.ENOEXEC):
		return control.KindNotExecutable
	}
	return ""
}
