//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

const mib = 1 << 20

// memoryRows measures a localvpc with nothing in it and with 100 instances.
func memoryRows(ctx context.Context, b *bench) ([]row, error) {
	n := pick(b, 100, 10)
	var rows []row
	err := b.with(func(p *program) error {
		if _, err := answered(ctx, p.addr); err != nil {
			return err
		}
		idle, count, err := p.memory()
		if err != nil {
			return err
		}
		rows = append(rows, row{measure: "idle", value: idle / mib, unit: "MiB", target: atMost(40), note: fmt.Sprintf("%d processes", count)})
		m, err := newMix(p.addr)
		if err != nil {
			return err
		}
		if err := m.load(ctx, p.cmd.Process.Pid, pick(b, 5*time.Second, time.Second), &loads{}); err != nil {
			return err
		}
		busy, _, err := p.memory()
		if err != nil {
			return err
		}
		rows = append(rows, row{measure: "after the load of api", value: busy / mib, unit: "MiB"})
		w, err := newNetwork(ctx, p, 30)
		if err != nil {
			return err
		}
		group, err := w.group(ctx, "members")
		if err != nil {
			return err
		}
		if _, err := w.run(ctx, order{count: n, groups: []string{group}}); err != nil {
			return err
		}
		if err := w.running(ctx); err != nil {
			return err
		}
		full, count, err := p.memory()
		if err != nil {
			return err
		}
		rows = append(rows,
			row{measure: fmt.Sprintf("with %d instances", n), value: full / mib, unit: "MiB", note: fmt.Sprintf("%d processes", count)},
			row{measure: "each instance adds", value: (full - busy) / mib / float64(n), unit: "MiB"})
		return nil
	}, "--ephemeral", "--quotas", "off")
	return rows, err
}
