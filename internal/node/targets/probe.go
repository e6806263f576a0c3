package targets

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/localvpc/localvpc/internal/node/relay"
)

// Bounds of what is read of an answer.
const (
	maxHeader  = 64 << 10
	maxInterim = 8 // answers that announce another one (RFC 9110 section 15.2)
)

// Prober asks targets.
type Prober struct {
	// Dial connects from a node. Errors are the kernel's.
	Dial func(ctx context.Context, a Ask) (net.Conn, error)
}

// Probe asks a target once, within the check's timeout. A target whose balancer
// cannot send is one that does not answer.
func (p *Prober) Probe(ctx context.Context, a Ask) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(max(a.Check.Timeout, 1))*time.Second)
	defer cancel()
	conn, err := p.Dial(ctx, a)
	if err != nil {
		return false
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if a.Proxied {
		if _, err := conn.Write(relay.Own()); err != nil {
			return false
		}
	}
	if a.Check.Protocol == "TCP" {
		return true
	}
	code, ok := status(conn, a)
	return ok && Matches(a.Check.Matcher, code)
}

// status asks for the path and gives the code of the answer.
func status(conn net.Conn, a Ask) (code int, ok bool) {
	if a.Check.Protocol == "HTTPS" {
		// Certificates count for nothing (NLB User Guide, "Health checks for target groups").
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10})
		if secure.Handshake() != nil {
			return 0, false
		}
		conn = secure
	}
	path := a.Check.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	path = strings.Map(func(r rune) rune { // what would end the line has no place in it
		if r <= ' ' || r >= 0x7f {
			return -1
		}
		return r
	}, path)
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n\r\n", path, a.To); err != nil {
		return 0, false
	}
	r := bufio.NewReader(io.LimitReader(conn, maxHeader))
	for range maxInterim {
		answer, err := http.ReadResponse(r, &http.Request{Method: http.MethodGet})
		if err != nil {
			return 0, false
		}
		if answer.StatusCode >= 200 {
			return answer.StatusCode, true
		}
	}
	return 0, false
}

// Matches says whether a status code is among those of a matcher: "200", "200,202",
// "200-399". Without one 200 to 399 are (ELBv2 API Reference, Matcher).
func Matches(matcher string, code int) bool {
	if matcher == "" {
		matcher = "200-399"
	}
	for part := range strings.SplitSeq(matcher, ",") {
		lo, hi, span := strings.Cut(strings.TrimSpace(part), "-")
		if !span {
			hi = lo
		}
		from, err := strconv.Atoi(lo)
		to, err2 := strconv.Atoi(hi)
		if err == nil && err2 == nil && from <= code && code <= to {
			return true
		}
	}
	return false
}
