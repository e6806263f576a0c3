// Package imds is the instance metadata service, versions 1 and 2, on listeners
// that it is handed.
//
// Invariant: an instance sees itself and nothing else. Who asks is found out
// from the connection by vantage; what is told is read from the snapshot of that
// moment; what is kept between requests is only what follows from it once more,
// and no token.
package imds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/node/vantage"
	"github.com/localvpc/localvpc/internal/state"
)

// limit is what one interface may ask. AWS counts packets (1024 per second to
// all link-local services: VPC User Guide, "Amazon DNS server"), here requests
// are counted; one that is too many waits, as if its packets had been lost.
var limit = vantage.Limit{Rate: 2000, Burst: 2000, Conns: 128}

const (
	readTimeout   = 5 * time.Second // for a request, from its first octet
	writeTimeout  = 10 * time.Second
	idleTimeout   = 5 * time.Second
	maxHeaderSize = 4096 // octets
)

// Config is what a server is told.
type Config struct {
	Snapshot func() *state.Snapshot
	Now      func() time.Time
	// Secret seals tokens. One that is kept lets tokens outlive a restart.
	Secret [32]byte
	// Seal makes the credentials of instances' roles.
	Seal session.Seal
	// RoleSession is how long these last, in whole seconds; zero: six hours, as AWS's.
	RoleSession time.Duration
	// Notary signs identity documents; nil: nobody does.
	Notary Notary
}

// Server answers on any number of listeners.
type Server struct {
	cfg   Config
	limit vantage.Limit
	// library has the trust policies that were read.
	library authz.Library
	memory  memory
}

// New makes a server.
func New(cfg Config) *Server {
	if cfg.RoleSession == 0 {
		cfg.RoleSession = roleSession
	}
	return &Server{cfg: cfg, limit: limit}
}

// Serve answers what comes by the connections of a listener in the VPC until the
// listener is closed, which is no error; then it ends the connections.
func (s *Server) Serve(l net.Listener, vpc state.Key) error {
	point := vantage.New(vpc, s.cfg.Snapshot, s.cfg.Now, s.limit)
	server := &http.Server{
		Handler:                      http.HandlerFunc(s.serve),
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderSize,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     log.New(io.Discard, "", 0), // what clients do wrong
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, &conn{Conn: c.(*vantage.Conn)})
		},
	}
	defer server.Close()
	err := server.Serve(point.Listen(l))
	if errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("accepting metadata connections of %s: %w", vpc, err)
}

type connKey struct{}

// conn is a connection from an interface, and whether its packets have a hop
// limit of their own.
type conn struct {
	*vantage.Conn
	limited bool
}

// defaultTTL is how many hops packets may go that have no limit (RFC 1700).
const defaultTTL = 64

// setHopLimit sets the IP TTL of what is sent from now on.
func (c *conn) setHopLimit(hops int) error {
	if err := ipv4.NewConn(c.Conn.Conn).SetTTL(hops); err != nil {
		return fmt.Errorf("setting the hop limit of an answer to %s: %w", c.Source, err)
	}
	c.limited = hops != defaultTTL
	return nil
}

// serve answers one request: first who asks, then whether it may, then what.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(connKey{}).(*conn)
	w.Header().Set("Server", "EC2ws")
	if r.ContentLength != 0 {
		w.Header().Set("Connection", "close") // nobody reads the body
	}
	asker, ok := c.Asker()
	if !ok || asker.Wait(r.Context()) != nil {
		panic(http.ErrAbortHandler) // the way of net/http to end a connection
	}
	if c.limited && c.setHopLimit(defaultTTL) != nil {
		panic(http.ErrAbortHandler)
	}
	instance, ok := asker.Instance()
	if !ok {
		refuse(w, http.StatusNotFound)
		return
	}
	if instance.Metadata.HttpEndpoint == "disabled" {
		refuse(w, http.StatusForbidden)
		return
	}
	path := segments(r.URL.Path)
	if strings.Join(path, "/") == "latest/api/token" {
		s.token(w, r, c, instance)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	default:
		otherMethod(w, r, "OPTIONS, GET, HEAD")
		return
	}
	if !s.admit(w, r, instance) {
		return
	}
	found, ok := s.memory.find(r.URL.Path, &subject{snap: asker.Snapshot, instance: instance, now: s.cfg.Now(), token: len(r.Header[tokenHeader]) > 0, seal: s.cfg.Seal, life: s.cfg.RoleSession, library: &s.library, notary: s.cfg.Notary})
	if !ok {
		refuse(w, http.StatusNotFound)
		return
	}
	w.Header().Set("Last-Modified", instance.LaunchTime.UTC().Format(http.TimeFormat))
	send(w, found.contentType, found.text)
}

// segments are the parts of a path; those without text do not count, so that
// "//latest/meta-data/" is the same as "/latest/meta-data".
func segments(path string) []string {
	return strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
}
