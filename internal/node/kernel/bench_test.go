package kernel_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel"
	"github.com/localvpc/localvpc/internal/node/kernel/testns"
)

// ports gives n interfaces, each in a namespace of its own, of one router.
func ports(t testing.TB, k *kernel.Kernel, n int) plan.Objects {
	objects := plan.Objects{}
	for i := range n {
		ns := plan.Netns(fmt.Sprintf("i-%05d", i))
		guest(t, k, ns)
		objects.Put(port("vpc-1", ns, fmt.Sprintf("e%05d", i), netip.AddrFrom4([4]byte{10, 0, byte(1 + i/250), byte(4 + i%250)}).String(), 4)...)
	}
	return objects
}

func TestTimes(t *testing.T) {
	testns.Need(t)
	k := world(t)
	var last time.Time
	lap := func(what string) {
		t.Logf("%-40s %v", what, time.Since(last))
		last = time.Now()
	}
	last = time.Now()
	want := plan.Objects{}
	want.Put(plan.Router{Name: "vpc-1"})
	apply(t, k, plan.Objects{}, want)
	lap("router")
	b := plan.Objects{}
	b.Put(base("vpc-1")...)
	apply(t, k, want, b)
	lap("base")
	more := ports(t, k, 100)
	lap("100 guests")
	var links, rest []plan.Op
	for _, op := range plan.Diff(plan.Objects{}, more) {
		if op.Object.Kind() == plan.KindLink {
			links = append(links, op)
		} else {
			rest = append(rest, op)
		}
	}
	if err := k.Apply(context.Background(), links); err != nil {
		t.Fatal(err)
	}
	lap("100 links")
	if err := k.Apply(context.Background(), rest); err != nil {
		t.Fatal(err)
	}
	lap("their addresses and routes")
	k.Read("vpc-1")
	lap("read")
	for i := range links {
		links[i].Verb = plan.Remove
	}
	if err := k.Apply(context.Background(), links[:1]); err != nil {
		t.Fatal(err)
	}
	lap("remove 1")
	if err := k.Apply(context.Background(), links[1:2]); err != nil {
		t.Fatal(err)
	}
	lap("remove 1")
	if err := k.Apply(context.Background(), links[2:]); err != nil {
		t.Fatal(err)
	}
	lap("remove 98")
	apply(t, k, plan.Objects{}, plan.Objects{})
	if err := k.Apply(context.Background(), []plan.Op{{Verb: plan.Remove, Object: plan.Router{Name: "vpc-1"}}}); err != nil {
		t.Fatal(err)
	}
	lap("remove router")
}
