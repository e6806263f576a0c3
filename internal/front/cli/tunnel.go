package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/localvpc/localvpc/internal/front/proxy"
	"github.com/localvpc/localvpc/internal/front/tunnel"
)

// openTunnel opens a connection inside the world.
func (e *env) openTunnel(ctx context.Context, to tunnel.Request) (tunnel.Conn, error) {
	conn, r, err := e.upgrade(ctx, "tunnel", tunnel.Protocol, to)
	if err != nil {
		return nil, err
	}
	return tunnel.Buffered(conn, r), nil
}

// where finds out where a name or an address leads: an address, a public name and an
// outside host are gone to from the simulated internet, an instance from inside itself.
func (e *env) where(ctx context.Context, name string, port int) (tunnel.Request, error) {
	if _, err := netip.ParseAddr(name); err == nil {
		return tunnel.Request{Host: name, Port: port}, nil
	}
	at, err := e.place(ctx, name)
	var none *nowhere
	if errors.As(err, &none) && strings.Contains(name, ".") {
		return tunnel.Request{Host: name, Port: port}, nil // a public name, or one that it says is none
	}
	return tunnel.Request{Instance: at.instance, Host: at.host, Port: port}, err
}

// aboutTunnels is how connections reach instances and the internet.
const aboutTunnels = `To an instance (its id or Name tag) the connection is made inside the instance, to
127.0.0.1 or else its own address, as 'ssh -L' does: security groups have no say.
To an address, a public name or an outside host it comes from the simulated
internet, and groups, ACLs and routes decide as for anybody there.`

func (e *env) connectCommand() *cobra.Command {
	return &cobra.Command{
		Use: "connect <instance|host|address> <port>", Short: "Connect standard input and output to a port",
		Long: "Connect standard input and output to a port, as a ProxyCommand does.\n\n" + aboutTunnels,
		Example: `  localvpc connect web 80
  localvpc connect ec2-198-18-3-4.compute-1.amazonaws.com 22
  ssh -o ProxyCommand='localvpc connect %h %p' root@web`,
		Args: cobra.ExactArgs(2), ValidArgsFunction: e.completePlaces,
		RunE: func(cmd *cobra.Command, args []string) error {
			port, err := portOf(args[1])
			if err != nil {
				return usage(cmd, err)
			}
			to, err := e.where(cmd.Context(), args[0], port)
			if err != nil {
				return err
			}
			far, err := e.openTunnel(cmd.Context(), to)
			if err != nil {
				return err
			}
			defer far.Close()
			stop := context.AfterFunc(cmd.Context(), func() { far.Close() })
			defer stop()
			go func() {
				if _, err := io.Copy(far, e.cfg.Stdin); err == nil {
					_ = far.CloseWrite() // the other end may have gone
				}
			}()
			_, err = io.Copy(e.out, far)
			switch {
			case cmd.Context().Err() != nil:
				return errInterrupted
			case err != nil:
				return fmt.Errorf("the connection to %s ended: %w", args[0], err)
			}
			return nil
		},
	}
}

func (e *env) forwardCommand() *cobra.Command {
	return &cobra.Command{
		Use: "forward [bind:]port:<instance|host|address>:port...", Short: "Forward ports of this machine to instances",
		Long: "Listen on ports of this machine's loopback, and forward each connection until Ctrl-C.\nPort 0 is any that is free.\n\n" + aboutTunnels,
		Example: `  localvpc forward 8080:web:80
  localvpc forward 8080:web:80 127.0.0.2:5432:db:5432
  localvpc forward 8080:198.18.3.4:80`,
		Args: cobra.MinimumNArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			var all []forwarding
			for _, arg := range args {
				f, err := parseForwarding(arg)
				if err != nil {
					return usage(cmd, err)
				}
				all = append(all, f)
			}
			return e.forwardAll(cmd.Context(), all)
		},
	}
}

// forwarding is one argument of forward.
type forwarding struct {
	listen string // HOST:PORT
	to     string
	port   int
}

// parseForwarding reads [bind:]port:to:port.
func parseForwarding(arg string) (f forwarding, err error) {
	wrong := fmt.Errorf("%q is not like 8080:web:80 or 127.0.0.2:8080:web:80", arg)
	bind, rest := "127.0.0.1", arg
	if strings.HasPrefix(rest, "[") {
		var ok bool
		if bind, rest, ok = strings.Cut(rest[1:], "]:"); !ok {
			return f, wrong
		}
	} else if first, more, ok := strings.Cut(rest, ":"); ok && strings.Trim(first, "0123456789") != "" {
		bind, rest = first, more
	}
	own, rest, ok := strings.Cut(rest, ":")
	last := strings.LastIndexByte(rest, ':')
	if !ok || last < 1 {
		return f, wrong
	}
	if _, err := strconv.ParseUint(own, 10, 16); err != nil {
		return f, wrong
	}
	f.listen = net.JoinHostPort(bind, own)
	f.to = strings.TrimSuffix(strings.TrimPrefix(rest[:last], "["), "]")
	if f.port, err = portOf(rest[last+1:]); err != nil || f.to == "" {
		return f, wrong
	}
	return f, loopback(f.listen)
}

// forwardAll listens and forwards until ctx ends.
func (e *env) forwardAll(ctx context.Context, all []forwarding) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	var listeners []net.Listener
	for _, f := range all {
		if _, err := e.where(ctx, f.to, f.port); err != nil { // what cannot be is told at once
			return err
		}
		l, err := listenLoopback(f.listen)
		if err != nil {
			return err
		}
		defer l.Close()
		listeners = append(listeners, l)
	}
	failed := make(chan error, len(all))
	for i, f := range all {
		l := listeners[i]
		if err := e.listening(l.Addr(), fmt.Sprintf("forwarding %s to %s:%d", l.Addr(), f.to, f.port)); err != nil {
			return err
		}
		running.Go(func() {
			failed <- e.forwardOne(ctx, l, f)
		})
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// streams bounds the connections of one forwarding; a further one waits.
const streams = 256

func (e *env) forwardOne(ctx context.Context, l net.Listener, f forwarding) error {
	var running sync.WaitGroup
	defer running.Wait()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	free := make(chan struct{}, streams)
	for {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("accepting a connection: %w", err)
		}
		running.Go(func() {
			defer func() { <-free }()
			defer c.Close()
			stop := context.AfterFunc(ctx, func() { c.Close() })
			defer stop()
			// The name is looked up each time: its instance may be another one now.
			to, err := e.where(ctx, f.to, f.port)
			var far tunnel.Conn
			if err == nil {
				far, err = e.openTunnel(ctx, to)
			}
			if err != nil {
				if ctx.Err() == nil {
					fmt.Fprintf(e.cfg.Stderr, "localvpc: %s: %v\n", f.to, err)
				}
				_ = c.(*net.TCPConn).SetLinger(0) // the client is refused, not served nothing
				return
			}
			stopFar := context.AfterFunc(ctx, func() { far.Close() })
			defer stopFar()
			tunnel.Join(c.(*net.TCPConn), far)
		})
	}
}

func (e *env) proxyCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use: "proxy", Short: "Let a browser or curl on this machine into the simulated internet",
		Long: `Listen on this machine's loopback as a SOCKS 5 and HTTP proxy, until Ctrl-C. What
goes through it comes from the simulated internet: public addresses, the public
names of instances and outside hosts are found there, and gateways, ACLs and
security groups decide as for anybody outside. Nothing of this machine's network
is changed.`,
		Example: `  localvpc proxy &
  curl -x socks5h://127.0.0.1:1080 http://ec2-198-18-3-4.compute-1.amazonaws.com/
  curl -x http://127.0.0.1:1080 http://198.18.3.4/
  chromium --proxy-server=socks5://127.0.0.1:1080`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := loopback(listen); err != nil {
				return usage(cmd, err)
			}
			if err := e.control(cmd.Context(), "GET", "health", nil, nil); err != nil { // told at once, not to each client
				return err
			}
			l, err := listenLoopback(listen)
			if err != nil {
				return err
			}
			defer l.Close()
			if err := e.listening(l.Addr(), fmt.Sprintf("proxy at %s: socks5h://%s, http://%s", l.Addr(), l.Addr(), l.Addr())); err != nil {
				return err
			}
			return proxy.New(func(ctx context.Context, host string, port int) (tunnel.Conn, error) {
				return e.openTunnel(ctx, tunnel.Request{Host: host, Port: port})
			}).Serve(cmd.Context(), l)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:1080", "address of the proxy; port 0 is any that is free")
	return cmd
}

// listening says that clients may come.
func (e *env) listening(a net.Addr, text string) error {
	if e.json {
		return e.printJSON(map[string]string{"Listen": a.String()})
	}
	_, err := fmt.Fprintln(e.out, text)
	return err
}

// loopback refuses to listen where other machines could come from: what is inside is
// protected by nothing else.
func loopback(listen string) error {
	host, port, err := net.SplitHostPort(listen)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		return fmt.Errorf("%q is not an address like 127.0.0.1:1080", listen)
	}
	if a, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !a.IsLoopback()) {
		return fmt.Errorf("%s is not a loopback address, as 127.0.0.1 is: others on your network could come in", host)
	}
	return nil
}

func listenLoopback(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is taken: choose another port", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return l, nil
}

// portOf reads a port to connect to.
func portOf(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a port from 1 to 65535", text)
	}
	return int(n), nil
}
