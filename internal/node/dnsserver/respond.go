package dnsserver

import (
	"math/rand/v2"
	"net/netip"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
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
	// client is the asker's address where it is a public one. Then the client's
	// subnet, if the query says it, is taken for where the asker is; a VPC's
	// resolver ignores it (Route 53 Developer Guide, "How Amazon Route 53 uses
	// EDNS0 to estimate the location of a user").
	client netip.Prefix
	public bool
}

// respond appends the answer to a message, or nothing when there is to be none.
func (s *Server) respond(by asked, msg, out []byte, limit func(*query) int) []byte {
	v := by.view
	q, what := parse(msg)
	if what == unusual {
		what = q.parseUnusual(msg)
	}
	s.queries.Add(1)
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
	case v == nil || q.class != classIN || q.typ == typeOPT || q.typ >= typeTKEY && q.typ <= typeMAILA:
		code = dnsview.Refused
	}
	if code != dnsview.Success {
		s.failures.Add(1)
		return q.failure(out, code)
	}
	if !by.public {
		q.subnet = netip.Prefix{}
	} else if q.subnet.IsValid() {
		by.client = q.subnet
	}
	a := v.Answer(dnsview.Question{Name: q.name, Type: dnsview.Type(q.typ), Recurse: q.flags&bitRD != 0, Draw: rand.Uint64(), Client: by.client})
	start := len(out)
	out = q.encode(out, a, limit(&q))
	if out[start+2]&(bitTC>>8) != 0 {
		s.truncated.Add(1)
	}
	return out
}

// overUDP and overTCP are the sizes in octets that an answer may have.
func overUDP(q *query) int { return int(q.payload) }
func overTCP(*query) int   { return 65535 }
