// Package execstream is the two-way stream of a command that runs in an
// instance or an outside host, spoken by the server and by the CLI over one upgraded HTTP connection.
//
// Invariant: every frame is bounded, and a stream that breaks the form ends with
// an error, never with a frame half read. Nobody waits with reading until somebody
// else reads: standard input that the command does not take stays with the caller
// (see Window), so that a signal behind it arrives.
package execstream

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// Protocol is the name in the Upgrade header.
const Protocol = "localvpc-exec/1"

// Kind of a frame.
type Kind byte

const (
	Stdin  Kind = iota // client → server, see Window; an empty frame ends standard input
	Stdout             // server → client
	Stderr             // server → client
	Exit               // server → client, JSON Result; the last frame
	Resize             // client → server, JSON Size
	Signal             // client → server, the signal's number as one byte
	Taken              // server → client, bytes of standard input that the command took: 4 bytes, big endian
)

// Size of a terminal in characters.
type Size struct{ Rows, Cols uint16 }

// Result of the command: its exit code, or why it could not run.
type Result struct {
	Code  int
	Error string `json:",omitempty"`
}

// Request starts a command. It is the body of the upgrade request.
type Request struct {
	Instance string `json:",omitempty"` // its id
	Host     string `json:",omitempty"` // or an outside host's name
	Args     []string
	Env      []string `json:",omitempty"`
	Dir      string   `json:",omitempty"`
	TTY      bool     `json:",omitempty"`
	Size     Size     `json:",omitzero"`
}

// MaxFrame bounds the payload of a frame, in bytes.
const MaxFrame = 64 << 10

// Stream reads and writes frames. Write may be called from several goroutines.
type Stream struct {
	mu  sync.Mutex
	w   io.Writer
	r   io.Reader
	buf []byte
}

// New makes a stream over a connection.
func New(r io.Reader, w io.Writer) *Stream { return &Stream{r: r, w: w} }

// Write sends payload as one frame, or several when it is long.
func (s *Stream) Write(k Kind, payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		n := min(len(payload), MaxFrame)
		s.buf = append(s.buf[:0], byte(k))
		s.buf = binary.BigEndian.AppendUint32(s.buf, uint32(n))
		s.buf = append(s.buf, payload[:n]...)
		if _, err := s.w.Write(s.buf); err != nil {
			return fmt.Errorf("writing a frame: %w", err)
		}
		if payload = payload[n:]; len(payload) == 0 {
			return nil
		}
	}
}

// WriteJSON sends v as one frame.
func (s *Stream) WriteJSON(k Kind, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding a frame: %w", err)
	}
	return s.Write(k, b)
}

// Read returns the next frame. It returns io.EOF at an orderly end.
func (s *Stream) Read() (Kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > MaxFrame || Kind(head[0]) > Taken {
		return 0, nil, fmt.Errorf("a frame of kind %d and %d bytes is not of %s", head[0], n, Protocol)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(s.r, payload); err != nil {
		return 0, nil, fmt.Errorf("reading a frame: %w", io.ErrUnexpectedEOF)
	}
	return Kind(head[0]), payload, nil
}

// Output is a writer that sends what it is given as frames of one kind.
func (s *Stream) Output(k Kind) io.Writer { return output{s, k} }

type output struct {
	s *Stream
	k Kind
}

func (o output) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := o.s.Write(o.k, p); err != nil {
		return 0, err
	}
	return len(p), nil
}
