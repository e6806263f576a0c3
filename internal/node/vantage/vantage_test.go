package vantage

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

var scope = state.Scope{Account: "000000000000", Region: "us-east-1"}

func store(t testing.TB) *state.Store {
	t.Helper()
	s, err := state.Open(state.Config{Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t testing.TB, s *state.Store, id, vpc string, addrs ...string) {
	t.Helper()
	n := &state.NetworkInterface{Meta: state.Meta{Key: scope.Key(id)}, VpcID: vpc}
	for _, a := range addrs {
		n.Addresses = append(n.Addresses, state.PrivateAddress{Addr: netip.MustParseAddr(a)})
	}
	if _, err := s.Write(context.Background(), func(tx *state.Tx) error { state.NetworkInterfaces.Put(tx, n); return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestWhoAsks(t *testing.T) {
	s := store(t)
	put(t, s, "eni-1", "vpc-1", "10.0.0.5", "10.0.0.6")
	put(t, s, "eni-2", "vpc-2", "10.0.0.5")
	p := New(scope.Key("vpc-1"), s.Snapshot, time.Now, Limit{1, 1, 1})
	ask := func(addr string) string {
		a, ok := p.Asker(netip.MustParseAddr(addr))
		if !ok {
			return ""
		}
		return a.Interface.ID
	}
	for addr, want := range map[string]string{"10.0.0.5": "eni-1", "10.0.0.6": "eni-1", "::ffff:10.0.0.6": "eni-1", "10.0.0.7": "", "::1": ""} {
		if got := ask(addr); got != want {
			t.Errorf("%s is %q, want %q", addr, got, want)
		}
	}
	put(t, s, "eni-1", "vpc-1", "10.0.0.5")
	put(t, s, "eni-3", "vpc-1", "10.0.0.6")
	if got := ask("10.0.0.6"); got != "eni-3" {
		t.Errorf("after the address moved it is %q, want eni-3", got)
	}
	if _, err := s.Write(context.Background(), func(tx *state.Tx) error {
		state.NetworkInterfaces.Delete(tx, scope.Key("eni-3"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := ask("10.0.0.6"); got != "" {
		t.Errorf("after its interface is gone the address is %q", got)
	}
}

// TestWhoAsksOnTheInternet: whoever has a public address, each for itself.
func TestWhoAsksOnTheInternet(t *testing.T) {
	s := store(t)
	if _, err := s.Write(context.Background(), func(tx *state.Tx) error {
		state.Hosts.Put(tx, &state.Host{Meta: state.Meta{Key: state.Key{ID: "web"}}, Addr: netip.MustParseAddr("198.51.100.1")})
		state.Addresses.Put(tx, &state.Address{Meta: state.Meta{Key: scope.Key("eipalloc-1")}, PublicIP: netip.MustParseAddr("198.51.100.2")})
		state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: state.Meta{Key: scope.Key("eni-1")}, VpcID: "vpc-1",
			Addresses: []state.PrivateAddress{{Addr: netip.MustParseAddr("10.0.0.5"), PublicIP: netip.MustParseAddr("198.51.100.3")}}})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	p := New(Internet, s.Snapshot, time.Now, Limit{1, 1, 1})
	for addr, want := range map[string]bool{"198.51.100.1": true, "198.51.100.2": true, "198.51.100.3": true, "198.51.100.4": false, "10.0.0.5": false} {
		a, ok := p.Asker(netip.MustParseAddr(addr))
		if ok != want {
			t.Errorf("%s may ask: %v", addr, ok)
		}
		if !ok {
			continue
		}
		if !a.Take() || a.Take() {
			t.Errorf("%s has not one question of its own", addr)
		}
		if _, ok := a.Instance(); ok {
			t.Errorf("%s is an instance", addr)
		}
	}
}

func TestAllowance(t *testing.T) {
	s := store(t)
	put(t, s, "eni-1", "vpc-1", "10.0.0.5", "10.0.0.6")
	put(t, s, "eni-2", "vpc-1", "10.0.0.7")
	now := time.Now()
	p := New(scope.Key("vpc-1"), s.Snapshot, func() time.Time { return now }, Limit{Rate: 10, Burst: 5})
	take := func(addr string) (n int) {
		a, _ := p.Asker(netip.MustParseAddr(addr))
		for a.Take() {
			n++
		}
		return n
	}
	if a, b, c := take("10.0.0.5"), take("10.0.0.6"), take("10.0.0.7"); a != 5 || b != 0 || c != 5 {
		t.Errorf("took %d, %d from the same interface and %d from another; want 5, 0, 5", a, b, c)
	}
	now = now.Add(300 * time.Millisecond)
	if n := take("10.0.0.6"); n != 3 {
		t.Errorf("after 300 ms took %d, want 3", n)
	}
	now = now.Add(time.Hour)
	if n := take("10.0.0.6"); n != 5 {
		t.Errorf("after an hour took %d, want 5", n)
	}
}

func TestWaitSpreadsQuestions(t *testing.T) {
	s := store(t)
	put(t, s, "eni-1", "vpc-1", "10.0.0.5")
	snap := s.Snapshot()
	synctest.Test(t, func(t *testing.T) {
		p := New(scope.Key("vpc-1"), func() *state.Snapshot { return snap }, time.Now, Limit{Rate: 10, Burst: 5})
		a, _ := p.Asker(netip.MustParseAddr("10.0.0.5"))
		start := time.Now()
		for range 15 {
			if err := a.Wait(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start).Round(time.Millisecond); took != time.Second {
			t.Errorf("15 questions took %v, want 1s", took)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := a.Wait(ctx); err != context.Canceled {
			t.Errorf("error %v, want canceled", err)
		}
	})
}

func TestIdleAllowancesAreForgotten(t *testing.T) {
	s := store(t)
	if _, err := s.Write(context.Background(), func(tx *state.Tx) error {
		for i := range sweepSize + 1 {
			state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: state.Meta{Key: scope.Key(fmt.Sprint("eni-", i))}, VpcID: "vpc-1",
				Addresses: []state.PrivateAddress{{Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}}})
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	p := New(scope.Key("vpc-1"), s.Snapshot, func() time.Time { return now }, Limit{Rate: 1, Burst: 10})
	for i := range sweepSize + 1 {
		a, _ := p.Asker(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		if i == 0 {
			for a.Take() {
			}
		}
	}
	if len(p.allowances) != 2 {
		t.Errorf("%d allowances, want the one in use and the new one", len(p.allowances))
	}
	if a, _ := p.Asker(netip.MustParseAddr("10.0.0.0")); a.Take() {
		t.Error("an interface got a new allowance by the sweep")
	}
}

func TestConnections(t *testing.T) {
	s := store(t)
	put(t, s, "eni-1", "vpc-1", "127.0.0.2")
	put(t, s, "eni-2", "vpc-1", "127.0.0.3")
	p := New(scope.Key("vpc-1"), s.Snapshot, time.Now, Limit{Rate: 1, Burst: 1, Conns: 2})
	inner, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := p.Listen(inner)
	defer l.Close()
	dial := func(source string) net.Conn {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
		c, err := d.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	accept := func(want string) net.Conn {
		t.Helper()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := c.(*Conn).Source.String(); got != want {
			t.Errorf("accepted %s, want %s", got, want)
		}
		return c
	}
	dial("127.0.0.2")
	first := accept("127.0.0.2")
	dial("127.0.0.2")
	accept("127.0.0.2")
	dial("127.0.0.2") // one too many
	dial("127.0.0.4") // nobody
	dial("127.0.0.3")
	accept("127.0.0.3")
	first.Close()
	first.Close()
	dial("127.0.0.2")
	again := accept("127.0.0.2").(*Conn)
	if _, ok := again.Asker(); !ok {
		t.Error("the connection has no asker")
	}
	put(t, s, "eni-1", "vpc-1", "127.0.0.9")
	put(t, s, "eni-5", "vpc-1", "127.0.0.2")
	if a, ok := again.Asker(); ok {
		t.Errorf("the connection of eni-1 is now %s's", a.Interface.ID)
	}
}

func BenchmarkAsker(b *testing.B) {
	s := store(b)
	put(b, s, "eni-1", "vpc-1", "10.0.0.5")
	p := New(scope.Key("vpc-1"), s.Snapshot, time.Now, Limit{Rate: 1 << 30, Burst: 1 << 30})
	addr := netip.MustParseAddr("10.0.0.5")
	for b.Loop() {
		a, _ := p.Asker(addr)
		a.Take()
	}
}
