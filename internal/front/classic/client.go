package classic

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go/logging"
	stack "github.com/aws/smithy-go/middleware"
)

// awsHost is the host of AWS's own endpoint of EC2, which names the Region or,
// as it did at first, us-east-1 without naming it.
var awsHost = regexp.MustCompile(`^(?:ec2\.)?(?:([a-z]{2,4}(?:-[a-z]+)+-\d)\.)?(?:ec2\.)?(?:amazonaws\.com|amazonaws\.com\.cn|api\.aws)$`)

// target is where the requests go. Its URL is empty for AWS's endpoint of the
// Region: the SDK knows it.
type target struct {
	url, region string
	local       bool // by LOCALVPC_URL, or for want of any other
}

// target follows the tools' order: options, their variables, then ours and
// AWS's. As with the tools, --region takes the place of the URL; one of an
// endpoint that is not AWS's own stays, because it serves every Region.
func (r *run) target(env func(string) string) (target, error) {
	d := r.cfg.Defaults()
	t := target{url: cmp.Or(*r.url, env("EC2_URL")), region: *r.region}
	if t.url == "" {
		aws := cmp.Or(env("AWS_ENDPOINT_URL_EC2"), env("AWS_ENDPOINT_URL"))
		t.url = cmp.Or(env("LOCALVPC_URL"), aws, d.URL)
		t.local = t.url != "" && t.url != aws
	}
	var named string // by the URL
	if t.url != "" {
		if !strings.Contains(t.url, "://") {
			t.url = "http://" + t.url
		}
		u, err := url.Parse(t.url)
		if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
			return t, usage("Invalid URL '%s': it is like 'https://ec2.eu-west-1.amazonaws.com' or 'http://127.0.0.1:4566'", t.url)
		}
		if m := awsHost.FindStringSubmatch(u.Hostname()); m != nil {
			t.url, named = "", cmp.Or(m[1], "us-east-1")
		}
	}
	t.region = cmp.Or(t.region, named, env("AWS_REGION"), env("AWS_DEFAULT_REGION"))
	if t.region == "" && !t.local {
		values, _, err := profile(env, cmp.Or(env("AWS_PROFILE"), "default"))
		if err != nil {
			return t, err
		}
		t.region = values["region"]
	}
	t.region = cmp.Or(t.region, "us-east-1")
	return t, nil
}

// client is the SDK's, for one run.
func (r *run) client() (*ec2.Client, error) {
	if *r.privateKey != "" || *r.cert != "" {
		return nil, usage("EC2 takes no X.509 signatures any more: use -O and -W in place of -K and -C")
	}
	t, err := r.target(os.Getenv)
	if err != nil {
		return nil, err
	}
	r.at = t
	keys, err := r.credentials(os.Getenv, t.local)
	if err != nil {
		return nil, err
	}
	o := ec2.Options{
		Region: t.region, BaseEndpoint: given(t.url), Credentials: aws.NewCredentialsCache(keys),
		HTTPClient: &http.Client{
			Timeout: seconds(*r.answerTimeout),
			Transport: &http.Transport{
				Proxy:               http.ProxyFromEnvironment,
				DialContext:         (&net.Dialer{Timeout: seconds(*r.connectTimeout)}).DialContext,
				TLSHandshakeTimeout: seconds(max(*r.connectTimeout, 10)),
			},
		},
	}
	if *r.verbose || *r.debug {
		o.APIOptions = append(o.APIOptions, r.narrate(cmp.Or(t.url, t.region)))
	}
	if *r.debug {
		o.ClientLogMode = aws.LogRequestWithBody | aws.LogResponseWithBody
		o.Logger = logging.NewStandardLogger(r.cfg.Stderr)
	}
	return ec2.New(o), nil
}

// narrate prints each request and the id of its answer. What -v printed is in
// no source: the tools' messages were those of another protocol.
func (r *run) narrate(to string) func(*stack.Stack) error {
	return func(s *stack.Stack) error {
		return s.Initialize.Add(stack.InitializeMiddlewareFunc("classic.narrate", func(ctx context.Context, in stack.InitializeInput, next stack.InitializeHandler) (stack.InitializeOutput, stack.Metadata, error) {
			out, meta, err := next.HandleInitialize(ctx, in)
			id, _ := middleware.GetRequestIDMetadata(meta)
			fmt.Fprintf(r.cfg.Stderr, "REQUEST\t%s\t%s\t%s\n", middleware.GetOperationName(ctx), to, id)
			return out, meta, err
		}), stack.Before)
	}
}
