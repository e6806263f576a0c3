//go:build linux

package control

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// MaxMessage bounds one message, in bytes: room for the arguments and the
// environment of a command.
const MaxMessage = 1 << 20

// maxFiles bounds the descriptors of one message.
const maxFiles = 4

// Conn carries messages and descriptors over a unix stream socket. A message
// is a length of four bytes, big endian, then JSON; its descriptors arrive with
// the length. Send is safe for concurrent use; Receive is for one reader.
type Conn struct {
	sock *net.UnixConn
	mu   sync.Mutex
}

// NewConn takes over sock.
func NewConn(sock *net.UnixConn) *Conn { return &Conn{sock: sock} }

// Close ends the connection.
func (c *Conn) Close() error { return c.sock.Close() }

// Socket is the connection underneath, for deadlines.
func (c *Conn) Socket() *net.UnixConn { return c.sock }

// Send writes one message and lends the files to the other side; the caller
// keeps its own.
func (c *Conn) Send(message any, files ...*os.File) error {
	body, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encoding control message: %w", err)
	}
	if len(body) > MaxMessage {
		return fmt.Errorf("control message of %d bytes is larger than %d: %w", len(body), MaxMessage, unix.E2BIG)
	}
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	frame = append(frame, body...)
	c.mu.Lock()
	defer c.mu.Unlock()
	n, _, err := c.sock.WriteMsgUnix(frame, rights, nil)
	if err == nil && n < len(frame) {
		_, err = c.sock.Write(frame[n:])
	}
	return err
}

// Receive reads one message into v. The caller owns the returned files.
// At the end of the stream the error is io.EOF.
func (c *Conn) Receive(v any) ([]*os.File, error) {
	var head [4]byte
	oob := make([]byte, unix.CmsgSpace(4*maxFiles))
	n, oobn, flags, _, err := c.sock.ReadMsgUnix(head[:], oob)
	if err != nil {
		return nil, err
	}
	files, err := rightsOf(oob[:oobn])
	if err == nil && flags&unix.MSG_CTRUNC != 0 {
		err = errors.New("too many descriptors in control message")
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err == nil {
		_, err = io.ReadFull(c.sock, head[n:])
	}
	if err == nil {
		if size := binary.BigEndian.Uint32(head[:]); size > MaxMessage {
			err = fmt.Errorf("control message of %d bytes is larger than %d", size, MaxMessage)
		} else {
			body := make([]byte, size)
			if _, err = io.ReadFull(c.sock, body); err == nil {
				err = json.Unmarshal(body, v)
			}
		}
	}
	if err != nil {
		CloseAll(files)
		return nil, err
	}
	return files, nil
}

// CloseAll closes files.
func CloseAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func rightsOf(oob []byte) ([]*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("reading descriptors of control message: %w", err)
	}
	var files []*os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "control"))
		}
	}
	return files, nil
}
