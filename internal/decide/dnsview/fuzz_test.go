package dnsview

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// FuzzEscaped: a name that is read is written in one spelling, which is read as
// the same name; and its labels reversed twice are itself.
func FuzzEscaped(f *testing.F) {
	for _, s := range []string{"example.test", `\052.Example.test.`, `a\056b.c`, ".", "a..b", `\400`, `\09`, "é", strings.Repeat("a.", 130)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseEscaped(s)
		if err != nil {
			return
		}
		text := n.Escaped()
		again, err := ParseEscaped(text)
		if err != nil || again != n || again.Escaped() != text {
			t.Fatalf("%q is %q, which is %q: %v", s, text, again.Escaped(), err)
		}
		if reversed := n.Reversed(); ReverseLabels(reversed) != text || ReverseLabels(text) != reversed {
			t.Fatalf("%q reversed is %q", text, reversed)
		}
		if other, err := ParseName(n.String()); err != nil || other != n {
			t.Fatalf("%q is %q in presentation form: %v", s, n.String(), err)
		}
	})
}

// FuzzParseData: what is read as a record's data is data of the type for others,
// too, and they write it as we do.
func FuzzParseData(f *testing.F) {
	for typ, values := range map[string][]string{
		"A": {"192.0.2.1", "x"}, "AAAA": {"2001:db8::1", "::ffff:192.0.2.1"}, "TXT": {`"a" "b\"\101"`, `""`}, "SPF": {`"v=spf1 -all"`},
		"CAA": {`0 issue "ca.example.net; x=y"`}, "MX": {"10 mail.a.test"}, "SRV": {"1 2 3 x.a.test."}, "NS": {`\052.a.test`}, "SOA": {"a. b. 1 2 3 4 5"},
		"NAPTR": {`100 10 "u" "sip+E2U" "!^.*$!sip:a@b!" .`}, "DS": {"1 8 2 ABCD 0102"}, "SSHFP": {"1 1 0123456789abcdef0123456789abcdef01234567"},
		"TLSA": {"3 1 1 ab"}, "HTTPS": {`1 . alpn="h2,h3" port=8443 ipv4hint=192.0.2.1`, "0 a.test"}, "SVCB": {`1 b.test mandatory=alpn alpn=h2 key65000=x ech=aGk= no-default-alpn`},
	} {
		for _, v := range values {
			f.Add(typ, v)
		}
	}
	f.Fuzz(func(t *testing.T, typ, value string) {
		code, ok := TypeOf(typ)
		if !ok {
			return
		}
		data, err := ParseData(typ, value)
		if err != nil {
			if len(err.Error()) > 1<<11 {
				t.Fatalf("a problem of %d characters", len(err.Error()))
			}
			return
		}
		wire := binary.BigEndian.AppendUint16([]byte{0}, uint16(code))
		wire = append(wire, 0, 1, 0, 0, 0, 60)
		wire = append(binary.BigEndian.AppendUint16(wire, uint16(len(data))), data...)
		rr, _, err := dns.UnpackRR(wire, 0)
		if err != nil {
			t.Fatalf("%s %q as %x: %v", typ, value, data, err)
		}
		packed := make([]byte, 1<<16)
		n, err := dns.PackRR(rr, packed, 0, nil, false)
		if err != nil || !bytes.Equal(packed[:n], wire) {
			t.Fatalf("%s %q as %x is written again as %x: %v", typ, value, wire, packed[:max(0, n)], err)
		}
	})
}
