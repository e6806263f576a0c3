// Package sts is what may be asked of AWS STS: who is calling, and temporary
// credentials.
//
// Invariant: it changes nothing: a session is its token, which only the holder of
// the seal can make or open. Who may have one is decided by the policies of the
// role and of the caller.
package sts

import (
	"fmt"
	"io"
	"strings"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/sts"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/service/access"
	"github.com/localvpc/localvpc/internal/state"
)

// Config is what the service cannot find in the state.
type Config struct {
	// Account is the account of access keys that do not name another: 12 digits.
	Account string
	Seal    session.Seal
	Library *authz.Library // documents that were read; nil: one of its own
}

// Service serves the actions; it has no state of its own.
type Service struct{ cfg Config }

// New makes the service.
func New(cfg Config) *Service {
	if cfg.Library == nil {
		cfg.Library = &authz.Library{}
	}
	return &Service{cfg: cfg}
}

// Actions lists every action that is served, once. Those that give credentials
// change nothing, but need what only a transaction has: chance, and the time.
func (s *Service) Actions() []service.Action {
	return []service.Action{
		service.Write("AssumeRole", s.AssumeRole),
		service.Read("DecodeAuthorizationMessage", s.DecodeAuthorizationMessage),
		service.Read("GetAccessKeyInfo", s.GetAccessKeyInfo),
		service.Read("GetCallerIdentity", s.GetCallerIdentity),
		service.Write("GetFederationToken", s.GetFederationToken),
		service.Write("GetSessionToken", s.GetSessionToken),
	}
}

// GetCallerIdentity says who is calling. It needs no permission.
func (s *Service) GetCallerIdentity(_ state.Reader, c authz.Caller, _ *api.GetCallerIdentityInput) (*api.GetCallerIdentityOutput, error) {
	return &api.GetCallerIdentityOutput{Account: &c.Account, Arn: &c.ARN, UserId: &c.UserID}, nil
}

// GetAccessKeyInfo gives the account of an access key: an issued key's is known, a
// key of 12 digits is that account's, any other the default account's.
func (s *Service) GetAccessKeyInfo(r state.Reader, _ authz.Caller, in *api.GetAccessKeyInfoInput) (*api.GetAccessKeyInfoOutput, error) {
	if in.AccessKeyId == nil || *in.AccessKeyId == "" {
		return nil, awserr.New("ValidationError", "1 validation error detected: Value null at 'accessKeyId' failed to satisfy constraint: Member must not be null")
	}
	account := s.cfg.Account
	if key := *in.AccessKeyId; len(key) == 12 && strings.Trim(key, "0123456789") == "" {
		account = key
	}
	for k := range state.AccessKeys.By(r, state.ByUnique, *in.AccessKeyId) {
		account = k.Account
	}
	return &api.GetAccessKeyInfoOutput{Account: &account}, nil
}

// DecodeAuthorizationMessage opens the message of an UnauthorizedOperation error.
func (s *Service) DecodeAuthorizationMessage(_ state.Reader, _ authz.Caller, in *api.DecodeAuthorizationMessageInput) (*api.DecodeAuthorizationMessageOutput, error) {
	text, err := s.cfg.Seal.OpenMessage(*in.EncodedMessage)
	if err != nil {
		return nil, awserr.New("InvalidAuthorizationMessageException", "Message is not valid")
	}
	return &api.DecodeAuthorizationMessageOutput{DecodedMessage: ptr(string(text))}, nil
}

// issue makes the credentials of a session that begins now.
func (s *Service) issue(tx *state.Tx, v session.Session, duration int32) (*api.Credentials, error) {
	var chance [5]byte
	if _, err := io.ReadFull(tx.Rand(), chance[:]); err != nil {
		return nil, fmt.Errorf("making a session: %w", err)
	}
	v.AccessKey = s.cfg.Seal.KeyID(session.Temporary, chance)
	v.Issued = tx.Now().Truncate(time.Second)
	v.Expires = v.Issued.Add(time.Duration(duration) * time.Second)
	secret, token := s.cfg.Seal.Credentials(&v)
	return &api.Credentials{AccessKeyId: &v.AccessKey, SecretAccessKey: &secret, SessionToken: &token, Expiration: &v.Expires}, nil
}

// maxPolicy is how many characters policies and tags of a session may have.
const maxPolicy = 2048

// limit sets the policies that a session is limited to, and says how much of the
// room they take, in percent.
func (s *Service) limit(r state.Reader, v *session.Session, policy *string, arns []api.PolicyDescriptorType) (*int32, error) {
	if policy == nil && len(arns) == 0 && len(v.Tags) == 0 {
		return nil, nil
	}
	size := 0
	if policy != nil {
		if _, err := authz.Parse(*policy, authz.Identity); err != nil {
			return nil, awserr.New("MalformedPolicyDocument", "%s", err.Error())
		}
		v.Policy = *policy
		size += len(authz.Minify(*policy))
	}
	if len(arns) > 10 {
		return nil, awserr.New("ValidationError", "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to 10")
	}
	for _, p := range arns {
		arn := val(p.Arn)
		if _, ok := s.cfg.Library.Managed(r, arn); !ok || !strings.HasPrefix(arn, "arn:aws:iam::aws:") && !strings.HasPrefix(arn, "arn:aws:iam::"+v.Account+":") {
			return nil, awserr.New("ValidationError", "Policy %s does not exist or is not of the account of the session.", awserr.Clip(arn))
		}
		v.PolicyArns = append(v.PolicyArns, arn)
		size += len(arn)
	}
	for _, t := range v.Tags {
		size += len(t.Key) + len(t.Value)
	}
	percent := int32((size*100 + maxPolicy - 1) / maxPolicy)
	if percent > 100 {
		return nil, awserr.New("PackedPolicyTooLarge", "Packed size of session tags consumes %d%% of allotted space.", percent)
	}
	return &percent, nil
}

// tags reads the tags of a session.
func tags(list []api.Tag) (state.Tags, error) {
	var out state.Tags
	if len(list) > 50 {
		return nil, awserr.New("ValidationError", "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50")
	}
	for _, t := range list {
		for _, have := range out {
			if strings.EqualFold(have.Key, val(t.Key)) {
				return nil, awserr.New("InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
			}
		}
		out = append(out, state.Tag{Key: val(t.Key), Value: val(t.Value)})
	}
	return out, nil
}

// denied is AWS's error for credentials that somebody may not have.
func denied(c *authz.Caller, q *authz.Request, d authz.Decision) error {
	if d.By == authz.ResourceLayer && d.Outcome == authz.ImplicitDeny {
		// What a trust policy says is not told to whom it keeps out.
		return awserr.New("AccessDenied", "User: %s is not authorized to perform: %s on resource: %s", c.ARN, q.Action, q.Resource)
	}
	return awserr.New("AccessDenied", "%s", access.Reason(c, q, d))
}

func ptr[T any](v T) *T { return &v }

func val[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
