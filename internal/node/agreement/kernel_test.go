//go:build linux

package agreement

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/decide/ruleset"
	"github.com/localvpc/localvpc/internal/node/kernel"
	"github.com/localvpc/localvpc/internal/node/kernel/netns"
	"github.com/localvpc/localvpc/internal/node/kernel/testns"
)

// lab is a kernel with the namespaces of instances and outside hosts, in which
// nothing answers by itself: they have links but no addresses. It stays for all
// cases, so that the kernel goes from each state straight to the next.
type lab struct {
	k      *kernel.Kernel
	t      *testing.T
	has    plan.Objects
	guests map[plan.Netns]int   // packet socket of each machine
	locals map[plan.Netns][]int // raw sockets of each router: what its input hook lets pass
	id     uint16
	buf    [4096]byte
}

var protocols = []uint8{fabric.ICMP, fabric.TCP, fabric.UDP, 50, 253}

func newLab(t *testing.T) *lab {
	dir := testns.Dir(t)
	k, err := kernel.New(kernel.Config{RunDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	l := &lab{k: k, t: t, has: plan.Objects{}, guests: map[plan.Netns]int{}, locals: map[plan.Netns][]int{}}
	if err := os.Mkdir(dir+"/guests", 0o700); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range fabrictest.Vpcs {
		for n := range fabrictest.Instances {
			names = append(names, fabrictest.InstanceID(v, n))
		}
	}
	for name := range fabrictest.OutsideHosts {
		names = append(names, fabric.HostSpace(name))
	}
	for _, id := range names {
		f, err := netns.Dir(dir+"/guests").Create(id, func() error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		ns := plan.Netns(id)
		if err := k.Attach(ns, f); err != nil {
			t.Fatal(err)
		}
		l.guests[ns] = l.socket(ns, unix.AF_PACKET, int(htons(unix.ETH_P_ALL)))
		if err := unix.SetsockoptInt(l.guests[ns], unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func htons(n uint16) uint16 { return n<<8 | n>>8 }

// socket opens a raw socket in a namespace. Its timeout is for tests that fail:
// what is waited for has been sent.
func (l *lab) socket(ns plan.Netns, family, protocol int) (fd int) {
	l.t.Helper()
	err := l.k.In(ns, func() (err error) {
		fd, err = unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
		return err
	})
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5})
	}
	if err != nil {
		l.t.Fatalf("opening a socket in %s: %v", ns, err)
	}
	l.t.Cleanup(func() { unix.Close(fd) })
	return fd
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// become makes the kernel hold these objects, without those inside machines.
func (l *lab) become(t fataler, objects plan.Objects) {
	t.Helper()
	want := plan.Objects{}
	for _, o := range objects {
		if _, guest := l.guests[o.NS()]; !guest && o.Kind() != plan.KindService {
			want.Put(o)
		}
	}
	ops := plan.Diff(l.has, want)
	for _, op := range ops {
		// Sockets would keep a router's namespace alive.
		if r, ok := op.Object.(plan.Router); ok && op.Verb == plan.Remove {
			delete(l.locals, r.Name)
		}
	}
	if err := l.k.Apply(context.Background(), ops); err != nil {
		was := l.has
		l.has = plan.Objects{} // rapid goes on with other cases, to shrink this one
		if names, err := l.k.Namespaces(); err == nil {
			for _, ns := range names {
				if have, err := l.k.Read(ns); err == nil {
					for _, o := range have {
						l.has.Put(o)
					}
				}
			}
		}
		t.Fatalf("the kernel refuses: %v\nfrom %s\nto %s", err, describe(nil, was), describe(nil, want))
	}
	l.has = want
	settle(t, l.k, ops)
	for _, o := range want {
		if r, ok := o.(plan.Router); ok && l.locals[r.Name] == nil {
			for _, p := range protocols {
				l.locals[r.Name] = append(l.locals[r.Name], l.socket(r.Name, unix.AF_INET, int(p)))
			}
		}
	}
}

// settle lets new links carry packets from their instances' ends: the kernel does
// that in a work item of its own after the other end has come up, or when it is
// asked for the link's state (net/core/link_watch.c, linkwatch_sync_dev).
func settle(t fataler, k *kernel.Kernel, ops []plan.Op) {
	for _, op := range ops {
		link, ok := op.Object.(plan.Link)
		if !ok || op.Verb == plan.Remove {
			continue
		}
		if err := k.In(link.Peer, func() error {
			_, err := netlink.LinkByName(link.PeerName)
			return err
		}); err != nil {
			t.Fatalf("looking at %s: %v", link, err)
		}
	}
}

// forget ends all tracked flows.
func (l *lab) forget(t fataler) {
	for ns := range l.locals {
		if _, err := l.k.CutFlows(ns, plan.Flows{}); err != nil {
			t.Fatalf("forgetting flows of %s: %v", ns, err)
		}
	}
}

// rounds is how often a router is asked by ARP after a probe. Each answer comes
// after everything that one processor had queued before the question, and so the
// probe is at least one link further: it crosses no more than this.
const rounds = 24

// send sends a probe and says how what became of it differs from what the rules
// say: where it arrived, and as what.
func (l *lab) send(t fataler, p probe, want ruleset.Journey) error {
	t.Helper()
	l.id++
	from := l.guests[p.from.guest]
	if err := l.put(from, p.from, frame(p, l.id)); err != nil {
		t.Fatalf("sending %s: %v", p.Packet, err)
	}
	var arrived []arrival
	n := rounds
	if want.Circle {
		n *= 4
	}
	for range n {
		if err := l.put(from, p.from, arpRequest(p.from)); err != nil {
			t.Fatalf("asking by ARP: %v", err)
		}
		for answered := false; !answered; {
			n, _, err := unix.Recvfrom(from, l.buf[:], 0)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				t.Fatalf("waiting for the router's answer to ARP, after %s: %v", p.Packet, err)
			}
			answered = isAnswer(l.buf[:n], p.from)
			if n > 14 {
				arrived = l.note(arrived, p.from.guest, l.buf[14:n])
			}
		}
	}
	for ns, fd := range l.guests {
		arrived = l.drain(arrived, ns, fd, 14)
	}
	for ns, fds := range l.locals {
		for _, fd := range fds {
			arrived = l.drain(arrived, ns, fd, 0)
		}
	}
	var expected []arrival
	if want.Space != "" {
		expected = []arrival{{want.Space, header(want.Packet)}}
	}
	if !slices.Equal(arrived, expected) {
		return fmt.Errorf("in the kernel it arrived as %v, the rules have %v", arrived, expected)
	}
	return nil
}

// arrival is a probe that got somewhere.
type arrival struct {
	at plan.Netns
	fabric.Header
}

// header is a packet's header as far as the wire shows it of a probe.
func header(p ruleset.Packet) fabric.Header {
	h := p.Header
	if !h.HasPorts() {
		h.SPort, h.DPort = 0, 0
	}
	return h
}

func (l *lab) note(to []arrival, at plan.Netns, b []byte) []arrival {
	if h, ok := probeOf(b, l.id); ok {
		return append(to, arrival{at, h})
	}
	return to
}

func (l *lab) put(fd int, p plug, b []byte) error {
	index, err := l.index(fd, p.inside)
	if err != nil {
		return err
	}
	return unix.Sendto(fd, b, 0, &unix.SockaddrLinklayer{Ifindex: index, Protocol: htons(unix.ETH_P_IP), Halen: 6})
}

// index finds an interface in the namespace that a socket belongs to.
func (l *lab) index(fd int, name string) (int, error) {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, req); err != nil {
		return 0, fmt.Errorf("finding %s: %w", name, err)
	}
	return int(req.Uint32()), nil
}

// drain reads what a socket holds and notes the probe if it is among it.
func (l *lab) drain(to []arrival, at plan.Netns, fd, skip int) []arrival {
	for {
		n, _, err := unix.Recvfrom(fd, l.buf[:], unix.MSG_DONTWAIT)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return to
		}
		if n > skip {
			to = l.note(to, at, l.buf[skip:n])
		}
	}
}

// stayOnOneProcessor keeps the test's packets in one queue, in order.
func stayOnOneProcessor(t *testing.T) {
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if before.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.SchedSetaffinity(0, &before) })
}

// TestKernelAgrees: the explanation, the interpreter of the rules, and a real
// packet. More cases: -agreement.kernel=N -agreement.seed=0.
func TestKernelAgrees(t *testing.T) {
	testns.Need(t)
	stayOnOneProcessor(t)
	l := newLab(t)
	check(t, *kernelCases, func(t *rapid.T) { agree(t, l) })
}
