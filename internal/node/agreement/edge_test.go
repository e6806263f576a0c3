//go:build linux

package agreement

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/decide/ruleset"
	"github.com/localvpc/localvpc/internal/node/kernel"
	"github.com/localvpc/localvpc/internal/node/kernel/netns"
	"github.com/localvpc/localvpc/internal/node/kernel/testns"
	"github.com/localvpc/localvpc/internal/state"
)

// town is a kernel with the namespaces of instances and outside hosts.
type town struct {
	testing.TB
	k   *kernel.Kernel
	s   *fabrictest.Store
	has plan.Objects
}

func newTown(t testing.TB, guests ...string) *town {
	t.Helper()
	testns.Need(t)
	dir := testns.Dir(t)
	k, err := kernel.New(kernel.Config{RunDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	if err := os.Mkdir(dir+"/guests", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, id := range guests {
		f, err := netns.Dir(dir+"/guests").Create(id, func() error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := k.Attach(plan.Netns(id), f); err != nil {
			t.Fatal(err)
		}
	}
	w := &town{TB: t, k: k, s: fabrictest.Open(t), has: plan.Objects{}}
	t.Cleanup(func() { w.s.Close() })
	return w
}

// become has the kernel follow a change of the state, as the reconciler does.
func (w *town) become(change func(tx *state.Tx)) {
	w.Helper()
	snap, _ := w.s.Change(w.TB, change)
	want := compile(snap)
	ops := plan.Diff(w.has, want)
	if err := w.k.Apply(context.Background(), ops); err != nil {
		w.Fatal(err)
	}
	w.has = want
	settle(w.TB, w.k, ops)
	for ns, flows := range ruleset.Cuts(ops) {
		if _, err := w.k.CutFlows(ns, flows...); err != nil {
			w.Fatal(err)
		}
	}
}

// serve answers each connection with the address that it comes from.
func (w *town) serve(ns plan.Netns, addr string) {
	w.Helper()
	var l net.Listener
	if err := w.k.In(ns, func() (err error) { l, err = net.Listen("tcp4", addr); return err }); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			fmt.Fprintln(c, host)
			c.Close()
		}
	}()
}

// silence is how long a packet that is dropped is waited for.
const silence = 300 * time.Millisecond

// asks connects and gives the address that the server saw, "" for no answer.
func (w *town) asks(ns plan.Netns, to string) (seen string) {
	w.Helper()
	err := w.k.In(ns, func() error {
		c, err := (&net.Dialer{Timeout: silence}).Dial("tcp4", to)
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		_, err = fmt.Fscanln(c, &seen)
		return err
	})
	if err != nil {
		w.Logf("%s to %s: %v", ns, to, err)
	}
	return seen
}

// sees fails unless the server sees the address; "" stands for no answer.
func (w *town) sees(ns plan.Netns, to, want string) {
	w.Helper()
	if got := w.asks(ns, to); got != want {
		w.Errorf("%s to %s: the server sees %q, want %q", ns, to, got, want)
	}
}

// edge is a VPC with a public and a private subnet, a gateway, a NAT gateway, and
// two outside hosts.
func edge(tx *state.Tx) {
	fabrictest.Vpc(tx, "vpc-1", "10.0.0.0/16")
	fabrictest.Subnet(tx, "subnet-pub", "vpc-1", 1, "10.0.1.0/24")
	fabrictest.Subnet(tx, "subnet-priv", "vpc-1", 2, "10.0.2.0/24")
	fabrictest.Acl(tx, "acl-1", "vpc-1", []state.NetworkAclEntry{fabrictest.Allow(100, false), fabrictest.Allow(100, true)}, "subnet-pub", "subnet-priv")
	fabrictest.Gateway(tx, "igw-1", "vpc-1")
	fabrictest.Group(tx, "sg-app", "vpc-1", "app")
	fabrictest.Group(tx, "sg-db", "vpc-1", "db")
	fabrictest.Rule(tx, "sgr-app-80", "sg-app", false, "tcp", 80, 80, "0.0.0.0/0")
	fabrictest.Rule(tx, "sgr-app-out", "sg-app", true, "-1", -1, -1, "0.0.0.0/0")
	fabrictest.Rule(tx, "sgr-db-5432", "sg-db", false, "tcp", 5432, 5432, "sg-app")
	fabrictest.Instance(tx, "i-app", "vpc-1", state.Running)
	fabrictest.Instance(tx, "i-db", "vpc-1", state.Running)
	fabrictest.Instance(tx, "i-priv", "vpc-1", state.Running)
	fabrictest.Interface(tx, "eni-app", "vpc-1", "subnet-pub", "i-app", 0, []string{"sg-app"}, "10.0.1.4", "10.0.1.5")
	fabrictest.Interface(tx, "eni-db", "vpc-1", "subnet-pub", "i-db", 0, []string{"sg-db"}, "10.0.1.6")
	fabrictest.Interface(tx, "eni-priv", "vpc-1", "subnet-priv", "i-priv", 0, []string{"sg-app"}, "10.0.2.4")
	fabrictest.PublicAddr(tx, "eni-app", "10.0.1.4", "198.18.1.4")
	fabrictest.PublicAddr(tx, "eni-app", "10.0.1.5", "198.18.1.5")
	fabrictest.PublicAddr(tx, "eni-db", "10.0.1.6", "198.18.1.6")
	fabrictest.Nat(tx, "nat-1", "vpc-1", "subnet-pub", "10.0.1.9", "10.0.1.10")
	fabrictest.PublicAddr(tx, "eni-nat-1", "10.0.1.9", "198.18.1.9")
	fabrictest.PublicAddr(tx, "eni-nat-1", "10.0.1.10", "198.18.1.10")
	fabrictest.Routes(tx, "rtb-pub", "vpc-1", 1, [][2]string{{"0.0.0.0/0", "igw-1"}}, "subnet-pub")
	fabrictest.Routes(tx, "rtb-priv", "vpc-1", 2, [][2]string{{"0.0.0.0/0", "nat-1"}}, "subnet-priv")
	fabrictest.Host(tx, "far", "198.18.9.9")
	fabrictest.Host(tx, "other", "198.18.9.10")
}

// TestEdge: the addresses that come out of the gateway, in every direction.
func TestEdge(t *testing.T) {
	w := newTown(t, "i-app", "i-db", "i-priv", "host-far", "host-other")
	w.become(edge)
	for _, ns := range []plan.Netns{"i-app", "i-priv", "host-far", "host-other"} {
		w.serve(ns, "0.0.0.0:80")
	}
	w.serve("i-db", "0.0.0.0:5432")

	// Out and in: the far side sees public addresses, groups the far side's.
	w.sees("i-app", "198.18.9.9:80", "198.18.1.4")
	w.sees("host-far", "198.18.1.4:80", "198.18.9.9")
	w.sees("host-far", "198.18.1.5:80", "198.18.9.9")
	w.sees("host-far", "198.18.9.10:80", "198.18.9.9")
	w.sees("host-far", "198.18.1.6:5432", "")
	w.sees("host-far", "10.0.1.4:80", "")
	// Out by the neighbour's public address, and by one's own, and back in.
	w.sees("i-db", "198.18.1.4:80", "")          // db may send nothing
	w.sees("i-app", "10.0.1.6:5432", "10.0.1.4") // by the reference to a group
	w.sees("i-app", "198.18.1.6:5432", "")       // came back as a stranger
	w.sees("i-app", "198.18.1.4:80", "198.18.1.4")
	// By the NAT gateway, from which nothing comes in.
	seen := w.asks("i-priv", "198.18.9.9:80")
	if seen != "198.18.1.9" && seen != "198.18.1.10" {
		t.Errorf("through the NAT gateway %q is seen", seen)
	}
	w.sees("host-far", "198.18.1.9:80", "")
	w.sees("host-far", "198.18.9.11:80", "")
	// The rule by address of whom comes through the gateway.
	w.become(func(tx *state.Tx) {
		fabrictest.Rule(tx, "sgr-db-public", "sg-db", false, "tcp", 5432, 5432, "198.18.1.4/32")
	})
	w.sees("i-app", "198.18.1.6:5432", "198.18.1.4")
	// The kernel text says what was applied.
	for _, ns := range []plan.Netns{"inet", "vpc-1", "nat-1"} {
		have, err := w.k.Read(ns)
		if err != nil {
			t.Fatal(err)
		}
		want := plan.Objects{}
		for _, o := range w.has {
			if o.NS() == ns && o.Kind() != plan.KindService {
				want.Put(o)
			}
		}
		if ops := plan.Diff(have, want); len(ops) > 0 {
			t.Errorf("%s reads back otherwise: %v", ns, ops)
		}
	}
	// No gateway: no way, in either direction.
	w.become(func(tx *state.Tx) { state.InternetGateways.Delete(tx, fabrictest.Scope.Key("igw-1")) })
	w.sees("i-app", "198.18.9.9:80", "")
	w.sees("host-far", "198.18.1.4:80", "")
}

// TestAddressMoves: a public address that goes to another instance takes new
// connections there at once, and the old ones end.
func TestAddressMoves(t *testing.T) {
	w := newTown(t, "i-app", "i-db", "i-priv", "host-far", "host-other")
	w.become(edge)
	w.become(func(tx *state.Tx) {
		fabrictest.Rule(tx, "sgr-db-80", "sg-db", false, "tcp", 80, 80, "0.0.0.0/0")
	})
	var held net.Listener
	if err := w.k.In("i-app", func() (err error) { held, err = net.Listen("tcp4", ":80"); return err }); err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	var far net.Conn
	if err := w.k.In("host-far", func() (err error) { far, err = net.Dial("tcp4", "198.18.1.4:80"); return err }); err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	near, err := held.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	w.become(func(tx *state.Tx) {
		fabrictest.PublicAddr(tx, "eni-app", "10.0.1.4", "")
		fabrictest.PublicAddr(tx, "eni-db", "10.0.1.6", "198.18.1.4")
	})
	fmt.Fprintln(near, "late")
	far.SetReadDeadline(time.Now().Add(silence))
	if n, err := far.Read(make([]byte, 8)); n > 0 || err == nil {
		t.Errorf("an old connection goes on: %d bytes, %v", n, err)
	}
	w.serve("i-db", "0.0.0.0:80")
	w.sees("host-far", "198.18.1.4:80", "198.18.9.9")
	if err := held.(*net.TCPListener).SetDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if c, err := held.Accept(); err == nil {
		t.Errorf("the former holder gets %s", c.RemoteAddr())
	}
}

// TestRoutesLead: more specific routes, black holes and instances that pass on.
func TestRoutesLead(t *testing.T) {
	w := newTown(t, "i-app", "i-db", "i-priv", "host-far", "host-other")
	w.become(edge)
	for _, ns := range []plan.Netns{"i-app", "i-priv", "host-far"} {
		w.serve(ns, "0.0.0.0:80")
	}
	// i-app passes packets on, when asked.
	forward := func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) }
	if err := w.k.In("i-app", forward); err != nil {
		t.Fatal(err)
	}
	through := func(target string) {
		w.become(func(tx *state.Tx) {
			fabrictest.Routes(tx, "rtb-priv", "vpc-1", 2, [][2]string{{"0.0.0.0/0", "nat-1"}, {"198.18.9.9/32", target}}, "subnet-priv")
		})
	}
	through("eni-app")
	w.sees("i-priv", "198.18.9.9:80", "") // the check drops it
	w.become(func(tx *state.Tx) { fabrictest.Unchecked(tx, "eni-app") })
	w.sees("i-priv", "198.18.9.9:80", "") // passed on under an address that the gateway does not know
	through("igw-1")
	w.sees("i-priv", "198.18.9.9:80", "") // no public address of its own
	through("pcx-1")
	w.sees("i-priv", "198.18.9.9:80", "") // a black hole
	through("nat-1")
	if seen := w.asks("i-priv", "198.18.9.9:80"); seen == "" {
		t.Error("the NAT gateway does not pass on")
	}

	// Between subnets by way of an instance; not inside one.
	w.become(func(tx *state.Tx) {
		fabrictest.Subnet(tx, "subnet-mid", "vpc-1", 3, "10.0.3.0/24")
		fabrictest.Acl(tx, "acl-1", "vpc-1", []state.NetworkAclEntry{fabrictest.Allow(100, false), fabrictest.Allow(100, true)}, "subnet-pub", "subnet-priv", "subnet-mid")
		fabrictest.Interface(tx, "eni-db", "vpc-1", "subnet-mid", "i-db", 0, []string{"sg-app"}, "10.0.3.6")
		fabrictest.Routes(tx, "rtb-priv", "vpc-1", 2, [][2]string{{"10.0.3.0/24", "eni-app"}}, "subnet-priv")
		fabrictest.Routes(tx, "rtb-mid", "vpc-1", 3, [][2]string{{"10.0.2.0/24", "eni-app"}, {"10.0.3.0/24", "eni-app"}}, "subnet-mid")
	})
	w.serve("i-db", "0.0.0.0:80")
	w.sees("i-priv", "10.0.3.6:80", "10.0.2.4")
	w.sees("i-db", "10.0.2.4:80", "10.0.3.6")
	// Without the instance's help there is no way.
	if err := w.k.In("i-app", func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("0"), 0) }); err != nil {
		t.Fatal(err)
	}
	w.sees("i-priv", "10.0.3.6:80", "")

	// A gateway's own table leads what enters to an instance.
	if err := w.k.In("i-app", forward); err != nil {
		t.Fatal(err)
	}
	w.become(func(tx *state.Tx) {
		fabrictest.Routes(tx, "rtb-priv", "vpc-1", 2, [][2]string{{"0.0.0.0/0", "eni-app"}}, "subnet-priv")
		fabrictest.Routes(tx, "rtb-edge", "vpc-1", 4, [][2]string{{"10.0.2.0/24", "eni-app"}}, "igw-1")
		fabrictest.PublicAddr(tx, "eni-priv", "10.0.2.4", "198.18.1.24")
	})
	w.sees("host-far", "198.18.1.24:80", "198.18.9.9")
	if err := w.k.In("i-app", func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("0"), 0) }); err != nil {
		t.Fatal(err)
	}
	w.sees("host-far", "198.18.1.24:80", "")
}

// TestNatLimit: one address of a NAT gateway has 55,000 places towards one
// destination; a second address has as many more, and another destination, too.
// What is idle for long enough gives its place up.
func TestNatLimit(t *testing.T) {
	w := newTown(t, "i-app", "i-db", "i-priv", "host-far", "host-other")
	w.become(edge)
	const places = 55000
	limit := func(addrs ...string) {
		w.become(func(tx *state.Tx) {
			fabrictest.Nat(tx, "nat-1", "vpc-1", "subnet-pub", addrs...)
			fabrictest.PublicAddr(tx, "eni-nat-1", "10.0.1.9", "198.18.1.9")
			fabrictest.PublicAddr(tx, "eni-nat-1", "10.0.1.10", "198.18.1.10")
			fabrictest.Interface(tx, "eni-priv", "vpc-1", "subnet-priv", "i-priv", 0, []string{"sg-app"}, "10.0.2.4", "10.0.2.5")
		})
	}
	limit("10.0.1.9")
	if got := w.flood("198.18.9.9:9", places+3000); got != places {
		t.Errorf("%d connections to one destination get through, want %d", got, places)
	}
	if got := w.flood("198.18.9.10:9", 1000); got != 1000 {
		t.Errorf("%d of 1000 connections to another destination get through", got)
	}
	if _, err := w.k.CutFlows("nat-1", plan.Flows{}); err != nil {
		t.Fatal(err)
	}
	if got := w.flood("198.18.9.9:9", 1000); got != 1000 {
		t.Errorf("%d of 1000 connections get through when there is room again", got)
	}
}

// TestNatIdle: a connection that was idle for too long is over: who goes on with it
// gets a reset.
func TestNatIdle(t *testing.T) {
	w := newTown(t, "i-app", "i-db", "i-priv", "host-far", "host-other")
	w.become(func(tx *state.Tx) {
		edge(tx)
		fabric.SetNatIdleTimeout(tx, 1)
	})
	var l net.Listener
	if err := w.k.In("host-far", func() (err error) { l, err = net.Listen("tcp4", ":80"); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var c net.Conn
	if err := w.k.In("i-priv", func() (err error) { c, err = net.Dial("tcp4", "198.18.9.9:80"); return err }); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	// The kernel forgets it in its own time; asking says when.
	for deadline := time.Now().Add(20 * time.Second); ; {
		n, err := w.k.CountFlows("nat-1", plan.Flows{Protocol: unix.IPPROTO_TCP})
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%d flows are kept, %v", n, err)
		}
		if n == 0 {
			break
		}
	}
	if _, err := c.Write([]byte("still there?")); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("going on gives %v, want a reset", err)
	}
}

// flood sends one datagram from each of n source ports and addresses of i-priv, and
// counts those that arrive.
func (w *town) flood(to string, n int) (arrived int) {
	w.Helper()
	addr := netip.MustParseAddrPort(to)
	server := plan.Netns("host-far")
	if addr.Addr().String() == fabrictest.OutsideHosts["other"] {
		server = "host-other"
	}
	var l net.PacketConn
	if err := w.k.In(server, func() (err error) { l, err = net.ListenPacket("udp4", to); return err }); err != nil {
		w.Fatal(err)
	}
	defer l.Close()
	var buf [64]byte
	var sent, seen int
	catch := func(wait time.Duration) {
		for seen < sent {
			l.SetReadDeadline(time.Now().Add(wait))
			if _, _, err := l.ReadFrom(buf[:]); err != nil {
				return
			}
			arrived++
			seen++
		}
	}
	if err := w.k.In("i-priv", func() error {
		for sent < n {
			source, port := "10.0.2.4", 1025+sent
			if port > 60000 {
				source, port = "10.0.2.5", port-58000
			}
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			from := &unix.SockaddrInet4{Port: port, Addr: netip.MustParseAddr(source).As4()}
			err = unix.Bind(fd, from)
			if err == nil {
				err = unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()})
			}
			unix.Close(fd)
			if err != nil && err != unix.EPERM {
				return fmt.Errorf("sending from port %d: %w", port, err)
			}
			if sent++; sent%64 == 0 && arrived+64 > sent-64 {
				catch(50 * time.Millisecond)
			}
		}
		return nil
	}); err != nil {
		w.Fatal(err)
	}
	catch(silence)
	return arrived
}
