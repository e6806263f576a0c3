package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/localvpc/localvpc/internal/front/render"
)

// Faults is the answer of /_localvpc/fault, and of fault/clear what was mended.
type Faults struct{ Faults []Fault }

// Fault is something that is broken on purpose.
type Fault struct {
	Kind    string // "zone", "instance", "link"
	What    string
	Effect  string // "down", "paused", "loss"; empty: nothing any more
	Rate    int32  `json:",omitempty"` // of loss: packets of a hundred
	Account string `json:",omitempty"` // of a zone: none
	Region  string
	Created time.Time `json:",omitzero"`
}

func (e *env) faultCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "fault", Short: "Break zones, instances and links on purpose, and mend them",
		Long: `Break zones, instances and links on purpose, and mend them.

A zone that is down carries nothing: neither its instances, nor its NAT gateways,
nor the nodes that load balancers have in it. An instance that is paused stands
still with all its processes, and answers nothing. A link is a network interface;
one that is down carries nothing, one with loss loses some of its packets in each
direction. 'localvpc explain' names what is broken as the cause.

What is broken stays so until it is mended, also when localvpc is started again; an
instance that is stopped, started or terminated is paused no more.`,
		Example: `  localvpc fault zone us-east-1a down
  localvpc fault zone us-east-1a up
  localvpc fault instance web pause
  localvpc fault instance web resume
  localvpc fault link eni-0123456789abcdef0 loss 20
  localvpc fault ls
  localvpc fault clear`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("there is no command %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		e.faultSetCommand("zone", "ZONE", "Have an Availability Zone carry nothing, or everything again", "us-east-1a", "down", "up"),
		e.faultSetCommand("instance", "INSTANCE", "Have an instance stand still, or go on", "web", "pause", "resume"),
		e.faultSetCommand("link", "INTERFACE", "Have a network interface lose packets or carry nothing, or everything again", "eni-0123456789abcdef0", "down", "loss", "up"),
		e.faultListCommand(), e.faultClearCommand(),
	)
	return cmd
}

func (e *env) faultSetCommand(kind, what, short, example string, words ...string) *cobra.Command {
	loses := kind == "link"
	use := kind + " " + what + " " + strings.Join(words, "|")
	most := 2
	var examples []string
	for _, w := range words {
		examples = append(examples, fmt.Sprintf("  localvpc fault %s %s %s", kind, example, w))
	}
	if loses {
		use, most = kind+" "+what+" down|loss [PERCENT]|up", 3
		examples = append(examples, fmt.Sprintf("  localvpc fault %s %s loss 50", kind, example))
	}
	return &cobra.Command{
		Use: use, Short: short, Long: short + ".", Example: strings.Join(examples, "\n"), Args: cobra.RangeArgs(2, most),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			switch {
			case len(args) == 1:
				return words, cobra.ShellCompDirectiveNoFileComp
			case len(args) == 0 && kind == "instance":
				return e.completeInstances(cmd, args, typed)
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			in := map[string]any{"Kind": kind, "What": args[0], "Effect": args[1]}
			if kind == "instance" {
				i, err := e.resolve(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				in["What"] = value(i.InstanceId)
			}
			if len(args) == 3 {
				rate, err := strconv.ParseUint(strings.TrimSuffix(args[2], "%"), 10, 8)
				if err != nil || args[1] != "loss" {
					return usage(cmd, fmt.Errorf("%q is not a number of packets of a hundred behind 'loss'", args[2]))
				}
				in["Rate"] = rate
			}
			var f Fault
			if err := e.signed(cmd.Context(), "POST", "fault/set", in, &f); err != nil {
				return err
			}
			if e.json {
				return e.printJSON(f)
			}
			_, err := fmt.Fprintln(e.out, f.Kind, f.What, f.text())
			return err
		},
	}
}

func (f Fault) text() string {
	switch {
	case f.Effect == "":
		return "mended"
	case f.Rate != 0:
		return fmt.Sprintf("%s %d", f.Effect, f.Rate)
	}
	return f.Effect
}

func (e *env) faultListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "List what is broken on purpose", Example: "  localvpc fault ls\n  localvpc fault ls --json", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all Faults
			if err := e.signed(cmd.Context(), "GET", "fault", nil, &all); err != nil {
				return err
			}
			return e.printFaults(all)
		},
	}
}

func (e *env) faultClearCommand() *cobra.Command {
	return &cobra.Command{
		Use: "clear", Short: "Mend everything that is broken on purpose", Example: "  localvpc fault clear", Args: cobra.NoArgs,
		Long: "Mend everything that is broken on purpose, in all accounts and Regions, and say what it was.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all Faults
			if err := e.signed(cmd.Context(), "POST", "fault/clear", nil, &all); err != nil {
				return err
			}
			return e.printFaults(all)
		},
	}
}

func (e *env) printFaults(all Faults) error {
	if e.json {
		return e.printJSON(all)
	}
	rows := [][]string{{"KIND", "WHAT", "EFFECT", "ACCOUNT", "REGION"}}
	for _, f := range all.Faults {
		account := f.Account
		if account == "" {
			account = "-"
		}
		rows = append(rows, []string{f.Kind, f.What, f.text(), account, f.Region})
	}
	render.Table(e.out, e.style, rows)
	return nil
}

// signed asks a path of /_localvpc/ that wants to know who asks.
func (e *env) signed(ctx context.Context, method, path string, in, out any) error {
	if _, err := e.target(); err != nil {
		return err
	}
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("encoding the request: %w", err)
		}
	}
	resp, err := e.aws().Do(ctx, "localvpc", method, "/_localvpc/"+path, http.Header{}, body)
	if err != nil {
		return e.unreachable(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return refusal(resp)
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	if err := json.Unmarshal(text.Bytes(), out); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	return nil
}
