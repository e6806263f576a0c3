//go:build linux

package route

import (
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
)

// Name gives the name of an interface by its number; false: not known, and what
// hangs on it is left out.
type Name func(index uint32) (string, bool)

// List reads the addresses, neighbours, routes and rules of ours.
func List(c *nl.Conn, ns plan.Netns, name Name) ([]plan.Object, error) {
	var all []plan.Object
	for _, dump := range []struct {
		typ   uint16
		head  int
		parse func([]byte, plan.Netns, Name) (plan.Object, bool)
	}{
		{unix.RTM_GETADDR, unix.SizeofIfAddrmsg, parseAddr},
		{unix.RTM_GETNEIGH, ndmSize, parseNeigh},
		{unix.RTM_GETROUTE, unix.SizeofRtMsg, parseRoute},
		{unix.RTM_GETRULE, unix.SizeofRtMsg, parseRule},
	} {
		var w nl.Buf
		w.Begin(dump.typ, 0, make([]byte, dump.head))
		mark := len(all)
		err := c.Dump(&w, func() { all = all[:mark] }, func(_ uint16, body []byte) error {
			if len(body) >= dump.head {
				if o, ok := dump.parse(body, ns, name); ok {
					all = append(all, o)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func parseAddr(body []byte, ns plan.Netns, name Name) (plan.Object, bool) {
	o := plan.Addr{Netns: ns}
	var local, address netip.Addr
	origin := byte(0)
	for typ, v := range nl.Attrs(body[unix.SizeofIfAddrmsg:]) {
		switch typ {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(v)
		case unix.IFA_ADDRESS:
			address, _ = netip.AddrFromSlice(v)
		case ifaProto:
			origin = nl.Uint8(v)
		}
	}
	if !local.IsValid() {
		local = address
	}
	o.Prefix = netip.PrefixFrom(local, int(body[1]))
	link, known := name(nl.Uint32(body[4:]))
	o.Link = link
	return o, known && origin == Origin && o.Prefix.IsValid()
}

func parseNeigh(body []byte, ns plan.Netns, name Name) (plan.Object, bool) {
	o := plan.Neigh{Netns: ns}
	origin := byte(0)
	for typ, v := range nl.Attrs(body[ndmSize:]) {
		switch typ {
		case unix.NDA_DST:
			o.IP, _ = netip.AddrFromSlice(v)
		case unix.NDA_LLADDR:
			o.MAC = net.HardwareAddr(v).String()
		case ndaProtocol:
			origin = nl.Uint8(v)
		}
	}
	link, known := name(nl.Uint32(body[4:]))
	o.Link = link
	return o, known && origin == Origin && o.IP.IsValid()
}

func parseRoute(body []byte, ns plan.Netns, name Name) (plan.Object, bool) {
	if body[5] != Origin {
		return nil, false
	}
	o := plan.Route{Netns: ns, Table: int(body[4]), Onlink: nl.Uint32(body[8:])&unix.RTNH_F_ONLINK != 0}
	dst := netip.IPv4Unspecified()
	if body[0] == unix.AF_INET6 {
		dst = netip.IPv6Unspecified()
	}
	known := true
	for typ, v := range nl.Attrs(body[unix.SizeofRtMsg:]) {
		switch typ {
		case unix.RTA_TABLE:
			o.Table = int(nl.Uint32(v))
		case unix.RTA_DST:
			dst, _ = netip.AddrFromSlice(v)
		case unix.RTA_GATEWAY:
			o.Via, _ = netip.AddrFromSlice(v)
		case unix.RTA_PREFSRC:
			o.Source, _ = netip.AddrFromSlice(v)
		case unix.RTA_OIF:
			o.Link, known = name(nl.Uint32(v))
		}
	}
	switch body[7] {
	case unix.RTN_UNICAST:
	case unix.RTN_BLACKHOLE:
		o.Type, o.Link = plan.Blackhole, "" // IPv6 hangs it on lo
	default:
		return nil, false
	}
	o.Dst = netip.PrefixFrom(dst, int(body[1]))
	return o, known && o.Dst.IsValid()
}

func parseRule(body []byte, ns plan.Netns, _ Name) (plan.Object, bool) {
	o := plan.IPRule{Netns: ns, Family: 4, Table: int(body[4])}
	if body[0] == unix.AF_INET6 {
		o.Family = 6
	}
	var from netip.Addr
	origin := byte(0)
	for typ, v := range nl.Attrs(body[unix.SizeofRtMsg:]) {
		switch typ {
		case unix.FRA_PRIORITY:
			o.Pref = int(nl.Uint32(v))
		case unix.FRA_TABLE:
			o.Table = int(nl.Uint32(v))
		case unix.FRA_PROTOCOL:
			origin = nl.Uint8(v)
		case unix.FRA_SRC:
			from, _ = netip.AddrFromSlice(v)
		case unix.FRA_FWMARK:
			o.Mark = nl.Uint32(v)
		case unix.FRA_FWMASK:
			o.Mask = nl.Uint32(v)
		case unix.FRA_IIFNAME:
			o.IIf = nl.Str(v)
		case unix.FRA_OIFNAME:
			o.OIf = nl.Str(v)
		}
	}
	if from.IsValid() {
		o.From = netip.PrefixFrom(from, int(body[2]))
	}
	return o, origin == Origin
}
