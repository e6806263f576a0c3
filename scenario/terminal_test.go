package scenario

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// console is a command of the binary on a terminal of the test's.
type console struct {
	t    *testing.T
	tty  *os.File
	cmd  *exec.Cmd
	seen bytes.Buffer
}

func (w *world) console(size pty.Winsize, env []string, args ...string) *console {
	w.t.Helper()
	cmd := w.command(args...)
	cmd.Env = append(append(cmd.Env, "TERM=xterm"), env...)
	blocking, err := pty.StartWithSize(cmd, &size)
	if err != nil {
		w.t.Fatal(err)
	}
	fd := int(blocking.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		w.t.Fatal(err)
	}
	again, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	blocking.Close()
	tty := os.NewFile(uintptr(again), "tty") // has deadlines
	w.t.Cleanup(func() {
		tty.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &console{t: w.t, tty: tty, cmd: cmd}
}

// resize is the user drawing the window larger.
func (c *console) resize(rows, cols uint16) {
	c.t.Helper()
	raw, err := c.tty.SyscallConn()
	if err != nil {
		c.t.Fatal(err)
	}
	var set error
	if err := raw.Control(func(fd uintptr) {
		set = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	}); err != nil || set != nil {
		c.t.Fatal(err, set)
	}
}

// reads waits until the terminal shows a match, and forgets it and what was before.
func (c *console) reads(pattern string) string {
	c.t.Helper()
	re := regexp.MustCompile(pattern)
	if err := c.tty.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for {
		if at := re.FindIndex(c.seen.Bytes()); at != nil {
			return string(c.seen.Next(at[1])[at[0]:])
		}
		n, err := c.tty.Read(buf)
		c.seen.Write(buf[:n])
		if err != nil {
			c.t.Fatalf("waiting for %q: %v; the terminal shows\n%q", pattern, err, c.seen.String())
		}
	}
}

func (c *console) types(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.tty, text); err != nil {
		c.t.Fatal(err)
	}
}

// ends waits for the end of the command and returns what the terminal shows still,
// and the exit code.
func (c *console) ends() (string, int) {
	c.t.Helper()
	if err := c.tty.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	_, err := io.Copy(&c.seen, c.tty)
	if err != nil && !errors.Is(err, syscall.EIO) { // the other end is closed
		c.t.Fatalf("waiting for the end: %v; the terminal shows\n%q", err, c.seen.String())
	}
	_ = c.cmd.Wait()
	return c.seen.String(), c.cmd.ProcessState.ExitCode()
}

// TestTerminal is exec -t and shell as a person has them.
func TestTerminal(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		_, subnet := w.vpc(w.ec2, "10.0.0.0/16", "10.0.0.0/24")
		w.launch(w.ec2, "web", subnet, nil, "")

		c := w.console(pty.Winsize{Rows: 33, Cols: 77}, nil, "exec", "-t", "web", "--", "sh", "-c", `tty; stty size; echo "$TERM"; trap 'echo resized; stty size; exit 7' WINCH; echo ready; sleep 1000 & wait`)
		c.reads(`/dev/pts/\d+\r\n33 77\r\nxterm\r\nready\r\n`)
		c.resize(44, 88)
		c.reads("resized\r\n44 88\r\n")
		if out, code := c.ends(); code != 7 || out != "" {
			t.Errorf("%q, exit code %d", out, code)
		}

		// Ctrl-C is the command's, not localvpc's.
		c = w.console(pty.Winsize{Rows: 24, Cols: 80}, nil, "exec", "-t", "web", "--", "sh", "-c", "echo ready; exec sleep 1000")
		c.reads("ready\r\n")
		c.types("\x03")
		if out, code := c.ends(); code != 130 || out != "^C" {
			t.Errorf("Ctrl-C: %q, exit code %d", out, code)
		}

		// A shell with line editing, job control and an end of file.
		c = w.console(pty.Winsize{Rows: 24, Cols: 80}, []string{"PS1=none"}, "shell", "web")
		const prompt = `[#$] ` // what is typed earlier may be lost, as everywhere
		c.reads(prompt)
		c.types("echo $((40+2)); tty -s && echo terminal\n")
		c.reads("\r?42\r\nterminal\r\n")
		c.reads(prompt)
		c.types("sh -c 'echo run; exec sleep 1000'\n")
		c.reads("[\r\n]run\r\n")
		c.types("\x03")
		c.reads(prompt)
		c.types("echo code $?\n")
		c.reads("code 130\r\n")
		c.reads(prompt)
		c.types("exit 5\n")
		if _, code := c.ends(); code != 5 {
			t.Errorf("shell: exit code %d", code)
		}

		// A process in the background does not keep the terminal.
		c = w.console(pty.Winsize{Rows: 24, Cols: 80}, nil, "exec", "-t", "web", "--", "sh", "-c", "trap '' HUP; sleep 1000 & echo last words")
		if out, code := c.ends(); code != 0 || out != "last words\r\n" {
			t.Errorf("background: %q, exit code %d", out, code)
		}

		// Whoever gets a terminal without having one gives it a size and an end of file.
		cmd := w.command("exec", "-t", "web", "--", "sh", "-c", "stty size; cat")
		cmd.Stdin = strings.NewReader("text\n")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "24 80\r\n") || strings.Count(string(out), "text\r\n") != 2 { // typed, and said
			t.Errorf("without a terminal: %q, %v", out, err)
		}

		// Colour is for terminals, unless it is not wanted.
		for _, test := range []struct {
			env     []string
			colours bool
		}{{nil, true}, {[]string{"NO_COLOR=1"}, false}, {[]string{"TERM=dumb"}, false}} {
			c := w.console(pty.Winsize{Rows: 24, Cols: 80}, test.env, "ls")
			if out, code := c.ends(); code != 0 || strings.Contains(out, "\x1b[") != test.colours {
				t.Errorf("ls with %v: %q, exit code %d", test.env, out, code)
			}
		}
	})
}

// TestStreams is what scripts rely on: bytes, ends, exit codes and signals.
func TestStreams(t *testing.T) {
	needPackets(t)
	w := (&world{uid: os.Getuid()}).up(t)
	_, subnet := w.vpc(w.ec2, "10.0.0.0/16", "10.0.0.0/24")
	w.launch(w.ec2, "web", subnet, nil, "")
	data := make([]byte, 5<<20)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}

	t.Run("bytes", func(t *testing.T) {
		cmd := w.command("exec", "web", "--", "cat")
		cmd.Stdin = bytes.NewReader(data)
		out, err := cmd.Output()
		if err != nil || !bytes.Equal(out, data) {
			t.Errorf("%d of %d bytes came back: %v", len(out), len(data), err)
		}
		cmd = w.command("exec", "web", "--", "sha256sum")
		cmd.Stdin = bytes.NewReader(data)
		out, err = cmd.Output()
		if want := fmt.Sprintf("%x  -\n", sha256.Sum256(data)); err != nil || string(out) != want {
			t.Errorf("%q, want %q: %v", out, want, err)
		}
	})

	t.Run("last words for a slow reader", func(t *testing.T) {
		cmd := w.command("exec", "web", "--", "sh", "-c", "head -c 300000 /dev/zero; sleep 1000 &")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// The command has ended long before it is listened to.
		if out, code := w.in("web", "while pgrep -x head >/dev/null; do :; done; echo gone"); code != 0 {
			t.Logf("%q, exit code %d", out, code)
		}
		n, err := io.Copy(io.Discard, out)
		if err := errors.Join(err, cmd.Wait()); err != nil || n != 300000 {
			t.Errorf("%d bytes of 300000: %v", n, err)
		}
	})

	t.Run("a command that reads nothing", func(t *testing.T) {
		cmd := w.command("exec", "web", "--", "sh", "-c", "exit 3")
		cmd.Stdin = bytes.NewReader(data)
		if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 3 {
			t.Errorf("%v", err)
		}
	})

	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		t.Run(fmt.Sprintf("%v behind input that is not read", sig), func(t *testing.T) {
			cmd := w.command("exec", "web", "--", "sh", "-c", fmt.Sprintf(`trap 'echo got it; kill $!; exit 9' %d; sleep 1000 & echo ready; wait`, sig))
			cmd.Stdin = bytes.NewReader(data)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ready := make([]byte, len("ready\n"))
			if _, err := io.ReadFull(out, ready); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(out)
			if err != nil || !strings.HasPrefix(string(rest), "got it\n") {
				t.Errorf("%q %v", rest, err)
			}
			if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 9 {
				t.Errorf("exit code %d", cmd.ProcessState.ExitCode())
			}
		})
	}

	t.Run("a caller that is killed", func(t *testing.T) {
		cmd := w.command("exec", "web", "--", "sh", "-c", "echo $$; exec sleep 1000")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var pid int
		if _, err := fmt.Fscan(out, &pid); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if out, code := w.in("web", fmt.Sprintf("while kill -0 %d 2>/dev/null; do :; done; echo gone", pid)); code != 0 || out != "gone\n" {
			t.Errorf("%q, exit code %d", out, code)
		}
	})
}
