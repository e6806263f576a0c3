//go:build linux

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
)

// Of linux/netfilter/nfnetlink_conntrack.h, nfnetlink_compat.h and nf_conntrack_tcp.h.
const (
	ctGroupUpdate  = 2  // NFNLGRP_CONNTRACK_UPDATE
	ctGroupDestroy = 3  // NFNLGRP_CONNTRACK_DESTROY
	ctNew          = 0  // IPCTNL_MSG_CT_NEW: what there is, also of one that changed
	ctProtoInfo    = 4  // CTA_PROTOINFO
	ctCountOrig    = 9  // CTA_COUNTERS_ORIG
	ctCountReply   = 10 // CTA_COUNTERS_REPLY
	ctTimes        = 20 // CTA_TIMESTAMP
	ctSrcPort      = 2  // CTA_PROTO_SRC_PORT
	ctInfoTCP      = 1  // CTA_PROTOINFO_TCP
	ctStateTCP     = 1  // CTA_PROTOINFO_TCP_STATE
	ctBytes        = 2  // CTA_COUNTERS_BYTES
	ctStart        = 1  // CTA_TIMESTAMP_START, in ns since 1970
	ctStop         = 2  // CTA_TIMESTAMP_STOP

	tcpTimeWait = 7 // TCP_CONNTRACK_TIME_WAIT
	tcpClose    = 8 // TCP_CONNTRACK_CLOSE
)

// maxTold bounds the flows that are remembered because they were told before the kernel
// forgets them. Beyond that they are told when it does.
const maxTold = 1 << 16

// Watch hears which connections of a router are over. Invariant: it tells each once, and
// nothing that it keeps grows without bound.
type Watch struct {
	events *nl.Events
	conn   *nl.Conn
	opened time.Time
	told   map[uint32]struct{} // by the kernel's number
	closed []event             // of one Next: to be asked for their counts
}

// event is what a message says.
type event struct {
	flow  Flow
	id    uint32
	state uint8 // TCP's; 0: not said
	tuple []byte
}

// over says whether both sides have closed a TCP connection, or one has reset it.
func (e event) over() bool { return e.state == tcpTimeWait || e.state == tcpClose }

// Watch begins to hear the connections of a router that begin from now on: the kernel
// does not tell of older ones while nobody listens (nf_conntrack_events is 2).
func (k *Kernel) Watch(ns plan.Netns) (*Watch, error) {
	w := &Watch{opened: time.Now(), told: map[uint32]struct{}{}}
	err := k.In(ns, func() (err error) {
		if w.conn, err = nl.Dial(unix.NETLINK_NETFILTER); err != nil {
			return err
		}
		if w.events, err = nl.Listen(unix.NETLINK_NETFILTER, ctGroupUpdate, ctGroupDestroy); err != nil {
			w.conn.Close()
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("watching connections in %s: %w", ns, err)
	}
	return w, nil
}

// Close ends Next. After an error of that it has to be closed as well.
func (w *Watch) Close() error { return w.events.Close() }

// Next waits until connections are over, and hands them to each. lost: there were more
// than could be heard. The error is os.ErrClosed after Close.
func (w *Watch) Next(each func(Flow)) (lost bool, err error) {
	defer func() {
		if err != nil {
			w.conn.Close()
		}
	}()
	w.closed = w.closed[:0]
	err = w.events.Next(func(typ uint16, body []byte) {
		e, ok := parseEvent(body)
		switch {
		case !ok || typ>>8 != unix.NFNL_SUBSYS_CTNETLINK:
		case typ&0xff == ctDelete:
			w.forgotten(e, each)
		case typ&0xff == ctNew && e.over():
			e.tuple = append([]byte(nil), e.tuple...)
			w.closed = append(w.closed, e)
		}
	})
	switch {
	case errors.Is(err, nl.ErrLost):
		lost = true
		// Of flows that were told some may be forgotten without a word.
		if len(w.told) >= maxTold/2 {
			clear(w.told)
		}
	case errors.Is(err, os.ErrClosed):
		return false, err
	case err != nil:
		return false, fmt.Errorf("hearing of connections: %w", err)
	}
	return lost, w.ask(each)
}

// forgotten tells of a connection that the kernel forgets, unless it was told. One that
// was closed before this watch began was for an earlier watch to tell.
func (w *Watch) forgotten(e event, each func(Flow)) {
	if _, ok := w.told[e.id]; ok {
		delete(w.told, e.id)
		return
	}
	if e.over() && !e.flow.Begin.IsZero() && e.flow.Begin.Before(w.opened) {
		return
	}
	if e.flow.End.IsZero() {
		e.flow.End = time.Now()
	}
	each(e.flow)
}

// ask has the kernel say the counts of connections that were closed: an event of a
// change has none. One that is gone meanwhile is told with the event of that.
func (w *Watch) ask(each func(Flow)) error {
	if len(w.closed) == 0 {
		return nil
	}
	now := time.Now() // they were closed a moment ago
	var b nl.Buf
	for _, e := range w.closed {
		b.Begin(unix.NFNL_SUBSYS_CTNETLINK<<8|ctGet, 0, []byte{unix.AF_INET, unix.NFNETLINK_V0, 0, 0})
		b.Attr(ctOrig|unix.NLA_F_NESTED, e.tuple)
	}
	err := w.conn.Do(&b, func(i int, _ uint16, body []byte) {
		e, ok := parseEvent(body)
		if _, told := w.told[e.id]; !ok || told || e.id != w.closed[i].id || len(w.told) >= maxTold {
			return
		}
		w.told[e.id] = struct{}{}
		e.flow.End = now
		each(e.flow)
	})
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("asking for connections that are over: %w", err)
	}
	return nil
}

// parseEvent reads a message about one connection. tuple is part of body.
func parseEvent(body []byte) (e event, ok bool) {
	if len(body) < 4 {
		return e, false
	}
	var in, out bool
	for typ, v := range nl.Attrs(body[4:]) {
		switch typ {
		case ctOrig:
			e.tuple = v
			e.flow.Protocol, e.flow.Client, e.flow.Asked = parseTuple(v)
		case ctReply:
			_, e.flow.Answers, _ = parseTuple(v)
		case ctID:
			e.id = nl.BE32(v)
		case ctCountOrig:
			e.flow.In, in = parse64(v, ctBytes)
		case ctCountReply:
			e.flow.Out, out = parse64(v, ctBytes)
		case ctTimes:
			e.flow.Begin, e.flow.End = parseTime(v, ctStart), parseTime(v, ctStop)
		case ctProtoInfo:
			for typ, v := range nl.Attrs(v) {
				for inner, v := range nl.Attrs(v) {
					if typ == ctInfoTCP && inner == ctStateTCP {
						e.state = nl.Uint8(v)
					}
				}
			}
		}
	}
	e.flow.Counted = in && out
	return e, e.flow.Client.IsValid() && e.flow.Asked.IsValid()
}

func parseTuple(b []byte) (protocol uint8, src, dst netip.AddrPort) {
	var from, to netip.Addr
	var ports [2]uint16
	for typ, v := range nl.Attrs(b) {
		switch typ {
		case ctIP:
			from, to = parseIP(v)
		case ctProto:
			protocol, ports[1] = parseProto(v)
			for typ, v := range nl.Attrs(v) {
				if typ == ctSrcPort && len(v) == 2 {
					ports[0] = binary.BigEndian.Uint16(v)
				}
			}
		}
	}
	return protocol, netip.AddrPortFrom(from, ports[0]), netip.AddrPortFrom(to, ports[1])
}

// parse64 finds a number of 64 bits in network order.
func parse64(b []byte, want uint16) (n uint64, ok bool) {
	for typ, v := range nl.Attrs(b) {
		if typ == want && len(v) == 8 {
			n, ok = binary.BigEndian.Uint64(v), true
		}
	}
	return n, ok
}

func parseTime(b []byte, want uint16) time.Time {
	n, ok := parse64(b, want)
	if !ok || n == 0 || n > 1<<62 {
		return time.Time{}
	}
	return time.Unix(0, int64(n))
}
