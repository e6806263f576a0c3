//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// scaleRows makes many interfaces and many instances through the API, each time
// in a localvpc of its own.
func scaleRows(ctx context.Context, b *bench) ([]row, error) {
	interfaces, instances := pick(b, 1000, 80), pick(b, 100, 10)
	var attached, bare, running, kernel []float64
	measure := func(into *[]float64, what func(w *network, group string) error) error {
		return b.with(func(p *program) error {
			w, err := newNetwork(ctx, p, 60)
			if err != nil {
				return err
			}
			group, err := w.group(ctx, "members")
			if err != nil {
				return err
			}
			begin := time.Now()
			if err := what(w, group); err != nil {
				return err
			}
			*into = append(*into, time.Since(begin).Seconds())
			return nil
		}, "--ephemeral", "--quotas", "off")
	}
	for range b.times(3) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := measure(&bare, func(w *network, group string) error { return w.bare(interfaces, group) }); err != nil {
			return nil, fmt.Errorf("making interfaces: %w", err)
		}
		if err := measure(&attached, func(w *network, group string) error {
			return w.fill(ctx, interfaces, 0, []string{group})
		}); err != nil {
			return nil, fmt.Errorf("starting instances with interfaces: %w", err)
		}
		seconds, err := b.plainLinks(ctx, interfaces/maxInterfaces, maxInterfaces)
		if err != nil {
			return nil, fmt.Errorf("making plain links: %w", err)
		}
		kernel = append(kernel, seconds)
		if err := measure(&running, func(w *network, group string) error {
			if _, err := w.run(ctx, order{count: instances, groups: []string{group}}); err != nil {
				return err
			}
			return w.running(ctx)
		}); err != nil {
			return nil, fmt.Errorf("starting instances: %w", err)
		}
	}
	return []row{
		{measure: fmt.Sprintf("%d interfaces by CreateNetworkInterface", interfaces), value: median(bare), unit: "s", target: atMost(5), note: fmt.Sprintf("%d clients", clients)},
		{measure: fmt.Sprintf("%d interfaces by RunInstances, running", interfaces), value: median(attached), unit: "s", yard: median(kernel), of: "kernel alone",
			ratio: median(ratios(attached, kernel)), target: atMost(5), note: fmt.Sprintf("%d instances with %d each", interfaces/maxInterfaces, maxInterfaces)},
		{measure: fmt.Sprintf("%d instances running", instances), value: median(running), unit: "s", target: atMost(10)},
	}, nil
}

// bare makes n interfaces that are attached to nothing.
func (w *network) bare(n int, group string) error {
	question := form("CreateNetworkInterface", "SubnetId", w.subnets[0], "SecurityGroupId.1", group)
	errs := make([]error, clients)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			p := newPoster(w.p.addr)
			defer p.close()
			for j := i; j < n && errs[i] == nil; j += clients {
				_, errs[i] = p.post(question)
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
