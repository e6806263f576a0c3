package ruleset

import (
	"strconv"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/plan"
)

// Ports that a NAT gateway uses: 55,000 at one address towards one destination
// (VPC User Guide, "NAT gateway basics").
const (
	natFirstPort = 1024
	natPorts     = 55000
)

// natTimeouts are what connection tracking calls the idle times of a flow.
var natTimeouts = []string{"tcp_timeout_established", "udp_timeout", "udp_timeout_stream", "icmp_timeout", "generic_timeout"}

// looseTCP says whether a segment in the middle of a connection begins a flow.
const looseTCP = "net/netfilter/nf_conntrack_tcp_loose"

// Translator gives the namespace of a NAT gateway, in which packets get one of
// its addresses as their source and their answers are told apart. Nothing begins
// outside of it but what is led to it by a route.
func Translator(p fabric.Port) []plan.Object {
	ns := plan.Netns(p.Instance)
	objects := []plan.Object{
		plan.Router{Name: ns},
		closed(ns, tableDefault, p.Instance),
		plan.Chain{Netns: ns, Name: chainInput, Hook: &plan.Hook{Type: "filter", Hook: "input", Policy: "drop"}},
	}
	// What goes on after its flow was forgotten begins none (see the reset below).
	objects = append(objects, plan.Sysctl{Netns: ns, Path: looseTCP, Value: "0"})
	for _, name := range natTimeouts {
		objects = append(objects, plan.Sysctl{Netns: ns, Path: "net/netfilter/nf_conntrack_" + name, Value: strconv.Itoa(p.IdleTimeout)})
	}
	post := plan.Chain{Netns: ns, Name: chainOutside, Hook: &plan.Hook{Type: "nat", Hook: "postrouting", Priority: 100, Policy: "accept"}}
	for i := len(p.Addrs) - 1; i >= 0; i-- { // the primary one last: it also takes what has no ports
		r := plan.Rule{NAT: &plan.NAT{Code: "snat", To: p.Addrs[i], Lo: natFirstPort, Hi: natFirstPort + natPorts - 1}, Cause: p.Instance}
		if i > 0 {
			m := plan.Match{Fields: []plan.Field{plan.SPort}, Mask: (fabric.NatSpreads - 1) << fabric.NatSpreadShift}
			for v := i; v < fabric.NatSpreads; v += len(p.Addrs) {
				m.Values = append(m.Values, plan.Num(uint32(v<<fabric.NatSpreadShift)))
			}
			r.Match = []plan.Match{m}
		}
		post.Rules = append(post.Rules, r)
	}
	forward := plan.Chain{Netns: ns, Name: chainForward, Hook: &plan.Hook{Type: "filter", Hook: "forward", Policy: "drop"}, Rules: []plan.Rule{
		plan.Do(plan.Accept, "", plan.Where(plan.CTState, plan.Str("new"), plan.Str("established"), plan.Str("related")),
			plan.Where(plan.L4Proto, plan.Num(fabric.ICMP), plan.Num(fabric.TCP), plan.Num(fabric.UDP))),
		// A connection that was idle for too long is answered with a reset (VPC User
		// Guide, "Troubleshoot NAT gateways").
		plan.Do(plan.Reset, "", plan.Where(plan.CTState, plan.Str("invalid")), plan.Where(plan.L4Proto, plan.Num(fabric.TCP))),
	}}
	return append(objects, post, forward)
}
