package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/localvpc/localvpc/internal/front/render"
)

func (e *env) digCommand() *cobra.Command {
	var reverse string
	cmd := &cobra.Command{
		Use: "dig <vantage> <name> [type]", Short: "Say what a name is for who asks, and why",
		Long: `Say what the resolver answers to who asks, and what decided it: zone, record set,
routing policy, health check or the name's own form. The vantage is an instance
(id or Name tag), a VPC (id), a network interface, an outside host, 'internet', or
the address of a name server of the simulated internet. What an instance was told
to ask instead of the VPC's resolver is not asked.

Exit code: 0 there is an answer, 1 there is none, 2 the question could not be
answered.`,
		Example: `  localvpc dig web db.example.com
  localvpc dig internet example.com NS --json
  localvpc dig vpc-0123456789abcdef0 ip-10-0-0-5.ec2.internal
  localvpc dig web -x 198.18.3.4
  localvpc dig web api.internal --region eu-west-1`,
		Args: cobra.RangeArgs(1, 3), ValidArgsFunction: e.completePlaces,
		RunE: func(cmd *cobra.Command, args []string) error {
			q := dnsRequest{Account: e.accountID(), Region: e.regionName(), Vantage: args[0], Reverse: reverse}
			switch {
			case reverse != "" && len(args) > 1:
				return usage(cmd, errors.New("-x takes the place of the name"))
			case reverse == "" && len(args) == 1:
				return usage(cmd, errors.New("there is no name to look up"))
			case len(args) > 1:
				q.Name = args[1]
			}
			if len(args) == 3 {
				q.Type = args[2]
			}
			return e.dig(cmd.Context(), q)
		},
	}
	cmd.Flags().StringVarP(&reverse, "reverse", "x", "", "look up the name of an address")
	return cmd
}

// dnsRequest is the body of POST /_localvpc/dns.
type dnsRequest struct {
	Account, Region              string
	Vantage, Name, Type, Reverse string
}

func (e *env) dig(ctx context.Context, q dnsRequest) error {
	var n render.Names
	if err := e.control(ctx, "POST", "dns", q, &n); err != nil {
		return err
	}
	if e.json {
		if err := e.printJSON(n); err != nil {
			return err
		}
	} else {
		render.Dig(e.out, e.style, n)
	}
	if !n.Found() {
		return Exit(ExitNo)
	}
	return nil
}
