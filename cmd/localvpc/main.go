// Command localvpc is AWS networking on one machine: see README.md.
//
// Invariant: main parses, wires, runs and exits; whatever happens in between is
// a package's.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/localvpc/localvpc/internal/app"
	"github.com/localvpc/localvpc/internal/front/cli"
)

func main() {
	if code, done := app.Inner(); done { // a process that localvpc has started inside its world
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second one ends the program at once
	os.Exit(cli.Run(ctx, cli.Config{
		Version: app.Version(),
		Up:      app.Up,
		Probe:   app.Probe,
		Stdin:   os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}, os.Args[1:]))
}
