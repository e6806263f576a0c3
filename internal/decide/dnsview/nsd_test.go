package dnsview

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/localvpc/localvpc/internal/state"
)

// TestAgainstNSD asks random zones, full of CNAME chains, wildcards, empty
// non-terminals, cuts and DNAME records, of NSD and of the lookup that public
// zones are answered by: whatever a name server may not choose has to be the same.
func TestAgainstNSD(t *testing.T) {
	program, err := exec.LookPath("nsd")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/nsd") // where an ordinary user's PATH does not lead
	}
	if err != nil {
		t.Skip("NSD is not installed (apt-get install nsd)")
	}
	zones, questions := 200, 100
	if testing.Short() {
		zones = 10
	}
	random := rand.New(rand.NewPCG(1, 4))
	texts := make([]string, zones)
	for i := range texts {
		texts[i] = randomZone(random, fmt.Sprintf("z%d.test.", i))
	}
	addr := startNSD(t, program, texts)
	store, err := state.Open(state.Config{Now: time.Now, Rand: rand.NewChaCha8([32]byte{})})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	client := dns.Client{Net: "tcp", Timeout: 10 * time.Second}
	conn, err := client.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	failed, endless := 0, 0
	for i, text := range texts {
		apex := fmt.Sprintf("z%d.test.", i)
		zone := load(t, store, "Z", text)
		for range questions {
			name, typ := randomName(random, apex, 5), randomType(random)
			in, _, err := client.ExchangeWithConn(new(dns.Msg).SetQuestion(name, typ), conn)
			if err != nil {
				t.Fatalf("asking NSD for %s: %v", name, err)
			}
			a := PublicAnswer(store.Snapshot(), zone, Question{Name: mustName(name), Type: Type(typ)}, Place{}, 0)
			if len(a.Answer) > maxChain {
				endless++ // DNAME records that lead below themselves: each server has enough after another number of rounds
				continue
			}
			if why := differs(t, a, in); why != "" {
				if failed++; failed <= 3 {
					t.Errorf("%s %s in\n%s%s", name, dns.TypeToString[typ], text, why)
				}
			}
		}
	}
	if failed > 0 || endless > zones*questions/100 {
		t.Errorf("of %d answers %d differ and %d have no end", zones*questions, failed, endless)
	}
}

// differs says how an answer differs from a name server's, in what servers may not
// choose: NS records of the apex beside a positive answer are left to them.
func differs(t *testing.T, a Answer, in *dns.Msg) string {
	t.Helper()
	var why []string
	differ := func(what, got, want string) {
		if got != want {
			why = append(why, fmt.Sprintf("%s\n got %s\nwant %s", what, got, want))
		}
	}
	lines := func(records []dns.RR) string {
		var out []string
		for _, rr := range records {
			if rr.Header().Rrtype != dns.TypeOPT {
				out = append(out, rr.String())
			}
		}
		slices.Sort(out)
		return strings.Join(slices.Compact(out), "; ")
	}
	differ("rcode", dns.RcodeToString[int(a.Rcode)], dns.RcodeToString[in.Rcode])
	differ("aa", fmt.Sprint(a.AA), fmt.Sprint(in.Authoritative))
	differ("answer", section(t, a.Answer), lines(in.Answer))
	ns := in.Ns
	if len(in.Answer) > 0 && len(a.Authority) == 0 {
		ns = slices.DeleteFunc(ns, func(rr dns.RR) bool {
			return rr.Header().Rrtype == dns.TypeNS && strings.Count(rr.Header().Name, ".") == 2
		})
	}
	differ("authority", section(t, a.Authority), lines(ns))
	differ("additional", section(t, a.Additional), lines(in.Extra))
	return strings.Join(why, "\n")
}

// startNSD serves zones, of which the apex is the first word, and gives its address.
func startNSD(t *testing.T, program string, zones []string) string {
	t.Helper()
	dir := t.TempDir()
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := port.Addr().String()
	port.Close()
	var conf strings.Builder
	fmt.Fprintf(&conf, "server:\n ip-address: %s\n server-count: 1\n username: \"\"\n pidfile: \"\"\n zonesdir: %q\n zonelistfile: \"%s/list\"\n xfrdfile: \"\"\n xfrdir: %q\n minimal-responses: no\nremote-control:\n control-enable: no\n",
		strings.Replace(addr, ":", "@", 1), dir, dir, dir)
	for i, text := range zones {
		apex, _, _ := strings.Cut(text, " ")
		file := filepath.Join(dir, fmt.Sprint(i))
		fmt.Fprintf(&conf, "zone:\n name: %s\n zonefile: %s\n", apex, file)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "conf")
	if err := os.WriteFile(config, []byte(conf.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-d", "-c", config)
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("NSD does not start here: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	var said strings.Builder
	for lines := bufio.NewScanner(logs); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if strings.Contains(lines.Text(), "nsd started") {
			go func() { // it must not wait for someone to read
				for lines.Scan() {
				}
			}()
			return addr
		}
	}
	t.Fatalf("NSD does not start: %s", said.String())
	return ""
}

var randomLabels = [...]string{"a", "b", "c", "*"}

// randomName is a name in the zone with up to so many labels before the apex.
func randomName(random *rand.Rand, apex string, depth int) string {
	name := apex
	for range random.IntN(depth + 1) {
		name = randomLabels[random.IntN(len(randomLabels))] + "." + name
	}
	return name
}

func randomType(random *rand.Rand) uint16 {
	types := [...]uint16{dns.TypeA, dns.TypeA, dns.TypeA, dns.TypeAAAA, dns.TypeTXT, dns.TypeMX, dns.TypeCNAME, dns.TypeNS, dns.TypeDS, dns.TypeSOA, dns.TypeDNAME}
	return types[random.IntN(len(types))]
}

// randomZone is a zone file that a name server takes: CNAME records stand alone,
// nothing stands below DNAME records, neither they nor cuts are wildcards.
func randomZone(random *rand.Rand, apex string) string {
	alone, cuts, dnames := map[string]bool{}, map[string]bool{}, map[string]bool{}
	sets := map[string]map[string][]string{}
	below := func(name string, of map[string]bool) bool {
		for domain := range of {
			if name != domain && strings.HasSuffix(name, "."+domain) {
				return true
			}
		}
		return false
	}
	target := func() string {
		if random.IntN(12) == 0 {
			return "x.example."
		}
		return randomName(random, apex, 4)
	}
	add := func(name, typ, value string) {
		if sets[name] == nil {
			sets[name] = map[string][]string{}
		}
		sets[name][typ] = append(sets[name][typ], value)
	}
	for range 4 + random.IntN(14) {
		name := randomName(random, apex, 4)
		if name == apex || alone[name] || below(name, dnames) {
			continue
		}
		first, wild := sets[name] == nil, strings.HasPrefix(name, "*.")
		switch kind := random.IntN(10); {
		case kind < 3 && first:
			alone[name] = true
			add(name, "CNAME", target())
		case kind == 3 && first && !wild && !below(name, cuts):
			cuts[name] = true
			add(name, "NS", target())
			if random.IntN(2) == 0 {
				add(name, "NS", "ns."+name)
				add("ns."+name, "A", "192.0.2.53")
			}
			if random.IntN(2) == 0 {
				add(name, "DS", "1 8 2 0123456789012345678901234567890123456789012345678901234567890123")
			}
		case kind == 4 && first && !wild && !below(name, cuts):
			empty := true
			for other := range sets {
				empty = empty && !strings.HasSuffix(other, "."+name)
			}
			if empty {
				dnames[name] = true
				add(name, "DNAME", target())
			}
		case kind == 5:
			add(name, "MX", "10 "+target())
		case kind == 6:
			add(name, "AAAA", fmt.Sprintf("2001:db8::%d", random.IntN(9)+1))
		case kind == 7:
			add(name, "TXT", fmt.Sprintf(`"%d"`, random.IntN(9)))
		default:
			add(name, "A", fmt.Sprintf("192.0.2.%d", random.IntN(9)+1))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s 900 IN SOA ns.example. host.example. 1 7200 900 1209600 300\n%s 172800 IN NS ns.example.\n", apex, apex)
	names := make([]string, 0, len(sets))
	for name := range sets {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, typ := range []string{"A", "AAAA", "CNAME", "DNAME", "DS", "MX", "NS", "TXT"} {
			values := sets[name][typ]
			slices.Sort(values)
			for _, v := range slices.Compact(values) {
				fmt.Fprintf(&b, "%s 60 IN %s %s\n", name, typ, v)
			}
		}
	}
	return b.String()
}
