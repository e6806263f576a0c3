//go:build linux

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox/control"
)

// Process is a command running in an instance.
type Process struct {
	// Pid is its number inside the instance.
	Pid int
	// TTY is the outer end of its terminal, if it has one; the caller closes it.
	TTY *os.File

	instance *Sandbox
	conn     *control.Conn
	done     chan struct{}
	exit     ProcessExit
	err      error
}

// Exec starts a command. It is killed when ctx ends; when the engine ends, it is
// hung up.
func (s *Sandbox) Exec(ctx context.Context, spec ExecSpec) (*Process, error) {
	p, err := s.exec(ctx, &spec)
	if err != nil {
		return nil, fmt.Errorf("running a command in %s: %w", s.id, err)
	}
	return p, nil
}

func (s *Sandbox) exec(ctx context.Context, spec *ExecSpec) (*Process, error) {
	var files []*os.File
	if !spec.TTY {
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		defer null.Close()
		for _, file := range []*os.File{spec.Stdin, spec.Stdout, spec.Stderr} {
			if file == nil {
				file = null
			}
			files = append(files, file)
		}
	}
	conn, release, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	request := control.Request{Op: control.OpExec, Args: spec.Args, Env: spec.Env, Dir: spec.Dir, TTY: spec.TTY, Rows: spec.Rows, Cols: spec.Cols}
	reply, files, err := s.exchange(ctx, conn, request, files...)
	release()
	if err == nil && spec.TTY != (len(files) == 1) {
		err = errors.New("init sent no terminal")
	}
	if err != nil {
		control.CloseAll(files)
		conn.Close()
		return nil, err
	}
	p := &Process{Pid: reply.Pid, instance: s, conn: conn, done: make(chan struct{})}
	if spec.TTY {
		p.TTY = files[0]
	}
	stop := context.AfterFunc(ctx, func() { _ = p.Signal(syscall.SIGKILL) })
	go p.follow(stop)
	return p, nil
}

func (p *Process) follow(stop func() bool) {
	defer close(p.done)
	defer p.conn.Close()
	defer stop()
	var reply control.Reply
	files, err := p.conn.Receive(&reply)
	control.CloseAll(files)
	switch {
	case err != nil:
		p.err = p.instance.lost(err)
	case !reply.Exited:
		p.err = errors.New("init sent no exit status")
	default:
		p.exit = ProcessExit{Code: reply.Code, Signal: reply.Signal}
	}
}

// Signal sends a signal to the command's process group; to one that has ended,
// nothing is sent.
func (p *Process) Signal(signal syscall.Signal) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	return p.conn.Send(control.Request{Op: control.OpSignal, Signal: int(signal)})
}

// Resize tells the terminal its size; the kernel sends SIGWINCH.
func (p *Process) Resize(rows, cols uint16) error {
	if p.TTY == nil {
		return errors.New("the command has no terminal")
	}
	raw, err := p.TTY.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	})
	return errors.Join(err, set)
}

// Wait waits for the end of the command. When the instance ends first, the
// error is ErrNotRunning.
func (p *Process) Wait() (ProcessExit, error) {
	<-p.done
	return p.exit, p.err
}

// Done is closed when Wait would not block.
func (p *Process) Done() <-chan struct{} { return p.done }

func classified(reply *control.Reply) error {
	switch reply.Kind {
	case control.KindNotFound:
		return fmt.Errorf("%w: %s", ErrNotFound, reply.Error)
	case control.KindNotExecutable:
		return fmt.Errorf("%w: %s", ErrNotExecutable, reply.Error)
	}
	return errors.New(reply.Error)
}
