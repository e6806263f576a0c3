package dnsview

import (
	"net/netip"
	"testing"

	"github.com/localvpc/localvpc/internal/decide/publicip"
)

// FuzzTree: whatever is asked, a name server says what an ordinary resolver can
// take: zones that hold the name, referrals that lead downwards, and no name that
// does not exist with one that does below it (RFC 8020). A resolver ends.
func FuzzTree(f *testing.F) {
	z := delegation(f)
	snap := z.store.Snapshot()
	at := append([]netip.Addr{registryHosts[0].addr, amazonHosts[0].addr}, publicip.RootServers[:1]...)
	for n := 7; n <= 15; n++ {
		at = append(at, NameServerAddrs(n)[0])
	}
	for _, name := range []string{
		"www.example.com", "x.y.ec2.example.com", "far.example.org", "loop.example.com", "ns-7.awsdns-00.com", "ns-1543.awsdns-00.co.uk",
		"ec2-192-0-2-1.compute-1.amazonaws.com", "1.1.1.9.in-addr.arpa", "9.113.0.203.in-addr.arpa", "1.2.18.198.in-addr.arpa", "a.root-servers.net",
		"x.gtld-servers.net", ".", "com", "test", "co.uk", "ec2.us-east-1.amazonaws.com", "cn-north-1.compute.amazonaws.com.cn", "x.other.example.com",
	} {
		for _, t := range []Type{TypeA, TypeNS, TypeDS, TypeSOA, TypePTR, TypeANY} {
			f.Add(name, uint16(t))
		}
	}
	f.Fuzz(func(t *testing.T, text string, typ uint16) {
		name, err := ParseName(text)
		if err != nil {
			return
		}
		q := Question{Name: name, Type: Type(typ), Draw: 1}
		for _, addr := range at {
			v, ok := ServerAt(snap, addr)
			if !ok {
				t.Fatalf("%s is no name server", addr)
			}
			a := v.Answer(q)
			if a.RA || a.Rcode == Refused && (a.AA || len(a.Answer)+len(a.Authority) > 0) {
				t.Fatalf("%s %d at %s: %+v", name, typ, addr, a)
			}
			for _, r := range a.Authority {
				if len(a.Answer) == 0 && !name.In(r.Name) {
					t.Fatalf("%s %d at %s: authority of %s", name, typ, addr, r.Name)
				}
			}
			if a.referral() == a.AA && a.Rcode != Refused && a.Rcode != ServerFailure {
				t.Fatalf("%s %d at %s: aa=%t, %+v", name, typ, addr, a.AA, a.Authority)
			}
			if _, above := name.First(); a.AA && a.Rcode == Success && name != Root {
				q := q
				q.Name = above
				if up := v.Answer(q); up.Rcode == NameError && len(up.Answer) == 0 && above.In(zoneOf(a)) {
					t.Fatalf("%s exists at %s, and %s above it does not", name, addr, above)
				}
			}
		}
		q.Recurse = true
		if a := Internet(snap).Answer(q); a.AA || !a.RA || a.referral() {
			t.Fatalf("%s %d: %+v", name, typ, a)
		}
	})
}

// zoneOf is the zone that an authoritative answer comes from.
func zoneOf(a Answer) Name {
	for _, c := range a.Because {
		if c.Decider == HostedZone || c.Decider == PublicTree {
			return c.Domain
		}
	}
	return Root
}
