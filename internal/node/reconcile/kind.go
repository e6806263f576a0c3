package reconcile

import (
	"iter"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/fault"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

// kind is a table whose rows ask for guests: what an actor needs to know of it.
type kind interface {
	table() string
	rows(*state.Snapshot) iter.Seq[state.Key]
	// guest names the guest of a row, and its network namespace.
	guest(state.Key) string
	// row is the reverse. A guest of this kind whose row is gone has a key of no row.
	row(snap *state.Snapshot, guest string) (state.Key, bool)
	wish(*state.Snapshot, state.Key) wish
	// ports are the units that wire the guest.
	ports(*state.Snapshot, state.Key) []fabric.Unit

	// The facts, as in package lifecycle.
	started(tx *state.Tx, key state.Key, boots uint64) error
	exited(tx *state.Tx, key state.Key, boots uint64, c lifecycle.Cause) error
	failed(tx *state.Tx, key state.Key, boots uint64, why string) error
}

// kinds are all there are. The first one that says that a guest is of its kind is
// right.
var kinds = []kind{hosts{}, instances{}}

// wish is what a row asks for.
type wish struct {
	phase  phase
	boots  uint64 // which start of the guest it asks for, or has asked for
	paused bool   // its processes stand still
	lease  string // what DHCP tells it, as resolv.conf; of hosts "": theirs never changes
}

// phase is what is to be done with the guest.
type phase int

const (
	gone     phase = iota // end it at once, remove its disk, forget it; so too when there is no row
	up                    // it runs
	stopping              // ask it to end, and say when it has
	ending                // end it at once, and say when it has
	rests                 // nothing runs; the disk stays
)

// instances are the rows of state.Instances.
type instances struct{}

func (instances) table() string              { return state.Instances.Name() }
func (instances) guest(key state.Key) string { return key.ID }

func (instances) rows(snap *state.Snapshot) iter.Seq[state.Key] {
	return func(yield func(state.Key) bool) {
		for i := range state.Instances.All(snap) {
			if !yield(i.Key) {
				return
			}
		}
	}
}

func (instances) row(snap *state.Snapshot, guest string) (state.Key, bool) {
	for i := range state.Instances.By(snap, state.ByInstance, guest) {
		return i.Key, true
	}
	return state.Key{ID: guest}, true
}

func (instances) wish(snap *state.Snapshot, key state.Key) wish {
	i, ok := state.Instances.Get(snap, key)
	if !ok {
		return wish{}
	}
	w := wish{boots: i.Boots, paused: fault.IsPaused(snap, key), lease: dnsview.ResolvConf(snap, i.Scope().Key(i.VpcID))}
	switch i.State {
	case state.Pending, state.Running:
		w.phase = up
	case state.Stopping:
		w.phase = stopping
	case state.ShuttingDown:
		w.phase = ending
	case state.Stopped:
		w.phase = rests
	}
	return w
}

func (instances) ports(snap *state.Snapshot, key state.Key) []fabric.Unit {
	var units []fabric.Unit
	for n := range state.NetworkInterfaces.By(snap, state.ByInstance, key.ID) {
		units = append(units, fabric.Unit{Kind: fabric.KindPort, Key: n.Key})
	}
	return units
}

func (instances) started(tx *state.Tx, key state.Key, boots uint64) error {
	return lifecycle.Started(tx, key, boots)
}

func (instances) exited(tx *state.Tx, key state.Key, boots uint64, c lifecycle.Cause) error {
	return lifecycle.Exited(tx, key, boots, c)
}

func (instances) failed(tx *state.Tx, key state.Key, boots uint64, why string) error {
	return lifecycle.Failed(tx, key, boots, why)
}

// hosts are the rows of state.Hosts: machines of the simulated internet.
type hosts struct{}

func (hosts) table() string              { return state.Hosts.Name() }
func (hosts) guest(key state.Key) string { return fabric.HostSpace(key.ID) }

func (hosts) rows(snap *state.Snapshot) iter.Seq[state.Key] {
	return func(yield func(state.Key) bool) {
		for h := range state.Hosts.All(snap) {
			if !yield(h.Key) {
				return
			}
		}
	}
}

func (hosts) row(_ *state.Snapshot, guest string) (state.Key, bool) {
	name, ok := fabric.HostOfSpace(guest)
	return lifecycle.HostKey(name), ok
}

func (hosts) wish(snap *state.Snapshot, key state.Key) wish {
	h, ok := state.Hosts.Get(snap, key)
	switch {
	case !ok:
		return wish{}
	case h.Ended != "":
		return wish{phase: rests, boots: h.Boots}
	}
	return wish{phase: up, boots: h.Boots}
}

func (hosts) ports(_ *state.Snapshot, key state.Key) []fabric.Unit {
	return []fabric.Unit{{Kind: fabric.KindHost, Key: key}}
}

func (hosts) started(tx *state.Tx, key state.Key, boots uint64) error {
	return lifecycle.HostStarted(tx, key, boots)
}

func (hosts) exited(tx *state.Tx, key state.Key, boots uint64, c lifecycle.Cause) error {
	return lifecycle.HostExited(tx, key, boots, c)
}

func (hosts) failed(tx *state.Tx, key state.Key, boots uint64, why string) error {
	return lifecycle.HostFailed(tx, key, boots, why)
}
