//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// addressRows moves an Elastic IP from one instance to another one again and again,
// and asks at once from outside who is there: in a VPC with 10 interfaces and in
// one with 1,000, in turns. A connection to the former one has to be cut.
func addressRows(ctx context.Context, b *bench) ([]row, error) {
	sizes := [2]int{10, pick(b, 1000, 50)}
	var took [2][]float64
	astray, alive := 0, 0
	err := b.with(func(p *program) error {
		far, err := p.outside(ctx, "far")
		if err != nil {
			return err
		}
		defer far.end()
		var sides [2]*addressSide
		for i, n := range sizes {
			s, err := newAddressSide(ctx, p, 95+i, n)
			if err != nil {
				return fmt.Errorf("a VPC with %d interfaces: %w", n, err)
			}
			defer s.end()
			sides[i] = s
		}
		for round := range b.times(100) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			for i, s := range sides {
				ms, arrived, cut, err := s.move(far, round%2 == 0)
				if err != nil {
					return err
				}
				took[i] = append(took[i], ms)
				if !arrived {
					astray++
				}
				if !cut {
					alive++
				}
			}
		}
		return nil
	}, "--ephemeral", "--quotas", "off")
	if err != nil {
		return nil, err
	}
	all := fmt.Sprintf("of %d", len(took[0])+len(took[1]))
	return []row{
		{measure: fmt.Sprintf("move at %d interfaces, p50", sizes[0]), value: median(took[0]), unit: "ms", target: atMost(20)},
		{measure: fmt.Sprintf("move at %d interfaces, p50", sizes[1]), value: median(took[1]), unit: "ms", yard: median(took[0]), of: fmt.Sprintf("at %d", sizes[0]), target: ratioAtMost(2)},
		{measure: fmt.Sprintf("move at %d interfaces, p99", sizes[1]), value: quantile(took[1], 0.99), unit: "ms"},
		{measure: "moves after which the next connection did not arrive at the new instance", value: float64(astray), target: atMost(0), note: all},
		{measure: "moves after which a connection to the former instance still answered", value: float64(alive), target: atMost(0), note: all},
	}, nil
}

// addressSide is one VPC with an Elastic IP and two instances that get it in turns.
type addressSide struct {
	servers    []*agent
	ids        []string
	at         int // which of them has it
	poster     *poster
	allocation string
	addr       string
}

func newAddressSide(ctx context.Context, p *program, net, n int) (*addressSide, error) {
	w, err := newNetwork(ctx, p, net)
	if err != nil {
		return nil, err
	}
	gateway, err := w.open(ctx)
	if err != nil {
		return nil, err
	}
	table, err := w.table(ctx, 0)
	if err != nil {
		return nil, err
	}
	if err := w.route(ctx, table, everywhere, gateway, ""); err != nil {
		return nil, err
	}
	group, err := w.group(ctx, "web")
	if err != nil {
		return nil, err
	}
	if err := w.allowAll(ctx, group, 9000); err != nil {
		return nil, err
	}
	if err := w.fill(ctx, n-2, 0, []string{group}); err != nil {
		return nil, err
	}
	s := &addressSide{poster: newPoster(p.addr)}
	if s.allocation, s.addr, err = w.elastic(ctx); err != nil {
		return nil, err
	}
	for range 2 {
		id, a, err := w.guest(ctx, order{subnet: 0, groups: []string{group}})
		if err == nil {
			s.servers, s.ids = append(s.servers, a), append(s.ids, id)
			_, err = a.say("serve 9000")
		}
		if err != nil {
			s.end()
			return nil, err
		}
	}
	if _, err := s.associate(); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

func (s *addressSide) end() {
	s.poster.close()
	for _, a := range s.servers {
		a.end()
	}
}

// associate gives the address to the instance that is to have it, and the time of
// the call in milliseconds.
func (s *addressSide) associate() (ms float64, err error) {
	request := form("AssociateAddress", "AllocationId", s.allocation, "InstanceId", s.ids[s.at], "AllowReassociation", "true")
	begin := time.Now()
	_, err = s.poster.post(request)
	return milli(time.Since(begin)), err
}

// move gives the address to the other instance, while far has a connection to the
// one that has it. It looks first at that connection or first at a new one.
func (s *addressSide) move(far *agent, cutFirst bool) (ms float64, arrived, cut bool, err error) {
	if _, err := far.say("hold %s:9000 %g", s.addr, heard); err != nil {
		return 0, false, false, err
	}
	s.at = 1 - s.at
	if ms, err = s.associate(); err != nil {
		return 0, false, false, err
	}
	connect := func() error {
		r, err := far.say("who %s:9000 %g", s.addr, heard)
		arrived = r.Server == s.servers[s.at].addr
		return err
	}
	still := func() error {
		r, err := far.say("still %g", unheard)
		cut = r.Count == 0
		return err
	}
	first, second := connect, still
	if cutFirst {
		first, second = still, connect
	}
	if err := first(); err != nil {
		return 0, false, false, err
	}
	err = second()
	return ms, arrived, cut, err
}
