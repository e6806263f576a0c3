package world

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// stepError is a step of making the world that the kernel refused.
type stepError struct {
	step string // one of the step constants
	err  error
}

func (e *stepError) Error() string { return e.step + ": " + e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

const (
	stepClone   = "making namespaces"
	stepPrivate = "making mounts private"
	stepProc    = "mounting /proc"
	stepRun     = "mounting the run directory"
	stepLo      = "bringing lo up"
)

// furnish makes the namespaces that process 1 finds itself in fit to work in,
// and returns the run directory.
func furnish(h *handover) (runDir string, err error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return "", &stepError{stepPrivate, err}
	}
	// Nothing may be mounted over parts of it: instances could not mount their
	// own otherwise (user_namespaces(7), "fully visible").
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return "", &stepError{stepProc, err}
	}
	runDir = h.RunDir
	if runDir == "" {
		if runDir, err = chooseRunDir("/", h.Keep); err != nil {
			return "", &stepError{stepRun, err}
		}
	}
	if err := unix.Mount("localvpc", runDir, "tmpfs", 0, "mode=755"); err != nil {
		return "", &stepError{stepRun, fmt.Errorf("%s: %w", runDir, err)}
	}
	if err := loUp(); err != nil {
		return "", &stepError{stepLo, err}
	}
	return runDir, nil
}

// runDirs are directories that a machine has anyway and whose content the world
// can do without. The first is best: what is in the host's shared memory is no
// business of the world's.
var runDirs = []string{"dev/shm", "mnt", "media", "srv"}

// chooseRunDir finds a directory below root to mount on that hides none of keep.
func chooseRunDir(root string, keep []string) (string, error) {
	for _, dir := range runDirs {
		dir = filepath.Join(root, dir)
		if fi, err := os.Lstat(dir); err != nil || !fi.IsDir() {
			continue
		}
		hides := false
		for _, path := range keep {
			hides = hides || path == dir || strings.HasPrefix(path, dir+"/")
		}
		if !hides {
			return dir, nil
		}
	}
	return "", errors.New("none of /" + strings.Join(runDirs, ", /") + " is free for it: create one, or move the data directory out of it")
}

// loUp brings up the world's loopback interface.
func loUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(s, unix.SIOCGIFFLAGS, lo); err != nil {
		return err
	}
	lo.SetUint16(lo.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo)
}
