package ruleset_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/state"
)

// TestABalancer: what a balancer adds to the small VPC, and what its targets' coming
// and going changes.
func TestABalancer(t *testing.T) {
	s := fabrictest.Small(t)
	have := compile(s.Snapshot())
	var b strings.Builder
	step := func(title string, fn func(tx *state.Tx)) (slots int) {
		snap, _ := s.Change(t, fn)
		next := compile(snap)
		fmt.Fprintf(&b, "# %s\n", title)
		for _, op := range plan.Diff(have, next) {
			if e, ok := op.Object.(plan.Element); ok && strings.HasPrefix(e.Set, "s_") {
				slots++
				continue
			}
			fmt.Fprintln(&b, op)
		}
		if slots > 0 {
			fmt.Fprintf(&b, "%d slots\n", slots)
		}
		have = next
		return slots
	}
	step("a balancer with a group, and a listener without targets", func(tx *state.Tx) {
		fabrictest.Group(tx, "sg-lb", "vpc-1", "lb")
		fabrictest.Balancer(tx, "net/lb", "vpc-1", []string{"sg-lb"}, "subnet-1 172.30.0.90")
		fabrictest.Listener(tx, "net/lb/80", "net/lb", "TCP", 80, "tg-1", "instance", balance.AttrTerminate, "true")
	})
	step("a rule that names its group", func(tx *state.Tx) {
		fabrictest.Rule(tx, "sgr-app-lb", "sg-app", false, "tcp", 80, 80, "sg-lb")
	})
	step("a target", func(tx *state.Tx) { fabrictest.Target(tx, "tg-1", "net/lb", "i-app1", 80, true) })
	if n := step("another one", func(tx *state.Tx) { fabrictest.Target(tx, "tg-1", "net/lb", "i-app2", 8080, true) }); n != balance.Slots {
		t.Errorf("%d slots come with the second target", n)
	}
	third := step("a third one", func(tx *state.Tx) {
		fabrictest.Instance(tx, "i-db1", "vpc-1", state.Running)
		fabrictest.Target(tx, "tg-1", "net/lb", "i-db1", 80, true)
	})
	if third < balance.Slots/3 || third > balance.Slots/2 {
		t.Errorf("a third target changes %d slots", third)
	}
	step("its checks fail", func(tx *state.Tx) { fabrictest.Target(tx, "tg-1", "net/lb", "i-db1", 80, false) })
	step("the second one drains", func(tx *state.Tx) { fabrictest.Drain(tx, "tg-1", "i-app2", 8080) })
	step("clients are hidden", func(tx *state.Tx) {
		fabrictest.Listener(tx, "net/lb/80", "net/lb", "TCP", 80, "tg-1", "instance", balance.AttrPreserve, "false")
	})
	golden(t, "balancer.txt", b.String())
}
