package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/localvpc/localvpc/internal/aws/client"
	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// endpoint is where the running localvpc answers.
func (e *env) endpoint() string {
	for _, u := range []string{e.url, os.Getenv("LOCALVPC_URL"), os.Getenv("AWS_ENDPOINT_URL")} {
		if u != "" {
			return strings.TrimRight(u, "/")
		}
	}
	return "http://127.0.0.1:4566"
}

// regionName is the Region that the user works in.
func (e *env) regionName() string {
	for _, r := range []string{e.region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")} {
		if r != "" {
			return r
		}
	}
	return "us-east-1"
}

// aws is a client for the public API.
func (e *env) aws() *client.Client {
	key := e.account
	if key == "" {
		key = os.Getenv("AWS_ACCESS_KEY_ID")
	}
	if key == "" {
		key = "test"
	}
	secret := os.Getenv("AWS_SECRET_ACCESS_KEY")
	if secret == "" {
		secret = "test"
	}
	return client.New(e.endpoint(), e.regionName(), key, secret)
}

// call makes one EC2 call, with an error that says what to do when nothing answers.
func call[Out, In any](ctx context.Context, e *env, action string, in *In) (*Out, error) {
	out, err := client.Call[Out](ctx, e.aws(), ec2.API, action, in)
	if err != nil {
		return nil, e.unreachable(err)
	}
	return out, nil
}

func (e *env) unreachable(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("nothing answers at %s: start it with 'localvpc up', or set LOCALVPC_URL", e.endpoint())
	}
	return err
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
	u, err := url.Parse(e.endpoint() + "/_localvpc/" + path)
	if err != nil {
		return nil, fmt.Errorf("the endpoint %q is not a URL: %w", e.endpoint(), err)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, e.unreachable(err)
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		var fault struct{ Code, Message string }
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		if json.Unmarshal(text, &fault) == nil && fault.Message != "" {
			return nil, errors.New(fault.Message)
		}
		return nil, fmt.Errorf("%s answered %s: is it localvpc that listens there?", u.Host, resp.Status)
	}
	return resp, nil
}

func (e *env) printJSON(v any) error {
	enc := json.NewEncoder(e.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
