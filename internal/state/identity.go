package state

import (
	"strings"
	"time"
)

// Identities belong to an account and to no Region. Names are unique without
// regard to case, so the id of a row is its name in lower case.

// NameKey is the key of an identity by its name.
func NameKey(account, name string) Key { return Key{Account: account, ID: strings.ToLower(name)} }

// Global is the scope of an account's identities.
func Global(account string) Scope { return Scope{Account: account} }

// Inline is a policy that belongs to one identity.
type Inline struct{ Name, Document string }

// Principal is what users, groups and roles have in common.
type Principal struct {
	Name     string
	UniqueID string   // "AIDA…", "AGPA…", "AROA…"
	Path     string   // "/", "/a/b/"
	Inline   []Inline `json:",omitempty"` // by name
	Attached []string `json:",omitempty"` // ARNs of managed policies, in the order of attachment
	Boundary string   `json:",omitempty"` // ARN of a managed policy
}

// User is an IAM user.
type User struct {
	Meta
	Principal
	Groups       []string      `json:",omitempty"` // ids of rows
	LoginProfile *LoginProfile `json:",omitempty"`
}

// LoginProfile is stored: there is no console to log in to, and no password is kept.
type LoginProfile struct {
	Created       time.Time
	ResetRequired bool `json:",omitempty"`
}

// Users is the table of users.
var Users = &Table[User]{name: "iam-user", indexes: []index[User]{
	{ByUnique, func(u *User) []string { return []string{u.UniqueID} }},
	{ByPolicy, func(u *User) []string { return within(u.Account, u.Attached) }},
	{ByBoundary, func(u *User) []string { return within(u.Account, one(u.Boundary)) }},
	{ByGroup, func(u *User) []string { return within(u.Account, u.Groups) }},
}}

// Group is a group of users.
type Group struct {
	Meta
	Principal
}

// Groups is the table of groups.
var Groups = &Table[Group]{name: "iam-group", indexes: []index[Group]{
	{ByPolicy, func(g *Group) []string { return within(g.Account, g.Attached) }},
}}

// Role is an IAM role.
type Role struct {
	Meta
	Principal
	Trust       string    // document: who may assume it
	Description string    `json:",omitempty"`
	MaxSession  int32     // seconds
	LastUsed    time.Time `json:",omitzero"`
	LastRegion  string    `json:",omitempty"`
	Service     string    `json:",omitempty"` // of a service-linked role: "elasticloadbalancing.amazonaws.com"
}

// Roles is the table of roles.
var Roles = &Table[Role]{name: "iam-role", indexes: []index[Role]{
	{ByUnique, func(r *Role) []string { return []string{r.UniqueID} }},
	{ByPolicy, func(r *Role) []string { return within(r.Account, r.Attached) }},
	{ByBoundary, func(r *Role) []string { return within(r.Account, one(r.Boundary)) }},
}}

// InstanceProfile carries a role to instances.
type InstanceProfile struct {
	Meta
	Name     string
	UniqueID string // "AIPA…"
	Path     string
	Role     string `json:",omitempty"` // id of a row; one at most
}

// ARN names the profile.
func (p *InstanceProfile) ARN() string {
	return "arn:aws:iam::" + p.Account + ":instance-profile" + p.Path + p.Name
}

// InstanceProfiles is the table of instance profiles.
var InstanceProfiles = &Table[InstanceProfile]{name: "iam-instance-profile", indexes: []index[InstanceProfile]{
	{ByUnique, func(p *InstanceProfile) []string { return []string{p.UniqueID} }},
	{ByRole, func(p *InstanceProfile) []string { return within(p.Account, one(p.Role)) }},
}}

// ManagedPolicy is a customer's managed policy. AWS's own are data of the service.
type ManagedPolicy struct {
	Meta
	Name        string
	UniqueID    string // "ANPA…"
	Path        string
	Description string          `json:",omitempty"`
	Updated     time.Time       `json:",omitzero"`
	Default     int             // number of the version that counts
	Last        int             // number of the last version made
	Versions    []PolicyVersion // oldest first
}

// PolicyVersion is one of at most five versions of a policy.
type PolicyVersion struct {
	Number   int
	Document string
	Created  time.Time
}

// ARN names the policy.
func (p *ManagedPolicy) ARN() string {
	return "arn:aws:iam::" + p.Account + ":policy" + p.Path + p.Name
}

// Document is the text of the version that counts.
func (p *ManagedPolicy) Document() string {
	for i := range p.Versions {
		if p.Versions[i].Number == p.Default {
			return p.Versions[i].Document
		}
	}
	return ""
}

// ManagedPolicies is the table of customers' managed policies.
var ManagedPolicies = &Table[ManagedPolicy]{name: "iam-policy"}

// AccessKey is a long-term key of a user, or of root where User is empty; its id
// is the key's.
type AccessKey struct {
	Meta
	User        string    `json:",omitempty"` // id of a row
	Secret      string    // kept: requests are verified with it
	Inactive    bool      `json:",omitempty"`
	LastUsed    time.Time `json:",omitzero"`
	LastService string    `json:",omitempty"`
	LastRegion  string    `json:",omitempty"`
}

// AccessKeys is the table of access keys.
var AccessKeys = &Table[AccessKey]{name: "iam-access-key", indexes: []index[AccessKey]{
	{ByUnique, func(k *AccessKey) []string { return []string{k.ID} }},
	{ByUser, func(k *AccessKey) []string { return within(k.Account, one(k.User)) }},
}}

// AccountSettings are what an account has once; its id is "account".
type AccountSettings struct {
	Meta
	Alias    string          `json:",omitempty"`
	Reported time.Time       `json:",omitzero"`  // when a credential report was asked for last
	Password *PasswordPolicy `json:",omitempty"` // stored: there are no passwords
}

// PasswordPolicy is stored: there are no passwords.
type PasswordPolicy struct {
	MinLength                      int32
	Symbols, Numbers, Upper, Lower bool
	AllowChange, HardExpiry        bool
	MaxAge, ReusePrevention        int32
}

// AccountsSettings is the table of accounts' settings.
var AccountsSettings = &Table[AccountSettings]{name: "iam-account", indexes: []index[AccountSettings]{
	{ByUnique, func(a *AccountSettings) []string { return []string{a.Alias} }},
}}

// AccountKey is the key of an account's settings.
func AccountKey(account string) Key { return Key{Account: account, ID: "account"} }

// within makes keys of an index that is over all accounts.
func within(account string, ids []string) []string {
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		if id != "" {
			out = append(out, account+"/"+id)
		}
	}
	return out
}

func one(id string) []string { return []string{id} }

// Within is the key under which ByPolicy, ByBoundary, ByGroup, ByRole and ByUser
// hold an id of an account.
func Within(account, id string) string { return account + "/" + id }

// Kind names what a principal is in ARNs: "user", "group", "role".
func (u *User) Kind() string  { return "user" }
func (g *Group) Kind() string { return "group" }
func (r *Role) Kind() string  { return "role" }

// ARN names the user.
func (u *User) ARN() string { return "arn:aws:iam::" + u.Account + ":user" + u.Path + u.Name }

// ARN names the group.
func (g *Group) ARN() string { return "arn:aws:iam::" + g.Account + ":group" + g.Path + g.Name }

// ARN names the role.
func (r *Role) ARN() string { return "arn:aws:iam::" + r.Account + ":role" + r.Path + r.Name }
