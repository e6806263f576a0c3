// Package relay passes connections of load balancers on to targets that are told about
// the client by the proxy protocol.
//
// Invariant: a target is told of a client before anything of what he sends, and gets
// nothing else; which target it is, and when a connection has to end, decide/balance
// says; connections are bounded in number, and one that is idle ends.
package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/state"
)

// Bounds.
const (
	maxConns    = 2048             // of all balancers together; further clients wait to be taken
	connectTime = 10 * time.Second // for a connection to a target
)

// Config of a relay.
type Config struct {
	Store *state.Store
	// Dial connects from a node of a balancer to a target.
	Dial func(ctx context.Context, b *state.LoadBalancer, node netip.Addr, to netip.AddrPort) (*net.TCPConn, error)
	Log  *slog.Logger
}

// Relay is the proxy of all balancers.
type Relay struct {
	cfg   Config
	slots chan struct{}

	mu   sync.Mutex
	open map[*conn]struct{}
}

// New makes a relay.
func New(cfg Config) *Relay {
	return &Relay{cfg: cfg, slots: make(chan struct{}, maxConns), open: map[*conn]struct{}{}}
}

// conn is one connection that is passed on.
type conn struct {
	client, target *net.TCPConn
	use            balance.Use
}

// cut ends it at once: the client gets a reset.
func (c *conn) cut() {
	for _, end := range []*net.TCPConn{c.client, c.target} {
		_ = end.SetLinger(0)
		_ = end.Close()
	}
}

// ServeStream takes the clients of a balancer's listener until l is closed.
func (r *Relay) ServeStream(l net.Listener, balancer state.Key) error {
	for {
		c, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			var later net.Error
			if errors.As(err, &later) && later.Timeout() {
				continue
			}
			return fmt.Errorf("taking a client: %w", err)
		}
		r.slots <- struct{}{} // one client waits here, the others in the socket's queue
		go func() {
			defer func() { <-r.slots }()
			r.pass(c.(*net.TCPConn), balancer)
		}()
	}
}

// pass leads one client to a target and back.
func (r *Relay) pass(client *net.TCPConn, balancer state.Key) {
	// Whatever fails before there is a target is a reset, as for who asks a target that
	// does not listen.
	_ = client.SetLinger(0)
	defer client.Close()
	from, to := addrOf(client.RemoteAddr()), addrOf(client.LocalAddr())
	ctx, cancel := context.WithTimeout(context.Background(), connectTime)
	defer cancel()
	snap := r.cfg.Store.Snapshot()
	b, ok := state.LoadBalancers.Get(snap, balancer)
	if !ok {
		return
	}
	use, idle, ok := balance.Pass(snap, b, from, to)
	if !ok {
		return
	}
	target, err := r.cfg.Dial(ctx, b, to.Addr(), use.To)
	if err != nil {
		r.cfg.Log.Debug("a target takes no connection", "balancer", b.ID, "target", use.To, "error", err)
		return
	}
	defer target.Close()
	_ = target.SetWriteDeadline(time.Now().Add(connectTime))
	if _, err := target.Write(Header(from, to)); err != nil {
		return
	}
	_ = target.SetWriteDeadline(time.Time{})
	c := &conn{client, target, use}
	if !r.add(c) {
		return // it may be used no more since the choice
	}
	defer r.remove(c)
	_ = client.SetLinger(-1)
	quiet := watch(idle, c)
	defer quiet.stop()
	var ways sync.WaitGroup
	for _, w := range [][2]*net.TCPConn{{target, client}, {client, target}} {
		ways.Go(func() {
			// The kernel moves the bytes where it can (splice(2)).
			if _, err := io.Copy(w[0], w[1]); err != nil {
				c.cut()
				return
			}
			_ = w[0].CloseWrite()
		})
	}
	ways.Wait()
}

// add notes a connection, if it may still be used.
func (r *Relay) add(c *conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[c] = struct{}{}
	if balance.Ends(r.cfg.Store.Snapshot(), c.use) {
		delete(r.open, c)
		return false
	}
	return true
}

func (r *Relay) remove(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, c)
}

// Run ends the connections whose targets may not be used any longer, until ctx ends.
func (r *Relay) Run(ctx context.Context) error {
	snap, sub := r.cfg.Store.Subscribe()
	defer sub.Close()
	for index := snap.Index; ; {
		commits, next, lost, err := sub.Next(ctx, index)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, state.ErrClosed) {
				return nil
			}
			return err
		}
		index = next.Index
		if lost || matters(commits) {
			r.end(next)
		}
	}
}

// matters says whether commits change what targets may be used for.
func matters(commits []state.Commit) bool {
	for _, c := range commits {
		for _, ch := range c.Changes {
			switch ch.Table {
			case state.Targets.Name(), state.TargetGroups.Name(), state.Listeners.Name(), state.LoadBalancers.Name(), state.Instances.Name(), state.Faults.Name():
				return true
			}
		}
	}
	return false
}

// end cuts what has to end. Connections to one target end together.
func (r *Relay) end(snap *state.Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	judged := map[balance.Use]bool{}
	for c := range r.open {
		ends, ok := judged[c.use]
		if !ok {
			ends = balance.Ends(snap, c.use)
			judged[c.use] = ends
		}
		if ends {
			c.cut()
		}
	}
}

func addrOf(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := t.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}
