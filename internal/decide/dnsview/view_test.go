package dnsview

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

const testInstance = "i-0123456789abcdef0"

// world is a VPC with one instance in it, as the tests change it.
type world struct {
	vpc      *state.Vpc
	options  *state.DhcpOptions
	instance *state.Instance
}

func newWorld(region string) *world {
	key := func(id string) state.Meta {
		return state.Meta{Key: state.Scope{Account: "000000000000", Region: region}.Key(id)}
	}
	return &world{
		vpc: &state.Vpc{Meta: key("vpc-1"), DhcpOptionsID: "dopt-1", EnableDnsSupport: true, EnableDnsHostnames: true,
			Cidrs: []state.CidrAssociation{
				{Cidr: netip.MustParsePrefix("10.0.0.0/20")}, {Cidr: netip.MustParsePrefix("100.64.8.0/23")}}},
		options: &state.DhcpOptions{Meta: key("dopt-1"), Options: []state.DhcpOption{
			{Key: "domain-name", Values: []string{Domain(region)}},
			{Key: "domain-name-servers", Values: []string{AmazonProvidedDNS}}}},
		instance: &state.Instance{Meta: key(testInstance), State: state.Running, VpcID: "vpc-1",
			PrivateIP: netip.MustParseAddr("10.0.0.5"), HostnameType: HostnameIP, ResourceNameDnsA: true},
	}
}

func (w *world) snapshot(t testing.TB) *state.Snapshot {
	t.Helper()
	s, err := state.Open(state.Config{Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Write(context.Background(), func(tx *state.Tx) error {
		state.Vpcs.Put(tx, w.vpc)
		state.DhcpOptionSets.Put(tx, w.options)
		state.Instances.Put(tx, w.instance)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return s.Snapshot()
}

func (w *world) view(t testing.TB) *View {
	t.Helper()
	v, ok := At(w.snapshot(t), w.vpc.Key)
	if !ok {
		t.Fatal("the VPC has no resolver")
	}
	return v
}

// row is one question and the text of its answer.
type row struct{ name, question, want string }

func (w *world) ask(t *testing.T, rows []row) {
	t.Helper()
	v := w.view(t)
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			if got := text(v.Answer(question(t, r.question))); got != r.want {
				t.Errorf("%s\n got %s\nwant %s", r.question, got, r.want)
			}
		})
	}
}

var testTypes = map[Type]string{TypeA: "A", TypeAAAA: "AAAA", TypePTR: "PTR", TypeSOA: "SOA", TypeANY: "ANY", 15: "MX"}

// question reads "NAME TYPE", and "norecurse" behind it.
func question(t testing.TB, s string) Question {
	t.Helper()
	name, rest, _ := strings.Cut(s, " ")
	typ, flag, _ := strings.Cut(rest, " ")
	n, err := ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	for code, text := range testTypes {
		if text == typ {
			return Question{Name: n, Type: code, Recurse: flag == ""}
		}
	}
	t.Fatalf("the test knows no type %q", typ)
	return Question{}
}

// text is an answer in one line: "NXDOMAIN soa 10.in-addr.arpa. 60", "NODATA soa …",
// "A 10.0.0.5 60".
func text(a Answer) string {
	var parts []string
	switch a.Rcode {
	case NameError:
		parts = append(parts, "NXDOMAIN")
	case Refused:
		parts = append(parts, "REFUSED")
	case Success:
		if len(a.Answer) == 0 {
			parts = append(parts, "NODATA")
		}
	default:
		parts = append(parts, fmt.Sprint("rcode ", a.Rcode))
	}
	for _, r := range a.Answer {
		data := ""
		switch r.Type {
		case TypeA, TypeAAAA:
			addr, _ := netip.AddrFromSlice([]byte(r.Data))
			data = addr.String()
		case TypePTR:
			data = Name(r.Data).String()
		case TypeSOA:
			data = r.Name.String()
		}
		parts = append(parts, fmt.Sprintf("%s %s %d", testTypes[r.Type], data, r.TTL))
	}
	for _, r := range a.Authority {
		parts = append(parts, fmt.Sprintf("%s %s %d", strings.ToLower(testTypes[r.Type]), r.Name, r.TTL))
	}
	if a.AA || !a.RA {
		parts = append(parts, fmt.Sprintf("aa=%t ra=%t", a.AA, a.RA))
	}
	return strings.Join(parts, " ")
}

func TestNoResolver(t *testing.T) {
	w := newWorld("us-east-1")
	if _, ok := At(w.snapshot(t), w.vpc.Scope().Key("vpc-2")); ok {
		t.Error("a VPC that does not exist has a resolver")
	}
	w.vpc.EnableDnsSupport = false
	if _, ok := At(w.snapshot(t), w.vpc.Key); ok {
		t.Error("a VPC without DNS support has a resolver")
	}
}

func TestNothingIsRegistered(t *testing.T) {
	newWorld("us-east-1").ask(t, []row{
		{"a name", "example.com A", "NXDOMAIN soa com. 60"},
		{"another Region's", "ip-10-0-0-5.eu-west-1.compute.internal A", "NXDOMAIN soa . 60"},
		{"a public reverse name", "1.113.0.203.in-addr.arpa PTR", "NXDOMAIN soa in-addr.arpa. 60"},
		{"the root", ". SOA", "SOA . 60"},
		{"the root's addresses", ". A", "NODATA soa . 60"},
		{"without recursion", "example.com A norecurse", "REFUSED"},
		{"what the resolver knows itself, without recursion", "ip-10-0-0-5.ec2.internal A norecurse", "A 10.0.0.5 60"},
	})
}

func TestHostnamesOff(t *testing.T) {
	w := newWorld("us-east-1")
	w.vpc.EnableDnsHostnames = false
	w.ask(t, []row{
		{"IP name", "ip-10-0-0-5.ec2.internal A", "NXDOMAIN soa . 60"},
		{"resource name", testInstance + ".ec2.internal A", "NXDOMAIN soa . 60"},
		{"reverse", "5.0.0.10.in-addr.arpa PTR", "NXDOMAIN soa in-addr.arpa. 60"},
		{"localhost stays", "localhost A", "A 127.0.0.1 86400"},
	})
	a := w.view(t).Answer(question(t, "ip-10-0-0-5.ec2.internal A"))
	want := Cause{Decider: HostnamesOff, ID: "vpc-1"}
	if a.Because[len(a.Because)-1] != want {
		t.Errorf("because %v, want %v last", a.Because, want)
	}
}

func TestBecause(t *testing.T) {
	a := newWorld("us-east-1").view(t).Answer(question(t, testInstance+".ec2.internal A"))
	want := []Cause{
		{Decider: Autodefined, Domain: mustName("ec2.internal")},
		{Decider: InstanceName, ID: testInstance, Addr: netip.MustParseAddr("10.0.0.5")},
	}
	if fmt.Sprint(a.Because) != fmt.Sprint(want) {
		t.Errorf("because %v, want %v", a.Because, want)
	}
}

// FuzzAnswer asks anything: an answer is made of whole records, the negative
// ones have exactly one SOA of a domain that the name is in, and there is always
// a cause.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{"ip-10-0-0-5.ec2.internal", "i-0123456789abcdef0.ec2.internal", "5.0.0.10.in-addr.arpa",
		"0.10.in-addr.arpa", "localhost", "x.localhost", "ec2-198-51-100-5.compute-1.amazonaws.com", "5.100.51.198.in-addr.arpa", "amazonaws.com", "254.169.254.169.in-addr.arpa", ".", `a\.b.ec2.internal`} {
		f.Add(s, uint16(TypeA))
		f.Add(s, uint16(TypePTR))
		f.Add(s, uint16(TypeANY))
	}
	w := newWorld("us-east-1")
	views := []*View{w.view(f), Internet(w.snapshot(f))}
	f.Fuzz(func(t *testing.T, s string, typ uint16) {
		n, err := ParseName(s)
		if err != nil {
			return
		}
		for _, v := range views {
			whole(t, v.Answer(Question{Name: n, Type: Type(typ), Recurse: true}), n, typ)
		}
	})
}

func whole(t *testing.T, a Answer, n Name, typ uint16) {
	t.Helper()
	if len(a.Because) == 0 {
		t.Error("no cause")
	}
	for _, r := range a.Answer {
		if r.Name != n || r.Type != Type(typ) && typ != uint16(TypeANY) || len(r.Data) == 0 {
			t.Errorf("%s %d: record %+v", n, typ, r)
		}
	}
	if negative := len(a.Answer) == 0; negative != (len(a.Authority) == 1) {
		t.Errorf("%s %d: %d records and %d in authority", n, typ, len(a.Answer), len(a.Authority))
	}
	for _, r := range a.Authority {
		if r.Type != TypeSOA || !n.In(r.Name) || binary.BigEndian.Uint32([]byte(r.Data[len(r.Data)-4:])) < r.TTL {
			t.Errorf("%s %d: authority %+v", n, typ, r)
		}
	}
}

func BenchmarkAnswer(b *testing.B) {
	w := newWorld("us-east-1")
	snap := w.snapshot(b)
	v, _ := At(snap, w.vpc.Key)
	for _, s := range []string{"ip-10-0-0-5.ec2.internal A", testInstance + ".ec2.internal A", "5.0.0.10.in-addr.arpa PTR", "www.example.com A"} {
		q := question(b, s)
		b.Run(strings.ReplaceAll(s, " ", "/"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Answer(q)
			}
		})
	}
	b.Run("At", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			At(snap, w.vpc.Key)
		}
	})
}
