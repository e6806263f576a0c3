//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/kernel/link"
	"github.com/localvpc/localvpc/internal/node/kernel/nft"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
)

// ipv6 says whether namespaces have IPv6 at all.
const ipv6 = false

// setting is one file under /proc/sys with its value.
type setting struct{ path, value string }

// everywhere are the settings of every namespace that we set up.
//
// Congestion control: what the host has for default may be bbr, which costs
// three times the processor time on a veth; namespaces may pick only reno or
// the default. Secondaries are promoted so that the addresses of an interface
// can go one by one, in any order.
func everywhere() []setting {
	s := []setting{
		{"net/ipv4/tcp_congestion_control", "reno"},
		{"net/ipv4/conf/all/promote_secondaries", "1"},
	}
	if !ipv6 {
		s = append(s,
			setting{"net/ipv6/conf/all/disable_ipv6", "1"},
			setting{"net/ipv6/conf/default/disable_ipv6", "1"})
	}
	return s
}

// router are the settings of a router on top. Reverse path checks are off as the
// rules check sources, and so is the check that a source is not one of the
// router's own addresses (accept_local): with policy rules in place it would look
// up the source of every packet once more, a twentieth of its cost. Nor is a socket
// looked for before the route is known (ip_early_demux): hardly any packet is for the
// router itself. The router answers ARP for what it has a route to.
func router() []setting {
	return []setting{
		{"net/ipv4/ip_forward", "1"},
		{"net/ipv4/conf/all/rp_filter", "0"},
		{"net/ipv4/conf/default/rp_filter", "0"},
		{"net/ipv4/conf/all/accept_local", "1"},
		{"net/ipv4/ip_early_demux", "0"},
		{"net/ipv4/conf/all/send_redirects", "0"},
		{"net/ipv4/conf/default/send_redirects", "0"},
		{"net/ipv4/conf/default/proxy_arp", "1"},
	}
}

// tracking are settings that exist once connection tracking is in use: the
// connections of instances outlive a rebuilt router.
func tracking() []setting {
	return []setting{{"net/netfilter/nf_conntrack_tcp_loose", "1"}}
}

// write sets the settings in the calling thread's namespace.
func write(settings []setting) error {
	for _, s := range settings {
		err := os.WriteFile("/proc/sys/"+s.path, []byte(s.value), 0)
		if errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(s.path, "net/ipv6/") {
			continue // a kernel without IPv6
		}
		if err != nil {
			return fmt.Errorf("setting %s to %s (/proc/sys/net has to be writable): %w", s.path, s.value, err)
		}
	}
	return nil
}

// setUpRouter makes a router of the calling thread's new namespace: all that
// plan.Router stands for.
func setUpRouter() error {
	if err := write(append(everywhere(), router()...)); err != nil {
		return err
	}
	rt, err := nl.Dial(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer rt.Close()
	if err := link.Up(rt, "lo"); err != nil {
		return fmt.Errorf("setting lo up: %w", err)
	}
	nf, err := nl.Dial(unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer nf.Close()
	if err := nft.Create(nf); err != nil {
		return fmt.Errorf("making the nft table (the kernel needs nf_tables): %w", err)
	}
	if err := write(tracking()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// setUpGuest prepares the calling thread's namespace, an instance's.
func setUpGuest() error {
	if err := write(everywhere()); err != nil {
		return err
	}
	c, err := nl.Dial(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer c.Close()
	return link.Up(c, "lo")
}
