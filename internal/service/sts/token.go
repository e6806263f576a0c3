package sts

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/sts"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/state"
)

// Lives of the sessions of users and of root, in seconds (AWS STS API Reference,
// GetSessionToken).
const (
	defaultToken = 43200
	maxRootToken = 3600
)

// own begins a session of the caller itself.
func own(r state.Reader, c *authz.Caller, action, kind string) (session.Session, error) {
	v := session.Session{Account: c.Account, Kind: kind}
	if c.Session != nil {
		return v, awserr.New("AccessDenied", "Cannot call %s with session credentials", action)
	}
	if c.User != "" {
		if u, ok := state.Users.Get(r, state.Global(c.Account).Key(c.User)); ok {
			v.Principal, v.Name = u.UniqueID, u.Name
		}
	}
	return v, nil
}

// life is how long a session lasts, root's an hour at most.
func life(c *authz.Caller, asked *int32) int32 {
	duration := int32(defaultToken)
	if asked != nil {
		duration = *asked
	}
	if c.User == "" {
		duration = min(duration, maxRootToken)
	}
	return duration
}

// GetSessionToken gives a user, or root, credentials that expire.
func (s *Service) GetSessionToken(tx *state.Tx, c authz.Caller, in *api.GetSessionTokenInput) (*api.GetSessionTokenOutput, error) {
	kind := session.User
	if c.User == "" {
		kind = session.Root
	}
	v, err := own(tx, &c, "GetSessionToken", kind)
	if err != nil {
		return nil, err
	}
	if in.TokenCode != nil || in.SerialNumber != nil {
		return nil, awserr.New("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.")
	}
	credentials, err := s.issue(tx, v, life(&c, in.DurationSeconds))
	if err != nil {
		return nil, err
	}
	return &api.GetSessionTokenOutput{Credentials: credentials}, nil
}

// GetFederationToken gives a user, or root, credentials for somebody else: what
// the policies given allow of what the caller may do, nothing without.
func (s *Service) GetFederationToken(tx *state.Tx, c authz.Caller, in *api.GetFederationTokenInput) (*api.GetFederationTokenOutput, error) {
	v, err := own(tx, &c, "GetFederationToken", session.Federated)
	if err != nil {
		return nil, err
	}
	v.Session = *in.Name
	if v.Tags, err = tags(in.Tags); err != nil {
		return nil, err
	}
	packed, err := s.limit(tx, &v, in.Policy, in.PolicyArns)
	if err != nil {
		return nil, err
	}
	credentials, err := s.issue(tx, v, life(&c, in.DurationSeconds))
	if err != nil {
		return nil, err
	}
	return &api.GetFederationTokenOutput{
		Credentials: credentials, PackedPolicySize: packed,
		FederatedUser: &api.FederatedUser{FederatedUserId: ptr(c.Account + ":" + v.Session), Arn: ptr("arn:aws:sts::" + c.Account + ":federated-user/" + v.Session)},
	}, nil
}
