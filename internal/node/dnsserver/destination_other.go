//go:build !linux

package dnsserver

import (
	"errors"
	"net"
	"net/netip"
)

const controlSize = 0

func tellDestination(*net.UDPConn) error { return errors.ErrUnsupported }

func destination([]byte) netip.Addr { return netip.Addr{} }

func from(netip.Addr) []byte { return nil }
