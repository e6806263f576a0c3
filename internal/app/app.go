// Package app builds localvpc from its parts: it is the only package that knows
// them all.
//
// Invariant: wiring only. What is decided here is which part gets which, and in
// which order they start and end.
package app

import (
	"os"
	"runtime/debug"

	"github.com/localvpc/localvpc/internal/node/sandbox/guest"
	"github.com/localvpc/localvpc/internal/node/sandbox/guest/tool"
	"github.com/localvpc/localvpc/internal/node/world"
)

// Inner runs the parts of localvpc that it starts itself: an instance's init,
// the holder of the world, the engine. done is false for a command of a user.
// It comes first in main, because these have to start fast.
func Inner() (code int, done bool) {
	switch {
	case guest.IsInit():
		guest.Run()
		return 0, true
	case len(os.Args) > 1 && os.Args[1] == "guest":
		return tool.Main(os.Args[2:]), true
	case world.IsHolder():
		return world.RunHolder(), true
	case world.IsEngine():
		return engineMain(), true
	}
	return 0, false
}

// Version is the module's version, or the revision it was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel " + s.Value[:12]
		}
	}
	return "devel"
}
