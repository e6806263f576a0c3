package world

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// line is an engine's to the holder.
type line struct {
	mu     sync.Mutex // one packet at a time
	owning sync.Mutex
	sock   int
}

// Engine takes over what the holder has handed to this process. It is called
// once, in a process for which IsEngine is true.
func Engine() (*Inside, error) {
	if !IsEngine() {
		return nil, errInner
	}
	h, err := inherit()
	if err != nil {
		return nil, err
	}
	in := &Inside{
		RunDir: h.RunDir, Root: !h.Userns, Restarts: h.Starts, line: line{sock: fdControl},
		Listeners: make(map[string]*os.File, len(h.Listeners)), Stored: make(map[string]*os.File, len(h.Stored)),
	}
	for i, name := range h.Listeners {
		in.Listeners[name] = os.NewFile(uintptr(fdFirst+i), name)
	}
	for i, name := range h.Stored {
		in.Stored[name] = os.NewFile(uintptr(fdFirst+len(h.Listeners)+i), name)
	}
	return in, nil
}

// Store has the holder keep a duplicate of a descriptor for the engines to come,
// in place of an earlier one of the same name. Names are 1 to 255 printable ASCII
// characters without spaces; MaxNames bounds their number. When Store has
// returned, the next engine gets it even if this one dies at once.
func (l *line) Store(name string, f *os.File) error { return l.hand(verbStore, name, f) }

// Own is Store for a directory on a file system of the kernel's, such as a
// cgroup: at the end of the world it is removed, with the directories in it. When
// Own has returned this is certain, even if parent and engine die at once.
func (l *line) Own(name string, dir *os.File) error {
	l.owning.Lock() // one answer at a time, and nothing else is answered
	defer l.owning.Unlock()
	if err := l.hand(verbOwn, name, dir); err != nil {
		return err
	}
	r := receiver{sock: l.sock}
	_, refusal, _, err := r.next(0)
	if err == nil && refusal != "" {
		err = errors.New(refusal)
	}
	if err != nil {
		return fmt.Errorf("storing descriptor %s: %w", name, err)
	}
	return nil
}

func (l *line) hand(verb, name string, f *os.File) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("storing a descriptor: %w", err)
	}
	// Not File.Fd: that would make a socket blocking for all who share it.
	raw, err := f.SyscallConn()
	if err == nil {
		var sendErr error
		err = raw.Control(func(fd uintptr) { sendErr = l.send(verb, name, int(fd)) })
		err = errors.Join(err, sendErr)
	}
	if err != nil {
		return fmt.Errorf("storing descriptor %s: %w", name, err)
	}
	return nil
}

// Remove has the holder forget a name. A name that it does not know is no error.
func (l *line) Remove(name string) error {
	if err := l.send(verbRemove, name, -1); err != nil {
		return fmt.Errorf("removing stored descriptor %s: %w", name, err)
	}
	return nil
}

// Ready tells whoever started the world that it answers now. text is theirs to
// read, at most 32 KiB.
func (l *line) Ready(text string) error {
	if err := l.send(verbReady, text, -1); err != nil {
		return fmt.Errorf("telling that the engine is ready: %w", err)
	}
	return nil
}

// Exit ends the world in order: this engine gets SIGTERM, and when it has ended
// none follows. World.Wait returns code, 0 to 255.
func (l *line) Exit(code int) error {
	if err := l.send(verbExit, strconv.Itoa(code), -1); err != nil {
		return fmt.Errorf("telling that the engine ends: %w", err)
	}
	return nil
}

func (l *line) send(verb, arg string, fd int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := send(l.sock, verb, arg, fd, 0)
	if err == unix.EPIPE {
		return errors.New("the holder is gone")
	}
	return err
}
