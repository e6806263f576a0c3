package proxy

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"

	"github.com/localvpc/localvpc/internal/front/tunnel"
)

// http makes the server for clients that speak HTTP: CONNECT (RFC 9110, 9.3.6), and
// requests for absolute URLs (RFC 9112, 3.2.2).
func (s *Server) http(ctx context.Context) *http.Server {
	quiet := log.New(io.Discard, "", 0) // what goes wrong is the client's to be told
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			// What is passed on is what came, but for what is between client and proxy.
			r.Out.Host, r.Out.URL.RawQuery = r.In.Host, r.In.URL.RawQuery
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if values := r.In.Header.Values(name); len(values) > 0 {
					r.Out.Header[name] = values
				}
			}
		},
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				host, port, err := split(address)
				if err != nil {
					return nil, err
				}
				// The transport goes on for a request that is over; nobody else could use it.
				if client, ok := ctx.Value(clientKey{}).(context.Context); ok {
					var cancel context.CancelFunc
					ctx, cancel = context.WithCancel(ctx)
					defer cancel()
					defer context.AfterFunc(client, cancel)()
				}
				return s.dial(ctx, host, port)
			},
			// A request is a connection: what has changed since the last one shows.
			DisableKeepAlives:  true,
			DisableCompression: true,
		},
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, err error) { failHTTP(w, err) },
		ErrorLog:      quiet,
	}
	return &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodConnect:
				s.connect(ctx, w, r)
			case r.URL.Scheme == "http" && r.URL.Host != "":
				forward.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), clientKey{}, r.Context())))
			case r.URL.IsAbs():
				http.Error(w, "This proxy takes URLs of http; others go through CONNECT.", http.StatusNotImplemented)
			default:
				http.Error(w, "This is localvpc's proxy into its simulated internet (SOCKS 5 and HTTP), and no web server.", http.StatusBadRequest)
			}
		}),
		ReadHeaderTimeout: firstTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          quiet,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
}

// clientKey is where the context of a client's request is found in another.
type clientKey struct{}

// connect makes the client's connection one to where it asks for.
func (s *Server) connect(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	host, port, err := split(r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	far, err := s.dial(r.Context(), host, port)
	if err != nil {
		failHTTP(w, err)
		return
	}
	defer far.Close()
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		failHTTP(w, err)
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = far.Close() })
	defer stop()
	if _, err := io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err == nil {
		tunnel.Join(tunnel.Buffered(conn.(*client), buf.Reader), far)
	}
}

// split reads HOST:PORT.
func split(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not a host and a port", address)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || host == "" {
		return "", 0, fmt.Errorf("%q is not a host and a port from 1 to 65535", address)
	}
	return host, int(n), nil
}

func failHTTP(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	if tunnel.CodeOf(err) == tunnel.TimedOut {
		status = http.StatusGatewayTimeout
	}
	http.Error(w, err.Error(), status)
}
