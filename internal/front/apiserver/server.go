// Package apiserver is the HTTP front: AWS's endpoints and /_localvpc/ on one
// listener.
//
// Invariant: a request is bounded before it is read, refused before it is acted
// on, and answered with a request id whatever happens; an inner cause goes to the
// log, never to the caller.
package apiserver

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/localvpc/localvpc/internal/aws/wire/proto"
	"github.com/localvpc/localvpc/internal/service"
)

// Bounds on a request, far above any honest one.
const (
	maxBody        = 4 << 20
	maxHeader      = 64 << 10
	headerTime     = 10 * time.Second
	bodyTime       = 30 * time.Second
	idleTime       = 2 * time.Minute
	maxConnections = 4096
)

// Service is one AWS service as the server knows it.
type Service struct {
	API     *proto.API
	Signing string // the service's name in a signature: "ec2", "sts"
	Actions map[string]service.Action
}

// Config of the server.
type Config struct {
	Services []Service
	Runner   *service.Runner
	Control  Control
	Account  string // of callers that are not known otherwise: 12 digits
	Region   string // of requests that carry none
	Regions  func(string) bool
	Log      *slog.Logger
}

// Server answers requests.
type Server struct {
	cfg  Config
	http *http.Server
}

// New makes a server; Serve runs it.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg}
	mux := http.NewServeMux()
	s.control(mux)
	mux.HandleFunc("/", s.serveAWS)
	s.http = &http.Server{
		Handler:           s.guard(mux),
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	return s
}

// Serve answers on the listener until Shutdown.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(newLimited(l, maxConnections)); err != http.ErrServerClosed {
		return fmt.Errorf("serving the API on %s: %w", l.Addr(), err)
	}
	return nil
}

// Shutdown ends Serve, after the requests that are under way.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.Shutdown(ctx) }

// guard is what every request passes: an id, the check of who may ask at all,
// and the net under a handler that panics.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := requestID()
		w.Header().Set("x-amzn-RequestId", id)
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.cfg.Log.Error("a handler panicked", "request", id, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
				http.Error(w, "internal error "+id, http.StatusInternalServerError)
			}
		}()
		if why := foreign(r); why != "" {
			http.Error(w, why, http.StatusForbidden)
			return
		}
		if r.ContentLength != 0 && !strings.HasPrefix(r.URL.Path, controlPath) {
			// A body that does not arrive is cut; /_localvpc/ has streams.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
		}
		next.ServeHTTP(w, r)
	})
}

// foreign says why a request is refused that a browser may have been tricked
// into sending: one with an Origin elsewhere, or a Host that is neither this
// machine's nor an AWS endpoint's (DNS rebinding).
func foreign(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if !local(host) && !endpoint(host) {
		return fmt.Sprintf("The host %q is neither loopback nor an AWS endpoint name: use 127.0.0.1 or localhost.", host)
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return ""
	}
	_, rest, ok := strings.Cut(origin, "://")
	if h, _, err := net.SplitHostPort(rest); err == nil {
		rest = h
	}
	if !ok || !local(rest) {
		return fmt.Sprintf("Requests from the origin %q are refused.", origin)
	}
	return ""
}

func local(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// endpoint recognises AWS's host names, and localstack's that awslocal uses.
func endpoint(host string) bool {
	for _, suffix := range []string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".localhost.localstack.cloud"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return host == "localhost.localstack.cloud"
}

// requestID is a random UUID, as AWS's request ids are.
func requestID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// limited bounds the connections that are open at once.
type limited struct {
	net.Listener
	free chan struct{}
}

func newLimited(l net.Listener, n int) net.Listener {
	return &limited{l, make(chan struct{}, n)}
}

func (l *limited) Accept() (net.Conn, error) {
	l.free <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &counted{Conn: c, done: func() { <-l.free }}, nil
}

type counted struct {
	net.Conn
	once sync.Once
	done func()
}

func (c *counted) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.done)
	return err
}
