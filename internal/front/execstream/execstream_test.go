package execstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

func TestFramesArriveAsSent(t *testing.T) {
	var wire bytes.Buffer
	s := New(&wire, &wire)
	long := bytes.Repeat([]byte("0123456789abcdef"), MaxFrame/16+1) // one frame and a rest
	if err := s.Write(Stdout, long); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(Stdin, nil); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Output(Stderr).Write([]byte("oh\x00\xff")); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := s.Output(Stderr).Write(nil); n != 0 || err != nil {
		t.Fatal(n, err) // no frame: an empty one may mean an end
	}
	if err := s.WriteJSON(Exit, Result{Code: 3}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		kind    Kind
		payload string
	}{{Stdout, string(long[:MaxFrame])}, {Stdout, string(long[MaxFrame:])}, {Stdin, ""}, {Stderr, "oh\x00\xff"}, {Exit, `{"Code":3}`}} {
		kind, payload, err := s.Read()
		if err != nil || kind != want.kind || string(payload) != want.payload {
			t.Fatalf("kind %d, %d bytes, %v; want kind %d, %d bytes", kind, len(payload), err, want.kind, len(want.payload))
		}
	}
	if _, _, err := s.Read(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestFramesThatBreakTheForm(t *testing.T) {
	head := func(kind byte, n uint32) string { return string(binary.BigEndian.AppendUint32([]byte{kind}, n)) }
	for _, test := range []struct{ name, wire, has string }{
		{"half a head", "\x00\x00", "unexpected EOF"},
		{"half a payload", head(0, 3) + "ab", "unexpected EOF"},
		{"no payload", head(0, 3), "unexpected EOF"},
		{"too large", head(0, MaxFrame+1), "is not of localvpc-exec/1"},
		{"far too large", head(0, 1<<32-1), "is not of localvpc-exec/1"},
		{"an unknown kind", head(byte(Taken)+1, 0), "is not of localvpc-exec/1"},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", "is not of localvpc-exec/1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := New(strings.NewReader(test.wire), nil).Read()
			if err == nil || err == io.EOF || !strings.Contains(err.Error(), test.has) {
				t.Errorf("%v", err)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	var good bytes.Buffer
	s := New(nil, &good)
	_ = s.Write(Stdin, []byte("abc"))
	_ = s.WriteJSON(Resize, Size{24, 80})
	_ = s.Write(Stdin, nil)
	f.Add(good.Bytes())
	f.Add([]byte("\x00\x00\x01\x00\x00"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		s, left := New(bytes.NewReader(wire), nil), len(wire)
		in := NewInput(New(nil, io.Discard))
		broken := false
		for {
			kind, payload, err := s.Read()
			if err != nil {
				if err == io.EOF && left != 0 {
					t.Fatalf("an orderly end %d bytes before the end", left)
				}
				in.End()
				break
			}
			if len(payload) > MaxFrame || kind > Taken {
				t.Fatalf("frame of kind %d with %d bytes", kind, len(payload))
			}
			if left -= 5 + len(payload); left < 0 {
				t.Fatal("more was read than there was")
			}
			if kind == Stdin && !broken {
				broken = in.Put(payload) != nil
			}
		}
		if n, err := in.WriteTo(io.Discard); err != nil || n > int64(len(wire)) {
			t.Fatalf("%d bytes of input, %v", n, err)
		}
	})
}

// ends are a client and a server that are connected.
func ends(t *testing.T) (client, server *Stream) {
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	return New(a, a), New(b, b)
}

// TestSignalPassesInput: a command that does not read its input can be reached.
func TestSignalPassesInput(t *testing.T) {
	client, server := ends(t)
	feed, in := NewFeed(client), NewInput(server)
	full := make(chan struct{})
	fed := make(chan error, 1)
	go func() {
		if _, err := feed.Write(make([]byte, Window)); err != nil {
			t.Error(err)
		}
		close(full)
		_, err := feed.Write([]byte("more")) // has to wait
		fed <- err
	}()
	go func() {
		<-full
		if err := client.Write(Signal, []byte{2}); err != nil {
			t.Error(err)
		}
	}()
	for {
		kind, payload, err := server.Read()
		if err != nil {
			t.Fatal(err)
		}
		if kind == Signal {
			break
		}
		if err := in.Put(payload); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-fed:
		t.Fatalf("more than the window is on its way: %v", err)
	default:
	}
	// The command starts to read, and the rest comes.
	var got bytes.Buffer
	copied := make(chan error, 1)
	go func() {
		_, err := in.WriteTo(&got)
		copied <- err
	}()
	go func() {
		for {
			kind, payload, err := client.Read()
			if err != nil {
				return
			}
			if kind == Taken {
				if err := feed.Taken(payload); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	if kind, payload, err := server.Read(); err != nil || kind != Stdin || string(payload) != "more" || in.Put(payload) != nil {
		t.Fatalf("kind %d %q %v", kind, payload, err)
	}
	if err := <-fed; err != nil {
		t.Fatal(err)
	}
	if err := in.Put(nil); err != nil {
		t.Fatal(err)
	}
	if err := <-copied; err != nil || got.Len() != Window+4 {
		t.Errorf("%d bytes, %v", got.Len(), err)
	}
}

func TestInputIsBounded(t *testing.T) {
	in := NewInput(New(nil, io.Discard))
	if err := in.Put(make([]byte, Window)); err != nil {
		t.Fatal(err)
	}
	if err := in.Put([]byte{1}); err == nil {
		t.Error("a client can have more held than the window")
	}
	in = NewInput(New(nil, io.Discard))
	if err := in.Put(nil); err != nil {
		t.Fatal(err)
	}
	if err := in.Put([]byte{1}); err == nil {
		t.Error("input goes on after its end")
	}
}

// TestCommandThatReadsNoMore: its input is taken all the same.
func TestCommandThatReadsNoMore(t *testing.T) {
	var told bytes.Buffer
	in := NewInput(New(nil, &told))
	for _, payload := range []string{"abc", "de", ""} {
		if err := in.Put([]byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	r, w := io.Pipe()
	gone := errors.New("gone")
	r.CloseWithError(gone)
	if _, err := in.WriteTo(w); !errors.Is(err, gone) {
		t.Error(err)
	}
	s := New(&told, nil)
	if kind, payload, err := s.Read(); err != nil || kind != Taken || binary.BigEndian.Uint32(payload) != 5 {
		t.Errorf("kind %d %v %v", kind, payload, err)
	}
}

func TestFeedRefusesALiar(t *testing.T) {
	feed := NewFeed(New(nil, io.Discard))
	if _, err := feed.Write(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if feed.Taken([]byte{0, 0, 0}) == nil || feed.Taken([]byte{0, 0, 0, 11}) == nil || feed.Taken([]byte{255, 255, 255, 255}) == nil {
		t.Error("more is taken than was sent")
	}
	if err := feed.Taken([]byte{0, 0, 0, 10}); err != nil {
		t.Error(err)
	}
	if _, err := feed.Write(make([]byte, Window)); err != nil {
		t.Fatal(err)
	}
	waits := make(chan error, 1)
	go func() {
		_, err := feed.Write([]byte{1})
		waits <- err
	}()
	feed.Abort()
	if err := <-waits; err != io.ErrClosedPipe {
		t.Error(err)
	}
}
