// Package cli is localvpc's command line.
//
// Invariant: a command holds no privilege and computes nothing: it calls the
// public API of the running localvpc, as any AWS client could, and prints the
// answer. `up` alone is handed in, because it makes what the others call.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/localvpc/localvpc/internal/front/classic"
	"github.com/localvpc/localvpc/internal/front/dyndns"
	"github.com/localvpc/localvpc/internal/front/render"
)

// Exit codes. A command that runs another returns that one's code.
const (
	ExitOK    = 0
	ExitNo    = 1 // the answer is no: not reachable, an expectation did not hold
	ExitError = 2 // the question could not be answered
)

// Exit is an error that only says with which code to end.
type Exit int

func (e Exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Failure is an error with an exit code of its own.
type Failure struct {
	Code int
	Err  error
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// usage adds to an error about the command line where to read on.
func usage(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w: see '%s --help'", err, cmd.CommandPath())
}

// UpOptions are the flags of up.
type UpOptions struct {
	Listen    string
	Data      string
	Ephemeral bool
	DNS       string // address where names are answered for this machine, or "off"
	NoPackets bool
	Account   string
	Auth      string // "open" or "strict"
	Authz     string // "on" or "off"
	Images    string
	Quotas    string
	// PublicCidr is the ranges of public addresses; empty: as before, or the
	// default ones.
	PublicCidr string
	// NatIdle is how many seconds a NAT gateway keeps a connection that is idle.
	NatIdle int
	// RegionLatency: packets between Regions take their time.
	RegionLatency bool
	// RoleSession is how many seconds the credentials of an instance's role last; zero
	// is AWS's six hours.
	RoleSession int
	// NoDefaultVpc: accounts begin without a default VPC.
	NoDefaultVpc bool
	// HealthScale is what the intervals of health checks are multiplied with; zero is
	// one.
	HealthScale float64
	Detach      bool
	Verbose     bool
}

// Config wires the commands.
type Config struct {
	Version string
	// Up runs localvpc until ctx ends or it is told to stop, and calls ready
	// when it answers.
	Up func(ctx context.Context, o UpOptions, ready func(Ready)) error
	// Probe says why namespaces are not permitted here; nil if they are.
	Probe func() error
	// Name is that under which the program was started. A command of the EC2 API
	// tools is run under its own name, too.
	Name   string
	Stdin  *os.File
	Stdout *os.File
	Stderr *os.File
}

// env is what the commands share.
type env struct {
	cfg     Config
	url     string
	region  string
	account string
	json    bool
	out     io.Writer
	style   render.Style
}

// Run executes one command line and returns the exit code.
func Run(ctx context.Context, cfg Config, args []string) int {
	e := &env{cfg: cfg, out: cfg.Stdout}
	e.style.Colour = term.IsTerminal(int(cfg.Stdout.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	root := e.root()
	if classic.Is(cfg.Name) {
		args = append([]string{cfg.Name}, args...)
	}
	program := "localvpc"
	if cfg.Name == dyndns.Name {
		program, args = cfg.Name, append([]string{"dyndns"}, args...)
	}
	root.SetArgs(args)
	root.SetIn(cfg.Stdin)
	root.SetOut(cfg.Stdout)
	root.SetErr(cfg.Stderr)
	err := root.ExecuteContext(ctx)
	var exit Exit
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &exit):
		return int(exit)
	}
	var tool *classic.Error
	if errors.As(err, &tool) {
		fmt.Fprintln(cfg.Stderr, tool)
		return ExitNo
	}
	fmt.Fprintf(cfg.Stderr, "%s: %v\n", program, err)
	var failure *Failure
	if errors.As(err, &failure) {
		return failure.Code
	}
	return ExitError
}

// ownGroup is the heading of localvpc's own commands.
const ownGroup = "localvpc"

func (e *env) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "localvpc",
		Short: "AWS networking on one machine",
		Long: `localvpc is AWS networking on one machine: the EC2 API for unmodified AWS
clients, and behind it real instances whose packets obey security groups.

Start it with 'localvpc up', point your tools at it with 'eval "$(localvpc env)"'.`,
		SilenceErrors: true, SilenceUsage: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(cmd, fmt.Errorf("there is no command %q", args[0]))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if e.account != "" && !isAccount(e.account) {
				return usage(cmd, fmt.Errorf("--account %q is not a number of 12 digits", e.account))
			}
			return nil
		},
	}
	root.SetFlagErrorFunc(usage)
	f := root.PersistentFlags()
	f.StringVar(&e.url, "url", "", "endpoint of the running localvpc (default: $LOCALVPC_URL, $AWS_ENDPOINT_URL, http://127.0.0.1:4566)")
	f.StringVar(&e.region, "region", "", "Region (default: $AWS_REGION, $AWS_DEFAULT_REGION, us-east-1)")
	f.StringVar(&e.account, "account", "", "account, 12 digits (default: that of the running localvpc)")
	f.BoolVar(&e.json, "json", false, "print JSON")
	for option, complete := range map[string]cobra.CompletionFunc{"region": e.completeRegions, "account": e.completeAccounts} {
		if err := root.RegisterFlagCompletionFunc(option, complete); err != nil {
			panic("cli: " + err.Error()) // an option that is not there, or was completed before
		}
	}
	root.AddCommand(
		e.upCommand(), e.downCommand(), e.statusCommand(), e.envCommand(),
		e.lsCommand(), e.execCommand(), e.shellCommand(), e.logsCommand(), e.hostCommand(),
		e.proxyCommand(), e.forwardCommand(), e.connectCommand(), e.quotaCommand(), e.faultCommand(),
		e.explainCommand(), e.digCommand(), e.demoCommand(), e.resetCommand(), e.probeCommand(), e.versionCommand(),
		dyndns.Command(dyndns.Config{Stdout: e.out, Stderr: e.cfg.Stderr, Region: func() string { return e.region }}),
	)
	explainArgs(root.Commands())
	for _, cmd := range root.Commands() {
		cmd.GroupID = ownGroup
	}
	root.SetHelpCommandGroupID(ownGroup)
	root.SetCompletionCommandGroupID(ownGroup)
	root.AddGroup(&cobra.Group{ID: ownGroup, Title: "Available Commands:"}, &cobra.Group{ID: classic.Group, Title: "Commands of the EC2 API tools, for AWS and for localvpc:"})
	root.AddCommand(classic.Commands(classic.Config{
		Stdin: e.cfg.Stdin, Stdout: e.out, Stderr: e.cfg.Stderr, Defaults: e.classicDefaults,
	})...)
	return root
}

// explainArgs has commands say which arguments they take when they are given others.
func explainArgs(commands []*cobra.Command) {
	for _, cmd := range commands {
		explainArgs(cmd.Commands())
		if check := cmd.Args; check != nil {
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if check(cmd, args) == nil {
					return nil
				}
				return usage(cmd, fmt.Errorf("the arguments %q do not fit '%s'", args, cmd.UseLine()))
			}
		}
	}
}

// classicDefaults: as a command of localvpc's, one of the EC2 API tools means a
// localvpc unless it is told otherwise; under its own name it means AWS.
func (e *env) classicDefaults() classic.Defaults {
	d := classic.Defaults{Account: e.account}
	if !classic.Is(e.cfg.Name) {
		d.URL = defaultURL
	}
	return d
}

func (e *env) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Example: "  localvpc version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if e.json {
				return e.printJSON(map[string]string{"Version": e.cfg.Version})
			}
			_, err := fmt.Fprintln(e.out, "localvpc", e.cfg.Version)
			return err
		},
	}
}

func (e *env) probeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "probe", Short: "Say whether instances and packets can work on this machine", Example: "  localvpc probe", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := e.cfg.Probe(); err != nil {
				return err
			}
			_, err := fmt.Fprintln(e.out, "namespaces are permitted")
			return err
		},
	}
}
