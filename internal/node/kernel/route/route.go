//go:build linux

// Package route puts addresses, neighbours, routes and policy rules into a
// namespace and reads them back.
//
// Invariant: everything put here bears Origin, and only what bears it is read
// back, changed or removed: addresses, neighbours and routes that an instance
// makes for itself are its own. Puts replace what has the same key; what is
// absent is removed.
//
// Facts: rtnetlink(7); linux/rtnetlink.h, if_addr.h (IFA_PROTO, Linux 5.18),
// neighbour.h, fib_rules.h.
package route

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
)

// Origin is the protocol number that marks what is ours. It is not in use by
// any routing daemon in linux/rtnetlink.h.
const Origin = 76

// The attributes that x/sys lacks.
const (
	ifaProto    = 11 // IFA_PROTO
	ndaProtocol = 12 // NDA_PROTOCOL
	ndmSize     = 12 // struct ndmsg
)

// family is the address family of an address.
func family(a netip.Addr) byte {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// Index finds the number of an interface by name.
type Index func(name string) (uint32, error)

// Put adds a message to w that makes o so, whether it was there or not.
// o is a plan.Addr, Neigh, Route or IPRule.
func Put(w *nl.Buf, o plan.Object, index Index) error {
	return write(w, o, index, true)
}

// Drop adds a message to w that removes o. An interface that is gone has taken
// everything with it: then nothing is added, and ok is false.
func Drop(w *nl.Buf, o plan.Object, index Index) (ok bool, err error) {
	err = write(w, o, index, false)
	if errors.Is(err, unix.ENODEV) {
		return false, nil
	}
	return err == nil, err
}

// Absent says that a removal failed because nothing was there.
func Absent(err error) bool {
	for _, e := range []error{unix.ENOENT, unix.ESRCH, unix.ENODEV, unix.EADDRNOTAVAIL, unix.ENETDOWN} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func write(w *nl.Buf, o plan.Object, index Index, put bool) error {
	switch o := o.(type) {
	case plan.Addr:
		return writeAddr(w, o, index, put)
	case plan.Neigh:
		return writeNeigh(w, o, index, put)
	case plan.Route:
		return writeRoute(w, o, index, put)
	case plan.IPRule:
		writeRule(w, o, put)
		return nil
	}
	return fmt.Errorf("%T is not of this package", o)
}

func verb(put bool, add, del uint16) (typ, flags uint16) {
	if put {
		return add, unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	}
	return del, 0
}

func writeAddr(w *nl.Buf, o plan.Addr, index Index, put bool) error {
	i, err := index(o.Link)
	if err != nil {
		return err
	}
	typ, flags := verb(put, unix.RTM_NEWADDR, unix.RTM_DELADDR)
	head := []byte{family(o.Prefix.Addr()), byte(o.Prefix.Bits()), 0, unix.RT_SCOPE_UNIVERSE}
	w.Begin(typ, flags, binary.NativeEndian.AppendUint32(head, i))
	w.Attr(unix.IFA_LOCAL, o.Prefix.Addr().AsSlice())
	w.Attr(unix.IFA_ADDRESS, o.Prefix.Addr().AsSlice())
	w.U8(ifaProto, Origin)
	return nil
}

func writeNeigh(w *nl.Buf, o plan.Neigh, index Index, put bool) error {
	i, err := index(o.Link)
	if err != nil {
		return err
	}
	mac, err := net.ParseMAC(o.MAC)
	if err != nil {
		return err
	}
	typ, flags := verb(put, unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH)
	head := binary.NativeEndian.AppendUint32([]byte{family(o.IP), 0, 0, 0}, i)
	head = binary.NativeEndian.AppendUint16(head, unix.NUD_PERMANENT)
	w.Begin(typ, flags, append(head, 0, unix.RTN_UNICAST))
	w.Attr(unix.NDA_DST, o.IP.AsSlice())
	w.Attr(unix.NDA_LLADDR, mac)
	w.U8(ndaProtocol, Origin)
	return nil
}

func writeRoute(w *nl.Buf, o plan.Route, index Index, put bool) error {
	var i uint32
	if o.Link != "" {
		var err error
		if i, err = index(o.Link); err != nil {
			return err
		}
	}
	kind, scope, flag := byte(unix.RTN_UNICAST), byte(unix.RT_SCOPE_UNIVERSE), uint32(0)
	if o.Type == plan.Blackhole {
		kind = unix.RTN_BLACKHOLE
	} else if !o.Via.IsValid() && o.Dst.Addr().Is4() {
		scope = unix.RT_SCOPE_LINK
	}
	if o.Onlink {
		flag = unix.RTNH_F_ONLINK
	}
	typ, flags := verb(put, unix.RTM_NEWROUTE, unix.RTM_DELROUTE)
	head := []byte{family(o.Dst.Addr()), byte(o.Dst.Bits()), 0, 0, unix.RT_TABLE_UNSPEC, Origin, scope, kind}
	w.Begin(typ, flags, binary.NativeEndian.AppendUint32(head, flag))
	w.U32(unix.RTA_TABLE, uint32(o.Table))
	if o.Dst.Bits() > 0 {
		w.Attr(unix.RTA_DST, o.Dst.Addr().AsSlice())
	}
	if o.Via.IsValid() {
		w.Attr(unix.RTA_GATEWAY, o.Via.AsSlice())
	}
	if o.Link != "" {
		w.U32(unix.RTA_OIF, i)
	}
	if o.Source.IsValid() {
		w.Attr(unix.RTA_PREFSRC, o.Source.AsSlice())
	}
	return nil
}

func writeRule(w *nl.Buf, o plan.IPRule, put bool) {
	fam := byte(unix.AF_INET)
	if o.Family == 6 {
		fam = unix.AF_INET6
	}
	typ, flags := uint16(unix.RTM_DELRULE), uint16(0)
	if put { // rules cannot be replaced: the caller removes the former first
		typ, flags = unix.RTM_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_EXCL
	}
	bits := byte(0)
	if o.From.IsValid() {
		bits = byte(o.From.Bits())
	}
	w.Begin(typ, flags, []byte{fam, 0, bits, 0, unix.RT_TABLE_UNSPEC, 0, 0, unix.FR_ACT_TO_TBL, 0, 0, 0, 0})
	w.U32(unix.FRA_PRIORITY, uint32(o.Pref))
	w.U32(unix.FRA_TABLE, uint32(o.Table))
	w.U8(unix.FRA_PROTOCOL, Origin)
	if bits > 0 {
		w.Attr(unix.FRA_SRC, o.From.Addr().AsSlice())
	}
	if o.Mask != 0 {
		w.U32(unix.FRA_FWMARK, o.Mark)
		w.U32(unix.FRA_FWMASK, o.Mask)
	}
	if o.IIf != "" {
		w.Str(unix.FRA_IIFNAME, o.IIf)
	}
	if o.OIf != "" {
		w.Str(unix.FRA_OIFNAME, o.OIf)
	}
}
