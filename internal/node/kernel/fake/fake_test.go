package fake

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
)

func add(k *Kernel, objects ...plan.Object) error {
	var ops []plan.Op
	for _, o := range objects {
		ops = append(ops, plan.Op{Verb: plan.Add, Object: o})
	}
	return k.Apply(context.Background(), ops)
}

func small() []plan.Object {
	verdict := plan.Goto("c_1_in")
	return []plan.Object{
		plan.Element{Netns: "vpc-1", Set: "sg_in", At: []plan.Value{plan.Str("e1")}, Verdict: &verdict, Cause: "eni-1"},
		plan.Chain{Netns: "vpc-1", Name: "c_1_in", Rules: []plan.Rule{plan.Do(plan.Drop, "sg-1")}},
		plan.Set{Netns: "vpc-1", Name: "sg_in", Types: []plan.DataType{plan.TypeIfname}, Data: plan.TypeVerdict},
		plan.Neigh{Netns: "vpc-1", Link: "e1", IP: netip.MustParseAddr("10.0.0.4"), MAC: "06:00:00:00:00:04"},
		plan.Link{Netns: "vpc-1", Name: "e1", MAC: "02:00:00:00:00:01", Group: 1, Peer: "i-1", PeerName: "eth0", PeerMAC: "06:00:00:00:00:04", MTU: 9001},
		plan.Router{Name: "vpc-1"},
	}
}

func TestItPrintsItself(t *testing.T) {
	k := New()
	if err := k.Attach("i-1", nil); err != nil {
		t.Fatal(err)
	}
	if err := add(k, small()...); err != nil {
		t.Fatal(err)
	}
	const want = `netns vpc-1
link vpc-1 e1 mac 02:00:00:00:00:01 group 1 mtu 9001 peer i-1 eth0 mac 06:00:00:00:00:04
neigh vpc-1 e1 10.0.0.4 mac 06:00:00:00:00:04
set vpc-1 sg_in { type ifname : verdict }
chain vpc-1 c_1_in {
  drop comment "sg-1"
}
element vpc-1 sg_in { "e1" } : goto c_1_in comment "eni-1"
`
	if got := k.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if err := k.Detach("i-1"); err != nil {
		t.Fatal(err)
	}
	if got := k.String(); strings.Contains(got, "link") || strings.Contains(got, "neigh") {
		t.Errorf("a link outlives its other end:\n%s", got)
	}
}

func TestAFailedApplyChangesNothing(t *testing.T) {
	k := New()
	if err := add(k, plan.Router{Name: "vpc-1"}); err != nil {
		t.Fatal(err)
	}
	before := k.String()
	if err := add(k, small()[:5]...); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a link to nobody gives %v", err)
	}
	if got := k.String(); got != before {
		t.Errorf("left:\n%s", got)
	}
}
