package dnsserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
)

const (
	// maxOthers bounds the answers of users' name servers that are remembered, and
	// maxReplySize each of them in octets.
	maxOthers    = 4096
	maxReplySize = 8 << 10
	// maxAsking bounds the questions to them that are on their way.
	maxAsking = 128
	// tries and patience are how often one is asked over UDP, and how long each time.
	tries    = 2
	patience = 1500 * time.Millisecond
	// maxTTL bounds how long something is remembered, and failTTL is for how long that
	// a server did not answer, or could not (RFC 2308 section 7).
	maxTTL  = 24 * time.Hour
	failTTL = time.Second
)

// Dial reaches name servers from where the resolvers are: over "udp" or "tcp". ctx
// bounds how long it takes to connect.
type Dial func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error)

// others are the answers of name servers that are programs of users, by server, name
// and type, for as long as their TTLs say (RFC 1035 section 7.4); that there is
// nothing as long as the zone's SOA says (RFC 2308). Who wants to know the same waits
// for the same question.
type others struct {
	dial Dial
	now  func() time.Time
	port uint16

	mu     sync.Mutex
	known  map[dnsview.Need]reply
	asking map[dnsview.Need]chan struct{} // closed when there is a reply
}

// reply is what a server has said.
type reply struct {
	answer  dnsview.Answer
	at, end time.Time
}

func newOthers(dial Dial, now func() time.Time) *others {
	return &others{dial: dial, now: now, port: 53, known: map[dnsview.Need]reply{}, asking: map[dnsview.Need]chan struct{}{}}
}

// lookup gives what is known. What has been learnt just now holds for the question
// that wanted it, whatever its TTL is.
func (o *others) lookup(fresh map[dnsview.Need]dnsview.Answer, n dnsview.Need) (dnsview.Answer, bool) {
	if a, ok := fresh[n]; ok {
		return a, true
	}
	now := o.now()
	o.mu.Lock()
	defer o.mu.Unlock()
	r, ok := o.known[n]
	if !ok || !now.Before(r.end) {
		return dnsview.Answer{}, false
	}
	return aged(r.answer, now.Sub(r.at)), true
}

// aged has the TTLs be less by a time.
func aged(a dnsview.Answer, by time.Duration) dnsview.Answer {
	past := uint32(by / time.Second)
	less := func(records []dnsview.Record) []dnsview.Record {
		out := make([]dnsview.Record, len(records))
		for i, r := range records {
			r.TTL -= min(r.TTL, past)
			out[i] = r
		}
		return out
	}
	a.Answer, a.Authority, a.Additional = less(a.Answer), less(a.Authority), less(a.Additional)
	return a
}

// learn asks what has to be known, or waits until somebody else has.
func (o *others) learn(ctx context.Context, n dnsview.Need) dnsview.Answer {
	o.mu.Lock()
	done, under := o.asking[n]
	if !under {
		if len(o.asking) >= maxAsking {
			o.mu.Unlock()
			return dnsview.Answer{Rcode: dnsview.ServerFailure}
		}
		done = make(chan struct{})
		o.asking[n] = done
	}
	o.mu.Unlock()
	if under {
		select {
		case <-done:
		case <-ctx.Done():
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if r, ok := o.known[n]; ok && ctx.Err() == nil {
			return aged(r.answer, 0)
		}
		return dnsview.Answer{Rcode: dnsview.ServerFailure}
	}
	answer, ttl := o.ask(ctx, n)
	now := o.now()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.remember(n, reply{answer, now, now.Add(ttl)}, now)
	delete(o.asking, n)
	close(done)
	return answer
}

// remember keeps a reply; when there are too many, what has passed goes first, then
// anything. The caller holds o.mu.
func (o *others) remember(n dnsview.Need, r reply, now time.Time) {
	if len(o.known) >= maxOthers {
		for k, r := range o.known {
			if !now.Before(r.end) {
				delete(o.known, k)
			}
		}
		for k := range o.known {
			if len(o.known) < maxOthers {
				break
			}
			delete(o.known, k)
		}
	}
	o.known[n] = r
}

// ask asks the server, and says for how long the answer holds.
func (o *others) ask(ctx context.Context, n dnsview.Need) (dnsview.Answer, time.Duration) {
	failed := dnsview.Answer{Rcode: dnsview.ServerFailure}
	q := new(dns.Msg)
	q.SetQuestion(n.Name.String(), uint16(n.Type))
	q.RecursionDesired = false
	q.Id = uint16(rand.Uint32())
	text, err := q.Pack()
	if err != nil {
		return failed, failTTL
	}
	var m *dns.Msg
	for range tries {
		if m, err = o.exchange(ctx, "udp", n, q.Id, text); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err == nil && m.Truncated {
		m, err = o.exchange(ctx, "tcp", n, q.Id, text)
	}
	if err != nil || m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return failed, failTTL
	}
	a, err := answerOf(m)
	if err != nil {
		return failed, failTTL
	}
	return a, holds(m)
}

// exchange sends a query and reads the answer that belongs to it.
func (o *others) exchange(ctx context.Context, network string, n dnsview.Need, id uint16, query []byte) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := o.dial(ctx, network, netip.AddrPortFrom(n.Server, o.port))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if network == "tcp" {
		query = append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
	}
	if _, err := c.Write(query); err != nil {
		return nil, fmt.Errorf("asking %s: %w", n.Server, err)
	}
	in := make([]byte, maxReplySize)
	for {
		size, err := read(c, network, in)
		if err != nil {
			return nil, fmt.Errorf("reading the answer of %s: %w", n.Server, err)
		}
		m := new(dns.Msg)
		if err = m.Unpack(in[:size]); (err == nil || m.Truncated) && belongs(m, n, id) {
			return m, nil
		}
		if network == "tcp" {
			return nil, fmt.Errorf("%s answers something else", n.Server)
		}
	}
}

// read reads one message.
func read(c net.Conn, network string, in []byte) (int, error) {
	if network != "tcp" {
		return c.Read(in)
	}
	var head [2]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return 0, err
	}
	size := int(binary.BigEndian.Uint16(head[:]))
	if size > len(in) {
		return 0, errors.New("the answer is too large")
	}
	return io.ReadFull(c, in[:size])
}

// belongs says whether an answer is to the question (RFC 5452 section 9.1).
func belongs(m *dns.Msg, n dnsview.Need, id uint16) bool {
	return m.Id == id && m.Response && m.Opcode == dns.OpcodeQuery && len(m.Question) == 1 && m.Question[0].Qtype == uint16(n.Type) &&
		m.Question[0].Qclass == dns.ClassINET && strings.EqualFold(m.Question[0].Name, n.Name.String())
}

// answerOf is what a message says. Names that lead on are in lower case, as those
// everywhere here.
func answerOf(m *dns.Msg) (a dnsview.Answer, err error) {
	a = dnsview.Answer{Rcode: dnsview.Rcode(m.Rcode), AA: m.Authoritative}
	for _, section := range []struct {
		from []dns.RR
		to   *[]dnsview.Record
	}{{m.Answer, &a.Answer}, {m.Ns, &a.Authority}, {m.Extra, &a.Additional}} {
		for _, rr := range section.from {
			h := rr.Header()
			if h.Class != dns.ClassINET || h.Rrtype == dns.TypeOPT {
				continue
			}
			r, err := recordOf(rr)
			if err != nil {
				return a, err
			}
			*section.to = append(*section.to, r)
		}
	}
	return a, nil
}

func recordOf(rr dns.RR) (r dnsview.Record, err error) {
	h := rr.Header()
	text := strings.TrimPrefix(rr.String(), h.String())
	leads := "" // the name that the record leads to
	switch rr := rr.(type) {
	case *dns.CNAME:
		leads = rr.Target
	case *dns.NS:
		leads = rr.Ns
	default:
		leads = "."
	}
	target, err := dnsview.ParseName(leads)
	if err != nil {
		return r, fmt.Errorf("reading the data of a record: %w", err) // miekg takes one without any
	}
	r.Name, err = dnsview.ParseName(h.Name)
	if err != nil {
		return r, err
	}
	b := make([]byte, maxReplySize)
	end, err := dns.PackRR(rr, b, 0, nil, false)
	if err != nil {
		return r, fmt.Errorf("reading a record: %w", err)
	}
	fixed := len(r.Name) + 10 // type, class, TTL and length
	r.Type, r.TTL, r.Data = dnsview.Type(h.Rrtype), h.Ttl, string(b[fixed:end])
	if target != dnsview.Root {
		r.Data = string(target)
	}
	if r.TTL > 1<<31-1 {
		r.TTL = 0 // RFC 2181 section 8
	}
	return r.WithText(text), nil
}

// holds is for how long a message holds: as long as the shortest of its TTLs; that
// there is nothing as long as the SOA record says, and without one not at all.
func holds(m *dns.Msg) time.Duration {
	least := uint32(maxTTL / time.Second)
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			h := rr.Header()
			if h.Rrtype == dns.TypeOPT {
				continue
			}
			if h.Ttl > 1<<31-1 {
				return 0
			}
			least = min(least, h.Ttl)
			if soa, ok := rr.(*dns.SOA); ok {
				least = min(least, soa.Minttl)
			}
		}
	}
	if len(m.Answer)+len(m.Ns) == 0 {
		least = 0
	}
	return time.Duration(least) * time.Second
}
