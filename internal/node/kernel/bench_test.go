//go:build linux

package kernel_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel"
	"github.com/localvpc/localvpc/internal/node/kernel/testns"
)

// nth is one interface of many: its namespace and its objects, with the elements
// that say what its packets may do.
func nth(i int) (plan.Netns, []plan.Object) {
	ns := plan.Netns(fmt.Sprintf("i-%05d", i))
	name := fmt.Sprintf("e%05d", i)
	objects := port("vpc-1", ns, name, netip.AddrFrom4([4]byte{10, 0, byte(1 + i/250), byte(4 + i%250)}).String(), 4)
	in := plan.Goto("c_1_in")
	return ns, append(objects, plan.Element{Netns: "vpc-1", Set: "sg_in", At: []plan.Value{plan.Str(name)}, Verdict: &in})
}

// crowd makes a router with n interfaces, each in a namespace of its own.
func crowd(t testing.TB, n int) *kernel.Kernel {
	t.Helper()
	testns.Need(t)
	k := world(t)
	objects := plan.Objects{}
	objects.Put(base("vpc-1")...)
	for i := range n {
		ns, more := nth(i)
		guest(t, k, ns)
		objects.Put(more...)
	}
	apply(t, k, plan.Objects{}, objects)
	return k
}

func must(b *testing.B, k *kernel.Kernel, verb plan.Verb, objects ...plan.Object) {
	ops := make([]plan.Op, len(objects))
	for i, o := range objects {
		ops[i] = plan.Op{Verb: verb, Object: o, Old: o}
	}
	if err := k.Apply(context.Background(), ops); err != nil {
		b.Fatal(err)
	}
}

var crowds = []int{10, 1000}

// BenchmarkElement adds and removes one member.
func BenchmarkElement(b *testing.B) {
	for _, n := range crowds {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			k := crowd(b, n)
			e := plan.Element{Netns: "vpc-1", Set: "src_ok", At: []plan.Value{plan.Str("e1"), plan.IP(addr("10.9.9.9"))}, Cause: "eni-1"}
			for b.Loop() {
				must(b, k, plan.Add, e)
				must(b, k, plan.Remove, e)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(2*b.N), "us/op")
		})
	}
}

// BenchmarkCidrRule adds and removes one element among n of a set of
// concatenated intervals.
func BenchmarkCidrRule(b *testing.B) {
	for _, n := range crowds {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			k := crowd(b, 1)
			at := func(i int) plan.Element {
				return plan.Element{Netns: "vpc-1", Set: "r_web", Cause: "sgr-1", At: []plan.Value{
					plan.Net(netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 0}), 24)), plan.Num(6), plan.Num(80)}}
			}
			var all []plan.Object
			for i := range n {
				all = append(all, at(i))
			}
			must(b, k, plan.Add, all...)
			for b.Loop() {
				must(b, k, plan.Add, at(n))
				must(b, k, plan.Remove, at(n))
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(2*b.N), "us/op")
		})
	}
}

// BenchmarkChain refills a chain of 60 rules.
func BenchmarkChain(b *testing.B) {
	for _, n := range crowds {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			k := crowd(b, n)
			c := plan.Chain{Netns: "vpc-1", Name: "g_web_in"}
			for i := range 60 {
				c.Rules = append(c.Rules, plan.Do(plan.Goto("allow"), "sgr-1", plan.In("vpc_cidr", plan.SAddr), plan.Where(plan.L4Proto, plan.Str("tcp")), plan.Where(plan.DPort, plan.Num(uint32(i)))))
			}
			for b.Loop() {
				must(b, k, plan.Change, c)
			}
		})
	}
}

// BenchmarkInterface adds one interface to n: link, addresses, routes, rules.
// Its namespace is there, as the sandbox makes it.
func BenchmarkInterface(b *testing.B) {
	for _, n := range crowds {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			k := crowd(b, n)
			ns, objects := nth(n)
			f := namespace(b)
			defer f.Close()
			for b.Loop() {
				b.StopTimer()
				if err := k.Attach(ns, f); err != nil { // as if it were new
					b.Fatal(err)
				}
				b.StartTimer()
				must(b, k, plan.Add, objects...)
				b.StopTimer()
				must(b, k, plan.Remove, objects...)
				b.StartTimer()
			}
		})
	}
}

// BenchmarkThousand makes 1,000 interfaces and their namespaces.
func BenchmarkThousand(b *testing.B) {
	for b.Loop() {
		k := crowd(b, 1000)
		b.StopTimer()
		must(b, k, plan.Remove, plan.Router{Name: "vpc-1"})
		k.Close()
		b.StartTimer()
	}
}

// BenchmarkRead reads a router of n interfaces back.
func BenchmarkRead(b *testing.B) {
	for _, n := range crowds {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			k := crowd(b, n)
			for b.Loop() {
				if _, err := k.Read("vpc-1"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
