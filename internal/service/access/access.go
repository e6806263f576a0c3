package access

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/state"
)

// Access decides requests. It is safe for concurrent use.
type Access struct {
	Library *authz.Library
	Seal    session.Seal // of the messages that say why something was denied
	Now     func() time.Time
}

// Allow says whether a caller may do what it asks: nil, or AWS's error. Root may
// do all; sessions without a role may not use IAM (IAM User Guide, "Comparing the
// AWS STS API operations").
func (a *Access) Allow(r state.Reader, service, action string, c *authz.Caller, in any) error {
	if err := plainSession(service, action, c); err != nil || c.Unlimited() {
		return err
	}
	rule := rules()[service+":"+action]
	if rule.self {
		return nil
	}
	p := a.Library.OfCaller(r, c)
	who := c.Who(r)
	keys := append(requestKeys(in, rule), a.Environment(r, service, c)...)
	name := Vendor(service) + ":" + action
	check := func(name, arn string, more authz.Context) error {
		q := &authz.Request{Action: name, Resource: arn, Context: keys, Who: who}
		if len(more) > 0 {
			q.Context = keys.With(more...)
		}
		if d := authz.Evaluate(&p, q); d.Outcome != authz.Allowed {
			return a.denied(service, c, q, d)
		}
		return nil
	}
	for _, res := range resources(r, c, service, rule, in) {
		if err := check(name, res.arn, res.keys); err != nil {
			return err
		}
	}
	if service == "ec2" {
		for kind, tags := range specified(in) {
			if err := check("ec2:CreateTags", arn(c, "ec2", kind, "*"), tags.With(authz.Key{Name: "ec2:CreateAction", Values: []string{action}})); err != nil {
				return err
			}
		}
	}
	for _, s := range rule.resources {
		if s.name != "pass" {
			continue
		}
		if role := passed(r, c, in, s); role != nil {
			to := authz.Context{{Name: "iam:PassedToService", Values: []string{"ec2.amazonaws.com"}}}
			if err := check("iam:PassRole", role.ARN(), to); err != nil {
				return err
			}
		}
	}
	return nil
}

// plainSession refuses what a session of a user, or of root, may not ask.
func plainSession(service, action string, c *authz.Caller) error {
	if c.Session == nil || c.Session.Kind == session.Role {
		return nil
	}
	switch {
	case service == "iam":
		return awserr.New("InvalidClientTokenId", "The security token included in the request is invalid")
	case service == "sts" && action != "AssumeRole" && action != "GetCallerIdentity":
		return awserr.New("AccessDenied", "Cannot call %s with session credentials", action)
	}
	return nil
}

// Environment are the keys about who calls, when and from where.
func (a *Access) Environment(r state.Reader, service string, c *authz.Caller) authz.Context {
	keys := c.Principal(r)
	now := a.Now().UTC()
	keys.Add("aws:CurrentTime", now.Format("2006-01-02T15:04:05Z"))
	keys.Add("aws:EpochTime", strconv.FormatInt(now.Unix(), 10))
	keys.Add("aws:SecureTransport", "false")
	keys.Add("aws:RequestedRegion", c.Region)
	keys.Add("aws:UserAgent", c.UserAgent)
	if c.SourceIP.IsValid() {
		keys.Add("aws:SourceIp", c.SourceIP.Unmap().String())
	}
	if service == "ec2" {
		keys.Add("ec2:Region", c.Region)
	}
	return keys
}

// passed is the role that a request hands to a service: by its own name, or by an
// instance profile. Nil: there is none, and the action says so.
func passed(r state.Reader, c *authz.Caller, in any, s spec) *state.Role {
	member := s.members[0]
	name := first(in, slices.Concat(member, []string{"Name"})...)
	if arn := first(in, slices.Concat(member, []string{"Arn"})...); arn != "" {
		name = arn[strings.LastIndexByte(arn, '/')+1:]
	}
	id := strings.ToLower(first(in, member...))
	if name != "" {
		p, ok := state.InstanceProfiles.Get(r, state.NameKey(c.Account, name))
		if !ok {
			return nil
		}
		id = p.Role
	}
	if id == "" {
		return nil
	}
	role, _ := state.Roles.Get(r, state.Global(c.Account).Key(id))
	return role
}
