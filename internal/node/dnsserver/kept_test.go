package dnsserver

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/node/vantage"
	"github.com/localvpc/localvpc/internal/state"
)

// putZone makes a zone of lines "NAME TYPE VALUE|VALUE" with words like weight=3
// behind them; a type with "=" before it is an alias of the value.
func putZone(t testing.TB, tx *state.Tx, id, apex string, vpcs []state.ZoneVpc, lines []string) {
	t.Helper()
	name, err := dnsview.ParseName(apex)
	if err != nil {
		t.Fatal(err)
	}
	zone := &state.HostedZone{Meta: state.Meta{Key: state.Key{Account: "000000000000", ID: id}}, Name: name.Escaped(), Reversed: name.Reversed(), Private: vpcs != nil, Vpcs: vpcs}
	if vpcs == nil {
		n, _ := strconv.Atoi(id[1:])
		zone.NameServers = dnsview.NameServerSet([4]int{n, n, n, n})
	}
	state.HostedZones.Put(tx, zone)
	for i, line := range append([]string{"@ NS " + strings.Join(append(zone.NameServers, "ns.example."), "|"), "@ SOA ns.example. h.example. 1 7200 900 1209600 86400"}, lines...) {
		part := strings.SplitN(line, " ", 3)
		owner := name
		if part[0] != "@" {
			if owner, err = dnsview.ParseName(part[0] + "." + apex); err != nil {
				t.Fatal(err)
			}
		}
		s := &state.RecordSet{ZoneID: id, Name: owner.Escaped(), TTL: 60}
		value, options, _ := strings.Cut(part[2], " ; ")
		var alias bool
		if s.Type, alias = strings.CutPrefix(part[1], "="); alias {
			s.Alias = &state.AliasTarget{ZoneID: id, Name: value, EvaluateHealth: true}
		} else {
			for v := range strings.SplitSeq(value, "|") {
				data, err := dnsview.ParseData(s.Type, v)
				if err != nil {
					t.Fatal(line, err)
				}
				s.Values, s.Rdata = append(s.Values, v), append(s.Rdata, data)
			}
		}
		for word := range strings.FieldsSeq(options) {
			key, value, _ := strings.Cut(word, "=")
			n, _ := strconv.ParseInt(value, 10, 64)
			s.SetID = fmt.Sprint("set", i)
			switch key {
			case "weight":
				s.Weight = &n
			case "multi":
				s.Multivalue = true
			case "failover":
				s.Failover = value
			case "latency":
				s.Latency = value
			case "check":
				s.HealthCheckID = value
			}
		}
		s.Key = state.Key{Account: "000000000000", ID: state.RecordSetID(id, owner.Reversed(), s.Type, s.SetID)}
		state.RecordSets.Put(tx, s)
	}
}

// randomZone draws the lines of a zone: a group for some of its names.
func randomZone(r *rand.Rand, apex string) (lines []string) {
	a := func() string { return fmt.Sprintf("192.0.2.%d", r.IntN(256)) }
	for _, name := range []string{"a", "b", "c.b", "*.d", "e.f", "g", "h", "*"} {
		add := func(format string, args ...any) { lines = append(lines, name+" "+fmt.Sprintf(format, args...)) }
		check := func() string { return [...]string{"", " check=up", " check=down"}[r.IntN(3)] }
		target := [...]string{"a", "b", "c.b", "x.d", "none", "e.f"}[r.IntN(6)] + "." + apex + "."
		switch r.IntN(10) {
		case 0:
			add("A %s", a())
		case 1:
			values := a()
			for range r.IntN(8) {
				values += "|" + a()
			}
			add("A %s", values)
			add("TXT \"%s\"", strings.Repeat("x", r.IntN(250)))
		case 2:
			for range 1 + r.IntN(4) {
				add("A %s|%s ; weight=%d%s", a(), a(), r.IntN(4), check())
			}
		case 3:
			for range 1 + r.IntN(12) {
				add("A %s ; multi=%s", a(), check())
			}
		case 4:
			add("A %s ; failover=PRIMARY%s", a(), check())
			add("A %s ; failover=SECONDARY%s", a(), check())
		case 5:
			add("CNAME %s", target)
		case 6:
			add("=A %s", target)
		case 7:
			add("MX 10 %s|20 %s", target, target)
		case 8:
			if name != "*" && name != "*.d" {
				add("NS %s|ns.example.", target)
			}
		case 9:
			add("A %s ; latency=eu-west-1%s", a(), check())
			add("A %s ; latency=us-east-1%s", a(), check())
		}
	}
	return lines
}

// FuzzKept holds kept answers against those that are made anew, to the octet: over
// random zones, for whoever asks, whatever is drawn.
func FuzzKept(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		store := newStore(t)
		write(t, store, func(tx *state.Tx) {
			up := &state.HealthCheck{Meta: state.Meta{Key: state.Key{Account: "000000000000", ID: "up"}}, Type: "TCP"}
			down := *up
			down.ID, down.Down = "down", true
			state.HealthChecks.Put(tx, up)
			state.HealthChecks.Put(tx, &down)
			putZone(t, tx, "Z1", "a.test", nil, randomZone(r, "a.test"))
			putZone(t, tx, "Z2", "b.a.test", nil, randomZone(r, "b.a.test"))
			putZone(t, tx, "Z3", "a.test", []state.ZoneVpc{{Region: "us-east-1", ID: "vpc-1"}}, randomZone(r, "a.test"))
		})
		s := New(store.Snapshot, time.Now)
		var draw uint64
		s.draw = func() uint64 { return draw }
		root, _ := dnsview.ServerAt(store.Snapshot(), netip.MustParseAddr("198.41.0.4"))
		own, ok := dnsview.ServerAt(store.Snapshot(), dnsview.NameServerAddrs(1)[0])
		if root == nil || !ok {
			t.Fatal("no name servers")
		}
		in, _ := dnsview.At(store.Snapshot(), scope.Key("vpc-1"))
		client := netip.MustParsePrefix("127.0.0.1/32")
		kept := newAnswers(&s.kept)
		for range 600 {
			name := [...]string{"a", "b", "c.b", "x.d", "y.x.d", "e.f", "f", "g", "h", "none", "a.b", "d"}[r.IntN(12)] + "." + [...]string{"a.test.", "A.tesT."}[r.IntN(2)]
			m := ask(name, [...]uint16{dns.TypeA, dns.TypeA, dns.TypeA, dns.TypeTXT, dns.TypeMX, dns.TypeNS, dns.TypeANY, dns.TypeDS}[r.IntN(8)])
			m.RecursionDesired = r.IntN(4) > 0
			m.CheckingDisabled = r.IntN(4) == 0
			switch r.IntN(5) {
			case 0:
				m.SetEdns0(1232, true)
			case 1:
				m.SetEdns0(520, false)
			}
			b, err := m.Pack()
			if err != nil {
				t.Fatal(err)
			}
			over := transport(r.IntN(4) == 0)
			draw = r.Uint64N(40)
			for _, by := range []asked{{view: in, client: client}, {view: dnsview.Internet(store.Snapshot()), public: true, server: 1},
				{view: dnsview.Internet(store.Snapshot()), public: true, server: 2, client: client},
				{view: own, public: true, server: 3, client: client}, {view: root, public: true, server: 4, client: client}} {
				want := s.respond(&by, b, nil, over)
				by.kept = kept
				for _, time := range []string{"first", "second"} {
					if got := s.respond(&by, b, nil, over); string(got) != string(want) {
						t.Fatalf("%s by %+v, %s time:\n%x\nanew:\n%x", m, by, time, got, want)
					}
				}
			}
		}
		if kept.size == 0 || s.kept.Load() != int64(kept.size) {
			t.Errorf("%d octets are kept, of %d", kept.size, s.kept.Load())
		}
		if kept.end(); s.kept.Load() != 0 {
			t.Errorf("%d octets are never given back", s.kept.Load())
		}
	})
}

// TestKeptAnswersAreBounded: whatever is asked, they have no more room than this.
func TestKeptAnswersAreBounded(t *testing.T) {
	s, v := view(t)
	kept, other := newAnswers(&s.kept), newAnswers(&s.kept)
	text := make([]byte, 1<<10)
	for i := range 4 * maxKept / len(text) {
		kept.put([]byte(fmt.Sprint(i)), nil, text)
		if i%7 == 0 {
			other.put([]byte(fmt.Sprint(i)), nil, text)
		}
		if all := s.kept.Load(); all > maxKept || all < int64(kept.size) {
			t.Fatalf("%d octets, %d in one place", all, kept.size)
		}
	}
	if kept.find([]byte(fmt.Sprint(4*maxKept/len(text)-1)), 0) == nil {
		t.Error("when there is no more room, nothing new is kept")
	}
	kept.end()
	if kept.put([]byte("late"), nil, text); kept.find([]byte("late"), 0) != nil || s.kept.Load() != int64(other.size) {
		t.Error("something is kept after the end")
	}
	other.end()
	m, _ := ask("localhost.", dns.TypeA).Pack()
	if out := s.respond(&asked{view: v, kept: kept}, m, nil, overUDP); len(out) == 0 {
		t.Error("no answer without room")
	}
}

// TestKeptAnswersHoldAsLongAsTheState: a change that answers may depend on ends
// them, another one does not.
func TestKeptAnswersHoldAsLongAsTheState(t *testing.T) {
	store := newStore(t)
	s := New(store.Snapshot, time.Now)
	p := s.enter(scope.Key("vpc-1"))
	first := p.at(store.Snapshot())
	write(t, store, func(tx *state.Tx) {
		state.KeyPairs.Put(tx, &state.KeyPair{Meta: state.Meta{Key: scope.Key("key-1")}})
	})
	second := p.at(store.Snapshot())
	if second == first || second.kept != first.kept {
		t.Error("a key pair ends answers")
	}
	old := store.Snapshot()
	write(t, store, func(tx *state.Tx) { putVpc(tx, false) })
	third := p.at(store.Snapshot())
	if third.kept == second.kept || third.view != nil || first.kept.by != nil {
		t.Error("answers hold longer than what they were made of")
	}
	if p.at(old) != third {
		t.Error("the place goes back to a former state")
	}
	s.leave(p)
	if host := s.enter(vantage.Host); host.at(store.Snapshot()).view == nil {
		t.Error("the host sees nothing")
	}
}

func BenchmarkKept(b *testing.B) {
	s, v := view(b)
	m, _ := ask("ip-10-0-0-5.ec2.internal.", dns.TypeA).SetEdns0(1232, false).Pack()
	out := make([]byte, 0, 512)
	by := asked{view: v, kept: newAnswers(&s.kept)}
	b.ReportAllocs()
	for b.Loop() {
		s.respond(&by, m, out, overUDP)
	}
}
