package dnsview

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/localvpc/localvpc/internal/state"
)

// vectors are tiny zones with one question each, and what most of BIND, NSD, Knot
// and PowerDNS answer (Ferret dataset; the folder of facts says where it is from).
const vectors = "../../../../shared/conformance/ferret/vectors.jsonl.gz"

type vector struct {
	ID     int
	Zone   string
	Qname  string
	Qtype  string
	Expect struct {
		Rcode                         string
		Flags                         []string
		Answer, Authority, Additional []string // Authority is nil where it is not compared
	}
}

// TestFerret asks all of them of the lookup that public zones are answered by.
func TestFerret(t *testing.T) {
	file, err := os.Open(vectors)
	if err != nil {
		t.Skipf("the vectors are not at hand: %v", err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	store, err := state.Open(state.Config{Now: time.Now, Rand: rand.NewChaCha8([32]byte{})})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(nil, 1<<20)
	n, failed := 0, 0
	for ; lines.Scan(); n++ {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		if why := v.ask(t, store); why != "" {
			if failed++; failed <= 5 {
				t.Errorf("vector %d: %s %s in\n%s%s", v.ID, v.Qname, v.Qtype, v.Zone, why)
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if n < 6310 || failed > 0 {
		t.Errorf("of %d vectors %d are answered otherwise", n, failed)
	}
}

// ask loads the zone and says how our answer differs from what is expected.
func (v *vector) ask(t *testing.T, store *state.Store) string {
	t.Helper()
	zone := load(t, store, "Z", v.Zone)
	a := PublicAnswer(store.Snapshot(), zone, Question{Name: mustName(v.Qname), Type: Type(dns.StringToType[v.Qtype])}, Place{}, 0)
	var why []string
	differ := func(what, got, want string) {
		if got != want {
			why = append(why, what+"\n got "+got+"\nwant "+want)
		}
	}
	differ("rcode", dns.RcodeToString[int(a.Rcode)], v.Expect.Rcode)
	aa := "false"
	if slices.Contains(v.Expect.Flags, "AA") {
		aa = "true"
	}
	differ("aa", map[bool]string{true: "true", false: "false"}[a.AA], aa)
	differ("answer", section(t, a.Answer), expected(t, v.Expect.Answer))
	if v.Expect.Authority != nil {
		differ("authority", section(t, a.Authority), expected(t, v.Expect.Authority))
	}
	differ("additional", section(t, a.Additional), expected(t, v.Expect.Additional))
	return strings.Join(why, "\n")
}

// load puts a zone, from the text of a zone file that begins with its SOA, in the
// place of all that there was with the id.
func load(t *testing.T, store *state.Store, id, text string) *state.HostedZone {
	t.Helper()
	var zone *state.HostedZone
	sets := map[state.Key]*state.RecordSet{}
	p := dns.NewZoneParser(strings.NewReader(text), ".", "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		name, typ := mustName(rr.Header().Name), dns.TypeToString[rr.Header().Rrtype]
		if zone == nil {
			zone = &state.HostedZone{Meta: state.Meta{Key: state.Key{Account: testAccount, ID: id}}, Name: name.Escaped(), Reversed: name.Reversed()}
		}
		wire := packed(t, rr)
		k := state.Key{Account: testAccount, ID: state.RecordSetID(id, name.Reversed(), typ, "")}
		if sets[k] == nil {
			sets[k] = &state.RecordSet{Meta: state.Meta{Key: k}, ZoneID: id, Name: name.Escaped(), Type: typ, TTL: int64(rr.Header().Ttl)}
		}
		data := wire[len(name)+10:]
		if !slices.ContainsFunc(sets[k].Rdata, func(d []byte) bool { return string(d) == string(data) }) {
			sets[k].Rdata, sets[k].Values = append(sets[k].Rdata, data), append(sets[k].Values, "")
		}
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Write(context.Background(), func(tx *state.Tx) error {
		var old []state.Key
		for s := range state.RecordSets.All(tx) {
			if s.ZoneID == id {
				old = append(old, s.Key)
			}
		}
		for _, k := range old {
			state.RecordSets.Delete(tx, k)
		}
		state.HostedZones.Put(tx, zone)
		for _, s := range sets {
			state.RecordSets.Put(tx, s)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return zone
}

// packed is a record as it travels.
func packed(t *testing.T, rr dns.RR) []byte {
	t.Helper()
	buffer := make([]byte, 1<<12)
	n, err := dns.PackRR(rr, buffer, 0, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	return buffer[:n]
}

// section and expected are a section as a sorted set of lines.
func section(t *testing.T, records []Record) string {
	t.Helper()
	var lines []string
	for _, r := range records {
		wire := append([]byte(r.Name), byte(r.Type>>8), byte(r.Type), 0, 1, byte(r.TTL>>24), byte(r.TTL>>16), byte(r.TTL>>8), byte(r.TTL), byte(len(r.Data)>>8), byte(len(r.Data)))
		rr, _, err := dns.UnpackRR(append(wire, r.Data...), 0)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, rr.String())
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "; ")
}

func expected(t *testing.T, records []string) string {
	t.Helper()
	var lines []string
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, rr.String())
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "; ")
}
