package health

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// How long a checker waits (Developer Guide, "How Amazon Route 53 determines
// whether a health check is healthy").
const (
	tcpTime     = 10 * time.Second // for a connection, of a TCP check
	connectTime = 4 * time.Second  // for a connection, of an HTTP check
	statusTime  = 2 * time.Second  // from then on, for a status code
	bodyTime    = 2 * time.Second  // from then on, for the text that is searched for
)

// Bounds of what is read of an answer.
const (
	searched   = 5120     // bytes of a body, as AWS has it
	maxHeader  = 64 << 10 // bytes before it
	maxInterim = 8        // answers that announce another one (RFC 9110 section 15.2)
)

// Prober asks endpoints.
type Prober struct {
	// Resolve finds the IPv4 address of a name on the internet. Its error says why
	// there is none.
	Resolve func(name string) (netip.Addr, error)
	// Dial connects from where the checkers are. Errors are the kernel's.
	Dial func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
}

// Probe asks the endpoint of a check once. It takes as long as AWS's timeouts
// permit, at most.
func (p *Prober) Probe(ctx context.Context, h *state.HealthCheck) Result {
	to, note := h.IP, ""
	if !to.IsValid() {
		var err error
		if to, err = p.Resolve(h.Domain); err != nil {
			return failure("DNS resolution failed: %s", err)
		}
		note = fmt.Sprintf("Resolved IP: %s. ", to)
	}
	to = to.Unmap()
	limit := connectTime
	if h.Type == "TCP" {
		limit = tcpTime
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := p.Dial(bounded, netip.AddrPortFrom(to, uint16(h.Port)))
	if err != nil {
		return failure("%s%s", note, unconnected(err))
	}
	defer conn.Close()
	if h.Type == "TCP" {
		return Result{Healthy: true, Status: "Success: TCP connection established"}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	status, healthy := ask(conn, h)
	if !healthy {
		return failure("%s%s", note, status)
	}
	return Result{Healthy: true, Status: "Success: " + status}
}

// The texts of failures. AWS documents few; the first one and those of status codes
// are from its answers.
const (
	timedOut = "Connection timed out. The endpoint or the internet connection is down, or requests are being blocked by your firewall."
	refused  = "Connection refused. Nobody listens on the port of the endpoint."
)

func failure(format string, args ...any) Result {
	return Result{Status: "Failure: " + fmt.Sprintf(format, args...)}
}

// unconnected says why there is no connection. An address that nobody has does not
// answer, whatever the kernel says at once.
func unconnected(err error) string {
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) {
		return refused
	}
	return timedOut
}

// ask sends the request of an HTTP check, and says what has come of it.
func ask(conn net.Conn, h *state.HealthCheck) (status string, healthy bool) {
	_ = conn.SetDeadline(time.Now().Add(statusTime))
	if strings.HasPrefix(h.Type, "HTTPS") {
		secure := tls.Client(conn, secureConfig(h))
		if err := secure.Handshake(); err != nil {
			return insecure(err), false
		}
		conn = secure
	}
	if _, err := conn.Write(request(h)); err != nil {
		return unanswered(err), false
	}
	r := bufio.NewReader(io.LimitReader(conn, maxHeader+4*searched)) // room for the framing of chunks
	var answer *http.Response
	for range maxInterim {
		var err error
		if answer, err = http.ReadResponse(r, &http.Request{Method: http.MethodGet}); err != nil {
			return unanswered(err), false
		}
		if answer.StatusCode >= 200 {
			break
		}
	}
	status = fmt.Sprintf("HTTP Status Code %d", answer.StatusCode)
	if text := http.StatusText(answer.StatusCode); text != "" {
		status += ", " + text
	}
	if answer.StatusCode < 200 || answer.StatusCode >= 400 {
		return status, false
	}
	if strings.HasSuffix(h.Type, "_STR_MATCH") {
		_ = conn.SetReadDeadline(time.Now().Add(bodyTime))
		if !finds(answer.Body, h.Search) {
			return fmt.Sprintf("%s. The search string is not in the first %d bytes of the response body.", status, searched), false
		}
	}
	return status, true
}

// finds looks for a text in the first bytes of a body, until it is there, the body
// ends or the time is over.
func finds(body io.Reader, text string) bool {
	want, have := []byte(text), make([]byte, 0, searched)
	for len(have) < searched {
		n, err := body.Read(have[len(have):searched])
		have = have[:len(have)+n]
		if bytes.Contains(have, want) {
			return true
		}
		if err != nil {
			return false
		}
	}
	return false
}

// secureConfig is that of AWS's checkers: certificates are not verified, and the
// name is sent when SNI is enabled (API Reference, HealthCheckConfig, "EnableSNI").
func secureConfig(h *state.HealthCheck) *tls.Config {
	c := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10}
	if h.EnableSNI != nil && *h.EnableSNI {
		c.ServerName = h.Domain
	}
	return c
}

// request is what a checker sends. The Host header is as the API Reference has it
// (HealthCheckConfig, "FullyQualifiedDomainName"): the name, or without one the
// address, and the port unless it is the protocol's own.
func request(h *state.HealthCheck) []byte {
	host := h.Domain
	if host == "" {
		host = h.IP.String()
		if h.IP.Is6() {
			host = "[" + host + "]"
		}
	}
	if usual := map[bool]int32{false: 80, true: 443}[strings.HasPrefix(h.Type, "HTTPS")]; h.Port != usual {
		host += ":" + strconv.Itoa(int(h.Port))
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", path(h.Path), plain(host))
	fmt.Fprintf(&b, "User-Agent: Amazon-Route53-Health-Check-Service (ref %s; report http://amzn.to/1vsZADi)\r\nAccept: */*\r\n\r\n", h.ID)
	return b.Bytes()
}

// path is a resource path as it may stand in a request line: it begins with a slash,
// and what would end it is escaped.
func path(text string) string {
	var b strings.Builder
	if !strings.HasPrefix(text, "/") {
		b.WriteByte('/')
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// plain drops what has no place in a header's line.
func plain(host string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f {
			return -1
		}
		return r
	}, host)
}

// insecure says why there is no TLS.
func insecure(err error) string {
	var alert tls.AlertError
	switch {
	case late(err):
		return "The TLS handshake was not completed within the timeout limit."
	case errors.As(err, &alert):
		return "SSL alert, " + strings.TrimPrefix(alert.Error(), "tls: ")
	}
	return "The TLS handshake failed: the endpoint closed the connection or does not speak TLS."
}

// unanswered says why a request has no answer.
func unanswered(err error) string {
	if late(err) {
		return "The endpoint did not respond with an HTTP status code within the timeout limit."
	}
	return "The endpoint closed the connection or responded with something that is not HTTP."
}

func late(err error) bool {
	var slow net.Error
	return errors.As(err, &slow) && slow.Timeout()
}
