// Package world makes the private namespaces that everything else runs in and
// keeps them: the world.
//
// Invariant: the world ends when, and only when, the process that made it wants
// that or is gone, by whatever cause, and then nothing of it is left on the host:
// no process, namespace, mount or file. And while the world lives, its sockets
// live: an engine may die at any instruction and the next one has every
// listener with its queue and every descriptor that was stored.
//
// Three processes, all of the same program:
//
//	parent   in the host's namespaces; opened the listeners; Start, Wait, Stop
//	holder   process 1 of the world; mounts, reaps, keeps descriptors, restarts
//	engine   does the work; Engine gives it what the holder keeps
//
// The program's main asks IsHolder and IsEngine before anything else: these
// processes have to start fast.
package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Config says what a world is made of.
type Config struct {
	// Listeners are the sockets of the host that the engine gets, by name. Start
	// passes duplicates on: the caller may close its own afterwards.
	Listeners map[string]*os.File
	// RunDir is where the world sees a file system of its own in memory. It must
	// be an existing directory, whose content the world then does not see. Empty:
	// a directory that every host has and that hides none of Keep.
	RunDir string
	// Keep are paths that the world must go on seeing, as the data directory.
	Keep []string
	// Args are the engine's arguments, without the program's name.
	Args []string
	// Env is added to the engine's environment, which is this process's.
	Env []string
	// Grace bounds an orderly end; 0 is DefaultGrace.
	Grace time.Duration
	// Stderr gets what the engine and the holder write. A file is handed down.
	Stderr io.Writer
}

// DefaultGrace is how long an engine may take to end after SIGTERM.
const DefaultGrace = 10 * time.Second

// Refused is the exit code of an engine that cannot work and that starting again
// would not help. With code 0 an engine ends the world in order; with any other,
// or by a signal, it is started again.
const Refused = 4

// ErrNotPermitted is the cause of a Start or Probe on a machine where a world
// cannot be made. The text names the remedy.
var ErrNotPermitted = errors.New("namespaces are not permitted")

// ErrEnded is the cause of an end that nobody asked for: process 1 was killed.
var ErrEnded = errors.New("the world has ended")

// ExitError is the end of a world whose engine ended by itself with a code.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("the engine ended with code %d", e.Code) }

// MaxNames bounds the stored descriptors of a world.
const MaxNames = 16384

// What ps shows of the processes of a world, and how they tell what they are.
const (
	holderName = "localvpc: holder"
	engineName = "localvpc: engine"
	probeName  = "localvpc: probe"
)

// IsHolder tells whether this process was started to be process 1 of a world:
// main then calls RunHolder.
func IsHolder() bool {
	return len(os.Args) > 0 && (os.Args[0] == holderName || os.Args[0] == probeName)
}

// IsEngine tells whether this process was started to be a world's engine: main
// then calls Engine. Its arguments are os.Args[1:].
func IsEngine() bool { return len(os.Args) > 0 && os.Args[0] == engineName }

// Inside is the world as its engine sees it.
type Inside struct {
	// RunDir is a file system in memory that lives as long as the world.
	RunDir string
	// Root tells that the world was made by root and has no user namespace: its
	// root is the host's.
	Root bool
	// Restarts counts the engines that this world had before this one.
	Restarts int
	// Listeners are those of Config.
	Listeners map[string]*os.File
	// Stored are the descriptors that earlier engines have stored. The holder
	// keeps duplicates until Remove.
	Stored map[string]*os.File

	line
}

// The same on every system; the implementation is Linux's.
var (
	_ interface {
		Ready() <-chan string
		Done() <-chan struct{}
		Wait() error
		Stop(context.Context) error
		Kill()
		Serve(<-chan os.Signal) error
		Pid() int
	} = (*World)(nil)
	_ interface {
		Store(name string, f *os.File) error
		Own(name string, dir *os.File) error
		Remove(name string) error
		Ready(text string) error
		Exit(code int) error
	} = (*Inside)(nil)
)

// checkName refuses names of descriptors that could not be printed in a line.
func checkName(name string) error {
	if name == "" || len(name) > 255 {
		return fmt.Errorf("name of %d bytes: 1 to 255 are allowed", len(name))
	}
	for i := range len(name) {
		if name[i] <= ' ' || name[i] > '~' {
			return fmt.Errorf("name %q: only printable ASCII without spaces is allowed", name)
		}
	}
	return nil
}
