package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// outsideKey marks the requests of the simulated internet.
type outsideKey struct{}

// ServeOutside answers on a listener in the simulated internet until it is closed,
// which is no error: AWS's services alone, nothing of /_localvpc/. Who asks there
// runs in an instance or is a stranger, so that only keys that were issued here
// mean anybody: an instance is what its role is, whatever --auth says.
func (s *Server) ServeOutside(l net.Listener) error {
	err := s.outside.Serve(newLimited(l, s.limits.Connections))
	if errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving AWS's endpoints on %s: %w", l.Addr(), err)
}

// serveOutside is serve for the simulated internet.
func (s *Server) serveOutside(w http.ResponseWriter, r *http.Request) {
	s.begin(w, r)
	s.serveAWS(w, r.WithContext(context.WithValue(r.Context(), outsideKey{}, true)))
}

// homebound are actions about files of the machine, which nobody in an instance has
// any business with, whatever role it has.
var homebound = map[string]bool{"RegisterImage": true}

func isOutside(r *http.Request) bool { return r.Context().Value(outsideKey{}) != nil }
