//go:build linux

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox/control"
)

// Sandbox is a running instance, or one that has ended. Its methods may be
// called concurrently.
type Sandbox struct {
	id    string
	host  *Host
	dir   string
	pid   int
	netns *os.File
	kill  func() error

	once   sync.Once
	exited chan struct{}
	exit   Exit

	mu     sync.Mutex
	killed bool
}

// ID is the instance's id.
func (s *Sandbox) ID() string { return s.id }

// Pid is init's number in the caller's pid namespace: for limits by cgroup, to
// be set before Boot. 0 for an adopted instance that had already ended.
func (s *Sandbox) Pid() int { return s.pid }

// Netns is the instance's network namespace. It belongs to the Sandbox and is
// closed by Close.
func (s *Sandbox) Netns() *os.File { return s.netns }

// Exited is closed when the instance has ended.
func (s *Sandbox) Exited() <-chan struct{} { return s.exited }

// Exit tells how it ended; the zero value before.
func (s *Sandbox) Exit() Exit {
	select {
	case <-s.exited:
		return s.exit
	default:
		return Exit{}
	}
}

// Close gives up the network namespace. It does not end the instance.
func (s *Sandbox) Close() error {
	if s.netns == nil {
		return nil
	}
	return s.netns.Close()
}

// Boot lets init go on: user data at the first boot, /etc/rc.local, and commands
// from then on. It returns when init is ready to take commands.
func (s *Sandbox) Boot(ctx context.Context) error {
	if _, err := s.ask(ctx, control.Request{Op: control.OpBoot}); err != nil {
		return fmt.Errorf("booting instance %s: %w", s.id, err)
	}
	return nil
}

// Pause has all processes of the instance stand still, or go on. Meanwhile Exec is
// refused; Shutdown has them go on.
func (s *Sandbox) Pause(ctx context.Context, paused bool) error {
	if _, err := s.ask(ctx, control.Request{Op: control.OpPause, Paused: paused}); err != nil {
		return fmt.Errorf("pausing instance %s: %w", s.id, err)
	}
	return nil
}

// Renew renews the instance's lease: resolvConf becomes its /etc/resolv.conf if it is
// another one than the lease had before.
func (s *Sandbox) Renew(ctx context.Context, resolvConf string) error {
	if _, err := s.ask(ctx, control.Request{Op: control.OpRenew, ResolvConf: resolvConf}); err != nil {
		return fmt.Errorf("renewing the lease of instance %s: %w", s.id, err)
	}
	return nil
}

// Shutdown asks the processes of the instance to end, kills those that have not
// after grace, and waits for the end of the instance. When ctx ends first, the
// instance is killed.
func (s *Sandbox) Shutdown(ctx context.Context, grace time.Duration) error {
	return s.stop(ctx, control.Request{Op: control.OpShutdown, Grace: int(grace.Milliseconds())})
}

// Reboot is Shutdown with Reboot as the cause: whoever follows Exited creates
// the instance again, on the same disk.
func (s *Sandbox) Reboot(ctx context.Context, grace time.Duration) error {
	return s.stop(ctx, control.Request{Op: control.OpShutdown, Grace: int(grace.Milliseconds()), Reboot: true})
}

func (s *Sandbox) stop(ctx context.Context, request control.Request) error {
	_, err := s.ask(ctx, request)
	if err == nil {
		select {
		case <-s.exited:
			return nil
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if errors.Is(err, ErrNotRunning) {
		return nil
	}
	return errors.Join(fmt.Errorf("shutting down instance %s: %w", s.id, err), s.Kill())
}

// Kill ends the instance at once and waits for that.
func (s *Sandbox) Kill() error {
	select {
	case <-s.exited:
		return nil
	default:
	}
	s.mu.Lock()
	s.killed = true
	s.mu.Unlock()
	if err := s.kill(); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("killing instance %s: %w", s.id, err)
	}
	<-s.exited
	return nil
}

// ended works the cause out and publishes it, once. A reboot(2) inside makes
// the kernel kill init with a signal that says which (pid_namespaces(7)).
func (s *Sandbox) ended(status syscall.WaitStatus) {
	s.once.Do(func() {
		var record control.Exit
		s.mu.Lock()
		killed := s.killed
		s.mu.Unlock()
		switch err := readJSON(filepath.Join(s.dir, "exit"), &record); {
		case err == nil && record.Cause == control.CauseFailed:
			s.exit = Exit{Cause: Failed, Err: errors.New(record.Error)}
		case err == nil:
			s.exit = Exit{Cause: Cause(record.Cause)}
		case status.Signaled() && status.Signal() == syscall.SIGHUP:
			s.exit = Exit{Cause: Reboot}
		case status.Signaled() && status.Signal() == syscall.SIGINT:
			s.exit = Exit{Cause: PowerOff}
		case killed || status.Signaled() || status == 0:
			s.exit = Exit{Cause: Killed}
		default:
			s.exit = Exit{Cause: Failed, Err: s.host.whyFailed(s.dir, fmt.Errorf("init ended with status %d", status.ExitStatus()))}
		}
		_ = s.host.clearRun(s.id)
		close(s.exited)
	})
}

// ask makes one request on a connection of its own.
func (s *Sandbox) ask(ctx context.Context, request control.Request) (control.Reply, error) {
	conn, release, err := s.dial(ctx)
	if err != nil {
		return control.Reply{}, err
	}
	defer conn.Close()
	defer release()
	reply, files, err := s.exchange(ctx, conn, request)
	control.CloseAll(files)
	return reply, err
}

// exchange sends a request and receives the reply with its descriptors.
func (s *Sandbox) exchange(ctx context.Context, conn *control.Conn, request control.Request, lend ...*os.File) (control.Reply, []*os.File, error) {
	var reply control.Reply
	err := conn.Send(request, lend...)
	if errors.Is(err, unix.E2BIG) {
		return reply, nil, err
	}
	var files []*os.File
	if err == nil {
		files, err = conn.Receive(&reply)
	}
	if err != nil {
		if ctx.Err() != nil {
			return reply, nil, ctx.Err()
		}
		return reply, nil, s.lost(err)
	}
	if reply.Error != "" {
		control.CloseAll(files)
		return reply, nil, classified(&reply)
	}
	return reply, files, nil
}

// dial connects to init. Until release, what is done on the connection ends
// with ctx, and after bootTimeout.
func (s *Sandbox) dial(ctx context.Context) (conn *control.Conn, release func(), err error) {
	select {
	case <-s.exited:
		return nil, nil, s.gone()
	default:
	}
	var sock *net.UnixConn
	err = at(s.dir, func(short string) (err error) {
		sock, err = net.DialUnix("unix", nil, &net.UnixAddr{Name: short + "/control", Net: "unix"})
		return err
	})
	if err != nil {
		return nil, nil, s.lost(err)
	}
	deadline, ok := ctx.Deadline()
	if limit := time.Now().Add(bootTimeout); !ok || deadline.After(limit) {
		deadline = limit
	}
	_ = sock.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = sock.SetDeadline(time.Unix(1, 0)) })
	return control.NewConn(sock), func() {
		if stop() {
			_ = sock.SetDeadline(time.Time{})
		}
	}, nil
}

// lost explains a connection that broke: most often the instance has ended.
func (s *Sandbox) lost(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("init does not answer: %w", err)
	}
	// Its listening socket is gone, so it is on its way out.
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-s.exited:
		return s.gone()
	case <-timer.C:
		return err
	}
}

func (s *Sandbox) gone() error {
	if s.exit.Err != nil {
		return fmt.Errorf("%w: %w", ErrNotRunning, s.exit.Err)
	}
	return fmt.Errorf("%w (%s)", ErrNotRunning, s.exit.Cause)
}

// alive tells whether an init answers for the instance: somebody listens on
// its control socket.
func (h *Host) alive(id string) bool {
	err := at(h.runDir(id), func(short string) error {
		sock, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: short + "/control", Net: "unix"})
		if err == nil {
			sock.Close()
		}
		return err
	})
	return err == nil
}
