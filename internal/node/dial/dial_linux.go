// Package dial connects from inside a network namespace.
//
// Invariant: a namespace is entered only for as long as it takes to make a
// socket, which stays there; a connection that is slow holds no thread.
package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
)

// Enter runs a function on a thread inside a namespace: kernel.Kernel.In.
type Enter func(ns plan.Netns, f func() error) error

// TCP connects from a namespace to an address. from is the source address; the
// kernel chooses when it is the zero one. The error is the kernel's (ECONNREFUSED,
// ENETUNREACH, …) or ctx's.
func TCP(ctx context.Context, enter Enter, ns plan.Netns, from netip.Addr, to netip.AddrPort) (*net.TCPConn, error) {
	c, err := connect(ctx, enter, ns, from, to)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", to, err)
	}
	return c, nil
}

func connect(ctx context.Context, enter Enter, ns plan.Netns, from netip.Addr, to netip.AddrPort) (*net.TCPConn, error) {
	var f *os.File
	if err := enter(ns, func() (err error) {
		f, err = begin(from, to)
		return err
	}); err != nil {
		return nil, err
	}
	defer f.Close()
	stop := context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := established(f); err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("taking the socket: %w", err)
	}
	return c.(*net.TCPConn), nil // it is a stream socket of IP
}

// UDP makes a socket in a namespace that sends to an address and hears nobody else.
// from is as for TCP.
func UDP(enter Enter, ns plan.Netns, from netip.Addr, to netip.AddrPort) (*net.UDPConn, error) {
	var c *net.UDPConn
	err := enter(ns, func() (err error) {
		var local *net.UDPAddr
		if from.IsValid() {
			local = net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
		}
		c, err = net.DialUDP("udp", local, net.UDPAddrFromAddrPort(to))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("making a socket to %s: %w", to, err)
	}
	return c, nil
}

// begin makes a socket where the thread is, and has the kernel start to connect it.
func begin(from netip.Addr, to netip.AddrPort) (*os.File, error) {
	family := unix.AF_INET
	if to.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if from.IsValid() {
		if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(from, 0))); err != nil {
			unix.Close(fd)
			return nil, os.NewSyscallError("bind", err)
		}
	}
	if err := unix.Connect(fd, sockaddr(to)); err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	return os.NewFile(uintptr(fd), to.String()), nil
}

// established waits until the socket is connected, or cannot be.
func established(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		switch {
		case err != nil:
			failed = os.NewSyscallError("getsockopt", err)
		case code != 0:
			failed = os.NewSyscallError("connect", unix.Errno(code))
		default:
			_, err := unix.Getpeername(int(fd))
			return err == nil // otherwise it is still on its way
		}
		return true
	})
	if failed != nil {
		return failed
	}
	return err
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
