package apiserver

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/front/execstream"
	"github.com/localvpc/localvpc/internal/front/tunnel"
)

// controlPath is where everything is that AWS does not have.
const controlPath = "/_localvpc/"

// Control is what the node offers to /_localvpc/. Values are encoded as JSON as
// they are; errors that are *awserr.Error keep their code and status.
type Control interface {
	// Health is quick and never blocks.
	Health() any
	// Settled is the index of the last commit that packets and names obey, and
	// that of the last commit.
	Settled() (settled, committed uint64)
	// WaitSettled returns when the index has settled.
	WaitSettled(ctx context.Context, index uint64) error
	// Reset makes everything as at a fresh start.
	Reset(ctx context.Context) error
	// AddImages adds catalogue entries, given as the request's JSON.
	AddImages(ctx context.Context, entries json.RawMessage) error
	// Explain walks a packet.
	Explain(ctx context.Context, q ExplainQuery) (any, error)
	// DNS answers a question as a vantage point sees it.
	DNS(ctx context.Context, q DNSQuery) (any, error)
	// Hosts lists the outside hosts.
	Hosts() any
	// AddHost makes an outside host and returns when it runs.
	AddHost(ctx context.Context, req HostRequest) (any, error)
	// RemoveHost ends an outside host and returns when it is gone.
	RemoveHost(ctx context.Context, req HostRequest) error
	// Scopes lists the accounts and Regions in which something was made.
	Scopes() any
	// Quotas lists the quotas of an account in a Region.
	Quotas(account, region string) (any, error)
	// SetQuota changes one and gives it as it is then.
	SetQuota(ctx context.Context, req QuotaRequest) (any, error)
	// Faults lists what is broken on purpose.
	Faults() any
	// SetFault breaks or mends something, and returns when it is so.
	SetFault(ctx context.Context, req FaultRequest) (any, error)
	// ClearFaults mends everything.
	ClearFaults(ctx context.Context) (any, error)
	// Tunnel opens a connection inside the world.
	Tunnel(ctx context.Context, req tunnel.Request) (tunnel.Conn, error)
	// Exec runs a command in an instance or an outside host until it ends or ctx
	// does. The internet is made when it is not there.
	Exec(ctx context.Context, req execstream.Request, s *execstream.Stream) execstream.Result
	// Changes calls fn for every commit after index until ctx ends or fn fails.
	Changes(ctx context.Context, after uint64, fn func(any) error) error
	// Kernel writes the state of the kernel, read back, as canonical text.
	Kernel(w io.Writer) error
	// Certificate is the PEM that instances' identity documents are verified with.
	Certificate() ([]byte, error)
	// Stop ends the program after the answer.
	Stop()
}

// ExplainQuery names the ends of a packet's way. Account and Region are those of
// the ids and names.
type ExplainQuery struct {
	Account, Region     string
	Source, Destination string // instance id, Name tag, interface id or address
	Protocol            string // "tcp", "udp", "icmp" or a number
	Port                int
}

// DNSQuery is a question at a vantage point: an instance, an interface, a VPC, an
// outside host, "internet" or the address of a name server.
type DNSQuery struct {
	Account, Region string
	Vantage         string
	Name            string
	Type            string // empty: "A"
	Reverse         string // an address whose name is asked for, instead of Name and Type
}

// QuotaRequest changes a quota of an account in a Region. Value nil is what it was
// at the start; -1 is no limit.
type QuotaRequest struct {
	Account, Region string
	Name            string
	Value           *int32
}

// HostRequest names an outside host. Addr is its public address, to be drawn when
// it is empty.
type HostRequest struct{ Name, Addr string }

// route is one path of /_localvpc/. What serve returns is sent as JSON; nil when it
// has answered by itself.
type route struct {
	method string // a path that answers GET answers HEAD
	serve  func(w http.ResponseWriter, r *http.Request) (any, error)
}

// control is the table of /_localvpc/.
func (s *Server) control() map[string]route {
	c := s.cfg.Control
	done := struct{}{} // the answer that says no more than that it is done
	routes := map[string]route{
		"health": {"GET", func(http.ResponseWriter, *http.Request) (any, error) { return c.Health(), nil }},
		"settled": {"GET", func(_ http.ResponseWriter, r *http.Request) (any, error) {
			if r.URL.Query().Has("index") {
				index, err := number(r, "index")
				if err != nil {
					return nil, err
				}
				ctx, cancel := s.stream(r)
				defer cancel()
				if err := c.WaitSettled(ctx, index); err != nil {
					return nil, err
				}
			}
			settled, committed := c.Settled()
			return map[string]uint64{"Settled": settled, "Committed": committed}, nil
		}},
		"reset": {"POST", func(_ http.ResponseWriter, r *http.Request) (any, error) {
			// Who hangs up does not leave half of it.
			return done, c.Reset(context.WithoutCancel(r.Context()))
		}},
		"images": {"POST", func(_ http.ResponseWriter, r *http.Request) (any, error) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, unread(err)
			}
			if len(bytes.TrimSpace(body)) == 0 {
				return nil, awserr.New("InvalidParameterValue", "The request has no list of images.")
			}
			return done, c.AddImages(context.WithoutCancel(r.Context()), body)
		}},
		"explain": {"POST", func(_ http.ResponseWriter, r *http.Request) (any, error) {
			var q ExplainQuery
			if err := readJSON(r, &q); err != nil {
				return nil, err
			}
			q.Account, q.Region = cmp.Or(q.Account, s.cfg.Account), cmp.Or(q.Region, s.cfg.Region)
			return c.Explain(r.Context(), q)
		}},
		"dns": {"POST", func(_ http.ResponseWriter, r *http.Request) (any, error) {
			var q DNSQuery
			if err := readJSON(r, &q); err != nil {
				return nil, err
			}
			q.Account, q.Region = cmp.Or(q.Account, s.cfg.Account), cmp.Or(q.Region, s.cfg.Region)
			return c.DNS(r.Context(), q)
		}},
		"certificate": {"GET", func(w http.ResponseWriter, _ *http.Request) (any, error) {
			text, err := c.Certificate()
			if err != nil {
				return nil, err
			}
			w.Header().Set("Content-Type", "application/x-pem-file")
			s.bound(w)
			_, _ = w.Write(text) // the caller may have gone
			return nil, nil
		}},
		"kernel": {"GET", func(w http.ResponseWriter, _ *http.Request) (any, error) {
			var text bytes.Buffer
			if err := c.Kernel(&text); err != nil {
				return nil, err
			}
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			s.bound(w)
			_, _ = w.Write(text.Bytes()) // the caller may have gone
			return nil, nil
		}},
		"stop": {"POST", func(w http.ResponseWriter, _ *http.Request) (any, error) {
			s.sendJSON(w, http.StatusOK, done)
			_ = http.NewResponseController(w).Flush()
			c.Stop()
			return nil, nil
		}},
		"scopes": {"GET", func(http.ResponseWriter, *http.Request) (any, error) { return c.Scopes(), nil }},
		"quotas": {"GET", func(_ http.ResponseWriter, r *http.Request) (any, error) {
			query := r.URL.Query()
			return c.Quotas(cmp.Or(query.Get("account"), s.cfg.Account), cmp.Or(query.Get("region"), s.cfg.Region))
		}},
		"quotas/set": {"POST", func(_ http.ResponseWriter, r *http.Request) (any, error) {
			var req QuotaRequest
			if err := readJSON(r, &req); err != nil {
				return nil, err
			}
			if req.Name == "" {
				return nil, awserr.MissingParameter("Name")
			}
			req.Account, req.Region = cmp.Or(req.Account, s.cfg.Account), cmp.Or(req.Region, s.cfg.Region)
			return c.SetQuota(context.WithoutCancel(r.Context()), req)
		}},
		"hosts": {"GET", func(http.ResponseWriter, *http.Request) (any, error) { return c.Hosts(), nil }},
		"hosts/add": {"POST", func(_ http.ResponseWriter, r *http.Request) (any, error) {
			var req HostRequest
			if err := readJSON(r, &req); err != nil {
				return nil, err
			}
			if req.Name == "" {
				return nil, awserr.MissingParameter("Name")
			}
			return c.AddHost(context.WithoutCancel(r.Context()), req)
		}},
		"hosts/remove": {"POST", func(_ http.ResponseWriter, r *http.Request) (any, error) {
			var req HostRequest
			if err := readJSON(r, &req); err != nil {
				return nil, err
			}
			return done, c.RemoveHost(context.WithoutCancel(r.Context()), req)
		}},
		"changes": {"GET", s.changes},
		"exec":    {"POST", s.exec},
		"tunnel":  {"POST", s.tunnel},
	}
	maps.Copy(routes, s.faults(c))
	return routes
}

// serveControl answers one request to /_localvpc/.
func (s *Server) serveControl(w http.ResponseWriter, r *http.Request) {
	to, ok := s.routes[strings.TrimPrefix(r.URL.Path, controlPath)]
	if !ok {
		s.failJSON(w, awserr.New("InvalidAction", "There is no %s; the paths of %s are %s.", awserr.Clip(r.URL.Path), controlPath,
			strings.Join(slices.Sorted(maps.Keys(s.routes)), ", ")).WithStatus(http.StatusNotFound))
		return
	}
	if r.Method != to.method && !(r.Method == "HEAD" && to.method == "GET") {
		w.Header().Set("Allow", to.method)
		s.failJSON(w, awserr.New("InvalidAction", "%s takes %s, not %s.", r.URL.Path, to.method, awserr.Clip(r.Method)).WithStatus(http.StatusMethodNotAllowed))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, s.limits.Body)
	out, err := to.serve(w, r)
	switch {
	case err != nil:
		s.failJSON(w, err)
	case out != nil:
		s.sendJSON(w, http.StatusOK, out)
	}
}

// stream is the context of a request that may last: until the caller hangs up or
// the server ends.
func (s *Server) stream(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(s.ending, cancel)
	return ctx, func() { stop(); cancel() }
}

// number reads a parameter of the query.
func number(r *http.Request, name string) (uint64, error) {
	text := r.URL.Query().Get(name)
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, awserr.New("InvalidParameterValue", "%s is a number, not %q.", name, awserr.Clip(text))
	}
	return n, nil
}

// changes streams one JSON line for every commit after the index, or from now on.
func (s *Server) changes(w http.ResponseWriter, r *http.Request) (any, error) {
	_, after := s.cfg.Control.Settled()
	if r.URL.Query().Has("after") {
		var err error
		if after, err = number(r, "after"); err != nil {
			return nil, err
		}
	}
	ctx, cancel := s.stream(r)
	defer cancel()
	w.Header().Set("Content-Type", "application/x-ndjson")
	rc := http.NewResponseController(w)
	if err := rc.Flush(); err != nil {
		return nil, err
	}
	enc := json.NewEncoder(w)
	err := s.cfg.Control.Changes(ctx, after, func(v any) error {
		s.bound(w)
		if err := enc.Encode(v); err != nil {
			return err
		}
		return rc.Flush()
	})
	if err != nil && ctx.Err() == nil {
		s.cfg.Log.Debug("the change ticker ended", "error", err)
	}
	return nil, nil
}

// readJSON reads a body that is one JSON value and nothing else.
func readJSON(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		if _, more := dec.Token(); more == nil {
			err = errors.New("more follows after the value")
		} else if more != io.EOF {
			err = more
		}
	}
	if err != nil {
		return unread(err)
	}
	return nil
}

// unread is the answer to a body that could not be read.
func unread(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return awserr.New("RequestEntityTooLarge", "The request body is larger than %d bytes.", large.Limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) {
		return awserr.New("RequestTimeout", "The request body did not arrive.")
	}
	return awserr.New("InvalidParameterValue", "The request's JSON cannot be read: %s", awserr.Clip(err.Error()))
}

func (s *Server) sendJSON(w http.ResponseWriter, status int, v any) {
	s.bound(w)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller may have gone
}

func (s *Server) failJSON(w http.ResponseWriter, err error) {
	e := awserr.From(err)
	s.logFailure(w.Header().Get("x-amzn-RequestId"), "", e)
	s.sendJSON(w, e.Status, map[string]string{"Code": e.Code, "Message": e.Message, "RequestId": w.Header().Get("x-amzn-RequestId")})
}
