package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/localvpc/localvpc/internal/aws/client"
	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/aws/wire/proto"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/front/tunnel"
)

// defaultURL is where a localvpc listens that was told nothing else.
const defaultURL = "http://127.0.0.1:4566"

// endpoint is where the running localvpc answers.
func (e *env) endpoint() string {
	u := cmp.Or(e.url, os.Getenv("LOCALVPC_URL"), os.Getenv("AWS_ENDPOINT_URL"), defaultURL)
	if !strings.Contains(u, "://") {
		u = "http://" + u
	}
	return strings.TrimRight(u, "/")
}

// target is the endpoint, checked; its host has a port.
func (e *env) target() (*url.URL, error) {
	u, err := url.Parse(e.endpoint())
	if err != nil || u.Scheme != "http" || u.Hostname() == "" || u.Path != "" {
		return nil, fmt.Errorf("the endpoint %q is not like http://127.0.0.1:4566: check --url, LOCALVPC_URL and AWS_ENDPOINT_URL", e.endpoint())
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "80")
	}
	return u, nil
}

// regionName is the Region that the user works in.
func (e *env) regionName() string {
	return cmp.Or(e.region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1")
}

// accountID is the account that the user works in; empty is the default one of
// the running localvpc.
func (e *env) accountID() string {
	if key := os.Getenv("AWS_ACCESS_KEY_ID"); e.account == "" && isAccount(key) {
		return key
	}
	return e.account
}

func isAccount(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

// aws is a client for the public API.
func (e *env) aws() *client.Client {
	key := cmp.Or(e.account, os.Getenv("AWS_ACCESS_KEY_ID"), "test")
	secret := cmp.Or(os.Getenv("AWS_SECRET_ACCESS_KEY"), "test")
	return client.New(e.endpoint(), e.regionName(), key, secret).WithToken(key, secret, e.sessionToken())
}

// call makes one EC2 call, with an error that says what to do when nothing answers.
func call[Out, In any](ctx context.Context, e *env, action string, in *In) (*Out, error) {
	return callOf[Out](ctx, e, ec2.API, action, in)
}

// callOf is call of any service.
func callOf[Out, In any](ctx context.Context, e *env, api *proto.API, action string, in *In) (*Out, error) {
	if _, err := e.target(); err != nil {
		return nil, err
	}
	out, err := client.Call[Out](ctx, e.aws(), api, action, in)
	if err != nil {
		return nil, e.unreachable(err)
	}
	return out, nil
}

// unreachable says what to do when no answer came, or none of localvpc's.
func (e *env) unreachable(err error) error {
	var fault *awserr.Error
	switch {
	case errors.As(err, &fault) && fault.Code != "":
		return err
	case errors.Is(err, context.Canceled):
		return errInterrupted
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing answers at %s: start it with 'localvpc up', or set LOCALVPC_URL", e.endpoint())
	}
	return fmt.Errorf("%w: is it localvpc that listens at %s?", err, e.endpoint())
}

// control asks /_localvpc/. in and out are encoded as JSON; nil leaves them out.
func (e *env) control(ctx context.Context, method, path string, in, out any) error {
	resp, err := e.controlResponse(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	return nil
}

func (e *env) controlResponse(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encoding the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	u, err := e.target()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String()+"/_localvpc/"+path, body)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, e.unreachable(err)
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, refusal(resp)
	}
	return resp, nil
}

// refusal is the error that an answer of /_localvpc/ stands for.
func refusal(resp *http.Response) error {
	var f tunnel.Error
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if json.Unmarshal(text, &f) == nil && f.Message != "" {
		return &f
	}
	return fmt.Errorf("%s answered %s: is it localvpc that listens there?", resp.Request.URL.Host, resp.Status)
}

// upgrade sends a request for a path of /_localvpc/ and takes the connection over when
// it is accepted; r is what is read of it.
func (e *env) upgrade(ctx context.Context, path, protocol string, in any) (conn *net.TCPConn, r *bufio.Reader, err error) {
	u, err := e.target()
	if err != nil {
		return nil, nil, err
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, "POST", u.String()+"/_localvpc/"+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Upgrade", protocol)
	req.Header.Set("Connection", "Upgrade")
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, nil, e.unreachable(err)
	}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if err := req.Write(c); err != nil {
		return nil, nil, fmt.Errorf("asking for %s: %w", path, cmp.Or(ctx.Err(), err))
	}
	r = bufio.NewReader(c)
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		return nil, nil, fmt.Errorf("asking for %s: %w", path, cmp.Or(ctx.Err(), err))
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer resp.Body.Close()
		return nil, nil, refusal(resp)
	}
	return c.(*net.TCPConn), r, nil
}

func (e *env) printJSON(v any) error {
	enc := json.NewEncoder(e.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
