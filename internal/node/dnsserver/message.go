package dnsserver

import (
	"encoding/binary"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
)

const (
	headerSize = 12
	maxName    = 255 // octets (RFC 1035 section 2.3.4)
	// minPayload is what every client takes by UDP (RFC 1035 section 4.2.1), and
	// maxPayload the most that is sent to one that takes more (Route 53 Developer
	// Guide, "DNS constraints and behaviors").
	minPayload = 512
	maxPayload = 4096

	// Bits of the second 16 bits of a header (RFC 1035 section 4.1.1).
	bitQR      = 1 << 15
	bitAA      = 1 << 10
	bitTC      = 1 << 9
	bitRD      = 1 << 8
	bitRA      = 1 << 7
	maskOpcode = 0xf << 11

	typeOPT = 41
	optSize = 11 // octets of our OPT record without options
	classIN = 1
)

// query is what a message asks for.
type query struct {
	id    uint16
	flags uint16
	key   keyText      // the name in lower case, and room for what else an answer depends on
	size  int          // of the name in key
	name  dnsview.Name // "" until it is spelled
	typ   uint16
	class uint16
	text  []byte // the question as it came, in its letter case

	edns    bool
	payload uint16 // the largest answer that the asker takes by UDP
	version uint8
	subnet  netip.Prefix // of the client, when the query says it
}

// verdict says what becomes of a message.
type verdict uint8

const (
	answerable   verdict = iota
	noMessage            // nothing is answered
	badFormat            // FORMERR
	otherOpcode          // NOTIMP
	unusual              // correct so far; the records behind the question need a full parser
	badQuestions         // FORMERR: not exactly one question
)

// parse reads a message of the usual form: one question, and behind it nothing
// or one OPT record. It keeps no part of msg but query.text.
func (q *query) parse(msg []byte) verdict {
	if len(msg) < headerSize {
		return noMessage
	}
	q.id = binary.BigEndian.Uint16(msg)
	q.flags = binary.BigEndian.Uint16(msg[2:])
	q.payload = minPayload
	switch {
	case q.flags&bitQR != 0:
		return noMessage // an answer: answering it could go on for ever
	case q.flags&maskOpcode != 0:
		return otherOpcode
	case binary.BigEndian.Uint16(msg[4:]) != 1:
		return badQuestions
	}
	n, ok := readName(msg[headerSize:], (*[maxName]byte)(q.key[:]))
	if !ok || len(msg) < headerSize+n+4 {
		return badFormat
	}
	end := headerSize + n + 4
	q.size = n
	q.text = msg[headerSize:end]
	q.typ = binary.BigEndian.Uint16(msg[end-4:])
	q.class = binary.BigEndian.Uint16(msg[end-2:])
	switch records := binary.BigEndian.Uint64(msg[4:]) & 0xffffffffffff; {
	case records == 0:
		return answerable
	case records > 1 || len(msg) <= end+2 || msg[end] != 0 || binary.BigEndian.Uint16(msg[end+1:]) != typeOPT:
		return unusual
	}
	if !q.readOPT(msg[end:]) {
		return badFormat
	}
	return answerable
}

// spell gives the query its name, which only those need who make an answer anew.
func (q *query) spell() { q.name = dnsview.Name(q.key[:q.size]) }

// readName copies the name that b starts with in lower case and gives its size.
// The first name of a message has nothing before it that it could point to.
func readName(b []byte, lower *[maxName]byte) (int, bool) {
	n := 0
	for n < len(b) && n < len(lower) {
		size := int(b[n])
		lower[n] = b[n]
		n++
		if size == 0 {
			return n, true
		}
		if size > 63 || n+size > len(b) || n+size > len(lower) {
			return 0, false
		}
		for range size {
			lower[n] = dnsview.Lower(b[n])
			n++
		}
	}
	return 0, false
}

// readOPT reads an OPT record (RFC 6891 section 6.1). What options but the
// client's subnet say is ignored, but they have to be options.
func (q *query) readOPT(b []byte) bool {
	const fixed = 11
	if len(b) < fixed {
		return false
	}
	options := b[fixed:]
	size := int(binary.BigEndian.Uint16(b[9:]))
	if size > len(options) {
		return false
	}
	for options = options[:size]; len(options) > 0; {
		if len(options) < 4 {
			return false
		}
		n := 4 + int(binary.BigEndian.Uint16(options[2:]))
		if n > len(options) || binary.BigEndian.Uint16(options) == optionSubnet && !q.readSubnet(options[4:n]) {
			return false
		}
		options = options[n:]
	}
	q.setEDNS(binary.BigEndian.Uint16(b[3:]), b[6])
	return true
}

func (q *query) setEDNS(payload uint16, version uint8) {
	q.edns = true
	q.payload = min(max(payload, minPayload), maxPayload)
	q.version = version
}

// parseUnusual reads what parse could not: other records behind the question.
// They are checked and, but for one OPT record, ignored.
func (q *query) parseUnusual(msg []byte) verdict {
	var m dns.Msg
	if m.Unpack(msg) != nil {
		return badFormat
	}
	// Records that the header promises and that are not there are no records.
	if len(m.Answer) != int(binary.BigEndian.Uint16(msg[6:])) || len(m.Ns) != int(binary.BigEndian.Uint16(msg[8:])) ||
		len(m.Extra) != int(binary.BigEndian.Uint16(msg[10:])) {
		return badFormat
	}
	for _, r := range m.Extra {
		opt, ok := r.(*dns.OPT)
		if !ok {
			continue
		}
		if q.edns || opt.Hdr.Name != "." {
			return badFormat // RFC 6891 section 6.1.1
		}
		q.setEDNS(opt.UDPSize(), opt.Version())
		for _, option := range opt.Option {
			if e, ok := option.(*dns.EDNS0_SUBNET); ok && !q.setSubnet(e) {
				return badFormat
			}
		}
	}
	return answerable
}

func (q *query) setSubnet(e *dns.EDNS0_SUBNET) bool {
	a, _ := netip.AddrFromSlice(e.Address)
	if e.Family == 0 {
		return true
	}
	if e.Family == 1 {
		a = a.Unmap()
	}
	p, err := a.Prefix(int(e.SourceNetmask))
	if err != nil || p.Addr() != a || e.SourceScope != 0 {
		return false
	}
	q.subnet = p
	return true
}

// failure appends an answer without records, or just a header for a message
// without a readable question.
func (q *query) failure(out []byte, code dnsview.Rcode) []byte {
	return q.encode(out, dnsview.Answer{Rcode: code}, maxPayload)
}

// encode appends the answer to a query. If it is larger than limit, what only goes
// along with an answer is left out; if it still is, then all but that it was
// truncated (RFC 2181 section 9 allows to leave out everything).
func (q *query) encode(out []byte, a dnsview.Answer, limit int) []byte {
	start := len(out)
	if out = q.whole(out, a); len(out)-start <= limit {
		return out
	}
	return q.shorten(out[:start], a, limit)
}

// shorten is encode for an answer that is larger; out had it whole behind its end.
func (q *query) shorten(out []byte, a dnsview.Answer, limit int) []byte {
	start := len(out)
	flags := binary.BigEndian.Uint16(out[start : start+4][2:])
	if len(a.Answer) > 0 {
		a.Additional = nil
		if out = q.whole(out[:start], a); len(out)-start <= limit {
			return out
		}
		if a.Authority != nil && a.Authority[0].Type == dnsview.TypeNS {
			a.Authority = nil
			if out = q.whole(out[:start], a); len(out)-start <= limit {
				return out
			}
		}
	}
	return q.opt(q.header(out[:start], flags|bitTC), start, a)
}

// whole appends the answer, whatever its size.
func (q *query) whole(out []byte, a dnsview.Answer) []byte {
	start := len(out)
	flags := bitQR | q.flags&(maskOpcode|bitRD) | uint16(a.Rcode&0xf)
	if a.AA {
		flags |= bitAA
	}
	if a.RA {
		flags |= bitRA
	}
	out = q.header(out, flags)
	counts := start + 6
	for i, section := range [...][]dnsview.Record{a.Answer, a.Authority, a.Additional} {
		for _, r := range section {
			out = q.record(out, r)
		}
		binary.BigEndian.PutUint16(out[counts+2*i:], uint16(len(section)))
	}
	return q.opt(out, start, a)
}

// header appends a header without records, and the question.
func (q *query) header(out []byte, flags uint16) []byte {
	out = binary.BigEndian.AppendUint16(out, q.id)
	out = binary.BigEndian.AppendUint16(out, flags)
	questions := byte(0)
	if len(q.text) > 0 {
		questions = 1
	}
	out = append(out, 0, questions, 0, 0, 0, 0, 0, 0)
	return append(out, q.text...)
}

// record appends a record. An owner that is the question's name or a domain
// above it points into the question.
func (q *query) record(out []byte, r dnsview.Record) []byte {
	if r.Name != dnsview.Root && q.name.In(r.Name) {
		out = binary.BigEndian.AppendUint16(out, uint16(0xc000|headerSize+len(q.name)-len(r.Name)))
	} else {
		out = append(out, r.Name...)
	}
	out = binary.BigEndian.AppendUint16(out, uint16(r.Type))
	out = binary.BigEndian.AppendUint16(out, classIN)
	out = binary.BigEndian.AppendUint32(out, r.TTL)
	out = binary.BigEndian.AppendUint16(out, uint16(len(r.Data)))
	return append(out, r.Data...)
}

// opt appends our OPT record if the query has one, and counts it in the header at
// start. All flags are clear: DNSSEC's is not understood.
func (q *query) opt(out []byte, start int, a dnsview.Answer) []byte {
	if !q.edns {
		return out
	}
	out = append(out, 0, 0, typeOPT, maxPayload>>8, maxPayload&0xff, byte(a.Rcode>>4), 0, 0, 0, 0, 0)
	if q.subnet.IsValid() {
		options := len(out)
		out = q.appendSubnet(out, a.Located)
		binary.BigEndian.PutUint16(out[options-2:], uint16(len(out)-options))
	}
	additional := start + 10
	binary.BigEndian.PutUint16(out[additional:], binary.BigEndian.Uint16(out[additional:])+1)
	return out
}
