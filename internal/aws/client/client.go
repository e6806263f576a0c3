// Package client calls an AWS endpoint, ours before all: the command line and the
// tests speak through it. Invariant: it has no privilege and no knowledge that any
// other AWS client lacks; every request is signed and goes over HTTP.
package client

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/localvpc/localvpc/internal/aws/sigv4"
	"github.com/localvpc/localvpc/internal/aws/wire/proto"
)

// maxAnswer bounds an answer's body in bytes.
const maxAnswer = 256 << 20

// Client signs requests to one endpoint in one Region. It is safe for concurrent use.
type Client struct {
	endpoint string
	region   string
	creds    sigv4.Credentials
	http     *http.Client
}

// New makes a client. endpoint is a URL without a path: http://127.0.0.1:4566.
func New(endpoint, region, accessKey, secret string) *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	return &Client{
		endpoint: strings.TrimRight(endpoint, "/"),
		region:   region,
		creds:    sigv4.Credentials{AccessKeyID: accessKey, Secret: secret},
		http:     &http.Client{Transport: transport},
	}
}

// InRegion returns a client that differs in the Region only; connections are shared.
func (c *Client) InRegion(region string) *Client {
	other := *c
	other.region = region
	return &other
}

// WithToken returns a client with temporary credentials; connections are shared.
func (c *Client) WithToken(accessKey, secret, token string) *Client {
	other := *c
	other.creds = sigv4.Credentials{AccessKeyID: accessKey, Secret: secret, Token: token}
	return &other
}

// Region is the Region that requests are signed for.
func (c *Client) Region() string { return c.region }

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Call sends one action and waits for its answer:
//
//	out, err := client.Call[ec2.CreateVpcOutput](ctx, c, ec2.API, "CreateVpc", &ec2.CreateVpcInput{…})
//
// An error that the service answered with is an *awserr.Error in err's chain.
func Call[Out, In any](ctx context.Context, c *Client, api *proto.API, action string, in *In) (*Out, error) {
	out := new(Out)
	if err := c.call(ctx, api, action, in, out); err != nil {
		return nil, err
	}
	return out, nil
}

func (c *Client) call(ctx context.Context, api *proto.API, action string, in, out any) error {
	a, ok := api.Lookup(action)
	if !ok {
		return fmt.Errorf("calling %s %s: no such action in the model", api.Service, action)
	}
	if reflect.TypeOf(in) != reflect.TypeOf(a.NewInput()) || reflect.TypeOf(out) != reflect.TypeOf(a.NewOutput()) {
		return fmt.Errorf("calling %s %s: %T and %T are not its types", api.Service, action, in, out)
	}
	var body bytes.Buffer
	api.Protocol.EncodeInput(&body, api, action, in)
	header := http.Header{}
	api.Protocol.InputHeader(header, api, action)
	method, path := api.Protocol.Target(api, action, in)
	resp, err := c.Do(ctx, cmp.Or(api.Signing, api.Service), method, path, header, body.Bytes())
	if err != nil {
		return fmt.Errorf("calling %s %s: %w", api.Service, action, err)
	}
	defer resp.Body.Close()
	answer, err := readAll(resp.Body)
	if err != nil {
		return fmt.Errorf("calling %s %s: reading the answer: %w", api.Service, action, err)
	}
	if resp.StatusCode/100 != 2 {
		return api.Protocol.DecodeError(api, resp.StatusCode, answer)
	}
	api.Protocol.DecodeHeader(api, resp.Header, out)
	return api.Protocol.DecodeOutput(api, action, answer, out)
}

// Do sends a signed request to path (with its query) and returns the answer as it
// came, whatever its status; the caller closes its body. It serves what has no wire
// type: the /_localvpc/ extension.
func (c *Client) Do(ctx context.Context, service, method, path string, header http.Header, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.endpoint+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	r.Header.Set("User-Agent", "localvpc")
	sigv4.Sign(r, body, c.creds, c.region, service, time.Now())
	return c.http.Do(r)
}

func readAll(body io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err == nil && len(data) > maxAnswer {
		err = errors.New("it is larger than 256 MiB")
	}
	return data, err
}
