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

// pathRows measures three paths in turns: plain routing, a VPC with 10 rules and
// 10 members, and one with 10,000 rules and 1,000 members. Results are per second
// of CPU time, since a router has no CPU of its own here: packets are forwarded in
// the process that sends them.
func pathRows(ctx context.Context, b *bench) ([]row, error) {
	rules, members := pick(b, 10000, 200), pick(b, 1000, 26)
	var sides []*pathSide
	add := func(name string, client, server *agent) {
		sides = append(sides, &pathSide{name: name, client: client, server: server, perCPU: map[string][]float64{}, wall: map[string][]float64{}})
	}
	client, server, err := b.plainPath()
	if err != nil {
		return nil, err
	}
	defer client.end()
	add("plain", client, server)
	err = b.with(func(p *program) error {
		for i, size := range [][2]int{{10, 10}, {rules, members}} {
			client, server, err := pathNetwork(ctx, p, 70+i, size[0], size[1])
			if err != nil {
				return fmt.Errorf("a VPC with %d rules and %d members: %w", size[0], size[1], err)
			}
			defer client.end()
			defer server.end()
			add(fmt.Sprintf("%d rules, %d members", size[0], size[1]), client, server)
		}
		for _, s := range sides {
			if _, err := s.client.say("pin first"); err != nil {
				return err
			}
			if _, err := s.server.say("serve 9000"); err != nil {
				return err
			}
		}
		for round := range b.times(15) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			for _, l := range patterns {
				for i := range sides { // another one begins each round
					if err := sides[(round+i)%len(sides)].measure(l, pick(b, 1.0, 0.2)); err != nil {
						return err
					}
				}
				if a, b := sides[0].last, sides[1].last; a.Control != b.Control || a.Segment != b.Segment {
					return fmt.Errorf("the paths differ: plain routing has %s and segments of %d bytes, instances have %s and %d", a.Control, a.Segment, b.Control, b.Segment)
				}
			}
		}
		return nil
	}, "--ephemeral", "--quotas", "off")
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, l := range patterns {
		compare := func(a, b *pathSide, least float64, of string) row {
			r := row{
				measure: l.name + ": " + a.name, unit: l.unit + "/CPU s", of: of,
				value: median(a.perCPU[l.name]), yard: median(b.perCPU[l.name]), ratio: median(ratios(a.perCPU[l.name], b.perCPU[l.name])),
				note: fmt.Sprintf("wall clock: %s against %s %s/s, %s", number(median(a.wall[l.name])), number(median(b.wall[l.name])), l.unit, number(median(ratios(a.wall[l.name], b.wall[l.name])))),
			}
			if least > 0 {
				r.target = ratioAtLeast(least)
			}
			return r
		}
		plain, small, large := sides[0], sides[1], sides[2]
		rows = append(rows, compare(small, plain, l.least, "plain"), compare(large, plain, l.least, "plain"), compare(large, small, flat, "small VPC"))
	}
	return rows, nil
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
	if server, err = w.agent(ctx, order{subnet: 1, groups: []string{web}}); err != nil {
		client.end()
		return nil, nil, err
	}
	return client, server, nil
}
