package app

import (
	"encoding/json"
	"os"
	"sync"
	"syscall"

	"github.com/localvpc/localvpc/internal/front/execstream"
	"github.com/localvpc/localvpc/internal/node/sandbox"
)

// caller is who wants a command to run. It is listened to from the beginning:
// while its instance is still starting it may hang up or send a signal too.
type caller struct {
	s   *execstream.Stream
	req execstream.Request
	in  *execstream.Input

	mu      sync.Mutex
	command *sandbox.Process // nil until it runs
	size    execstream.Size
	sig     syscall.Signal // came before there was a command
}

func newCaller(s *execstream.Stream, req execstream.Request) *caller {
	return &caller{s: s, req: req, in: execstream.NewInput(s), size: req.Size}
}

// listen hands on what the caller sends, until it has gone, breaks the form or
// needs no command any more.
func (c *caller) listen() {
	defer c.in.End()
	for {
		kind, payload, err := c.s.Read()
		if err != nil || !c.obey(kind, payload) {
			return
		}
	}
}

func (c *caller) obey(kind execstream.Kind, payload []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case kind == execstream.Stdin:
		return c.in.Put(payload) == nil
	case kind == execstream.Resize:
		if json.Unmarshal(payload, &c.size) != nil {
			return false
		}
		if c.command != nil {
			_ = c.command.Resize(c.size.Rows, c.size.Cols) // it may have ended, or have no terminal
		}
		return true
	case kind == execstream.Signal && len(payload) == 1:
		sig := syscall.Signal(payload[0])
		if c.command == nil {
			c.sig = sig
			return false
		}
		_ = c.command.Signal(sig) // it may have ended
		return true
	}
	return false
}

// signalled is the signal that came before there was a command, 0 if none did.
func (c *caller) signalled() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(c.sig)
}

// meets brings the command together with what has arrived for it.
func (c *caller) meets(p *sandbox.Process, stdin *os.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.command = p
	if c.size != c.req.Size {
		_ = p.Resize(c.size.Rows, c.size.Cols)
	}
	go func() {
		_, _ = c.in.WriteTo(stdin) // the command may not read
		if c.req.TTY {
			_, _ = stdin.Write([]byte{4}) // end of file, as typed (termios(3), VEOF)
			return
		}
		_ = stdin.Close()
	}()
}
