package world

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// logger brings what the engines write, and the holder's own lines, to the log.
// A log that does not take it loses lines, and stops nobody.
type logger struct {
	in, out int // pipe: the engines write to in
	last    []byte
	queue   chan []byte
	done    chan struct{}
	lost    int
}

// tailBytes is how much of the engine's last words is kept.
const tailBytes = 4 << 10

// newLogger makes a logger that writes to descriptor fd.
func newLogger(fd int) (*logger, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("making the log's pipe: %w", err)
	}
	if err := unix.SetNonblock(p[0], true); err != nil {
		return nil, fmt.Errorf("making the log's pipe: %w", err)
	}
	l := &logger{in: p[1], out: p[0], queue: make(chan []byte, 64), done: make(chan struct{})}
	go l.write(fd)
	return l, nil
}

// pump takes what is in the pipe.
func (l *logger) pump() {
	var buf [4096]byte
	for range 64 { // a chatty engine must not keep the loop
		n, err := unix.Read(l.out, buf[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		l.last = append(l.last, buf[:n]...)
		if more := len(l.last) - tailBytes; more > 0 {
			l.last = append(l.last[:0], l.last[more:]...)
		}
		l.put(append([]byte(nil), buf[:n]...))
	}
}

func (l *logger) printf(format string, args ...any) {
	l.put(fmt.Appendf(nil, "localvpc: "+format+"\n", args...))
}

func (l *logger) put(text []byte) {
	n := len(text)
	if l.lost > 0 {
		text = append(fmt.Appendf(nil, "\nlocalvpc: %d bytes of log are lost here\n", l.lost), text...)
	}
	select {
	case l.queue <- text:
		l.lost = 0
	default:
		l.lost += n
	}
}

// tail is the end of what engines have written.
func (l *logger) tail() string { return string(l.last) }

// write blocks where the log blocks.
func (l *logger) write(fd int) {
	defer close(l.done)
	for text := range l.queue {
		for len(text) > 0 {
			n, err := unix.Write(fd, text)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				break
			}
			text = text[n:]
		}
	}
}

// close waits until all is written, or until limit.
func (l *logger) close(limit time.Duration) {
	close(l.queue)
	select {
	case <-l.done:
	case <-time.After(limit):
	}
}

// say writes a line where no logger is, or not yet.
func say(err error) { fmt.Fprintln(os.Stderr, "localvpc:", err) }
