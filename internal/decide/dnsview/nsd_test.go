package dnsview

import (
	"context"
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

// nsdZones is how many random zones are compared, and nsdQuestions how often each
// is asked.
const (
	nsdZones     = 300
	nsdQuestions = 60
)

// TestAgainstNSD asks NSD and us the same of random zones with chains of CNAME
// records, wildcards, empty non-terminals and cuts, in which the vectors are thin.
func TestAgainstNSD(t *testing.T) {
	program, err := exec.LookPath("nsd")
	if err != nil {
		if program = "/usr/sbin/nsd"; !executable(program) {
			t.Skip("nsd is not installed")
		}
	}
	const seed = 53
	random := rand.New(rand.NewPCG(seed, seed))
	store, err := state.Open(state.Config{Now: time.Now, Rand: rand.NewChaCha8([32]byte{})})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	dir := t.TempDir()
	port := freePort(t)
	config := fmt.Sprintf("server:\n  ip-address: 127.0.0.1@%d\n  username: \"\"\n  chroot: \"\"\n  zonesdir: %q\n  database: \"\"\n  pidfile: %q\n  xfrdfile: %q\n  zonelistfile: %q\n  server-count: 1\n  round-robin: no\n  minimal-responses: yes\n  verbosity: 0\nremote-control:\n  control-enable: no\n",
		port, dir, filepath.Join(dir, "pid"), filepath.Join(dir, "xfrd"), filepath.Join(dir, "list"))
	texts := make([]string, nsdZones)
	rows := make([]*state.HostedZone, nsdZones)
	for i := range texts {
		apex := fmt.Sprintf("z%d.test.", i)
		texts[i] = randomZone(random, apex)
		config += fmt.Sprintf("zone:\n  name: %q\n  zonefile: \"z%d\"\n", apex, i)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("z%d", i)), []byte(texts[i]), 0o644); err != nil {
			t.Fatal(err)
		}
		rows[i] = load(t, store, fmt.Sprintf("Z%d", i), texts[i])
	}
	file := filepath.Join(dir, "nsd.conf")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithTimeout(t.Context(), 2*time.Minute)
	defer end()
	server := exec.CommandContext(ctx, program, "-d", "-c", file)
	var said strings.Builder
	server.Stderr, server.Stdout = &said, &said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		server.Process.Signal(os.Interrupt)
		server.Wait()
	}()
	conn := answering(t, fmt.Sprintf("127.0.0.1:%d", port), &said)
	defer conn.Close()
	r := store.Snapshot()
	client := &dns.Client{Timeout: 5 * time.Second, UDPSize: 4096}
	asked, differ := 0, 0
	for i, row := range rows {
		for range nsdQuestions {
			name := randomName(random, fmt.Sprintf("z%d.test.", i))
			typ := []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeCNAME, dns.TypeNS, dns.TypeMX, dns.TypeTXT, dns.TypeDS}[random.IntN(7)]
			m := new(dns.Msg).SetQuestion(name, typ)
			m.SetEdns0(4096, false)
			theirs, _, err := client.ExchangeWithConn(m, conn)
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, said.String())
			}
			ours := PublicAnswer(r, row, Question{Name: mustName(name), Type: Type(typ)}, Place{}, 0)
			asked++
			if why := compare(t, ours, theirs); why != "" {
				if differ++; differ <= 5 {
					t.Errorf("%s %s in\n%s%s", name, dns.TypeToString[typ], texts[i], why)
				}
			}
		}
	}
	if differ > 0 {
		t.Errorf("of %d answers %d differ", asked, differ)
	}
	t.Logf("%d answers compared", asked)
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o111 != 0
}

func freePort(t *testing.T) int {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}

// answering waits until the server answers.
func answering(t *testing.T, address string, said *strings.Builder) *dns.Conn {
	t.Helper()
	m := new(dns.Msg).SetQuestion("z0.test.", dns.TypeSOA)
	client := &dns.Client{Timeout: 100 * time.Millisecond}
	for start := time.Now(); time.Since(start) < 30*time.Second; {
		conn, err := client.Dial(address)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
		if err := conn.WriteMsg(m); err == nil {
			if answer, err := conn.ReadMsg(); err == nil && answer.Rcode == dns.RcodeSuccess {
				return conn
			}
			// Refused at once while nobody listens: the socket's end is waited for.
			conn.Read(make([]byte, 512))
		}
		conn.Close()
	}
	t.Fatalf("nsd does not answer: %s", said.String())
	return nil
}

// Labels that names are made of: few, so that they meet.
var nsdLabels = []string{"a", "b", "*", "c"}

func randomName(random *rand.Rand, apex string) string {
	name := apex
	for range random.IntN(4) {
		name = nsdLabels[random.IntN(len(nsdLabels))] + "." + name
	}
	return name
}

// randomZone writes a zone that is free of what a server would not load: CNAME
// records beside others.
func randomZone(random *rand.Rand, apex string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s 900 IN SOA ns.%s h.%s 1 7200 900 1209600 86400\n%s 900 IN NS ns.outside.example.\n", apex, apex, apex, apex)
	only := map[string]bool{apex: true} // names that may have no CNAME record, or nothing beside it
	for range 4 + random.IntN(12) {
		name := randomName(random, apex)
		target := randomName(random, apex)
		switch kind := random.IntN(8); {
		case kind < 3 && !only[name]:
			fmt.Fprintf(&b, "%s 60 IN CNAME %s\n", name, target)
			only[name] = true
			continue
		case kind == 3 && name != apex && !strings.HasPrefix(name, "*.") && !only["cname "+name]:
			if only[name] && strings.Contains(b.String(), name+" 60 IN CNAME") {
				continue
			}
			fmt.Fprintf(&b, "%s 60 IN NS %s\n", name, target)
		default:
			if strings.Contains(b.String(), "\n"+name+" 60 IN CNAME") {
				continue
			}
			switch kind {
			case 4:
				fmt.Fprintf(&b, "%s 60 IN AAAA 2001:db8::%d\n", name, random.IntN(9))
			case 5:
				fmt.Fprintf(&b, "%s 60 IN TXT \"%d\"\n", name, random.IntN(9))
			case 6:
				fmt.Fprintf(&b, "%s 60 IN MX 10 %s\n", name, target)
			default:
				fmt.Fprintf(&b, "%s 60 IN A 192.0.2.%d\n", name, random.IntN(9))
			}
		}
		only[name] = true
	}
	return b.String()
}

// compare says how two answers differ: the sections as sets, but for addresses
// beside an answer, and authority only where there is no answer.
func compare(t *testing.T, ours Answer, theirs *dns.Msg) string {
	t.Helper()
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
	var why []string
	differ := func(what, got, want string) {
		if got != want {
			why = append(why, what+"\n got "+got+"\nwant "+want)
		}
	}
	differ("rcode", dns.RcodeToString[int(ours.Rcode)], dns.RcodeToString[theirs.Rcode])
	differ("aa", fmt.Sprint(ours.AA), fmt.Sprint(theirs.Authoritative))
	differ("answer", section(t, ours.Answer), lines(theirs.Answer))
	if len(theirs.Answer) == 0 {
		differ("authority", section(t, ours.Authority), lines(theirs.Ns))
		differ("additional", section(t, ours.Additional), lines(theirs.Extra))
	}
	return strings.Join(why, "\n")
}
