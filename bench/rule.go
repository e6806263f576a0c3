//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// heard and unheard are how long one attempt to connect may take in seconds. The
// kernel repeats a lost packet after one second: a connection that comes about
// within less had its first packet through.
const (
	heard   = 0.9
	unheard = 0.02
)

// ruleRows changes a rule of a group again and again and tries at once, from
// inside an instance, whether packets obey: in a VPC with 10 interfaces and in
// one with 1,000, in turns.
func ruleRows(ctx context.Context, b *bench) ([]row, error) {
	sizes := [2]int{10, pick(b, 1000, 50)}
	var allow, forbid [2][]float64
	wrong := 0
	err := b.with(func(p *program) error {
		var sides [2]*ruleSide
		for i, n := range sizes {
			s, err := newRuleSide(ctx, p, 50+i, n)
			if err != nil {
				return fmt.Errorf("a VPC with %d interfaces: %w", n, err)
			}
			defer s.end()
			sides[i] = s
		}
		for range b.times(200) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			for i, s := range sides {
				ms, obeyed, err := s.change("AuthorizeSecurityGroupIngress", heard, 1)
				if err != nil {
					return err
				}
				allow[i] = append(allow[i], ms)
				if !obeyed {
					wrong++
				}
				if ms, obeyed, err = s.change("RevokeSecurityGroupIngress", unheard, 0); err != nil {
					return err
				}
				forbid[i] = append(forbid[i], ms)
				if !obeyed {
					wrong++
				}
			}
		}
		return nil
	}, "--ephemeral", "--quotas", "off")
	if err != nil {
		return nil, err
	}
	small, large := sizes[0], sizes[1]
	at := func(n int) string { return fmt.Sprintf("at %d", n) }
	return []row{
		{measure: fmt.Sprintf("authorize at %d interfaces, p50", small), value: median(allow[0]), unit: "ms", target: atMost(3)},
		{measure: fmt.Sprintf("authorize at %d interfaces, p50", large), value: median(allow[1]), unit: "ms", yard: median(allow[0]), of: at(small), target: ratioAtMost(2)},
		{measure: fmt.Sprintf("revoke at %d interfaces, p50", small), value: median(forbid[0]), unit: "ms", target: atMost(3)},
		{measure: fmt.Sprintf("revoke at %d interfaces, p50", large), value: median(forbid[1]), unit: "ms", yard: median(forbid[0]), of: at(small), target: ratioAtMost(2)},
		{measure: fmt.Sprintf("authorize at %d interfaces, p99", large), value: quantile(allow[1], 0.99), unit: "ms"},
		{measure: "changes that the next packet did not obey", value: float64(wrong), target: atMost(0), note: fmt.Sprintf("of %d", 2*(len(allow[0])+len(allow[1])))},
	}, nil
}

// ruleSide is one VPC: a client, a server, and members of both groups.
type ruleSide struct {
	client, server *agent
	poster         *poster
	rule           []string
}

// newRuleSide makes a VPC with n interfaces, all of them members of the group
// whose rule changes, all but the server of the group that the rule names.
func newRuleSide(ctx context.Context, p *program, net, n int) (*ruleSide, error) {
	w, err := newNetwork(ctx, p, net)
	if err != nil {
		return nil, err
	}
	web, err := w.group(ctx, "web")
	if err != nil {
		return nil, err
	}
	app, err := w.group(ctx, "app")
	if err != nil {
		return nil, err
	}
	if err := w.fill(ctx, n-2, 0, []string{web, app}); err != nil {
		return nil, err
	}
	s := &ruleSide{poster: newPoster(p.addr), rule: []string{"GroupId", web, "IpPermissions.1.IpProtocol", "tcp",
		"IpPermissions.1.FromPort", "8080", "IpPermissions.1.ToPort", "8080", "IpPermissions.1.Groups.1.GroupId", app}}
	if s.client, err = w.agent(ctx, order{subnet: 0, groups: []string{app, web}}); err != nil {
		return nil, err
	}
	if s.server, err = w.agent(ctx, order{subnet: 1, groups: []string{web}}); err != nil {
		s.client.end()
		return nil, err
	}
	if _, err := s.server.say("serve 8080"); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

func (s *ruleSide) end() {
	s.poster.close()
	s.client.end()
	s.server.end()
}

// change makes one call and then tries to connect once. It gives the time of the
// call in milliseconds and whether the attempt ended as it has to.
func (s *ruleSide) change(action string, seconds float64, want uint64) (ms float64, obeyed bool, err error) {
	request := form(action, s.rule...)
	begin := time.Now()
	if _, err := s.poster.post(request); err != nil {
		return 0, false, err
	}
	ms = milli(time.Since(begin))
	r, err := s.client.say("once %s:8080 %g", s.server.addr, seconds)
	return ms, r.Count == want, err
}
