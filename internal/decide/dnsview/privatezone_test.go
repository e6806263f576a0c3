package dnsview

import (
	"fmt"
	"testing"

	"github.com/localvpc/localvpc/internal/state"
)

// TestPrivateZones: the zones of a VPC answer in it and nowhere else; the longest
// wins and never falls back.
func TestPrivateZones(t *testing.T) {
	w := newWorld("eu-west-1")
	z := newZones(t)
	other := *w.vpc
	other.Key = w.vpc.Scope().Key("vpc-2")
	z.write(func(tx *state.Tx) {
		state.Vpcs.Put(tx, w.vpc)
		state.Vpcs.Put(tx, &other)
		state.Instances.Put(tx, w.instance)
	})
	both := []string{"eu-west-1/vpc-1", "us-east-1/vpc-1"}
	z.zone("Z1", "corp.test", both,
		"db 60 CNAME ip-10-0-0-5.eu-west-1.compute.internal.",
		"www 60 CNAME web.dev.corp.test.",
		"gone 60 CNAME nobody.example.",
		"loop 60 CNAME loop.dev.corp.test.",
		"sub 60 NS ns1.example.",
		"x.sub 60 A 10.0.0.8",
		"near 60 A 10.0.0.1 ; id=a latency=us-east-1",
		"near 60 A 10.0.0.2 ; id=b latency=eu-west-1",
		"lb alias A x.elb.amazonaws.com. ; evaluate",
		"dev.other 60 A 10.0.0.9",
		"only 60 A 10.0.0.6")
	z.zone("Z2", "dev.corp.test", both[:1], "web 60 A 10.0.0.7", "loop 60 CNAME loop.corp.test.")
	z.zone("Z3", "amazonaws.com", both[:1], "x.elb alias A x.elb.amazonaws.com.")
	z.zone("Z4", "eu-west-1.compute.internal", []string{"eu-west-1/vpc-3"}, "ip-10-0-0-5 60 A 10.9.9.9")
	z.zone("Z5", "public.test", nil, "www 60 A 192.0.2.1")
	ask := func(vpc state.Key, question, want string) {
		t.Helper()
		v, ok := At(z.store.Snapshot(), vpc)
		if !ok {
			t.Fatal("the VPC has no resolver")
		}
		if got := line(v.Answer(asked(t, question))); got != want {
			t.Errorf("%s in %s\n got %s\nwant %s", question, vpc.ID, got, want)
		}
	}
	one := w.vpc.Key
	const address = "A ip-10-0-0-5.eu-west-1.compute.internal. 60 10.0.0.5"
	ask(one, "only.corp.test A", "A only.corp.test. 60 10.0.0.6")
	ask(one, "only.corp.test AAAA", "NODATA; corp.test. 900")
	ask(one, "none.corp.test A", "NXDOMAIN; corp.test. 900")
	ask(one, "other.corp.test A", "NODATA; corp.test. 900")
	ask(one, "db.corp.test A", "CNAME db.corp.test. 60 ip-10-0-0-5.eu-west-1.compute.internal.; "+address)
	ask(one, "db.corp.test CNAME", "CNAME db.corp.test. 60 ip-10-0-0-5.eu-west-1.compute.internal.")
	ask(one, "www.corp.test A", "CNAME www.corp.test. 60 web.dev.corp.test.; A web.dev.corp.test. 60 10.0.0.7")
	ask(one, "gone.corp.test A", "CNAME gone.corp.test. 60 nobody.example.; NXDOMAIN; . 60")
	ask(one, "loop.corp.test A", "rcode 2")
	ask(one, "lb.corp.test A", "NODATA; corp.test. 900")
	ask(one, "x.elb.amazonaws.com A", "NODATA; amazonaws.com. 900")
	ask(one, "near.corp.test A", "A near.corp.test. 60 10.0.0.2")
	ask(one, "sub.corp.test NS", "NS sub.corp.test. 60 ns1.example.")
	ask(one, "x.sub.corp.test A", "A x.sub.corp.test. 60 10.0.0.8") // nothing is delegated out of a private zone
	ask(one, "dev.corp.test A", "NODATA; dev.corp.test. 900")
	ask(one, "none.dev.corp.test A", "NXDOMAIN; dev.corp.test. 900") // no fall back to corp.test
	ask(one, "ip-10-0-0-5.eu-west-1.compute.internal A", address)
	ask(one, "www.public.test A", "A www.public.test. 60 192.0.2.1")
	ask(one, "wwww.public.test A", "NXDOMAIN; public.test. 900")

	ask(other.Key, "only.corp.test A", "NXDOMAIN; test. 60")
	for _, off := range []func(*state.Vpc){func(v *state.Vpc) { v.EnableDnsHostnames = false }} {
		changed := *w.vpc
		off(&changed)
		z.write(func(tx *state.Tx) { state.Vpcs.Put(tx, &changed) })
		ask(one, "only.corp.test A", "NXDOMAIN; test. 60")
	}
}

// TestPrivateZoneBecause names the zone, the record set and where the answer went on.
func TestPrivateZoneBecause(t *testing.T) {
	w := newWorld("us-east-1")
	z := newZones(t)
	z.write(func(tx *state.Tx) { state.Vpcs.Put(tx, w.vpc) })
	z.zone("Z1", "corp.test", []string{"us-east-1/vpc-1"}, "db 60 CNAME ip-10-0-0-5.ec2.internal. ; id=a weight=1")
	v, _ := At(z.store.Snapshot(), w.vpc.Key)
	a := v.Answer(asked(t, "db.corp.test A"))
	var got []Decider
	for _, c := range a.Because {
		got = append(got, c.Decider)
	}
	want := []Decider{HostedZone, RecordSet, "weighted", CanonicalName, Autodefined, IPName}
	if len(got) != len(want) {
		t.Fatalf("because %v", a.Because)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("because %v, want %v", got, want)
		}
	}
	if a.Because[0].ID != "Z1" || a.Because[2].ID != "a" {
		t.Errorf("because %+v", a.Because)
	}
}

// BenchmarkPrivateZone: a hit, a miss, a weighted name and a CNAME to an IP name
// in a zone of 10,000 records.
func BenchmarkPrivateZone(b *testing.B) {
	w := newWorld("us-east-1")
	z := newZones(b)
	z.write(func(tx *state.Tx) { state.Vpcs.Put(tx, w.vpc) })
	lines := []string{"w 60 A 10.0.0.1 ; id=a weight=1", "w 60 A 10.0.0.2 ; id=b weight=1", "db 60 CNAME ip-10-0-0-5.ec2.internal."}
	for i := range 10000 {
		lines = append(lines, fmt.Sprintf("n%d 60 A 10.0.0.1", i))
	}
	z.zone("Z1", "corp.test", []string{"us-east-1/vpc-1"}, lines...)
	v, _ := At(z.store.Snapshot(), w.vpc.Key)
	for _, s := range []string{"n5000.corp.test A", "a.b.c.corp.test A", "w.corp.test A", "db.corp.test A"} {
		q := asked(b, s)
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Answer(q)
			}
		})
	}
}

// BenchmarkPublicZone: a hit, a miss and a weighted name, from the internet and at
// the zone's name server, with a thousand other zones.
func BenchmarkPublicZone(b *testing.B) {
	z := newZones(b)
	for i := range 1000 {
		z.zone(fmt.Sprintf("Z%d", i+1000), fmt.Sprintf("z%d.test", i), nil)
	}
	lines := []string{"w 60 A 10.0.0.1 ; id=a weight=1", "w 60 A 10.0.0.2 ; id=b weight=1"}
	for i := range 10000 {
		lines = append(lines, fmt.Sprintf("n%d 60 A 10.0.0.1", i))
	}
	z.zone("Z1", "corp.test", nil, lines...)
	server, _ := ServerAt(z.store.Snapshot(), NameServerAddrs(1)[0])
	for where, v := range map[string]*View{"internet": Internet(z.store.Snapshot()), "server": server} {
		for _, s := range []string{"n5000.corp.test A", "none.corp.test A", "w.corp.test A"} {
			q := asked(b, s)
			b.Run(where+"/"+s, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if a := v.Answer(q); a.Rcode != Success && a.Rcode != NameError {
						b.Fatal(a)
					}
				}
			})
		}
	}
}
