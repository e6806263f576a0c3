package dnsserver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/node/vantage"
	"github.com/localvpc/localvpc/internal/state"
)

// elsewhere is a name server of a user's: it answers what its handler makes, and
// counts questions by name and transport.
type elsewhere struct {
	udp, tcp string
	handle   atomic.Pointer[func(q *dns.Msg, network string) *dns.Msg]
	mu       sync.Mutex
	asked    map[string]int
}

func newElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	e := &elsewhere{asked: map[string]int{}}
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.udp, e.tcp = pc.LocalAddr().String(), l.Addr().String()
	for network, s := range map[string]*dns.Server{"udp": {PacketConn: pc}, "tcp": {Listener: l}} {
		s.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			e.mu.Lock()
			e.asked[network+" "+q.Question[0].Name]++
			e.mu.Unlock()
			if m := (*e.handle.Load())(q, network); m != nil {
				_ = w.WriteMsg(m)
			}
		})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = s.ActivateAndServe()
		}()
		t.Cleanup(func() {
			pc.Close()
			l.Close()
			<-ended
		})
	}
	return e
}

// counts takes how often something was asked.
func (e *elsewhere) counts() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := fmt.Sprint(e.asked)
	clear(e.asked)
	return s
}

// says has the server answer with records, and a negative answer with the zone's SOA.
func (e *elsewhere) says(rcode int, records ...string) {
	f := func(q *dns.Msg, network string) *dns.Msg {
		m := new(dns.Msg).SetRcode(q, rcode)
		m.Authoritative = true
		for _, text := range records {
			rr, err := dns.NewRR(text)
			if err != nil {
				panic(err)
			}
			if _, soa := rr.(*dns.SOA); soa {
				m.Ns = append(m.Ns, rr)
			} else {
				m.Answer = append(m.Answer, rr)
			}
		}
		if network == "udp" {
			m.Truncate(512)
		}
		return m
	}
	e.handle.Store(&f)
}

const elsewhereSOA = "sub.a.test. 60 IN SOA ns.sub.a.test. h.a.test. 1 7200 900 1209600 30"

// TestOtherNameServers: a zone that is delegated to a user's own name server is
// resolved by asking that; what it says is remembered as long as its TTLs say, and so
// is that there is nothing; nothing is believed that is not of its zone.
func TestOtherNameServers(t *testing.T) {
	store := newStore(t)
	write(t, store, func(tx *state.Tx) {
		putZone(t, tx, "Z1", "a.test", nil, []string{"sub NS ns.sub.a.test.", "ns.sub A 192.0.2.53", "lost NS ns.lost.a.test.", "ns.lost A 192.0.2.54", "www A 192.0.2.1", "to CNAME x.sub.a.test."})
	})
	var clock atomic.Int64
	s := New(store.Snapshot, func() time.Time { return time.Unix(1e9+clock.Load(), 0) })
	e := newElsewhere(t)
	s.Reach(func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
		if to.String() != "192.0.2.53:53" {
			return nil, fmt.Errorf("no route to %s", to)
		}
		addr := e.udp
		if network == "tcp" {
			addr = e.tcp
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	})
	c, l := listen(t), func() net.Listener {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}()
	ended := make(chan error, 2)
	go func() { ended <- s.ServePacket(c, vantage.Host) }()
	go func() { ended <- s.ServeStream(l, vantage.Host) }()
	defer func() {
		c.Close()
		l.Close()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}()
	exchange := func(network, name string) string {
		t.Helper()
		addr := c.LocalAddr().String()
		if network == "tcp" {
			addr = l.Addr().String()
		}
		in, _, err := (&dns.Client{Net: network, Timeout: 10 * time.Second}).Exchange(ask(name, dns.TypeA).SetEdns0(4096, false), addr)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out := dns.RcodeToString[in.Rcode]
		for _, rr := range append(in.Answer, in.Ns...) {
			out += fmt.Sprintf(" %s %d %s", rr.Header().Name, rr.Header().Ttl, dns.TypeToString[rr.Header().Rrtype])
		}
		return out
	}
	check := func(name, want, counts string) {
		t.Helper()
		if got := exchange("udp", name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if got := e.counts(); got != counts {
			t.Errorf("%s: the name server was asked %s, want %s", name, got, counts)
		}
	}
	nothing := "map[]"
	e.says(dns.RcodeSuccess, "x.sub.a.test. 60 IN A 192.0.2.9", "evil.test. 60 IN A 192.0.2.66")
	check("x.sub.a.test.", "NOERROR x.sub.a.test. 60 A", "map[udp x.sub.a.test.:1]")
	e.says(dns.RcodeNameError, elsewhereSOA)
	clock.Add(20)
	check("x.sub.a.test.", "NOERROR x.sub.a.test. 40 A", nothing)
	check("to.a.test.", "NOERROR to.a.test. 60 CNAME x.sub.a.test. 40 A", nothing)
	clock.Add(40)
	check("x.sub.a.test.", "NXDOMAIN sub.a.test. 60 SOA", "map[udp x.sub.a.test.:1]")
	clock.Add(29)
	check("x.sub.a.test.", "NXDOMAIN sub.a.test. 31 SOA", nothing)
	clock.Add(1)
	e.says(dns.RcodeSuccess, "x.sub.a.test. 0 IN CNAME WWW.a.test.", "www.a.test. 60 IN A 192.0.2.66")
	check("x.sub.a.test.", "NOERROR x.sub.a.test. 0 CNAME www.a.test. 60 A", "map[udp x.sub.a.test.:1]")
	check("x.sub.a.test.", "NOERROR x.sub.a.test. 0 CNAME www.a.test. 60 A", "map[udp x.sub.a.test.:1]")

	// What is too large for UDP is asked for over TCP, and over TCP one waits as well.
	var many []string
	for i := range 60 {
		many = append(many, fmt.Sprintf("m.sub.a.test. 60 IN A 192.0.2.%d", i))
	}
	e.says(dns.RcodeSuccess, many...)
	if got := exchange("tcp", "m.sub.a.test."); len(got) != len("NOERROR")+60*len(" m.sub.a.test. 60 A") {
		t.Error(got)
	}
	if got := e.counts(); got != "map[tcp m.sub.a.test.:1 udp m.sub.a.test.:1]" {
		t.Error(got)
	}

	// What fails is asked for again after a moment; it and what does not answer or is
	// nowhere is SERVFAIL.
	e.says(dns.RcodeRefused)
	check("f.sub.a.test.", "SERVFAIL", "map[udp f.sub.a.test.:1]")
	e.says(dns.RcodeSuccess, "f.sub.a.test. 60 IN A 192.0.2.9")
	check("f.sub.a.test.", "SERVFAIL", nothing)
	clock.Add(1)
	check("f.sub.a.test.", "NOERROR f.sub.a.test. 60 A", "map[udp f.sub.a.test.:1]")
	check("x.lost.a.test.", "SERVFAIL", nothing)

	// A referral to itself leads nowhere.
	refer := func(q *dns.Msg, _ string) *dns.Msg {
		m := new(dns.Msg).SetReply(q)
		rr, _ := dns.NewRR("sub.a.test. 60 IN NS ns.sub.a.test.")
		m.Ns = []dns.RR{rr}
		return m
	}
	e.handle.Store(&refer)
	check("r.sub.a.test.", "SERVFAIL", "map[udp r.sub.a.test.:1]")

	// Equal questions at one time are one; another question does not wait for them.
	hold, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := func(q *dns.Msg, _ string) *dns.Msg {
		once.Do(func() { close(held) })
		<-hold
		m := new(dns.Msg).SetReply(q)
		rr, _ := dns.NewRR(q.Question[0].Name + " 0 IN A 192.0.2.9")
		m.Answer = []dns.RR{rr}
		return m
	}
	e.handle.Store(&slow)
	answers := make(chan string, 8)
	for range cap(answers) {
		go func() { answers <- exchange("udp", "slow.sub.a.test.") }()
	}
	<-held
	check("www.a.test.", "NOERROR www.a.test. 60 A", "map[udp slow.sub.a.test.:1]")
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for all := false; !all; <-look.C {
		s.mu.Lock()
		all = s.places[vantage.Host].waiting.Load() == int32(cap(answers))
		s.mu.Unlock()
	}
	close(hold)
	for range cap(answers) {
		if got := <-answers; got != "NOERROR slow.sub.a.test. 0 A" {
			t.Error(got)
		}
	}
	if got := e.counts(); got != nothing {
		t.Errorf("equal questions were asked again: %s", got)
	}
}

// TestRepliesAreBounded: whatever is asked, so many are remembered.
func TestRepliesAreBounded(t *testing.T) {
	now := time.Unix(1e9, 0)
	o := newOthers(nil, func() time.Time { return now })
	need := func(i int) dnsview.Need {
		return dnsview.Need{Name: dnsview.Name(fmt.Sprint(i)), Type: dnsview.TypeA}
	}
	for i := range 2 * maxOthers {
		o.remember(need(i), reply{at: now, end: now.Add(time.Duration(1+i%2) * time.Minute)}, now)
	}
	if len(o.known) != maxOthers {
		t.Errorf("%d are remembered", len(o.known))
	}
	now = now.Add(time.Hour)
	o.remember(need(0), reply{at: now, end: now.Add(time.Minute)}, now)
	if len(o.known) != 1 {
		t.Errorf("%d are remembered that hold no longer", len(o.known)-1)
	}
}

// FuzzReply has a user's name server say anything: no harm is done, and what is
// answered can be read.
func FuzzReply(f *testing.F) {
	store := newStore(f)
	write(f, store, func(tx *state.Tx) {
		putZone(f, tx, "Z1", "a.test", nil, []string{"sub NS ns.sub.a.test.|ns.other.test.", "ns.sub A 192.0.2.53"})
	})
	for _, records := range [][]string{{"x.sub.a.test. 60 IN A 192.0.2.9"}, {"x.sub.a.test. 60 IN CNAME y.sub.a.test.", "y.sub.a.test. 1 IN CNAME x.sub.a.test."}, {elsewhereSOA},
		{"c.sub.a.test. 60 IN NS ns.c.sub.a.test.", "ns.c.sub.a.test. 60 IN A 192.0.2.55"}, {"x.sub.a.test. 60 IN MX 10 .", "x.sub.a.test. 60 IN TXT \"\""}} {
		m := new(dns.Msg).SetQuestion("x.sub.a.test.", dns.TypeA)
		m.Response = true
		for _, text := range records {
			rr, err := dns.NewRR(text)
			if err != nil {
				f.Fatal(err)
			}
			m.Answer, m.Ns, m.Extra = append(m.Answer, rr), append(m.Ns, rr), append(m.Extra, rr)
			if b, err := m.Pack(); err == nil {
				f.Add(b)
			}
		}
	}
	view := dnsview.Internet(store.Snapshot())
	name, _ := dnsview.ParseName("x.sub.a.test")
	question, _ := ask("x.sub.a.test.", dns.TypeA).Pack()
	f.Fuzz(func(t *testing.T, text []byte) {
		m := new(dns.Msg)
		if m.Unpack(text) != nil && !m.Truncated {
			return
		}
		a, err := answerOf(m)
		if err != nil {
			return
		}
		if d := holds(m); d < 0 || d > maxTTL {
			t.Errorf("it holds for %s", d)
		}
		_ = aged(a, time.Minute)
		for _, typ := range []dnsview.Type{dnsview.TypeA, dnsview.TypeANY, dnsview.TypeNS} {
			asked := 0
			ans := view.Answer(dnsview.Question{Name: name, Type: typ, Recurse: true, Others: func(dnsview.Need) (dnsview.Answer, bool) {
				asked++
				return a, true
			}})
			if asked > 300 {
				t.Errorf("%d questions for one", asked)
			}
			var q query
			q.parse(question)
			q.spell()
			if out := q.encode(nil, ans, 65535); len(out) > headerSize && new(dns.Msg).Unpack(out) != nil {
				t.Errorf("%x is answered with %x", text, out)
			}
		}
	})
}
