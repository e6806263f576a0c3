//go:build linux

// Package link makes and reads interfaces: the veth pair between a router and a
// namespace, and what hangs on an interface itself.
//
// Invariant: a link that exists is whole. It is created by one message, with
// group, both hardware addresses, peer namespace and state, and it carries in
// its alias what it was created for, so that it reads back exactly without a
// look into the peer's namespace, which belongs to the instance.
//
// Facts: rtnetlink(7); Documentation/netlink/specs/rt-link.yaml.
package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
)

// Of linux/veth.h and linux/neighbour.h.
const (
	vethInfoPeer = 1 // VETH_INFO_PEER

	ndtaName        = 1  // NDTA_NAME
	ndtaParms       = 6  // NDTA_PARMS
	ndtpaIfindex    = 1  // NDTPA_IFINDEX
	ndtpaProxyDelay = 13 // NDTPA_PROXY_DELAY
)

// segmentBytes is the most that TCP hands to a link in one piece, where Linux
// itself says 64 KiB (Documentation/netlink/specs/rt-link.yaml, gso-ipv4-max-size; Linux
// 6.3, an older one leaves it at that). What routing, tracking and rules cost is
// paid for each piece, so packets of a connection cost a third.
const segmentBytes = 192 << 10

// mark begins the alias of every link of ours.
const mark = "localvpc "

// Found is a link as read from the kernel.
type Found struct {
	Link      plan.Link // without Netns
	Ours      bool      // made by Add
	Name      string
	Index     uint32
	PeerIndex uint32
}

func header(index uint32, flags, change uint32) []byte {
	b := make([]byte, 0, unix.SizeofIfInfomsg)
	b = append(b, unix.AF_UNSPEC, 0, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, index)
	b = binary.NativeEndian.AppendUint32(b, flags)
	return binary.NativeEndian.AppendUint32(b, change)
}

// Add makes the pair, both ends up, and gives the index of the peer's end. The
// index of the router's own is the caller's choice, so that all that makes up a
// link goes in one run, which a killed process has sent whole or not at all. The
// peer's namespace is an open file. EEXIST: a name or the index is taken.
func Add(c *nl.Conn, index uint32, l plan.Link, peer *os.File) (peerIndex uint32, err error) {
	mac, err := net.ParseMAC(l.MAC)
	if err != nil {
		return 0, err
	}
	peerMAC, err := net.ParseMAC(l.PeerMAC)
	if err != nil {
		return 0, err
	}
	var w nl.Buf
	end := func(name string, mac net.HardwareAddr) {
		w.Str(unix.IFLA_IFNAME, name)
		w.Attr(unix.IFLA_ADDRESS, mac)
		w.U32(unix.IFLA_MTU, uint32(l.MTU))
		w.U32(unix.IFLA_GSO_IPV4_MAX_SIZE, segmentBytes)
		w.U32(unix.IFLA_NUM_TX_QUEUES, 1)
		w.U32(unix.IFLA_NUM_RX_QUEUES, 1)
	}
	// To the kernel the pair is the other way round: its "peer" is made first and
	// cannot be up before the pair is whole. The router's end can be set up in the
	// same run, the end in the other namespace only by this message.
	w.Begin(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, header(0, unix.IFF_UP, unix.IFF_UP))
	end(l.PeerName, peerMAC)
	w.U32(unix.IFLA_GROUP, l.PeerGroup)
	w.U32(unix.IFLA_NET_NS_FD, uint32(peer.Fd()))
	w.Nest(unix.IFLA_LINKINFO, func() {
		w.Str(unix.IFLA_INFO_KIND, "veth")
		w.Nest(unix.IFLA_INFO_DATA, func() {
			w.Nest(vethInfoPeer, func() {
				w.Raw(header(index, 0, 0))
				end(l.Name, mac)
				w.U32(unix.IFLA_GROUP, l.Group)
			})
		})
	})
	w.Begin(unix.RTM_SETLINK, 0, header(index, unix.IFF_UP, unix.IFF_UP))
	w.Attr(unix.IFLA_IFALIAS, []byte(alias(l)))
	// An answer to ARP for an address behind another link is not to be delayed:
	// the default is a random part of 0.8 s.
	w.Begin(unix.RTM_SETNEIGHTBL, 0, []byte{unix.AF_INET, 0, 0, 0})
	w.Str(ndtaName, "arp_cache")
	w.Nest(ndtaParms, func() {
		w.U32(ndtpaIfindex, index)
		w.U64(ndtpaProxyDelay, 0)
	})
	if l.Delay != 0 {
		delay(&w, index, l.Delay)
	}
	w.Begin(unix.RTM_GETLINK, 0, header(index, 0, 0))
	err = c.Do(&w, func(_ int, typ uint16, body []byte) {
		if f, ok := parse(typ, body); ok {
			peerIndex = f.PeerIndex
		}
	})
	return peerIndex, err
}

// Settle has the kernel carry packets from an end whose other end has come up. It
// does that in a work item of its own some time later, or at once when it is asked
// for the link's state (net/core/link_watch.c, linkwatch_sync_dev).
func Settle(c *nl.Conn, index uint32) error {
	var w nl.Buf
	w.Begin(unix.RTM_GETLINK, 0, header(index, 0, 0))
	return c.Do(&w, nil)
}

// Adjust changes the router's end of a pair from old to l. A new hardware
// address costs the end its neighbours: the caller puts them back.
func Adjust(c *nl.Conn, index uint32, old, l plan.Link) error {
	return adjust(c, index, old.MAC, l.MAC, l.MTU, func(w *nl.Buf) {
		w.U32(unix.IFLA_GROUP, l.Group)
		w.Attr(unix.IFLA_IFALIAS, []byte(alias(l)))
		if old.Delay != l.Delay {
			delay(w, index, l.Delay)
		}
	})
}

// AdjustPeer does the same for the end in the other namespace, which c is of.
func AdjustPeer(c *nl.Conn, index uint32, old, l plan.Link) error {
	return adjust(c, index, old.PeerMAC, l.PeerMAC, l.MTU, func(w *nl.Buf) { w.U32(unix.IFLA_GROUP, l.PeerGroup) })
}

func adjust(c *nl.Conn, index uint32, old, address string, mtu int, more func(*nl.Buf)) error {
	mac, err := net.ParseMAC(address)
	if err != nil {
		return err
	}
	var w nl.Buf
	w.Begin(unix.RTM_SETLINK, 0, header(index, 0, 0))
	if old != address {
		w.Attr(unix.IFLA_ADDRESS, mac)
	}
	w.U32(unix.IFLA_MTU, uint32(mtu))
	more(&w)
	return c.Do(&w, nil)
}

// leaving is the group that links are put into to be removed together.
const leaving = 0x7e000000

// sweep is how many links go at a time: the kernel holds its lock meanwhile.
const sweep = 50

// Remove removes links by index in sweeps: the kernel waits for its readers once
// per sweep, not once per link. What is gone already is removed.
func Remove(c *nl.Conn, indexes []uint32) error {
	for part := range slices.Chunk(indexes, sweep) {
		var w nl.Buf
		if len(part) == 1 {
			w.Begin(unix.RTM_DELLINK, 0, header(part[0], 0, 0))
			return gone(c.Do(&w, nil))
		}
		for _, index := range part {
			w.Begin(unix.RTM_SETLINK, 0, header(index, 0, 0))
			w.U32(unix.IFLA_GROUP, leaving)
		}
		if err := gone(c.Do(&w, nil)); err != nil {
			return err
		}
		w.Reset()
		w.Begin(unix.RTM_DELLINK, 0, header(0, 0, 0))
		w.U32(unix.IFLA_GROUP, leaving)
		if err := gone(c.Do(&w, nil)); err != nil {
			return err
		}
	}
	return nil
}

func gone(err error) error {
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

// Up sets an interface up by its name.
func Up(c *nl.Conn, name string) error {
	var w nl.Buf
	w.Begin(unix.RTM_SETLINK, 0, header(0, unix.IFF_UP, unix.IFF_UP))
	w.Str(unix.IFLA_IFNAME, name)
	return c.Do(&w, nil)
}

// List reads all interfaces of the connection's namespace.
func List(c *nl.Conn) ([]Found, error) {
	var found []Found
	var w nl.Buf
	w.Begin(unix.RTM_GETLINK, 0, header(0, 0, 0))
	w.U32(unix.IFLA_EXT_MASK, 0)
	err := c.Dump(&w, func() { found = nil }, func(typ uint16, body []byte) error {
		if f, ok := parse(typ, body); ok {
			found = append(found, f)
		}
		return nil
	})
	return found, err
}

func parse(typ uint16, body []byte) (f Found, ok bool) {
	if typ != unix.RTM_NEWLINK || len(body) < unix.SizeofIfInfomsg {
		return f, false
	}
	f.Index = nl.Uint32(body[4:])
	kind := ""
	for typ, v := range nl.Attrs(body[unix.SizeofIfInfomsg:]) {
		switch typ {
		case unix.IFLA_IFNAME:
			f.Name = nl.Str(v)
		case unix.IFLA_ADDRESS:
			f.Link.MAC = net.HardwareAddr(bytes.Clone(v)).String()
		case unix.IFLA_MTU:
			f.Link.MTU = int(nl.Uint32(v))
		case unix.IFLA_GROUP:
			f.Link.Group = nl.Uint32(v)
		case unix.IFLA_LINK:
			f.PeerIndex = nl.Uint32(v)
		case unix.IFLA_IFALIAS:
			f.Ours = named(nl.Str(v), &f.Link)
		case unix.IFLA_LINKINFO:
			for typ, v := range nl.Attrs(v) {
				if typ == unix.IFLA_INFO_KIND {
					kind = nl.Str(v)
				}
			}
		}
	}
	f.Link.Name = f.Name
	f.Ours = f.Ours && kind == "veth"
	return f, true
}

func alias(l plan.Link) string {
	text := fmt.Sprintf("%s%s %s %s", mark, l.Peer, l.PeerName, l.PeerMAC)
	if l.PeerGroup != 0 || l.Delay != 0 {
		text += fmt.Sprintf(" %d", l.PeerGroup)
	}
	if l.Delay != 0 {
		text += fmt.Sprintf(" %d", l.Delay.Microseconds())
	}
	return text
}

// named reads an alias, if it is one of ours.
func named(text string, l *plan.Link) bool {
	rest, ours := strings.CutPrefix(text, mark)
	words := strings.Fields(rest)
	if !ours || len(words) < 3 || len(words) > 5 {
		return false
	}
	l.Peer, l.PeerName, l.PeerMAC = plan.Netns(words[0]), words[1], words[2]
	var numbers [2]uint64
	for i, word := range words[3:] {
		var err error
		if numbers[i], err = strconv.ParseUint(word, 10, 32); err != nil {
			return false
		}
	}
	l.PeerGroup, l.Delay = uint32(numbers[0]), time.Duration(numbers[1])*time.Microsecond
	return true
}
