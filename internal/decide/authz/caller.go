// Package authz decides who a caller is and what the caller may do.
//
// Invariant: pure; a decision depends on its arguments alone, and says which
// statements it comes from. A policy that was read once is evaluated any number of
// times.
package authz

import (
	"net/netip"
	"strings"

	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/state"
)

// Caller is who sent a request, and where to: the account of the credentials
// and the Region of the signature.
type Caller struct {
	state.Scope
	ARN       string // "arn:aws:iam::000000000000:root"
	UserID    string // as GetCallerIdentity gives it; the account's number for its root
	AccessKey string
	SourceIP  netip.Addr
	UserAgent string

	User    string           // id of the user's row
	Role    string           // id of the role's row
	Session *session.Session // of temporary credentials
}

// Root is the root user of an account, calling in a Region.
func Root(scope state.Scope, accessKey string) Caller {
	return Caller{Scope: scope, ARN: "arn:aws:iam::" + scope.Account + ":root", UserID: scope.Account, AccessKey: accessKey}
}

// Unlimited says that no policy can keep the caller from anything: root, with its
// own keys or a session of them.
func (c *Caller) Unlimited() bool {
	return c.User == "" && c.Role == "" && (c.Session == nil || c.Session.Kind == session.Root)
}

// Who is the caller as policies name it.
func (c *Caller) Who(r state.Reader) Who {
	w := Who{Account: c.Account, ARN: c.ARN, ID: c.UserID, Root: c.User == "" && c.Role == ""}
	if c.Role != "" {
		if role, ok := state.Roles.Get(r, state.Global(c.Account).Key(c.Role)); ok {
			w.Role = role.ARN()
		}
	}
	return w
}

// Principal are the condition keys about who calls (IAM User Guide, "AWS global
// condition context keys").
func (c *Caller) Principal(r state.Reader) Context {
	var keys Context
	arn, kind := c.ARN, "Account"
	tags := state.Tags(nil)
	switch {
	case c.Role != "":
		kind = "AssumedRole"
		if role, ok := state.Roles.Get(r, state.Global(c.Account).Key(c.Role)); ok {
			arn, tags = role.ARN(), role.Tags
		}
	case c.Session != nil && c.Session.Kind == session.Federated:
		kind = "FederatedUser"
	case c.User != "":
		kind = "User"
		if user, ok := state.Users.Get(r, state.Global(c.Account).Key(c.User)); ok {
			tags = user.Tags
			keys.Add("aws:username", user.Name)
		}
	}
	keys.Add("aws:PrincipalArn", arn)
	keys.Add("aws:PrincipalAccount", c.Account)
	keys.Add("aws:PrincipalType", kind)
	keys.Add("aws:userid", c.UserID)
	keys.Add("aws:PrincipalIsAWSService", "false")
	if s := c.Session; s != nil {
		keys.Add("aws:TokenIssueTime", s.Issued.UTC().Format("2006-01-02T15:04:05Z"))
		keys.Add("aws:MultiFactorAuthPresent", "false")
		keys.Add("aws:SourceIdentity", s.SourceIdentity)
		keys.Add("ec2:SourceInstanceARN", s.Instance)
		keys.Add("ec2:RoleDelivery", s.Delivery)
		keys.Add("aws:Ec2InstanceSourceVpc", s.VPC)
		if s.Address.IsValid() {
			keys.Add("aws:Ec2InstanceSourcePrivateIPv4", s.Address.String())
		}
		for _, t := range s.Tags {
			tags = tags.With(t.Key, t.Value)
		}
	}
	for _, t := range tags {
		keys = append(keys, Key{"aws:PrincipalTag/" + t.Key, []string{t.Value}})
	}
	return keys
}

// SessionName is the last part of a session's ARN.
func (c *Caller) SessionName() string {
	if i := strings.LastIndexByte(c.ARN, '/'); i >= 0 && c.Session != nil {
		return c.ARN[i+1:]
	}
	return ""
}
