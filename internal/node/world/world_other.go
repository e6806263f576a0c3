//go:build !linux

package world

import (
	"context"
	"errors"
	"os"
)

var errNotLinux = errors.New("instances and packets need Linux: run with --no-packets")

// World is never made here: only Linux has the namespaces.
type World struct{}

type engine struct{}

// Refused is the exit code with which an engine says that starting it again
// cannot help.
const Refused = 4

func Start(Config) (*World, error)              { return nil, errNotLinux }
func Probe() error                              { return errNotLinux }
func RunHolder() int                            { return 2 }
func Engine() (*Inside, error)                  { return nil, errNotLinux }
func (w *World) Ready() <-chan string           { return nil }
func (w *World) Pid() int                       { return 0 }
func (w *World) Wait() error                    { return errNotLinux }
func (w *World) Stop(context.Context) error     { return errNotLinux }
func (in *Inside) Ready(string) error           { return errNotLinux }
func (in *Inside) Store(string, *os.File) error { return errNotLinux }
func (in *Inside) Remove(string) error          { return errNotLinux }
func (in *Inside) Exit() error                  { return errNotLinux }
