package world0

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// engine is the engine's line to the holder.
type engine struct{ conn *net.UnixConn }

// Engine is called first in the engine process: it gives what the holder handed
// down.
func Engine() (*Inside, error) {
	in := &Inside{RunDir: os.Getenv(envRunDir), Root: os.Getenv(envRoot) == "1", Listeners: map[string]*os.File{}, Stored: map[string]*os.File{}}
	for name, f := range inherited() {
		if stored, ok := strings.CutPrefix(name, storedPrefix); ok {
			in.Stored[stored] = f
		} else {
			in.Listeners[name] = f
		}
	}
	control, ok := in.Listeners[controlFile]
	if !ok {
		return nil, errors.New("the engine is started by the holder only")
	}
	delete(in.Listeners, controlFile)
	conn, err := unixConn(control)
	if err != nil {
		return nil, fmt.Errorf("opening the holder's socket: %w", err)
	}
	in.conn, in.control = conn, conn
	return in, nil
}

// Ready tells the parent that the engine answers, with a line of text for people.
func (in *Inside) Ready(text string) error {
	return in.send("ready "+strings.ReplaceAll(text, "\n", " "), nil)
}

// Store has the holder keep a descriptor for the next engine. The caller keeps
// its own.
func (in *Inside) Store(name string, f *os.File) error {
	if !validName(name) {
		return fmt.Errorf("storing a descriptor: %q is no name", name)
	}
	return in.send("store "+name, f)
}

// Remove has the holder close a stored descriptor.
func (in *Inside) Remove(name string) error { return in.send("remove "+name, nil) }

// Exit asks for an orderly end of the world: the engine is sent SIGTERM.
func (in *Inside) Exit() error { return in.send("exit", nil) }

// Refused is the exit code with which an engine says that starting it again
// cannot help.
const Refused = exitRefused

func (in *Inside) send(text string, f *os.File) error {
	var rights []byte
	if f != nil {
		raw, err := f.SyscallConn()
		if err != nil {
			return err
		}
		if err := raw.Control(func(fd uintptr) { rights = unix.UnixRights(int(fd)) }); err != nil {
			return err
		}
		if _, _, err := in.conn.WriteMsgUnix([]byte(text), rights, nil); err != nil {
			return fmt.Errorf("telling the holder %q: %w", text, err)
		}
		return nil
	}
	if _, err := in.conn.Write([]byte(text)); err != nil {
		return fmt.Errorf("telling the holder %q: %w", text, err)
	}
	return nil
}

// receive reads one message of an engine, with its descriptor if it has one.
func receive(conn *net.UnixConn) (string, *os.File, error) {
	buf, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4*4))
	n, oobn, _, _, err := conn.ReadMsgUnix(buf, oob)
	if err != nil {
		return "", nil, err
	}
	if n == 0 && oobn == 0 {
		return "", nil, net.ErrClosed
	}
	var file *os.File
	if messages, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil {
		for _, m := range messages {
			fds, err := unix.ParseUnixRights(&m)
			if err != nil {
				continue
			}
			for _, fd := range fds {
				unix.CloseOnExec(fd)
				if file == nil {
					file = os.NewFile(uintptr(fd), "stored")
				} else {
					unix.Close(fd)
				}
			}
		}
	}
	return string(buf[:n]), file, nil
}
