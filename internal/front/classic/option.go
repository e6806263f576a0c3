package classic

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/spf13/pflag"
)

// run is one run of a command: the options that all have, and where it prints.
type run struct {
	cfg   Config
	flags *pflag.FlagSet
	out   lines
	at    target // once there is a client

	accessKey, secretKey, token   *string
	url, region                   *string
	privateKey, cert              *string
	dryRun                        *bool
	headers, showEmpty, hideTags  *bool
	verbose, debug                *bool
	connectTimeout, answerTimeout *int
}

// general declares the general options.
func (r *run) general() {
	f := r.flags
	r.accessKey = f.StringP("aws-access-key", "O", "", "access key (default: $AWS_ACCESS_KEY, then the SDK's)")
	r.secretKey = f.StringP("aws-secret-key", "W", "", "secret key (default: $AWS_SECRET_KEY, then the SDK's)")
	r.token = f.StringP("security-token", "T", "", "session token (default: $AWS_DELEGATION_TOKEN)")
	r.url = f.StringP("url", "U", "", "endpoint (default: $EC2_URL, $LOCALVPC_URL, $AWS_ENDPOINT_URL_EC2, $AWS_ENDPOINT_URL)")
	r.region = f.String("region", "", "Region; takes the place of an endpoint of AWS's (default: that of the endpoint, $AWS_REGION, $AWS_DEFAULT_REGION, us-east-1)")
	r.dryRun = f.BoolP("auth-dry-run", "D", false, "only ask whether it would be allowed")
	r.verbose = f.BoolP("verbose", "v", false, "print each request and its id on standard error")
	r.headers = f.BoolP("headers", "H", false, "print column headers")
	r.debug = f.Bool("debug", false, "print requests and answers on standard error")
	r.showEmpty = f.Bool("show-empty-fields", false, "print (nil) for an empty field")
	r.hideTags = f.Bool("hide-tags", false, "print no tags")
	r.connectTimeout = f.Int("connection-timeout", 0, "seconds to wait for a connection")
	r.answerTimeout = f.Int("request-timeout", 0, "seconds to wait for an answer")
	r.privateKey = f.StringP("private-key", "K", "", "not offered: EC2 takes no X.509 signatures any more")
	r.cert = f.StringP("cert", "C", "", "not offered")
	for _, name := range []string{"private-key", "cert"} {
		f.Lookup(name).Hidden = true
	}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// filterOption declares -F.
func (r *run) filterOption() *[]string {
	return r.flags.StringArrayP("filter", "F", nil, "NAME=VALUE; again with the same name for another value, with another name for one more condition")
}

// filters reads the values of -F: those of one name are alternatives.
func filters(values []string) ([]types.Filter, error) {
	var out []types.Filter
	at := map[string]int{}
	for _, v := range values {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return nil, usage("Invalid filter '%s': it is like 'instance-state-name=running'", v)
		}
		i, seen := at[name]
		if !seen {
			i = len(out)
			at[name] = i
			out = append(out, types.Filter{Name: &name})
		}
		out[i].Values = append(out[i].Values, value)
	}
	return out, nil
}

// one is the argument of a command that takes exactly one.
func one(name string, args []string) (string, error) {
	switch {
	case len(args) == 0:
		return "", missing("parameter", name)
	case len(args) > 1:
		return "", unexpected(args[1:])
	}
	return args[0], nil
}

func unexpected(args []string) error {
	return usage("Unexpected parameter %s", quoted(args))
}

func quoted(args []string) string {
	var out []string
	for _, a := range args {
		out = append(out, fmt.Sprintf("'%s'", a))
	}
	return strings.Join(out, ", ")
}

// given is the value, nil where it is empty, as the API tells what is not said.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// split parts values by a prefix of AWS's ids: names and addresses from ids.
func split(values []string, prefix string) (ids, names []string) {
	for _, v := range values {
		if strings.HasPrefix(v, prefix) {
			ids = append(ids, v)
		} else {
			names = append(names, v)
		}
	}
	return ids, names
}
