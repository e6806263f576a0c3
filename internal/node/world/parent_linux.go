package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// World is a running world, in the hands of the process that made it.
type World struct {
	sock   int
	cmd    *exec.Cmd
	ready  chan string
	done   chan struct{}
	end    error // when done is closed
	mu     sync.Mutex
	owned  []string                   // directories that the holder removes, unless it is killed
	killed bool                       // by Kill
	last   struct{ verb, arg string } // what the holder said of its end
}

// Start makes a world and returns when its process 1 runs. What goes wrong after
// that is Wait's result.
func Start(cfg Config) (*World, error) {
	h := &handover{RunDir: cfg.RunDir, Args: cfg.Args, Env: append(os.Environ(), cfg.Env...), Userns: !mayBeRoot(), Root: os.Geteuid() == 0, GraceMS: cfg.Grace.Milliseconds()}
	if h.GraceMS <= 0 {
		h.GraceMS = DefaultGrace.Milliseconds()
	}
	h.Keep = keep(cfg.Keep)
	for name := range cfg.Listeners {
		if err := checkName(name); err != nil {
			return nil, fmt.Errorf("starting a world: listener: %w", err)
		}
		h.Listeners = append(h.Listeners, name)
	}
	slices.Sort(h.Listeners)
	told, err := h.file()
	if err != nil {
		return nil, fmt.Errorf("starting a world: %w", err)
	}
	defer told.Close()
	ours, theirs, err := pair()
	if err != nil {
		return nil, fmt.Errorf("starting a world: %w", err)
	}
	control := os.NewFile(uintptr(theirs), "control")
	defer control.Close()

	cmd := command(holderName, h.Userns)
	cmd.Stderr = cfg.Stderr
	cmd.ExtraFiles = []*os.File{control, told}
	for _, name := range h.Listeners {
		cmd.ExtraFiles = append(cmd.ExtraFiles, cfg.Listeners[name])
	}
	w := &World{sock: ours, cmd: cmd, ready: make(chan string, 64), done: make(chan struct{})}
	started := make(chan error)
	go w.keep(started)
	if err := <-started; err != nil {
		unix.Close(ours)
		return nil, fmt.Errorf("starting a world: %w", denied(err, h.Userns))
	}
	return w, nil
}

// command is this program again, as process 1 of new namespaces.
func command(name string, userns bool) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{name}
	if strings.HasSuffix(os.Args[0], ".test") { // one that does not ask IsHolder must not run its tests again
		cmd.Args = append(cmd.Args, "-test.run=^$")
	}
	// A process that waits needs no second thread for Go code and no collector.
	cmd.Env = []string{"GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=32MiB"}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true, // the terminal's signals are the parent's
	}
	if userns {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return cmd
}

// mayBeRoot tells whether this process may make namespaces without a user
// namespace: root in a container usually may not.
func mayBeRoot() bool {
	if os.Geteuid() != 0 {
		return false
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// keep are the paths that the run directory must not hide, without links.
func keep(paths []string) []string {
	if wd, err := os.Getwd(); err == nil {
		paths = append(slices.Clone(paths), wd)
	}
	if exe, err := os.Executable(); err == nil {
		paths = append(paths, exe)
	}
	var kept []string
	for _, path := range paths {
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		kept = append(kept, path)
	}
	return kept
}

// keep starts the holder and stays on the thread that did so until the holder is
// gone: the kernel kills the holder when its parent's thread ends.
func (w *World) keep(started chan<- error) {
	runtime.LockOSThread()
	err := w.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		w.hear()
	}()
	<-heard // the end of the socket is the end of the holder, or near it
	err = w.cmd.Wait()
	w.mu.Lock()
	unix.Close(w.sock)
	w.sock = -1
	for _, path := range w.owned {
		_ = removeSoon(path) // gone already, unless the holder was killed
	}
	w.end = w.verdict(err)
	w.mu.Unlock()
	close(w.ready)
	close(w.done)
}

// hear takes the holder's messages until there is no holder.
func (w *World) hear() {
	r := receiver{sock: w.sock}
	for {
		verb, arg, fd, err := r.next(0)
		if fd >= 0 {
			unix.Close(fd)
		}
		if errors.Is(err, errGarbage) {
			continue
		}
		if err != nil {
			return
		}
		switch verb {
		case verbReady:
			select {
			case w.ready <- arg:
			default:
			}
		case verbOwn:
			w.mu.Lock()
			w.owned = append(w.owned, arg)
			w.mu.Unlock()
		case verbExit, verbFail, verbDenied:
			w.last.verb, w.last.arg = verb, arg
		}
	}
}

// verdict is why the world ended; err is how its process 1 did.
func (w *World) verdict(err error) error {
	var exit *exec.ExitError
	switch {
	case w.last.verb == verbExit:
		code, err := strconv.Atoi(w.last.arg)
		if err == nil && code == 0 {
			return nil
		}
		return &ExitError{code}
	case w.last.verb == verbFail:
		text, words, _ := strings.Cut(w.last.arg, "\n")
		if words = strings.TrimSpace(words); words == "" {
			return errors.New(text)
		} else if w.cmd.Stderr != nil {
			return errors.New(text + "; its last words stand above")
		}
		return fmt.Errorf("%s; its last words:\n%s", text, words)
	case w.last.verb == verbDenied:
		return fmt.Errorf("%w: %s", ErrNotPermitted, w.last.arg)
	case w.killed:
		return nil
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled():
		return fmt.Errorf("%w: its process 1 was killed by signal %s, and everything in it with it: start it again with: localvpc up",
			ErrEnded, unix.SignalName(exit.Sys().(syscall.WaitStatus).Signal()))
	case err != nil:
		return fmt.Errorf("%w: its process 1: %w", ErrEnded, err)
	}
	return fmt.Errorf("%w without a word: does main ask world.IsHolder first?", ErrEnded)
}

// Ready gives the text of each engine that became ready; more than 64 that nobody
// reads are lost. It is closed at the end of the world.
func (w *World) Ready() <-chan string { return w.ready }

// Pid is the number of the world's process 1 on the host.
func (w *World) Pid() int { return w.cmd.Process.Pid }

// Done is closed at the end of the world.
func (w *World) Done() <-chan struct{} { return w.done }

// Wait returns when the world has ended and nothing of it is left. nil is an end
// in order, *ExitError the engine's own, ErrNotPermitted that it could not begin.
func (w *World) Wait() error {
	<-w.done
	return w.end
}

// Stop asks the engine to end, waits for it as long as Config.Grace, and ends the
// world, at once when ctx is done. It returns Wait's result.
func (w *World) Stop(ctx context.Context) error {
	w.mu.Lock()
	if w.sock >= 0 {
		_ = send(w.sock, verbStop, "", -1, unix.MSG_DONTWAIT)
	}
	w.mu.Unlock()
	select {
	case <-w.done:
	case <-ctx.Done():
		w.Kill()
	}
	return w.Wait()
}

// Kill ends the world without asking.
func (w *World) Kill() {
	w.mu.Lock()
	w.killed = true
	w.mu.Unlock()
	w.cmd.Process.Signal(os.Kill)
}

// Serve waits for the end of the world as Wait does. The first signal is answered
// with Stop, the second with Kill.
func (w *World) Serve(signals <-chan os.Signal) error {
	ctx, hurry := context.WithCancel(context.Background())
	defer hurry()
	select {
	case <-w.done:
		return w.end
	case <-signals:
	}
	go func() {
		select {
		case <-signals:
			hurry()
		case <-ctx.Done():
		}
	}()
	return w.Stop(ctx)
}
