//go:build linux

package guest

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// processes starts and reaps everything that runs in the instance.
type processes struct {
	forks chan func() // run on the thread without CAP_SYS_PTRACE

	mu      sync.Mutex
	closed  bool
	waiting map[int]child // those started here and not reaped yet
	idle    chan struct{} // closed while there are no children
	wake    chan struct{}
	paused  chan struct{} // closed when all go on; nil: they do
}

type child struct {
	status   chan<- syscall.WaitStatus
	terminal bool // leads a session with a terminal
}

var (
	errEnding   = errors.New("the instance is shutting down")
	errNotFound = errors.New("command not found")
)

// newProcesses starts the thread that forks. Capabilities belong to threads and
// pass from the forking one to the child; without CAP_SYS_PTRACE in the
// bounding set no process of the instance, root included, can look into init,
// which is undumpable (ptrace(2), access mode checking).
func newProcesses() (*processes, error) {
	p := &processes{
		forks: make(chan func()), waiting: map[int]child{},
		idle: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	close(p.idle)
	ready := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_PTRACE, 0, 0, 0)
		if ready <- err; err != nil {
			return
		}
		for fork := range p.forks {
			fork()
		}
	}()
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("dropping CAP_SYS_PTRACE: %w", err)
	}
	go p.reap()
	return p, nil
}

// start runs a program with the given standard descriptors in a session of its
// own; with tty set, descriptor 0 becomes its controlling terminal. The wait
// status arrives on the channel.
func (p *processes) start(path string, args, env []string, dir string, files [3]uintptr, tty bool) (int, <-chan syscall.WaitStatus, error) {
	attr := &syscall.ProcAttr{Dir: dir, Env: env, Files: files[:], Sys: &syscall.SysProcAttr{Setsid: true, Setctty: tty, Ctty: 0}}
	status := make(chan syscall.WaitStatus, 1)
	p.going()
	defer p.mu.Unlock()
	if p.closed {
		return 0, nil, errEnding
	}
	var pid int
	var err error
	done := make(chan struct{})
	p.forks <- func() {
		pid, err = syscall.ForkExec(path, args, attr)
		close(done)
	}
	<-done
	if err != nil {
		return 0, nil, err
	}
	select {
	case <-p.idle:
		p.idle = make(chan struct{})
	default:
	}
	p.waiting[pid] = child{status, tty}
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return pid, status, nil
}

// reap waits for children for ever: its own and the orphans that became init's.
// A child is looked at first and reaped under the lock, so that signal never
// hits a number that is somebody else's by now.
func (p *processes) reap() {
	for {
		pid, err := exited()
		if err == unix.EINTR {
			continue
		}
		p.mu.Lock()
		if err != nil { // ECHILD
			if len(p.waiting) == 0 {
				select {
				case <-p.idle:
				default:
					close(p.idle)
				}
				p.mu.Unlock()
				<-p.wake
				continue
			}
			p.mu.Unlock()
			continue
		}
		var status syscall.WaitStatus
		if got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil); err == nil && got == pid {
			if waiting, ok := p.waiting[pid]; ok {
				waiting.status <- status
				delete(p.waiting, pid)
			}
		}
		p.mu.Unlock()
	}
}

// exited blocks until a child has ended and leaves it to be reaped.
func exited() (int, error) {
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		return 0, err
	}
	// si_pid is the first field of the union behind three ints, aligned to a
	// pointer (sigaction(2)).
	const offset = (12 + unsafe.Sizeof(uintptr(0)) - 1) &^ (unsafe.Sizeof(uintptr(0)) - 1)
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), offset))), nil
}

// signal sends to the process group of a child that is not reaped yet.
func (p *processes) signal(pid int, signal syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.waiting[pid]; ok {
		_ = syscall.Kill(-pid, signal)
	}
}

// close refuses new processes. Those that stand still go on, to their end.
func (p *processes) close() {
	p.pause(false)
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
}

// none is closed as long as the instance has no process but init.
func (p *processes) none() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.idle
}

// terminate asks every process to end and tells whether all did in time.
// SIGCONT wakes stopped ones; interactive shells ignore SIGTERM and obey the
// loss of their terminal.
func (p *processes) terminate(grace time.Duration) bool {
	_ = syscall.Kill(-1, syscall.SIGTERM)
	_ = syscall.Kill(-1, syscall.SIGCONT)
	p.mu.Lock()
	for pid, child := range p.waiting {
		if child.terminal {
			_ = syscall.Kill(-pid, syscall.SIGHUP)
		}
	}
	p.mu.Unlock()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.none():
		return true
	case <-timer.C:
		return false
	}
}

// kill ends every process and waits for it.
func (p *processes) kill() {
	_ = syscall.Kill(-1, syscall.SIGKILL)
	<-p.none()
}

// lookPath finds a program as execvp(3) does, by the PATH in env, relative
// names by dir.
func lookPath(name, dir string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		at := name
		if !strings.HasPrefix(name, "/") {
			at = strings.TrimSuffix(dir, "/") + "/" + name
		}
		return name, executable(at)
	}
	found := fmt.Errorf("%s: %w", name, errNotFound)
	for _, entry := range strings.Split(getenv(env, "PATH"), ":") {
		if !strings.HasPrefix(entry, "/") {
			continue
		}
		path := strings.TrimSuffix(entry, "/") + "/" + name
		err := executable(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			found = err
		}
	}
	return "", found
}

func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return &os.PathError{Op: "exec", Path: path, Err: os.ErrPermission}
	}
	return nil
}

func getenv(env []string, name string) string {
	value := ""
	for _, entry := range env {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			value = v
		}
	}
	return value
}
