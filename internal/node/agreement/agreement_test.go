//go:build linux

// Package agreement holds the test that the explanation of packets, the
// interpreter of the rules and the kernel give one verdict.
//
// Invariant: a new feature that touches packets joins by being drawn in
// fabrictest or in probe; there is no list of exceptions.
package agreement

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/localvpc/localvpc/internal/decide/fabric/fabrictest"
	"github.com/localvpc/localvpc/internal/decide/reach"
	"github.com/localvpc/localvpc/internal/decide/ruleset"
	"github.com/localvpc/localvpc/internal/state"
)

// TestExplanationAndRulesAgree: verdict and cause, there and back, without a
// kernel. More cases: -agreement.pure=N -agreement.seed=0.
func TestExplanationAndRulesAgree(t *testing.T) {
	check(t, *pureCases, func(t *rapid.T) { agree(t, nil) })
}

// agree draws three VPCs and what lies between them, sends packets, and their
// answers, and sends them again when the ACLs have changed under the flows. lab is
// nil without a kernel.
func agree(t *rapid.T, l *lab) {
	s := fabrictest.Open(t)
	defer s.Close()
	snap, _ := s.Change(t, func(tx *state.Tx) {
		for _, v := range fabrictest.Vpcs {
			fabrictest.Populate(t, tx, v)
		}
		fabrictest.Peerings(t, tx)
	})
	ps := plugs(snap)
	if len(ps) == 0 {
		return
	}
	objects := compile(snap)
	n := ruleset.NewNet(objects)
	if l != nil {
		l.become(t, objects)
		l.forget(t)
	}
	send := func(p probe, about *ruleset.Packet) ruleset.Journey {
		var each func(probe, ruleset.Journey)
		if l != nil {
			each = func(p probe, j ruleset.Journey) {
				if err := l.send(t, p, j); err != nil {
					t.Fatalf("%s: %v; the rules say %s\n%s", p.Packet, err, j, describe(snap, objects))
				}
			}
		}
		p.About = about
		j, err := journey(n, ps, p, each)
		if err != nil {
			t.Fatalf("%s: %v\n%s", p.Packet, err, describe(snap, objects))
		}
		return j
	}
	flows := newFresh()
	var open []answered
	for range 20 {
		p := draw(t, snap, ps)
		if !flows.flow(&p) {
			continue
		}
		report := reach.Walk(snap, p.query())
		j := send(p, nil)
		if !p.begins(report) && translated(report) {
			// Connection tracking makes no flow of it, so it cannot be translated.
			if _, arrived := plugAt(ps, j); arrived {
				t.Fatalf("%s begins no flow and arrives; the rules say %s\n%s", p.Packet, j, describe(snap, objects))
			}
			continue
		}
		if err := compare(report, false, j); err != nil {
			t.Fatalf("%s: %v; the rules say %s\n%s", p.Packet, err, j, describe(snap, objects))
		}
		at, arrived := plugAt(ps, j)
		if !arrived || !slices.Contains(p.from.addrs, p.Src) {
			continue // what answers a wrong source address goes to somebody else
		}
		if rapid.IntRange(0, 3).Draw(t, "error instead of an answer") == 0 {
			if h, ok := unreachable(j.Packet); ok {
				send(probe{from: at, Packet: ruleset.Packet{Header: h, Link: at.link}}, &j.Packet)
			}
			continue
		}
		back, ok := reply(j.Packet, at, p.Flags)
		if !ok {
			continue
		}
		there := j
		j = send(back, nil)
		if another(report) {
			if end, ok := plugAt(ps, j); ok && end.eni == p.from.eni && j.Packet.Src == p.Dst {
				t.Fatalf("answer to %s: the explanation has it come as another's, the rules say %s\n%s", p.Packet, j, describe(snap, objects))
			}
			continue
		}
		if err := compare(report, true, j); err != nil {
			t.Fatalf("answer to %s: %v; the rules say %s, there %s\n%s", p.Packet, err, j, there, describe(snap, objects))
		}
		open = append(open, answered{p, back})
	}
	if len(open) == 0 {
		return
	}
	snap, _ = s.Change(t, func(tx *state.Tx) { fabrictest.Acls(t, tx, rapid.SampledFrom(fabrictest.Vpcs).Draw(t, "acls of")) })
	objects = compile(snap)
	n.Become(objects)
	if l != nil {
		l.become(t, objects)
	}
	for _, f := range open {
		report := reach.Walk(snap, f.there.query())
		for i, p := range []probe{f.there, f.back} {
			j := send(p, nil)
			if err := noGroups(report, i == 1, j); err != nil {
				t.Fatalf("%s, after the ACLs have changed: %v; the rules say %s\n%s", p.Packet, err, j, describe(snap, objects))
			}
		}
	}
}
