//go:build linux

package sandbox_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/localvpc/localvpc/internal/node/sandbox"
)

func TestExec(t *testing.T) {
	sb := newPlace(t).boot(t, sandbox.Spec{})
	t.Run("exit code", func(t *testing.T) {
		if _, code := output(t, sb, "sh", "-c", "exit 42"); code != 42 {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("signalled", func(t *testing.T) {
		if _, code := output(t, sb, "sh", "-c", "kill -9 $$"); code != 137 {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("environment and directory", func(t *testing.T) {
		r, w, _ := os.Pipe()
		p, err := sb.Exec(limit(t), sandbox.ExecSpec{Args: []string{"sh", "-c", "pwd; echo $HOME $X; echo err >&2"}, Env: []string{"X=1"}, Dir: "/etc", Stdout: w})
		w.Close()
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(r)
		if string(text) != "/etc\n/root 1\n" {
			t.Errorf("%q", text)
		}
		p.Wait()
	})
	t.Run("input", func(t *testing.T) {
		in, feed, _ := os.Pipe()
		r, w, _ := os.Pipe()
		p, err := sb.Exec(limit(t), sandbox.ExecSpec{Args: []string{"cat"}, Stdin: in, Stdout: w})
		in.Close()
		w.Close()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(feed, "through")
		feed.Close()
		if text, _ := io.ReadAll(r); string(text) != "through" {
			t.Errorf("%q", text)
		}
		if exit, err := p.Wait(); err != nil || exit.Code != 0 {
			t.Errorf("%+v, %v", exit, err)
		}
	})
	t.Run("errors", func(t *testing.T) {
		for _, test := range []struct {
			spec sandbox.ExecSpec
			want error
		}{
			{sandbox.ExecSpec{Args: []string{"no-such-command"}}, sandbox.ErrNotFound},
			{sandbox.ExecSpec{Args: []string{"/no/such/command"}}, sandbox.ErrNotFound},
			{sandbox.ExecSpec{Args: []string{"/etc/passwd"}}, sandbox.ErrNotExecutable},
			{sandbox.ExecSpec{Args: []string{"/etc"}}, sandbox.ErrNotExecutable},
			{sandbox.ExecSpec{Args: []string{"true"}, Dir: "/nowhere"}, nil},
			{sandbox.ExecSpec{Args: []string{"true"}, Dir: "/etc/passwd"}, nil},
			{sandbox.ExecSpec{}, nil},
			{sandbox.ExecSpec{Args: []string{""}}, nil},
			{sandbox.ExecSpec{Args: []string{"echo", strings.Repeat("x", 2<<20)}}, nil},
			{sandbox.ExecSpec{Args: []string{"echo", strings.Repeat("x", 500<<10)}}, nil}, // MAX_ARG_STRLEN is 128 KB
		} {
			p, err := sb.Exec(limit(t), test.spec)
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%.60q in %q: %v, want %v", test.spec.Args, test.spec.Dir, err, test.want)
			}
			if p != nil {
				p.Wait()
			}
		}
		if _, code := output(t, sb, "echo", strings.Repeat("x", 100<<10)); code != 0 {
			t.Error("100 KB of argument failed")
		}
	})
	t.Run("signal", func(t *testing.T) {
		p, out := follow(t, sb, "localvpc", "probe", "hold")
		if err := p.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		readLine(t, out, "got user defined signal 1")
		if exit, err := p.Wait(); err != nil || exit.Code != 0 {
			t.Errorf("%+v, %v", exit, err)
		}
		if err := p.Signal(syscall.SIGKILL); err != nil {
			t.Errorf("signal after the end: %v", err)
		}
	})
	t.Run("context", func(t *testing.T) {
		r, w, _ := os.Pipe()
		ctx, cancel := context.WithCancel(context.Background())
		p, err := sb.Exec(ctx, sandbox.ExecSpec{Args: []string{"localvpc", "probe", "stubborn"}, Stdout: w})
		w.Close()
		if err != nil {
			t.Fatal(err)
		}
		readLine(t, r, "ready")
		cancel()
		if exit, err := p.Wait(); err != nil || exit.Signal != int(syscall.SIGKILL) || exit.Code != 137 {
			t.Errorf("%+v, %v", exit, err)
		}
	})
}

func TestTerminal(t *testing.T) {
	sb := newPlace(t).boot(t, sandbox.Spec{})
	p, err := sb.Exec(limit(t), sandbox.ExecSpec{Args: []string{"localvpc", "probe", "tty"}, TTY: true, Rows: 30, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer p.TTY.Close()
	readLine(t, p.TTY, "/dev/pts/0 30 100")
	readLine(t, p.TTY, "ready")
	if err := p.Resize(40, 120); err != nil {
		t.Fatal(err)
	}
	readLine(t, p.TTY, "40 120")
	if exit, err := p.Wait(); err != nil || exit.Code != 0 {
		t.Errorf("%+v, %v", exit, err)
	}

	// A shell with job control, interrupted from the keyboard.
	shell, err := sb.Exec(limit(t), sandbox.ExecSpec{Args: []string{"/bin/sh", "-i"}, TTY: true, Env: []string{"PS1=", "TERM=dumb"}})
	if err != nil {
		t.Fatal(err)
	}
	defer shell.TTY.Close()
	io.WriteString(shell.TTY, "localvpc probe hold\n")
	readLine(t, shell.TTY, "ready")
	io.WriteString(shell.TTY, "\x03")
	io.WriteString(shell.TTY, "echo st''atus $?\n")
	readLine(t, shell.TTY, "status 130")
	io.WriteString(shell.TTY, "exit 5\n")
	if exit, err := shell.Wait(); err != nil || exit.Code != 5 {
		t.Errorf("%+v, %v", exit, err)
	}
}

// TestHangUp: when the connection of a command ends, as when its engine dies,
// the command is hung up.
func TestHangUp(t *testing.T) {
	sb := newPlace(t).boot(t, sandbox.Spec{})
	p, out := follow(t, sb, "localvpc", "probe", "hold")
	sandbox.Drop(p)
	readLine(t, out, "got hangup")
}
