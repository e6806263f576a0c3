//go:build linux

package control_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/node/sandbox/control"
)

// pair gives the two ends of a connection; the second one raw.
func pair(t testing.TB) (*control.Conn, *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "pair")
		conn, err := net.FileConn(file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = conn.(*net.UnixConn)
		t.Cleanup(func() { conn.Close() })
	}
	return control.NewConn(ends[0]), ends[1]
}

func TestConn(t *testing.T) {
	a, raw := pair(t)
	b := control.NewConn(raw)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	large := strings.Repeat("x", 900<<10)
	go func() {
		_ = a.Send(control.Request{Op: "one"}, w)
		_ = a.Send(control.Request{Op: "two", Args: []string{large}})
		w.Close()
		a.Close()
	}()
	var one, two, three control.Request
	files, err := b.Receive(&one)
	if err != nil || one.Op != "one" || len(files) != 1 {
		t.Fatalf("%+v, %d files, %v", one, len(files), err)
	}
	if flags, err := unix.FcntlInt(files[0].Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("a received descriptor would pass an exec (%v)", err)
	}
	io.WriteString(files[0], "through")
	control.CloseAll(files)
	if files, err := b.Receive(&two); err != nil || len(files) != 0 || two.Args[0] != large {
		t.Fatalf("the large message: %d files, %v", len(files), err)
	}
	if _, err := b.Receive(&three); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	if text, _ := io.ReadAll(r); string(text) != "through" {
		t.Errorf("%q", text)
	}
	if err := b.Send(control.Request{Args: []string{large, large}}); !errors.Is(err, unix.E2BIG) {
		t.Errorf("too large a message: %v", err)
	}
}

// FuzzReceive gives the reader any bytes, with descriptors: it returns, and
// keeps no descriptor of a message that it refuses.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, '{', '}'}, uint8(1))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, uint8(4))
	f.Add([]byte{0, 0, 0, 10, '{'}, uint8(9))
	f.Add([]byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, descriptors uint8) {
		conn, raw := pair(t)
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		var rights []byte
		if n := int(descriptors % 10); n > 0 {
			fds := bytes.Repeat([]byte{0}, n)
			list := make([]int, len(fds))
			for i := range list {
				list[i] = int(null.Fd())
			}
			rights = unix.UnixRights(list...)
		}
		go func() {
			defer raw.Close()
			if _, _, err := raw.WriteMsgUnix(data, rights, nil); err != nil && len(data) > 0 {
				return
			}
		}()
		for {
			var request control.Request
			files, err := conn.Receive(&request)
			if len(files) > 4 || err != nil && files != nil {
				t.Fatalf("%d files, %v", len(files), err)
			}
			control.CloseAll(files)
			if err != nil {
				conn.Close()
				return
			}
		}
	})
}
