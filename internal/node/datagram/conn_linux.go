package datagram

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// linger is how long a socket that was just asked is waited for by a thread of its
// own, in milliseconds, before it is left to the poller: that would be woken by each
// packet, whether or not somebody waits there.
const linger = 20

// Conn is a UDP socket that is served.
type Conn struct {
	local net.Addr
	fd    int
	wake  int // an eventfd that is written to when the socket is closed

	freed chan struct{} // closed when the socket is

	mu      sync.Mutex
	parked  *os.File // the socket, while the poller waits for it
	serving bool
	ended   bool
}

// Take takes over a socket: c is closed, whatever comes of it.
func Take(c *net.UDPConn) (*Conn, error) {
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("taking over a socket: %w", err)
	}
	t := &Conn{local: c.LocalAddr(), fd: -1, freed: make(chan struct{})}
	var failed error
	err = raw.Control(func(fd uintptr) { t.fd, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err := errors.Join(err, failed); err != nil {
		return nil, fmt.Errorf("taking over a socket: %w", err)
	}
	if t.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		_ = unix.Close(t.fd)
		return nil, fmt.Errorf("making an eventfd: %w", err)
	}
	return t, nil
}

// LocalAddr is the address that the socket is bound to.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// Close ends Serve and returns when the socket's address is free; an Answer must not
// call it.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return net.ErrClosed
	}
	c.ended = true
	serving := c.serving
	var err error
	if serving {
		if c.parked != nil {
			_ = c.parked.Close()
		}
		_, err = unix.Write(c.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
	c.mu.Unlock()
	if !serving {
		c.free()
	}
	<-c.freed
	return err
}

// Serve answers what comes until the socket is closed, which is no error. With told
// the packets say at which address they were asked, and answers leave from there.
func (c *Conn) Serve(told bool, answer Answer) error {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return nil
	}
	c.serving = true
	c.mu.Unlock()
	defer c.free()
	if told {
		if err := unix.SetsockoptInt(c.fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1); err != nil {
			return fmt.Errorf("asking for the destinations of packets: %w", err)
		}
	}
	for {
		b := batches.Get().(*batch)
		n, err := batchSize, error(nil)
		for n == batchSize && !c.closed() { // a batch that was not full was all there is
			if n, err = b.receive(c.fd, told); n > 0 {
				b.send(c.fd, b.answer(c, n, told, answer))
			}
		}
		batches.Put(b)
		if c.closed() {
			return nil
		}
		if err != nil && err != unix.EAGAIN {
			return fmt.Errorf("reading packets: %w", err)
		}
		if err := c.wait(); err != nil {
			return fmt.Errorf("waiting for packets: %w", err)
		}
	}
}

func (c *Conn) closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

func (c *Conn) free() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	_, _ = unix.Close(c.fd), unix.Close(c.wake)
	close(c.freed)
}

// wait returns when there is a packet, or the socket is closed.
func (c *Conn) wait() error {
	ready := [...]unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}, {Fd: int32(c.wake), Events: unix.POLLIN}}
	n, err := unix.Poll(ready[:], linger)
	if n > 0 || err == unix.EINTR {
		return nil
	}
	if err != nil {
		return err
	}
	return c.park()
}

// park is wait by the poller: the socket is known to it only meanwhile.
func (c *Conn) park() error {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return nil
	}
	fd, err := unix.FcntlInt(uintptr(c.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		c.mu.Unlock()
		return err
	}
	f := os.NewFile(uintptr(fd), c.local.String())
	c.parked = f
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.parked = nil; !c.ended {
			_ = f.Close()
		}
	}()
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Read(func(fd uintptr) bool {
		ready := [...]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(ready[:], 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
	if c.closed() {
		return nil
	}
	return err
}
