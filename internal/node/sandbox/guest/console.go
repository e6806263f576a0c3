//go:build linux

package guest

import (
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox/control"
)

// console keeps the end of what the instance prints in a bounded file, which
// was opened outside.
type console struct {
	mu   sync.Mutex
	file *os.File
	size int64

	writer int // writing end of /dev/console for the children, blocking; -1 before open

	sources []*source
}

// source is a pipe that processes of the instance write to.
type source struct {
	mu  sync.Mutex // held while what was read is written on
	raw syscall.RawConn
	to  io.Writer
}

// follow copies what arrives in a pipe, whose reading end it takes over, until
// no writer is left, and then closes the pipe and the rest.
func (c *console) follow(pipe *os.File, to io.Writer, rest ...io.Closer) (*source, error) {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &source{raw: raw, to: to}
	c.mu.Lock()
	c.sources = append(c.sources, s)
	c.mu.Unlock()
	go func() {
		defer func() {
			pipe.Close()
			for _, r := range rest {
				r.Close()
			}
		}()
		for more := true; more; {
			err := raw.Read(func(fd uintptr) (ready bool) {
				ready, more = s.take(fd)
				return ready
			})
			more = more && err == nil
		}
	}()
	return s, nil
}

// take copies one piece; ready is false if the pipe is empty, more at its end.
func (s *source) take(fd uintptr) (ready, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	buf := make([]byte, 8<<10)
	n, err := unix.Read(int(fd), buf)
	if n > 0 {
		_, _ = s.to.Write(buf[:n])
		return true, true
	}
	if err == unix.EAGAIN {
		return false, true
	}
	return true, err == unix.EINTR
}

// flush copies what is in the pipe now, though no more than a pipe can hold
// several times over: its writers may go on.
func (s *source) flush() {
	_ = s.raw.Control(func(fd uintptr) {
		for range 64 {
			if ready, more := s.take(fd); !ready || !more {
				return
			}
		}
	})
}

// drain takes what is left in all pipes, once everybody who could write is gone.
func (c *console) drain() {
	c.mu.Lock()
	sources := c.sources
	c.mu.Unlock()
	for _, s := range sources {
		s.flush()
	}
}

func newConsole(file *os.File) *console {
	c := &console{file: file, writer: -1}
	c.size, _ = file.Seek(0, io.SeekEnd)
	return c
}

// open makes path the console of the instance: a fifo that anybody inside may
// write to and only init reads.
func (c *console) open(path string) error {
	if err := unix.Mkfifo(path, 0o622); err != nil {
		return fmt.Errorf("making %s: %w", path, err)
	}
	// Open for both, so that it never ends when the last writer leaves.
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	_ = unix.Fchmod(fd, 0o622) // whatever the umask was
	if c.writer, err = unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0); err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	_, err = c.follow(os.NewFile(uintptr(fd), path), c)
	return err
}

// printf writes a line of init's own.
func (c *console) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(c, "localvpc: "+format+"\n", args...)
}

// Write appends to the log, and cuts it back when it has grown to its bound. A
// reader outside takes a shared lock and never sees a cut half done.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(p)
	if len(p) >= control.ConsoleKeep { // nothing from before would be kept
		p = p[len(p)-control.ConsoleKeep:]
		c.cut(0)
	} else if c.size+int64(len(p)) > control.ConsoleMax {
		c.cut(control.ConsoleKeep - len(p))
	}
	wrote, err := c.file.WriteAt(p, c.size)
	c.size += int64(wrote)
	return n, err
}

// cut keeps the last keep bytes.
func (c *console) cut(keep int) {
	_ = unix.Flock(int(c.file.Fd()), unix.LOCK_EX)
	defer unix.Flock(int(c.file.Fd()), unix.LOCK_UN)
	buf := make([]byte, keep)
	n, _ := c.file.ReadAt(buf, max(0, c.size-int64(keep)))
	wrote, _ := c.file.WriteAt(buf[:n], 0)
	c.size = int64(wrote)
	_ = c.file.Truncate(c.size)
}
