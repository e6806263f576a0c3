//go:build !linux

// Package dial connects from inside a network namespace, where there are some.
package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/localvpc/localvpc/internal/decide/plan"
)

// Enter runs a function on a thread inside a namespace.
type Enter func(ns plan.Netns, f func() error) error

// TCP connects from a namespace to an address.
func TCP(context.Context, Enter, plan.Netns, netip.Addr, netip.AddrPort) (*net.TCPConn, error) {
	return nil, errors.ErrUnsupported
}

// UDP makes a socket in a namespace that sends to an address.
func UDP(Enter, plan.Netns, netip.Addr, netip.AddrPort) (*net.UDPConn, error) {
	return nil, errors.ErrUnsupported
}
