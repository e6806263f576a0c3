//go:build linux

package main

import (
	"context"
	"fmt"

	"github.com/localvpc/localvpc/bench/report"
)

// pathSide is one path from a client to a server, and what was measured on it.
type pathSide struct {
	name           string
	client, server *agent
	perCPU, wall   map[string][]float64
	last           report.Traffic
}

// pattern is one way to use a path.
type pattern struct {
	command, unit string
	place         string  // the server's CPU, first or last; the client's is the first
	scale         float64 // from counts to the unit
	both          bool    // the CPU time of both ends counts, otherwise the client's
	name          string
	least         float64 // share of plain routing that has to be reached; 0: none
}

var patterns = []pattern{
	{"stream", "GB", "last", 1e-9, true, "throughput", 0.85},
	{"stream", "GB", "first", 1e-9, true, "throughput on one CPU", 0.85},
	{"connect", "k", "last", 1e-3, false, "new connections", 0.7},
	{"request", "k", "last", 1e-3, false, "requests on one connection", 0},
}

// flat is how much of its speed a path may lose between 10 rules and members and
// many. It is the spread of the medians of equal paths.
const flat = 0.93

// sizes of VPCs in rules and members of the groups concerned.
func (b *bench) sizes() [][2]int {
	return [][2]int{{10, 10}, {pick(b, 1000, 100), pick(b, 1000, 26)}, {pick(b, 10000, 200), pick(b, 1000, 26)}}
}

func sizeName(size [2]int) string { return fmt.Sprintf("%d rules, %d members", size[0], size[1]) }

// largeSegment is what TCP hands to localvpc's links in one piece, in bytes. Plain
// routing has Linux's own 64 KiB, and where it says so the same as here.
const largeSegment = 192 << 10

func newSide(name string, client, server *agent) *pathSide {
	return &pathSide{name: name, client: client, server: server, perCPU: map[string][]float64{}, wall: map[string][]float64{}}
}

// pathRows measures paths in turns: plain routing, and VPCs with 10 rules and 10
// members up to 10,000 rules and 1,000 members. Results are per second of CPU time,
// since a router has no CPU of its own here: packets are forwarded in the process
// that sends them.
func pathRows(ctx context.Context, b *bench) ([]row, error) {
	var sides []*pathSide
	for _, segment := range []int{0, largeSegment} {
		client, server, err := b.plainPath(segment, mtu, mtu)
		if err != nil {
			return nil, err
		}
		defer client.end()
		if _, err := server.say("serve 9000"); err != nil {
			return nil, err
		}
		sides = append(sides, newSide("plain", client, server))
	}
	err := b.with(func(p *program) error {
		for i, size := range b.sizes() {
			client, server, err := pathNetwork(ctx, p, 70+i, size[0], size[1])
			if err != nil {
				return fmt.Errorf("a VPC with %s: %w", sizeName(size), err)
			}
			defer client.end()
			defer server.end()
			sides = append(sides, newSide(sizeName(size), client, server))
		}
		return inTurns(ctx, sides, patterns, b.times(15), pick(b, 0.75, 0.2))
	}, "--ephemeral", "--quotas", "off")
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, l := range patterns {
		plain, large, small := sides[0], sides[1], sides[2]
		for _, s := range sides[2:] {
			rows = append(rows, compare(l, s, plain, l.least, "plain"))
		}
		if l.both {
			rows = append(rows, compare(l, small, large, 0, "plain, large segments"))
		}
		rows = append(rows, compare(l, sides[len(sides)-1], small, flat, "small VPC"))
	}
	return rows, nil
}

// inTurns measures every side with every pattern in each round.
func inTurns(ctx context.Context, sides []*pathSide, patterns []pattern, rounds int, seconds float64) error {
	for _, s := range sides {
		if _, err := s.client.say("pin first"); err != nil {
			return err
		}
	}
	for round := range rounds {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, l := range patterns {
			for i := range sides { // another one begins each round
				if err := sides[(round+i)%len(sides)].measure(l, seconds); err != nil {
					return err
				}
			}
			for _, s := range sides[1:] {
				if a, b := sides[0].last, s.last; a.Control != b.Control || a.Segment != b.Segment {
					return fmt.Errorf("the paths differ: %s has %s and segments of %d bytes, %s has %s and %d", sides[0].name, a.Control, a.Segment, s.name, b.Control, b.Segment)
				}
			}
		}
	}
	return nil
}

// compare is the row of a side with another one as its yardstick.
func compare(l pattern, s, yard *pathSide, least float64, of string) row {
	r := row{
		measure: l.name + ": " + s.name, unit: l.unit + "/CPU s", of: of,
		value: median(s.perCPU[l.name]), yard: median(yard.perCPU[l.name]), ratio: median(ratios(s.perCPU[l.name], yard.perCPU[l.name])),
		note: fmt.Sprintf("wall clock: %s against %s %s/s, %s", number(median(s.wall[l.name])), number(median(yard.wall[l.name])), l.unit, number(median(ratios(s.wall[l.name], yard.wall[l.name])))),
	}
	if least > 0 {
		r.target = ratioAtLeast(least)
	}
	return r
}

func (s *pathSide) measure(l pattern, seconds float64) error {
	if _, err := s.server.say("pin %s", l.place); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	before, err := s.server.say("cpu")
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	r, err := s.client.say("%s %s:9000 %g", l.command, s.server.addr, seconds)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	after, err := s.server.say("cpu")
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	used := r.CPU
	if l.both {
		used += after.CPU - before.CPU
	}
	amount := float64(r.Count) * l.scale
	s.perCPU[l.name] = append(s.perCPU[l.name], amount/used)
	s.wall[l.name] = append(s.wall[l.name], amount/r.Seconds)
	s.last = r
	return nil
}

// pathNetwork makes a VPC whose server takes connections from the members of one
// group, one rule among many, and gives the load generators at both ends.
func pathNetwork(ctx context.Context, p *program, net, rules, members int) (client, server *agent, err error) {
	w, err := newNetwork(ctx, p, net)
	if err != nil {
		return nil, nil, err
	}
	web, err := w.group(ctx, "web")
	if err != nil {
		return nil, nil, err
	}
	app, err := w.group(ctx, "app")
	if err != nil {
		return nil, nil, err
	}
	if err := w.allowHosts(ctx, web, rules-1); err != nil {
		return nil, nil, err
	}
	if err := w.allow(ctx, web, app, 9000, 9000); err != nil {
		return nil, nil, err
	}
	if err := w.fill(ctx, members-1, 0, []string{app}); err != nil {
		return nil, nil, err
	}
	if client, err = w.agent(ctx, order{subnet: 0, groups: []string{app}}); err != nil {
		return nil, nil, err
	}
	if server, err = w.agent(ctx, order{subnet: 1, groups: []string{web}}); err == nil {
		_, err = server.say("serve 9000")
	}
	if err != nil {
		client.end()
		return nil, nil, err
	}
	return client, server, nil
}
