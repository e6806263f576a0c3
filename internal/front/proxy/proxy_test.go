package proxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	xproxy "golang.org/x/net/proxy"

	"github.com/localvpc/localvpc/internal/front/tunnel"
)

// bench is a proxy into a small internet: "web" is a web server, "echo" answers what
// it is told until the end and then says bye, "slow" never answers.
type bench struct {
	*testing.T
	addr   string
	web    *httptest.Server
	cancel context.CancelFunc
	ended  chan error

	mu      sync.Mutex
	dialled []string
	waiting chan struct{} // one for each that waits for slow
	gave    chan struct{} // one for each that has given up
}

func start(t *testing.T) *bench {
	b := &bench{T: t, ended: make(chan error, 1), waiting: make(chan struct{}, 10), gave: make(chan struct{}, 10)}
	b.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s for %s via %q conn %q", r.Method, r.URL.RequestURI(), body, r.Host, r.Header.Get("X-Forwarded-For"), r.Header.Get("Proxy-Connection"))
	}))
	t.Cleanup(b.web.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	go func() { b.ended <- New(b.dial).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-b.ended; err != nil {
			t.Errorf("the proxy ended: %v", err)
		}
	})
	return b
}

func (b *bench) dial(ctx context.Context, host string, port int) (tunnel.Conn, error) {
	b.mu.Lock()
	b.dialled = append(b.dialled, fmt.Sprintf("%s:%d", host, port))
	b.mu.Unlock()
	switch host {
	case "web", "203.0.113.9":
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", b.web.Listener.Addr().String())
		if err != nil {
			return nil, err
		}
		return c.(*net.TCPConn), nil
	case "echo":
		return b.echo()
	case "slow":
		b.waiting <- struct{}{}
		<-ctx.Done()
		b.gave <- struct{}{}
		return nil, ctx.Err()
	case "closed":
		return nil, &tunnel.Error{Code: tunnel.Refused, Message: "nobody listens there"}
	case "late":
		return nil, &tunnel.Error{Code: tunnel.TimedOut, Message: "no answer"}
	case "2001:db8::1":
		return nil, &tunnel.Error{Code: tunnel.Unreachable, Message: "no IPv6"}
	}
	return nil, &tunnel.Error{Code: tunnel.NotFound, Message: "there is no " + host}
}

func (b *bench) echo() (tunnel.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	far, err := l.Accept()
	if err != nil {
		return nil, err
	}
	go func() {
		defer far.Close()
		if _, err := io.Copy(far, far); err == nil {
			_, _ = io.WriteString(far, "bye")
		}
	}()
	return c.(*net.TCPConn), nil
}

func (b *bench) raw(text string) *net.TCPConn {
	b.Helper()
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		b.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// TestSocks: a client of another make, names and addresses, both directions.
func TestSocks(t *testing.T) {
	b := start(t)
	d, err := xproxy.SOCKS5("tcp", b.addr, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var many sync.WaitGroup
	for i := range 50 {
		many.Go(func() {
			c, err := d.Dial("tcp", "echo:7")
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			text := strings.Repeat(fmt.Sprint("stream ", i, " "), 10000)
			go func() {
				_, _ = io.WriteString(c, text)
				_ = c.(interface{ CloseWrite() error }).CloseWrite()
			}()
			if got, err := io.ReadAll(c); err != nil || string(got) != text+"bye" {
				t.Errorf("stream %d: %d bytes, %v", i, len(got), err)
			}
		})
	}
	many.Wait()
	for address, why := range map[string]string{
		"nobody:80": "host unreachable", "closed:80": "connection refused", "late:80": "host unreachable", "[2001:db8::1]:80": "network unreachable",
	} {
		if _, err := d.Dial("tcp", address); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %s", address, err, why)
		}
	}
}

// TestSocksRefuses: what is no request of RFC 1928 that this proxy does.
func TestSocksRefuses(t *testing.T) {
	b := start(t)
	for _, tt := range []struct{ name, says, answer string }{
		{"SOCKS 4", "\x04\x01\x00\x50\xcb\x00\x71\x09\x00", ""},
		{"a password only", "\x05\x01\x02", "\x05\xff"},
		{"no methods", "\x05\x00", "\x05\xff"},
		{"BIND", "\x05\x01\x00\x05\x02\x00\x03\x03web\x00\x50", "\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00"},
		{"UDP ASSOCIATE", "\x05\x01\x00\x05\x03\x00\x01\x00\x00\x00\x00\x00\x35", "\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00"},
		{"another kind of address", "\x05\x01\x00\x05\x01\x00\x09", "\x05\x00\x05\x08\x00\x01\x00\x00\x00\x00\x00\x00"},
		{"port 0", "\x05\x01\x00\x05\x01\x00\x03\x03web\x00\x00", "\x05\x00\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00"},
		{"an empty name", "\x05\x01\x00\x05\x01\x00\x03\x00\x00\x50", "\x05\x00\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00"},
		{"another version inside", "\x05\x01\x00\x04\x01\x00\x03\x03web\x00\x50", "\x05\x00\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00"},
	} {
		c := b.raw(tt.says)
		_ = c.CloseWrite()
		got, _ := io.ReadAll(c) // a reset says no more than an end
		if string(got) != tt.answer {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.answer)
		}
	}
	if len(b.dialled) != 0 {
		t.Errorf("dialled %q", b.dialled)
	}
}

// TestHTTP: absolute URLs and CONNECT, and what cannot be.
func TestHTTP(t *testing.T) {
	b := start(t)
	via := func(*http.Request) (*url.URL, error) { return url.Parse("http://" + b.addr) }
	c := http.Client{Transport: &http.Transport{Proxy: via}}
	for _, tt := range []struct {
		url    string
		status int
		has    string
	}{
		{"http://web/a/../b?x=1;y=2&%zz", 200, `POST /a/../b?x=1;y=2&%zz hello for web via "1.2.3.4" conn ""`},
		{"http://203.0.113.9:8080/", 200, "for 203.0.113.9:8080"},
		{"http://nobody/", 502, "there is no nobody"},
		{"http://closed/", 502, "nobody listens there"},
		{"http://late/", 504, "no answer"},
	} {
		r, err := http.NewRequest("POST", tt.url, strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-For", "1.2.3.4")
		r.Header.Set("Proxy-Connection", "keep-alive")
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.status || !strings.Contains(string(body), tt.has) {
			t.Errorf("%s: %d %s", tt.url, resp.StatusCode, body)
		}
	}
	for _, tt := range []struct{ says, has string }{
		{"CONNECT echo:7 HTTP/1.1\r\nHost: echo:7\r\n\r\nearly ", "HTTP/1.1 200 Connection established\r\n\r\nearly bye"},
		{"CONNECT closed:7 HTTP/1.1\r\nHost: closed:7\r\n\r\n", "HTTP/1.1 502 Bad Gateway"},
		{"CONNECT late:7 HTTP/1.1\r\nHost: late:7\r\n\r\n", "HTTP/1.1 504 Gateway Timeout"},
		{"CONNECT echo HTTP/1.1\r\nHost: echo\r\n\r\n", "HTTP/1.1 400 Bad Request"},
		{"CONNECT echo:0 HTTP/1.1\r\nHost: echo:0\r\n\r\n", "HTTP/1.1 400 Bad Request"},
		{"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 Bad Request"},
		{"GET https://web/ HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n", "HTTP/1.1 501 Not Implemented"},
		{"nonsense\r\n\r\n", "HTTP/1.1 400 Bad Request"},
	} {
		c := b.raw(tt.says)
		if strings.HasPrefix(tt.says, "CONNECT echo:7") {
			_ = c.CloseWrite()
		}
		if got, _ := bufio.NewReader(c).Peek(len(tt.has)); !bytes.Equal(got, []byte(tt.has)) {
			t.Errorf("%q: %q", tt.says, got)
		}
		c.Close()
	}
}

// TestWhoHangsUp ends the attempt, in either protocol, and so does the end of the
// proxy.
func TestWhoHangsUp(t *testing.T) {
	b := start(t)
	for _, says := range []string{
		"\x05\x01\x00\x05\x01\x00\x03\x04slow\x00\x50",
		"CONNECT slow:7 HTTP/1.1\r\nHost: slow:7\r\n\r\n",
		"GET http://slow/ HTTP/1.1\r\nHost: slow\r\n\r\n",
	} {
		c := b.raw(says)
		<-b.waiting
		c.Close()
		<-b.gave
	}
	for _, says := range []string{
		"\x05\x01\x00\x05\x01\x00\x03\x04slow\x00\x50",
		"CONNECT slow:7 HTTP/1.1\r\nHost: slow:7\r\n\r\n",
		"\x05\x01\x00\x05\x01\x00\x03\x04echo\x00\x50",
		"CONNECT echo:7 HTTP/1.1\r\nHost: echo:7\r\n\r\n",
		"\x05",
		"GET",
		"",
	} {
		b.raw(says)
	}
	<-b.waiting
	<-b.waiting
	b.cancel()
	<-b.gave
	<-b.gave
}
