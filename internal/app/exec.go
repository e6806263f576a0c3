package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/front/execstream"
	"github.com/localvpc/localvpc/internal/node/sandbox"
	"github.com/localvpc/localvpc/internal/state"
)

// Exec implements apiserver.Control: it runs a command in an instance or an
// outside host and carries its streams.
func (e *engine) Exec(ctx context.Context, req execstream.Request, s *execstream.Stream) execstream.Result {
	code, err := e.exec(ctx, req, s)
	if err != nil {
		text := err.Error()
		if fault, ok := awserr.As(err); ok {
			text = fault.Message
		}
		return execstream.Result{Code: code, Error: text}
	}
	return execstream.Result{Code: code}
}

func (e *engine) exec(ctx context.Context, req execstream.Request, s *execstream.Stream) (int, error) {
	if e.guests == nil {
		return cannot, errors.New("nothing runs: localvpc was started with --no-packets")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	from := newCaller(s, req)
	go func() {
		from.listen()
		cancel() // the caller has gone, or sent a signal before there was a command
	}()
	sb, err := e.target(ctx, req)
	if sig := from.signalled(); sig != 0 {
		return 128 + sig, nil
	}
	if err != nil {
		return cannot, err
	}
	spec := sandbox.ExecSpec{Args: req.Args, Env: req.Env, Dir: req.Dir, TTY: req.TTY, Rows: req.Size.Rows, Cols: req.Size.Cols}
	var ends pipes
	defer ends.close()
	if !req.TTY {
		if err := ends.open(); err != nil {
			return cannot, err
		}
		spec.Stdin, spec.Stdout, spec.Stderr = ends.stdin[0], ends.stdout[1], ends.stderr[1]
	}
	p, err := sb.Exec(ctx, spec)
	if err != nil {
		switch {
		case from.signalled() != 0:
			return 128 + from.signalled(), nil
		case errors.Is(err, sandbox.ErrNotFound):
			return 127, err
		case errors.Is(err, sandbox.ErrNotExecutable):
			return 126, err
		}
		return cannot, err
	}
	ends.handedOver()
	outputs := map[execstream.Kind]*os.File{execstream.Stdout: ends.stdout[0], execstream.Stderr: ends.stderr[0]}
	stdin := ends.stdin[1]
	if p.TTY != nil {
		defer p.TTY.Close()
		if stdin, err = pollable(p.TTY); err != nil {
			return cannot, err
		}
		defer stdin.Close()
		outputs = map[execstream.Kind]*os.File{execstream.Stdout: stdin}
	}
	var out sync.WaitGroup
	for kind, f := range outputs {
		out.Go(func() { drain(s.Output(kind), f) })
	}
	from.meets(p, stdin)
	exit, err := p.Wait()
	// A process left in the background may hold the pipes or the terminal open:
	// what it writes after the command's end is nobody's.
	for _, f := range outputs {
		_ = f.SetReadDeadline(time.Now().Add(lastWords))
	}
	out.Wait()
	if err != nil {
		return cannot, err
	}
	if sig := from.signalled(); sig != 0 { // in the moment before it ran
		return 128 + sig, nil
	}
	return exit.Code, nil
}

// lastWords is how long output is waited for after a command's end: what goes
// through a terminal arrives a moment later.
const lastWords = 100 * time.Millisecond

// drain copies output until its end, or its deadline, and then what is there.
func drain(w io.Writer, f *os.File) {
	const most = 1 << 20 // the largest pipe (pipe(7))
	if _, err := io.Copy(w, f); !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	_ = f.SetReadDeadline(time.Time{})
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 32<<10)
	for left := most; left > 0; {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			n, _ = syscall.Read(int(fd), buf)
			return true // never waits
		})
		if err != nil || n <= 0 {
			return
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return
		}
		left -= n
	}
}

// pollable is a terminal as a file with deadlines.
func pollable(tty *os.File) (*os.File, error) {
	fd, err := syscall.Dup(int(tty.Fd()))
	if err != nil {
		return nil, fmt.Errorf("duplicating the terminal: %w", err)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.SetNonblock(fd, true); err != nil {
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("setting up the terminal: %w", err)
	}
	return os.NewFile(uintptr(fd), tty.Name()), nil
}

// bootTime is how long a command waits for an instance that is being started.
const bootTime = 30 * time.Second

// target gives the sandbox that a command is for.
func (e *engine) target(ctx context.Context, req execstream.Request) (*sandbox.Sandbox, error) {
	if req.Host != "" {
		return e.wokenHost(ctx, req.Host)
	}
	return e.runningSandbox(ctx, req.Instance)
}

// runningSandbox gives the sandbox of an instance; one that is pending is waited for.
func (e *engine) runningSandbox(ctx context.Context, id string) (*sandbox.Sandbox, error) {
	return e.running(ctx, id, func(snap *state.Snapshot) (string, bool, error) {
		var is state.InstanceState
		for i := range state.Instances.By(snap, state.ByInstance, id) {
			is = i.State
		}
		switch is {
		case state.Running, state.Pending:
			return fmt.Sprintf("the instance %s, which is %s,", id, is), true, nil
		case "":
			return "", false, fmt.Errorf("there is no instance %s", id)
		case state.Stopped, state.Stopping:
			return "", false, fmt.Errorf("the instance %s is %s: start it with 'aws ec2 start-instances --instance-ids %s'", id, is, id)
		}
		return "", false, fmt.Errorf("the instance %s is %s", id, is)
	})
}

// running waits for the sandbox of a guest. check says what is waited for, whether
// the sandbox there is may be taken, or why there will be none.
func (e *engine) running(ctx context.Context, guest string, check func(*state.Snapshot) (what string, may bool, err error)) (*sandbox.Sandbox, error) {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	snap, sub := e.store.Subscribe()
	defer sub.Close()
	for {
		what, may, err := check(snap)
		if err != nil {
			return nil, err
		}
		// The row may be ahead of the process, or behind it when all is being
		// started anew: either's change is waited for.
		sb, changed := e.guests.Sandbox(guest)
		if sb != nil && may {
			return sb, nil
		}
		next, err := either(ctx, sub, snap, changed)
		if err != nil {
			return nil, fmt.Errorf("waiting for %s to run: %w", what, err)
		}
		snap = next
	}
}

// either returns when there is a newer snapshot or changed is closed.
func either(ctx context.Context, sub *state.Subscription, snap *state.Snapshot, changed <-chan struct{}) (*state.Snapshot, error) {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-changed:
			stop()
		case <-waiting.Done():
		}
	}()
	_, next, _, err := sub.Next(waiting, snap.Index)
	if err == nil {
		return next, nil
	}
	if ctx.Err() == nil && waiting.Err() != nil {
		return snap, nil
	}
	return nil, err
}

// cannot is the exit code of a command that could not be run, as of ssh.
const cannot = 255

// pipes are the streams of a command without a terminal: [0] reads, [1] writes.
type pipes struct{ stdin, stdout, stderr [2]*os.File }

func (p *pipes) open() (err error) {
	for _, pair := range []*[2]*os.File{&p.stdin, &p.stdout, &p.stderr} {
		if pair[0], pair[1], err = os.Pipe(); err != nil {
			return err
		}
	}
	return nil
}

// handedOver closes the ends that the command has now.
func (p *pipes) handedOver() {
	for _, f := range []*os.File{p.stdin[0], p.stdout[1], p.stderr[1]} {
		if f != nil {
			f.Close()
		}
	}
}

func (p *pipes) close() {
	for _, pair := range [][2]*os.File{p.stdin, p.stdout, p.stderr} {
		for _, f := range pair {
			if f != nil {
				f.Close()
			}
		}
	}
}
