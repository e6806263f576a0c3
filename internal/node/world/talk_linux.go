package world

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Descriptors that a process of the world starts with. From fdFirst on follow
// the listeners and the stored ones, named in the handover.
const (
	fdControl  = 3
	fdHandover = 4
	fdFirst    = 5
)

// Verbs of the sockets between the three. A message is one packet of text, a
// verb and at most one argument, and for some verbs one descriptor.
const (
	verbStore  = "STORE"  // engine: name + descriptor, keep it
	verbOwn    = "OWN"    // engine: name + directory, keep it and remove it at the end; back: what is wrong; to the parent: its path
	verbRemove = "REMOVE" // engine: name, forget it
	verbReady  = "READY"  // engine, holder: text for whoever started the world
	verbExit   = "EXIT"   // engine, holder: code, the orderly end
	verbFail   = "FAIL"   // holder: text, the end that nobody wanted
	verbDenied = "DENIED" // holder: text, the world could not be made
	verbStop   = "STOP"   // parent: end in order
)

// maxMessage bounds a packet in bytes.
const maxMessage = 32 << 10

// handover is what a process of the world is told at its start.
type handover struct {
	RunDir    string
	Keep      []string
	Userns    bool
	Root      bool // the parent is uid 0
	Args      []string
	Env       []string
	GraceMS   int64
	Starts    int // how many engines there were before this one
	Listeners []string
	Stored    []string
}

// file puts the handover into a file in memory, ready to be read.
func (h *handover) file() (*os.File, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("handover", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "handover")
	if _, err := f.WriteAt(text, 0); err != nil {
		f.Close()
		return nil, fmt.Errorf("writing the handover: %w", err)
	}
	return f, nil
}

// errInner is for who calls a process of the world by hand.
var errInner = errors.New("this is an inner process of localvpc: start it with: localvpc up")

// inherit takes over what this process was started with: the control socket and
// the handover. Every inherited descriptor is closed at an exec from now on.
func inherit() (*handover, error) {
	kind, err := unix.GetsockoptInt(fdControl, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_SEQPACKET {
		return nil, errInner
	}
	f := os.NewFile(fdHandover, "handover")
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 64<<20))
	f.Close()
	if err != nil {
		return nil, fmt.Errorf("reading the handover: %w", err)
	}
	h := new(handover)
	if err := json.Unmarshal(text, h); err != nil {
		return nil, fmt.Errorf("reading the handover: %w", err)
	}
	unix.CloseOnExec(fdControl)
	for i := range len(h.Listeners) + len(h.Stored) {
		unix.CloseOnExec(fdFirst + i)
	}
	return h, nil
}

// dropStrays closes what whoever called this program left open by accident: it
// would live as long as the world. What the program has opened itself closes at
// an exec, and is told by that.
func dropStrays(kept int) error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("looking for inherited descriptors: %w", err)
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd < kept {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.Close(fd)
		}
	}
	return nil
}

// pair makes the two ends of a packet socket.
func pair() (ours, theirs int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("making a control socket: %w", err)
	}
	return fds[0], fds[1], nil
}

// send writes one message. flags is 0 or MSG_DONTWAIT; fd is -1 for none.
func send(sock int, verb, arg string, fd, flags int) error {
	text := verb
	if arg != "" {
		text += " " + arg
	}
	if len(text) > maxMessage {
		text = text[:maxMessage]
	}
	var rights []byte
	if fd >= 0 {
		rights = unix.UnixRights(fd)
	}
	for {
		err := unix.Sendmsg(sock, []byte(text), rights, nil, flags|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

// receiver reads messages of a socket, one at a time, into the same memory.
type receiver struct {
	sock int
	text [maxMessage]byte
	oob  [256]byte
}

// errGarbage is a packet that is no message; reading may go on.
var errGarbage = errors.New("no message")

// next reads one message; io.EOF when the other end is gone, EAGAIN with
// MSG_DONTWAIT when there is none. fd is -1 or the caller's to close.
func (r *receiver) next(flags int) (verb, arg string, fd int, err error) {
	fd = -1
	var n, oobn, got int
	for {
		n, oobn, got, _, err = unix.Recvmsg(r.sock, r.text[:], r.oob[:], flags|unix.MSG_CMSG_CLOEXEC)
		// The other end went with packets unread: that is told once, and what it
		// has sent itself comes after.
		if err != unix.EINTR && err != unix.ECONNRESET {
			break
		}
	}
	if err != nil {
		return "", "", -1, err
	}
	fds := rights(r.oob[:oobn])
	bad := ""
	switch {
	case got&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
		bad = "cut short"
	case len(fds) > 1:
		bad = fmt.Sprintf("with %d descriptors", len(fds))
	case n == 0 && len(fds) == 0 && r.gone():
		return "", "", -1, io.EOF
	}
	verb, arg, _ = strings.Cut(string(r.text[:n]), " ")
	if bad == "" && !printable(verb) {
		bad = "of unknown bytes"
	}
	if bad != "" {
		for _, f := range fds {
			unix.Close(f)
		}
		return "", "", -1, fmt.Errorf("a packet of %d bytes %s: %w", n, bad, errGarbage)
	}
	if len(fds) == 1 {
		fd = fds[0]
	}
	return verb, arg, fd, nil
}

// gone tells an empty packet from the end, which read the same.
func (r *receiver) gone() bool {
	p := []unix.PollFd{{Fd: int32(r.sock), Events: unix.POLLIN}}
	_, err := unix.Poll(p, 0)
	return err == nil && p[0].Revents&unix.POLLHUP != 0
}

func printable(verb string) bool {
	for i := range len(verb) {
		if verb[i] < 'A' || verb[i] > 'Z' {
			return false
		}
	}
	return verb != ""
}

func rights(oob []byte) (fds []int) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for i := range messages {
		if got, err := unix.ParseUnixRights(&messages[i]); err == nil {
			fds = append(fds, got...)
		}
	}
	return fds
}
