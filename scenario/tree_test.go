package scenario

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53 "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/miekg/dns"
)

// publicZone creates a public hosted zone, and gives its id and its name servers.
func (w *world) publicZone(name string) (id string, servers []string) {
	w.t.Helper()
	out := must(w.dns("test").CreateHostedZone(tctx(w.t), &route53.CreateHostedZoneInput{Name: &name, CallerReference: &name}))(w.t)
	return *out.HostedZone.Id, out.DelegationSet.NameServers
}

// upsert puts a record set with a TTL of a minute.
func (w *world) upsert(zone, name string, typ r53.RRType, values ...string) {
	w.t.Helper()
	set := &r53.ResourceRecordSet{Name: &name, Type: typ, TTL: aws.Int64(60)}
	for _, v := range values {
		set.ResourceRecords = append(set.ResourceRecords, r53.ResourceRecord{Value: &v})
	}
	w.changed(zone, r53.ChangeActionUpsert, set)
}

func (w *world) changed(zone string, action r53.ChangeAction, set *r53.ResourceRecordSet) {
	w.t.Helper()
	must(w.dns("test").ChangeResourceRecordSets(tctx(w.t), &route53.ChangeResourceRecordSetsInput{HostedZoneId: &zone,
		ChangeBatch: &r53.ChangeBatch{Changes: []r53.Change{{Action: action, ResourceRecordSet: set}}}}))(w.t)
}

// finds has the C library of an instance or an outside host look a name up.
func (w *world) finds(from, name, want string) {
	w.t.Helper()
	out, code := w.in(from, "getent ahostsv4 "+name+" | cut -d' ' -f1 | sort -u")
	if have := strings.Join(strings.Fields(out), " "); have != want {
		w.t.Errorf("%s: %s is %q (exit code %d), want %q", from, name, have, code, want)
	}
}

// unbound starts an ordinary recursive server, with the root hints that it was built
// with. Of its defaults it loses its user, its chroot and DNSSEC, which the root here
// does not have.
const unbound = `mkdir -p /tmp/unbound && printf '%s\n' server: 'username: ""' 'chroot: ""' 'directory: "/tmp/unbound"' 'pidfile: ""' \
  'use-syslog: no' 'logfile: "/tmp/unbound/log"' 'verbosity: 2' 'module-config: "iterator"' 'do-ip6: no' 'interface: 127.0.0.1' >/tmp/unbound/conf
echo nameserver 127.0.0.1 >/etc/resolv.conf
setsid unbound -d -c /tmp/unbound/conf >/tmp/unbound/out 2>&1 &`

// TestDelegation is step 1 of scenario S3: a zone whose parent delegates to it,
// and one whose parent lives elsewhere, are found from the simulated root: by the
// resolvers, by an ordinary recursive server, and step by step.
func TestDelegation(t *testing.T) {
	have(t, "getent") // the instance has the host's programs
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		vpc, subnet := w.vpc(w.ec2, "10.0.0.0/16", "10.0.1.0/24")
		w.opened(w.ec2, vpc)
		w.start("one", subnet, publicly(subnet, w.group(w.ec2, vpc, "one")))
		for _, host := range []string{"office", "resolver"} {
			if out, code := w.cli("host", "add", host); code != 0 {
				t.Fatalf("exit code %d\n%s", code, out)
			}
		}
		parent, _ := w.publicZone("example.com")
		child, servers := w.publicZone("ec2.example.com")
		alone, _ := w.publicZone("far.example.org")
		w.upsert(child, "webdev1.ec2.example.com", r53.RRTypeA, "54.123.123.123")
		w.upsert(alone, "www.far.example.org", r53.RRTypeA, "54.123.123.124")
		w.upsert(parent, "alias.example.com", r53.RRTypeCname, "www.far.example.org")
		everywhere := func(name, want string) {
			t.Helper()
			for _, from := range []string{"one", "office"} {
				w.finds(from, name, want)
			}
		}
		everywhere("webdev1.ec2.example.com", "") // nobody delegates to it
		w.upsert(parent, "ec2.example.com", r53.RRTypeNs, servers...)
		everywhere("webdev1.ec2.example.com", "54.123.123.123")
		everywhere("www.far.example.org", "54.123.123.124")
		everywhere("alias.example.com", "54.123.123.124")
		everywhere("nobody.example.com", "")

		_, proxy := w.beside("proxy", "--listen", "127.0.0.1:0")
		w.iterates(proxy, "webdev1.ec2.example.com.", "54.123.123.123", 3)
		w.iterates(proxy, "www.far.example.org.", "54.123.123.124", 2)

		// From inside a VPC, through its gateway, a name server of the zone answers for
		// the zone and for nothing else; over both transports.
		kept := w.says("one", "cat /etc/resolv.conf")
		for _, server := range servers {
			var n int
			if _, err := fmt.Sscanf(server, "ns-%d.", &n); err != nil {
				t.Fatalf("%s: %v", server, err)
			}
			w.says("one", fmt.Sprintf("echo nameserver 205.251.%d.%d >/etc/resolv.conf", 192+n>>8, n&255))
			w.finds("one", "webdev1.ec2.example.com", "54.123.123.123")
			if out, code := w.in("one", overTCP+"getent hosts webdev1.ec2.example.com"); code != 0 || !strings.HasPrefix(out, "54.123.123.123 ") {
				t.Errorf("%s over TCP: exit code %d, %q", server, code, out)
			}
			w.finds("one", "www.far.example.org", "")
		}
		w.says("one", "echo '"+kept+"' >/etc/resolv.conf")

		// A change is answered at once.
		w.upsert(child, "webdev1.ec2.example.com", r53.RRTypeA, "54.123.123.125")
		everywhere("webdev1.ec2.example.com", "54.123.123.125")

		if _, err := exec.LookPath("unbound"); err != nil {
			t.Log("unbound is not installed: no ordinary recursive server is tried")
			return
		}
		w.says("resolver", unbound)
		w.await("resolver", "getent ahostsv4 webdev1.ec2.example.com")
		w.finds("resolver", "webdev1.ec2.example.com", "54.123.123.125")
		w.finds("resolver", "alias.example.com", "54.123.123.124")
		w.finds("resolver", "nobody.example.com", "")
		w.finds("resolver", "nobody.example", "")
		public := *w.instance(w.id("one")).PublicIpAddress
		if out := strings.Fields(w.says("resolver", "getent hosts "+public)); len(out) != 2 || out[1] != publicName("us-east-1", public) {
			t.Errorf("%s is called %q", public, out)
		}
		if t.Failed() {
			t.Logf("%s", w.says("resolver", "tail -50 /tmp/unbound/log"))
		}
	})
}

// iterates resolves a name from a root server on, over connections into the
// simulated internet, and counts the delegations.
func (w *world) iterates(proxy, name, want string, delegations int) {
	t := w.t
	t.Helper()
	at := "198.41.0.4" // a.root-servers.net
	for range delegations + 1 {
		m := w.asks(proxy, at, name, dns.TypeA)
		if len(m.Answer) > 0 {
			a, ok := m.Answer[0].(*dns.A)
			if !ok || a.A.String() != want || !m.Authoritative || delegations != 0 {
				t.Errorf("%s at %s: %v, want %s after %d more delegations", name, at, m.Answer, want, delegations)
			}
			return
		}
		if m.Authoritative || len(m.Ns) == 0 {
			t.Fatalf("%s at %s: %v", name, at, m)
		}
		delegations--
		next := m.Ns[0].(*dns.NS)
		at = ""
		for _, r := range m.Extra {
			if a, ok := r.(*dns.A); ok && a.Hdr.Name == next.Ns {
				at = a.A.String()
			}
		}
		if at == "" { // in another domain, whose own name servers know
			registry := w.asks(proxy, "205.251.201.1", next.Ns, dns.TypeA)
			if len(registry.Answer) == 0 {
				t.Fatalf("%s has no address: %v", next.Ns, registry)
			}
			at = registry.Answer[0].(*dns.A).A.String()
		}
	}
	t.Errorf("%s: no answer at %s", name, at)
}

// asks puts one question to a name server, through the proxy.
func (w *world) asks(proxy, server, name string, typ uint16) *dns.Msg {
	t := w.t
	t.Helper()
	c, err := net.Dial("tcp", proxy)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	to := netip.AddrPortFrom(netip.MustParseAddr(server), 53)
	fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", to, to)
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 16), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("connecting to %s: %v %v", to, resp, err)
	}
	q := new(dns.Msg).SetQuestion(name, typ)
	q.RecursionDesired = false
	conn := &dns.Conn{Conn: c}
	if err := conn.WriteMsg(q); err != nil {
		t.Fatal(err)
	}
	m, err := conn.ReadMsg()
	if err != nil || m.Id != q.Id {
		t.Fatalf("%s at %s: %v %v", name, server, m, err)
	}
	return m
}

// TestNamesForTheHost: this machine's programs ask as the internet does, by both
// transports; another localvpc at the same address says so and goes on without.
func TestNamesForTheHost(t *testing.T) {
	eachUser(t, func(t *testing.T, w *world) {
		w.up(t)
		zone, _ := w.publicZone("example.com")
		w.upsert(zone, "www.example.com", r53.RRTypeA, "54.123.123.123")
		w.upsert(zone, "big.example.com", r53.RRTypeTxt, `"`+strings.Repeat("x", 250)+`"`, `"`+strings.Repeat("y", 250)+`"`, `"`+strings.Repeat("z", 250)+`"`)
		_, ip := w.elastic(w.ec2)
		address := func() string {
			t.Helper()
			var h struct{ DNS string }
			out, code := w.cli("status", "--json")
			if err := json.Unmarshal([]byte(out), &h); err != nil || code != 0 || h.DNS == "" {
				t.Fatalf("status: exit code %d, %v\n%s", code, err, out)
			}
			return h.DNS
		}
		ask := func(transport, name string, typ uint16) *dns.Msg {
			t.Helper()
			c := dns.Client{Net: transport, Timeout: 10 * time.Second}
			m, _, err := c.Exchange(new(dns.Msg).SetQuestion(name, typ), address())
			if err != nil {
				t.Fatalf("%s over %s: %v", name, transport, err)
			}
			return m
		}
		for _, transport := range []string{"udp", "tcp"} {
			for name, want := range map[string]string{"www.example.com.": "54.123.123.123", publicName("us-east-1", ip) + ".": ip, "WWW.Example.com.": "54.123.123.123"} {
				m := ask(transport, name, dns.TypeA)
				if len(m.Answer) != 1 || m.Answer[0].(*dns.A).A.String() != want || m.Authoritative || !m.RecursionAvailable {
					t.Errorf("%s over %s: %v", name, transport, m)
				}
			}
			if m := ask(transport, "nobody.example.com.", dns.TypeA); m.Rcode != dns.RcodeNameError || len(m.Ns) != 1 || m.Ns[0].Header().Ttl != 900 {
				t.Errorf("nobody over %s: %v", transport, m)
			}
			if m := ask(transport, "big.example.com.", dns.TypeTXT); m.Truncated != (transport == "udp") || len(m.Answer) != 3 && !m.Truncated {
				t.Errorf("a large answer over %s: %v", transport, m)
			}
			if m := ask(transport, "example.com.", dns.TypeAXFR); m.Rcode != dns.RcodeRefused {
				t.Errorf("a transfer over %s: %v", transport, m)
			}
		}

		second := &world{uid: w.uid, t: t}
		second.up(t, "--ephemeral", "--dns", address())
		if out, code := second.cli("status"); code != 0 || !strings.Contains(out, "is taken") {
			t.Errorf("the second one: exit code %d\n%s", code, out)
		}
		second.stop(syscall.SIGTERM)
		if m := ask("udp", "www.example.com.", dns.TypeA); len(m.Answer) != 1 {
			t.Errorf("after the second one: %v", m)
		}
	})
}
