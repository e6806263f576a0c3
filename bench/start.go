//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// startRows measures from the start of the process to the first answered
// DescribeRegions, with an empty data directory on disk and with none.
func startRows(ctx context.Context, b *bench) ([]row, error) {
	var durable, ephemeral, yard []float64
	ours := func(args ...string) (float64, error) {
		p, err := b.launch(args...)
		if err != nil {
			return 0, err
		}
		defer p.end()
		begin := time.Now()
		if err := p.cmd.Start(); err != nil {
			return 0, fmt.Errorf("starting localvpc: %w", err)
		}
		end, err := answered(ctx, p.addr)
		if err != nil {
			return 0, fmt.Errorf("%w; localvpc said: %s", err, p.end())
		}
		return milli(end.Sub(begin)), nil
	}
	noMoto := false
	for i := range b.times(15) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		dir, err := b.folder()
		if err != nil {
			return nil, err
		}
		d, err := ours("--data", dir)
		if err != nil {
			return nil, err
		}
		e, err := ours()
		if err != nil {
			return nil, err
		}
		durable, ephemeral = append(durable, d), append(ephemeral, e)
		if i >= b.times(5) || noMoto {
			continue
		}
		begin := time.Now()
		m, err := startMoto()
		if errors.Is(err, errNoMoto) {
			noMoto = true
			continue
		}
		if err != nil {
			return nil, err
		}
		end, err := answered(ctx, m.addr)
		m.end()
		if err != nil {
			return nil, fmt.Errorf("waiting for moto_server: %w", err)
		}
		yard = append(yard, milli(end.Sub(begin)))
	}
	rows := []row{
		{measure: "first answer, state on disk, p50", value: median(durable), unit: "ms", target: atMost(100)},
		{measure: "first answer, ephemeral, p50", value: median(ephemeral), unit: "ms", target: atMost(100)},
		{measure: "the same against moto", value: median(ephemeral), unit: "ms", of: "moto", target: ratioAtMost(0.1)},
	}
	if noMoto {
		rows[2].note = errNoMoto.Error()
	} else {
		rows[2].yard, rows[2].ratio = median(yard), median(ratios(ephemeral, yard))
	}
	return rows, nil
}

func milli(d time.Duration) float64 { return float64(d) / 1e6 }
