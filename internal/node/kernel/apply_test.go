//go:build linux

package kernel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel"
	"github.com/localvpc/localvpc/internal/node/kernel/testns"
)

func do(k kernel.Interface, verb plan.Verb, objects ...plan.Object) error {
	var ops []plan.Op
	for _, o := range objects {
		ops = append(ops, plan.Op{Verb: verb, Object: o})
	}
	return k.Apply(context.Background(), ops)
}

// TestTwoNewRoutersInOneStep: one has the far end of the other's link, and an
// address on an interface that was never looked for.
func TestTwoNewRoutersInOneStep(t *testing.T) {
	k := world(t)
	between := plan.Link{
		Netns: "vpc-1", Name: "igw", MAC: "02:00:00:00:00:01", Peer: "inet", PeerName: "vpc1", PeerMAC: "02:00:00:00:00:02", MTU: 1500, Group: 65001,
	}
	own := plan.Addr{Netns: "inet", Link: "lo", Prefix: prefix("198.18.0.1/32")}
	if err := do(k, plan.Add, plan.Router{Name: "vpc-1"}, plan.Router{Name: "inet"}, between, own); err != nil {
		t.Fatal(err)
	}
	have, err := k.Read("inet")
	if _, ok := have[own.Key()]; err != nil || !ok {
		t.Errorf("%v in %v, %v", own, have, err)
	}
}

// TestFarEndsTakeNumbers: a router that has the far ends of others' links makes
// one of its own, with a number that none of them has.
func TestFarEndsTakeNumbers(t *testing.T) {
	k := world(t)
	guest(t, k, "host-1")
	if err := do(k, plan.Add, plan.Router{Name: "inet"}, plan.Addr{Netns: "inet", Link: "lo", Prefix: prefix("198.18.0.1/32")}); err != nil {
		t.Fatal(err)
	}
	var want []plan.Object
	for _, n := range []string{"1", "2"} {
		l := plan.Link{Netns: plan.Netns("vpc-" + n), Name: "igw", MAC: "02:00:00:00:00:1" + n, Peer: "inet", PeerName: "vpc" + n, PeerMAC: "02:00:00:00:00:2" + n, MTU: 1500, Group: 65001}
		if err := do(k, plan.Add, plan.Router{Name: l.Netns}, l); err != nil {
			t.Fatal(err)
		}
		want = append(want, l)
	}
	host := plan.Link{Netns: "inet", Name: "h1", MAC: "02:00:00:00:00:31", Peer: "host-1", PeerName: "eth0", PeerMAC: "02:00:00:00:00:32", MTU: 1500}
	if err := do(k, plan.Add, host); err != nil {
		t.Fatal(err)
	}
	for _, o := range append(want, host) {
		l := o.(plan.Link)
		have, err := k.Read(l.Netns)
		if got, ok := have[l.Key()]; err != nil || !ok || got.String() != l.String() {
			t.Errorf("%v in %v, %v", l, have, err)
		}
	}
}

// TestAnErrorNamesTheOperation: also the one element among many of one message.
func TestAnErrorNamesTheOperation(t *testing.T) {
	k := world(t)
	set := plan.Set{Netns: "vpc-1", Name: "s", Types: []plan.DataType{plan.TypeIPv4}}
	at := func(i int) plan.Element {
		return plan.Element{Netns: "vpc-1", Set: "s", At: []plan.Value{plan.IP(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))}}
	}
	if err := do(k, plan.Add, plan.Router{Name: "vpc-1"}, set, at(77)); err != nil {
		t.Fatal(err)
	}
	var many []plan.Object
	for i := range 100 {
		many = append(many, at(i))
	}
	chain := plan.Chain{Netns: "vpc-1", Name: "c", Rules: []plan.Rule{plan.Do(plan.Goto("nowhere"), "sgr-1")}}
	for _, row := range []struct {
		name    string
		verb    plan.Verb
		objects []plan.Object
		want    error
		key     string
	}{
		{"an element that is there", plan.Add, many, unix.EEXIST, at(77).Key()},
		{"an element that is not there", plan.Remove, []plan.Object{at(77), at(3)}, unix.ENOENT, at(3).Key()},
		{"an element of no set", plan.Add, []plan.Object{plan.Element{Netns: "vpc-1", Set: "t", At: at(1).At}}, unix.ENOENT, "element vpc-1 t { 10.0.0.1 }"},
		{"a set that is there", plan.Add, []plan.Object{set}, unix.EEXIST, set.Key()},
		{"a chain that leads nowhere", plan.Add, []plan.Object{chain}, unix.ENOENT, chain.Key()},
		{"a router that is there", plan.Add, []plan.Object{plan.Router{Name: "vpc-1"}}, unix.EEXIST, "netns vpc-1"},
		{"a link to nobody", plan.Add, port("vpc-1", "i-9", "e9", "10.0.0.9", 1)[:1], unix.ENOENT, "link vpc-1 e9"},
		{"a neighbour on no link", plan.Add, port("vpc-1", "i-9", "e9", "10.0.0.9", 1)[1:2], unix.ENODEV, "neigh vpc-1 e9 10.0.0.9"},
		{"a set in no namespace", plan.Add, []plan.Object{plan.Set{Netns: "vpc-2", Name: "s", Types: set.Types}}, unix.ENOENT, "set vpc-2 s"},
		{"twice the same", plan.Add, []plan.Object{at(1), at(1)}, unix.EINVAL, at(1).Key()},
	} {
		t.Run(row.name, func(t *testing.T) {
			before, _ := k.Read("vpc-1")
			err := do(k, row.verb, row.objects...)
			var e *kernel.Error
			if !errors.Is(err, row.want) || !errors.As(err, &e) || e.Op.Object.Key() != row.key {
				t.Errorf("got %v, want %v of %s", err, row.want, row.key)
			}
			after, _ := k.Read("vpc-1")
			if ops := plan.Diff(before, after); len(ops) > 0 || len(before) == 0 {
				t.Errorf("and yet:\n%s", explain(ops))
			}
		})
	}
}

// TestWhatDoesNotReadBackIsRefused: values in another than the canonical form.
func TestWhatDoesNotReadBackIsRefused(t *testing.T) {
	k := world(t)
	if err := do(k, plan.Add, base("vpc-1")...); err != nil {
		t.Fatal(err)
	}
	link := port("vpc-1", "i-1", "e1", "10.0.0.9", 1)[0].(plan.Link)
	noMTU, upper, long := link, link, link
	noMTU.MTU, upper.MAC, long.Name = 0, "02:00:00:00:00:AA", "e234567890123456"
	element := func(set string, at ...plan.Value) plan.Element {
		return plan.Element{Netns: "vpc-1", Set: set, At: at}
	}
	for name, o := range map[string]plan.Object{
		"no MTU":             noMTU,
		"capitals":           upper,
		"long name":          long,
		"protocol by name":   element("r_web", plan.IP(addr("10.0.0.1")), plan.Str("tcp"), plan.Num(80)),
		"port too high":      element("r_web", plan.IP(addr("10.0.0.1")), plan.Num(6), plan.Num(65536)),
		"upside down":        element("r_web", plan.IP(addr("10.0.0.1")), plan.Num(6), plan.Span(2, 1)),
		"interval in a hash": element("src_ok", plan.Str("e1"), plan.Net(prefix("10.0.0.0/8"))),
		"too few parts":      element("src_ok", plan.Str("e1")),
		"mapped address":     element("src_ok", plan.Str("e1"), plan.IP(addr("::ffff:10.0.0.1"))),
		"no verdict":         element("sg_in", plan.Str("e1")),
		"host bits":          plan.Route{Netns: "vpc-1", Table: 254, Dst: prefix("10.0.0.1/8"), Type: plan.Blackhole},
		"comment":            plan.Chain{Netns: "vpc-1", Name: "c", Rules: []plan.Rule{plan.Do(plan.Accept, `"`)}},
		"unknown field":      plan.Chain{Netns: "vpc-1", Name: "c", Rules: []plan.Rule{plan.Do(plan.Accept, "", plan.Where("ip ttl", plan.Num(1)))}},
		"unknown state":      plan.Chain{Netns: "vpc-1", Name: "c", Rules: []plan.Rule{plan.Do(plan.Accept, "", plan.Where(plan.CTState, plan.Str("old")))}},
		"namespace outside":  plan.Router{Name: "../x"},
	} {
		t.Run(name, func(t *testing.T) {
			var e *kernel.Error
			if err := do(k, plan.Add, o); !errors.As(err, &e) {
				t.Errorf("got %v", err)
			} else if errno := unix.Errno(0); errors.As(err, &errno) {
				t.Errorf("%v: the kernel was asked", err)
			}
		})
	}
}

// TestAnotherProcessTakesOver: an engine that starts anew reads the text that
// the last one wrote, and goes on.
func TestAnotherProcessTakesOver(t *testing.T) {
	testns.Need(t)
	dir := testns.Dir(t)
	first, err := kernel.New(kernel.Config{RunDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	guest(t, first, "i-1")
	want := plan.Objects{}
	want.Put(base("vpc-1")...)
	want.Put(port("vpc-1", "i-1", "e1", "10.0.0.4", 4)...)
	for key, o := range want {
		if o.Kind() == plan.KindSysctl { // applied anew, as they are not read back
			delete(want, key)
		}
	}
	apply(t, first, plan.Objects{}, want)
	var before, after bytes.Buffer
	if err := first.Dump(&before); err != nil {
		t.Fatal(err)
	}
	// The instance does as it likes with what is its own.
	var f *os.File
	if err := first.In("i-1", func() (err error) { f, err = os.Open("/proc/thread-self/ns/net"); return err }); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	first.Close()
	// A process that was killed while it made a router has left this.
	if err := os.WriteFile(filepath.Join(dir, "netns", "vpc-9"), nil, 0o600); err != nil {
		t.Fatal(err)
	}

	k, err := kernel.New(kernel.Config{RunDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if list, err := k.Namespaces(); err != nil || !slices.Equal(list, []plan.Netns{"vpc-1"}) {
		t.Errorf("found %v, %v", list, err)
	}
	if err := k.Attach("i-1", f); err != nil {
		t.Fatal(err)
	}
	if err := k.Dump(&after); err != nil {
		t.Fatal(err)
	}
	if before.String() != after.String() {
		t.Errorf("before\n%s\nafter\n%s", &before, &after)
	}
	same(t, k, want, "vpc-1", "i-1")
	more := want
	more.Put(plan.Addr{Netns: "i-1", Link: "eth0", Prefix: prefix("10.0.0.9/16")})
	apply(t, k, want, more)
	apply(t, k, more, plan.Objects{})
}

// TestManyAtOnce: more than one message, and without privilege more than one
// transaction, can hold.
func TestManyAtOnce(t *testing.T) {
	k := world(t)
	want := plan.Objects{}
	want.Put(plan.Router{Name: "vpc-1"},
		plan.Set{Netns: "vpc-1", Name: "m", Types: []plan.DataType{plan.TypeIPv4}},
		plan.Set{Netns: "vpc-1", Name: "i", Types: []plan.DataType{plan.TypeIPv4}, Interval: true},
		plan.Chain{Netns: "vpc-1", Name: "target"})
	long := plan.Chain{Netns: "vpc-1", Name: "long"}
	for i := range 10000 {
		a := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		want.Put(plan.Element{Netns: "vpc-1", Set: "m", At: []plan.Value{plan.IP(a)}, Cause: fmt.Sprintf("eni-%017x", i)})
		if i < 2000 {
			want.Put(plan.Element{Netns: "vpc-1", Set: "i", At: []plan.Value{plan.Net(netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 0}), 24))}})
			long.Rules = append(long.Rules, plan.Do(plan.Goto("target"), fmt.Sprintf("sgr-%017x", i),
				plan.Where(plan.L4Proto, plan.Str("tcp"), plan.Str("udp")), plan.Where(plan.DPort, plan.Num(uint32(i)))))
		}
	}
	want.Put(long)
	apply(t, k, plan.Objects{}, want)
	same(t, k, want, "vpc-1")
	other := plan.Objects{}
	for key, o := range want {
		other[key] = o
	}
	long.Rules = slices.Clone(long.Rules)
	slices.Reverse(long.Rules)
	other.Put(long)
	apply(t, k, want, other)
	same(t, k, other, "vpc-1")
	less := plan.Objects{}
	less.Put(plan.Router{Name: "vpc-1"})
	apply(t, k, other, less)
	same(t, k, less, "vpc-1")
}

// TestNftPrintsIt: everything that plan can say can be looked at with nft.
func TestNftPrintsIt(t *testing.T) {
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Skip("nft is not on this machine")
	}
	k := world(t)
	if err := do(k, plan.Add, base("vpc-1")...); err != nil {
		t.Fatal(err)
	}
	var out []byte
	err = k.In("vpc-1", func() (err error) {
		out, err = exec.Command(nft, "-n", "list", "ruleset").CombinedOutput()
		return err
	})
	text := string(out)
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for _, want := range []string{
		`iifname . ip saddr @src_ok meta mark set iifgroup map @rtmark accept`,
		`type ifname . ipv4_addr`,
		`10.0.0.0/8 . 6 . 80-90 comment "sgr-1"`,
		`icmp type 8 icmp code 0-3 goto allow comment "sgr-3"`,
		`icmp type { 0, 3, 4, 11 } goto allow comment "sgr-4"`,
		`th dport { 80-91, 443, 1000-65535 } goto allow comment "sgr-5"`,
		`ip saddr != 10.0.0.0-10.255.255.255 goto allow comment "sgr-6"`,
		`ct original ip daddr @vpc_cidr goto allow comment "sgr-7"`,
		`iifgroup { 1, 2 } ip daddr != @vpc_cidr goto allow comment "sgr-8"`,
		`iifgroup 65001 dnat to ip daddr map @eip_in`,
		`snat to ip saddr map @eip_in`,
		`oifname "nat0" masquerade`,
		`counter packets 0 bytes 0 drop comment "spoof"`,
		`10.0.0.0/16 comment "vpc-1", 10.1.0.0/16`,
		`80 : accept`,
		`4 comment "acl-1" : jump acl_1_in`,
	} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("nft does not print: %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// TestUseFromManySides: reading and looking around go on during changes.
func TestUseFromManySides(t *testing.T) {
	k := world(t)
	guest(t, k, "i-1")
	if err := do(k, plan.Add, base("vpc-1")...); err != nil {
		t.Fatal(err)
	}
	objects := port("vpc-1", "i-1", "e1", "10.0.0.4", 4)
	var all sync.WaitGroup
	for _, f := range []func() error{
		func() error { return errors.Join(do(k, plan.Add, objects...), do(k, plan.Remove, objects...)) },
		func() error { return k.Dump(&bytes.Buffer{}) },
		func() error { _, err := k.Namespaces(); return err },
		func() error { return k.In("vpc-1", func() error { return nil }) },
		func() error { _, err := k.CountFlows("vpc-1", plan.Flows{}); return err },
	} {
		all.Go(func() {
			for range 5 {
				if err := f(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
