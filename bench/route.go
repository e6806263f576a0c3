//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// routeRows changes a route again and again and asks at once, from inside an
// instance, an outside host who it is that asks: in a VPC with 10 interfaces and
// in one with 1,000, in turns.
func routeRows(ctx context.Context, b *bench) ([]row, error) {
	sizes := [2]int{10, pick(b, 1000, 50)}
	var took [len(routeSteps)][2][]float64
	wrong, all := 0, 0
	err := b.with(func(p *program) error {
		far, err := p.outside(ctx, "far")
		if err != nil {
			return err
		}
		defer far.end()
		if _, err := far.say("serve 9000"); err != nil {
			return err
		}
		var sides [2]*routeSide
		for i, n := range sizes {
			s, err := newRouteSide(ctx, p, 90+i, n, far.addr)
			if err != nil {
				return fmt.Errorf("a VPC with %d interfaces: %w", n, err)
			}
			defer s.end()
			sides[i] = s
		}
		for range b.times(100) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			for i, s := range sides {
				for j, step := range routeSteps {
					ms, obeyed, err := s.change(step)
					if err != nil {
						return err
					}
					took[j][i] = append(took[j][i], ms)
					all++
					if !obeyed {
						wrong++
					}
				}
			}
		}
		return nil
	}, "--ephemeral", "--quotas", "off")
	if err != nil {
		return nil, err
	}
	var rows []row
	for j, step := range routeSteps {
		rows = append(rows,
			row{measure: fmt.Sprintf("%s at %d interfaces, p50", step.name, sizes[0]), value: median(took[j][0]), unit: "ms", target: atMost(3)},
			row{measure: fmt.Sprintf("%s at %d interfaces, p50", step.name, sizes[1]), value: median(took[j][1]), unit: "ms", yard: median(took[j][0]), of: fmt.Sprintf("at %d", sizes[0]), target: ratioAtMost(2)})
	}
	return append(rows, row{measure: "changes that the next packet did not obey", value: float64(wrong), target: atMost(0), note: fmt.Sprintf("of %d", all)}), nil
}

// routeStep is one change of the route: where it leads afterwards.
type routeStep struct {
	name, action string
	to           wayOut
}

type wayOut int

const (
	nowhere wayOut = iota
	byInternet
	byTranslator
)

// routeSteps lead back to where they begin.
var routeSteps = [...]routeStep{
	{"create a route to the internet gateway", "CreateRoute", byInternet},
	{"replace it by the NAT gateway", "ReplaceRoute", byTranslator},
	{"delete it", "DeleteRoute", nowhere},
}

// routeSide is one VPC: a client with an Elastic IP in a subnet whose routes
// change, and a NAT gateway in another one.
type routeSide struct {
	client *agent
	poster *poster
	far    string
	route  []string                 // what all calls say
	target [byTranslator + 1]string // of each way out
	seen   [byTranslator + 1]string // the address that the outside sees
}

func newRouteSide(ctx context.Context, p *program, net, n int, far string) (*routeSide, error) {
	w, err := newNetwork(ctx, p, net)
	if err != nil {
		return nil, err
	}
	gateway, err := w.open(ctx)
	if err != nil {
		return nil, err
	}
	changing, err := w.table(ctx, 0)
	if err != nil {
		return nil, err
	}
	fixed, err := w.table(ctx, 1)
	if err != nil {
		return nil, err
	}
	if err := w.route(ctx, fixed, everywhere, gateway, ""); err != nil {
		return nil, err
	}
	group, err := w.group(ctx, "app")
	if err != nil {
		return nil, err
	}
	if err := w.fill(ctx, n-2, 0, []string{group}); err != nil {
		return nil, err
	}
	s := &routeSide{far: far, route: []string{"RouteTableId", changing, "DestinationCidrBlock", far + "/32"}}
	s.target[byInternet] = gateway
	if s.target[byTranslator], s.seen[byTranslator], err = w.nat(ctx, 1); err != nil {
		return nil, err
	}
	id, client, err := w.guest(ctx, order{subnet: 0, groups: []string{group}})
	if err != nil {
		return nil, err
	}
	s.client, s.poster = client, newPoster(p.addr)
	if s.seen[byInternet], err = w.public(ctx, id); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

func (s *routeSide) end() {
	s.poster.close()
	s.client.end()
}

// change makes one call and then tries to connect once. It gives the time of the
// call in milliseconds and whether the packet went the way it has to.
func (s *routeSide) change(step routeStep) (ms float64, obeyed bool, err error) {
	parameters, seconds := s.route, heard
	switch step.to {
	case nowhere:
		seconds = unheard
	case byInternet:
		parameters = append(parameters[:len(parameters):len(parameters)], "GatewayId", s.target[byInternet])
	case byTranslator:
		parameters = append(parameters[:len(parameters):len(parameters)], "NatGatewayId", s.target[byTranslator])
	}
	request := form(step.action, parameters...)
	begin := time.Now()
	if _, err := s.poster.post(request); err != nil {
		return 0, false, err
	}
	ms = milli(time.Since(begin))
	r, err := s.client.say("who %s:9000 %g", s.far, seconds)
	return ms, r.Client == s.seen[step.to], err
}
