package ruleset_test

import (
	"cmp"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/decide/ruleset"
	"github.com/localvpc/localvpc/internal/state"
)

var update = flag.Bool("update", false, "write the golden files anew")

// compile gives all objects of a state, derived from nothing.
func compile(r state.Reader) plan.Objects {
	all := plan.Objects{}
	for _, u := range fabric.Units(r) {
		policy, wiring := ruleset.Objects(r, u)
		all.Put(policy...)
		all.Put(wiring...)
	}
	return all
}

func lines(objects plan.Objects) string {
	sorted := make([]plan.Object, 0, len(objects))
	for _, o := range objects {
		sorted = append(sorted, o)
	}
	slices.SortFunc(sorted, func(a, b plan.Object) int {
		return cmp.Or(cmp.Compare(a.Kind(), b.Kind()), cmp.Compare(a.Key(), b.Key()))
	})
	var b strings.Builder
	for _, o := range sorted {
		b.WriteString(o.String() + "\n")
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it with -update and git diff. It is now:\n%s", path, got)
	}
}

func TestTheSmallVPC(t *testing.T) {
	s := fabrictest.Small(t)
	golden(t, "small.txt", lines(compile(s.Snapshot())))
}

// A change of one row is a small difference of objects, which a reader can check.
func TestDifferences(t *testing.T) {
	s := fabrictest.Small(t)
	var b strings.Builder
	have := compile(s.Snapshot())
	step := func(title string, fn func(tx *state.Tx)) {
		snap, _ := s.Change(t, fn)
		next := compile(snap)
		fmt.Fprintf(&b, "# %s\n", title)
		for _, op := range plan.Diff(have, next) {
			fmt.Fprintln(&b, op)
		}
		have = next
	}
	step("a rule is authorized", func(tx *state.Tx) {
		fabrictest.Rule(tx, "sgr-new", "sg-db", false, "tcp", 3306, 3306, "172.30.0.0/24")
	})
	step("a rule that another one covers", func(tx *state.Tx) {
		fabrictest.Rule(tx, "sgr-covered", "sg-db", false, "tcp", 3306, 3306, "172.30.0.4/32")
	})
	step("the wider one is revoked", func(tx *state.Tx) {
		state.SecurityGroupRules.Delete(tx, fabrictest.Scope.Key("sgr-new"))
	})
	step("a member joins", func(tx *state.Tx) {
		fabrictest.Interface(tx, "eni-app1", "vpc-1", "subnet-1", "i-app1", 0, []string{"sg-app", "sg-db"}, "172.30.0.4")
	})
	step("an instance stops", func(tx *state.Tx) { fabrictest.Instance(tx, "i-app2", "vpc-1", state.Stopped) })
	step("DNS support is switched off", func(tx *state.Tx) {
		v, _ := state.Vpcs.Get(tx, fabrictest.Scope.Key("vpc-1"))
		next := *v
		next.EnableDnsSupport = false
		state.Vpcs.Put(tx, &next)
	})
	step("an ACL filters what enters", func(tx *state.Tx) {
		web := fabrictest.Allow(100, false)
		web.Protocol, web.FromPort, web.ToPort = "6", 80, 80
		fabrictest.Acl(tx, "acl-1", "vpc-1", []state.NetworkAclEntry{web, fabrictest.Allow(100, true)}, "subnet-1", "subnet-2")
	})
	golden(t, "differences.txt", b.String())
}

// Deriving only what a change affects gives what deriving everything gives.
func TestAffectedIsEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := fabrictest.Open(t)
		defer s.Close()
		byUnit := map[fabric.Unit]plan.Objects{}
		for range rapid.IntRange(1, 8).Draw(t, "commits") {
			snap, changes := s.Change(t, func(tx *state.Tx) {
				for range rapid.IntRange(1, 3).Draw(t, "changes") {
					fabrictest.Disturb(t, tx)
				}
			})
			for _, c := range changes {
				for _, u := range fabric.Affected(snap, c) {
					policy, wiring := ruleset.Objects(snap, u)
					objects := plan.Objects{}
					objects.Put(policy...)
					objects.Put(wiring...)
					byUnit[u] = objects
				}
			}
			kept := plan.Objects{}
			for _, objects := range byUnit {
				for _, o := range objects {
					kept.Put(o)
				}
			}
			if got, want := lines(kept), lines(compile(snap)); got != want {
				t.Fatalf("kept up to date:\n%s\nderived anew:\n%s", got, want)
			}
		}
	})
}

// References hold: what a chain or an element names is there, so that the kernel
// takes the whole.
func TestReferences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := fabrictest.Open(t)
		defer s.Close()
		snap, _ := s.Change(t, func(tx *state.Tx) {
			for range rapid.IntRange(1, 12).Draw(t, "changes") {
				fabrictest.Disturb(t, tx)
			}
		})
		objects := compile(snap)
		has := func(kind string, ns plan.Netns, name string) bool {
			_, ok := objects[fmt.Sprintf("%s %s %s", kind, ns, name)]
			return ok
		}
		for _, o := range objects {
			if _, ok := o.(plan.Router); !ok && strings.HasPrefix(string(o.NS()), "vpc-") && objects["netns "+string(o.NS())] == nil {
				t.Errorf("%s: there is no such router", o)
			}
			if err := plan.Check(o); err != nil {
				t.Error(err)
			}
			switch o := o.(type) {
			case plan.Chain:
				for _, name := range o.Uses() {
					if !has("set", o.Netns, name) && !has("chain", o.Netns, name) && !has("ct timeout", o.Netns, name) {
						t.Errorf("chain %s uses %s, which is not there", o.Name, name)
					}
				}
			case plan.Element:
				set, ok := objects[fmt.Sprintf("set %s %s", o.Netns, o.Set)].(plan.Set)
				if !ok {
					t.Errorf("%s: there is no such set", o)
				} else if err := set.CheckElement(o); err != nil {
					t.Error(err)
				}
				if o.Verdict != nil && o.Verdict.Chain != "" && !has("chain", o.Netns, o.Verdict.Chain) {
					t.Errorf("%s: there is no such chain", o)
				}
			}
		}
	})
}

func TestOneRuleInAGroupOfManyIsOneElement(t *testing.T) {
	s := fabrictest.Open(t)
	defer s.Close()
	rule := func(tx *state.Tx, n int) {
		addr := netip.AddrFrom4([4]byte{100, byte(n >> 8), byte(n), 1})
		fabrictest.Rule(tx, fmt.Sprintf("sgr-%05d", n), "sg-1", false, "tcp", 443, 443, addr.String()+"/32")
	}
	snap, _ := s.Change(t, func(tx *state.Tx) {
		fabrictest.Vpc(tx, "vpc-1", "10.0.0.0/16")
		fabrictest.Group(tx, "sg-1", "vpc-1", "many")
		for n := range 10_000 {
			rule(tx, n)
		}
	})
	before := compile(snap)
	snap, _ = s.Change(t, func(tx *state.Tx) { rule(tx, 10_000) })
	if ops := plan.Diff(before, compile(snap)); len(ops) != 1 {
		t.Errorf("one more rule is %d operations, want 1: %v", len(ops), ops)
	}
}

// TestPeering: what two peered VPCs have besides, and what becomes of it.
func TestPeering(t *testing.T) {
	s := fabrictest.Small(t)
	have := compile(s.Snapshot())
	var b strings.Builder
	step := func(title string, fn func(tx *state.Tx)) {
		snap, _ := s.Change(t, fn)
		next := compile(snap)
		fmt.Fprintf(&b, "# %s\n", title)
		for _, op := range plan.Diff(have, next) {
			fmt.Fprintln(&b, op)
		}
		have = next
	}
	snap, _ := s.Change(t, func(tx *state.Tx) {
		fabrictest.Neighbour(tx)
		fabrictest.Peering(tx, "pcx-1", "vpc-1", "vpc-x", "pending-acceptance")
	})
	have = compile(snap)
	step("the request is accepted", func(tx *state.Tx) { fabrictest.Peering(tx, "pcx-1", "vpc-1", "vpc-x", "active") })
	step("a member joins on the other side", func(tx *state.Tx) {
		fabrictest.Instance(tx, "i-x2", "vpc-x", state.Running)
		fabrictest.Interface(tx, "eni-x2", "vpc-x", "subnet-x", "i-x2", 0, []string{"sg-x"}, "10.9.0.5")
	})
	step("the rule that refers to the other VPC's group goes", func(tx *state.Tx) {
		state.SecurityGroupRules.Delete(tx, fabrictest.Key("sgr-app-far"))
	})
	step("another block", func(tx *state.Tx) {
		row, _ := state.Vpcs.Get(tx, fabrictest.Key("vpc-x"))
		v := *row
		v.Cidrs = append(slices.Clone(row.Cidrs), state.CidrAssociation{Cidr: netip.MustParsePrefix("100.64.0.0/16"), State: "associated"})
		state.Vpcs.Put(tx, &v)
	})
	step("it is deleted", func(tx *state.Tx) { fabrictest.Peering(tx, "pcx-1", "vpc-1", "vpc-x", "deleted") })
	golden(t, "peering.txt", b.String())
}
