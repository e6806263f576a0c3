//go:build linux

package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/kernel/nl"
)

// Of linux/rtnetlink.h and linux/pkt_sched.h.
const (
	tcaKind    = 1          // TCA_KIND
	tcaOptions = 2          // TCA_OPTIONS
	atRoot     = 0xffffffff // TC_H_ROOT

	tick      = 64    // nanoseconds, of struct tc_netem_qopt (net/sched, PSCHED_SHIFT)
	mostQueue = 10000 // packets on their way
)

// ErrNoDelay says that the kernel cannot make a link slow.
var ErrNoDelay = errors.New("this kernel has no netem (CONFIG_NET_SCH_NETEM)")

// delay adds a message that makes what leaves by an interface arrive later; 0 takes
// that away.
func delay(w *nl.Buf, index uint32, d time.Duration) {
	head := make([]byte, 0, 20)
	head = append(head, unix.AF_UNSPEC, 0, 0, 0)
	head = binary.NativeEndian.AppendUint32(head, index)
	head = binary.NativeEndian.AppendUint32(head, 0)
	head = binary.NativeEndian.AppendUint32(head, atRoot)
	head = binary.NativeEndian.AppendUint32(head, 0)
	if d == 0 {
		w.Begin(unix.RTM_DELQDISC, 0, head)
		return
	}
	w.Begin(unix.RTM_NEWQDISC, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, head)
	w.Str(tcaKind, "netem")
	w.Attr(tcaOptions, netem(d))
}

// netem is a struct tc_netem_qopt: no loss, gaps, duplicates, jitter.
func netem(d time.Duration) []byte {
	b := binary.NativeEndian.AppendUint32(make([]byte, 0, 24), uint32(d/tick))
	return append(binary.NativeEndian.AppendUint32(b, mostQueue), make([]byte, 16)...)
}

// CanDelay says whether the kernel can make a link slow: it tries it on lo of the
// calling thread's namespace, which must not carry anything yet.
func CanDelay() error {
	c, err := nl.Dial(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer c.Close()
	var w nl.Buf
	const lo = 1
	delay(&w, lo, tick)
	if err := c.Do(&w, nil); errors.Is(err, unix.ENOENT) {
		return ErrNoDelay
	} else if err != nil {
		return fmt.Errorf("trying netem: %w", err)
	}
	w.Reset()
	delay(&w, lo, 0)
	return c.Do(&w, nil)
}
