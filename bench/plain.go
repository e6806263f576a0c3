//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The yardstick of the packet path is Linux routing between namespaces and
// nothing else: client, routers and server in a row, a veth pair between each two,
// no nftables, no connection tracking, the same MTU and congestion control as in
// instances. This program starts itself anew in namespaces of its own to make them.

// plainArg as first argument makes this program the yardstick.
const plainArg = "plain-yardstick"

// MTU of AWS's interfaces, and outside of VPCs (Amazon EC2 User Guide, "Network
// MTU for your EC2 instance").
const (
	mtu         = 9001
	internetMTU = 1500
)

// plain prepares this program as yardstick in a network namespace of its own, and
// for an ordinary user in a user namespace too, as localvpc itself.
func (b *bench) plain(args ...string) (*exec.Cmd, error) {
	self := filepath.Join(b.dir, "bench")
	if _, err := os.Stat(self); errors.Is(err, os.ErrNotExist) {
		if err := copySelf(self); err != nil {
			return nil, fmt.Errorf("copying this program to where user %d may run it: %w", b.uid, err)
		}
	}
	cmd := exec.Command(self, append([]string{plainArg}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if b.uid != 0 {
		gid := os.Getgid()
		if os.Getuid() == 0 {
			gid = b.uid
		}
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: b.uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
		cmd.SysProcAttr.Credential = &syscall.Credential{NoSetGroups: true}
	}
	return cmd, nil
}

func copySelf(to string) error {
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer from.Close()
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	return errors.Join(err, file.Close())
}

// plainPath starts the yardstick's two load generators, with as many routers
// between them as there are links, less one, each of which has an MTU, and the largest
// segment that they take in one piece (0: Linux's own 64 KiB).
func (b *bench) plainPath(segment int, mtus ...int) (client, server *agent, err error) {
	args := []string{"path", b.traffic, strconv.Itoa(segment)}
	for _, m := range mtus {
		args = append(args, strconv.Itoa(m))
	}
	cmd, err := b.plain(args...)
	if err != nil {
		return nil, nil, err
	}
	var problems bytes.Buffer
	cmd.Stderr = &problems
	agents := make([]*agent, 2)
	for i := range agents {
		hisIn, in, err := os.Pipe()
		if err != nil {
			return nil, nil, err
		}
		out, hisOut, err := os.Pipe()
		if err != nil {
			return nil, nil, err
		}
		defer hisIn.Close()
		defer hisOut.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, hisIn, hisOut)
		agents[i] = newAgent(in, out, plainHost(i*(len(mtus)-1), i).String())
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("starting the yardstick: %w", err)
	}
	ended := sync.OnceValue(func() string {
		_ = cmd.Wait()
		return strings.TrimSpace(problems.String())
	})
	for _, a := range agents {
		a.end = func() string {
			_, _ = agents[0].in.Close(), agents[1].in.Close()
			return ended()
		}
	}
	return agents[0], agents[1], nil
}

// plainLinks gives the seconds that the kernel needs for n namespaces with each
// interfaces: the links, their addresses, routes and neighbours.
func (b *bench) plainLinks(ctx context.Context, n, each int) (float64, error) {
	cmd, err := b.plain("links", strconv.Itoa(n), strconv.Itoa(each))
	if err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("running the yardstick: %w", err)
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}

// plainMain is main of the yardstick.
func plainMain(args []string) int {
	runtime.LockOSThread()
	var err error
	switch {
	case len(args) >= 5 && args[0] == "path":
		sizes := make([]int, len(args)-2)
		for i, arg := range args[2:] {
			var bad error
			sizes[i], bad = strconv.Atoi(arg)
			err = errors.Join(err, bad)
		}
		if err == nil {
			err = plainRouters(args[1], sizes[0], sizes[1:])
		}
	case len(args) == 3 && args[0] == "links":
		n, err1 := strconv.Atoi(args[1])
		each, err2 := strconv.Atoi(args[2])
		if err = errors.Join(err1, err2); err == nil {
			err = manyLinks(n, each)
		}
	default:
		err = fmt.Errorf("no yardstick is called %q", args)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: yardstick:", err)
		return 1
	}
	return 0
}

// plainHost is an address of the yardstick, at the nearer end (0) or the farther
// end (1) of a link; link 0 is the client's.
func plainHost(link, end int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 0, byte(link), byte(end + 1)})
}

// plainRouters makes a row of namespaces: a client, routers, the first of which is
// this one, and a server. It runs the load generator at both ends and waits until
// they end.
func plainRouters(traffic string, segment int, mtus []int) error {
	last := len(mtus) // number of the server; the client's is 0
	row := make([]*os.File, last+1)
	for i := range row {
		var err error
		if i == 1 {
			row[i], err = os.Open("/proc/thread-self/ns/net")
		} else {
			row[i], err = newNetns()
		}
		if err == nil {
			err = in(row[i], func() error {
				var forward error
				if i > 0 && i < last {
					forward = sysctl("net/ipv4/ip_forward", "1")
				}
				return errors.Join(linkUp("lo"), forward, sysctl("net/ipv4/tcp_congestion_control", "reno"))
			})
		}
		if err != nil {
			return err
		}
	}
	for i, mtu := range mtus {
		const near, far = "right", "left" // as the two that they join have them
		if err := in(row[i], func() error {
			return errors.Join(veth(near, far, row[i+1], mtu, segment), addAddr(near, netip.PrefixFrom(plainHost(i, 0), 24)))
		}); err != nil {
			return err
		}
		if err := in(row[i+1], func() error { return addAddr(far, netip.PrefixFrom(plainHost(i, 1), 24)) }); err != nil {
			return err
		}
	}
	for i, ns := range row {
		if err := in(ns, func() error {
			if i < last-1 { // the last router is the server's neighbour
				if err := routeVia(netip.Prefix{}, plainHost(i, 1)); err != nil {
					return err
				}
			}
			if i > 1 {
				return routeVia(netip.PrefixFrom(plainHost(0, 0), 24).Masked(), plainHost(i-1, 0))
			}
			return nil
		}); err != nil {
			return err
		}
	}
	processes := make([]*os.Process, 2)
	for i := range processes {
		err := in(row[i*last], func() error {
			in, out := os.NewFile(uintptr(3+2*i), "in"), os.NewFile(uintptr(4+2*i), "out")
			defer in.Close()
			defer out.Close()
			var err error
			processes[i], err = os.StartProcess(traffic, []string{traffic}, &os.ProcAttr{
				Files: []*os.File{in, out, os.Stderr}, Sys: &syscall.SysProcAttr{Setsid: true}}) // the scheduler groups by session, and instances have their own
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, p := range processes {
		if _, err := p.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// routeVia adds a route by a gateway; without a destination it is the default one.
func routeVia(to netip.Prefix, gateway netip.Addr) error {
	r := &netlink.Route{Gw: gateway.AsSlice()}
	if to.IsValid() {
		r.Dst = &net.IPNet{IP: to.Addr().AsSlice(), Mask: net.CIDRMask(to.Bits(), to.Addr().BitLen())}
	}
	if err := netlink.RouteAdd(r); err != nil {
		return fmt.Errorf("adding a route by %s: %w", gateway, err)
	}
	return nil
}

// manyLinks makes what the interfaces of instances need from the kernel, without
// rules, and prints the seconds that it took.
func manyLinks(n, each int) error {
	begin := time.Now()
	for i := range n {
		ns, err := newNetns()
		if err != nil {
			return err
		}
		for j := range each {
			k := i*each + j
			host := netip.AddrFrom4([4]byte{10, 60, byte(k >> 8), byte(k)})
			name := fmt.Sprintf("e%d", k)
			if err := veth(name, fmt.Sprintf("eth%d", j), ns, mtu, 0); err != nil {
				return err
			}
			if err := routeTo(name, host); err != nil {
				return err
			}
			if err := in(ns, func() error { return addAddr(fmt.Sprintf("eth%d", j), netip.PrefixFrom(host, 21)) }); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Println(time.Since(begin).Seconds())
	return err
}

// newNetns makes a network namespace that lives as long as its file is open.
func newNetns() (*os.File, error) {
	type made struct {
		file *os.File
		err  error
	}
	c := make(chan made)
	go func() {
		runtime.LockOSThread() // and never back: the thread ends with this
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			c <- made{nil, fmt.Errorf("making a network namespace: %w", err)}
			return
		}
		file, err := os.Open("/proc/thread-self/ns/net")
		c <- made{file, err}
	}()
	m := <-c
	return m.file, m.err
}

// in calls f on a thread in ns.
func in(ns *os.File, f func() error) error {
	c := make(chan error)
	go func() {
		runtime.LockOSThread() // and never back
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			c <- fmt.Errorf("entering a network namespace: %w", err)
			return
		}
		c <- f()
	}()
	return <-c
}

func sysctl(name, value string) error {
	return os.WriteFile("/proc/sys/"+name, []byte(value), 0)
}

func linkUp(name string) error {
	l, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetUp(l)
	}
	if err != nil {
		return fmt.Errorf("setting %s up: %w", name, err)
	}
	return nil
}

// veth makes a pair: name here, peer in ns.
func veth(name, peer string, ns *os.File, mtu, segment int) error {
	err := netlink.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: name, MTU: mtu, NumTxQueues: 1, NumRxQueues: 1, TxQLen: -1, GSOIPv4MaxSize: uint32(segment)},
		PeerName:  peer, PeerNamespace: netlink.NsFd(int(ns.Fd())),
	})
	if err != nil {
		return fmt.Errorf("making the link %s: %w", name, err)
	}
	return nil
}

// addAddr gives a link an address and sets it up.
func addAddr(name string, prefix netip.Prefix) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("finding %s: %w", name, err)
	}
	address := &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
	if err := netlink.AddrAdd(l, &netlink.Addr{IPNet: address}); err != nil {
		return fmt.Errorf("adding %s to %s: %w", prefix, name, err)
	}
	return linkUp(name)
}

// routeTo sets a link up and makes one host reachable behind it, without ARP.
func routeTo(name string, host netip.Addr) error {
	if err := linkUp(name); err != nil {
		return err
	}
	l, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("finding %s: %w", name, err)
	}
	index := l.Attrs().Index
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: index, Scope: netlink.SCOPE_LINK, Dst: &net.IPNet{IP: host.AsSlice(), Mask: net.CIDRMask(host.BitLen(), host.BitLen())}}); err != nil {
		return fmt.Errorf("adding the route to %s: %w", host, err)
	}
	if err := netlink.NeighSet(&netlink.Neigh{LinkIndex: index, State: netlink.NUD_PERMANENT, IP: host.AsSlice(), HardwareAddr: net.HardwareAddr{2, 0, 0, 0, host.As4()[2], host.As4()[3]}}); err != nil {
		return fmt.Errorf("adding the neighbour %s: %w", host, err)
	}
	return nil
}
