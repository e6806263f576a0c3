package app

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/accesslog"
	"github.com/localvpc/localvpc/internal/node/datagram"
	"github.com/localvpc/localvpc/internal/node/dial"
	"github.com/localvpc/localvpc/internal/node/relay"
	"github.com/localvpc/localvpc/internal/node/targets"
	"github.com/localvpc/localvpc/internal/state"
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

// passesOn is the proxy of balancers' listeners in whose target groups the proxy
// protocol is on.
type passesOn struct{ *relay.Relay }

func (p passesOn) ServePacket(c *datagram.Conn, _ state.Key) error {
	return fmt.Errorf("the proxy protocol is for TCP: %s", c.LocalAddr())
}

func (e *engine) relays() *relay.Relay {
	return relay.New(relay.Config{Store: e.store, Log: e.log, Dial: func(ctx context.Context, b *state.LoadBalancer, node netip.Addr, to netip.AddrPort) (*net.TCPConn, error) {
		return dial.TCP(ctx, e.kernel.In, plan.Netns(balance.Space(b)), node, to)
	}})
}

// accessLogs makes the access logs of load balancers; nil where nothing is kept.
func (e *engine) accessLogs() *accesslog.Logs {
	if e.set.Data == "" {
		return nil
	}
	return accesslog.New(accesslog.Config{Store: e.store, Dir: filepath.Join(e.set.Data, "s3"), Settled: e.nodes.Wait, Log: e.log,
		Watch: func(ns plan.Netns) (accesslog.Watch, error) { return e.kernel.Watch(ns) }})
}

// loggedNowhere is the note about access logs that balancers ask for in vain.
func (e *engine) loggedNowhere() []string {
	if e.logs != nil || !accesslog.Any(e.store.Snapshot()) {
		return nil
	}
	return []string{"access logs of load balancers are written nowhere: keep data with up --data DIR, and packets"}
}

// balancerIn finds the balancer whose namespace it is.
func (e *engine) balancerIn(ns plan.Netns) (state.Key, bool) {
	for b := range state.LoadBalancers.All(e.store.Snapshot()) {
		if plan.Netns(balance.Space(b)) == ns {
			return b.Key, true
		}
	}
	return state.Key{}, false
}
