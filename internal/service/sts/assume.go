package sts

import (
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/sts"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/state"
)

// maxChained is the longest session, in seconds, of a role that a role's session
// assumes (IAM User Guide, "Role chaining").
const maxChained = 3600

// AssumeRole gives the credentials of a role's session. The role may be another
// account's; its trust policy decides, and the caller's own policies.
func (s *Service) AssumeRole(tx *state.Tx, c authz.Caller, in *api.AssumeRoleInput) (*api.AssumeRoleOutput, error) {
	parts := strings.SplitN(*in.RoleArn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "iam" || !strings.HasPrefix(parts[5], "role/") {
		return nil, awserr.New("ValidationError", "%s is invalid", awserr.Clip(*in.RoleArn))
	}
	account, name := parts[4], parts[5][strings.LastIndexByte(parts[5], '/')+1:]
	q := &authz.Request{Action: "sts:AssumeRole", Resource: *in.RoleArn, Who: c.Who(tx)}
	role, ok := state.Roles.Get(tx, state.NameKey(account, name))
	if !ok || role.ARN() != *in.RoleArn || role.Service != "" {
		return nil, denied(&c, q, authz.Decision{By: authz.ResourceLayer})
	}
	v := session.Session{Account: account, Kind: session.Role, Principal: role.UniqueID, Name: role.Name, Session: *in.RoleSessionName}
	if err := s.tagged(&v, &c, in); err != nil {
		return nil, err
	}
	if err := s.trusted(tx, &c, q, role, &v, in); err != nil {
		return nil, err
	}
	duration := int32(3600)
	if in.DurationSeconds != nil {
		duration = *in.DurationSeconds
	}
	switch {
	case c.Role != "" && duration > maxChained:
		return nil, awserr.New("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case duration > role.MaxSession:
		return nil, awserr.New("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	case in.TokenCode != nil || in.SerialNumber != nil:
		return nil, awserr.New("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.")
	}
	packed, err := s.limit(tx, &v, in.Policy, in.PolicyArns)
	if err != nil {
		return nil, err
	}
	credentials, err := s.issue(tx, v, duration)
	if err != nil {
		return nil, err
	}
	out := &api.AssumeRoleOutput{
		Credentials: credentials, PackedPolicySize: packed,
		AssumedRoleUser: &api.AssumedRoleUser{AssumedRoleId: ptr(role.UniqueID + ":" + v.Session), Arn: ptr("arn:aws:sts::" + account + ":assumed-role/" + role.Name + "/" + v.Session)},
	}
	if v.SourceIdentity != "" {
		out.SourceIdentity = &v.SourceIdentity
	}
	return out, nil
}

// tagged sets the tags of a session: those given, and those that the caller's
// session hands on, which cannot be changed (IAM User Guide, "Pass session tags").
func (s *Service) tagged(v *session.Session, c *authz.Caller, in *api.AssumeRoleInput) (err error) {
	if v.Tags, err = tags(in.Tags); err != nil {
		return err
	}
	for _, key := range in.TransitiveTagKeys {
		if !slices.ContainsFunc(v.Tags, func(t state.Tag) bool { return strings.EqualFold(t.Key, key) }) {
			return awserr.New("InvalidParameterValue", "The transitive tag key %s is not one of the session tags.", awserr.Clip(key))
		}
		v.Transitive = append(v.Transitive, key)
	}
	v.SourceIdentity = val(in.SourceIdentity)
	if c.Session == nil {
		return nil
	}
	for _, key := range c.Session.Transitive {
		if slices.ContainsFunc(v.Tags, func(t state.Tag) bool { return strings.EqualFold(t.Key, key) }) {
			return awserr.New("InvalidParameterValue", "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
		for _, t := range c.Session.Tags {
			if strings.EqualFold(t.Key, key) {
				v.Tags = append(v.Tags, t)
				v.Transitive = append(v.Transitive, key)
			}
		}
	}
	if from := c.Session.SourceIdentity; from != "" {
		if v.SourceIdentity != "" && v.SourceIdentity != from {
			return awserr.New("AccessDenied", "The SourceIdentity cannot be changed after it is set.")
		}
		v.SourceIdentity = from
	}
	return nil
}

// trusted asks the policies of both sides, for each action that the request needs.
func (s *Service) trusted(tx *state.Tx, c *authz.Caller, q *authz.Request, role *state.Role, v *session.Session, in *api.AssumeRoleInput) error {
	p := s.cfg.Library.OfCaller(tx, c)
	p.Resource = []authz.Policy{{Name: role.Name, Type: "resource", Doc: s.cfg.Library.Read(role.Trust, authz.Trust)}}
	q.Context = s.environment(tx, c)
	q.Context.Add("sts:ExternalId", val(in.ExternalId))
	q.Context.Add("sts:RoleSessionName", v.Session)
	q.Context.Add("sts:SourceIdentity", v.SourceIdentity)
	names := []string{}
	for _, t := range in.Tags {
		q.Context.Add("aws:RequestTag/"+val(t.Key), val(t.Value))
		names = append(names, val(t.Key))
	}
	if len(names) > 0 {
		q.Context = append(q.Context, authz.Key{Name: "aws:TagKeys", Values: names})
	}
	if len(in.TransitiveTagKeys) > 0 {
		q.Context = append(q.Context, authz.Key{Name: "sts:TransitiveTagKeys", Values: in.TransitiveTagKeys})
	}
	for _, t := range role.Tags {
		q.Context.Add("aws:ResourceTag/"+t.Key, t.Value)
		q.Context.Add("iam:ResourceTag/"+t.Key, t.Value)
	}
	actions := []string{"sts:AssumeRole"}
	if len(in.Tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if in.SourceIdentity != nil {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	for _, action := range actions {
		q.Action = action
		if d := authz.EvaluateTrust(&p, q, role.Account); d.Outcome != authz.Allowed {
			return denied(c, q, d)
		}
	}
	return nil
}

// environment are the condition keys about who calls, when and from where.
func (s *Service) environment(tx *state.Tx, c *authz.Caller) authz.Context {
	keys := c.Principal(tx)
	keys.Add("aws:CurrentTime", tx.Now().Format("2006-01-02T15:04:05Z"))
	keys.Add("aws:SecureTransport", "false")
	keys.Add("aws:RequestedRegion", c.Region)
	keys.Add("aws:UserAgent", c.UserAgent)
	if c.SourceIP.IsValid() {
		keys.Add("aws:SourceIp", c.SourceIP.Unmap().String())
	}
	return keys
}
