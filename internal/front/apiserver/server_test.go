package apiserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	wireec2 "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	wirests "github.com/localvpc/localvpc/internal/aws/wire/sts"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// bench is a server with a few actions, on a listener of its own.
type bench struct {
	*Server
	url     string
	addr    string
	control *fakeControl
	runner  *service.Runner
	closed  chan struct{} // one for each connection that the server has closed

	mu     sync.Mutex
	log    bytes.Buffer
	caller service.Caller // of the last action
}

func (b *bench) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(p)
}

func (b *bench) logged() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

// long is the size of the longest answer in bytes: no socket buffers it all.
const long = 32 << 20

func (b *bench) actions() []service.Action {
	return []service.Action{
		service.Read("DescribeVpcs", func(_ state.Reader, c service.Caller, in *wireec2.DescribeVpcsInput) (*wireec2.DescribeVpcsOutput, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.caller = c
			return &wireec2.DescribeVpcsOutput{Vpcs: []wireec2.Vpc{{VpcId: new("vpc-1"), OwnerId: new(c.Account)}}}, nil
		}),
		service.Read("DescribeSubnets", func(state.Reader, service.Caller, *wireec2.DescribeSubnetsInput) (*wireec2.DescribeSubnetsOutput, error) {
			return &wireec2.DescribeSubnetsOutput{NextToken: new(strings.Repeat("x", long))}, nil
		}),
		service.Read("DescribeImages", func(state.Reader, service.Caller, *wireec2.DescribeImagesInput) (*wireec2.DescribeImagesOutput, error) {
			panic("what only the log may say")
		}),
		service.Read("DescribeTags", func(state.Reader, service.Caller, *wireec2.DescribeTagsInput) (*wireec2.DescribeTagsOutput, error) {
			return nil, fmt.Errorf("what only the log may say")
		}),
		service.Write("CreateVpc", func(tx *state.Tx, c service.Caller, in *wireec2.CreateVpcInput) (*wireec2.CreateVpcOutput, error) {
			state.Vpcs.Put(tx, &state.Vpc{Meta: state.Meta{Key: c.Scope.Key("vpc-2"), Created: tx.Now()}})
			return &wireec2.CreateVpcOutput{Vpc: &wireec2.Vpc{VpcId: new("vpc-2")}}, nil
		}),
	}
}

func start(t *testing.T, limits Limits) *bench {
	t.Helper()
	store, err := state.Open(state.Config{Now: time.Now, Rand: rand.NewChaCha8([32]byte{})})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{control: &fakeControl{committed: 7}, closed: make(chan struct{}, 100), runner: &service.Runner{Store: store}}
	actions := map[string]service.Action{}
	for _, a := range b.actions() {
		actions[a.Name] = a
	}
	identity := service.Read("GetCallerIdentity", func(_ state.Reader, c service.Caller, _ *wirests.GetCallerIdentityInput) (*wirests.GetCallerIdentityOutput, error) {
		return &wirests.GetCallerIdentityOutput{Account: new(c.Account)}, nil
	})
	b.Server = New(Config{
		Services: []Service{
			{API: wireec2.API, Signing: "ec2", Actions: actions},
			{API: wirests.API, Signing: "sts", Actions: map[string]service.Action{identity.Name: identity}},
		},
		Runner: b.runner, Control: b.control, Account: "000000000000", Region: "us-east-1", Limits: limits,
		Regions: func(name string) bool { return name == "us-east-1" || name == "eu-west-1" },
		Log:     slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.addr = l.Addr().String()
	b.url = "http://" + b.addr
	served := make(chan error, 1)
	go func() { served <- b.Serve(noting{l, b.closed}) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := b.Shutdown(ctx); err != nil {
			t.Errorf("the server does not end: %v", err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// noting tells when the server closes a connection.
type noting struct {
	net.Listener
	closed chan<- struct{}
}

func (n noting) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &counted{Conn: c, done: func() { n.closed <- struct{}{} }}, nil
}

// raw sends text on a connection of its own and returns it.
func (b *bench) raw(t *testing.T, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// ask sends a request and returns the answer with its body.
func (b *bench) ask(t *testing.T, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func TestWhoMayAsk(t *testing.T) {
	b := start(t, Limits{})
	acted := int32(0)
	for _, test := range []struct {
		name   string
		header []string
		status int
	}{
		{"loopback", nil, 200},
		{"another address of loopback", []string{"Host", "127.8.9.1:4566"}, 200},
		{"loopback in IPv6", []string{"Host", "[::1]:4566"}, 200},
		{"loopback in IPv6, mapped", []string{"Host", "[::ffff:127.0.0.1]:4566"}, 200},
		{"localhost", []string{"Host", "localhost:4566"}, 200},
		{"localhost in capitals with a dot", []string{"Host", "LocalHost.:4566"}, 200},
		{"a name below localhost", []string{"Host", "ec2.localhost"}, 200},
		{"an endpoint", []string{"Host", "ec2.us-east-1.amazonaws.com"}, 200},
		{"an endpoint in capitals", []string{"Host", "EC2.US-EAST-1.AMAZONAWS.COM"}, 200},
		{"a dual stack endpoint", []string{"Host", "ec2.us-east-1.api.aws"}, 200},
		{"awslocal's endpoint", []string{"Host", "localhost.localstack.cloud:4566"}, 200},
		{"an address that means any", []string{"Host", "0.0.0.0:4566"}, 403},
		{"a name of the attacker's", []string{"Host", "rebound.example:4566"}, 403},
		{"a name that only ends alike", []string{"Host", "evilamazonaws.com"}, 403},
		{"a name that only begins alike", []string{"Host", "localhost.evil.example"}, 403},
		{"an address in a name", []string{"Host", "127.0.0.1.evil.example"}, 403},
		{"a private address", []string{"Host", "192.168.0.10:4566"}, 403},
		{"no name", []string{"Host", ":4566"}, 403},
		{"a page of this machine", []string{"Origin", "http://localhost:3000"}, 200},
		{"a page of this machine in IPv6", []string{"Origin", "https://[::1]:3000"}, 200},
		{"a page of this machine, by another of its names", []string{"Origin", "http://localhost:3000", "Sec-Fetch-Site", "cross-site"}, 200},
		{"a page elsewhere", []string{"Origin", "https://evil.example"}, 403},
		{"a page of a bucket", []string{"Origin", "https://bucket.s3.amazonaws.com"}, 403},
		{"a page elsewhere that resembles", []string{"Origin", "http://127.0.0.1.evil.example"}, 403},
		{"a page without an origin", []string{"Origin", "null"}, 403},
		{"a page in a file", []string{"Origin", "file://localhost"}, 403},
		{"an image in a page elsewhere", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a link that the user has typed", []string{"Sec-Fetch-Site", "none"}, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, body := b.ask(t, "GET", "/?Action=DescribeVpcs&Version=2016-11-15", "", test.header...)
			if resp.StatusCode != test.status {
				t.Errorf("AWS: %d %s", resp.StatusCode, body)
			}
			if test.status == 403 && (!strings.Contains(body, "<Code>AccessDenied</Code>") || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/xml")) {
				t.Errorf("AWS: %v %s", resp.Header, body)
			}
			if test.status == 200 {
				acted++
			}
			resp, body = b.ask(t, "POST", "/_localvpc/reset", "", test.header...)
			if resp.StatusCode != test.status {
				t.Errorf("control: %d %s", resp.StatusCode, body)
			}
			if test.status == 403 && !strings.Contains(body, `"Code":"AccessDenied"`) {
				t.Errorf("control: %s", body)
			}
		})
	}
	if got := b.control.resets.Load(); got != acted {
		t.Errorf("%d resets, want %d: a request that is refused must not act", got, acted)
	}
}

// TestTwoOrigins: whoever checks must not look at the first only.
func TestTwoOrigins(t *testing.T) {
	b := start(t, Limits{})
	c := b.raw(t, "POST /_localvpc/reset HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n")
	answer, _ := io.ReadAll(c)
	if !bytes.Contains(answer, []byte("403 Forbidden")) || b.control.resets.Load() != 0 {
		t.Errorf("%s", answer)
	}
}

func TestRequestsAreBounded(t *testing.T) {
	b := start(t, Limits{Body: 1000, Header: 8 << 10})
	form := "Action=DescribeVpcs&Version=2016-11-15&VpcId.1="
	if resp, body := b.ask(t, "POST", "/", form+strings.Repeat("v", 900)); resp.StatusCode != 200 {
		t.Errorf("below the bound: %d %s", resp.StatusCode, body)
	}
	resp, body := b.ask(t, "POST", "/", form+strings.Repeat("v", 1000))
	if resp.StatusCode != 413 || !strings.Contains(body, "<Code>RequestEntityTooLarge</Code>") {
		t.Errorf("a length above the bound: %d %s", resp.StatusCode, body)
	}
	c := b.raw(t, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n"+strings.Repeat("v", 1001)+"\r\n0\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 413 {
		t.Errorf("chunks above the bound: %v %v", resp, err)
	}
	resp, body = b.ask(t, "POST", "/_localvpc/images", strings.Repeat(" ", 1001))
	if resp.StatusCode != 413 || !strings.Contains(body, "RequestEntityTooLarge") {
		t.Errorf("control, images: %d %s", resp.StatusCode, body)
	}
	resp, body = b.ask(t, "POST", "/_localvpc/explain", `{"Source":"`+strings.Repeat("x", 1000)+`"}`)
	if resp.StatusCode != 413 || !strings.Contains(body, "RequestEntityTooLarge") {
		t.Errorf("control, explain: %d %s", resp.StatusCode, body)
	}
	c = b.raw(t, "GET / HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("v", 16<<10)+"\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header above the bound: %v %v", resp, err)
	}
}

// TestSlowClientsAreCut: whatever is half sent or not taken is given up.
func TestSlowClientsAreCut(t *testing.T) {
	const soon = 50 * time.Millisecond
	short := Limits{HeaderTime: soon, BodyTime: soon, IdleTime: soon}
	const post = "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{\"Source\":"
	for _, test := range []struct{ name, sent, answer string }{
		{"nothing", "", ""},
		{"half a header", "GET / HTTP/1.1\r\nHost: loc", ""},
		{"half a body", fmt.Sprintf(post, "/"), "<Code>RequestTimeout</Code>"},
		{"half a body of a request that is refused", strings.Replace(fmt.Sprintf(post, "/"), "localhost", "evil.example", 1), "<Code>AccessDenied</Code>"},
		{"half a body for control", fmt.Sprintf(post, "/_localvpc/explain"), `"Code":"RequestTimeout"`},
		{"half a body for exec", strings.Replace(fmt.Sprintf(post, "/_localvpc/exec"), "\r\n\r\n", "\r\nUpgrade: localvpc-exec/1\r\nConnection: Upgrade\r\n\r\n", 1), `"Code":"RequestTimeout"`},
		{"a body that no path reads", fmt.Sprintf(post, "/_localvpc/reset"), "{}"},
		{"nothing after a request", "GET /_localvpc/health HTTP/1.1\r\nHost: localhost\r\n\r\n", `"Version"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := start(t, short)
			c := b.raw(t, test.sent)
			answer, err := io.ReadAll(c)
			if errors.Is(err, syscall.ECONNRESET) {
				<-b.closed
				return // cut before all that was sent was read, on a busy machine
			}
			if err != nil {
				t.Fatalf("the connection is not closed: %v", err)
			}
			if !bytes.Contains(answer, []byte(test.answer)) || (test.answer == "") != (len(answer) == 0) {
				t.Errorf("answer %q", answer)
			}
			<-b.closed
		})
	}
	short.AnswerTime = soon
	t.Run("an answer that nobody takes", func(t *testing.T) {
		b := start(t, short)
		b.raw(t, "GET /?Action=DescribeSubnets&Version=2016-11-15 HTTP/1.1\r\nHost: localhost\r\n\r\n")
		<-b.closed
	})
	t.Run("a stream that nobody takes", func(t *testing.T) {
		b := start(t, short)
		b.control.endless = true
		b.raw(t, "GET /_localvpc/changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
		<-b.closed
	})
}

// TestConnectionsAreBounded: one too many waits until another ends.
func TestConnectionsAreBounded(t *testing.T) {
	b := start(t, Limits{Connections: 1})
	const health = "GET /_localvpc/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
	first := b.raw(t, health)
	if _, err := http.ReadResponse(bufio.NewReader(first), nil); err != nil {
		t.Fatal(err)
	}
	second := b.raw(t, health)
	first.Close()
	if _, err := http.ReadResponse(bufio.NewReader(second), nil); err != nil {
		t.Fatal(err)
	}
	// And the end does not wait for a place: see the cleanup.
}

func TestPanicsAndCauses(t *testing.T) {
	b := start(t, Limits{})
	for _, action := range []string{"DescribeImages", "DescribeTags"} {
		resp, body := b.ask(t, "POST", "/", "Version=2016-11-15&Action="+action)
		if resp.StatusCode != 500 || !strings.Contains(body, "<Code>InternalError</Code>") || !strings.Contains(body, "<RequestID>"+resp.Header.Get("x-amzn-RequestId")+"</RequestID>") {
			t.Errorf("%s: %d %s", action, resp.StatusCode, body)
		}
		if strings.Contains(body, "only the log") || strings.Contains(body, "goroutine") {
			t.Errorf("%s: the cause leaks: %s", action, body)
		}
	}
	if log := b.logged(); strings.Count(log, "what only the log may say") < 2 || !strings.Contains(log, "a handler panicked") {
		t.Errorf("the log does not say why:\n%s", log)
	}
	b.control.fail = func() error { panic("what only the log may say") }
	resp, body := b.ask(t, "POST", "/_localvpc/reset", "")
	if resp.StatusCode != 500 || !strings.Contains(body, `"Code":"InternalError"`) || !strings.Contains(body, resp.Header.Get("x-amzn-RequestId")) || strings.Contains(body, "only the log") {
		t.Errorf("control: %d %s", resp.StatusCode, body)
	}
	b.control.fail = func() error { return fmt.Errorf("what only the log may say") }
	resp, body = b.ask(t, "POST", "/_localvpc/reset", "")
	if resp.StatusCode != 500 || !strings.Contains(body, `"Code":"InternalError"`) || strings.Contains(body, "only the log") {
		t.Errorf("control: %d %s", resp.StatusCode, body)
	}
	b.control.fail = func() error { return awserr.New("InvalidParameterValue", "that is nothing") }
	if resp, body = b.ask(t, "POST", "/_localvpc/reset", ""); resp.StatusCode != 400 || !strings.Contains(body, `"Message":"that is nothing"`) {
		t.Errorf("control: %d %s", resp.StatusCode, body)
	}
	if resp, body := b.ask(t, "POST", "/", "Version=2016-11-15&Action=DescribeVpcs"); resp.StatusCode != 200 {
		t.Errorf("afterwards: %d %s", resp.StatusCode, body)
	}
}

// TestShutdownEndsStreams: what lasts for ever does not keep the end waiting,
// what is under way is answered.
func TestShutdownEndsStreams(t *testing.T) {
	b := start(t, Limits{})
	b.control.waiting = make(chan struct{}, 10)
	c := b.raw(t, "GET /_localvpc/changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
	d := b.raw(t, "GET /_localvpc/settled?index=99 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	silent := b.raw(t, "")
	half := b.raw(t, "GET / HT")
	b.ask(t, "GET", "/_localvpc/health", "") // so that they have been accepted
	<-b.control.waiting
	<-b.control.waiting
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // http.Server would wait for 5
	defer cancel()
	if err := b.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{silent, half} {
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("a connection without a request stays open: %v", err)
		}
	}
	if text, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(text), "\r\n0\r\n\r\n") {
		t.Errorf("the stream does not end in order: %q %v", text, err)
	}
	if text, err := io.ReadAll(d); err != nil || !strings.Contains(string(text), "RequestExpired") {
		t.Errorf("who waits is not answered: %q %v", text, err)
	}
}
