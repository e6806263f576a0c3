package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/front/execstream"
)

// controlPath is where everything is that AWS does not have; the version is in
// each path.
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
	// Exec runs a command in an instance until it ends or ctx does.
	Exec(ctx context.Context, req execstream.Request, s *execstream.Stream) execstream.Result
	// Changes calls fn for every commit after index until ctx ends or fn fails.
	Changes(ctx context.Context, after uint64, fn func(any) error) error
	// Kernel writes the state of the kernel, read back, as canonical text.
	Kernel(w io.Writer) error
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

// control registers the paths of /_localvpc/.
func (s *Server) control(mux *http.ServeMux) {
	c := s.cfg.Control
	handle := func(pattern string, fn func(w http.ResponseWriter, r *http.Request) (any, error)) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+controlPath+path, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			out, err := fn(w, r)
			if err != nil {
				s.failJSON(w, err)
				return
			}
			if out != nil {
				sendJSON(w, http.StatusOK, out)
			}
		})
	}
	handle("GET health", func(http.ResponseWriter, *http.Request) (any, error) { return c.Health(), nil })
	handle("GET settled", func(w http.ResponseWriter, r *http.Request) (any, error) {
		if text := r.URL.Query().Get("index"); text != "" {
			index, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				return nil, awserr.New("InvalidParameterValue", "index is a number, not %q.", awserr.Clip(text))
			}
			if err := c.WaitSettled(r.Context(), index); err != nil {
				return nil, err
			}
		}
		settled, committed := c.Settled()
		return map[string]uint64{"Settled": settled, "Committed": committed}, nil
	})
	handle("POST reset", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return struct{}{}, c.Reset(r.Context())
	})
	handle("POST images", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, awserr.New("RequestEntityTooLarge", "The list of images is too long.")
		}
		return struct{}{}, c.AddImages(r.Context(), body)
	})
	handle("POST explain", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		var q ExplainQuery
		if err := readJSON(r, &q); err != nil {
			return nil, err
		}
		if q.Account == "" {
			q.Account = s.cfg.Account
		}
		if q.Region == "" {
			q.Region = s.cfg.Region
		}
		return c.Explain(r.Context(), q)
	})
	handle("GET kernel", func(w http.ResponseWriter, _ *http.Request) (any, error) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		return nil, c.Kernel(w)
	})
	handle("POST stop", func(http.ResponseWriter, *http.Request) (any, error) {
		defer c.Stop()
		return struct{}{}, nil
	})
	handle("GET changes", s.changes)
	handle("POST exec", s.exec)
	mux.HandleFunc(controlPath, func(w http.ResponseWriter, r *http.Request) {
		s.failJSON(w, awserr.New("InvalidAction", "There is no %s %s; see docs/design/front.md for what there is.", r.Method, awserr.Clip(r.URL.Path)).WithStatus(http.StatusNotFound))
	})
}

// changes streams one JSON line for every commit after the index.
func (s *Server) changes(w http.ResponseWriter, r *http.Request) (any, error) {
	after := uint64(0)
	if text := r.URL.Query().Get("after"); text != "" {
		var err error
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			return nil, awserr.New("InvalidParameterValue", "after is a number, not %q.", awserr.Clip(text))
		}
	} else {
		_, after = s.cfg.Control.Settled()
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	rc := http.NewResponseController(w)
	if err := rc.Flush(); err != nil {
		return nil, err
	}
	enc := json.NewEncoder(w)
	err := s.cfg.Control.Changes(r.Context(), after, func(v any) error {
		if err := enc.Encode(v); err != nil {
			return err
		}
		return rc.Flush()
	})
	if err != nil && r.Context().Err() == nil {
		s.cfg.Log.Debug("the change ticker ended", "error", err)
	}
	return nil, nil
}

// exec upgrades the connection and runs a command on it.
func (s *Server) exec(w http.ResponseWriter, r *http.Request) (any, error) {
	if r.Header.Get("Upgrade") != execstream.Protocol {
		return nil, awserr.New("InvalidParameterValue", "exec needs the header 'Upgrade: %s'.", execstream.Protocol)
	}
	var req execstream.Request
	if err := readJSON(r, &req); err != nil {
		return nil, err
	}
	if len(req.Args) == 0 {
		return nil, awserr.New("MissingParameter", "The request must contain the parameter Args")
	}
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, fmt.Errorf("taking over the connection: %w", err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: %s\r\nConnection: Upgrade\r\n\r\n", execstream.Protocol)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	stream := execstream.New(buf.Reader, conn)
	result := s.cfg.Control.Exec(ctx, req, stream)
	if err := stream.WriteJSON(execstream.Exit, result); err != nil && !errors.Is(err, net.ErrClosed) {
		s.cfg.Log.Debug("sending a command's result", "error", err)
	}
	return nil, nil
}

func readJSON(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return awserr.New("InvalidParameterValue", "The request's JSON cannot be read: %s", awserr.Clip(err.Error()))
	}
	return nil
}

func sendJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller may have gone
}

func (s *Server) failJSON(w http.ResponseWriter, err error) {
	e := awserr.From(err)
	if cause := errors.Unwrap(e); cause != nil {
		s.cfg.Log.Warn("a control request failed", "error", e, "cause", cause)
	}
	sendJSON(w, e.Status, map[string]string{"Code": e.Code, "Message": e.Message})
}
