//go:build linux

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
)

// Of linux/netfilter/nfnetlink_conntrack.h.
const (
	ctGet     = 1  // IPCTNL_MSG_CT_GET
	ctDelete  = 2  // IPCTNL_MSG_CT_DELETE
	ctStats   = 5  // IPCTNL_MSG_CT_GET_STATS
	ctEntries = 1  // CTA_STATS_GLOBAL_ENTRIES
	ctOrig    = 1  // CTA_TUPLE_ORIG
	ctReply   = 2  // CTA_TUPLE_REPLY
	ctID      = 12 // CTA_ID
	ctIP      = 1  // CTA_TUPLE_IP
	ctProto   = 2  // CTA_TUPLE_PROTO
	ctV4Src   = 1  // CTA_IP_V4_SRC
	ctV4Dst   = 2  // CTA_IP_V4_DST
	ctV6Src   = 3  // CTA_IP_V6_SRC
	ctV6Dst   = 4  // CTA_IP_V6_DST
	ctNum     = 1  // CTA_PROTO_NUM
	ctDstPort = 3  // CTA_PROTO_DST_PORT
)

// tracked is one connection: what it is by its first packet, and how to name it
// to the kernel.
type tracked struct {
	flow      plan.Flows
	family    byte
	tuple, id []byte
}

// CountFlows counts the tracked connections that match.
func (k *Kernel) CountFlows(ns plan.Netns, any ...plan.Flows) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, list, err := k.flows(ns, any)
	if err != nil {
		return 0, fmt.Errorf("counting connections in %s: %w", ns, err)
	}
	return len(list), nil
}

// CutFlows ends the tracked connections that match: their next packet is judged
// as a first one. What has ended meanwhile counts too.
func (k *Kernel) CutFlows(ns plan.Netns, any ...plan.Flows) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, list, err := k.flows(ns, any)
	if err != nil {
		return 0, fmt.Errorf("cutting connections in %s: %w", ns, err)
	}
	var w nl.Buf
	for _, t := range list {
		w.Begin(unix.NFNL_SUBSYS_CTNETLINK<<8|ctDelete, 0, []byte{t.family, unix.NFNETLINK_V0, 0, 0})
		w.Attr(ctOrig|unix.NLA_F_NESTED, t.tuple)
		if t.id != nil {
			w.Attr(ctID, t.id)
		}
	}
	if err := c.Do(&w, nil); err != nil && !errors.Is(err, unix.ENOENT) {
		return 0, fmt.Errorf("cutting connections in %s: %w", ns, err)
	}
	return len(list), nil
}

// entries is how many connections a namespace tracks. To list them the kernel goes
// through a table that all namespaces share, and takes 10 ms where it has 262,144
// buckets.
func entries(c *nl.Conn) (n uint32, err error) {
	var w nl.Buf
	w.Begin(unix.NFNL_SUBSYS_CTNETLINK<<8|ctStats, 0, []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0})
	err = errors.New("the kernel does not count connections")
	failed := c.Do(&w, func(_ int, _ uint16, body []byte) {
		if len(body) < 4 {
			return
		}
		for typ, v := range nl.Attrs(body[4:]) {
			if typ == ctEntries && len(v) == 4 {
				n, err = nl.BE32(v), nil
			}
		}
	})
	return n, errors.Join(err, failed)
}

func (k *Kernel) flows(ns plan.Netns, any []plan.Flows) (*nl.Conn, []tracked, error) {
	s, err := k.space(ns)
	if err != nil {
		return nil, nil, err
	}
	c, err := s.filter()
	if err != nil {
		return nil, nil, err
	}
	if n, err := entries(c); err == nil && n == 0 {
		return c, nil, nil
	}
	var list []tracked
	var w nl.Buf
	w.Begin(unix.NFNL_SUBSYS_CTNETLINK<<8|ctGet, 0, []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0})
	err = c.Dump(&w, func() { list = nil }, func(_ uint16, body []byte) error {
		if t, ok := parseTracked(body); ok && slices.ContainsFunc(any, func(m plan.Flows) bool { return m.Match(t.flow) }) {
			list = append(list, t)
		}
		return nil
	})
	return c, list, err
}

func parseTracked(body []byte) (t tracked, ok bool) {
	if len(body) < 4 {
		return t, false
	}
	t.family = body[0]
	for typ, v := range nl.Attrs(body[4:]) {
		switch typ {
		case ctOrig:
			t.tuple = append([]byte(nil), v...)
			for typ, v := range nl.Attrs(v) {
				switch typ {
				case ctIP:
					t.flow.Src, t.flow.Dst = parseIP(v)
				case ctProto:
					t.flow.Protocol, t.flow.Port = parseProto(v)
				}
			}
		case ctReply:
			for typ, v := range nl.Attrs(v) {
				if typ == ctIP {
					t.flow.ReplySrc, t.flow.ReplyDst = parseIP(v)
				}
			}
		case ctID:
			t.id = append([]byte(nil), v...)
		}
	}
	return t, t.tuple != nil
}

func parseIP(b []byte) (src, dst netip.Addr) {
	for typ, v := range nl.Attrs(b) {
		a, _ := netip.AddrFromSlice(v)
		switch typ {
		case ctV4Src, ctV6Src:
			src = a
		case ctV4Dst, ctV6Dst:
			dst = a
		}
	}
	return src, dst
}

func parseProto(b []byte) (protocol uint8, port uint16) {
	for typ, v := range nl.Attrs(b) {
		switch {
		case typ == ctNum:
			protocol = nl.Uint8(v)
		case typ == ctDstPort && len(v) == 2:
			port = binary.BigEndian.Uint16(v)
		}
	}
	return protocol, port
}
