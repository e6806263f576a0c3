package reconcile

import (
	"context"
	"strings"
	"testing"

	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

// options associates options with the VPC of the tests' instance.
func options(server string) func(*state.Tx) {
	return func(tx *state.Tx) {
		d := &state.DhcpOptions{Meta: state.Meta{Key: fabrictest.Scope.Key("dopt-" + server)}, Options: []state.DhcpOption{{Key: "domain-name-servers", Values: []string{server}}}}
		state.DhcpOptionSets.Put(tx, d)
		v, _ := state.Vpcs.Get(tx, fabrictest.Scope.Key(fabrictest.VpcID(0)))
		next := *v
		next.DhcpOptionsID = d.ID
		state.Vpcs.Put(tx, &next)
	}
}

// leases are the servers that the running guest was told of, since the last time.
func (e *engine) leases() string {
	e.host.mu.Lock()
	defer e.host.mu.Unlock()
	g := e.host.running[one.ID]
	if g == nil {
		return "nothing runs"
	}
	said := strings.ReplaceAll(strings.TrimSpace(strings.Join(g.leases, "")), "\n", ", ")
	g.leases = nil
	return said
}

// TestLeases: a running guest is told of other DHCP options before who has
// associated them goes on; one that starts is made with them; one that a former
// engine left is told in any case.
func TestLeases(t *testing.T) {
	life(t, func(e *engine) {
		told := func(fn func(*state.Tx), want string) {
			e.Helper()
			index := e.write(fn)
			if err := e.r.Wait(context.Background(), index); err != nil {
				e.Fatalf("%v", err)
			}
			if err := e.r.WaitArrived(context.Background(), index); err != nil {
				e.Fatalf("%v", err)
			}
			if have := e.leases(); have != want {
				e.Errorf("it was told %q, want %q", have, want)
			}
		}
		told(launch("stop"), "")
		told(options("10.0.0.9"), "nameserver 10.0.0.9")
		told(options("10.0.0.9"), "") // nothing has changed
		told(options("10.0.0.10"), "nameserver 10.0.0.10")
		told(asked(e, lifecycle.Stop), "nothing runs")
		told(options("10.0.0.11"), "nothing runs")
		told(asked(e, lifecycle.Start), "")
		e.stop()
		e.write(options("10.0.0.12"))
		e.start()
		e.quiet()
		if have := e.leases(); have != "nameserver 10.0.0.12" {
			e.Errorf("after another engine it was told %q", have)
		}
		told(options("10.0.0.13"), "nameserver 10.0.0.13")
		told(asked(e, lifecycle.Terminate), "nothing runs")
		if e.r.mu.Lock(); len(e.r.renewing) > 0 {
			e.Errorf("leases are waited for: %v", e.r.renewing)
		}
		e.r.mu.Unlock()
	})
}
