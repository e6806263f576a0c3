package cli

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/localvpc/localvpc/internal/front/render"
)

func (e *env) explainCommand() *cobra.Command {
	var protocol string
	cmd := &cobra.Command{
		Use: "explain <source> <destination>[:port]", Short: "Say whether a packet would arrive, and why not", Args: cobra.ExactArgs(2),
		Long: `Say whether a packet would arrive and be answered, which rules decide on its way
there and back, and all that is in its way. Source and destination are an
instance (id or Name tag), a network interface, an address, an outside host,
'internet', or a DNS name, which means to the source what its resolver says.

Exit code: 0 reachable, 1 not reachable, 2 the question could not be answered.`,
		Example: `  localvpc explain web db:5432
  localvpc explain i-0123456789abcdef0 10.0.1.7:443 --json
  localvpc explain internet 198.18.3.4:80
  localvpc explain web db --protocol icmp
  localvpc explain web 172.30.0.5:80 --region eu-west-1 --account 123456789012`,
		ValidArgsFunction: e.completePlaces,
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.explain(cmd.Context(), args[0], args[1], protocol)
		},
	}
	cmd.Flags().StringVarP(&protocol, "protocol", "p", "", "tcp, udp, icmp or a number (default: tcp with a port, icmp without)")
	return cmd
}

// explainRequest is the body of POST /_localvpc/explain.
type explainRequest struct {
	Account, Region     string
	Source, Destination string
	Protocol            string
	Port                int
}

func (e *env) explain(ctx context.Context, source, destination, protocol string) error {
	host, port, err := splitPort(destination)
	if err != nil {
		return err
	}
	if protocol == "" {
		protocol = "icmp"
		if port > 0 {
			protocol = "tcp"
		}
	}
	var x render.Explanation
	if err := e.control(ctx, "POST", "explain", explainRequest{e.accountID(), e.regionName(), source, host, protocol, port}, &x); err != nil {
		return err
	}
	if e.json {
		if err := e.printJSON(x); err != nil {
			return err
		}
	} else {
		render.Explain(e.out, e.style, x)
	}
	if !x.Reachable {
		return Exit(ExitNo)
	}
	return nil
}

// splitPort takes "host:port" apart; an IPv6 address with a port is in brackets.
func splitPort(s string) (string, int, error) {
	if _, err := netip.ParseAddr(s); err == nil {
		return s, 0, nil
	}
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return s, 0, nil
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("the port %q is not a number from 1 to 65535", text)
	}
	return host, port, nil
}
