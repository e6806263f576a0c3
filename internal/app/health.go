package app

import (
	"context"
	"errors"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/decide/ruleset"
	"github.com/localvpc/localvpc/internal/node/dial"
	"github.com/localvpc/localvpc/internal/node/health"
)

// checkers makes the health checkers of Route 53, which ask from the simulated
// internet.
func (e *engine) checkers() *health.Checkers {
	prober := &health.Prober{
		Resolve: e.resolve,
		Dial:    func(ctx context.Context, to netip.AddrPort) (net.Conn, error) { return e.abroad(ctx, "tcp", to) },
	}
	cfg := health.Config{
		Store: e.store, Probe: prober.Probe, Log: e.log,
		Address: func() netip.Addr { return publicip.Router(e.store.Snapshot()) },
	}
	if scale := e.set.HealthScale; scale > 0 {
		cfg.Second = time.Duration(scale * float64(time.Second))
	}
	return health.New(cfg)
}

// abroad connects from the simulated internet, over "tcp" or "udp".
func (e *engine) abroad(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	if e.kernel == nil || !to.Addr().IsGlobalUnicast() {
		return nil, syscall.ENETUNREACH // a name may lead anywhere, but not to what is the internet's own
	}
	from := publicip.Router(e.store.Snapshot())
	if network == "udp" {
		c, err := dial.UDP(e.kernel.In, ruleset.Internet, from, to)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	c, err := dial.TCP(ctx, e.kernel.In, ruleset.Internet, from, to)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// resolve finds the IPv4 address of a name as the simulated internet sees it.
func (e *engine) resolve(name string) (netip.Addr, error) {
	n, err := dnsview.ParseName(name)
	if err != nil {
		return netip.Addr{}, errors.New("the domain name is not valid")
	}
	ans := e.resolver.Ask(context.Background(), dnsview.Internet(e.store.Snapshot()), dnsview.Question{Name: n, Type: dnsview.TypeA, Recurse: true, Draw: mathrand.Uint64()})
	for _, r := range ans.Answer {
		if r.Type == dnsview.TypeA {
			if a, ok := netip.AddrFromSlice([]byte(r.Data)); ok {
				return a, nil
			}
		}
	}
	switch ans.Rcode {
	case dnsview.Success:
		return netip.Addr{}, errors.New("the name has no A record")
	case dnsview.NameError:
		return netip.Addr{}, errors.New("the name does not exist (NXDOMAIN)")
	}
	return netip.Addr{}, errors.New("the name servers failed to answer (SERVFAIL)")
}
