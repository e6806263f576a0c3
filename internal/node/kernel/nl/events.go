//go:build linux

package nl

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// eventRun bounds how many datagrams are read at one time.
const eventRun = 256

// ErrLost says that the kernel told more than the socket could hold.
var ErrLost = errors.New("events were lost")

// Events is a netlink socket that hears what the kernel tells groups. It belongs to the
// network namespace of the thread that opened it, for ever.
type Events struct {
	f      *os.File
	raw    syscall.RawConn
	buffer []byte
	closed atomic.Bool
}

// Listen joins groups of a netlink protocol in the calling thread's network namespace.
func Listen(protocol int, groups ...int) (*Events, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, fmt.Errorf("opening a netlink socket: %w", err)
	}
	err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	if err == nil && unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bufferSize) != nil {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bufferSize))
	}
	for _, group := range groups {
		if err == nil {
			err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group))
		}
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listening to netlink groups: %w", err)
	}
	e := &Events{f: os.NewFile(uintptr(fd), "netlink events"), buffer: make([]byte, 16<<10)}
	if e.raw, err = e.f.SyscallConn(); err != nil {
		e.f.Close()
		return nil, fmt.Errorf("listening to netlink groups: %w", err)
	}
	return e, nil
}

// Close ends Next, with os.ErrClosed.
func (e *Events) Close() error {
	e.closed.Store(true)
	return e.f.Close()
}

// Next waits for messages and hands those that are there to each, a bounded number at
// one time. ErrLost: some are missing; those that are there have been handed over.
func (e *Events) Next(each func(typ uint16, body []byte)) error {
	var failed error
	err := e.raw.Read(func(fd uintptr) bool {
		for i := range eventRun {
			n, from, err := unix.Recvfrom(int(fd), e.buffer, unix.MSG_TRUNC)
			switch {
			case err == unix.EINTR:
				continue
			case err == unix.EAGAIN:
				return i > 0
			case err == unix.ENOBUFS:
				failed = ErrLost
				return true
			case err != nil:
				failed = os.NewSyscallError("recvfrom", err)
				return true
			}
			if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 || n > len(e.buffer) {
				continue // not the kernel's word
			}
			Messages(e.buffer[:n], each)
		}
		return true
	})
	switch {
	case e.closed.Load():
		return os.ErrClosed
	case err != nil:
		return err
	}
	return failed
}

// Messages walks the messages of a datagram. A malformed rest ends the walk.
func Messages(b []byte, each func(typ uint16, body []byte)) {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(native.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return
		}
		each(native.Uint16(b[4:]), b[unix.SizeofNlMsghdr:size])
		b = b[min((size+3)&^3, len(b)):]
	}
}
