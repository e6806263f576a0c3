package tool

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestServeAndGet(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	host, _ := os.Hostname()
	for _, test := range []struct {
		name, text string
		hello      bool
		client     bool
		dir, path  string
		want       string
	}{
		{name: "text", text: "a text", path: "/any", want: "a text\n"},
		{name: "host name", path: "/", want: host + "\n"},
		{name: "say hello", hello: true, path: "/say-hello?name=World", want: "Hello, World!\n"},
		{name: "only that", hello: true, path: "/else", want: "404 page not found\n"},
		{name: "client", client: true, path: "/", want: "127.0.0.1\n"},
		{name: "file", dir: dir, path: "/file", want: "content"},
		{name: "outside", dir: dir, path: "/../../etc/passwd", want: "404 page not found\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(handler(test.text, test.hello, test.client, test.dir))
			defer server.Close()
			var out bytes.Buffer
			if code := get([]string{"-m", "10", server.URL + test.path}, &out); code != exitOK || out.String() != test.want {
				t.Errorf("%d %q, want %q", code, out.String(), test.want)
			}
		})
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestExitStatuses(t *testing.T) {
	server := httptest.NewServer(handler("x", false, false, ""))
	defer server.Close()
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	rude, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer rude.Close()
	go func() {
		for {
			conn, err := rude.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, test := range []struct {
		name string
		args []string
		out  io.Writer
		want int
	}{
		{"no URL", nil, io.Discard, exitUsage},
		{"unknown option", []string{"--what", "x"}, io.Discard, exitUsage},
		{"bad URL", []string{"http://[/"}, io.Discard, exitURL},
		{"no such name", []string{"-m", "10", "http://name.invalid./"}, io.Discard, exitResolve},
		{"refused", []string{"http://" + closed.Addr().String()}, io.Discard, exitConnect},
		{"timeout", []string{"-m", "0.1", mute.Addr().String()}, io.Discard, exitTimeout},
		{"no answer", []string{rude.Addr().String()}, io.Discard, exitReceive},
		{"cannot write", []string{server.URL}, full{}, exitWrite},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := get(test.args, test.out); got != test.want {
				t.Errorf("%d, want %d", got, test.want)
			}
		})
	}
	for _, args := range [][]string{nil, {"nosuch"}, {"serve", "--what"}, {"echo", "operand"}} {
		if got := Main(args); got != exitUsage {
			t.Errorf("%q: %d", args, got)
		}
	}
	if got := Main([]string{"serve", "--addr", closed.Addr().String() + "0"}); got != 1 {
		t.Errorf("an impossible address: %d", got)
	}
}

// TestLoad: a line for each request, whatever became of it, until nobody reads.
func TestLoad(t *testing.T) {
	server := httptest.NewServer(handler("x", false, true, ""))
	defer server.Close()
	for _, test := range []struct{ url, want string }{
		{server.URL, "ok x 127.0.0.1"}, {"http://127.0.0.1:1/", "failed dial tcp 127.0.0.1:1: connect: connection refused"},
	} {
		r, w := io.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- load([]string{"--rate", "500", "-m", "5", test.url}, w) }()
		lines := bufio.NewScanner(r)
		for range 3 {
			var at, took int64
			if !lines.Scan() {
				t.Fatal(lines.Err())
			}
			_, rest, _ := strings.Cut(lines.Text(), " ")
			_, rest, _ = strings.Cut(rest, " ")
			if n, err := fmt.Sscan(lines.Text(), &at, &took); n != 2 || at == 0 || took < 0 || rest != test.want {
				t.Errorf("%q: %v", lines.Text(), err)
			}
		}
		r.Close()
		if err := <-ended; !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("it ends with %v", err)
		}
	}
	for _, args := range [][]string{{"--rate", "0", server.URL}, {"nothing"}, {server.URL, "more"}} {
		if load(args, io.Discard) == nil {
			t.Errorf("%v is taken", args)
		}
	}
}

// TestProxyProtocol: a server that is told of its clients takes nobody else.
func TestProxyProtocol(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler("a", false, true, "")}
	go func() { _ = server.Serve(headed{l}) }()
	defer server.Close()
	const signature = "\r\n\r\n\x00\r\nQUIT\n"
	for _, test := range []struct{ header, want string }{
		{signature + "\x21\x11\x00\x0c\xcb\x00\x71\x09\x0a\x00\x01\x05\x9c\x40\x00\x50", "a 203.0.113.9"},
		{signature + "\x20\x00\x00\x00", "a 127.0.0.1"},
		{signature + "\x11\x11\x00\x00", "400 Bad Request"},
		{"", "400 Bad Request"},
	} {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, test.header+"GET / HTTP/1.0\r\n\r\n")
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		text, _ := io.ReadAll(c)
		if _, body, _ := strings.Cut(string(text), "\r\n\r\n"); strings.TrimSpace(body) != test.want {
			t.Errorf("%x: %q", test.header, text)
		}
	}
}
