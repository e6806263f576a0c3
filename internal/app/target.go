package app

import (
	"context"
	"net"
	"time"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/dial"
	"github.com/localvpc/localvpc/internal/node/targets"
)

// targetChecks makes the health checks of load balancers' targets: each node asks from
// its own address in its balancer's namespace.
func (e *engine) targetChecks() *targets.Checks {
	prober := &targets.Prober{Dial: func(ctx context.Context, a targets.Ask) (net.Conn, error) {
		c, err := dial.TCP(ctx, e.kernel.In, plan.Netns(a.Space), a.From, a.To)
		if err != nil {
			return nil, err
		}
		return c, nil
	}}
	cfg := targets.Config{Store: e.store, Probe: prober.Probe, Log: e.log}
	if scale := e.set.HealthScale; scale > 0 {
		cfg.Second = time.Duration(scale * float64(time.Second))
	}
	return targets.New(cfg)
}
