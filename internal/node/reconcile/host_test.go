package reconcile

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

// TestHostsLife: outside hosts are led by the same actors as instances, and always
// run unless they have ended themselves.
func TestHostsLife(t *testing.T) {
	add := func(tx *state.Tx) {
		state.Hosts.Put(tx, &state.Host{Meta: state.Meta{Key: lifecycle.HostKey("web")}, Addr: netip.MustParseAddr("198.18.7.7"), MAC: "02:00:00:00:07:07", Boots: 1})
	}
	wake := func(tx *state.Tx) {
		if _, err := lifecycle.WakeHost(tx, "web"); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(tx *state.Tx) {
		if err := lifecycle.RemoveHost(tx, "web"); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(e *engine, running bool, boots uint64, ended, said string) {
		e.Helper()
		e.quiet()
		h, ok := state.Hosts.Get(e.store.Snapshot(), lifecycle.HostKey("web"))
		if !ok {
			h = &state.Host{Ended: "gone"}
		}
		if h.Running != running || h.Boots != boots || h.Ended != ended {
			e.Errorf("the host is %+v, want running %v, %d boots, ended %q", h, running, boots, ended)
		}
		if have := e.host.said(); have != said {
			e.Errorf("the host was told: %s\nwant: %s", have, said)
		}
		e.check()
		e.settled(e.store.Snapshot().Index)
	}
	for _, tt := range []struct {
		name string
		fn   func(e *engine)
	}{
		{"it reboots itself, shuts itself down and is asked for again", func(e *engine) {
			e.host.guest("host-web").exit(lifecycle.Restart)
			expect(e, true, 2, "", "create, boot")
			e.host.guest("host-web").exit(lifecycle.PowerOff)
			expect(e, false, 2, "it shut itself down", "")
			e.write(wake)
			expect(e, true, 3, "", "create, boot")
			e.write(wake)
			expect(e, true, 3, "", "")
		}},
		{"it crashes", func(e *engine) {
			e.host.guest("host-web").exit(lifecycle.Crash)
			expect(e, false, 1, "its init process ended unexpectedly", "")
		}},
		{"it cannot be started", func(e *engine) {
			e.host.create = func(string) error { return errors.New("no room") }
			e.host.guest("host-web").exit(lifecycle.Restart)
			expect(e, false, 2, "it did not start: no room", "create")
			e.host.create = nil
			e.write(wake)
			expect(e, true, 3, "", "create, boot")
		}},
		{"the next engine takes over", func(e *engine) {
			e.stop()
			e.start()
			expect(e, true, 1, "", "boot")
		}},
		{"it is removed while no engine runs", func(e *engine) {
			e.stop()
			e.write(remove)
			e.start()
			expect(e, false, 0, "gone", "stop true, destroy")
		}},
		{"it ended while no engine ran", func(e *engine) {
			e.stop()
			g := e.host.guest("host-web")
			g.exit(lifecycle.PowerOff)
			e.host.late = append(e.host.late, g)
			e.start()
			expect(e, false, 1, "it shut itself down", "")
		}},
		{"everything is cleared", func(e *engine) {
			e.write(func(tx *state.Tx) { tx.Clear() })
			expect(e, false, 0, "gone", "stop true, destroy")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			life(t, func(e *engine) {
				e.write(add)
				expect(e, true, 1, "", "create, boot")
				tt.fn(e)
				if _, ok := state.Hosts.Get(e.store.Snapshot(), lifecycle.HostKey("web")); ok {
					e.settled(e.write(remove))
					if err := e.r.WaitGone(context.Background(), lifecycle.HostKey("web")); err != nil {
						e.Errorf("%v", err)
					}
				}
				if e.host.disks["host-web"] || len(e.r.actors) != 0 {
					e.Errorf("left: disk %v, %d actors", e.host.disks["host-web"], len(e.r.actors))
				}
			})
		})
	}
}
