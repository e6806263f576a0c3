//go:build linux

package agreement

import (
	"fmt"
	"net"
	"testing"

	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/state"
)

// checks connects from a node's own address, as health checks do, and gives the
// address that the server saw; "" for no answer.
func (w *town) checks(node, to string) (seen string) {
	w.Helper()
	err := w.k.In("nlb-net-lb", func() error {
		d := net.Dialer{Timeout: silence, LocalAddr: &net.TCPAddr{IP: net.ParseIP(node)}}
		c, err := d.Dial("tcp4", to)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = fmt.Fscanln(c, &seen)
		return err
	})
	if err != nil {
		w.Logf("%s to %s: %v", node, to, err)
	}
	return seen
}

// TestBalancerNamespace: checks leave from each node's own address and obey groups;
// nothing gets in but what the proxy listens for.
func TestBalancerNamespace(t *testing.T) {
	w := newTown(t, "i-a", "i-b", "i-in", "host-far", "host-other")
	w.become(service)
	w.serve("i-a", "0.0.0.0:8080")
	w.serve("i-b", "0.0.0.0:8080")
	check := func(node, to, want string) {
		t.Helper()
		if got := w.checks(node, to); got != want {
			t.Errorf("%s asks %s: the server sees %q, want %q", node, to, got, want)
		}
	}
	check("10.0.1.90", "10.0.3.4:8080", "10.0.1.90")
	check("10.0.2.90", "10.0.3.4:8080", "10.0.2.90")
	check("10.0.2.90", "10.0.4.4:8080", "10.0.2.90")
	// The target's group, and a guarded balancer's own.
	w.become(func(tx *state.Tx) {
		nlb(tx, []string{"sg-lb"})
		fabrictest.Rule(tx, "sgr-web-8080", "sg-web", false, "tcp", 8080, 8080, "sg-lb")
	})
	check("10.0.1.90", "10.0.3.4:8080", "10.0.1.90")
	w.become(func(tx *state.Tx) { state.SecurityGroupRules.Delete(tx, fabrictest.Key("sgr-lb-out")) })
	check("10.0.1.90", "10.0.3.4:8080", "")

	// The proxy: with a listener of it, only that port, and by the groups' leave.
	w.serve("nlb-net-lb", "10.0.1.90:80")
	w.serve("nlb-net-lb", "10.0.1.90:81")
	w.become(func(tx *state.Tx) { nlb(tx, nil) })
	w.sees("host-far", "198.18.1.90:81", "")
	w.become(func(tx *state.Tx) { nlb(tx, nil, balance.AttrProxyProtocol, "true") })
	w.sameAsRead("vpc-1", "nlb-net-lb")
	w.sees("host-far", "198.18.1.90:80", "198.18.9.9")
	w.sees("i-in", "10.0.1.90:80", "10.0.3.9")
	w.sees("host-far", "198.18.1.90:81", "")
	w.become(func(tx *state.Tx) { nlb(tx, []string{"sg-lb"}, balance.AttrProxyProtocol, "true") })
	w.sees("host-far", "198.18.1.90:80", "198.18.9.9")
	w.sees("host-other", "198.18.1.90:80", "")

	// A zone that fails takes its node along, and no other.
	w.become(func(tx *state.Tx) {
		nlb(tx, nil)
		fabrictest.Rule(tx, "sgr-web-8080", "sg-web", false, "tcp", 8080, 8080, "0.0.0.0/0")
		state.Faults.Put(tx, &state.Fault{Meta: state.Meta{Key: state.Key{Region: fabrictest.Scope.Region, ID: "zone eu-west-1b"}}, Kind: "zone", What: "eu-west-1b", Effect: "down"})
	})
	w.sees("host-far", "198.18.1.90:80", "198.18.9.9")
	w.sees("host-far", "198.18.2.90:80", "")
	check("10.0.1.90", "10.0.4.4:8080", "")
	check("10.0.2.90", "10.0.3.4:8080", "")
	w.become(func(tx *state.Tx) {
		state.Faults.Delete(tx, state.Key{Region: fabrictest.Scope.Region, ID: "zone eu-west-1b"})
	})
	w.sees("host-far", "198.18.2.90:80", "198.18.9.9")
}
