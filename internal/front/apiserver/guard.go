package apiserver

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

// foreign refuses a request that a browser may have been tricked into sending:
// one from a page elsewhere (its Origin, or where it sends none, Fetch Metadata's
// Sec-Fetch-Site), or to a Host that is neither this machine's nor an AWS
// endpoint's (DNS rebinding). Its body is not waited for.
func (s *Server) foreign(w http.ResponseWriter, r *http.Request) error {
	err := strange(r)
	if err != nil {
		w.Header().Set("Connection", "close")
	}
	return err
}

func strange(r *http.Request) error {
	if host := hostname(r.Host); !local(host) && !endpoint(host) {
		return refused("The host %q is neither loopback nor an AWS endpoint name: use 127.0.0.1 or localhost.", awserr.Clip(r.Host))
	}
	for _, origin := range r.Header.Values("Origin") {
		scheme, host, ok := strings.Cut(origin, "://")
		if !ok || scheme != "http" && scheme != "https" || !local(hostname(host)) {
			return refused("Requests from the origin %q are refused.", awserr.Clip(origin))
		}
	}
	if r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		return refused("Requests from a page of another site are refused.")
	}
	return nil
}

func refused(format string, args ...any) error {
	return awserr.New("AccessDenied", format, args...)
}

// hostname is a Host or the authority of an Origin without its port, in lower case.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
}

func local(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
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
