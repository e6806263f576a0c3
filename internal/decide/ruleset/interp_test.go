package ruleset_test

import (
	"net/netip"
	"testing"

	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/decide/ruleset"
)

func header(protocol uint8, from, to string, sport, dport uint16) fabric.Header {
	return fabric.Header{Protocol: protocol, Src: netip.MustParseAddr(from), Dst: netip.MustParseAddr(to), SPort: sport, DPort: dport}
}

func icmp(typ uint8, from, to string) fabric.Header {
	return fabric.Header{Protocol: fabric.ICMP, Src: netip.MustParseAddr(from), Dst: netip.MustParseAddr(to), Type: typ}
}

// The addresses of the small VPC.
const (
	app1, app2, db1 = "172.30.0.4", "172.30.1.4", "172.30.1.224"
)

func TestFlows(t *testing.T) {
	question := header(fabric.TCP, app1, db1, 40000, 5432)
	answer, _ := question.Reply()
	datagram := header(fabric.UDP, app1, app2, 5000, 514)
	ping := icmp(8, app1, app2)
	pong, _ := ping.Reply()
	for _, test := range []struct {
		name    string
		packets []ruleset.Packet
		want    []string // of each packet
	}{{
		name: "a connection",
		packets: []ruleset.Packet{
			{Link: "eapp1", Header: question},
			{Link: "edb1", Header: answer, Flags: ruleset.SynAck},
			{Link: "eapp1", Header: question, Flags: ruleset.Ack},
		},
		want: []string{
			"to edb1; source: eni-app1; group out: sgr-app-out; group in: sgr-db-5432",
			"to eapp1; source: eni-db1",
			"to edb1; source: eni-app1",
		},
	}, {
		name:    "a segment that begins nothing is asked by the rules",
		packets: []ruleset.Packet{{Link: "edb1", Header: answer, Flags: ruleset.SynAck}},
		want:    []string{"refused at group in ; source: eni-db1; group out: sgr-app-out"},
	}, {
		name:    "what was refused begins no flow",
		packets: []ruleset.Packet{{Link: "eapp1", Header: datagram}, {Link: "eapp1", Header: datagram}},
		want: []string{
			"refused at group in ; source: eni-app1; group out: sgr-app-out",
			"refused at group in ; source: eni-app1; group out: sgr-app-out",
		},
	}, {
		name:    "a ping, its answer, and an answer to none",
		packets: []ruleset.Packet{{Link: "eapp2", Header: pong}, {Link: "eapp1", Header: ping}, {Link: "eapp2", Header: pong}},
		want: []string{
			"refused at group in ; source: eni-app2; group out: sgr-app-out",
			"to eapp2; source: eni-app1; group out: sgr-app-out; group in: sgr-app-ping",
			"to eapp1; source: eni-app2",
		},
	}, {
		name: "an error about a flow, and about none",
		packets: []ruleset.Packet{
			{Link: "edb1", Header: icmp(3, db1, app1), About: &ruleset.Packet{Header: question}},
			{Link: "eapp1", Header: question},
			{Link: "edb1", Header: icmp(3, db1, app1), About: &ruleset.Packet{Header: question}},
			{Link: "eapp2", Header: icmp(3, app2, app1), About: &ruleset.Packet{Header: datagram}},
		},
		want: []string{
			"refused at group in ; source: eni-db1; group out: sgr-app-out",
			"to edb1; source: eni-app1; group out: sgr-app-out; group in: sgr-db-5432",
			"to eapp1; source: eni-db1",
			"refused at group in ; source: eni-app2; group out: sgr-app-out",
		},
	}, {
		name: "services",
		packets: []ruleset.Packet{
			{Link: "edb1", Header: header(fabric.UDP, db1, "172.30.0.2", 5000, 53)},
			{Link: "edb1", Header: header(fabric.TCP, db1, "169.254.169.254", 5000, 80)},
			{Link: "edb1", Header: header(fabric.TCP, db1, "169.254.169.254", 5000, 53)},
			{Link: "edb1", Header: icmp(8, db1, "172.30.1.1")},
		},
		want: []string{
			"to lo; source: eni-db1; destination: vpc-1",
			"to lo; source: eni-db1; destination: vpc-1",
			"refused at destination ; source: eni-db1",
			"refused at destination ; source: eni-db1",
		},
	}, {
		name: "sources and destinations that are not there",
		packets: []ruleset.Packet{
			{Link: "eapp1", Header: header(fabric.TCP, app2, db1, 40000, 5432)},
			{Link: "eapp1", Header: header(fabric.TCP, app1, "172.30.9.9", 40000, 80)},
			{Link: "eapp1", Header: header(fabric.TCP, app1, "192.0.2.1", 40000, 80)},
		},
		want: []string{"refused at source ", "refused at destination ; source: eni-app1", "refused at destination ; source: eni-app1"},
	}} {
		t.Run(test.name, func(t *testing.T) {
			it := ruleset.NewInterp(compile(fabrictest.Small(t).Snapshot()), "vpc-1")
			for i, p := range test.packets {
				trace, err := it.Send(p)
				if err != nil {
					t.Fatal(err)
				}
				if got := trace.String(); got != test.want[i] {
					t.Errorf("%s:\ngot  %s\nwant %s", p, got, test.want[i])
				}
			}
		})
	}
}

// What no router can have is an error, not a verdict.
func TestObjectsThatAreNotARouters(t *testing.T) {
	verdict := plan.Jump("nowhere")
	for name, o := range map[string]plan.Object{
		"a jump to nothing":     plan.Chain{Netns: "vpc-1", Name: "sg", Rules: []plan.Rule{{Verdict: &verdict}}},
		"a lookup in nothing":   plan.Chain{Netns: "vpc-1", Name: "sg", Rules: []plan.Rule{plan.Do(plan.Accept, "", plan.In("nothing", plan.SAddr))}},
		"a translation":         plan.Chain{Netns: "vpc-1", Name: "sg", Rules: []plan.Rule{{NAT: &plan.NAT{Code: "masquerade"}}}},
		"elements that overlap": plan.Element{Netns: "vpc-1", Set: "a_sg_app_out", At: []plan.Value{plan.Net(netip.MustParsePrefix("172.30.0.0/16"))}},
	} {
		objects := compile(fabrictest.Small(t).Snapshot())
		objects.Put(o)
		it := ruleset.NewInterp(objects, "vpc-1")
		if trace, err := it.Send(ruleset.Packet{Link: "eapp1", Header: header(fabric.TCP, app1, db1, 40000, 5432)}); err == nil {
			t.Errorf("%s: %s, want an error", name, trace)
		}
	}
}
