package dyndns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/localvpc/localvpc/internal/front/classic"
)

// Tries of one request: throttling and PriorRequestNotComplete are tried again by
// the SDK, with growing pauses, and so is a network that is not there yet.
const (
	tries    = 10
	mostWait = 20 * time.Second
	syncTime = 5 * time.Minute // for all name servers to have a change
)

// maxText bounds what is read of a category of the metadata, in octets.
const maxText = 64 << 10

// retryer waits longer before each try. What AWS says to try again the SDK knows:
// Throttling and PriorRequestNotComplete among it.
func retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = tries, mostWait })
}

// metadata is the instance's own, by the SDK.
type metadata struct{ client *imds.Client }

func (m metadata) Text(ctx context.Context, path string) (string, error) {
	out, err := m.client.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusNotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer out.Content.Close()
	text, err := io.ReadAll(io.LimitReader(out.Content, maxText))
	return strings.TrimSpace(string(text)), err
}

func (m metadata) Identity(ctx context.Context) (Identity, error) {
	out, err := m.client.GetInstanceIdentityDocument(ctx, &imds.GetInstanceIdentityDocumentInput{})
	if err != nil {
		return Identity{}, err
	}
	return Identity{out.AccountID, out.Region, out.InstanceID}, nil
}

// connect gives the agent its clients. url is an endpoint for all services; empty
// are the variables of the SDK, then AWS's own.
func (a *Agent) connect(ctx context.Context, env func(string) string, url, region string) error {
	meta := metadata{imds.New(imds.Options{})}
	a.Metadata = meta
	if region = cmp.Or(region, env("AWS_REGION"), env("AWS_DEFAULT_REGION")); region == "" {
		id, err := meta.Identity(ctx)
		if err != nil {
			return fmt.Errorf("asking the instance's metadata who it is (this command is for EC2 instances): %w", err)
		}
		a.id, region = id, id.Region
	}
	keys, err := classic.Chain(env, errors.New("the instance has no role: launch it with an instance profile, or associate one"))
	if err != nil {
		return err
	}
	cached := aws.NewCredentialsCache(keys)
	at := func(service string) *string {
		if u := cmp.Or(url, env("AWS_ENDPOINT_URL_"+service), env("AWS_ENDPOINT_URL")); u != "" {
			return &u
		}
		return nil
	}
	zones := route53.New(route53.Options{Region: region, Credentials: cached, BaseEndpoint: at("ROUTE_53"), Retryer: retryer()})
	a.Zones = zones
	a.Compute = ec2.New(ec2.Options{Region: region, Credentials: cached, BaseEndpoint: at("EC2"), Retryer: retryer()})
	a.InSync = func(ctx context.Context, change string) error {
		w := route53.NewResourceRecordSetsChangedWaiter(zones, func(o *route53.ResourceRecordSetsChangedWaiterOptions) {
			o.MinDelay, o.MaxDelay = 2*time.Second, mostWait
		})
		return w.Wait(ctx, &route53.GetChangeInput{Id: &change}, syncTime)
	}
	return nil
}
