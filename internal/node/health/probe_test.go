package health

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// loopback dials from where the test is.
func loopback() *Prober {
	return &Prober{
		Resolve: func(name string) (netip.Addr, error) {
			if name != "www.example.test" {
				return netip.Addr{}, errors.New("the name does not exist (NXDOMAIN)")
			}
			return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
		},
		Dial: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", to.String())
		},
	}
}

// at is a check of a server.
func at(s *httptest.Server, typ, path, search string) *state.HealthCheck {
	a := netip.MustParseAddrPort(s.Listener.Addr().String())
	return &state.HealthCheck{Type: typ, IP: a.Addr(), Port: int32(a.Port()), Path: path, Search: search, Threshold: 1, Interval: 10}
}

func TestProbe(t *testing.T) {
	handler := http.NewServeMux()
	status := func(path string, code int, body string) {
		handler.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(code)
			fmt.Fprint(w, body)
		})
	}
	status("/", 200, strings.Repeat("x", searched-4)+"text")
	status("/late", 200, strings.Repeat("x", searched-3)+"text")
	status("/moved", 302, "text")
	status("/missing", 404, "text")
	status("/down", 503, "text")
	status("/odd", 399, "")
	handler.HandleFunc("/hangup", func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			c.Close()
		}
	})
	handler.HandleFunc("/early", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		fmt.Fprint(w, "text")
	})
	plain, secure := httptest.NewServer(handler), httptest.NewUnstartedServer(handler)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	gone := httptest.NewServer(handler)
	gone.Close()
	named := at(plain, "HTTP", "/", "")
	named.IP, named.Domain = netip.Addr{}, "www.example.test"
	missing := at(plain, "HTTP", "/missing", "")
	missing.IP, missing.Domain = netip.Addr{}, "www.example.test"
	unknown := at(plain, "HTTP", "/", "")
	unknown.IP, unknown.Domain = netip.Addr{}, "none.example.test"

	p := loopback()
	for _, tt := range []struct {
		check *state.HealthCheck
		want  string
	}{
		{at(plain, "TCP", "", ""), "Success: TCP connection established"},
		{at(gone, "TCP", "", ""), "Failure: " + refused},
		{at(plain, "HTTP", "", ""), "Success: HTTP Status Code 200, OK"},
		{at(plain, "HTTP", "/moved", ""), "Success: HTTP Status Code 302, Found"},
		{at(plain, "HTTP", "/odd", ""), "Success: HTTP Status Code 399"},
		{at(plain, "HTTP", "/missing", ""), "Failure: HTTP Status Code 404, Not Found"},
		{at(plain, "HTTP", "/down", ""), "Failure: HTTP Status Code 503, Service Unavailable"},
		{at(plain, "HTTP", "/hangup", ""), "Failure: The endpoint closed the connection or responded with something that is not HTTP."},
		{at(plain, "HTTP", "/early", ""), "Success: HTTP Status Code 200, OK"},
		{at(gone, "HTTP", "/", ""), "Failure: " + refused},
		{at(plain, "HTTP_STR_MATCH", "/", "text"), "Success: HTTP Status Code 200, OK"},
		{at(plain, "HTTP_STR_MATCH", "/moved", "text"), "Success: HTTP Status Code 302, Found"},
		{at(plain, "HTTP_STR_MATCH", "/late", "text"), "Failure: HTTP Status Code 200, OK. The search string is not in the first 5120 bytes of the response body."},
		{at(plain, "HTTP_STR_MATCH", "/missing", "text"), "Failure: HTTP Status Code 404, Not Found"},
		{at(secure, "HTTPS", "/", ""), "Success: HTTP Status Code 200, OK"},
		{at(secure, "HTTPS_STR_MATCH", "/", "text"), "Success: HTTP Status Code 200, OK"},
		{at(plain, "HTTPS", "/", ""), "Failure: The TLS handshake failed: the endpoint closed the connection or does not speak TLS."},
		{at(secure, "HTTP", "/", ""), "Failure: HTTP Status Code 400, Bad Request"},
		{named, "Success: HTTP Status Code 200, OK"},
		{missing, "Failure: Resolved IP: 127.0.0.1. HTTP Status Code 404, Not Found"},
		{unknown, "Failure: DNS resolution failed: the name does not exist (NXDOMAIN)"},
	} {
		got := p.Probe(t.Context(), tt.check)
		if got.Status != tt.want || got.Healthy != strings.HasPrefix(tt.want, "Success: ") {
			t.Errorf("%s %s: %+v, want %s", tt.check.Type, tt.check.Path, got, tt.want)
		}
	}
}

// TestServerName: the name is sent when SNI is enabled.
func TestServerName(t *testing.T) {
	names := make(chan string, 1)
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		names <- h.ServerName
		return nil, nil
	}}
	s.StartTLS()
	t.Cleanup(s.Close)
	for _, on := range []bool{true, false} {
		h := at(s, "HTTPS", "/", "")
		h.Domain, h.EnableSNI = "www.example.test", &on
		loopback().Probe(t.Context(), h)
		if got := <-names; (got == "www.example.test") != on {
			t.Errorf("SNI %v: %q", on, got)
		}
	}
}

// TestRequest: the request line and the Host header, whatever the check says.
func TestRequest(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for _, tt := range []struct {
		check      state.HealthCheck
		path, host string
	}{
		{state.HealthCheck{Type: "HTTP", IP: v4, Port: 80}, "/", "192.0.2.1"},
		{state.HealthCheck{Type: "HTTP", IP: v4, Port: 8080, Path: "health"}, "/health", "192.0.2.1:8080"},
		{state.HealthCheck{Type: "HTTPS", IP: v6, Port: 443, Path: "/a b\r\nX: y?q=1"}, "/a%20b%0D%0AX:%20y?q=1", "[2001:db8::1]"},
		{state.HealthCheck{Type: "HTTPS", IP: v4, Port: 80, Domain: "a.test"}, "/", "a.test:80"},
		{state.HealthCheck{Type: "HTTP", Port: 80, Domain: "a.test\r\nX: y"}, "/", "a.testX:y"},
	} {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(request(&tt.check)))))
		if err != nil {
			t.Errorf("%+v: %v", tt.check, err)
			continue
		}
		if r.RequestURI != tt.path || r.Host != tt.host || len(r.Header) != 3 {
			t.Errorf("%s %s %v, want %s %s", r.RequestURI, r.Host, r.Header, tt.path, tt.host)
		}
	}
}

// TestTimeouts: what does not answer is given up when AWS gives it up.
func TestTimeouts(t *testing.T) {
	for _, tt := range []struct {
		typ, serve string
		want       string
		after      time.Duration
	}{
		{"TCP", "unconnected", timedOut, tcpTime},
		{"HTTP", "unconnected", timedOut, connectTime},
		{"HTTP", "silent", "The endpoint did not respond with an HTTP status code within the timeout limit.", statusTime},
		{"HTTPS", "silent", "The TLS handshake was not completed within the timeout limit.", statusTime},
		{"HTTP_STR_MATCH", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart", "HTTP Status Code 200, OK. The search string is not in the first 5120 bytes of the response body.", bodyTime},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &Prober{Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
				if tt.serve == "unconnected" {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				near, far := net.Pipe()
				go func() {
					b := make([]byte, 4096)
					for {
						if _, err := far.Read(b); err != nil {
							return
						}
						if tt.serve != "silent" {
							_, _ = far.Write([]byte(tt.serve))
						}
					}
				}()
				return near, nil
			}}
			begun := time.Now()
			got := p.Probe(t.Context(), &state.HealthCheck{Type: tt.typ, IP: netip.MustParseAddr("192.0.2.1"), Port: 80, Search: "all"})
			if took := time.Since(begun); got.Status != "Failure: "+tt.want || took != tt.after {
				t.Errorf("%s, %s: %+v after %s", tt.typ, tt.serve, got, took)
			}
		})
	}
}
