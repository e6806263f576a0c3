// Command localvpc is AWS networking on one machine: see README.md.
//
// Invariant: main parses, wires, runs and exits; whatever happens in between is
// a package's.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/localvpc/localvpc/internal/app"
	"github.com/localvpc/localvpc/internal/front/classic"
	"github.com/localvpc/localvpc/internal/front/cli"
	"github.com/localvpc/localvpc/internal/front/dyndns"
)

func main() {
	name := filepath.Base(os.Args[0])
	if !classic.Is(name) && name != dyndns.Name { // what follows a command's own name is the user's
		if code, done := app.Inner(); done { // a process that localvpc has started inside its world
			os.Exit(code)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second one ends the program at once
	os.Exit(cli.Run(ctx, cli.Config{
		Version: app.Version(),
		Name:    name,
		Up:      app.Up,
		Probe:   app.Probe,
		Stdin:   os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}, os.Args[1:]))
}
