// Package dnsserver answers DNS over UDP and TCP on sockets that it is handed.
//
// Invariant: it decides nothing about names. What an answer says comes from
// dnsview, by the vantage point of the socket and the source address; here are
// messages, transports and limits alone. Whatever arrives costs a bounded amount
// of memory and time, and is answered with DNS's own codes or not at all.
package dnsserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/node/datagram"
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
	draw     func() uint64 // what is left to chance in an answer
	kept     atomic.Int64  // size of all kept answers
	others   *others       // nil: users' name servers are not asked

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
	return &Server{snapshot: snapshot, now: now, draw: rand.Uint64, places: map[state.Key]*place{},
		limit: vantage.Limit{Rate: QueryRate, Burst: QueryRate, Conns: connsPerInterface}}
}

// Reach has the resolvers ask name servers that are programs of users, as a public
// zone may delegate to them. It is called before anything is served.
func (s *Server) Reach(dial Dial) { s.others = newOthers(dial, s.now) }

// Counters gives the totals.
func (s *Server) Counters() Counters {
	return Counters{s.queries.Load(), s.dropped.Load(), s.malformed.Load(), s.failures.Load(), s.truncated.Load(), s.connections.Load()}
}

// place is what the sockets of one VPC share.
type place struct {
	vpc   state.Key
	point *vantage.Point
	all   *atomic.Int64
	mu    sync.Mutex // while seen is replaced
	seen  atomic.Pointer[seen]
	users int // sockets; guarded by Server.mu

	waiting atomic.Int32 // answers that wait for users' name servers
}

// seen is the view of a snapshot; it is nil when the VPC has no resolver.
type seen struct {
	snap    *state.Snapshot
	version uint64 // of what answers depend on
	view    *dnsview.View
	kept    *answers
}

func (s *Server) enter(vpc state.Key) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[vpc]
	if p == nil {
		p = &place{vpc: vpc, point: vantage.New(vpc, s.snapshot, s.now, s.limit), all: &s.kept}
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
		if at := p.seen.Load(); at != nil {
			at.kept.end()
		}
	}
}

// at gives the view of a snapshot, or of one that has come after it.
func (p *place) at(snap *state.Snapshot) *seen {
	if at := p.seen.Load(); at != nil && at.snap.Index >= snap.Index {
		return at
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.seen.Load()
	if before != nil && before.snap.Index >= snap.Index {
		return before
	}
	next := &seen{snap: snap, version: dnsview.Version(snap)}
	if p.public() {
		next.view = dnsview.Internet(snap)
	} else {
		next.view, _ = dnsview.At(snap, p.vpc)
	}
	switch {
	case before == nil:
		next.kept = newAnswers(p.all)
	case before.version == next.version:
		next.kept = before.kept
	default:
		before.kept.end()
		next.kept = newAnswers(p.all)
	}
	p.seen.Store(next)
	return next
}

// public says whether those who ask there are outside of every VPC.
func (p *place) public() bool { return p.vpc == vantage.Internet || p.vpc == vantage.Host }

// asked says what was asked at an address. On the internet there are many name
// servers; what is none of them is the resolver.
func (p *place) asked(by vantage.Asker, to netip.Addr) asked {
	at := p.at(by.Snapshot)
	a := asked{view: at.view, kept: at.kept, public: p.public(), place: p}
	if p.vpc != vantage.Host {
		a.client = netip.PrefixFrom(by.Source, by.Source.BitLen())
	}
	if p.vpc == vantage.Internet {
		if v, ok := dnsview.ServerAt(at.snap, to); ok {
			a.view = v
			address := to.As4()
			a.server = binary.BigEndian.Uint32(address[:])
		}
	}
	return a
}

// ServePacket answers what comes by a UDP socket in the VPC until the socket is
// closed, which is no error.
func (s *Server) ServePacket(c *datagram.Conn, vpc state.Key) error {
	p := s.enter(vpc)
	defer s.leave(p)
	err := c.Serve(vpc == vantage.Internet, func(in datagram.Packet, out []byte) []byte {
		var by asked
		if a, ok := p.point.Asker(in.From); ok {
			if !a.Take() {
				s.dropped.Add(1)
				return out
			}
			if by = p.asked(a, in.To); by.view == nil {
				return out
			}
			by.packet = in
		}
		s.queries.Add(1)
		return s.respond(&by, in.Text, out, overUDP)
	})
	if err != nil {
		return fmt.Errorf("answering DNS queries of %s: %w", vpc, err)
	}
	return nil
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
