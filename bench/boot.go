//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// bootScript is the user data: a web server that lives on when the script ends.
const bootScript = "#!/bin/sh\nsetsid localvpc guest serve --addr :80 --text ok >/var/log/web.log 2>&1 &\n"

// bootRows starts instance after instance; another one asks its server without a
// pause from the moment that RunInstances has returned.
func bootRows(ctx context.Context, b *bench) ([]row, error) {
	var call, total, tries []float64
	err := b.with(func(p *program) error {
		w, err := newNetwork(ctx, p, 40)
		if err != nil {
			return err
		}
		group, err := w.group(ctx, "web")
		if err != nil {
			return err
		}
		if err := w.allow(ctx, group, group, 80, 80); err != nil {
			return err
		}
		asker, err := w.agent(ctx, order{groups: []string{group}})
		if err != nil {
			return err
		}
		defer asker.end()
		for range b.times(40) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			begin := time.Now()
			made, err := w.run(ctx, order{count: 1, groups: []string{group}, script: bootScript})
			if err != nil {
				return err
			}
			call = append(call, milli(time.Since(begin)))
			r, err := asker.say("until %s:80 30", *made[0].PrivateIpAddress)
			if err != nil {
				return fmt.Errorf("%w; the console of %s: %s", err, *made[0].InstanceId, w.console(ctx, *made[0].InstanceId))
			}
			total = append(total, milli(time.Since(begin)))
			tries = append(tries, float64(r.Count))
			if err := w.terminate(ctx, *made[0].InstanceId); err != nil {
				return err
			}
		}
		return nil
	}, "--ephemeral", "--quotas", "off")
	if err != nil {
		return nil, err
	}
	return []row{
		{measure: "to the first answer, p50", value: median(total), unit: "ms", target: atMost(150), note: fmt.Sprintf("asked %s times", number(median(tries)))},
		{measure: "to the first answer, p90", value: quantile(total, 0.9), unit: "ms"},
		{measure: "of which RunInstances, p50", value: median(call), unit: "ms"},
	}, nil
}

// console is what an instance has printed.
func (w *network) console(ctx context.Context, id string) string {
	out, err := ask[ec2.GetConsoleOutputOutput](ctx, w.p, "GetConsoleOutput", &ec2.GetConsoleOutputInput{InstanceId: &id})
	if err != nil {
		return err.Error()
	}
	if out.Output == nil {
		return "(empty)"
	}
	return *out.Output
}

// agent starts one instance with a load generator in it.
func (w *network) agent(ctx context.Context, o order) (*agent, error) {
	_, a, err := w.guest(ctx, o)
	return a, err
}
