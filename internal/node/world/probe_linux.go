package world

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// runProbe is a holder that ends where its work would begin.
func runProbe() int {
	h, err := inherit()
	if err != nil {
		say(err)
		return 2
	}
	if _, err = furnish(h); err != nil {
		err = send(fdControl, verbDenied, reason(err, h), -1, 0)
	} else {
		err = send(fdControl, verbExit, "0", -1, 0)
	}
	if err != nil {
		return 1
	}
	return 0
}

// Probe makes a world and ends it at once. It returns nil, or why no world can be
// made on this machine: ErrNotPermitted, with the remedy in the text.
func Probe() error {
	runtime.LockOSThread() // see World.keep
	defer runtime.UnlockOSThread()
	h := &handover{Userns: !mayBeRoot(), Root: os.Geteuid() == 0, Keep: keep(nil)}
	told, err := h.file()
	if err != nil {
		return fmt.Errorf("probing for namespaces: %w", err)
	}
	defer told.Close()
	ours, theirs, err := pair()
	if err != nil {
		return fmt.Errorf("probing for namespaces: %w", err)
	}
	defer unix.Close(ours)
	control := os.NewFile(uintptr(theirs), "control")
	cmd := command(probeName, h.Userns)
	cmd.ExtraFiles = []*os.File{control, told}
	err = cmd.Start()
	control.Close()
	if err != nil {
		return denied(err, h.Userns)
	}
	r := receiver{sock: ours}
	verb, arg, _, _ := r.next(0)
	err = cmd.Wait()
	switch {
	case verb == verbExit:
		return nil
	case verb == verbDenied:
		return fmt.Errorf("%w: %s", ErrNotPermitted, arg)
	case err != nil:
		return fmt.Errorf("probing for namespaces: %w", err)
	}
	return errors.New("probing for namespaces: the probe ended without a word: does main ask world.IsHolder first?")
}
