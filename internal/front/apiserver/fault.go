package apiserver

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/localvpc/localvpc/internal/aws/sigv4"
	"github.com/localvpc/localvpc/internal/service"
)

// FaultRequest breaks or mends something. Account and Region are those of whoever
// signed the request.
type FaultRequest struct {
	Account, Region string `json:"-"`
	Kind            string // "zone", "instance", "link"
	What            string // name or id of the zone, id of the instance or interface
	Effect          string // "down", "up"; "pause", "resume"; "loss"
	Rate            int32  // of loss: packets of a hundred
}

// faults are the paths of faults: who breaks things says who it is, as for a call to
// AWS's services.
func (s *Server) faults(c Control) map[string]route {
	return map[string]route{
		"fault": {"GET", func(_ http.ResponseWriter, r *http.Request) (any, error) {
			if _, err := s.signer(r); err != nil {
				return nil, err
			}
			return c.Faults(), nil
		}},
		"fault/set": {"POST", func(_ http.ResponseWriter, r *http.Request) (any, error) {
			caller, err := s.signer(r)
			if err != nil {
				return nil, err
			}
			var req FaultRequest
			if err := readJSON(r, &req); err != nil {
				return nil, err
			}
			req.Account, req.Region = caller.Account, caller.Region
			return c.SetFault(context.WithoutCancel(r.Context()), req)
		}},
		"fault/clear": {"POST", func(_ http.ResponseWriter, r *http.Request) (any, error) {
			if _, err := s.signer(r); err != nil {
				return nil, err
			}
			return c.ClearFaults(context.WithoutCancel(r.Context()))
		}},
	}
}

// signer says who has signed a request to /_localvpc/, and leaves its body to be read.
func (s *Server) signer(r *http.Request) (service.Caller, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return service.Caller{}, unread(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	cred, err := sigv4.Parse(r.Header, r.URL.RawQuery)
	if err != nil {
		return service.Caller{}, err
	}
	return s.caller(s.cfg.Services[0], cred, r, body)
}
