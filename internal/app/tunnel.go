package app

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/decide/ruleset"
	"github.com/localvpc/localvpc/internal/front/tunnel"
	"github.com/localvpc/localvpc/internal/node/dial"
	"github.com/localvpc/localvpc/internal/node/kernel"
	"github.com/localvpc/localvpc/internal/state"
)

// dialTime bounds how long a connection is waited for.
const dialTime = 20 * time.Second

// Tunnel implements apiserver.Control.
func (e *engine) Tunnel(ctx context.Context, req tunnel.Request) (tunnel.Conn, error) {
	if e.nodes == nil {
		return nil, awserr.New("UnsupportedOperation", "There are no packets: localvpc was started with --no-packets.")
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	if req.Instance != "" {
		return e.toInstance(ctx, req.Instance, uint16(req.Port))
	}
	snap := e.store.Snapshot()
	addr, err := lookup(snap, req.Host)
	if err != nil {
		return nil, err
	}
	return e.dial(ctx, ruleset.Internet, publicip.Router(snap), netip.AddrPortFrom(addr, uint16(req.Port)))
}

// toInstance connects inside an instance to the instance itself, as ssh -L does: to
// its loopback, and to its own address where nobody listens on that.
func (e *engine) toInstance(ctx context.Context, id string, port uint16) (tunnel.Conn, error) {
	if _, err := e.runningSandbox(ctx, id); err != nil {
		return nil, awserr.New(tunnel.NotFound, "%s", err)
	}
	c, err := e.dial(ctx, plan.Netns(id), netip.Addr{}, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port))
	if !awserr.Is(err, tunnel.Refused) {
		return c, err
	}
	for i := range state.Instances.By(e.store.Snapshot(), state.ByInstance, id) {
		if own, err := e.dial(ctx, plan.Netns(id), netip.Addr{}, netip.AddrPortFrom(i.PrivateIP, port)); err == nil {
			return own, nil
		}
	}
	return nil, err
}

// dial connects from a namespace, and says in the tunnel's words why it could not.
func (e *engine) dial(ctx context.Context, ns plan.Netns, from netip.Addr, to netip.AddrPort) (tunnel.Conn, error) {
	c, err := dial.TCP(ctx, e.kernel.In, ns, from, to)
	var slow net.Error
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		return nil, awserr.New(tunnel.Refused, "%s refuses the connection: nobody listens there.", to)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT), errors.As(err, &slow) && slow.Timeout():
		return nil, awserr.New(tunnel.TimedOut, "%s does not answer: 'localvpc explain' may say what drops the packets.", to)
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, kernel.ErrNoNamespace),
		errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.EACCES): // blackhole and prohibit (ip-route(8))
		return nil, awserr.New(tunnel.Unreachable, "Nobody in the simulated internet has the address %s.", to.Addr())
	}
	return nil, err
}

// lookup finds the address that a name has for the simulated internet: an outside
// host's, the one that the public tree has for it, or the one that it says itself.
func lookup(r state.Reader, name string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(name); err == nil {
		if a = a.Unmap(); !a.Is4() {
			return a, awserr.New(tunnel.Unreachable, "The simulated internet has no IPv6 yet: nobody has %s.", a)
		}
		return a, nil
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if h, ok := state.Hosts.Get(r, lifecycle.HostKey(name)); ok {
		return h.Addr, nil
	}
	if a, ok := address(dnsview.Internet(r), name); ok {
		return a, nil
	}
	return netip.Addr{}, awserr.New(tunnel.NotFound, "The simulated internet has no name %s: 'localvpc ls' shows the public names and outside hosts there are.", awserr.Clip(name)).WithStatus(404)
}
