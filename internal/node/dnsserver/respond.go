package dnsserver

import (
	"context"
	"net/netip"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/node/datagram"
)

// Types that are not of data and that are not served here: what the server and
// its peer would have to agree on (RFC 2930, RFC 8945), and transfers of zones
// (RFC 5936, RFC 1995).
const (
	typeTKEY  = 249
	typeTSIG  = 250
	typeIXFR  = 251
	typeAXFR  = 252
	typeMAILB = 253
	typeMAILA = 254
)

// asked is where a message was asked, and by whom.
type asked struct {
	view *dnsview.View // nil: the asker is nobody there
	// kept are the answers that the view has given before, those of a server among
	// several; nil: none are kept.
	kept   *answers
	server uint32
	// client is the asker's address. Where it is a public one the client's
	// subnet, if the query says it, is taken for where the asker is; a VPC's
	// resolver ignores that (Route 53 Developer Guide, "How Amazon Route 53 uses
	// EDNS0 to estimate the location of a user").
	client netip.Prefix
	public bool
	// wait has name servers of users be waited for, as long as it allows at most; nil:
	// the answer to packet is sent later then.
	wait   context.Context
	packet datagram.Packet
	place  *place // nil: nothing is sent later
}

// respond appends the answer to a message, or nothing when there is to be none.
func (s *Server) respond(by *asked, msg, out []byte, over transport) []byte {
	var q query
	what := q.parse(msg)
	usual := what == answerable
	if what == unusual {
		what = q.parseUnusual(msg)
	}
	code := dnsview.Success
	switch {
	case what == noMessage:
		s.malformed.Add(1)
		return out
	case what == otherOpcode:
		code = dnsview.NotImplemented
	case what != answerable:
		s.malformed.Add(1)
		code = dnsview.FormatError
	case q.version > 0:
		code = dnsview.BadVersion
	case by.view == nil || q.class != classIN || q.typ == typeOPT || q.typ >= typeTKEY && q.typ <= typeMAILA:
		code = dnsview.Refused
	}
	if code != dnsview.Success {
		s.failures.Add(1)
		return q.failure(out, code)
	}
	client := by.client
	if !by.public {
		q.subnet = netip.Prefix{}
	} else if q.subnet.IsValid() {
		client = q.subnet
	}
	draw, limit := s.draw(), q.limit(over)
	// What is not of the usual form, or says where the client is, is seldom.
	if by.kept == nil || !usual || q.subnet.IsValid() {
		out, _ = s.anew(by, &q, dnsview.Question{Draw: draw, Client: client}, msg, out, limit)
		return out
	}
	key := q.keyOf(by.server)
	if text := by.kept.find(key, draw); text != nil {
		if full := q.again(out, text, limit); len(full) > len(out) {
			return full
		}
	}
	var chances []dnsview.Chance
	start := len(out)
	out, keep := s.anew(by, &q, dnsview.Question{Draw: draw, Client: client, Chances: &chances}, msg, out, limit)
	if keep {
		q.keep(by.kept, key, chances, out[start:])
	}
	return out
}

// anew appends the answer that the view decides on, or nothing if it comes later. It
// may be kept for the next one who asks the same if it is whole, and neither where the
// asker is nor a name server of a user has mattered.
func (s *Server) anew(by *asked, q *query, ask dnsview.Question, msg, out []byte, limit int) (_ []byte, keep bool) {
	q.spell()
	ask.Name, ask.Type, ask.Recurse = q.name, dnsview.Type(q.typ), q.flags&bitRD != 0
	a := s.decide(by.wait, by.view, ask)
	if a.Need != nil && s.postpone(by, msg) {
		return out, false
	}
	start := len(out)
	if out = q.whole(out, a); len(out)-start <= limit {
		return out, !a.Foreign && a.Need == nil && (!a.Located || !ask.Client.IsValid())
	}
	if out = q.shorten(out[:start], a, limit); out[start+2]&(bitTC>>8) != 0 {
		s.truncated.Add(1)
	}
	return out, false
}

// transport is how a message came.
type transport bool

const (
	overUDP transport = false
	overTCP transport = true
)

// limit is the size in octets that an answer may have.
func (q *query) limit(over transport) int {
	if over == overTCP {
		return 65535
	}
	return int(q.payload)
}
