package tunnel

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// pair is a TCP connection by both its ends.
func pair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); d.Close() })
	return c.(*net.TCPConn), d.(*net.TCPConn)
}

// joined is a tunnel between two ends; done is closed when it has ended.
func joined(t *testing.T) (a, b *net.TCPConn, done chan struct{}) {
	a, x := pair(t)
	b, y := pair(t)
	done = make(chan struct{})
	go func() {
		defer close(done)
		Join(Buffered(x, bufio.NewReader(x)), y)
	}()
	return a, b, done
}

// TestHalfClose: one direction ends, the other goes on.
func TestHalfClose(t *testing.T) {
	a, b, done := joined(t)
	if _, err := a.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	if err := a.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(b); err != nil || string(text) != "question" {
		t.Fatalf("%q, %v", text, err)
	}
	if _, err := b.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if text, err := io.ReadAll(a); err != nil || string(text) != "answer" {
		t.Fatalf("%q, %v", text, err)
	}
	<-done
}

// TestAnErrorEndsBoth: an end that breaks is noticed by the other.
func TestAnErrorEndsBoth(t *testing.T) {
	a, b, done := joined(t)
	if err := a.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	a.Close() // a reset
	<-done
	if _, err := b.Read(make([]byte, 1)); err == nil {
		t.Error("the other end goes on")
	}
}

// TestAReaderThatIsSlow slows the writer: one buffer is on its way and no more, and
// all of it arrives in the end.
func TestAReaderThatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, x := net.Pipe()
		b, y := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); Join(pipe{x}, pipe{y}) }()
		const size = 16 << 20
		var sent atomic.Int64
		go func() {
			block := make([]byte, 4096)
			for range size / len(block) {
				n, err := a.Write(block)
				sent.Add(int64(n))
				if err != nil {
					t.Errorf("writing: %v", err)
					break
				}
			}
			a.Close()
		}()
		synctest.Wait()
		if n := sent.Load(); n > 64<<10 {
			t.Errorf("%d bytes are on their way to who reads nothing", n)
		}
		if n, err := io.Copy(io.Discard, b); err != nil || n != size {
			t.Errorf("%d bytes have arrived, %v", n, err)
		}
		b.Close()
		<-done
	})
}

// pipe is half of net.Pipe, which ends in both directions at once.
type pipe struct{ net.Conn }

func (p pipe) CloseWrite() error { return p.Close() }

// TestWhatWasReadAhead comes first, whole.
func TestWhatWasReadAhead(t *testing.T) {
	a, b := pair(t)
	if _, err := a.Write([]byte("head and body")); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(b)
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Write([]byte(" and more")); err != nil {
		t.Fatal(err)
	}
	a.Close()
	var out bytes.Buffer
	if _, err := io.Copy(&out, Buffered(b, r)); err != nil || out.String() != "and body and more" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
