package access

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awspolicy"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/state"
)

// Access decides requests. It is safe for concurrent use.
type Access struct {
	Library *authz.Library
	Seal    session.Seal // of the messages that say why something was denied
	Now     func() time.Time

	inputs sync.Map // reflect.Type → members
	mu     sync.Mutex
	bears  map[string]bearing // by access key
}

// bearing is what bears on a caller at one commit.
type bearing struct {
	index    uint64
	policies authz.Policies
	who      authz.Who
	keys     authz.Context
}

// keep bounds the callers remembered; when there are more, all are forgotten.
const keep = 1000

// of gives the policies, and the keys about the caller, which are found out again
// after each commit only.
func (a *Access) of(r state.Reader, c *authz.Caller) bearing {
	snap, ok := r.(*state.Snapshot)
	if ok {
		a.mu.Lock()
		b, found := a.bears[c.AccessKey+c.ARN]
		a.mu.Unlock()
		if found && b.index == snap.Index {
			return b
		}
	}
	b := bearing{policies: a.Library.OfCaller(r, c), who: c.Who(r), keys: c.Principal(r)}
	if ok {
		b.index = snap.Index
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.bears == nil || len(a.bears) >= keep {
			a.bears = map[string]bearing{}
		}
		a.bears[c.AccessKey+c.ARN] = b
	}
	return b
}

func (a *Access) members(in any) members {
	t := reflect.TypeOf(in).Elem()
	if f, ok := a.inputs.Load(t); ok {
		return f.(members)
	}
	f := membersOf(t)
	a.inputs.Store(t, f)
	return f
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
	b, f := a.of(r, c), a.members(in)
	tags := specified(in, f)
	keys := make(authz.Context, 0, len(b.keys)+16)
	keys = append(append(keys, requestKeys(in, rule, f)...), b.keys...)
	a.environment(&keys, service, c)
	name := Vendor(service) + ":" + action
	check := func(name, arn string, more authz.Context) error {
		q := &authz.Request{Action: name, Resource: arn, Context: keys, Who: b.who}
		if len(more) > 0 {
			q.Context = keys.With(more...)
		}
		if d := authz.Evaluate(&b.policies, q); d.Outcome != authz.Allowed {
			return a.denied(service, c, q, d)
		}
		return nil
	}
	for _, res := range resources(r, c, service, rule, in, tags) {
		if err := check(name, res.arn, res.keys); err != nil {
			return err
		}
		if service == "elbv2" && strings.HasPrefix(action, "Create") && hasTags(in, f) {
			if err := check("elasticloadbalancing:AddTags", res.arn, res.keys.With(authz.Key{Name: "elasticloadbalancing:CreateAction", Values: []string{action}})); err != nil {
				return err
			}
		}
	}
	if service == "ec2" {
		for kind, set := range tags {
			if err := check("ec2:CreateTags", arn(c, "ec2", kind, "*"), set.With(authz.Key{Name: "ec2:CreateAction", Values: []string{action}})); err != nil {
				return err
			}
		}
	}
	for _, s := range rule.resources {
		if s.name == "link" {
			name, _, _ := awspolicy.LinkedRole(s.service)
			if _, ok := state.Roles.Get(r, state.NameKey(c.Account, name)); !ok {
				by := authz.Context{{Name: "iam:AWSServiceName", Values: []string{s.service}}}
				if err := check("iam:CreateServiceLinkedRole", identity(r, c, "linked-role", s.service, "").arn, by); err != nil {
					return err
				}
			}
		}
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

// environment adds the keys about when and from where somebody calls.
func (a *Access) environment(keys *authz.Context, service string, c *authz.Caller) {
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
