package apiserver

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/aws/client"
	"github.com/localvpc/localvpc/internal/aws/sigv4"
	wireec2 "github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// signature is an Authorization header for a scope; nobody verifies it yet.
func signature(key, region, service string) []string {
	return []string{"X-Amz-Date", "20261120T114000Z", "Authorization",
		"AWS4-HMAC-SHA256 Credential=" + key + "/20261120/" + region + "/" + service + "/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0", 64)}
}

func TestErrorsOfEachProtocol(t *testing.T) {
	b := start(t, Limits{})
	const ec2Error = "<Response><Errors><Error><Code>%</Code>"
	const stsError = `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%</Code>`
	for _, test := range []struct {
		name, body string
		header     []string
		status     int
		form, code string
		message    string
	}{
		{"an unknown action", "Action=Nonsense&Version=2016-11-15", signature("test", "us-east-1", "ec2"), 400, ec2Error, "InvalidAction", "The action Nonsense is not valid for this web service."},
		{"an action of AWS's that is not served", "Action=CreateFleet&Version=2016-11-15", signature("test", "us-east-1", "ec2"), 400, ec2Error, "InvalidAction", "CreateFleet"},
		{"another service's action", "Action=GetCallerIdentity&Version=2011-06-15", signature("test", "us-east-1", "ec2"), 400, ec2Error, "InvalidAction", "GetCallerIdentity"},
		{"an unknown action of sts", "Action=Nonsense&Version=2011-06-15", signature("test", "us-east-1", "sts"), 400, stsError, "InvalidAction", "Nonsense"},
		{"another version of sts", "Action=GetCallerIdentity&Version=2012-06-01", signature("test", "us-east-1", "sts"), 400, stsError, "InvalidAction", "Could not find operation GetCallerIdentity for version 2012-06-01"},
		{"no action", "Version=2016-11-15", signature("test", "us-east-1", "ec2"), 400, ec2Error, "MissingAction", "missing an action"},
		{"no action, to sts", "", signature("test", "us-east-1", "sts"), 400, stsError, "MissingAction", "missing an action"},
		{"no action, unsigned", "", nil, 400, ec2Error, "MissingAction", "missing an action"},
		{"an unknown service", "Action=ListBuckets", signature("test", "us-east-1", "s3"), 400, ec2Error, "InvalidAction", "The service s3 is not offered at this endpoint."},
		{"an unknown Region", "Action=DescribeVpcs&Version=2016-11-15", signature("test", "mars-1", "ec2"), 401, ec2Error, "AuthFailure", "mars-1"},
		{"an unknown Region, to sts", "Action=GetCallerIdentity&Version=2011-06-15", signature("test", "mars-1", "sts"), 403, stsError, "SignatureDoesNotMatch", "mars-1"},
		{"half a signature", "Action=DescribeVpcs&Version=2016-11-15", []string{"Authorization", "AWS4-HMAC-SHA256 Credential=test"}, 403, ec2Error, "IncompleteSignature", "Authorization header requires 'Signature' parameter."},
		{"another algorithm", "Action=DescribeVpcs&Version=2016-11-15", []string{"Authorization", "Bearer token"}, 403, ec2Error, "IncompleteSignature", "Bearer"},
		{"an unknown parameter", "Action=DescribeVpcs&Version=2016-11-15&Nonsense=1", signature("test", "us-east-1", "ec2"), 400, ec2Error, "UnknownParameter", "Nonsense"},
		{"a syntax error", "Action=DescribeVpcs&Version=2016-11-15&%zz=1", signature("test", "us-east-1", "ec2"), 400, ec2Error, "MalformedQueryString", "syntax"},
		{"text that is markup", "Action=%3Cscript%3E&Version=2016-11-15", signature("test", "us-east-1", "ec2"), 400, ec2Error, "InvalidAction", "The action &lt;script&gt; is not valid"},
		{"a long name", "Action=" + strings.Repeat("N", 5000) + "&Version=2016-11-15", signature("test", "us-east-1", "ec2"), 400, ec2Error, "InvalidAction", "N… is not valid"},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, body := b.ask(t, "POST", "/", test.body, test.header...)
			if resp.StatusCode != test.status || !strings.Contains(body, strings.Replace(test.form, "%", test.code, 1)) || !strings.Contains(body, test.message) {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			id := resp.Header.Get("x-amzn-RequestId")
			if len(id) != 36 || !strings.Contains(strings.ToLower(body), "<requestid>"+id+"</requestid>") {
				t.Errorf("request id %q, body %s", id, body)
			}
			if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/xml") {
				t.Errorf("content type %q", resp.Header.Get("Content-Type"))
			}
		})
	}
}

// TestWaysToAsk: one action in all the forms that clients send it.
func TestWaysToAsk(t *testing.T) {
	b := start(t, Limits{})
	const query = "Action=DescribeVpcs&Version=2016-11-15"
	presigned := "&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=123456789012%2F20261120%2Feu-west-1%2Fec2%2Faws4_request&X-Amz-Date=20261120T114000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=" + strings.Repeat("0", 64)
	for _, test := range []struct {
		name, method, path, body string
		header                   []string
		account, region          string
	}{
		{"POST", "POST", "/", query, signature("test", "eu-west-1", "ec2"), "000000000000", "eu-west-1"},
		{"POST for an account", "POST", "/", query, signature("123456789012", "us-east-1", "ec2"), "123456789012", "us-east-1"},
		{"POST with an access key", "POST", "/", query, signature("AKIAIOSFODNN7EXAMPLE", "us-east-1", "ec2"), "000000000000", "us-east-1"},
		{"POST with the query in the URL", "POST", "/?" + query, "", signature("test", "us-east-1", "ec2"), "000000000000", "us-east-1"},
		{"GET", "GET", "/?" + query, "", signature("test", "eu-west-1", "ec2"), "000000000000", "eu-west-1"},
		{"GET, presigned", "GET", "/?" + query + presigned, "", nil, "123456789012", "eu-west-1"},
		{"POST, presigned", "POST", "/?" + presigned[1:], query, nil, "123456789012", "eu-west-1"},
		{"GET, unsigned", "GET", "/?" + query, "", nil, "000000000000", "us-east-1"},
		{"GET, unsigned, without a version", "GET", "/?Action=DescribeVpcs", "", nil, "000000000000", "us-east-1"},
		{"GET, unsigned, by an endpoint's name", "GET", "/?" + query, "", []string{"Host", "ec2.eu-west-1.amazonaws.com"}, "000000000000", "eu-west-1"},
		{"GET, unsigned, by a name for both families", "GET", "/?" + query, "", []string{"Host", "ec2.eu-west-1.api.aws"}, "000000000000", "eu-west-1"},
		{"GET, unsigned, by this machine's name with a Region", "GET", "/?" + query, "", []string{"Host", "ec2.eu-west-1.localhost:4566"}, "000000000000", "eu-west-1"},
		{"GET, unsigned, by a Region of this machine", "GET", "/?" + query, "", []string{"Host", "EU-west-1.localhost."}, "000000000000", "eu-west-1"},
		{"GET, unsigned, by localstack's name with a Region", "GET", "/?" + query, "", []string{"Host", "ec2.eu-west-1.localhost.localstack.cloud"}, "000000000000", "eu-west-1"},
		{"GET, unsigned, by this machine's name with something else", "GET", "/?" + query, "", []string{"Host", "web.localhost"}, "000000000000", "us-east-1"},
		{"GET, unsigned, by an endpoint without a Region", "GET", "/?" + query, "", []string{"Host", "ec2.amazonaws.com"}, "000000000000", "us-east-1"},
		{"another content type", "POST", "/", query, append(signature("test", "us-east-1", "ec2"), "Content-Type", "text/plain"), "000000000000", "us-east-1"},
		{"another path", "POST", "//", query, signature("test", "us-east-1", "ec2"), "000000000000", "us-east-1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, body := b.ask(t, test.method, test.path, test.body, test.header...)
			if resp.StatusCode != 200 || !strings.Contains(body, "<ownerId>"+test.account+"</ownerId>") {
				t.Fatalf("%d %s", resp.StatusCode, body)
			}
			if id := resp.Header.Get("x-amzn-RequestId"); !strings.Contains(body, "<requestId>"+id+"</requestId>") {
				t.Errorf("request id %q, body %s", id, body)
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.caller.Region != test.region || !b.caller.SourceIP.IsLoopback() {
				t.Errorf("caller %+v", b.caller)
			}
		})
	}
}

// TestSignedByUs: what our own signer makes is understood, in header and query.
func TestSignedByUs(t *testing.T) {
	b := start(t, Limits{})
	r, err := http.NewRequest("GET", b.url+"/?Action=DescribeVpcs&Version=2016-11-15", nil)
	if err != nil {
		t.Fatal(err)
	}
	sigv4.Sign(r, nil, sigv4.Credentials{AccessKeyID: "123456789012", Secret: "x"}, "eu-west-1", "ec2", time.Now())
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || b.caller.Account != "123456789012" || b.caller.Region != "eu-west-1" {
		t.Errorf("%s, caller %+v", resp.Status, b.caller)
	}
}

// TestMutatingCallsWait: for the data plane, and not for ever.
func TestMutatingCallsWait(t *testing.T) {
	b := start(t, Limits{})
	c := client.New(b.url, "us-east-1", "test", "test")
	defer c.Close()
	create := func() error {
		_, err := client.Call[wireec2.CreateVpcOutput](t.Context(), c, wireec2.API, "CreateVpc", &wireec2.CreateVpcInput{CidrBlock: new("10.0.0.0/16")})
		return err
	}
	settling, settle := make(chan uint64), make(chan struct{})
	b.runner.SettleTime = time.Minute
	b.runner.Settle = func(ctx context.Context, index uint64) error {
		settling <- index
		<-settle
		return nil
	}
	answered := make(chan error, 1)
	go func() { answered <- create() }()
	if index := <-settling; index == 0 {
		t.Error("no commit is waited for")
	}
	select {
	case err := <-answered:
		t.Errorf("answered before it has settled: %v", err)
	default:
	}
	if resp, body := b.ask(t, "POST", "/", "Action=DescribeVpcs&Version=2016-11-15"); resp.StatusCode != 200 {
		t.Errorf("reading waits for writing: %d %s", resp.StatusCode, body)
	}
	close(settle)
	if err := <-answered; err != nil {
		t.Error(err)
	}

	b.runner.SettleTime = time.Millisecond
	b.runner.Settle = func(ctx context.Context, index uint64) error {
		<-ctx.Done()
		return ctx.Err()
	}
	if err := create(); err != nil {
		t.Errorf("the commit stands when the data plane lags: %v", err)
	}
}

// TestHangUp: a caller that goes away does not stop half way what it asked for.
func TestHangUp(t *testing.T) {
	b := start(t, Limits{})
	settled := make(chan error, 1)
	hungUp, started := make(chan struct{}), make(chan struct{})
	b.runner.SettleTime = time.Minute
	b.runner.Settle = func(ctx context.Context, _ uint64) error {
		close(started)
		<-hungUp
		settled <- ctx.Err()
		return nil
	}
	c := b.raw(t, "GET /?Action=CreateVpc&CidrBlock=10.0.0.0/16&Version=2016-11-15 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-started
	c.Close()
	close(hungUp)
	if err := <-settled; err != nil {
		t.Error(err)
	}
	<-b.closed
}
