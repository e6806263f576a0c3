package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/localvpc/localvpc/internal/front/render"
)

// internet is the outside host that is always there by name.
const internet = "internet"

// hostPrefix tells an outside host from an instance whose Name tag is the same.
const hostPrefix = "host:"

// Hosts is the answer of /_localvpc/hosts.
type Hosts struct {
	Internet string   // address of the simulated internet itself
	Pool     []string // ranges of public addresses
	Hosts    []Host
}

// Host is an outside host: a machine of the simulated internet.
type Host struct {
	Name    string
	Addr    string
	Running bool
	Ended   string    `json:",omitempty"` // why it does not run
	Created time.Time `json:",omitzero"`
}

func (e *env) hostCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "host", Short: "Machines of the simulated internet, outside every VPC",
		Long: `Machines of the simulated internet, outside every VPC: a server that instances
fetch from, a client that comes from elsewhere. They are sandboxes as instances
are, with a public address of their own and nothing in front of it.

The host 'internet' is made when it is first used.`,
		Example: `  localvpc exec internet -- curl -sS http://198.18.3.4/
  localvpc host add office --addr 203.0.113.10
  localvpc exec office -- curl -sS http://198.18.3.4/
  localvpc host ls
  localvpc host rm office`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("there is no command %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(e.hostAddCommand(), e.hostListCommand(), e.hostRemoveCommand())
	return cmd
}

func (e *env) hostAddCommand() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Make an outside host and start it",
		Long: `Make an outside host and start it. Its address is drawn from the public ones
(see 'localvpc up --public-cidr'), or any public address that no VPC and nobody
else has. The name is of a-z, 0-9 and hyphens.`,
		Example: `  localvpc host add office
  localvpc host add office --addr 203.0.113.10`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			defer e.progress("starting " + args[0])()
			var h Host
			if err := e.control(cmd.Context(), "POST", "hosts/add", map[string]string{"Name": args[0], "Addr": addr}, &h); err != nil {
				return err
			}
			if e.json {
				return e.printJSON(h)
			}
			_, err := fmt.Fprintln(e.out, h.Name, h.Addr)
			return err
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "", "its public address (default: one that is free)")
	return cmd
}

func (e *env) hostListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "List the outside hosts", Example: "  localvpc host ls\n  localvpc host ls --json", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := e.hosts(cmd.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.printJSON(all)
			}
			if len(all.Hosts) == 0 {
				_, err := fmt.Fprintln(e.out, "There is no outside host yet: 'localvpc exec internet -- COMMAND' makes the first one, 'localvpc host add NAME' others.")
				return err
			}
			rows := [][]string{{"NAME", "ADDRESS", "STATE"}}
			for _, h := range all.Hosts {
				rows = append(rows, []string{h.Name, h.Addr, h.state()})
			}
			render.Table(e.out, e.style, rows)
			return nil
		},
	}
}

func (e *env) hostRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME...", Short: "End outside hosts and remove their disks", Example: "  localvpc host rm office",
		Args: cobra.MinimumNArgs(1), ValidArgsFunction: e.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			defer e.progress("waiting until it has ended")()
			var errs []error
			for _, name := range args {
				errs = append(errs, e.control(cmd.Context(), "POST", "hosts/remove", map[string]string{"Name": name}, nil))
			}
			return errors.Join(errs...)
		},
	}
}

// state is what a list shows of a host.
func (h Host) state() string {
	if h.Running {
		return "running"
	}
	return cmp.Or(h.Ended, "starting")
}

func (e *env) hosts(ctx context.Context) (all Hosts, err error) {
	err = e.control(ctx, "GET", "hosts", nil, &all)
	return all, err
}

// completeHosts offers the outside hosts there are.
func (e *env) completeHosts(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	all, err := e.hosts(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var words []string
	for _, h := range all.Hosts {
		words = append(words, h.Name)
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}
