//go:build linux

// Package guest is what runs inside an instance: its init, process 1.
//
// Invariant: init gives nothing of the outside to what it starts. Every process
// of the instance descends from one thread that has given up CAP_SYS_PTRACE, no
// descriptor but the three standard ones passes an exec, and what comes from
// inside (signals, console output, user data, files it finds) can cost the
// instance its own life but cannot stop init from ending or the engine from
// reading a bounded console.
package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox/control"
)

// IsInit tells whether this process was started to be an instance's init. The
// program asks it before anything else, so that an instance starts fast.
func IsInit() bool { return len(os.Args) > 0 && filepath.Base(os.Args[0]) == control.Argv0 }

// Run is the life of an instance. It does not return.
func Run() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "this program is started by localvpc inside a namespace of its own; use: localvpc up")
		os.Exit(2)
	}
	g, err := begin()
	if err == nil {
		err = g.serve()
	}
	g.end(control.Exit{Cause: control.CauseFailed, Error: err.Error()})
}

// guest is the instance as its init knows it.
type guest struct {
	config   control.Config
	console  *console
	listener *net.UnixListener
	record   *os.File // Exit record
	pts      int      // directory of this instance's devpts
	procs    *processes
	started  time.Time

	boot   sync.Once
	ending sync.Once
	lease  sync.Mutex // while config.ResolvConf is compared and replaced
}

// begin takes over the inherited descriptors and makes the instance's root.
func begin() (*guest, error) {
	g := &guest{started: time.Now()}
	g.record = os.NewFile(control.FdExit, "exit")
	g.console = newConsole(os.NewFile(control.FdConsole, "console"))
	if err := keepDescriptors(); err != nil {
		return g, err
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return g, fmt.Errorf("making init undumpable: %w", err)
	}
	config := os.NewFile(control.FdConfig, "config")
	text, err := io.ReadAll(config)
	config.Close()
	if err == nil {
		err = json.Unmarshal(text, &g.config)
	}
	if err != nil {
		return g, fmt.Errorf("reading the instance's configuration: %w", err)
	}
	socket := os.NewFile(control.FdListener, "control")
	listener, err := net.FileListener(socket)
	socket.Close()
	if err != nil {
		return g, fmt.Errorf("taking over the control socket: %w", err)
	}
	g.listener = listener.(*net.UnixListener)
	g.listener.SetUnlinkOnClose(false)
	if g.pts, err = makeRoot(g.config.Ids); err != nil {
		return g, err
	}
	g.limit()
	if g.procs, err = newProcesses(); err != nil {
		return g, err
	}
	if err := g.console.open("/dev/console"); err != nil {
		return g, err
	}
	if err := g.identity(); err != nil {
		return g, err
	}
	network(g.config.Ids)
	return g, nil
}

// keepDescriptors keeps the inherited descriptors to init, and closes the rest:
// that of its program, and those that nobody meant to pass, since localvpc may
// have been started by a program which left some open.
func keepDescriptors() error {
	for fd := control.FdConfig; fd <= control.FdExit; fd++ {
		unix.CloseOnExec(fd)
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("listing descriptors: %w", err)
	}
	for _, entry := range open {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd <= control.FdExit {
			continue
		}
		// The Go runtime's own, and that of the directory, are close-on-exec.
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.Close(fd)
		}
	}
	return nil
}

// serve answers the engine and the signals until the instance ends.
func (g *guest) serve() error {
	g.watchSignals()
	if err := g.watchInitctl(); err != nil {
		g.console.printf("no /run/initctl: %v", err)
	}
	for {
		sock, err := g.listener.AcceptUnix()
		if err != nil {
			if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ECONNABORTED) || errors.Is(err, unix.ENOMEM) {
				continue
			}
			return fmt.Errorf("accepting on the control socket: %w", err)
		}
		go g.talk(control.NewConn(sock))
	}
}

// limit applies what an init can limit by itself: processes per user, no core
// files, to be the first choice of the kernel when memory runs out; and it
// gives init its name, which is a number after an exec by descriptor.
func (g *guest) limit() {
	if n := uint64(g.config.PIDs); n > 0 {
		_ = unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: n, Max: n})
	}
	var core unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &core) == nil {
		_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 0, Max: core.Max})
	}
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("200"), 0)
	_ = os.WriteFile("/proc/self/comm", []byte(control.Argv0), 0)
}

// shutdown ends all processes, first kindly, and then the instance.
func (g *guest) shutdown(cause string, grace time.Duration) {
	g.ending.Do(func() {
		g.console.printf("%s: stopping all processes", cause)
		g.procs.close()
		if !g.procs.terminate(grace) {
			g.console.printf("processes left after %v are killed", grace)
		}
		g.procs.kill()
		g.console.drain()
		syncRoot()
		g.end(control.Exit{Cause: cause})
	})
}

// end leaves the record for the engine and ends the instance: the kernel kills
// whatever is left in its process namespace.
func (g *guest) end(exit control.Exit) {
	code := 0
	if exit.Cause == control.CauseFailed {
		g.console.printf("%s", exit.Error)
		code = 1
	} else {
		g.console.printf("%s: done", exit.Cause)
	}
	if text, err := json.Marshal(exit); err == nil {
		_, _ = g.record.WriteAt(text, 0)
	}
	os.Exit(code)
}

func syncRoot() {
	fd, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		_ = unix.Syncfs(fd)
		unix.Close(fd)
	}
}
