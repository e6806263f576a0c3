// Package world makes the private namespaces that everything runs in, and keeps
// them as long as the parent lives and no longer.
//
// Invariant: the holder, pid 1 of the world, owns every namespace, mount and
// process inside; it dies with the parent, by the kernel's hand if need be, and
// then nothing of the world is left. The engine may die at any moment: the holder
// keeps its listeners and the descriptors that it stored, and starts it again.
//
// Three processes of one binary: the parent in the host's namespaces opens what
// the host may see, the holder makes the world, the engine works in it.
package world0

import (
	"context"
	"errors"
	"io"
	"os"
)

// Config of a world.
type Config struct {
	// Listeners of the host's network, handed to every engine under their names.
	Listeners map[string]*os.File
	// RunDir is where the world mounts its tmpfs: an existing directory, hidden
	// inside by the mount and untouched outside.
	RunDir string
	// Env is added to the environment of the engine.
	Env []string
	// Stderr is what holder and engine write their errors to.
	Stderr *os.File
}

// Roles of a process, in argv[0].
const (
	holderName = "localvpc: holder"
	engineName = "localvpc: engine"
)

// IsHolder and IsEngine tell which part this process plays. Asking costs nothing.
func IsHolder() bool { return len(os.Args) > 0 && os.Args[0] == holderName }
func IsEngine() bool { return len(os.Args) > 0 && os.Args[0] == engineName }

// ErrEnded is returned by Wait when the holder ended without being asked to.
var ErrEnded = errors.New("the world ended: its pid 1 was killed")

// Worlds as the parent sees them; the implementation is Linux's.
type handle interface {
	Ready() <-chan string
	Wait() error
	Stop(ctx context.Context) error
}

var _ handle = (*World)(nil)

// Inside is the world as the engine sees it.
type Inside struct {
	RunDir    string
	Listeners map[string]*os.File // from the parent
	Stored    map[string]*os.File // by former engines
	Root      bool                // the world has no user namespace: it was started by root
	control   io.Closer
	engine
}
