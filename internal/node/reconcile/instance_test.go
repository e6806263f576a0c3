package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/decide/ruleset"
	"github.com/localvpc/localvpc/internal/state"
)

// one is the instance of these tests.
var one = fabrictest.Scope.Key(fabrictest.InstanceID(0, 0))

// launch is RunInstances without its checks.
func launch(behavior string) func(*state.Tx) {
	return func(tx *state.Tx) {
		two(tx)
		i := &state.Instance{Meta: state.Meta{Key: one}, VpcID: fabrictest.VpcID(0), ShutdownBehavior: behavior}
		lifecycle.New(i, tx.Now())
		state.Instances.Put(tx, i)
	}
}

// asked is a caller's event.
func asked(t fataler, k lifecycle.Kind) func(*state.Tx) {
	return func(tx *state.Tx) {
		i, ok := state.Instances.Get(tx, one)
		if !ok {
			t.Fatalf("there is no instance to %s", k)
		}
		if _, err := lifecycle.Do(tx, i, k); err != nil {
			t.Fatalf("%v", err)
		}
	}
}

func (e *engine) row() *state.Instance {
	i, ok := state.Instances.Get(e.store.Snapshot(), one)
	if !ok {
		return &state.Instance{State: "gone"}
	}
	return i
}

// expect waits until nothing moves and holds against the state, the boots and
// what the host was told since the last time.
func (e *engine) expect(s state.InstanceState, boots uint64, said string) {
	e.Helper()
	e.quiet()
	if i := e.row(); i.State != s || i.Boots != boots {
		e.Errorf("the instance is %s after %d boots (%s), want %s after %d", i.State, i.Boots, i.StateReason.Message, s, boots)
	}
	if have := e.host.said(); have != said {
		e.Errorf("the host was told: %s\nwant: %s", have, said)
	}
	e.check()
	e.settled(e.store.Snapshot().Index)
}

// life runs a test of an instance's life in a bubble.
func life(t *testing.T, fn func(e *engine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.start()
		<-e.r.Ready()
		fn(e)
		e.close()
	})
}

func TestLife(t *testing.T) {
	for _, tt := range []struct {
		name string
		fn   func(e *engine)
	}{
		{"start, stop, start, reboot, terminate", func(e *engine) {
			e.write(launch("stop"))
			e.expect(state.Running, 1, "create, boot")
			e.write(asked(e, lifecycle.Stop))
			e.expect(state.Stopped, 1, "stop false")
			if !e.host.disks[one.ID] {
				e.Errorf("the disk is gone")
			}
			e.write(asked(e, lifecycle.Start))
			e.expect(state.Running, 2, "create, boot")
			e.write(asked(e, lifecycle.Reboot))
			e.expect(state.Running, 3, "stop false, create, boot")
			e.write(asked(e, lifecycle.Terminate))
			e.expect(state.Terminated, 3, "stop true, destroy")
			if e.host.disks[one.ID] {
				e.Errorf("the disk is left")
			}
		}},
		{"terminate while stopped", func(e *engine) {
			e.write(launch("stop"))
			e.quiet()
			e.write(asked(e, lifecycle.Stop))
			e.expect(state.Stopped, 1, "create, boot, stop false")
			e.write(asked(e, lifecycle.Terminate))
			e.expect(state.Terminated, 1, "destroy")
		}},
		{"terminate while stopped, after another engine", func(e *engine) {
			e.write(launch("stop"))
			e.quiet()
			e.write(asked(e, lifecycle.Stop))
			e.expect(state.Stopped, 1, "create, boot, stop false")
			e.stop()
			e.start()
			e.expect(state.Stopped, 1, "")
			e.write(asked(e, lifecycle.Terminate))
			e.expect(state.Terminated, 1, "destroy")
		}},
		{"terminate what does not stop", func(e *engine) {
			e.host.deaf = true
			e.write(launch("stop"))
			e.quiet()
			e.write(asked(e, lifecycle.Stop))
			e.quiet()
			if i := e.row(); i.State != state.Stopping {
				e.Errorf("it is %s, want stopping", i.State)
			}
			e.write(asked(e, lifecycle.Terminate))
			e.expect(state.Terminated, 1, "create, boot, stop false, stop true, destroy")
		}},
		{"crash", func(e *engine) {
			e.write(launch("terminate"))
			e.expect(state.Running, 1, "create, boot")
			e.host.guest(one.ID).exit(lifecycle.Crash)
			e.expect(state.Stopped, 1, "")
			if why := e.row().StateReason; why.Code != "Server.InternalError" || !strings.Contains(why.Message, "console output") {
				e.Errorf("the reason is %+v", why)
			}
			e.write(asked(e, lifecycle.Start))
			e.expect(state.Running, 2, "create, boot")
		}},
		{"power off inside", func(e *engine) {
			e.write(launch("stop"))
			e.expect(state.Running, 1, "create, boot")
			e.host.guest(one.ID).exit(lifecycle.PowerOff)
			e.expect(state.Stopped, 1, "")
			if why := e.row().StateReason.Code; why != "Client.InstanceInitiatedShutdown" {
				e.Errorf("the reason is %s", why)
			}
		}},
		{"power off inside that terminates", func(e *engine) {
			e.write(launch("terminate"))
			e.expect(state.Running, 1, "create, boot")
			e.host.guest(one.ID).exit(lifecycle.PowerOff)
			e.expect(state.Terminated, 1, "destroy")
		}},
		{"power off inside, and a row that changes meanwhile", func(e *engine) {
			// What wakes the actor must not have it act on what the row was.
			e.write(launch("stop"))
			e.expect(state.Running, 1, "create, boot")
			for range 20 {
				g := e.host.guest(one.ID)
				g.exit(lifecycle.PowerOff)
				for range 3 {
					e.write(func(tx *state.Tx) {
						i, _ := state.Instances.Get(tx, one)
						next := *i
						next.Tags = next.Tags.With("k", fmt.Sprint(len(next.Tags)))
						state.Instances.Put(tx, &next)
					})
				}
				e.expect(state.Stopped, g.boots, "")
				e.write(asked(e, lifecycle.Start))
				e.expect(state.Running, g.boots+1, "create, boot")
			}
		}},
		{"reboot inside", func(e *engine) {
			e.write(launch("terminate"))
			e.expect(state.Running, 1, "create, boot")
			e.host.guest(one.ID).exit(lifecycle.Restart)
			e.expect(state.Running, 2, "create, boot")
		}},
		{"reboot asked for while it powers off", func(e *engine) {
			e.write(launch("stop"))
			e.expect(state.Running, 1, "create, boot")
			e.host.guest(one.ID).exit(lifecycle.PowerOff)
			e.write(func(tx *state.Tx) {
				if i, _ := state.Instances.Get(tx, one); i.State == state.Running {
					asked(e, lifecycle.Reboot)(tx)
				}
			})
			e.quiet()
			e.host.said()
			e.check()
		}},
		{"the first boot fails", func(e *engine) {
			e.host.create = func(string) error { return errors.New("no room for a disk") }
			e.write(launch("stop"))
			e.expect(state.Terminated, 1, "create, destroy")
			if why := e.row().StateReason; why.Code != "Server.InternalError" || !strings.Contains(why.Message, "no room for a disk") {
				e.Errorf("the reason is %+v", why)
			}
		}},
		{"a later boot fails, and the one after does not", func(e *engine) {
			e.write(launch("stop"))
			e.quiet()
			e.write(asked(e, lifecycle.Stop))
			e.expect(state.Stopped, 1, "create, boot, stop false")
			e.host.boot = func(*guest) error { return errors.New("init is deaf") }
			e.write(asked(e, lifecycle.Start))
			e.expect(state.Stopped, 2, "create, boot, stop true")
			if why := e.row().StateReason.Message; !strings.Contains(why, "init is deaf") {
				e.Errorf("the reason is %s", why)
			}
			e.host.boot = nil
			e.write(asked(e, lifecycle.Start))
			e.expect(state.Running, 3, "create, boot")
		}},
		{"the kernel refuses its links", func(e *engine) {
			e.kernel.set(func(ops []plan.Op) (int, error) {
				for _, op := range ops {
					if op.Object.Kind() == plan.KindLink && op.Verb == plan.Add {
						return 0, errors.New("no more links")
					}
				}
				return 0, nil
			})
			e.write(launch("stop"))
			e.expect(state.Terminated, 1, "create, stop true, destroy")
			if why := e.row().StateReason.Message; !strings.Contains(why, "no more links") {
				e.Errorf("the reason is %s", why)
			}
			if err := e.r.Failing(); err != nil {
				e.Errorf("it fails still: %v", err)
			}
		}},
		{"reset while it is being made", func(e *engine) {
			e.host.gate = make(chan struct{})
			e.write(launch("stop"))
			e.quiet()
			reset := e.write(func(tx *state.Tx) { tx.Clear() })
			e.settled(reset)
			idle := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				idle <- e.r.WaitIdle(ctx)
			}()
			e.quiet()
			select {
			case err := <-idle:
				e.Fatalf("WaitIdle returned %v while an instance was being made", err)
			default:
			}
			close(e.host.gate)
			if err := <-idle; err != nil {
				e.Errorf("%v", err)
			}
			e.expect("gone", 0, "create, boot, stop true, destroy")
		}},
		{"the row goes while it runs", func(e *engine) {
			e.write(launch("stop"))
			e.expect(state.Running, 1, "create, boot")
			e.write(func(tx *state.Tx) { state.Instances.Delete(tx, one) })
			e.expect("gone", 0, "stop true, destroy")
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if err := e.r.WaitIdle(ctx); err != nil {
				e.Errorf("%v", err)
			}
		}},
		{"terminate before its turn to be made", func(e *engine) {
			e.host.gate = make(chan struct{})
			for range starting {
				e.r.slots <- struct{}{}
			}
			e.write(launch("stop"))
			e.quiet()
			e.write(asked(e, lifecycle.Terminate))
			e.quiet()
			for range starting {
				<-e.r.slots
			}
			e.expect(state.Terminated, 1, "destroy")
		}},
		{"an instance that ended while there was no engine", func(e *engine) {
			e.write(launch("stop"))
			e.expect(state.Running, 1, "create, boot")
			e.stop()
			e.host.guest(one.ID).exit(lifecycle.Crash)
			if err := e.kernel.Detach(plan.Netns(one.ID)); err != nil {
				e.Fatalf("%v", err)
			}
			e.start()
			e.expect(state.Running, 1, "create, boot")
		}},
		{"an instance that powered itself off while there was no engine", func(e *engine) {
			e.write(launch("stop"))
			e.expect(state.Running, 1, "create, boot")
			e.stop()
			g := e.host.guest(one.ID)
			g.exit(lifecycle.PowerOff)
			e.host.late = append(e.host.late, g)
			if err := e.kernel.Detach(plan.Netns(one.ID)); err != nil {
				e.Fatalf("%v", err)
			}
			e.start()
			e.expect(state.Stopped, 1, "")
		}},
		{"an instance that was asked to reboot while there was no engine", func(e *engine) {
			e.write(launch("stop"))
			e.expect(state.Running, 1, "create, boot")
			e.stop()
			e.write(asked(e, lifecycle.Reboot))
			e.start()
			e.expect(state.Running, 2, "stop false, create, boot")
		}},
		{"an instance whose row went while there was no engine", func(e *engine) {
			e.write(launch("stop"))
			e.expect(state.Running, 1, "create, boot")
			e.stop()
			e.write(func(tx *state.Tx) { tx.Clear() })
			e.start()
			e.expect("gone", 0, "stop true, destroy")
		}},
		{"an engine that ends before the instance was let go", func(e *engine) {
			wired := make(chan struct{})
			e.host.boot = func(*guest) error { close(wired); return context.Canceled }
			hold := make(chan struct{})
			e.host.boot = func(*guest) error { close(wired); <-hold; return context.Canceled }
			e.write(launch("stop"))
			<-wired
			e.cancel()
			close(hold)
			if err := <-e.ended; err != nil {
				e.Fatalf("%v", err)
			}
			e.host.boot = nil
			e.start()
			e.expect(state.Running, 1, "create, boot, boot")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { life(t, tt.fn) })
	}
}

// TestWiredBeforeBoot: when an instance is let go its rules and links are there;
// when it is released nothing leads into its namespace any more.
func TestWiredBeforeBoot(t *testing.T) {
	life(t, func(e *engine) {
		booted := 0
		e.host.boot = func(g *guest) error {
			booted++
			snap := e.store.Snapshot()
			have, err := e.kernel.Kernel.Read(plan.Netns(fabrictest.VpcID(0)))
			if err != nil {
				return err
			}
			inside, err := e.kernel.Kernel.Read(plan.Netns(g.id))
			if err != nil {
				return err
			}
			for _, u := range (instances{}).ports(snap, one) {
				policy, wiring := ruleset.Objects(snap, u)
				if len(policy) == 0 || len(wiring) == 0 {
					e.Errorf("%s has %d objects of policy and %d of wiring", u, len(policy), len(wiring))
				}
				for _, o := range append(policy, wiring...) {
					if have[o.Key()] == nil && inside[o.Key()] == nil {
						e.Errorf("at boot the kernel lacks %s", o)
					}
				}
			}
			return nil
		}
		// The policy is there before any link is.
		e.kernel.set(func(ops []plan.Op) (int, error) {
			for _, op := range ops {
				if op.Object.Kind() != plan.KindLink || op.Verb != plan.Add {
					continue
				}
				have, _ := e.kernel.Kernel.Read(op.Object.NS())
				for _, u := range fabric.Units(e.store.Snapshot()) {
					policy, _ := ruleset.Objects(e.store.Snapshot(), u)
					for _, o := range policy {
						if o.NS() == op.Object.NS() && o.Kind() != plan.KindService && have[o.Key()] == nil {
							e.Errorf("before %s the kernel lacks %s", op, o)
						}
					}
				}
			}
			return 0, nil
		})
		e.write(launch("stop"))
		e.expect(state.Running, 1, "create, boot")
		e.write(asked(e, lifecycle.Reboot))
		e.expect(state.Running, 2, "stop false, create, boot")
		e.write(asked(e, lifecycle.Terminate))
		e.expect(state.Terminated, 2, "stop true, destroy")
		if booted != 2 {
			e.Errorf("it was booted %d times", booted)
		}
	})
}

// TestWaitArrived: a call that starts or ends an instance can wait until it has.
func TestWaitArrived(t *testing.T) {
	life(t, func(e *engine) {
		e.host.gate = make(chan struct{})
		arrived := func(index uint64) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			e.settled(index)
			return e.r.WaitArrived(ctx, index)
		}
		started := e.write(launch("stop"))
		if err := arrived(started); !errors.Is(err, context.DeadlineExceeded) {
			e.Errorf("while the instance is being made: %v, want the time", err)
		}
		// Nobody waits for a start that became an end.
		waiting := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			waiting <- e.r.WaitArrived(ctx, started)
		}()
		e.quiet()
		ended := e.write(asked(e, lifecycle.Terminate))
		e.quiet()
		select {
		case err := <-waiting:
			if err != nil {
				e.Errorf("%v", err)
			}
		default:
			e.Errorf("somebody still waits for the start")
		}
		close(e.host.gate)
		if err := arrived(ended); err != nil {
			e.Errorf("%v", err)
		}
		if s := e.row().State; s != state.Terminated {
			e.Errorf("it is %s, want terminated", s)
		}
	})
}

// image is CreateImage without its checks.
func image(id string, noReboot bool) func(*state.Tx) {
	return func(tx *state.Tx) {
		i, _ := state.Instances.Get(tx, one)
		state.Images.Put(tx, &state.Image{Meta: fabrictest.Meta(id), State: lifecycle.ImagePending, SourceInstance: one.ID, NoReboot: noReboot})
		if !noReboot && i.State == state.Running {
			_, _ = lifecycle.Do(tx, i, lifecycle.Reboot)
		}
	}
}

func TestCapture(t *testing.T) {
	stateOf := func(e *engine, id string) string {
		img, ok := state.Images.Get(e.store.Snapshot(), fabrictest.Scope.Key(id))
		if !ok {
			return "gone"
		}
		return img.State + img.StateReason.Message
	}
	expect := func(e *engine, id, want string) {
		e.Helper()
		e.quiet()
		if have := stateOf(e, id); have != want {
			e.Errorf("%s is %s, want %s", id, have, want)
		}
	}
	for _, tt := range []struct {
		name string
		fn   func(e *engine)
	}{
		{"with a reboot: while nothing runs", func(e *engine) {
			e.write(image("ami-1", false))
			e.expect(state.Running, 2, "stop false, capture, create, boot")
			expect(e, "ami-1", "available")
		}},
		{"without: while it runs", func(e *engine) {
			e.write(image("ami-1", true))
			e.expect(state.Running, 1, "capture")
			expect(e, "ami-1", "available")
		}},
		{"of a stopped instance", func(e *engine) {
			e.write(asked(e, lifecycle.Stop))
			e.quiet()
			e.write(image("ami-1", false))
			e.expect(state.Stopped, 1, "stop false, capture")
			expect(e, "ami-1", "available")
		}},
		{"of a stopped instance that is started over it", func(e *engine) {
			e.write(asked(e, lifecycle.Stop))
			e.quiet()
			gate := make(chan struct{})
			e.host.capture = func(string, string) error { <-gate; return nil }
			e.write(image("ami-1", false))
			e.quiet()
			e.write(asked(e, lifecycle.Start))
			e.quiet()
			if e.host.guest(one.ID) != nil {
				e.Errorf("it was started while its disk was being copied")
			}
			close(gate)
			e.expect(state.Running, 2, "stop false, capture, create, boot")
			expect(e, "ami-1", "available")
		}},
		{"the instance is terminated over it", func(e *engine) {
			e.host.deaf = true
			e.write(image("ami-1", false))
			e.quiet()
			e.write(asked(e, lifecycle.Terminate))
			e.expect(state.Terminated, 2, "stop false, stop true, capture, destroy")
			expect(e, "ami-1", "available")
		}},
		{"the instance is stopped over it", func(e *engine) {
			e.host.deaf = true
			e.write(image("ami-1", false))
			e.quiet()
			e.write(asked(e, lifecycle.Stop))
			e.quiet()
			e.host.guest(one.ID).exit(lifecycle.Requested)
			e.expect(state.Stopped, 2, "stop false, capture")
			expect(e, "ami-1", "available")
		}},
		{"it fails", func(e *engine) {
			e.host.capture = func(string, string) error { return errors.New("the disk is full") }
			e.write(image("ami-1", false))
			e.expect(state.Running, 2, "stop false, capture, create, boot")
			expect(e, "ami-1", "failedServer.InternalError: the disk is full")
		}},
		{"the instance is gone", func(e *engine) {
			e.write(asked(e, lifecycle.Terminate))
			e.quiet()
			e.write(image("ami-1", true))
			expect(e, "ami-1", "failedServer.InternalError: "+one.ID+" has no disk")
			e.host.said()
		}},
		{"the engine ends over it", func(e *engine) {
			hold := make(chan struct{})
			e.host.capture = func(string, string) error { <-hold; return errors.New("interrupted") }
			e.write(image("ami-1", false))
			e.quiet()
			e.cancel()
			close(hold)
			if err := <-e.ended; err != nil {
				e.Errorf("%v", err)
			}
			expect(e, "ami-1", "pending")
			e.host.capture = nil
			e.start()
			e.expect(state.Running, 2, "stop false, capture, capture, create, boot")
			expect(e, "ami-1", "available")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			life(t, func(e *engine) {
				e.write(launch("stop"))
				e.expect(state.Running, 1, "create, boot")
				tt.fn(e)
			})
		})
	}
}
