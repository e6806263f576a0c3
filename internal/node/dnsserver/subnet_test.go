package dnsserver

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
)

// withOption is a query with an EDNS option as it travels.
func withOption(t *testing.T, code uint16, data ...byte) []byte {
	t.Helper()
	m := ask("example.com.", dns.TypeA)
	m.SetEdns0(1232, false)
	m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_LOCAL{Code: code, Data: data})
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSubnet: the client's subnet is read in both families, refused when it is
// malformed, and sent back with how much of it has decided.
func TestSubnet(t *testing.T) {
	for _, c := range []struct {
		name string
		data []byte
		want string // "": none; "bad"
	}{
		{"IPv4", []byte{0, 1, 24, 0, 192, 0, 2}, "192.0.2.0/24"},
		{"a host", []byte{0, 1, 32, 0, 192, 0, 2, 1}, "192.0.2.1/32"},
		{"odd bits", []byte{0, 1, 23, 0, 192, 0, 2}, "192.0.2.0/23"},
		{"everybody", []byte{0, 1, 0, 0}, "0.0.0.0/0"},
		{"IPv6", []byte{0, 2, 32, 0, 0x20, 0x01, 0x0d, 0xb8}, "2001:db8::/32"},
		{"none", []byte{0, 0, 0, 0}, ""},
		{"too short", []byte{0, 1, 24, 0, 192, 0}, "bad"},
		{"too long", []byte{0, 1, 24, 0, 192, 0, 2, 0}, "bad"},
		{"beyond the prefix", []byte{0, 1, 23, 0, 192, 0, 3}, "bad"},
		{"more than an address", []byte{0, 1, 40, 0, 192, 0, 2, 0, 0}, "bad"},
		{"far more", []byte{0, 2, 255, 0}, "bad"},
		{"with a scope", []byte{0, 1, 24, 24, 192, 0, 2}, "bad"},
		{"another family", []byte{0, 3, 0, 8}, "bad"},
		{"half a head", []byte{0, 1, 24}, "bad"},
		{"empty", nil, "bad"},
	} {
		q, what := parsed(withOption(t, optionSubnet, c.data...))
		if (what == badFormat) != (c.want == "bad") {
			t.Errorf("%s: verdict %v", c.name, what)
			continue
		}
		if c.want == "bad" {
			continue
		}
		if c.want == "" {
			if q.subnet.IsValid() {
				t.Errorf("%s: %s", c.name, q.subnet)
			}
			continue
		}
		if q.subnet != netip.MustParsePrefix(c.want) {
			t.Errorf("%s: %s, want %s", c.name, q.subnet, c.want)
		}
		for _, located := range []bool{false, true} {
			var in dns.Msg
			if err := in.Unpack(q.encode(nil, dnsview.Answer{Located: located}, maxPayload)); err != nil {
				t.Fatal(err)
			}
			options := in.IsEdns0().Option
			if len(options) != 1 {
				t.Fatalf("%s: options %v", c.name, options)
			}
			e := options[0].(*dns.EDNS0_SUBNET)
			scope := 0
			if located {
				scope = q.subnet.Bits()
			}
			if int(e.SourceNetmask) != q.subnet.Bits() || int(e.SourceScope) != scope || !e.Address.Equal(net.IP(q.subnet.Addr().AsSlice())) {
				t.Errorf("%s: answered with %v, scope %d", c.name, e, e.SourceScope)
			}
		}
	}
	if q, what := parsed(withOption(t, 10, 1, 2, 3)); what != answerable || q.subnet.IsValid() { // a cookie
		t.Errorf("another option: %v %v", what, q.subnet)
	}
	// A VPC's resolver takes no notice.
	s := New(newStore(t).Snapshot, time.Now)
	q, _ := parsed(withOption(t, optionSubnet, 0, 1, 24, 0, 192, 0, 2))
	for public, options := range map[bool]int{false: 0, true: 1} {
		var in dns.Msg
		msg := withOption(t, optionSubnet, 0, 1, 24, 0, 192, 0, 2)
		if err := in.Unpack(s.respond(&asked{view: dnsview.Internet(s.snapshot()), public: public}, msg, nil, overUDP)); err != nil {
			t.Fatal(err)
		}
		if len(in.IsEdns0().Option) != options {
			t.Errorf("public %t: %v for %v", public, in.IsEdns0(), q.subnet)
		}
	}
}

// TestTrimming: what only goes along with an answer is left out before the answer
// is; a referral needs what goes along.
func TestTrimming(t *testing.T) {
	name, _ := dnsview.ParseName("example.com")
	several := func(typ dnsview.Type, data string, n int) (out []dnsview.Record) {
		for range n {
			out = append(out, dnsview.Record{Name: name, Type: typ, TTL: 60, Data: data})
		}
		return out
	}
	const ns = "\x02ns\x00"
	for _, c := range []struct {
		name                          string
		a                             dnsview.Answer
		answers, authority, addresses int
		tc                            bool
	}{
		{"all fit", dnsview.Answer{Answer: several(dnsview.TypeA, "abcd", 2), Authority: several(dnsview.TypeNS, ns, 2), Additional: several(dnsview.TypeA, "abcd", 2)}, 2, 2, 2, false},
		{"without addresses", dnsview.Answer{Answer: several(dnsview.TypeA, "abcd", 10), Authority: several(dnsview.TypeNS, ns, 10), Additional: several(dnsview.TypeA, "abcd", 20)}, 10, 10, 0, false},
		{"without servers", dnsview.Answer{Answer: several(dnsview.TypeA, "abcd", 25), Authority: several(dnsview.TypeNS, ns, 10), Additional: several(dnsview.TypeA, "abcd", 20)}, 25, 0, 0, false},
		{"nothing", dnsview.Answer{Answer: several(dnsview.TypeA, "abcd", 40), Authority: several(dnsview.TypeNS, ns, 10)}, 0, 0, 0, true},
		{"an SOA stays", dnsview.Answer{Answer: several(dnsview.TypeCNAME, ns, 28), Authority: several(dnsview.TypeSOA, ns+ns+string(make([]byte, 20)), 2)}, 0, 0, 0, true},
		{"a referral", dnsview.Answer{Authority: several(dnsview.TypeNS, ns, 10), Additional: several(dnsview.TypeA, "abcd", 30)}, 0, 0, 0, true},
	} {
		b, _ := ask("example.com.", dns.TypeA).Pack()
		q, _ := parsed(b)
		out := q.encode(nil, c.a, minPayload)
		var in dns.Msg
		if err := in.Unpack(out); err != nil {
			t.Fatal(err)
		}
		if len(in.Answer) != c.answers || len(in.Ns) != c.authority || len(in.Extra) != c.addresses || in.Truncated != c.tc || len(out) > minPayload {
			t.Errorf("%s: %d octets, tc=%t, %d, %d and %d records", c.name, len(out), in.Truncated, len(in.Answer), len(in.Ns), len(in.Extra))
		}
	}
}
