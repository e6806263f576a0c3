package dnsview

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

const testAccount = "000000000000"

// zones is a store with hosted zones, which tests write as text.
type zones struct {
	testing.TB
	store *state.Store
}

func newZones(t testing.TB) *zones {
	t.Helper()
	s, err := state.Open(state.Config{Now: time.Now, Rand: rand.Reader, DetectMutations: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &zones{t, s}
}

func (z *zones) write(fn func(tx *state.Tx)) {
	z.Helper()
	if _, err := z.store.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		z.Fatal(err)
	}
}

// zone makes a zone from lines "NAME TTL TYPE VALUE|VALUE", where NAME is within
// the zone, "@" is the apex, TTL "alias" makes an alias of the value and words
// behind " ; " say more: id=, weight=, latency=, failover=, geo=, cidr=, check=,
// multi, evaluate, of= (an alias's zone), bias=, near=.
func (z *zones) zone(id, apex string, vpcs []string, lines ...string) {
	z.Helper()
	name := mustName(apex)
	row := &state.HostedZone{Meta: state.Meta{Key: state.Key{Account: testAccount, ID: id}}, Name: name.Escaped(), Reversed: name.Reversed(), Private: vpcs != nil}
	for _, v := range vpcs {
		region, vpc, _ := strings.Cut(v, "/")
		row.Vpcs = append(row.Vpcs, state.ZoneVpc{Region: region, ID: vpc, Account: testAccount})
	}
	if !row.Private {
		n, _ := strconv.Atoi(strings.TrimLeft(id, "Z")) // the zones of a test have different name servers
		row.NameServers = NameServerSet([4]int{n, n, n, n})
	}
	lines = append([]string{"@ 172800 NS ns-0.awsdns-00.com.", "@ 900 SOA ns-0.awsdns-00.com. a.b. 1 7200 900 1209600 86400"}, lines...)
	z.write(func(tx *state.Tx) {
		state.HostedZones.Put(tx, row)
		for _, line := range lines {
			state.RecordSets.Put(tx, z.set(row, name, line))
		}
	})
}

func (z *zones) set(row *state.HostedZone, apex Name, line string) *state.RecordSet {
	z.Helper()
	data, options, _ := strings.Cut(line, " ; ")
	part := strings.SplitN(data, " ", 4)
	owner := row.Name
	if part[0] != "@" {
		owner = part[0] + "." + row.Name
	}
	name, err := ParseEscaped(owner)
	if err != nil {
		z.Fatal(err)
	}
	s := &state.RecordSet{ZoneID: row.ID, Name: name.Escaped(), Type: part[2]}
	if part[1] == "alias" {
		s.Alias = &state.AliasTarget{ZoneID: row.ID, Name: part[3]}
	} else {
		s.TTL, _ = strconv.ParseInt(part[1], 10, 64)
		for value := range strings.SplitSeq(part[3], "|") {
			raw, err := ParseData(s.Type, value)
			if err != nil {
				z.Fatal(err)
			}
			s.Values, s.Rdata = append(s.Values, value), append(s.Rdata, raw)
		}
	}
	for word := range strings.FieldsSeq(options) {
		key, value, _ := strings.Cut(word, "=")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch key {
		case "id":
			s.SetID = value
		case "weight":
			s.Weight = &n
		case "latency":
			s.Latency = value
		case "failover":
			s.Failover = value
		case "geo":
			place := strings.SplitN(value+"//", "/", 3)
			s.Geo = &state.GeoLocation{Continent: place[0], Country: place[1], Subdivision: strings.Trim(place[2], "/")}
		case "cidr":
			s.Cidr = &state.CidrRouting{CollectionID: "col", Location: value}
		case "check":
			s.HealthCheckID = value
		case "multi":
			s.Multivalue = true
		case "of":
			s.Alias.ZoneID = value
		case "evaluate":
			s.Alias.EvaluateHealth = true
		case "near":
			s.Proximity = &state.GeoProximity{Region: value}
		case "bias":
			s.Proximity.Bias = int32(n)
		default:
			z.Fatalf("the test knows no option %q", word)
		}
	}
	s.Meta = state.Meta{Key: state.Key{Account: testAccount, ID: state.RecordSetID(row.ID, name.Reversed(), s.Type, s.SetID)}}
	return s
}

// check makes a health check.
func (z *zones) check(id string, change func(*state.HealthCheck)) {
	z.Helper()
	h := &state.HealthCheck{Meta: state.Meta{Key: state.Key{Account: testAccount, ID: id}}, Type: "TCP"}
	change(h)
	z.write(func(tx *state.Tx) { state.HealthChecks.Put(tx, h) })
}

// public asks a public zone, and gives the answer in one line.
func (z *zones) public(id, ask string, p Place, draw uint64) string {
	z.Helper()
	r := z.store.Snapshot()
	row, ok := state.HostedZones.Get(r, state.Key{Account: testAccount, ID: id})
	if !ok {
		z.Fatalf("there is no zone %s", id)
	}
	return line(PublicAnswer(r, row, asked(z.TB, ask), p, draw))
}

func asked(t testing.TB, ask string) Question {
	t.Helper()
	name, typ, _ := strings.Cut(ask, " ")
	n, err := ParseEscaped(name)
	if err != nil {
		t.Fatal(err)
	}
	code, ok := TypeOf(typ)
	if !ok && typ == "ANY" {
		code = TypeANY
	}
	return Question{Name: n, Type: code, Recurse: true}
}

// line is an answer as "A www.a. 60 10.0.0.1; CNAME …", "NXDOMAIN a. 900", "NODATA a.
// 900", "REFERRAL sub.a. 60 ns1.".
func line(a Answer) string {
	var parts []string
	for _, r := range a.Answer {
		parts = append(parts, fmt.Sprintf("%s %s %d %s", TypeName(r.Type), r.Name.Escaped(), r.TTL, r.Value()))
	}
	switch {
	case a.Rcode == NameError:
		parts = append(parts, "NXDOMAIN")
	case a.Rcode != Success:
		parts = append(parts, fmt.Sprint("rcode ", a.Rcode))
	case len(a.Authority) > 0 && a.Authority[0].Type == TypeNS:
		parts = append(parts, "REFERRAL")
	case len(a.Authority) > 0:
		parts = append(parts, "NODATA")
	}
	for _, r := range a.Authority {
		value := ""
		if r.Type == TypeNS {
			value = " " + r.Value()
		}
		parts = append(parts, fmt.Sprintf("%s %d%s", r.Name.Escaped(), r.TTL, value))
	}
	return strings.Join(parts, "; ")
}

// TestHostedZone: what a zone has, what stands for it, and what it has not.
func TestHostedZone(t *testing.T) {
	z := newZones(t)
	z.zone("Z1", "a.test", nil,
		"@ 300 A 192.0.2.1",
		"www 60 CNAME a.test",
		"two 60 CNAME www.a.test.",
		"out 60 CNAME www.b.test.",
		"loop 60 CNAME loop2.a.test",
		"loop2 60 CNAME loop.a.test",
		`deep.ent 60 TXT "x y"|"\101\"b"`,
		"* 30 A 192.0.2.9",
		"*.sub 30 MX 10 mail.a.test",
		"exact.sub 30 A 192.0.2.3",
		`x\052y 30 A 192.0.2.4`,
		"cut 99 NS ns1.b.test.",
		"cut 99 DS 1 8 2 ABCD",
		"glue.cut 30 A 192.0.2.5",
		"alias alias A a.test.",
		"cname alias CNAME www.a.test.",
		"nowhere alias A gone.a.test.")
	for ask, want := range map[string]string{
		"a.test A":             "A a.test. 300 192.0.2.1",
		"A.Test A":             "A a.test. 300 192.0.2.1",
		"a.test MX":            "NODATA; a.test. 900",
		"a.test SOA":           "SOA a.test. 900 ns-0.awsdns-00.com. a.b. 1 7200 900 1209600 86400",
		"www.a.test A":         "CNAME www.a.test. 60 a.test; A a.test. 300 192.0.2.1",
		"two.a.test A":         "CNAME two.a.test. 60 www.a.test.; CNAME www.a.test. 60 a.test; A a.test. 300 192.0.2.1",
		"www.a.test MX":        "CNAME www.a.test. 60 a.test; NODATA; a.test. 900",
		"www.a.test CNAME":     "CNAME www.a.test. 60 a.test",
		"out.a.test A":         "CNAME out.a.test. 60 www.b.test.",
		"loop.a.test A":        "CNAME loop.a.test. 60 loop2.a.test; CNAME loop2.a.test. 60 loop.a.test",
		"ent.a.test A":         "NODATA; a.test. 900",   // an empty non-terminal exists
		"x.ent.a.test A":       "NXDOMAIN; a.test. 900", // and the wildcard does not reach below it
		"any.a.test A":         "A any.a.test. 30 192.0.2.9",
		"b.any.a.test A":       "A b.any.a.test. 30 192.0.2.9",
		"any.a.test MX":        "NODATA; a.test. 900",
		"any.sub.a.test MX":    "MX any.sub.a.test. 30 10 mail.a.test",
		"any.sub.a.test A":     "NODATA; a.test. 900",
		"b.exact.sub.a.test A": "NXDOMAIN; a.test. 900",
		`\052.a.test A`:        "A \\052.a.test. 30 192.0.2.9",
		`x\052y.a.test A`:      "A x\\052y.a.test. 30 192.0.2.4",
		"cut.a.test A":         "REFERRAL; cut.a.test. 99 ns1.b.test.",
		"glue.cut.a.test A":    "REFERRAL; cut.a.test. 99 ns1.b.test.",
		"no.cut.a.test NS":     "REFERRAL; cut.a.test. 99 ns1.b.test.",
		"cut.a.test DS":        "DS cut.a.test. 99 1 8 2 ABCD",
		"alias.a.test A":       "A alias.a.test. 300 192.0.2.1",
		"alias.a.test AAAA":    "NODATA; a.test. 900",
		"cname.a.test A":       "CNAME cname.a.test. 60 a.test; A a.test. 300 192.0.2.1",
		"nowhere.a.test A":     "NODATA; a.test. 900",
		"b.test A":             "rcode 5",
	} {
		if got := z.public("Z1", ask, Place{}, 0); got != want {
			t.Errorf("%s\n got %s\nwant %s", ask, got, want)
		}
	}
	if got := z.public("Z1", "deep.ent.a.test TXT", Place{}, 0); !strings.Contains(got, `"x y"`) || !strings.Contains(got, `"\101\"b"`) {
		t.Error(got)
	}
	if got := z.public("Z1", "a.test ANY", Place{}, 0); strings.Count(got, ";") != 2 {
		t.Error(got)
	}
}

// shares counts what many draws answer with.
func (z *zones) shares(ask string, p Place) map[string]int {
	counts := map[string]int{}
	for draw := range uint64(2000) {
		counts[z.public("Z1", ask, p, draw)]++
	}
	return counts
}

// TestPolicies: who gets which record, and what health does to it.
func TestPolicies(t *testing.T) {
	z := newZones(t)
	z.check("up", func(*state.HealthCheck) {})
	z.check("down", func(h *state.HealthCheck) { h.Down = true })
	z.check("disabled", func(h *state.HealthCheck) { h.Down, h.Disabled = true, true })
	z.check("inverted", func(h *state.HealthCheck) { h.Inverted = true })
	for id, n := range map[string]int32{"none": 0, "one": 1, "both": 2, "three": 3} {
		z.check(id, func(h *state.HealthCheck) {
			h.Type, h.HealthThreshold, h.Children = "CALCULATED", &n, []string{"up", "disabled"}
		})
	}
	z.write(func(tx *state.Tx) {
		state.CidrCollections.Put(tx, &state.CidrCollection{Meta: state.Meta{Key: state.Key{Account: testAccount, ID: "col"}}, Locations: []state.CidrLocation{
			{Name: "wide", Blocks: []netip.Prefix{netip.MustParsePrefix("198.51.0.0/16")}},
			{Name: "narrow", Blocks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8::/32")}},
		}})
	})
	z.zone("Z1", "a.test", nil,
		"w 5 A 192.0.2.1 ; id=a weight=3",
		"w 5 A 192.0.2.2 ; id=b weight=1",
		"w 5 A 192.0.2.3 ; id=c weight=0",
		"wd 5 A 192.0.2.1 ; id=a weight=255 check=down",
		"wd 5 A 192.0.2.2 ; id=b weight=0",
		"w0 5 A 192.0.2.1 ; id=a weight=0",
		"w0 5 A 192.0.2.2 ; id=b weight=0",
		"alldown 5 A 192.0.2.1 ; id=a weight=0 check=down",
		"alldown 5 A 192.0.2.2 ; id=b weight=1 check=down",
		"l 5 A 192.0.2.1 ; id=a latency=us-east-1",
		"l 5 A 192.0.2.2 ; id=b latency=eu-west-1",
		"l 5 A 192.0.2.3 ; id=c latency=eu-central-1 check=down",
		"f 5 A 192.0.2.1 ; id=p failover=PRIMARY check=down",
		"f 5 A 192.0.2.2 ; id=s failover=SECONDARY",
		"f2 5 A 192.0.2.1 ; id=p failover=PRIMARY check=down",
		"f2 5 A 192.0.2.2 ; id=s failover=SECONDARY check=down",
		"f3 5 A 192.0.2.1 ; id=p failover=PRIMARY check=disabled",
		"f3 5 A 192.0.2.2 ; id=s failover=SECONDARY",
		"g 5 A 192.0.2.1 ; id=va geo=/US/VA",
		"g 5 A 192.0.2.2 ; id=us geo=/US",
		"g 5 A 192.0.2.3 ; id=na geo=NA",
		"g 5 A 192.0.2.4 ; id=any geo=/*",
		"g2 5 A 192.0.2.1 ; id=va geo=/US/VA check=down",
		"g2 5 A 192.0.2.2 ; id=us geo=/US",
		"g3 5 A 192.0.2.1 ; id=fr geo=/FR",
		"p 5 A 192.0.2.1 ; id=a near=us-east-1",
		"p 5 A 192.0.2.2 ; id=b near=eu-west-1",
		"pb 5 A 192.0.2.1 ; id=a near=us-east-1 bias=99",
		"pb 5 A 192.0.2.2 ; id=b near=eu-west-1 bias=-99",
		"c 5 A 192.0.2.1 ; id=n cidr=narrow",
		"c 5 A 192.0.2.2 ; id=w cidr=wide",
		"c 5 A 192.0.2.3 ; id=d cidr=*",
		"c2 5 A 192.0.2.1 ; id=n cidr=narrow",
		"inv 5 A 192.0.2.1 ; id=p failover=PRIMARY check=inverted",
		"inv 5 A 192.0.2.2 ; id=s failover=SECONDARY",
		"calc3 5 A 192.0.2.1 ; id=p failover=PRIMARY check=three",
		"calc3 5 A 192.0.2.2 ; id=s failover=SECONDARY",
		"calc2 5 A 192.0.2.1 ; id=p failover=PRIMARY check=both",
		"calc2 5 A 192.0.2.2 ; id=s failover=SECONDARY",
		// A tree: latency over weighted, evaluated or not.
		"tree alias A f2.a.test. ; id=a latency=us-east-1 evaluate",
		"tree alias A w.a.test. ; id=b latency=eu-west-1 evaluate",
		"blind alias A f2.a.test. ; id=a latency=us-east-1",
		"blind alias A w.a.test. ; id=b latency=eu-west-1",
		"checked alias A w.a.test. ; id=p failover=PRIMARY evaluate check=down",
		"checked alias A f.a.test. ; id=s failover=SECONDARY evaluate",
		"self alias A self2.a.test. ; evaluate",
		"self2 alias A self.a.test. ; evaluate")
	virginia, dublin := RegionPlace("us-east-1"), RegionPlace("eu-west-1")
	client := func(s string) Place { return Place{Client: netip.MustParsePrefix(s)} }
	for _, tt := range []struct {
		ask  string
		from Place
		want string // the last octet
	}{
		{"l", virginia, "1"}, {"l", dublin, "2"}, {"l", RegionPlace("eu-central-1"), "2"}, {"l", Place{}, "1"},
		{"f", Place{}, "2"}, {"f2", Place{}, "1"}, {"f3", Place{}, "1"}, {"inv", Place{}, "2"}, {"calc3", Place{}, "2"}, {"calc2", Place{}, "1"},
		{"wd", Place{}, "2"}, {"alldown", Place{}, "2"},
		{"g", virginia, "1"}, {"g", RegionPlace("us-west-2"), "2"}, {"g", RegionPlace("ca-central-1"), "3"}, {"g", dublin, "4"}, {"g", Place{}, "4"},
		{"g2", virginia, "2"}, {"g3", virginia, ""},
		{"p", virginia, "1"}, {"p", dublin, "2"}, {"pb", RegionPlace("eu-central-1"), "1"},
		{"c", client("198.51.100.7/32"), "1"}, {"c", client("198.51.101.7/32"), "2"}, {"c", client("198.51.0.0/20"), "2"}, {"c", client("192.0.2.1/32"), "3"},
		{"c", client("2001:db8:1::/48"), "1"}, {"c", client("2001::/16"), "3"}, {"c2", client("192.0.2.1/32"), ""}, {"c2", Place{}, ""},
		{"blind", virginia, "1"}, {"checked", Place{}, "2"}, {"self", Place{}, ""},
	} {
		want := "NODATA; a.test. 900"
		if tt.want != "" {
			want = "A " + tt.ask + ".a.test. 5 192.0.2." + tt.want
		}
		if got := z.public("Z1", tt.ask+".a.test A", tt.from, 7); got != want {
			t.Errorf("%s from %+v\n got %s\nwant %s", tt.ask, tt.from, got, want)
		}
	}
	// Of a group in which some draw decides, each has its share.
	for ask, want := range map[string]map[string]float64{
		"w":    {"1": 0.75, "2": 0.25},
		"w0":   {"1": 0.5, "2": 0.5},
		"tree": {"1": 0.75, "2": 0.25}, // the unhealthy branch is left for the other
	} {
		from := virginia
		counts := z.shares(ask+".a.test A", from)
		if len(counts) != len(want) {
			t.Errorf("%s: %v", ask, counts)
		}
		for octet, share := range want {
			got := float64(counts["A "+ask+".a.test. 5 192.0.2."+octet]) / 2000
			if got < share-0.05 || got > share+0.05 {
				t.Errorf("%s: %s has the share %.2f, want %.2f", ask, octet, got, share)
			}
		}
	}
}

// TestMultivalue: eight at most of the healthy, or of all if none is.
func TestMultivalue(t *testing.T) {
	z := newZones(t)
	z.check("down", func(h *state.HealthCheck) { h.Down = true })
	var lines []string
	for i := range 12 {
		check := ""
		if i < 3 {
			check = " check=down"
		}
		lines = append(lines, fmt.Sprintf("many 5 A 192.0.2.%d ; id=%d multi%s", i, i, check), fmt.Sprintf("sick 5 A 192.0.2.%d ; id=%d multi check=down", i, i))
		if i < 5 {
			lines = append(lines, fmt.Sprintf("few 5 A 192.0.2.%d ; id=%d multi%s", i, i, check))
		}
	}
	z.zone("Z1", "a.test", nil, lines...)
	for ask, want := range map[string]struct{ each, all int }{"many": {8, 9}, "few": {2, 2}, "sick": {8, 12}} {
		seen := map[string]bool{}
		for answer := range z.shares(ask+".a.test A", Place{}) {
			records := strings.Split(answer, "; ")
			if len(records) != want.each {
				t.Fatalf("%s: %d records: %s", ask, len(records), answer)
			}
			for _, r := range records {
				seen[r] = true
			}
		}
		if len(seen) != want.all {
			t.Errorf("%s: %d records are ever answered, want %d", ask, len(seen), want.all)
		}
	}
}

// TestAliasesInAllDirections: groups of aliases of groups of aliases, all of which
// evaluate health, are each judged once.
func TestAliasesInAllDirections(t *testing.T) {
	z := newZones(t)
	z.check("down", func(h *state.HealthCheck) { h.Down = true })
	lines := []string{"n0 5 A 192.0.2.1 ; id=x weight=1 check=down"}
	for level := 1; level < 14; level++ {
		for i := range 20 {
			lines = append(lines, fmt.Sprintf("n%d alias A n%d.a.test. ; id=%d weight=1 evaluate", level, level-1, i))
		}
	}
	z.zone("Z1", "a.test", nil, lines...)
	if got := z.public("Z1", "n13.a.test A", Place{}, 0); got != "A n13.a.test. 5 192.0.2.1" {
		t.Error(got)
	}
}

// TestNameServers: the form of their names, and their addresses (seen in public
// DNS: ns-692.awsdns-22.net is 205.251.194.180).
func TestNameServers(t *testing.T) {
	for n, want := range map[int]string{
		0: "ns-0.awsdns-00.com 205.251.192.0 2600:9000:5300::1", 511: "ns-511.awsdns-63.com 205.251.193.255 2600:9000:5301:ff00::1",
		692: "ns-692.awsdns-22.net 205.251.194.180 2600:9000:5302:b400::1", 1024: "ns-1024.awsdns-00.org 205.251.196.0 2600:9000:5304::1",
		2047: "ns-2047.awsdns-63.co.uk 205.251.199.255 2600:9000:5307:ff00::1",
	} {
		a := NameServerAddrs(n)
		if got := NameServer(n) + " " + a[0].String() + " " + a[1].String(); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	if got := strings.Join(PrivateNameServers(), " "); got != "ns-0.awsdns-00.com ns-512.awsdns-00.net ns-1024.awsdns-00.org ns-1536.awsdns-00.co.uk" {
		t.Error(got)
	}
}

// TestClientPlace: an address is where its owner is.
func TestClientPlace(t *testing.T) {
	z := newZones(t)
	z.write(func(tx *state.Tx) {
		state.Addresses.Put(tx, &state.Address{Meta: state.Meta{Key: state.Key{Account: testAccount, Region: "eu-west-3", ID: "eipalloc-1"}}, PublicIP: netip.MustParseAddr("198.51.100.1")})
		state.NetworkInterfaces.Put(tx, &state.NetworkInterface{Meta: state.Meta{Key: state.Key{Account: testAccount, Region: "sa-east-1", ID: "eni-1"}},
			Addresses: []state.PrivateAddress{{Addr: netip.MustParseAddr("10.0.0.4"), Primary: true, PublicIP: netip.MustParseAddr("198.51.100.2")}}})
	})
	for client, want := range map[string]string{"198.51.100.1/32": "FR", "198.51.100.2/32": "BR", "198.51.100.3/32": "", "198.51.100.0/24": ""} {
		if p := ClientPlace(z.store.Snapshot(), netip.MustParsePrefix(client)); p.Country != want || p.Client.String() != client {
			t.Errorf("%s: %+v", client, p)
		}
	}
}

// FuzzHosted asks a zone anything: answers are whole, and the same draw gives the
// same answer.
func FuzzHosted(f *testing.F) {
	for _, s := range []string{"a.test", "www.a.test", "x.y.a.test", `\052.a.test`, "cut.a.test", "w.a.test", "loop.a.test", "d.a.test", "x.d.a.test"} {
		f.Add(s, uint16(TypeA), uint64(0))
		f.Add(s, uint16(TypeANY), uint64(1))
	}
	z := newZones(f)
	z.zone("Z1", "a.test", []string{"us-east-1/vpc-1"}, "www 60 CNAME a.test", "* 60 A 192.0.2.1|192.0.2.2", "cut 60 NS ns.cut.a.test", "ns.cut 60 A 192.0.2.3", "loop 60 CNAME loop.a.test",
		"w 60 A 192.0.2.1 ; id=a weight=1", "w 60 A 192.0.2.2 ; id=b weight=2", "d 60 DNAME www.a.test.", "e.n.t 60 MX 10 ns.cut.a.test", "al alias A w.a.test. ; evaluate")
	w := newWorld("us-east-1")
	z.write(func(tx *state.Tx) { state.Vpcs.Put(tx, w.vpc) })
	r := z.store.Snapshot()
	row, _ := state.HostedZones.Get(r, state.Key{Account: testAccount, ID: "Z1"})
	view, _ := At(r, w.vpc.Key)
	f.Fuzz(func(t *testing.T, name string, typ uint16, draw uint64) {
		n, err := ParseEscaped(name)
		if err != nil {
			return
		}
		q := Question{Name: n, Type: Type(typ), Recurse: true, Draw: draw}
		a := PublicAnswer(r, row, q, Place{}, draw)
		if fmt.Sprint(a) != fmt.Sprint(PublicAnswer(r, row, q, Place{}, draw)) {
			t.Fatal("the same draw gives another answer")
		}
		for _, a := range []Answer{a, view.Answer(q)} {
			if a.Rcode == Success && len(a.Answer)+len(a.Authority) == 0 {
				t.Fatalf("%s %d: nothing at all", n, typ)
			}
			if a.Rcode == NameError && (len(a.Authority) != 1 || a.Authority[0].Type != TypeSOA) {
				t.Fatalf("%s %d: %+v", n, typ, a)
			}
			for _, rec := range append(append(a.Answer, a.Authority...), a.Additional...) {
				if rec.Name == "" || rec.Data == "" || rec.Type == 0 {
					t.Fatalf("%s %d: record %+v", n, typ, rec)
				}
			}
		}
	})
}
