//go:build linux

package agreement

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel"
	"github.com/localvpc/localvpc/internal/node/kernel/netns"
	"github.com/localvpc/localvpc/internal/node/kernel/testns"
	"github.com/localvpc/localvpc/internal/state"
)

// TestOrdinarySockets: with all of the wiring, programs in instances talk to each
// other and to the VPC's services as their groups let them, from each of an
// instance's interfaces.
func TestOrdinarySockets(t *testing.T) {
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
	for _, id := range []string{"i-app1", "i-app2", "i-db1"} {
		f, err := netns.Dir(dir+"/guests").Create(id, func() error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := k.Attach(plan.Netns(id), f); err != nil {
			t.Fatal(err)
		}
	}
	s := fabrictest.Small(t)
	has := plan.Objects{}
	become := func(change func(tx *state.Tx)) {
		t.Helper()
		snap := s.Snapshot()
		if change != nil {
			snap, _ = s.Change(t, change)
		}
		want := compile(snap)
		if err := k.Apply(context.Background(), plan.Diff(has, want)); err != nil {
			t.Fatal(err)
		}
		has = want
	}
	become(nil)

	listen := func(ns plan.Netns, addr string) net.Listener {
		t.Helper()
		var l net.Listener
		if err := k.In(ns, func() (err error) { l, err = net.Listen("tcp4", addr); return err }); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	// dial says whether a connection comes about, and hears who is on it. A
	// refusal by the rules is silence: the time-out is all that ends the wait.
	dial := func(ns plan.Netns, from, to string, l net.Listener) bool {
		t.Helper()
		d := net.Dialer{Timeout: 300 * time.Millisecond}
		if l != nil {
			d.Timeout = 5 * time.Second
		}
		if from != "" {
			d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
		}
		err := k.In(ns, func() error {
			c, err := d.Dial("tcp4", to)
			if err == nil {
				c.Close()
			}
			return err
		})
		if err == nil && l != nil {
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
		}
		if err != nil && l != nil {
			t.Logf("%s to %s: %v", ns, to, err)
		}
		return err == nil
	}

	postgres := listen("i-db1", "172.30.1.224:5432")
	if !dial("i-app1", "", "172.30.1.224:5432", postgres) {
		t.Error("app1 does not reach db1, another subnet's, as a member of app")
	}
	if !dial("i-app2", "172.30.1.5", "172.30.1.224:5432", postgres) {
		t.Error("app2 does not reach db1, of the same subnet, from its secondary address")
	}
	become(func(tx *state.Tx) { state.SecurityGroupRules.Delete(tx, fabrictest.Scope.Key("sgr-db-5432")) })
	if dial("i-app1", "", "172.30.1.224:5432", nil) {
		t.Error("app1 reaches db1 though the rule is gone")
	}

	for _, addr := range []string{"172.30.0.2:53", "169.254.169.253:53", "169.254.169.254:80"} {
		if !dial("i-db1", "", addr, listen("vpc-1", addr)) {
			t.Errorf("db1 does not reach the VPC's service at %s", addr)
		}
	}
	err = k.In("i-db1", func() error {
		c, err := net.Dial("udp4", "172.30.0.1:53")
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(100 * time.Millisecond))
		c.Write([]byte("is anybody there?"))
		_, err = c.Read(make([]byte, 1))
		return err
	})
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the gateway's address answers: %v", err)
	}
	// Without a route nothing comes back either, as in AWS: no ICMP error.
	if err := k.In("i-app1", func() error {
		_, err := (&net.Dialer{Timeout: 100 * time.Millisecond}).Dial("tcp4", "192.0.2.1:80")
		return err
	}); errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) {
		t.Errorf("a destination that nothing routes is refused with noise: %v", err)
	}

	// A second interface in the same subnet answers by itself, with its own groups.
	become(func(tx *state.Tx) {
		fabrictest.Group(tx, "sg-second", "vpc-1", "second")
		fabrictest.Rule(tx, "sgr-second", "sg-second", false, "tcp", 8080, 8080, "172.30.0.0/16")
		fabrictest.Interface(tx, "eni-second", "vpc-1", "subnet-2", "i-app2", 1, []string{"sg-second"}, "172.30.1.77")
	})
	both := listen("i-app2", "0.0.0.0:8080")
	if !dial("i-app1", "", "172.30.1.77:8080", both) {
		t.Error("app1 does not reach app2's second interface")
	}
	if dial("i-app1", "", "172.30.1.4:8080", nil) {
		t.Error("app1 reaches port 8080 by the first interface, whose group does not allow it")
	}
	// Another takes its place in one step, with a secondary address, while the
	// first one goes to another instance.
	become(func(tx *state.Tx) {
		fabrictest.Interface(tx, "eni-second", "vpc-1", "subnet-2", "i-db1", 1, []string{"sg-second"}, "172.30.1.77")
		fabrictest.Interface(tx, "eni-third", "vpc-1", "subnet-2", "i-app2", 1, []string{"sg-second"}, "172.30.1.78", "172.30.1.79")
	})
	for _, addr := range []string{"172.30.1.78:8080", "172.30.1.79:8080"} {
		if !dial("i-app1", "", addr, both) {
			t.Errorf("app1 does not reach %s, of the interface that took the other's place", addr)
		}
	}
	if !dial("i-app1", "", "172.30.1.77:8080", listen("i-db1", "172.30.1.77:8080")) {
		t.Error("app1 does not reach the interface that has moved to db1")
	}
	web := listen("i-app2", "172.30.1.4:80")
	if !dial("i-app1", "", "172.30.1.4:80", web) {
		t.Error("app1 does not reach app2's first interface any more")
	}
}
