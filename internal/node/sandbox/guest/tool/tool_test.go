package tool

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
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
