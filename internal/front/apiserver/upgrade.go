package apiserver

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/front/execstream"
	"github.com/localvpc/localvpc/internal/front/tunnel"
)

// upgrades refuses a request that does not ask for the protocol of its path.
func upgrades(w http.ResponseWriter, r *http.Request, path, protocol string) error {
	if r.Header.Get("Upgrade") == protocol {
		return nil
	}
	w.Header().Set("Upgrade", protocol)
	return awserr.New("InvalidParameterValue", "%s needs the headers 'Connection: Upgrade' and 'Upgrade: %s'.", path, protocol).WithStatus(http.StatusUpgradeRequired)
}

// oneOf: where something is to happen is one place.
func oneOf(instance, host string) error {
	switch {
	case instance == "" && host == "":
		return awserr.MissingParameter("Instance")
	case instance != "" && host != "":
		return awserr.New("InvalidParameterCombination", "The parameters Instance and Host cannot be used together.")
	}
	return nil
}

// takeOver accepts the protocol: the connection is the caller's from then on.
func takeOver(w http.ResponseWriter, protocol string) (net.Conn, *bufio.Reader, error) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("taking over the connection: %w", err)
	}
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: %s\r\nConnection: Upgrade\r\n\r\n", protocol) // who has gone is noticed by the next step
	return conn, buf.Reader, nil
}

// exec upgrades the connection and runs a command on it.
func (s *Server) exec(w http.ResponseWriter, r *http.Request) (any, error) {
	if err := upgrades(w, r, "exec", execstream.Protocol); err != nil {
		return nil, err
	}
	var req execstream.Request
	if err := readJSON(r, &req); err != nil {
		return nil, err
	}
	if err := oneOf(req.Instance, req.Host); err != nil {
		return nil, err
	}
	if len(req.Args) == 0 {
		return nil, awserr.MissingParameter("Args")
	}
	conn, buf, err := takeOver(w, execstream.Protocol)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	stream := execstream.New(buf, conn)
	result := s.cfg.Control.Exec(ctx, req, stream)
	if err := stream.WriteJSON(execstream.Exit, result); err != nil {
		s.cfg.Log.Debug("sending a command's result", "error", err)
	}
	return nil, nil
}

// tunnel opens a connection inside the world and carries it over the caller's. It
// is answered when the connection stands; a caller that hangs up before ends the
// attempt.
func (s *Server) tunnel(w http.ResponseWriter, r *http.Request) (any, error) {
	if err := upgrades(w, r, "tunnel", tunnel.Protocol); err != nil {
		return nil, err
	}
	var req tunnel.Request
	if err := readJSON(r, &req); err != nil {
		return nil, err
	}
	if err := oneOf(req.Instance, req.Host); err != nil {
		return nil, err
	}
	if req.Port < 1 || req.Port > 65535 {
		return nil, awserr.New("InvalidParameterValue", "The port %d is not a number from 1 to 65535.", req.Port)
	}
	ctx, cancel := s.stream(r)
	defer cancel()
	far, err := s.cfg.Control.Tunnel(ctx, req)
	if err != nil {
		return nil, err
	}
	defer far.Close()
	conn, buf, err := takeOver(w, tunnel.Protocol)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	near, ok := conn.(tunnel.Conn)
	if !ok {
		return nil, fmt.Errorf("the connection of %s has no end in one direction", conn.RemoteAddr())
	}
	stop := context.AfterFunc(s.ending, func() { _ = near.Close(); _ = far.Close() })
	defer stop()
	tunnel.Join(tunnel.Buffered(near, buf), far)
	return nil, nil
}
