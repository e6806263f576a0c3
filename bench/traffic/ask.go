//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/bench/report"
)

// dial connects and waits for it without end; the kernel gives up by itself.
func dial(to unix.Sockaddr) (int, error) {
	fd, err := open(to, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Connect(fd, to); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("connecting: %w", err)
	}
	return fd, nil
}

// stream writes for d and counts what has arrived at the other end.
func stream(to unix.Sockaddr, d time.Duration) (r report.Traffic, err error) {
	fd, err := dial(to)
	if err != nil {
		return r, err
	}
	defer unix.Close(fd)
	if err := errors.Join(bound(fd, patience*time.Second), path(fd, &r)); err != nil {
		return r, err
	}
	buf := bytes.Repeat([]byte{askCount}, 128<<10)
	for end := time.Now().Add(d); time.Now().Before(end); {
		if _, err := unix.Write(fd, buf); err != nil && err != unix.EINTR {
			return r, fmt.Errorf("writing: %w", err)
		}
	}
	if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
		return r, fmt.Errorf("closing: %w", err)
	}
	var count [8]byte
	for got := 0; got < len(count); {
		n, err := read(fd, count[got:])
		if err != nil || n == 0 {
			return r, fmt.Errorf("reading the count of bytes: %w", errors.Join(err, io.ErrUnexpectedEOF))
		}
		got += n
	}
	r.Count = binary.BigEndian.Uint64(count[:])
	return r, nil
}

// connects opens a connection, asks one byte, gets one, waits for the server to
// close: as HTTP without keep-alive. The port is free again at once, since it is
// the server that closes first.
func connects(to unix.Sockaddr, d time.Duration) (r report.Traffic, err error) {
	b := []byte{askOnce}
	for end := time.Now().Add(d); time.Now().Before(end); r.Count++ {
		fd, err := dial(to)
		if err != nil {
			return r, err
		}
		if r.Count == 0 {
			if err := path(fd, &r); err != nil {
				return r, err
			}
		}
		err = exchange(fd, b)
		if err == nil {
			var n int
			if n, err = read(fd, b); n != 0 && err == nil {
				err = errors.New("more than one byte came back")
			}
		}
		_ = unix.Close(fd)
		if err != nil {
			return r, fmt.Errorf("after %d connections: %w", r.Count, err)
		}
		b[0] = askOnce
	}
	return r, nil
}

// requests asks one byte and gets one, on one connection.
func requests(to unix.Sockaddr, d time.Duration) (r report.Traffic, err error) {
	fd, err := dial(to)
	if err != nil {
		return r, err
	}
	defer unix.Close(fd)
	if err := errors.Join(bound(fd, patience*time.Second), path(fd, &r), unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)); err != nil {
		return r, err
	}
	b := []byte{askKeep}
	for end := time.Now().Add(d); time.Now().Before(end); r.Count++ {
		if err := exchange(fd, b); err != nil {
			return r, fmt.Errorf("after %d requests: %w", r.Count, err)
		}
	}
	return r, nil
}

func exchange(fd int, b []byte) error {
	if _, err := unix.Write(fd, b); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if n, err := read(fd, b); err != nil || n != 1 {
		return fmt.Errorf("reading: %w", errors.Join(err, io.ErrUnexpectedEOF))
	}
	return nil
}

// once makes one attempt. Count is 1 if the connection came about, 0 if nobody
// answered within d; a refusal is an error.
func once(to unix.Sockaddr, d time.Duration) (r report.Traffic, err error) {
	fd, err := attempt(to, d)
	if errors.Is(err, unix.ETIMEDOUT) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	r.Count = 1
	return r, unix.Close(fd)
}

// who makes one attempt and asks the server for the addresses of both ends.
// Count is as once has it.
func who(to unix.Sockaddr, d time.Duration) (r report.Traffic, err error) {
	fd, err := attempt(to, d)
	if errors.Is(err, unix.ETIMEDOUT) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.SetNonblock(fd, false), bound(fd, patience*time.Second)); err != nil {
		return r, err
	}
	if _, err := unix.Write(fd, []byte{askWho}); err != nil {
		return r, fmt.Errorf("writing: %w", err)
	}
	answer := make([]byte, 128)
	n, err := read(fd, answer)
	if err != nil {
		return r, fmt.Errorf("reading: %w", err)
	}
	if _, err := fmt.Sscan(string(answer[:n]), &r.Server, &r.Client); err != nil {
		return r, fmt.Errorf("the answer was %q: %w", answer[:n], err)
	}
	r.Count = 1
	return r, nil
}

// hold opens a connection that stays, in the place of the one before it.
func (g *generator) hold(to unix.Sockaddr, d time.Duration) (r report.Traffic, err error) {
	if g.held >= 0 {
		_ = unix.Close(g.held)
		g.held = -1
	}
	fd, err := attempt(to, d)
	if err != nil {
		return r, err
	}
	if err = errors.Join(unix.SetNonblock(fd, false), bound(fd, d), exchange(fd, []byte{askHold})); err != nil {
		_ = unix.Close(fd)
		return r, err
	}
	g.held, r.Count = fd, 1
	return r, nil
}

// still tells by Count whether the connection that stays answers within d.
func (g *generator) still(d time.Duration) (r report.Traffic, err error) {
	if g.held < 0 {
		return r, errors.New("there is no connection that stays")
	}
	if err := bound(g.held, d); err != nil {
		return r, err
	}
	if exchange(g.held, []byte{askHold}) == nil {
		r.Count = 1
	}
	return r, nil
}

// glance is how long until waits for an answer before it asks anew: a lost
// packet is repeated by the kernel only after a second.
const glance = 5 * time.Millisecond

// until asks without a pause. Count is how often it asked.
func until(to unix.Sockaddr, d time.Duration) (r report.Traffic, err error) {
	request, answer := []byte("GET / HTTP/1.0\r\n\r\n"), make([]byte, 512)
	err = unix.ETIMEDOUT
	for end := time.Now().Add(d); time.Now().Before(end); {
		r.Count++
		var fd int
		if fd, err = attempt(to, glance); err != nil {
			continue
		}
		var n int
		if err = errors.Join(unix.SetNonblock(fd, false), bound(fd, d)); err == nil {
			if _, err = unix.Write(fd, request); err == nil {
				n, err = read(fd, answer)
			}
		}
		_ = unix.Close(fd)
		if err == nil && bytes.HasPrefix(answer[:n], []byte("HTTP/1.")) && bytes.Contains(answer[:n], []byte(" 200 ")) {
			return r, nil
		}
		if err == nil {
			err = fmt.Errorf("the answer was %q", answer[:n])
		}
	}
	return r, fmt.Errorf("asked %d times, last: %w", r.Count, err)
}

// attempt connects within d, or fails with ETIMEDOUT. The socket does not block.
func attempt(to unix.Sockaddr, d time.Duration) (int, error) {
	fd, err := open(to, unix.SOCK_NONBLOCK)
	if err != nil {
		return -1, err
	}
	if err = unix.Connect(fd, to); err == unix.EINPROGRESS {
		err = connected(fd, d)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("connecting: %w", err)
	}
	return fd, nil
}

func connected(fd int, d time.Duration) error {
	ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	for end := time.Now().Add(d); ; {
		ts := unix.NsecToTimespec(int64(max(0, time.Until(end))))
		n, err := unix.Ppoll(ready, &ts, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case n == 0:
			return unix.ETIMEDOUT
		}
		code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil {
			return err
		}
		if code != 0 {
			return syscall.Errno(code)
		}
		return nil
	}
}
