// Package vantage finds out who asks a service inside a VPC, and bounds what each
// interface may ask.
//
// Invariant: who asks follows from the packet alone. The VPC is that of the
// socket it came in by, the interface the one that has its source address in the
// snapshot of that moment, which the VPC's router has checked against spoofing;
// nothing that the packet says is believed. And whatever one interface asks is
// taken from that interface's own allowance.
package vantage

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

// Internet is the key of the internet, where a VPC's stands else. Who asks there
// is somebody with a public address, and each address has an allowance.
var Internet = state.Key{}

// Host is the key of this machine, whose own programs ask as somebody on the
// internet does. They have no allowance: only connections are bounded.
var Host = state.Key{ID: "host"}

// Limit is what one interface is allowed.
type Limit struct {
	Rate  int // questions per second in the long run
	Burst int // questions at once
	Conns int // connections at once
}

// Point is the place of a service in a VPC. It may be used by several
// goroutines at once.
type Point struct {
	vpc      state.Key
	snapshot func() *state.Snapshot
	now      func() time.Time
	limit    Limit
	host     *allowance // of this machine, where that asks

	mu         sync.Mutex
	known      map[netip.Addr]known
	allowances map[string]*allowance // by interface id
	sweepAt    int                   // size of allowances at which idle ones are forgotten
}

// sweepSize is the least number of allowances that is worth sweeping.
const sweepSize = 1024

// New makes the point of a service in a VPC.
func New(vpc state.Key, snapshot func() *state.Snapshot, now func() time.Time, limit Limit) *Point {
	p := &Point{vpc: vpc, snapshot: snapshot, now: now, limit: limit,
		known: map[netip.Addr]known{}, allowances: map[string]*allowance{}, sweepAt: sweepSize}
	if vpc == Host {
		p.host = &allowance{left: float64(limit.Burst), at: now()}
	}
	return p
}

// Asker is an interface that asks, as it is in a snapshot.
type Asker struct {
	Snapshot  *state.Snapshot
	Interface *state.NetworkInterface // nil: on the internet
	Source    netip.Addr              // which of its addresses it asks from

	point     *Point
	allowance *allowance
}

// known is what was found for an address at a commit. It does not hold the
// snapshot, which would keep old state alive for those who ask seldom.
type known struct {
	index     uint64
	nic       *state.NetworkInterface
	allowance *allowance
}

// Asker gives the interface of the VPC that has the address now. There may be
// none: it may be gone while its last packets are on their way.
func (p *Point) Asker(source netip.Addr) (Asker, bool) {
	source = source.Unmap()
	snap := p.snapshot()
	if p.host != nil {
		return Asker{Snapshot: snap, Source: source, point: p, allowance: p.host}, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	k, ok := p.known[source]
	if !ok || k.index != snap.Index {
		if k, ok = p.find(snap, source); !ok {
			delete(p.known, source)
			return Asker{}, false
		}
		p.known[source] = k
	}
	return Asker{Snapshot: snap, Interface: k.nic, Source: source, point: p, allowance: k.allowance}, true
}

// find looks the address up. The caller holds p.mu.
func (p *Point) find(snap *state.Snapshot, source netip.Addr) (known, bool) {
	if p.vpc == Internet {
		if !publicip.Taken(snap, source) {
			return known{}, false
		}
		return known{snap.Index, nil, p.allowanceOf(source.String())}, true
	}
	for n := range state.NetworkInterfaces.By(snap, state.ByAddress, state.VpcAddress(p.vpc.ID, source)) {
		if n.Region == p.vpc.Region {
			return known{snap.Index, n, p.allowanceOf(n.ID)}, true
		}
	}
	return known{}, false
}

// Instance gives the instance that the interface is attached to, if it is.
func (a Asker) Instance() (*state.Instance, bool) {
	if a.Interface == nil || a.Interface.Attachment == nil {
		return nil, false
	}
	at := a.Interface.Attachment
	return state.Instances.Get(a.Snapshot, state.Key{Account: at.InstanceOwnerID, Region: a.Interface.Region, ID: at.InstanceID})
}

// allowance is what is left to one interface, whichever of its addresses and of
// the service's sockets it uses.
type allowance struct {
	mu    sync.Mutex
	left  float64 // questions; below zero for those that wait
	at    time.Time
	conns int
}

// allowanceOf gives an interface's allowance. The caller holds p.mu.
func (p *Point) allowanceOf(interfaceID string) *allowance {
	if w, ok := p.allowances[interfaceID]; ok {
		return w
	}
	now := p.now()
	if len(p.allowances) >= p.sweepAt {
		for id, w := range p.allowances {
			if w.idle(now, p.limit) {
				delete(p.allowances, id)
			}
		}
		clear(p.known) // an address and its allowance are found again together
		p.sweepAt = max(sweepSize, 2*len(p.allowances))
	}
	w := &allowance{left: float64(p.limit.Burst), at: now}
	p.allowances[interfaceID] = w
	return w
}

// idle says whether an allowance is the same as a new one.
func (w *allowance) idle(now time.Time, l Limit) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refill(now, l)
	return w.conns == 0 && w.left >= float64(l.Burst)
}

// refill adds what time has brought. The caller holds w.mu.
func (w *allowance) refill(now time.Time, l Limit) {
	if past := now.Sub(w.at); past > 0 {
		w.left = min(float64(l.Burst), w.left+past.Seconds()*float64(l.Rate))
		w.at = now
	}
}

// Take takes one question from the interface's allowance and says whether there
// was one.
func (a Asker) Take() bool {
	if a.point.host != nil {
		return true
	}
	w, now := a.allowance, a.point.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refill(now, a.point.limit)
	if w.left < 1 {
		return false
	}
	w.left--
	return true
}

// Wait takes one question from the interface's allowance, when need be from what
// time will bring, and waits until then. Only so many can wait at once as the
// interface may have connections.
func (a Asker) Wait(ctx context.Context) error {
	if a.point.host != nil {
		return nil
	}
	w, now := a.allowance, a.point.now()
	w.mu.Lock()
	w.refill(now, a.point.limit)
	w.left--
	debt := -w.left
	w.mu.Unlock()
	if debt <= 0 {
		return nil
	}
	timer := time.NewTimer(time.Duration(debt / float64(a.point.limit.Rate) * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
