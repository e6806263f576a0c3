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
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/localvpc/localvpc/internal/aws/sigv4"
	"github.com/localvpc/localvpc/internal/aws/wire/proto"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/service"
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
	Keys     *service.Keys // who holds a key; nil: every key is its account's root
	Control  Control
	Account  string // of callers that are not known otherwise: 12 digits
	Region   string // of requests that carry none
	Regions  func(string) bool
	Limits   Limits
	Log      *slog.Logger
}

// Server answers requests.
type Server struct {
	cfg      Config
	limits   Limits
	http     *http.Server
	outside  *http.Server
	routes   map[string]route // of /_localvpc/
	verifier sigv4.Verifier
	ending   context.Context // ends when Shutdown begins

	mu    sync.Mutex
	fresh map[net.Conn]struct{} // connections that have sent nothing yet
}

// New makes a server; Serve runs it.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, limits: cfg.Limits.orDefault(), fresh: map[net.Conn]struct{}{}}
	if s.cfg.Keys == nil {
		s.cfg.Keys = &service.Keys{Store: cfg.Runner.Store, Account: cfg.Account, Now: time.Now}
	}
	s.routes = s.control()
	s.http, s.outside = s.front(s.serve), s.front(s.serveOutside)
	var end context.CancelFunc
	s.ending, end = context.WithCancel(context.Background())
	s.http.ConnState = s.note
	s.http.RegisterOnShutdown(func() {
		end()
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.fresh {
			_ = c.Close()
		}
	})
	return s
}

func (s *Server) front(handler http.HandlerFunc) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: s.limits.HeaderTime,
		IdleTimeout:       s.limits.IdleTime,
		MaxHeaderBytes:    s.limits.Header,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
}

// note keeps track of connections that have sent nothing yet: nobody is to be
// answered on them, but http.Server's Shutdown would wait for them.
func (s *Server) note(c net.Conn, is http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if is != http.StateNew {
		delete(s.fresh, c)
		return
	}
	s.fresh[c] = struct{}{}
	if s.ending.Err() != nil {
		_ = c.Close()
	}
}

// Serve answers on the listener until Shutdown.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(newLimited(l, s.limits.Connections)); err != http.ErrServerClosed {
		return fmt.Errorf("serving the API on %s: %w", l.Addr(), err)
	}
	return nil
}

// Shutdown ends Serve, after the requests that are under way; streams end at once.
func (s *Server) Shutdown(ctx context.Context) error {
	return errors.Join(s.http.Shutdown(ctx), s.outside.Close())
}

// serve is what every request passes: an id, the time in which it must arrive,
// the check of who may ask at all, and the net under a handler that panics.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	id := s.begin(w, r)
	if !strings.HasPrefix(r.URL.Path, controlPath) {
		s.serveAWS(w, r)
		return
	}
	defer s.rescue(r, id, func(err error) { s.failJSON(w, err) })
	if why := s.foreign(w, r); why != nil {
		s.failJSON(w, why)
		return
	}
	s.serveControl(w, r)
}

// begin gives a request its id and the time in which it must arrive.
func (s *Server) begin(w http.ResponseWriter, r *http.Request) (id string) {
	id = requestID()
	w.Header().Set("x-amzn-RequestId", id)
	s.bound(w)
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.limits.BodyTime))
	}
	return id
}

// bound gives the answer that follows its time to be taken.
func (s *Server) bound(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.limits.AnswerTime))
}

// rescue is deferred: a handler that panics is answered and logged, and nobody
// else notices.
func (s *Server) rescue(r *http.Request, id string, answer func(error)) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	s.cfg.Log.Error("a handler panicked", "request", id, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	answer(awserr.Internal(nil))
}

// logFailure notes our own faults; the callers' would let them fill the log.
func (s *Server) logFailure(id, action string, e *awserr.Error) {
	level := slog.LevelDebug
	if !e.Sender() {
		level = slog.LevelWarn
	}
	s.cfg.Log.Log(context.Background(), level, "a request failed", "action", awserr.Clip(action), "request", id, "error", e, "cause", errors.Unwrap(e))
}

// requestID is a random UUID, as AWS's request ids are.
func requestID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
