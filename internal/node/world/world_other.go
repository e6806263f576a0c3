//go:build !linux

package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
)

var errNotLinux = fmt.Errorf("%w: a world is made of Linux namespaces, and this is %s: run on Linux, or without packets: localvpc up --no-packets", ErrNotPermitted, runtime.GOOS)

// RunHolder refuses.
func RunHolder() int { return 2 }

// Probe refuses.
func Probe() error { return errNotLinux }

// World is a running world: there is none here.
type World struct{ done chan struct{} }

// Start refuses.
func Start(Config) (*World, error) { return nil, errNotLinux }

// Ready never gives anything.
func (w *World) Ready() <-chan string { return nil }

// Done is never closed.
func (w *World) Done() <-chan struct{} { return w.done }

// Wait refuses.
func (w *World) Wait() error { return errNotLinux }

// Stop refuses.
func (w *World) Stop(context.Context) error { return errNotLinux }

// Kill has nothing to do.
func (w *World) Kill() {}

// Serve refuses.
func (w *World) Serve(<-chan os.Signal) error { return errNotLinux }

// Pid is none.
func (w *World) Pid() int { return 0 }

type line struct{}

// Engine refuses.
func Engine() (*Inside, error) { return nil, errNotLinux }

// Store refuses.
func (l *line) Store(string, *os.File) error { return errNotLinux }

// Own refuses.
func (l *line) Own(string, *os.File) error { return errNotLinux }

// Remove refuses.
func (l *line) Remove(string) error { return errNotLinux }

// Ready refuses.
func (l *line) Ready(string) error { return errNotLinux }

// Exit refuses.
func (l *line) Exit(int) error { return errors.New("there is no world to end") }

// Limits are control groups: there are none here.
type Limits struct{}

// Group holds the processes of one instance.
type Group struct{}

// NewLimits refuses.
func NewLimits(*Inside) (*Limits, error) { return nil, errNotLinux }

// Group refuses.
func (l *Limits) Group(string, int, int64) (*Group, error) { return nil, errNotLinux }

// Add refuses.
func (g *Group) Add(int) error { return errNotLinux }

// Remove has nothing to do.
func (g *Group) Remove() error { return nil }
