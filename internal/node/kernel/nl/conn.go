//go:build linux

// Package nl is the conversation with the kernel: netlink messages in runs, each
// answered, over one socket.
//
// Invariant: a run is sent in one system call and every message of it is
// answered before the call returns; an error says which message of the run it
// answers, so that a caller can name the operation. Requests are handled by the
// kernel in the sender's own time, so no call waits for anybody.
//
// Facts: netlink(7); Documentation/userspace-api/netlink/intro.rst.
package nl

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// bufferSize is asked for both directions; the kernel may give less (capped by
// net.core.{r,w}mem_max without CAP_NET_ADMIN on the host).
const bufferSize = 4 << 20

// ackRun bounds how many messages are sent before their answers are read, so
// that the answers fit into the smallest receive buffer.
const ackRun = 64

var buffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// Conn is a netlink socket. It belongs to the network namespace of the thread
// that dialled it, for ever. It is not for concurrent use.
type Conn struct {
	fd    int
	seq   uint32
	limit int
}

// Error is a refusal by the kernel of one message of a run.
type Error struct {
	Errno  syscall.Errno
	Text   string // what the kernel adds in words, may be empty
	Index  int    // of the message within the run
	Offset int    // of the attribute that is to blame within its message, 0: not said
}

func (e *Error) Error() string {
	if e.Text != "" {
		return e.Errno.Error() + ": " + e.Text
	}
	return e.Errno.Error()
}

func (e *Error) Unwrap() error { return e.Errno }

// Dial opens a socket of a netlink protocol (unix.NETLINK_ROUTE,
// unix.NETLINK_NETFILTER) in the calling thread's network namespace.
func Dial(protocol int) (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return nil, fmt.Errorf("opening a netlink socket: %w", err)
	}
	c := &Conn{fd: fd}
	if err := c.setup(); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("setting up a netlink socket: %w", err)
	}
	return c, nil
}

func (c *Conn) setup() error {
	if err := unix.Bind(c.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	for _, opt := range [][2]int{{unix.SO_SNDBUFFORCE, unix.SO_SNDBUF}, {unix.SO_RCVBUFFORCE, unix.SO_RCVBUF}} {
		if unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, opt[0], bufferSize) == nil {
			continue
		}
		if err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, opt[1], bufferSize); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	size, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	c.limit = size - 256
	// Errors without an echo of the message, and with the kernel's words.
	for _, opt := range []int{unix.NETLINK_CAP_ACK, unix.NETLINK_EXT_ACK} {
		if err := unix.SetsockoptInt(c.fd, unix.SOL_NETLINK, opt, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	// Nothing ever waits; if the kernel broke that rule, fail and do not hang.
	return os.NewSyscallError("setsockopt", unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 30}))
}

// Close closes the socket.
func (c *Conn) Close() error { return unix.Close(c.fd) }

// Limit is the largest size in bytes that one run may have as a whole.
func (c *Conn) Limit() int { return c.limit }

// Do sends messages that stand for themselves, asks for an answer to each, and
// hands what the kernel replies to reply, which may be nil. All are tried; the
// error is that of the first that failed.
func (c *Conn) Do(w *Buf, reply func(index int, typ uint16, body []byte)) error {
	w.finish()
	var first error
	for from := 0; from < len(w.starts); {
		to, end := from, 0
		for to < len(w.starts) && to-from < ackRun {
			next := len(w.b)
			if to+1 < len(w.starts) {
				next = w.starts[to+1]
			}
			if to > from && next-w.starts[from] > c.limit {
				break
			}
			to, end = to+1, next
		}
		seq := c.number(w.starts[from:to], w.b, unix.NLM_F_ACK)
		if err := c.send(w.b[w.starts[from]:end]); err != nil {
			return err
		}
		waiting := to - from
		err := c.receive(func(m message) (bool, error) {
			i := int(m.seq - seq)
			if i < 0 || i >= to-from {
				return false, nil // of an earlier run that failed as a whole
			}
			if m.typ == unix.NLMSG_ERROR || m.typ == unix.NLMSG_DONE {
				if err := m.err(from + i); err != nil && first == nil {
					first = err
				}
				waiting--
			} else if reply != nil {
				reply(from+i, m.typ, m.body)
			}
			return waiting == 0, nil
		})
		if err != nil {
			return err
		}
		from = to
	}
	return first
}

// Batch sends the messages as one transaction of nfnetlink: all take effect or
// none. The error is that of the first message that the kernel refused. A run
// larger than Limit fails with EMSGSIZE.
func (c *Conn) Batch(w *Buf, subsystem uint16) error {
	if w.Len() == 0 {
		return nil
	}
	// Only the last message asks for an acknowledgement: failures answer unasked.
	var all Buf
	bracket := []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, byte(subsystem >> 8), byte(subsystem)}
	all.b = make([]byte, 0, len(w.b)+64)
	all.Begin(unix.NFNL_MSG_BATCH_BEGIN, 0, bracket)
	all.Append(w)
	all.Begin(unix.NFNL_MSG_BATCH_END, 0, bracket)
	all.finish()
	seq := c.number(all.starts, all.b, 0)
	last := all.starts[len(all.starts)-2]
	native.PutUint16(all.b[last+6:], native.Uint16(all.b[last+6:])|unix.NLM_F_ACK)
	if err := c.send(all.b); err != nil {
		return err
	}
	var refused *Error
	err := c.receive(func(m message) (bool, error) {
		i := int(m.seq-seq) - 1 // without the bracket
		if i < -1 || i >= w.Len() || m.typ != unix.NLMSG_ERROR {
			return false, nil
		}
		var e *Error
		if err := m.err(max(i, 0)); errors.As(err, &e) && (refused == nil || i == -1) {
			refused = e
		}
		return i == -1 || i == w.Len()-1, nil
	})
	if err == nil && refused != nil {
		return refused
	}
	return err
}

// Dump sends one dump request and hands every object to each. An interrupted
// dump, when objects changed meanwhile, is repeated after calling again.
func (c *Conn) Dump(w *Buf, again func(), each func(typ uint16, body []byte) error) error {
	for try := 0; ; try++ {
		w.finish()
		seq := c.number(w.starts, w.b, unix.NLM_F_DUMP)
		if err := c.send(w.b); err != nil {
			return err
		}
		torn := false
		var failed error
		err := c.receive(func(m message) (bool, error) {
			if m.seq != seq {
				return false, nil
			}
			torn = torn || m.flags&unix.NLM_F_DUMP_INTR != 0
			if m.typ == unix.NLMSG_ERROR || m.typ == unix.NLMSG_DONE {
				return true, m.err(0)
			}
			if failed == nil {
				failed = each(m.typ, m.body)
			}
			return false, nil
		})
		switch {
		case err != nil:
			return err
		case failed != nil:
			return failed
		case !torn || try == 20:
			return nil
		}
		again()
	}
}

// number gives the messages consecutive sequence numbers and adds flags; the
// first number is returned.
func (c *Conn) number(starts []int, b []byte, flags uint16) uint32 {
	first := c.seq + 1
	for _, start := range starts {
		c.seq++
		native.PutUint32(b[start+8:], c.seq)
		native.PutUint16(b[start+6:], native.Uint16(b[start+6:])|flags)
	}
	return first
}

func (c *Conn) send(b []byte) error {
	for {
		err := unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		if err != unix.EINTR {
			return os.NewSyscallError("sendto", err)
		}
	}
}

type message struct {
	typ, flags uint16
	seq        uint32
	body       []byte
}

// err is the error that an answer carries, nil for an acknowledgement.
func (m message) err(index int) error {
	if len(m.body) < 4 {
		return nil
	}
	code := int32(native.Uint32(m.body))
	if code >= 0 {
		return nil
	}
	e := &Error{Errno: syscall.Errno(-code), Index: index}
	if m.flags&unix.NLM_F_ACK_TLVS == 0 {
		return e
	}
	rest := m.body[4:]
	if m.typ == unix.NLMSG_ERROR { // the header of the message, without its body
		if len(rest) < unix.SizeofNlMsghdr {
			return e
		}
		rest = rest[unix.SizeofNlMsghdr:]
	}
	for typ, value := range Attrs(rest) {
		switch typ {
		case unix.NLMSGERR_ATTR_MSG:
			e.Text = Str(value)
		case unix.NLMSGERR_ATTR_OFFS:
			e.Offset = int(Uint32(value))
		}
	}
	return e
}

// receive hands messages to each until it says that it has seen the last.
func (c *Conn) receive(each func(message) (last bool, err error)) error {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	for {
		n, _, err := unix.Recvfrom(c.fd, *buffer, unix.MSG_TRUNC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return os.NewSyscallError("recvfrom", err)
		}
		if n > len(*buffer) {
			return fmt.Errorf("an answer of %d bytes exceeds the buffer", n)
		}
		b := (*buffer)[:n]
		for len(b) >= unix.SizeofNlMsghdr {
			size := int(native.Uint32(b))
			if size < unix.SizeofNlMsghdr || size > len(b) {
				return errors.New("malformed answer from the kernel")
			}
			m := message{
				typ:   native.Uint16(b[4:]),
				flags: native.Uint16(b[6:]),
				seq:   native.Uint32(b[8:]),
				body:  b[unix.SizeofNlMsghdr:size],
			}
			last, err := each(m)
			if last || err != nil {
				return err
			}
			b = b[min((size+3)&^3, len(b)):]
		}
	}
}
