//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// What the first byte of a connection asks for.
const (
	askOnce  = 'c' // answer it and close
	askKeep  = 'k' // answer every byte
	askHold  = 'h' // answer every byte, beside other connections
	askWho   = 'w' // say the addresses of both ends and close
	askCount = 's' // swallow everything, then say how many bytes that was
)

// patience is how long either end waits for the other, in seconds.
const patience = 30

// serve listens and goes on, one connection at a time; those that are held wait beside.
func serve(port uint16) error {
	l, err := open(&unix.SockaddrInet4{}, 0)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(l, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := unix.Bind(l, &unix.SockaddrInet4{Port: int(port)}); err != nil {
		return fmt.Errorf("binding port %d: %w", port, err)
	}
	if err := unix.Listen(l, 128); err != nil {
		return fmt.Errorf("listening on port %d: %w", port, err)
	}
	go func() {
		buf := make([]byte, 256<<10)
		for {
			fd, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
			if err != nil {
				continue // EINTR, or a client that has gone
			}
			if !answer(fd, buf) {
				_ = unix.Close(fd)
			}
		}
	}()
	return nil
}

// answer does what a connection asks for; one that is held is not its caller's
// any more.
func answer(fd int, buf []byte) (held bool) {
	n, err := read(fd, buf)
	if err != nil || n == 0 {
		return false
	}
	switch buf[0] {
	case askOnce:
		_, _ = unix.Write(fd, buf[:1])
	case askHold:
		go wait(fd)
		return true
	case askWho:
		_, _ = unix.Write(fd, ends(fd))
	case askKeep:
		for n > 0 && err == nil {
			if _, err = unix.Write(fd, buf[:1]); err == nil {
				n, err = read(fd, buf[:1])
			}
		}
	case askCount:
		total := uint64(n)
		for n > 0 && err == nil {
			n, err = read(fd, buf)
			total += uint64(max(n, 0))
		}
		_, _ = unix.Write(fd, binary.BigEndian.AppendUint64(nil, total))
	}
	return false
}

// wait answers every byte of a connection that is held, the first of which has
// come. Its client may vanish without a word.
func wait(fd int) {
	defer unix.Close(fd)
	b := []byte{askHold}
	n, err := 1, bound(fd, patience*time.Second)
	for n > 0 && err == nil {
		if _, err = unix.Write(fd, b); err == nil {
			n, err = read(fd, b)
		}
	}
}

// ends spells the addresses of a connection: the server's, then the client's.
func ends(fd int) []byte {
	here, err := unix.Getsockname(fd)
	there, err2 := unix.Getpeername(fd)
	if err != nil || err2 != nil {
		return nil
	}
	return fmt.Appendln(nil, address(here), address(there))
}

func address(a unix.Sockaddr) netip.Addr {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(a.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(a.Addr)
	}
	return netip.Addr{}
}

func read(fd int, buf []byte) (int, error) {
	for {
		n, err := unix.Read(fd, buf)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// bound makes the reads and writes of a socket give up after a while.
func bound(fd int, d time.Duration) error {
	tv := unix.NsecToTimeval(int64(d))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return err
	}
	return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv)
}
