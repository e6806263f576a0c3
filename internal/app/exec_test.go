package app

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/front/execstream"
)

// TestDrain: what is in a pipe at the deadline is not lost, however slow who takes
// it is, and a writer that lives on is not waited for.
func TestDrain(t *testing.T) {
	for name, closes := range map[string]bool{"a writer that ends": true, "a writer that lives on": false} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			data := bytes.Repeat([]byte("0123456789abcdef"), 4000) // almost what a pipe holds
			if _, err := w.Write(data); err != nil {
				t.Fatal(err)
			}
			if closes {
				w.Close()
			}
			var got bytes.Buffer
			slow := writer(func(p []byte) (int, error) {
				if got.Len() == 0 { // the command ends while the first piece is being taken
					if err := r.SetReadDeadline(time.Unix(1, 0)); err != nil {
						t.Error(err)
					}
				}
				return got.Write(p)
			})
			drain(slow, r)
			if !bytes.Equal(got.Bytes(), data) {
				t.Errorf("%d of %d bytes", got.Len(), len(data))
			}
		})
	}
}

func TestDrainForNobody(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	drain(writer(func([]byte) (int, error) { return 0, errors.New("gone") }), r) // returns
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// TestCallerBeforeItsCommand: it is listened to while its instance still starts.
func TestCallerBeforeItsCommand(t *testing.T) {
	for _, test := range []struct {
		name string
		send func(*execstream.Stream, net.Conn) error
		sig  int
		size execstream.Size
	}{
		{"a signal", func(s *execstream.Stream, _ net.Conn) error { return s.Write(execstream.Signal, []byte{15}) }, 15, execstream.Size{Rows: 24, Cols: 80}},
		{"a new size, then a signal", func(s *execstream.Stream, _ net.Conn) error {
			return errors.Join(s.WriteJSON(execstream.Resize, execstream.Size{Rows: 50, Cols: 132}), s.Write(execstream.Signal, []byte{2}))
		}, 2, execstream.Size{Rows: 50, Cols: 132}},
		{"the end", func(_ *execstream.Stream, c net.Conn) error { return c.Close() }, 0, execstream.Size{Rows: 24, Cols: 80}},
		{"input, and the end", func(s *execstream.Stream, c net.Conn) error {
			return errors.Join(s.Write(execstream.Stdin, []byte("abc")), s.Write(execstream.Stdin, nil), c.Close())
		}, 0, execstream.Size{Rows: 24, Cols: 80}},
		{"input after its end", func(s *execstream.Stream, c net.Conn) error {
			return errors.Join(s.Write(execstream.Stdin, nil), s.Write(execstream.Stdin, []byte("abc")))
		}, 0, execstream.Size{Rows: 24, Cols: 80}},
		{"output, which is not its", func(s *execstream.Stream, _ net.Conn) error { return s.Write(execstream.Stdout, []byte("abc")) }, 0, execstream.Size{Rows: 24, Cols: 80}},
		{"a signal of two bytes", func(s *execstream.Stream, _ net.Conn) error { return s.Write(execstream.Signal, []byte{1, 2}) }, 0, execstream.Size{Rows: 24, Cols: 80}},
		{"a size that is none", func(s *execstream.Stream, _ net.Conn) error { return s.Write(execstream.Resize, []byte("{")) }, 0, execstream.Size{Rows: 24, Cols: 80}},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, server := net.Pipe()
			defer client.Close()
			defer server.Close()
			c := newCaller(execstream.New(server, io.Discard), execstream.Request{TTY: true, Size: execstream.Size{Rows: 24, Cols: 80}})
			over := make(chan struct{})
			go func() {
				c.listen()
				close(over)
			}()
			if err := test.send(execstream.New(nil, client), client); err != nil {
				t.Fatal(err)
			}
			<-over
			if c.signalled() != test.sig || c.size != test.size {
				t.Errorf("signal %d, size %+v", c.signalled(), c.size)
			}
		})
	}
}
