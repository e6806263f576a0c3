package app

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/front/apiserver"
	"github.com/localvpc/localvpc/internal/front/cli"
	"github.com/localvpc/localvpc/internal/node/sandbox"
	"github.com/localvpc/localvpc/internal/state"
)

// Hosts implements apiserver.Control.
func (e *engine) Hosts() any {
	snap := e.store.Snapshot()
	out := cli.Hosts{Internet: publicip.Router(snap).String(), Hosts: []cli.Host{}}
	for _, p := range publicip.Pool(snap) {
		out.Pool = append(out.Pool, p.String())
	}
	for h := range state.Hosts.All(snap) {
		out.Hosts = append(out.Hosts, hostOf(h))
	}
	return out
}

func hostOf(h *state.Host) cli.Host {
	return cli.Host{Name: h.ID, Addr: h.Addr.String(), Running: h.Running, Ended: h.Ended, Created: h.Created}
}

// AddHost implements apiserver.Control.
func (e *engine) AddHost(ctx context.Context, req apiserver.HostRequest) (any, error) {
	var addr netip.Addr
	if req.Addr != "" {
		var err error
		if addr, err = netip.ParseAddr(req.Addr); err != nil {
			return nil, awserr.New("InvalidParameterValue", "%q is not an address like 203.0.113.10.", awserr.Clip(req.Addr))
		}
	}
	var h *state.Host
	if err := e.changeHosts(ctx, func(tx *state.Tx) (err error) {
		h, err = lifecycle.AddHost(tx, req.Name, addr)
		return err
	}); err != nil {
		return nil, err
	}
	if e.nodes != nil {
		if _, err := e.runningHost(ctx, h.ID); err != nil {
			return nil, awserr.New("Unavailable", "%s", err)
		}
		if now, ok := state.Hosts.Get(e.store.Snapshot(), h.Key); ok {
			h = now
		}
	}
	return hostOf(h), nil
}

// RemoveHost implements apiserver.Control.
func (e *engine) RemoveHost(ctx context.Context, req apiserver.HostRequest) error {
	release, err := e.hostsTurn(ctx)
	if err != nil {
		return err
	}
	defer release()
	index, err := e.store.Write(ctx, func(tx *state.Tx) error { return lifecycle.RemoveHost(tx, req.Name) })
	if err != nil || e.nodes == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := e.nodes.Wait(ctx, index); err != nil {
		return err
	}
	return e.nodes.WaitGone(ctx, lifecycle.HostKey(req.Name))
}

// hostsTurn waits until no outside host is being removed: a host that is made anew
// finds nothing of the former one of its name.
func (e *engine) hostsTurn(ctx context.Context) (release func(), err error) {
	select {
	case e.hosts <- struct{}{}:
		return func() { <-e.hosts }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for an outside host to end: %w", ctx.Err())
	}
}

// changeHosts makes a transaction that may make an outside host.
func (e *engine) changeHosts(ctx context.Context, fn func(*state.Tx) error) error {
	release, err := e.hostsTurn(ctx)
	if err != nil {
		return err
	}
	defer release()
	_, err = e.store.Write(ctx, fn)
	return err
}

// wokenHost gives the sandbox of an outside host that is to take commands. One that
// rests is started, and the internet is made when it is not there.
func (e *engine) wokenHost(ctx context.Context, name string) (*sandbox.Sandbox, error) {
	if h, ok := state.Hosts.Get(e.store.Snapshot(), lifecycle.HostKey(name)); !ok || h.Ended != "" {
		if err := e.changeHosts(ctx, func(tx *state.Tx) error {
			_, err := lifecycle.WakeHost(tx, name)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return e.runningHost(ctx, name)
}

// runningHost gives the sandbox of an outside host; one that is being started is
// waited for.
func (e *engine) runningHost(ctx context.Context, name string) (*sandbox.Sandbox, error) {
	return e.running(ctx, fabric.HostSpace(name), func(snap *state.Snapshot) (string, bool, error) {
		h, ok := state.Hosts.Get(snap, lifecycle.HostKey(name))
		switch {
		case !ok:
			return "", false, fmt.Errorf("there is no outside host %s", name)
		case h.Ended != "":
			return "", false, fmt.Errorf("the outside host %s does not run: %s; the next command for it starts it", name, h.Ended)
		}
		return "the outside host " + name, h.Running, nil
	})
}
