package dnsserver

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
)

func view(t testing.TB) (*Server, *dnsview.View) {
	t.Helper()
	store := newStore(t)
	v, ok := dnsview.At(store.Snapshot(), scope.Key("vpc-1"))
	if !ok {
		t.Fatal("no resolver")
	}
	return New(store.Snapshot, time.Now), v
}

// parsed is a query with its name.
func parsed(msg []byte) (q query, what verdict) {
	what = q.parse(msg)
	q.spell()
	return q, what
}

// bytes reads hexadecimal digits with spaces.
func bytes(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	localhostA = "09 6c6f63616c686f7374 00 0001 0001"
	opt1232    = "00 0029 04d0 00 00 0000 0000"
)

func TestUnusualMessages(t *testing.T) {
	s, v := view(t)
	header := func(flags, counts string) string { return "1234 " + flags + counts }
	one := " 0001 0000 0000 0000 "
	with := " 0001 0000 0000 0001 "
	for _, c := range []struct{ name, in, want string }{
		{"ordinary", header("0100", one) + localhostA, "NOERROR"},
		{"with OPT", header("0100", with) + localhostA + opt1232, "NOERROR"},
		{"trailing octets", header("0100", one) + localhostA + "ffff", "NOERROR"},
		{"shorter than a header", "1234 0100 0001 0000 0000", ""},
		{"an answer", header("8180", one) + localhostA, ""},
		{"no question", header("0100", " 0000 0000 0000 0000"), "FORMERR"},
		{"two questions", header("0100", " 0002 0000 0000 0000 ") + localhostA + localhostA, "FORMERR"},
		{"name without end", header("0100", one) + "09 6c6f63616c686f7374", "FORMERR"},
		{"label past the end", header("0100", one) + "3f 6c6f63", "FORMERR"},
		{"reserved label type", header("0100", one) + "49 6c6f63616c686f7374 00 0001 0001", "FORMERR"},
		{"pointer to itself", header("0100", one) + "c00c 0001 0001", "FORMERR"},
		{"pointer into the header", header("0100", one) + "c000 0001 0001", "FORMERR"},
		{"question cut short", header("0100", one) + "09 6c6f63616c686f7374 00 0001 00", "FORMERR"},
		{"name too long", header("0100", one) + strings.Repeat("3f"+strings.Repeat("61", 63), 4) + "00 0001 0001", "FORMERR"},
		{"STATUS", header("1100", one) + localhostA, "NOTIMP"},
		{"NOTIFY", header("2100", one) + localhostA, "NOTIMP"},
		{"UPDATE", header("2900", one) + localhostA, "NOTIMP"},
		{"class CH", header("0100", one) + "09 6c6f63616c686f7374 00 0001 0003", "REFUSED"},
		{"class ANY", header("0100", one) + "09 6c6f63616c686f7374 00 0001 00ff", "REFUSED"},
		{"AXFR", header("0100", one) + "09 6c6f63616c686f7374 00 00fc 0001", "REFUSED"},
		{"IXFR", header("0100", one) + "09 6c6f63616c686f7374 00 00fb 0001", "REFUSED"},
		{"type OPT", header("0100", one) + "09 6c6f63616c686f7374 00 0029 0001", "REFUSED"},
		{"type ANY", header("0100", one) + "09 6c6f63616c686f7374 00 00ff 0001", "NOERROR"},
		{"type unknown", header("0100", one) + "09 6c6f63616c686f7374 00 8000 0001", "NOERROR"},
		{"EDNS version 1", header("0100", with) + localhostA + "00 0029 04d0 00 01 0000 0000", "BADVERS"},
		{"unknown option", header("0100", with) + localhostA + "00 0029 04d0 00 00 0000 0006 ffee 0002 abcd", "NOERROR"},
		{"option past the end", header("0100", with) + localhostA + "00 0029 04d0 00 00 0000 0006 ffee 0003 abcd", "FORMERR"},
		{"OPT cut short", header("0100", with) + localhostA + "00 0029 04d0 00 00", "FORMERR"},
		{"OPT missing", header("0100", with) + localhostA, "FORMERR"},
		{"OPT with a name", header("0100", with) + localhostA + "01 61 00 0029 04d0 00 00 0000 0000", "FORMERR"},
		{"two OPTs", header("0100", " 0001 0000 0000 0002 ") + localhostA + opt1232 + opt1232, "FORMERR"},
		{"an answer section", header("0100", " 0001 0001 0000 0000 ") + localhostA + "c00c 0001 0001 00000000 0004 7f000001", "NOERROR"},
		{"a record and OPT", header("0100", " 0001 0000 0001 0001 ") + localhostA + "c00c 0001 0001 00000000 0004 7f000001" + opt1232, "NOERROR"},
		{"a record cut short", header("0100", " 0001 0001 0000 0000 ") + localhostA + "c00c 0001 0001 00000000 0004 7f00", "FORMERR"},
		{"a compression loop behind", header("0100", " 0001 0001 0000 0000 ") + localhostA + "c01b 0001 0001 00000000 0004 7f000001", "FORMERR"},
	} {
		in := bytes(t, c.in)
		out := s.respond(&asked{view: v}, in, nil, overUDP)
		got := ""
		if out != nil {
			var m dns.Msg
			if err := m.Unpack(out); err != nil {
				t.Errorf("%s: %x: %v", c.name, out, err)
				continue
			}
			got = dns.RcodeToString[m.Rcode]
			if m.Rcode == dns.RcodeBadVers {
				got = "BADVERS" // the map says BADSIG, which has the same number
			}
			if m.Id != 0x1234 || !m.Response || m.Opcode != int(in[2]>>3&0xf) || m.Truncated {
				t.Errorf("%s: header %v", c.name, m.MsgHdr)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTruncation(t *testing.T) {
	big := dnsview.Answer{RA: true}
	name, _ := dnsview.ParseName("example.com")
	for i := range 200 {
		big.Answer = append(big.Answer, dnsview.Record{Name: name, Type: dnsview.TypeA, TTL: 60, Data: string([]byte{10, 0, 0, byte(i)})})
	}
	for _, c := range []struct {
		name    string
		payload uint16 // 0: no OPT
		tcp     bool
		records int // that are sent
	}{
		{"no OPT", 0, false, 0},
		{"OPT of 512", 512, false, 0},
		{"OPT below 512", 1, false, 0},
		{"OPT of 3000", 3000, false, 0},
		{"OPT that suffices", 4096, false, 200},
		{"OPT that is too large", 65535, false, 200},
		{"TCP", 0, true, 200},
	} {
		m := ask("example.com.", dns.TypeA)
		if c.payload > 0 {
			m.SetEdns0(c.payload, false)
		}
		b, _ := m.Pack()
		q, what := parsed(b)
		if what != answerable {
			t.Fatal(what)
		}
		limit := overUDP
		if c.tcp {
			limit = overTCP
		}
		out := q.encode([]byte("xy"), big, q.limit(limit))[2:]
		var in dns.Msg
		if err := in.Unpack(out); err != nil {
			t.Fatal(err)
		}
		if len(in.Answer) != c.records || in.Truncated != (c.records == 0) || len(out) > q.limit(limit) || (in.IsEdns0() != nil) != (c.payload > 0) {
			t.Errorf("%s: %d octets, %d records, truncated %t", c.name, len(out), len(in.Answer), in.Truncated)
		}
	}
}

func TestOwnersAreCompressed(t *testing.T) {
	s, v := view(t)
	b, _ := ask("a.b.c.ec2.internal.", dns.TypeA).Pack()
	out := s.respond(&asked{view: v}, b, nil, overUDP)
	// The SOA's owner is a pointer to "ec2.internal" in the question.
	if got, want := out[len(b):][:2], []byte{0xc0, byte(headerSize + len("\x01a\x01b\x01c"))}; string(got) != string(want) {
		t.Errorf("owner %x, want %x", got, want)
	}
}

// FuzzParse holds the parser against miekg's: what it takes as a query is one
// with the same name, type and class.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, msg []byte) {
		q, what := parsed(msg)
		if what == unusual {
			what = q.parseUnusual(msg)
		}
		plain := msg
		if end := headerSize + len(q.text); q.edns && len(msg) >= end+11 && msg[9]|msg[8]|msg[7]|msg[6] == 0 {
			// Options are not looked into here, and by miekg they are.
			plain = append(append([]byte{}, msg[:end+9]...), 0, 0)
		}
		var m dns.Msg
		err := m.Unpack(plain)
		switch what {
		case answerable:
			if err != nil || len(m.Question) != 1 {
				t.Fatalf("taken, but miekg says %v of %x", err, msg)
			}
			buf := make([]byte, 256)
			n, err := dns.PackDomainName(strings.ToLower(m.Question[0].Name), buf, 0, nil, false)
			if err != nil || string(buf[:n]) != string(q.name) {
				t.Errorf("name %q, miekg's %q %v", string(q.name), string(buf[:n]), err)
			}
			if m.Question[0].Qtype != q.typ || m.Question[0].Qclass != q.class || (m.IsEdns0() != nil) != q.edns {
				t.Errorf("%+v, miekg's %v", q, m)
			}
		case badFormat:
			// miekg takes a question without type or class, a pointer in its name,
			// records that are missing at the end, and several OPTs.
			if err == nil && len(m.Question) == 1 && msg[6]|msg[7]|msg[8]|msg[9]|msg[10]|msg[11] == 0 {
				var name [255]byte
				if n, ok := readName(msg[headerSize:], &name); ok && len(msg) >= headerSize+n+4 {
					t.Errorf("refused, but miekg takes %x", msg)
				}
			}
		}
	})
}

// FuzzRespond holds that no message does harm, and that what is answered can be
// read, is of the allowed size and belongs to the query.
func FuzzRespond(f *testing.F) {
	seeds(f)
	s, v := view(f)
	f.Fuzz(func(t *testing.T, msg []byte) {
		for _, limit := range []transport{overUDP, overTCP} {
			out := s.respond(&asked{view: v}, msg, nil, limit)
			if len(out) == 0 {
				if len(msg) >= headerSize && msg[2]&0x80 == 0 {
					t.Fatal("a query is not answered")
				}
				continue
			}
			var m dns.Msg
			if err := m.Unpack(out); err != nil {
				t.Fatalf("%x answers %x: %v", out, msg, err)
			}
			if len(out) > maxPayload || string(out[:2]) != string(msg[:2]) || !m.Response {
				t.Errorf("%x answers %x", out, msg)
			}
			if q, what := parsed(msg); what == answerable && !strings.HasPrefix(string(out[headerSize:]), string(q.text)) {
				t.Errorf("%x answers %x: another question", out, msg)
			}
		}
	})
}

func seeds(f *testing.F) {
	for _, s := range []string{"0100 0001 0000 0000 0000" + localhostA, "0100 0001 0000 0000 0001" + localhostA + opt1232,
		"0100 0001 0001 0000 0001" + localhostA + "c00c 0001 0001 00000000 0004 7f000001" + opt1232, "0100 0001 0000 0000 0000 c00c 0001 0001"} {
		f.Add(bytes(f, "1234"+s))
	}
	for _, m := range []*dns.Msg{ask("ip-10-0-0-5.ec2.internal.", dns.TypeA), ask("5.0.0.10.in-addr.arpa.", dns.TypePTR),
		ask(".", dns.TypeSOA), ask("i-0123456789abcdef0.ec2.internal.", dns.TypeANY).SetEdns0(4096, true)} {
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

func BenchmarkRespond(b *testing.B) {
	s, v := view(b)
	for _, name := range []string{"ip-10-0-0-5.ec2.internal.", "x.ec2.internal."} {
		m, _ := ask(name, dns.TypeA).SetEdns0(1232, false).Pack()
		out := make([]byte, 0, 512)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.respond(&asked{view: v}, m, out, overUDP)
			}
		})
	}
}
