// Package classic is the commands of the EC2 API tools, with which EC2 began:
// ec2-authorize, ec2-run-instances and so on, under their long and short names.
//
// Invariant: a command here knows nothing of localvpc. It speaks to whatever
// endpoint it is given through the AWS SDK, so that a script works against AWS
// and against localvpc alike, and it prints what the tools printed: one record a
// line, its kind first, fields separated by tabs.
//
// Sources: "Amazon EC2 Command Line Reference" (API versions 2009-08-15 to
// 2014-10-01) and the manual pages of ec2-api-tools 1.6 for options; output that
// users of the tools have recorded for columns. Where no source shows a column,
// the place that prints it says so.
package classic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"
)

// Group is the heading of the commands in the help of localvpc.
const Group = "classic"

// Config is what the commands take from who runs them.
type Config struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Defaults are asked when a command runs.
	Defaults func() Defaults
}

// Defaults hold where neither an option nor one of the tools' environment
// variables says anything.
type Defaults struct {
	URL     string // endpoint of a localvpc; empty is AWS's of the Region
	Account string // of the localvpc, whose root asks; empty is whose keys are found
}

// Error is what a command has to say when it fails. The tools ended with 1,
// whatever it was, and said it without the program's name.
type Error struct{ Err error }

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// command is one command of the tools.
type command struct {
	use     string // the long name and what follows it
	aliases []string
	short   string
	long    string
	example string
	// build declares the command's own options and gives what it does.
	build func(r *run) func(ctx context.Context, args []string) error
}

func commands() []command {
	return slices.Concat(addressCommands(), permissionCommands(), groupCommands(), instanceCommands())
}

// Is says whether a program of that name is one of the commands: then its
// arguments are theirs, whatever they look like.
func Is(name string) bool {
	if !strings.HasPrefix(name, "ec2") {
		return false
	}
	return slices.ContainsFunc(commands(), func(c command) bool {
		long, _, _ := strings.Cut(c.use, " ")
		return long == name || slices.Contains(c.aliases, name)
	})
}

// Commands are all of them.
func Commands(cfg Config) []*cobra.Command {
	var all []*cobra.Command
	for _, c := range commands() {
		all = append(all, c.cobra(cfg))
	}
	return all
}

func (c command) cobra(cfg Config) *cobra.Command {
	r := &run{cfg: cfg}
	cmd := &cobra.Command{
		Use: c.use, Aliases: c.aliases, Short: c.short, Example: c.example, GroupID: Group,
		Long: strings.TrimSpace(c.long + "\n\nA value or argument of '-' is read from standard input."),
		Args: cobra.ArbitraryArgs, DisableFlagsInUseLine: true,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	r.flags = cmd.Flags()
	r.flags.SortFlags = false
	do := c.build(r)
	r.general()
	help := r.flags.BoolP("usage", "?", false, "print help")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &Error{usage("%w", err)} })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *help {
			return cmd.Help()
		}
		args, err := r.prepare(args)
		if err == nil {
			err = do(cmd.Context(), args)
		}
		if err == nil {
			err = r.out.flush()
		}
		if err != nil {
			return &Error{r.spoken(err)}
		}
		return nil
	}
	return cmd
}

// usage is an error about the command line.
func usage(format string, args ...any) error {
	return fmt.Errorf(format+" (-h for usage)", args...)
}

// missing is the error about an option or argument that has to be there.
func missing(what, name string) error {
	return usage("Required %s '%s' missing", what, name)
}

// spoken puts an error of the service as the tools did: whose fault it is, AWS's
// code and AWS's text.
func (r *run) spoken(err error) error {
	var fault smithy.APIError
	switch {
	case errors.As(err, &fault):
	case errors.Is(err, syscall.ECONNREFUSED) && r.at.local:
		return fmt.Errorf("nothing answers at %s: start it with 'localvpc up', or set LOCALVPC_URL", r.at.url)
	default:
		return err
	}
	whose := "Client"
	if fault.ErrorFault() == smithy.FaultServer || strings.HasPrefix(fault.ErrorCode(), "Internal") {
		whose = "Server"
	}
	return fmt.Errorf("%s.%s: %s", whose, cmp.Or(fault.ErrorCode(), "UnknownError"), fault.ErrorMessage())
}

// prepare settles what all commands share before one begins: the endpoint, the
// output's form, and arguments that come from standard input.
func (r *run) prepare(args []string) ([]string, error) {
	r.out = lines{to: r.cfg.Stdout, headers: *r.headers, nils: *r.showEmpty}
	return r.fromStdin(args)
}

// fromStdin replaces each "-" by the words of standard input.
func (r *run) fromStdin(values []string) ([]string, error) {
	at := slices.Index(values, "-")
	if at < 0 {
		return values, nil
	}
	text, err := r.stdin()
	if err != nil {
		return nil, err
	}
	return slices.Concat(values[:at], strings.Fields(text), values[at+1:]), nil
}

// maxStdin bounds what is read from standard input, in bytes.
const maxStdin = 1 << 20

func (r *run) stdin() (string, error) {
	text, err := io.ReadAll(io.LimitReader(r.cfg.Stdin, maxStdin+1))
	if err != nil {
		return "", fmt.Errorf("reading standard input: %w", err)
	}
	if len(text) > maxStdin {
		return "", fmt.Errorf("standard input is longer than %d bytes", maxStdin)
	}
	return string(text), nil
}

// file reads the file of an option's value, or standard input for "-".
func (r *run) file(path string) ([]byte, error) {
	if path == "-" {
		text, err := r.stdin()
		return []byte(text), err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the user data: %w", err)
	}
	return data, nil
}
