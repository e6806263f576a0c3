package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/front/execstream"
)

// resolve finds an instance by id or Name tag; terminated ones are not found by name.
func (e *env) resolve(ctx context.Context, name string) (*ec2.Instance, error) {
	in := &ec2.DescribeInstancesInput{}
	if strings.HasPrefix(name, "i-") {
		in.InstanceIds = []string{name}
	} else {
		key := "tag:Name"
		in.Filters = []ec2.Filter{{Name: &key, Values: []string{escape(name)}}}
	}
	out, err := call[ec2.DescribeInstancesOutput](ctx, e, "DescribeInstances", in)
	if err != nil {
		return nil, err
	}
	var found []ec2.Instance
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			if len(in.InstanceIds) > 0 || value(i.State.Name) != "terminated" {
				found = append(found, i)
			}
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("there is no instance with the Name tag %q in %s: 'localvpc ls' shows what there is", name, e.regionName())
	case 1:
		return &found[0], nil
	}
	return nil, fmt.Errorf("%d instances have the Name tag %q: give the id", len(found), name)
}

// escape keeps a filter from reading wildcards in a name.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(s)
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (e *env) execCommand() *cobra.Command {
	var tty bool
	cmd := &cobra.Command{
		Use: "exec <instance> -- command [argument...]", Short: "Run a command in an instance",
		Long: "Run a command in an instance, named by id or Name tag. Its exit code is the command's.",
		Example: `  localvpc exec web -- ip address
  localvpc exec -t web -- top`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: e.completeInstances,
		RunE: func(cmd *cobra.Command, args []string) error {
			command := args[1:]
			if command[0] == "--" {
				command = command[1:]
			}
			if len(command) == 0 {
				return errors.New("there is no command after the instance: localvpc exec web -- ip address")
			}
			return e.exec(cmd.Context(), args[0], command, tty)
		},
	}
	cmd.Flags().BoolVarP(&tty, "tty", "t", false, "give the command a terminal")
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func (e *env) shellCommand() *cobra.Command {
	return &cobra.Command{
		Use: "shell <instance>", Short: "Open a shell in an instance", Example: "  localvpc shell web",
		Args: cobra.ExactArgs(1), ValidArgsFunction: e.completeInstances,
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.exec(cmd.Context(), args[0], []string{"/bin/sh", "-c", "exec $(command -v bash || echo sh) -l"}, term.IsTerminal(int(e.cfg.Stdin.Fd())))
		},
	}
}

// exec runs a command with this process's standard streams.
func (e *env) exec(ctx context.Context, instance string, args []string, tty bool) error {
	inst, err := e.resolve(ctx, instance)
	if err != nil {
		return err
	}
	req := execstream.Request{Instance: value(inst.InstanceId), Args: args, TTY: tty}
	in := int(e.cfg.Stdin.Fd())
	if tty {
		if name := os.Getenv("TERM"); name != "" {
			req.Env = append(req.Env, "TERM="+name)
		}
		if cols, rows, err := term.GetSize(in); err == nil {
			req.Size = execstream.Size{Rows: uint16(rows), Cols: uint16(cols)}
		}
	}
	conn, stream, err := e.dialExec(ctx, req)
	if err != nil {
		return err
	}
	defer conn.Close()
	if tty && term.IsTerminal(in) {
		old, err := term.MakeRaw(in)
		if err != nil {
			return fmt.Errorf("setting the terminal: %w", err)
		}
		defer term.Restore(in, old)
	}
	go e.forward(stream)
	go func() {
		_, _ = io.Copy(stream.Output(execstream.Stdin), e.cfg.Stdin)
		_ = stream.Write(execstream.Stdin, nil)
	}()
	result, err := receive(stream, e.out, e.cfg.Stderr)
	if err != nil {
		return err
	}
	if result.Error != "" {
		return errors.New(result.Error)
	}
	if result.Code != 0 {
		return Exit(result.Code)
	}
	return nil
}

// forward sends signals and changes of the window's size to the command.
func (e *env) forward(stream *execstream.Stream) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGWINCH, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	for s := range signals {
		var err error
		if s == syscall.SIGWINCH {
			cols, rows, sizeErr := term.GetSize(int(e.cfg.Stdin.Fd()))
			if sizeErr != nil {
				continue
			}
			err = stream.WriteJSON(execstream.Resize, execstream.Size{Rows: uint16(rows), Cols: uint16(cols)})
		} else {
			err = stream.Write(execstream.Signal, []byte{byte(s.(syscall.Signal))})
		}
		if err != nil {
			return
		}
	}
}

// receive copies a command's output until its result comes.
func receive(stream *execstream.Stream, stdout, stderr io.Writer) (execstream.Result, error) {
	for {
		kind, payload, err := stream.Read()
		if err != nil {
			return execstream.Result{}, fmt.Errorf("the connection to the command ended: %w", err)
		}
		switch kind {
		case execstream.Stdout:
			_, err = stdout.Write(payload)
		case execstream.Stderr:
			_, err = stderr.Write(payload)
		case execstream.Exit:
			var r execstream.Result
			err := json.Unmarshal(payload, &r)
			return r, err
		}
		if err != nil {
			return execstream.Result{}, err
		}
	}
}

// dialExec opens the two-way stream of a command.
func (e *env) dialExec(ctx context.Context, req execstream.Request) (net.Conn, *execstream.Stream, error) {
	u, err := url.Parse(e.endpoint())
	if err != nil {
		return nil, nil, fmt.Errorf("the endpoint %q is not a URL: %w", e.endpoint(), err)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, nil, e.unreachable(err)
	}
	body, err := json.Marshal(req)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	hr, err := http.NewRequestWithContext(ctx, "POST", e.endpoint()+"/_localvpc/exec", bytes.NewReader(body))
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	hr.Header.Set("Upgrade", execstream.Protocol)
	hr.Header.Set("Connection", "Upgrade")
	if err := hr.Write(conn); err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("asking for the command: %w", err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, hr)
	if err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("asking for the command: %w", err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer conn.Close()
		var fault struct{ Message string }
		_ = json.NewDecoder(resp.Body).Decode(&fault)
		return nil, nil, fmt.Errorf("the command was refused: %s", fault.Message)
	}
	return conn, execstream.New(r, conn), nil
}

func (e *env) logsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logs <instance>", Short: "Print an instance's console output", Example: "  localvpc logs web",
		Args: cobra.ExactArgs(1), ValidArgsFunction: e.completeInstances,
		RunE: func(cmd *cobra.Command, args []string) error {
			inst, err := e.resolve(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			out, err := call[ec2.GetConsoleOutputOutput](cmd.Context(), e, "GetConsoleOutput", &ec2.GetConsoleOutputInput{InstanceId: inst.InstanceId})
			if err != nil {
				return err
			}
			text, err := base64.StdEncoding.DecodeString(value(out.Output))
			if err != nil {
				return fmt.Errorf("reading the console output: %w", err)
			}
			if e.json {
				return e.printJSON(map[string]string{"InstanceId": value(inst.InstanceId), "Output": string(text)})
			}
			_, err = e.out.Write(text)
			return err
		},
	}
}

// completeInstances offers the Name tags and ids of the instances there are.
func (e *env) completeInstances(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	out, err := call[ec2.DescribeInstancesOutput](cmd.Context(), e, "DescribeInstances", &ec2.DescribeInstancesInput{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var words []string
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			if name := nameOf(i.Tags); name != "" {
				words = append(words, name)
			}
			words = append(words, value(i.InstanceId))
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

func nameOf(tags []ec2.Tag) string {
	for _, t := range tags {
		if value(t.Key) == "Name" {
			return value(t.Value)
		}
	}
	return ""
}
