// Package dnsserver answers DNS over UDP and TCP on sockets that it is handed.
//
// Invariant: it decides nothing about names. What an answer says comes from
// dnsview, by the vantage point of the socket and the source address; here are
// messages, transports and limits alone. Whatever arrives costs a bounded amount
// of memory and time, and is answered with DNS's own codes or not at all.
package dnsserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/node/vantage"
	"github.com/localvpc/localvpc/internal/state"
)

// QueryRate is how many packets per second a network interface may send to the
// resolver (VPC User Guide, "Amazon DNS server").
const QueryRate = 1024

// connsPerInterface bounds the TCP connections of one interface.
const connsPerInterface = 64

// Server answers on any number of sockets in any number of VPCs.
type Server struct {
	snapshot func() *state.Snapshot
	now      func() time.Time
	limit    vantage.Limit

	mu     sync.Mutex
	places map[state.Key]*place

	queries, malformed, failures, truncated, dropped, connections atomic.Uint64
}

// Counters are totals since the server was made.
type Counters struct {
	Queries     uint64 // messages that were read
	Dropped     uint64 // packets not read, because an interface sent too many
	Malformed   uint64 // messages that are not queries
	Failures    uint64 // answers that refuse to decide: FORMERR, NOTIMP, REFUSED, BADVERS
	Truncated   uint64 // answers that did not fit into a packet
	Connections uint64 // TCP connections that were accepted
}

// New makes a server that answers from the latest snapshot, and measures rates
// with now.
func New(snapshot func() *state.Snapshot, now func() time.Time) *Server {
	return &Server{snapshot: snapshot, now: now, places: map[state.Key]*place{},
		limit: vantage.Limit{Rate: QueryRate, Burst: QueryRate, Conns: connsPerInterface}}
}

// Counters gives the totals.
func (s *Server) Counters() Counters {
	return Counters{s.queries.Load(), s.dropped.Load(), s.malformed.Load(), s.failures.Load(), s.truncated.Load(), s.connections.Load()}
}

// place is what the sockets of one VPC share.
type place struct {
	vpc   state.Key
	point *vantage.Point
	seen  atomic.Pointer[seen]
	users int // sockets; guarded by Server.mu
}

// seen is the view of a snapshot; it is nil when the VPC has no resolver.
type seen struct {
	index uint64
	view  *dnsview.View
}

func (s *Server) enter(vpc state.Key) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[vpc]
	if p == nil {
		p = &place{vpc: vpc, point: vantage.New(vpc, s.snapshot, s.now, s.limit)}
		s.places[vpc] = p
	}
	p.users++
	return p
}

func (s *Server) leave(p *place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.users--; p.users == 0 {
		delete(s.places, p.vpc)
	}
}

// view gives the view of a snapshot, nil if nothing is to be answered at all.
func (p *place) view(snap *state.Snapshot) *dnsview.View {
	at := p.seen.Load()
	if at == nil || at.index != snap.Index {
		var v *dnsview.View
		if p.public() {
			v = dnsview.Internet(snap)
		} else {
			v, _ = dnsview.At(snap, p.vpc)
		}
		at = &seen{snap.Index, v}
		p.seen.Store(at)
	}
	return at.view
}

// public says whether those who ask there are outside of every VPC.
func (p *place) public() bool { return p.vpc == vantage.Internet || p.vpc == vantage.Host }

// asked says what was asked at an address. On the internet there are many name
// servers; what is none of them is the resolver.
func (p *place) asked(by vantage.Asker, to netip.Addr) asked {
	a := asked{public: p.public()}
	if p.vpc == vantage.Internet {
		a.client = netip.PrefixFrom(by.Source, by.Source.BitLen())
		if v, ok := dnsview.ServerAt(by.Snapshot, to); ok {
			a.view = v
			return a
		}
	}
	a.view = p.view(by.Snapshot)
	return a
}

// ServePacket answers what comes by a UDP socket in the VPC until the socket is
// closed, which is no error.
func (s *Server) ServePacket(c *net.UDPConn, vpc state.Key) error {
	p := s.enter(vpc)
	defer s.leave(p)
	if vpc == vantage.Internet {
		if err := tellDestination(c); err != nil {
			return err
		}
	}
	in, out, control := make([]byte, maxPayload), make([]byte, 0, maxPayload), make([]byte, controlSize)
	for {
		n, told, _, asker, err := c.ReadMsgUDPAddrPort(in, control)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading DNS queries of %s: %w", vpc, err)
		}
		to := destination(control[:told])
		var by asked
		if a, ok := p.point.Asker(asker.Addr()); ok {
			if !a.Take() {
				s.dropped.Add(1)
				continue
			}
			if by = p.asked(a, to); by.view == nil {
				continue
			}
		}
		if out = s.respond(by, in[:n], out[:0], overUDP); len(out) > 0 {
			var as []byte
			if to.IsValid() {
				as = from(to)
			}
			// A packet that cannot be sent is lost, as packets may be.
			_, _, _ = c.WriteMsgUDPAddrPort(out, as, asker)
		}
	}
}

// ServeStream answers what comes by the connections of a TCP listener in the VPC
// until the listener is closed, which is no error. It returns when all of them
// have ended.
func (s *Server) ServeStream(l net.Listener, vpc state.Key) error {
	p := s.enter(vpc)
	defer s.leave(p)
	ctx, cancel := context.WithCancel(context.Background())
	var open sync.WaitGroup
	defer open.Wait()
	defer cancel()
	in := p.point.Listen(l)
	ended := make(chan struct{}, 1)
	for {
		c, err := in.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if outOfFiles(err) {
			wait(ended)
			continue
		}
		if err != nil {
			return fmt.Errorf("accepting DNS connections of %s: %w", vpc, err)
		}
		s.connections.Add(1)
		open.Go(func() {
			s.converse(ctx, p, c.(*vantage.Conn))
			select {
			case ended <- struct{}{}:
			default:
			}
		})
	}
}
