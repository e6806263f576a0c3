//go:build linux

package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox/control"
)

// console keeps the end of what the instance prints in a bounded file, which
// was opened outside.
type console struct {
	mu   sync.Mutex
	file *os.File
	size int64

	fifo   *os.File // reading end of /dev/console
	writer int      // writing end for the children, blocking; -1 before open
	others sync.WaitGroup
}

// attach counts a further source of output; drain waits until it is done.
func (c *console) attach() (done func()) {
	c.others.Add(1)
	return c.others.Done
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
	c.fifo = os.NewFile(uintptr(fd), path)
	go c.pump()
	return nil
}

func (c *console) pump() {
	buf := make([]byte, 8<<10)
	for {
		n, err := c.fifo.Read(buf)
		_, _ = c.Write(buf[:n])
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}

// drain takes what is still in the fifo once everybody who could write is gone.
func (c *console) drain() {
	if c.fifo == nil {
		return
	}
	c.others.Wait()
	raw, err := c.fifo.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 8<<10)
	_ = raw.Control(func(fd uintptr) {
		for range 64 {
			n, err := unix.Read(int(fd), buf)
			if n <= 0 || err != nil {
				return
			}
			_, _ = c.Write(buf[:n])
		}
	})
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
	if len(p) > control.ConsoleKeep {
		p = p[len(p)-control.ConsoleKeep:]
	}
	if c.size+int64(len(p)) > control.ConsoleMax {
		c.cut(control.ConsoleKeep - len(p))
	}
	wrote, err := c.file.WriteAt(p, c.size)
	c.size += int64(wrote)
	return n, err
}

// cut keeps the last keep bytes, from the start of a line where there is one.
func (c *console) cut(keep int) {
	_ = unix.Flock(int(c.file.Fd()), unix.LOCK_EX)
	defer unix.Flock(int(c.file.Fd()), unix.LOCK_UN)
	buf := make([]byte, keep)
	n, _ := c.file.ReadAt(buf, max(0, c.size-int64(keep)))
	wrote, _ := c.file.WriteAt(buf[:n], 0)
	c.size = int64(wrote)
	_ = c.file.Truncate(c.size)
}
