package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/localvpc/localvpc/internal/front/execstream"
)

// execCodes are the exit codes of exec and shell, which are those of ssh and sh.
const execCodes = `Exit code: the command's; 128 and the signal's number when a signal ended it;
127 when there is no such command, 126 when it cannot be run; 255 when localvpc
could not do it.`

func (e *env) execCommand() *cobra.Command {
	var tty bool
	cmd := &cobra.Command{
		Use: "exec <instance|host> -- command [argument...]", Short: "Run a command in an instance or an outside host",
		Long: `Run a command in an instance, named by id or Name tag, or in an outside host,
with standard input, output and error of its own. Signals are passed on. The host
'internet' is made at first use; host:NAME is a host where an instance has its name.

` + execCodes,
		Example: `  localvpc exec web -- ip address
  localvpc exec -t web -- top
  localvpc exec internet -- curl -sS http://198.18.3.4/
  localvpc exec --region eu-west-1 --account 123456789012 web -- hostname
  tar c . | localvpc exec web -- tar x -C /srv`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: e.completePlaces,
		RunE: func(cmd *cobra.Command, args []string) error {
			command := args[1:]
			if command[0] == "--" {
				command = command[1:]
			}
			if len(command) == 0 {
				return usage(cmd, errors.New("there is no command after the instance or host"))
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
		Use: "shell <instance|host>", Short: "Open a shell in an instance or an outside host",
		Long: "Open a login shell in an instance, named by id or Name tag, or in an outside host.\n\n" + execCodes,
		Example: `  localvpc shell web
  localvpc shell internet
  localvpc shell web <setup.sh`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: e.completePlaces,
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.exec(cmd.Context(), args[0], []string{"/bin/sh", "-c", "exec $(command -v bash || echo sh) -l"}, term.IsTerminal(int(e.cfg.Stdin.Fd())))
		},
	}
}

// cannotExec is the exit code of an exec that localvpc could not do.
const cannotExec = 255

// exec runs a command with this process's standard streams.
func (e *env) exec(ctx context.Context, where string, args []string, tty bool) error {
	at, err := e.place(ctx, where)
	if err != nil {
		return &Failure{cannotExec, err}
	}
	req := execstream.Request{Instance: at.instance, Host: at.host, Args: args, TTY: tty}
	if tty {
		if name := os.Getenv("TERM"); name != "" {
			req.Env = append(req.Env, "TERM="+name)
		}
		req.Size = e.size()
	}
	// From here on signals are the command's, those too that come before it runs.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGWINCH, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	defer signal.Stop(signals)
	conn, stream, err := e.dialExec(ctx, req)
	if err != nil {
		return &Failure{cannotExec, err}
	}
	defer conn.Close()
	if in := int(e.cfg.Stdin.Fd()); tty && term.IsTerminal(in) {
		old, err := term.MakeRaw(in)
		if err != nil {
			return &Failure{cannotExec, fmt.Errorf("setting the terminal: %w", err)}
		}
		defer term.Restore(in, old)
	}
	go e.forward(stream, signals)
	feed := execstream.NewFeed(stream)
	go func() {
		if _, err := io.Copy(feed, e.cfg.Stdin); err == nil {
			_ = feed.Close() // the command may have ended
		}
	}()
	result, err := receive(stream, feed, e.out, e.cfg.Stderr)
	switch {
	case err != nil:
		return &Failure{cannotExec, err}
	case result.Error != "":
		return &Failure{result.Code, errors.New(result.Error)}
	case result.Code != 0:
		return Exit(result.Code)
	}
	return nil
}

// size is that of the terminal, of the first standard stream that is one.
func (e *env) size() execstream.Size {
	for _, f := range []*os.File{e.cfg.Stdin, e.cfg.Stdout, e.cfg.Stderr} {
		if cols, rows, err := term.GetSize(int(f.Fd())); err == nil {
			return execstream.Size{Rows: uint16(rows), Cols: uint16(cols)}
		}
	}
	return execstream.Size{Rows: 24, Cols: 80}
}

// forward sends signals and changes of the window's size to the command.
func (e *env) forward(stream *execstream.Stream, signals <-chan os.Signal) {
	for s := range signals {
		var err error
		if s == syscall.SIGWINCH {
			err = stream.WriteJSON(execstream.Resize, e.size())
		} else {
			err = stream.Write(execstream.Signal, []byte{byte(s.(syscall.Signal))})
		}
		if err != nil {
			return
		}
	}
}

// receive copies a command's output until its result comes.
func receive(stream *execstream.Stream, feed *execstream.Feed, stdout, stderr io.Writer) (execstream.Result, error) {
	defer feed.Abort()
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
		case execstream.Taken:
			err = feed.Taken(payload)
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

// dialExec opens the two-way stream of a command. It is accepted at once; a Ctrl-C
// meanwhile is for the command.
func (e *env) dialExec(ctx context.Context, req execstream.Request) (net.Conn, *execstream.Stream, error) {
	conn, r, err := e.upgrade(context.WithoutCancel(ctx), "exec", execstream.Protocol, req)
	if err != nil {
		return nil, nil, err
	}
	return conn, execstream.New(r, conn), nil
}
