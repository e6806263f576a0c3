package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/localvpc/localvpc/internal/front/render"
)

// Health is the answer of /_localvpc/health.
type Health struct {
	API       int // of /_localvpc/, see docs/design/front.md
	Version   string
	Account   string
	Packets   bool     // is there a data plane
	Root      bool     // does it run as root
	Data      string   // directory, empty when ephemeral
	DNS       string   // where names are answered for this machine, empty: nowhere
	Settled   uint64   // last commit that packets obey
	Committed uint64   // last commit
	Instances int      // running now
	Hosts     int      // outside hosts that run now
	Faults    int      // what is broken on purpose
	Notes     []string // what does not work here, and why
	Problem   string   // why the kernel does not follow the state
}

func (e *env) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say how the running localvpc is", Example: "  localvpc status --json", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var h Health
			if err := e.control(cmd.Context(), "GET", "health", nil, &h); err != nil {
				return err
			}
			if e.json {
				return e.printJSON(h)
			}
			packets := "real"
			if !h.Packets {
				packets = "none (--no-packets): API and explain only"
			}
			data := h.Data
			if data == "" {
				data = "nothing is kept (--ephemeral)"
			}
			as := "an ordinary user"
			if h.Root {
				as = "root"
			}
			rows := [][]string{
				{"localvpc " + h.Version, e.endpoint()},
				{"runs as", as},
				{"account", h.Account},
				{"packets", packets},
				{"names", cmp.Or(h.DNS, "not answered for this machine")},
				{"data", data},
				{"instances", fmt.Sprint(h.Instances, " running")},
				{"outside hosts", fmt.Sprint(h.Hosts, " running")},
				{"state", fmt.Sprintf("commit %d, settled %d", h.Committed, h.Settled)},
			}
			if h.Faults > 0 {
				rows = append(rows, []string{"broken", fmt.Sprintf("%d on purpose: 'localvpc fault ls' lists it", h.Faults)})
			}
			for _, n := range h.Notes {
				rows = append(rows, []string{"note", n})
			}
			if h.Problem != "" {
				rows = append(rows, []string{"problem", e.style.Bad(h.Problem)})
			}
			render.Table(e.out, e.style, rows)
			return nil
		},
	}
}

func (e *env) envCommand() *cobra.Command {
	return &cobra.Command{
		Use: "env", Short: "Print the exports that point AWS tools at localvpc", Args: cobra.NoArgs,
		Example: `  eval "$(localvpc env)"
  eval "$(localvpc env --account 123456789012 --region eu-west-1)"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var h Health
			if err := e.control(cmd.Context(), "GET", "health", nil, &h); err != nil {
				return err
			}
			key := cmp.Or(e.account, h.Account)
			vars := [][2]string{
				{"AWS_ENDPOINT_URL", e.endpoint()},
				{"AWS_ACCESS_KEY_ID", key},
				{"AWS_SECRET_ACCESS_KEY", "test"},
				{"AWS_REGION", e.regionName()},
				{"AWS_DEFAULT_REGION", e.regionName()},
				{"AWS_EC2_METADATA_DISABLED", "true"},
			}
			if e.json {
				m := map[string]string{}
				for _, v := range vars {
					m[v[0]] = v[1]
				}
				return e.printJSON(m)
			}
			for _, v := range vars {
				fmt.Fprintf(e.out, "export %s=%s\n", v[0], v[1])
			}
			return nil
		},
	}
}

func (e *env) downCommand() *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "Stop the running localvpc", Example: "  localvpc down", Args: cobra.NoArgs,
		Long: "Stop the running localvpc and wait until it is gone. Its data directory stays.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer e.progress("waiting until everything has ended")()
			if err := e.control(cmd.Context(), "POST", "stop", nil, nil); err != nil {
				return err
			}
			return e.gone(cmd.Context())
		},
	}
}

// gone returns when nothing listens at the endpoint any more: a connection that
// is held open ends when the program does.
func (e *env) gone(ctx context.Context) error {
	u, err := e.target()
	if err != nil {
		return err
	}
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return nil
		}
		if errors.Is(err, syscall.ECONNRESET) {
			continue // it ended while the connection was in its queue
		}
		if err != nil {
			return fmt.Errorf("waiting for %s to end: %w", u.Host, err)
		}
		stop := context.AfterFunc(ctx, func() { c.Close() })
		_, err = c.Read(make([]byte, 1))
		stop()
		c.Close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			return fmt.Errorf("%s is not localvpc: it speaks first", u.Host)
		}
	}
}

func (e *env) resetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reset", Short: "Make everything as at a fresh start", Args: cobra.NoArgs,
		Long:    "Remove every resource of every account and Region. Test suites call the same as POST /_localvpc/reset.",
		Example: "  localvpc reset",
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer e.progress("waiting until instances have ended")()
			return e.control(cmd.Context(), "POST", "reset", nil, nil)
		},
	}
}
