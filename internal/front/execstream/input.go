package execstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Window is how many bytes of standard input may be on their way: sent, and not
// said to be taken.
const Window = 256 << 10

// Feed is the client's half of standard input: a writer that waits while Window
// bytes are on their way.
type Feed struct {
	s    *Stream
	mu   sync.Mutex
	room sync.Cond
	free int
	end  error
}

// NewFeed makes the feed of a stream.
func NewFeed(s *Stream) *Feed {
	f := &Feed{s: s, free: Window}
	f.room.L = &f.mu
	return f
}

// Write sends p, as the command takes it.
func (f *Feed) Write(p []byte) (int, error) {
	sent := 0
	for len(p) > 0 {
		n, err := f.take(len(p))
		if err != nil {
			return sent, err
		}
		if err := f.s.Write(Stdin, p[:n]); err != nil {
			return sent, err
		}
		p, sent = p[n:], sent+n
	}
	return sent, nil
}

// take waits for room and takes at most n bytes of it.
func (f *Feed) take(n int) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.free == 0 && f.end == nil {
		f.room.Wait()
	}
	if f.end != nil {
		return 0, f.end
	}
	n = min(n, f.free)
	f.free -= n
	return n, nil
}

// Taken is told the payload of a frame of that kind.
func (f *Feed) Taken(payload []byte) error {
	if len(payload) != 4 {
		return fmt.Errorf("a frame of kind %d has %d bytes", Taken, len(payload))
	}
	n := binary.BigEndian.Uint32(payload)
	f.mu.Lock()
	defer f.mu.Unlock()
	if uint64(n) > uint64(Window-f.free) {
		return fmt.Errorf("%d bytes were taken of %d that were sent", n, Window-f.free)
	}
	f.free += int(n)
	f.room.Broadcast()
	return nil
}

// Close ends standard input.
func (f *Feed) Close() error { return f.s.Write(Stdin, nil) }

// Abort ends a Write that waits.
func (f *Feed) Abort() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end = io.ErrClosedPipe
	f.room.Broadcast()
}

// Input is the server's half: it holds what has arrived until the command takes it.
type Input struct {
	s     *Stream
	mu    sync.Mutex
	news  sync.Cond
	held  []byte // arrived, and not with the command
	size  int    // arrived, and not said to be taken
	ended bool   // no more arrives
}

// NewInput makes the input of a stream.
func NewInput(s *Stream) *Input {
	in := &Input{s: s}
	in.news.L = &in.mu
	return in
}

// Put holds the payload of a Stdin frame; it never waits. A client that sends more
// than Window allows, or after the end, breaks the form.
func (in *Input) Put(payload []byte) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ended {
		return errors.New("standard input goes on after its end")
	}
	if in.size += len(payload); in.size > Window {
		return fmt.Errorf("more than %d bytes of standard input are on their way", Window)
	}
	in.ended = len(payload) == 0
	in.held = append(in.held, payload...)
	in.news.Signal()
	return nil
}

// End is the end of standard input when the client has gone without saying so.
func (in *Input) End() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.ended = true
	in.news.Signal()
}

// WriteTo writes what arrives until standard input ends, and tells the client what
// was taken. A command that reads no more, for which w fails, takes everything.
func (in *Input) WriteTo(w io.Writer) (written int64, err error) {
	for {
		held := in.next()
		if len(held) == 0 {
			return written, err
		}
		if err == nil {
			var n int
			n, err = w.Write(held)
			written += int64(n)
		}
		in.mu.Lock()
		in.size -= len(held)
		in.mu.Unlock()
		// A client that cannot be told has gone; who reads the stream notices.
		_ = in.s.Write(Taken, binary.BigEndian.AppendUint32(nil, uint32(len(held))))
	}
}

// next waits for what has arrived; nothing is the end.
func (in *Input) next() []byte {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.held) == 0 && !in.ended {
		in.news.Wait()
	}
	held := in.held
	in.held = nil
	return held
}
