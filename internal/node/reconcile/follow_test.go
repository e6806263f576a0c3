package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/state"
)

// TestSettledIsObeyed: when Wait has returned, the kernel holds exactly what the
// decisions give for the state, whatever the history. No instance is wired here,
// so that nothing but commits moves the kernel.
func TestSettledIsObeyed(t *testing.T) {
	bubble(t, func(rt *rapid.T) {
		e := newEngine(rt)
		e.host.gate = make(chan struct{})
		e.start()
		defer e.close()
		e.settled(e.populate(rt))
		for range rapid.IntRange(1, 8).Draw(rt, "changes") {
			index := e.disturb(rt)
			if rapid.Bool().Draw(rt, "wait") {
				e.settled(index)
				// Facts about instances that do not run may have come since.
				snap := e.store.Snapshot()
				e.settled(snap.Index)
				text := e.kernel.String()
				if e.store.Snapshot().Index == snap.Index {
					if want, _ := desiredOf(snap, nil); text != want {
						rt.Fatalf("settled at %d, but the kernel differs:\n%s", snap.Index, difference(want, text))
					}
				}
			}
		}
		e.quiet()
		e.checkKernel(e.store.Snapshot(), nil)
	})
}

// TestEverythingFollows: random histories, with instances that start, stop and
// vanish: in the end kernel, listeners and instances are what the state says.
func TestEverythingFollows(t *testing.T) {
	bubble(t, func(rt *rapid.T) {
		e := newEngine(rt)
		e.start()
		defer e.close()
		e.populate(rt)
		for range rapid.IntRange(1, 10).Draw(rt, "changes") {
			e.disturb(rt)
			if rapid.Bool().Draw(rt, "quiet") {
				e.quiet()
				e.check()
			}
		}
		e.quiet()
		e.check()
		if said := e.host.said(); strings.Contains(said, "released with") {
			rt.Fatalf("%s", said)
		}
	})
}

// TestTheNextEngineTakesOver: over a kernel that another engine has left the
// next one gives the same text, and touches nothing that is right.
func TestTheNextEngineTakesOver(t *testing.T) {
	bubble(t, func(rt *rapid.T) {
		e := newEngine(rt)
		e.start()
		e.populate(rt)
		for range rapid.IntRange(0, 5).Draw(rt, "changes") {
			e.disturb(rt)
		}
		e.quiet()
		e.stop()
		before := e.kernel.String()
		e.kernel.done()
		e.host.said()

		e.start()
		<-e.r.Ready()
		if ops := e.kernel.done(); len(ops) > 0 {
			rt.Fatalf("%d operations over a kernel that was right, the first: %s", len(ops), ops[0])
		}
		e.quiet()
		if after := e.kernel.String(); after != before {
			rt.Fatalf("the text differs:\n%s", difference(before, after))
		}
		if said := e.host.said(); strings.Contains(said, "create") || strings.Contains(said, "stop") {
			rt.Fatalf("instances were touched: %s", said)
		}
		e.check()
		e.stop()

		// Much happens while no engine runs: to the state, to instances, to the kernel.
		for range rapid.IntRange(1, 6).Draw(rt, "changes without an engine") {
			e.disturb(rt)
		}
		for v := range 2 {
			for n := range fabrictest.Instances {
				if g := e.host.guest(fabrictest.InstanceID(v, n)); g != nil && rapid.IntRange(0, 3).Draw(rt, "dies") == 0 {
					g.exit("")
					if err := e.kernel.Detach(plan.Netns(g.id)); err != nil {
						rt.Fatalf("%v", err)
					}
				}
			}
		}
		if spaces, _ := e.kernel.Namespaces(); len(spaces) > 0 && rapid.Bool().Draw(rt, "lose an object") {
			have, err := e.kernel.Kernel.Read(spaces[0])
			if err != nil {
				rt.Fatalf("%v", err)
			}
			for _, o := range have {
				if o.Kind() == plan.KindElement || o.Kind() == plan.KindRoute {
					if err := e.kernel.Kernel.Apply(context.Background(), []plan.Op{{Verb: plan.Remove, Object: o}}); err != nil {
						rt.Fatalf("%v", err)
					}
				}
			}
		}
		e.start()
		e.quiet()
		e.check()
		e.close()
	})
}

// TestAKernelThatRefuses: whatever the kernel refuses, and however much of it
// it has done before, retries lead to the right state.
func TestAKernelThatRefuses(t *testing.T) {
	bubble(t, func(rt *rapid.T) {
		e := newEngine(rt)
		faults := rapid.SliceOfN(rapid.IntRange(-6, 40), 1, 12).Draw(rt, "faults")
		refuse := func(ops []plan.Op) (int, error) {
			if len(faults) == 0 {
				return 0, nil
			}
			n := faults[0]
			faults = faults[1:]
			if n < 0 {
				return 0, nil
			}
			return min(n, len(ops)), unix.EBUSY
		}
		unread := rapid.SliceOfN(rapid.Bool(), 0, 4).Draw(rt, "unread")
		e.kernel.refuse = refuse
		e.kernel.unread = func(plan.Netns) error {
			if len(unread) == 0 {
				return nil
			}
			fails := unread[0]
			unread = unread[1:]
			if fails {
				return unix.EINTR
			}
			return nil
		}
		closed := rapid.SliceOfN(rapid.Bool(), 0, 6).Draw(rt, "listeners")
		e.services.refuse = func(plan.Op) error {
			if len(closed) == 0 {
				return nil
			}
			fails := closed[0]
			closed = closed[1:]
			if fails {
				return unix.EADDRINUSE
			}
			return nil
		}
		e.start()
		defer e.close()
		e.populate(rt)
		for range rapid.IntRange(1, 6).Draw(rt, "changes") {
			e.disturb(rt)
			if rapid.Bool().Draw(rt, "quiet") {
				e.quiet()
			}
		}
		for range 40 { // each retry is a second of the bubble's time
			<-time.After(2 * time.Second)
			e.quiet()
		}
		if err := e.r.Failing(); err != nil {
			rt.Fatalf("it still fails: %v", err)
		}
		e.settled(e.store.Snapshot().Index)
		e.check()
	})
}

// two makes the two VPCs of the tests below, an instance's interface in each.
func two(tx *state.Tx) {
	for v := range 2 {
		vpc, subnet, group := fabrictest.VpcID(v), fabrictest.SubnetID(v, 0), fabrictest.GroupID(v, 0)
		fabrictest.Vpc(tx, vpc, "10.0.0.0/16")
		fabrictest.Subnet(tx, subnet, vpc, 1, "10.0.1.0/24")
		fabrictest.Acl(tx, fmt.Sprintf("acl-%d", v), vpc, []state.NetworkAclEntry{fabrictest.Allow(100, false), fabrictest.Allow(100, true)}, subnet)
		fabrictest.Group(tx, group, vpc, "g")
		fabrictest.Rule(tx, fmt.Sprintf("sgr-%d", v), group, false, "tcp", 80, 80, "0.0.0.0/0")
		fabrictest.Interface(tx, fabrictest.InterfaceID(v, 0), vpc, subnet, fabrictest.InstanceID(v, 0), 0, []string{group}, "10.0.1.4")
	}
}

func rule(v, n int) func(*state.Tx) {
	return func(tx *state.Tx) {
		fabrictest.Rule(tx, fmt.Sprintf("sgr-%d%d", v, n), fabrictest.GroupID(v, 0), false, "tcp", int32(n), int32(n), "0.0.0.0/0")
	}
}

// TestFailingDoesNotSettle: while the kernel refuses one VPC, nothing counts as
// settled and who waits is told why; other VPCs go on; a retry comes although
// the state does not rest.
func TestFailingDoesNotSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.start()
		defer e.close()
		first := e.write(two)
		e.settled(first)
		full := errors.New("no space for another rule")
		e.kernel.set(func(ops []plan.Op) (int, error) {
			for _, op := range ops {
				if op.Object.NS() == plan.Netns(fabrictest.VpcID(0)) {
					return 0, full
				}
			}
			return 0, nil
		})
		e.write(rule(0, 443))
		other := e.write(rule(1, 443))
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		err := e.r.Wait(ctx, other)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, full) {
			t.Errorf("a waiter was told %v, want the time and the reason", err)
		}
		if !errors.Is(e.r.Failing(), full) || e.r.Settled() != first {
			t.Errorf("failing %v, settled %d; want the reason, and %d", e.r.Failing(), e.r.Settled(), first)
		}
		if !strings.Contains(e.kernel.String(), "sgr-1443") {
			t.Error("the other VPC was held up")
		}

		// Commits come more often than retries: one is due all the same.
		e.kernel.set(nil)
		for n := range 30 {
			<-time.After(100 * time.Millisecond)
			e.write(rule(1, 1000+n))
		}
		e.quiet()
		if err := e.r.Failing(); err != nil || e.r.Settled() != e.store.Snapshot().Index {
			t.Errorf("failing %v, settled %d of %d", err, e.r.Settled(), e.store.Snapshot().Index)
		}
		e.check()
	})
}

// TestAChangeBringsWhatIsLate: what a router lacks since a failure comes with the
// next change in it, before anything new.
func TestAChangeBringsWhatIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.start()
		defer e.close()
		e.settled(e.write(two))
		left := 2 // the first try, and the one after reading back
		e.kernel.set(func([]plan.Op) (int, error) {
			if left > 0 {
				left--
				return 0, unix.ENOMEM
			}
			return 0, nil
		})
		e.write(rule(0, 443))
		e.quiet()
		if e.r.Failing() == nil {
			t.Fatal("it does not fail")
		}
		e.settled(e.write(rule(0, 444))) // no second passes
		e.check()
	})
}

// TestListenersFollowDnsSupport: the resolver is open exactly while the VPC has
// DNS support; metadata always is. All are closed before the router goes.
func TestListenersFollowDnsSupport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.start()
		defer e.close()
		support := func(on bool) func(*state.Tx) {
			return func(tx *state.Tx) {
				v, _ := state.Vpcs.Get(tx, fabrictest.Scope.Key(fabrictest.VpcID(0)))
				next := *v
				next.EnableDnsSupport = on
				state.Vpcs.Put(tx, &next)
			}
		}
		open := func() (dns, metadata int) {
			for _, o := range e.services.Open() {
				s := o.(plan.Service)
				switch {
				case s.Netns != plan.Netns(fabrictest.VpcID(0)):
				case s.Name == "dns":
					dns++
				default:
					metadata++
				}
			}
			return dns, metadata
		}
		e.settled(e.write(two))
		dns, metadata := open()
		if dns == 0 || metadata == 0 {
			t.Fatalf("%d of DNS, %d of metadata are open", dns, metadata)
		}
		e.settled(e.write(support(false)))
		if d, m := open(); d != 0 || m != metadata {
			t.Errorf("without support %d of DNS, %d of metadata are open; want 0, %d", d, m, metadata)
		}
		e.settled(e.write(support(true)))
		if d, m := open(); d != dns || m != metadata {
			t.Errorf("with support again %d of DNS, %d of metadata are open; want %d, %d", d, m, dns, metadata)
		}
		e.settled(e.write(func(tx *state.Tx) { tx.Clear() }))
		if n := len(e.services.Open()); n != 0 {
			t.Errorf("%d listeners are open after the VPC has gone", n)
		}
		e.check()
	})
}

// TestALostSubscription: when commits were dropped everything is decided from
// the snapshot, and nobody waits for an instance that has arrived meanwhile.
func TestALostSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.start()
		defer e.close()
		e.settled(e.write(two))
		wait := make(chan struct{})
		e.kernel.mu.Lock()
		e.kernel.wait = wait
		e.kernel.mu.Unlock()
		e.host.gate = make(chan struct{})
		moving := e.write(func(tx *state.Tx) {
			fabrictest.Instance(tx, fabrictest.InstanceID(0, 0), fabrictest.VpcID(0), state.Pending)
		})
		e.write(rule(0, 443))
		e.quiet()          // the loop is held in Apply
		for range 70_000 { // more than a subscription keeps
			e.write(func(tx *state.Tx) {
				state.Settings.Put(tx, &state.Setting{Meta: state.Meta{Key: fabrictest.Scope.Key("n")}})
			})
		}
		last := e.write(func(tx *state.Tx) {
			rule(1, 443)(tx)
			fabrictest.Instance(tx, fabrictest.InstanceID(0, 0), fabrictest.VpcID(0), state.Stopped)
		})
		close(wait)
		e.kernel.mu.Lock()
		e.kernel.wait = nil
		e.kernel.mu.Unlock()
		e.settled(last)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.r.WaitArrived(ctx, moving); err != nil {
			t.Error(err)
		}
		close(e.host.gate)
		e.quiet()
		e.check()
	})
}

// TestRunEndsInTheMiddle: the end of the context, or of the store, ends the
// reconciler whatever it and its actors are at.
func TestRunEndsInTheMiddle(t *testing.T) {
	run := func(tx *state.Tx) {
		two(tx)
		for v := range 2 {
			fabrictest.Instance(tx, fabrictest.InstanceID(v, 0), fabrictest.VpcID(v), state.Pending)
		}
	}
	for name, hold := range map[string]func(e *engine){
		"at rest":                 func(*engine) {},
		"the kernel takes long":   func(e *engine) { e.kernel.wait = make(chan struct{}) },
		"instances are made":      func(e *engine) { e.host.gate = make(chan struct{}) },
		"the kernel always fails": func(e *engine) { e.kernel.refuse = func([]plan.Op) (int, error) { return 0, unix.EBUSY } },
		"instances do not boot":   func(e *engine) { e.host.boot = func(*guest) error { return errors.New("no") } },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				hold(e)
				e.start()
				e.write(run)
				e.quiet()
				e.stop()
				if err := e.store.Close(); err != nil {
					t.Error(err)
				}
			})
			synctest.Test(t, func(t *testing.T) { // in the middle of things
				e := newEngine(t)
				hold(e)
				e.start()
				e.write(run)
				e.stop()
				if err := e.store.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.start()
		e.write(run)
		e.quiet()
		if err := e.store.Close(); err != nil {
			t.Error(err)
		}
		if err := <-e.ended; err != nil {
			t.Error(err)
		}
		e.cancel()
	})
}
