package tool

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// load asks for a URL at a steady rate until it is killed, each time by a connection of
// its own to the first address that the name has then. It prints a line for each
// request when it is over: when it began (milliseconds since 1970), how long it took
// (milliseconds), and "ok" with the answer or "failed" with the error.
func load(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	rate := flags.Float64("rate", 100, "requests in a second")
	limit := flags.Float64("m", 5, "seconds that a request may take")
	if err := parse(flags, args, 1); err != nil {
		return err
	}
	to, err := url.Parse(flags.Arg(0))
	if err != nil || to.Hostname() == "" || *rate <= 0 || *rate > 10000 {
		return fmt.Errorf("%q is no URL, or %v no rate", flags.Arg(0), *rate)
	}
	var print sync.Mutex
	ended := make(chan error, 1)
	tick := time.NewTicker(time.Duration(float64(time.Second) / *rate))
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case at := <-tick.C:
			go func() {
				text, err := once(to, seconds(*limit))
				word := "ok"
				if err != nil {
					word, text = "failed", err.Error()
				}
				print.Lock()
				defer print.Unlock()
				if _, err := fmt.Fprintln(out, at.UnixMilli(), time.Since(at).Milliseconds(), word, strings.TrimSpace(text)); err != nil {
					select {
					case ended <- err: // nobody reads any more
					default:
					}
				}
			}()
		}
	}
}

// once makes one request.
func once(to *url.URL, limit time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
		if err != nil {
			return nil, err
		}
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(addrs[0].Unmap().String(), port))
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return "", err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	return string(text), err
}
