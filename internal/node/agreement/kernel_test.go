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
	"github.com/localvpc/localvpc/internal/decide/reach"
	"github.com/localvpc/localvpc/internal/decide/ruleset"
	"github.com/localvpc/localvpc/internal/node/kernel"
	"github.com/localvpc/localvpc/internal/node/kernel/netns"
	"github.com/localvpc/localvpc/internal/node/kernel/testns"
	"github.com/localvpc/localvpc/internal/state"
)

// lab is a router in the kernel with the namespaces of instances, in which
// nothing answers by itself: they have links but no addresses. It stays for all
// cases, so that the kernel goes from each state straight to the next.
type lab struct {
	k       *kernel.Kernel
	router  plan.Netns
	has     plan.Objects
	guests  map[string]int // packet socket of each instance
	answers []int          // raw sockets of the router: what its input hook lets pass
	id      uint16
	buf     [4096]byte
}

var protocols = []uint8{fabric.ICMP, fabric.TCP, fabric.UDP, 50, 253}

func newLab(t *testing.T) *lab {
	dir := testns.Dir(t)
	k, err := kernel.New(kernel.Config{RunDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	l := &lab{k: k, router: plan.Netns(fabrictest.VpcID(vpc)), has: plan.Objects{}, guests: map[string]int{}}
	if err := os.Mkdir(dir+"/guests", 0o700); err != nil {
		t.Fatal(err)
	}
	for n := range fabrictest.Instances {
		id := fabrictest.InstanceID(vpc, n)
		f, err := netns.Dir(dir+"/guests").Create(id, func() error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := k.Attach(plan.Netns(id), f); err != nil {
			t.Fatal(err)
		}
		l.guests[id] = l.socket(t, plan.Netns(id), unix.AF_PACKET, int(htons(unix.ETH_P_ALL)))
		if err := unix.SetsockoptInt(l.guests[id], unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			t.Fatal(err)
		}
	}
	l.become(t, plan.Objects{"": plan.Router{Name: l.router}})
	for _, p := range protocols {
		l.answers = append(l.answers, l.socket(t, l.router, unix.AF_INET, int(p)))
	}
	return l
}

func htons(n uint16) uint16 { return n<<8 | n>>8 }

// socket opens a raw socket in a namespace. Its timeout is for tests that fail:
// what is waited for has been sent.
func (l *lab) socket(t *testing.T, ns plan.Netns, family, protocol int) (fd int) {
	t.Helper()
	err := l.k.In(ns, func() (err error) {
		fd, err = unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
		return err
	})
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5})
	}
	if err != nil {
		t.Fatalf("opening a socket in %s: %v", ns, err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// become makes the kernel hold these objects, without those inside instances.
func (l *lab) become(t fataler, objects plan.Objects) {
	t.Helper()
	want := plan.Objects{}
	for _, o := range objects {
		if o.NS() == l.router {
			want.Put(o)
		}
	}
	ops := plan.Diff(l.has, want)
	if err := l.k.Apply(context.Background(), ops); err != nil {
		was := l.has
		if has, err := l.k.Read(l.router); err == nil {
			l.has = has // rapid goes on with other cases, to shrink this one
		}
		t.Fatalf("the kernel refuses: %v\nfrom %s\nto %s", err, describe(nil, was), describe(nil, want))
	}
	l.has = want
	settle(t, l.k, ops)
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
	if _, err := l.k.CutFlows(l.router, plan.Flows{}); err != nil {
		t.Fatalf("forgetting flows: %v", err)
	}
}

// send sends a probe and says which instances it arrived at, "lo" for the
// router itself. An ARP request that follows it on the same link is answered by
// the router after the probe has been dealt with, for both are handled in order
// by one processor: when the answer is there, so is the probe, or it never will be.
func (l *lab) send(t fataler, p probe, about []byte) (arrived []string, sent []byte) {
	t.Helper()
	l.id++
	from := l.guests[p.from.Instance]
	sent = frame(p, l.id, about)
	for _, b := range [][]byte{sent, arpRequest(p.from)} {
		if err := l.put(from, p.from, b); err != nil {
			t.Fatalf("sending %s: %v", p.Packet, err)
		}
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
		if n > 14 && isProbe(l.buf[14:n], p, l.id) {
			arrived = append(arrived, p.from.Instance)
		}
	}
	for id, fd := range l.guests {
		if l.drain(fd, 14, p) {
			arrived = append(arrived, id)
		}
	}
	for _, fd := range l.answers {
		if l.drain(fd, 0, p) {
			arrived = append(arrived, "lo")
		}
	}
	return arrived, sent[14:]
}

func (l *lab) put(fd int, p fabric.Port, b []byte) error {
	index, err := l.index(fd, p.Inside)
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

// drain reads what a socket holds and says whether the probe is among it.
func (l *lab) drain(fd, at int, p probe) (found bool) {
	for {
		n, _, err := unix.Recvfrom(fd, l.buf[:], unix.MSG_DONTWAIT)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return found
		}
		found = found || n > at && isProbe(l.buf[at:n], p, l.id)
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
	check(t, *kernelCases, func(t *rapid.T) {
		s := fabrictest.Open(t)
		defer s.Close()
		snap, _ := s.Change(t, func(tx *state.Tx) { fabrictest.Populate(t, tx, vpc) })
		ps := ports(snap)
		if len(ps) == 0 {
			return
		}
		objects := compile(snap)
		l.become(t, objects)
		l.forget(t)
		it := ruleset.NewInterp(objects, l.router)

		// send gives the way that the interpreter and the kernel agree on.
		send := func(p probe, about []byte) (ruleset.Trace, []byte) {
			trace, err := it.Send(p.Packet)
			if err != nil {
				t.Fatalf("%s: %v\n%s", p.Packet, err, describe(snap, objects))
			}
			var want []string
			if to, ok := portOf(ps, trace.Link); ok {
				want = []string{to.Instance}
			} else if trace.Link != "" {
				want = []string{trace.Link}
			}
			got, sent := l.send(t, p, about)
			if !slices.Equal(got, want) {
				t.Fatalf("%s: the rules say %s, in the kernel it arrived at %v\n%s", p.Packet, trace, got, describe(snap, objects))
			}
			return trace, sent
		}
		flows := newFresh()
		var open []answered
		for range 20 {
			p := draw(t, snap, ps)
			if !flows.flow(&p) {
				continue
			}
			report := reach.Walk(snap, p.query())
			trace, sent := send(p, nil)
			if err := compare(report, false, trace); err != nil {
				t.Fatalf("%s: %v\n%s", p.Packet, err, describe(snap, objects))
			}
			to, arrived := portOf(ps, trace.Link)
			if !arrived {
				continue
			}
			if rapid.Bool().Draw(t, "error instead of an answer") {
				h := fabric.Header{Src: p.Dst, Dst: p.Src, Protocol: fabric.ICMP, Type: 3, Code: 1}
				send(probe{from: to, Packet: ruleset.Packet{Header: h, Link: to.Link, About: &p.Packet}}, sent)
			} else if back, ok := p.reply(to); ok {
				trace, _ := send(back, nil)
				if err := compare(report, true, trace); err != nil {
					t.Fatalf("answer to %s: %v\n%s", p.Packet, err, describe(snap, objects))
				}
				open = append(open, answered{p, back})
			}
		}
		if len(open) == 0 {
			return
		}
		snap, _ = s.Change(t, func(tx *state.Tx) { fabrictest.Acls(t, tx, vpc) })
		objects = compile(snap)
		l.become(t, objects)
		it.Become(objects, l.router)
		for _, f := range open {
			report := reach.Walk(snap, f.there.query())
			for i, p := range []probe{f.there, f.back} {
				trace, _ := send(p, nil)
				if err := onlyAcls(report, i == 1, trace); err != nil {
					t.Fatalf("%s, after the ACLs have changed: %v\n%s", p.Packet, err, describe(snap, objects))
				}
			}
		}
	})
}
