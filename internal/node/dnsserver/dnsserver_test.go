package dnsserver

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/localvpc/localvpc/internal/node/datagram"
	"github.com/localvpc/localvpc/internal/node/vantage"
	"github.com/localvpc/localvpc/internal/state"
)

var scope = state.Scope{Account: "000000000000", Region: "us-east-1"}

// newStore has a VPC that holds the loopback addresses, in which 127.0.0.1 and
// 127.0.0.2 are interfaces.
func newStore(t testing.TB) *state.Store {
	t.Helper()
	s, err := state.Open(state.Config{Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	write(t, s, func(tx *state.Tx) {
		putVpc(tx, true)
		for id, a := range map[string]string{"eni-1": "127.0.0.1", "eni-2": "127.0.0.2"} {
			state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: state.Meta{Key: scope.Key(id)}, VpcID: "vpc-1",
				Addresses: []state.PrivateAddress{{Addr: netip.MustParseAddr(a), Primary: true}}})
		}
	})
	return s
}

func putVpc(tx *state.Tx, support bool) {
	state.Vpcs.Put(tx, &state.Vpc{Meta: state.Meta{Key: scope.Key("vpc-1")}, EnableDnsSupport: support, EnableDnsHostnames: true,
		Cidrs: []state.CidrAssociation{{Cidr: netip.MustParsePrefix("127.0.0.0/16")}, {Cidr: netip.MustParsePrefix("10.0.0.0/16")}}})
}

func write(t testing.TB, s *state.Store, fn func(*state.Tx)) {
	t.Helper()
	if _, err := s.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

// running is a server on one UDP and one TCP socket of loopback.
type running struct {
	*Server
	store    *state.Store
	udp, tcp string
}

func listen(t testing.TB) *datagram.Conn {
	t.Helper()
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c, err := datagram.Take(udp)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func run(t testing.TB, now func() time.Time) *running {
	t.Helper()
	store := newStore(t)
	s := New(store.Snapshot, now)
	c := listen(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() { ended <- s.ServePacket(c, scope.Key("vpc-1")) }()
	go func() { ended <- s.ServeStream(l, scope.Key("vpc-1")) }()
	t.Cleanup(func() {
		c.Close()
		l.Close()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if len(s.places) != 0 {
			t.Error("the server remembers a VPC that it no longer serves")
		}
	})
	return &running{s, store, c.LocalAddr().String(), l.Addr().String()}
}

func ask(name string, typ uint16) *dns.Msg { return new(dns.Msg).SetQuestion(name, typ) }

// TestInternet: one who has a public address is told what the internet sees.
func TestInternet(t *testing.T) {
	store := newStore(t)
	write(t, store, func(tx *state.Tx) {
		n, _ := state.NetworkInterfaces.Get(tx, scope.Key("eni-1"))
		public := *n
		public.Addresses = []state.PrivateAddress{{Addr: netip.MustParseAddr("10.0.0.5"), Primary: true, PublicIP: netip.MustParseAddr("127.0.0.1")}}
		state.NetworkInterfaces.Put(tx, &public)
	})
	s := New(store.Snapshot, time.Now)
	c := listen(t)
	ended := make(chan error, 1)
	go func() { ended <- s.ServePacket(c, vantage.Internet) }()
	defer func() {
		c.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	client := dns.Client{}
	in, _, err := client.Exchange(ask("ec2-127-0-0-1.compute-1.amazonaws.com.", dns.TypeA), c.LocalAddr().String())
	if err != nil || len(in.Answer) != 1 || in.Answer[0].(*dns.A).A.String() != "127.0.0.1" {
		t.Errorf("%v, %v", in, err)
	}
	in, _, err = client.Exchange(ask("ip-10-0-0-5.ec2.internal.", dns.TypeA), c.LocalAddr().String())
	if err != nil || in.Rcode != dns.RcodeNameError {
		t.Errorf("%v, %v", in, err)
	}
}

func TestAnswersOverBothTransports(t *testing.T) {
	r := run(t, time.Now)
	for _, transport := range []struct{ net, addr string }{{"udp", r.udp}, {"tcp", r.tcp}} {
		t.Run(transport.net, func(t *testing.T) {
			client := dns.Client{Net: transport.net}
			for _, c := range []struct {
				name string
				m    *dns.Msg
				want string // rcode and the first record of answer or authority
			}{
				{"A", ask("ip-10-0-0-5.ec2.internal.", dns.TypeA), "NOERROR ip-10-0-0-5.ec2.internal.\t60\tIN\tA\t10.0.0.5"},
				{"letter case is kept", ask("IP-10-0-0-5.eC2.internal.", dns.TypeA), "NOERROR IP-10-0-0-5.eC2.internal.\t60\tIN\tA\t10.0.0.5"},
				{"PTR", ask("5.0.0.10.in-addr.arpa.", dns.TypePTR), "NOERROR 5.0.0.10.in-addr.arpa.\t60\tIN\tPTR\tip-10-0-0-5.ec2.internal."},
				{"NODATA", ask("ip-10-0-0-5.ec2.internal.", dns.TypeMX), "NOERROR ec2.internal.\t60\tIN\tSOA\tns0.ec2.internal. hostmaster.amazon.com. 1 7200 900 1209600 60"},
				{"NXDOMAIN", ask("x.ec2.internal.", dns.TypeA), "NXDOMAIN ec2.internal.\t60\tIN\tSOA\tns0.ec2.internal. hostmaster.amazon.com. 1 7200 900 1209600 60"},
				{"root", ask("example.com.", dns.TypeA), "NXDOMAIN com.\t60\tIN\tSOA\ta.gtld-servers.net. nstld.verisign-grs.com. 1 7200 900 1209600 60"},
				{"EDNS", ask("ip-10-0-0-5.ec2.internal.", dns.TypeA).SetEdns0(1232, true), "NOERROR ip-10-0-0-5.ec2.internal.\t60\tIN\tA\t10.0.0.5"},
			} {
				in, _, err := client.Exchange(c.m, transport.addr)
				if err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
				got := dns.RcodeToString[in.Rcode]
				if rs := append(in.Answer, in.Ns...); len(rs) > 0 {
					got += " " + rs[0].String()
				}
				if got != c.want {
					t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
				}
				if !in.Response || in.Authoritative || !in.RecursionAvailable || !in.RecursionDesired || in.AuthenticatedData || in.CheckingDisabled {
					t.Errorf("%s: flags %v", c.name, in.MsgHdr)
				}
				if opt := in.IsEdns0(); (opt != nil) != (c.m.IsEdns0() != nil) {
					t.Errorf("%s: OPT %v", c.name, opt)
				} else if opt != nil && (opt.Do() || opt.UDPSize() != maxPayload) {
					t.Errorf("%s: OPT %v", c.name, opt)
				}
			}
		})
	}
}

func TestNewStateIsAnsweredAtOnce(t *testing.T) {
	r := run(t, time.Now)
	name := "i-0123456789abcdef0.ec2.internal."
	rcode := func() string {
		in, err := dns.Exchange(ask(name, dns.TypeA), r.udp)
		if err != nil {
			t.Fatal(err)
		}
		return dns.RcodeToString[in.Rcode]
	}
	if got := rcode(); got != "NXDOMAIN" {
		t.Errorf("before: %s", got)
	}
	write(t, r.store, func(tx *state.Tx) {
		state.Instances.Put(tx, &state.Instance{Meta: state.Meta{Key: scope.Key("i-0123456789abcdef0")}, VpcID: "vpc-1",
			State: state.Running, ResourceNameDnsA: true, PrivateIP: netip.MustParseAddr("10.0.0.5")})
	})
	if got := rcode(); got != "NOERROR" {
		t.Errorf("after: %s", got)
	}
}

func TestWhoIsNotAnswered(t *testing.T) {
	r := run(t, time.Now)
	from := func(source string) *dns.Client {
		return &dns.Client{Dialer: &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(source)}}, Timeout: 5 * time.Second}
	}
	in, _, err := from("127.0.0.3").Exchange(ask("localhost.", dns.TypeA), r.udp)
	if err != nil || in.Rcode != dns.RcodeRefused {
		t.Errorf("an address of nobody: %v %v", in, err)
	}
	tcp := dns.Client{Net: "tcp", Dialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}}}
	if in, _, err := tcp.Exchange(ask("localhost.", dns.TypeA), r.tcp); err == nil {
		t.Errorf("an address of nobody over TCP: %v", in)
	}
	write(t, r.store, func(tx *state.Tx) { putVpc(tx, false) })
	silent(t, r, "127.0.0.1", func() { write(t, r.store, func(tx *state.Tx) { putVpc(tx, true) }) })
}

// silent asks twice, with between() in the middle, and wants the second question
// answered only. There is one reader, so nothing is to come for the first.
func silent(t *testing.T, r *running, source string, between func()) {
	t.Helper()
	c, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.ParseIP(source)}, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(r.udp)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send := func(id uint16) {
		m := ask("localhost.", dns.TypeA)
		m.Id = id
		b, _ := m.Pack()
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	send(1)
	// Another interface's question is behind the first one in the same socket.
	if _, _, err := (&dns.Client{Dialer: &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 3)}}}).Exchange(ask("localhost.", dns.TypeA), r.udp); err != nil {
		t.Fatal(err)
	}
	between()
	send(2)
	b := make([]byte, 512)
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(b); err != nil || n < 12 || binary.BigEndian.Uint16(b) != 2 {
		t.Errorf("got %x %v, want only the second answer", b[:n], err)
	}
}

func TestTooManyPacketsAreDropped(t *testing.T) {
	var late atomic.Int64 // seconds
	r := run(t, func() time.Time { return time.Unix(1e9+late.Load(), 0) })
	c := &dns.Conn{}
	var err error
	if c.Conn, err = net.Dial("udp4", r.udp); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range QueryRate {
		if err := c.WriteMsg(ask("localhost.", dns.TypeA)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.ReadMsg(); err != nil {
			t.Fatal(err)
		}
	}
	other := &dns.Client{Dialer: &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}}}
	silent(t, r, "127.0.0.1", func() {
		if in, _, err := other.Exchange(ask("localhost.", dns.TypeA), r.udp); err != nil || len(in.Answer) != 1 {
			t.Errorf("another interface is not answered: %v %v", in, err)
		}
		late.Add(1)
	})
	if n := r.Counters().Dropped; n != 1 {
		t.Errorf("%d packets dropped, want 1", n)
	}
}

func TestStreamsArePipelined(t *testing.T) {
	r := run(t, time.Now)
	c, err := net.Dial("tcp4", r.tcp)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const n = 200
	var out []byte
	for i := range n {
		m := ask("ip-10-0-0-5.ec2.internal.", dns.TypeA)
		m.Id = uint16(i)
		b, _ := m.Pack()
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(b))), b...)
	}
	// The last message comes in pieces, the answers to the others before it.
	if _, err := c.Write(out[:len(out)-3]); err != nil {
		t.Fatal(err)
	}
	d := &dns.Conn{Conn: c}
	for i := range n {
		if i == n-1 {
			if _, err := c.Write(out[len(out)-3:]); err != nil {
				t.Fatal(err)
			}
		}
		in, err := d.ReadMsg()
		if err != nil || in.Id != uint16(i) {
			t.Fatalf("answer %d: %v %v", i, in, err)
		}
	}
}

func TestBadStreams(t *testing.T) {
	r := run(t, time.Now)
	for _, c := range []struct {
		name string
		in   string
	}{
		{"message too large", "\xff\xff"},
		{"half a message", "\x00\x20abc"},
		{"half a length", "\x00"},
		{"nothing", ""},
		{"empty message", "\x00\x00"},
		{"not DNS", "GET / HTTP/1.1\r\n\r\n"},
		{"an answer", "\x00\x0c\x00\x01\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
	} {
		conn, err := net.Dial("tcp4", r.tcp)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, c.in); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn)
		if len(got) > 0 || err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: got %x %v", c.name, got, err)
		}
		conn.Close()
	}
}

func BenchmarkServe(b *testing.B) {
	for _, c := range []struct{ name, q string }{{"private", "ip-10-0-0-5.ec2.internal."}, {"nxdomain", "x.ec2.internal."}} {
		b.Run(c.name, func(b *testing.B) {
			r := run(b, time.Now)
			r.limit.Rate, r.limit.Burst = 1<<40, 1<<40
			r.mu.Lock()
			clear(r.places)
			r.mu.Unlock()
			udp := listen(b)
			done := make(chan error)
			go func() { done <- r.ServePacket(udp, scope.Key("vpc-1")) }()
			conn, err := net.Dial("udp4", udp.LocalAddr().String())
			if err != nil {
				b.Fatal(err)
			}
			m, _ := ask(c.q, dns.TypeA).Pack()
			in := make([]byte, 512)
			const window = 64
			for range window {
				conn.Write(m)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conn.Read(in); err != nil {
					b.Fatal(err)
				}
				conn.Write(m)
			}
			conn.Close()
			udp.Close()
			<-done
		})
	}
}
