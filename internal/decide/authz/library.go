package authz

import (
	"strings"
	"sync"

	"github.com/localvpc/localvpc/internal/base/awspolicy"
	"github.com/localvpc/localvpc/internal/decide/session"
	"github.com/localvpc/localvpc/internal/state"
)

// Library keeps documents that were read, so that a request reads none. What it
// gives depends on the text alone. It is safe for concurrent use; the zero value
// is empty.
type Library struct {
	mu   sync.RWMutex
	docs map[string]*Document
}

// keep bounds the documents kept; when there are more, all are forgotten.
const keep = 10000

// nothing is what a text gives that is no policy: no row holds one.
var nothing = &Document{}

// Read gives the document of a text that has been accepted before.
func (l *Library) Read(text string, kind Kind) *Document {
	l.mu.RLock()
	doc, ok := l.docs[text]
	l.mu.RUnlock()
	if ok {
		return doc
	}
	doc, err := Parse(text, kind)
	if err != nil {
		doc = nothing
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.docs == nil || len(l.docs) >= keep {
		l.docs = map[string]*Document{}
	}
	l.docs[text] = doc
	return doc
}

// Managed gives a managed policy by its ARN, AWS's or an account's own.
func (l *Library) Managed(r state.Reader, arn string) (Policy, bool) {
	if p, ok := awspolicy.Lookup(arn); ok {
		return Policy{Name: p.Name, Type: "aws-managed", Doc: l.Read(string(p.Document), Identity)}, true
	}
	p, ok := FindPolicy(r, arn)
	if !ok {
		return Policy{}, false
	}
	return Policy{Name: p.Name, Type: "user-managed", Doc: l.Read(p.Document(), Identity)}, true
}

// FindPolicy gives the row of a customer's managed policy.
func FindPolicy(r state.Reader, arn string) (*state.ManagedPolicy, bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 {
		return nil, false
	}
	name := parts[5][strings.LastIndexByte(parts[5], '/')+1:]
	p, ok := state.ManagedPolicies.Get(r, state.NameKey(parts[4], name))
	if !ok || p.ARN() != arn {
		return nil, false
	}
	return p, true
}

// Of gives the policies of a user, group or role. prefix names the inline ones, as
// the simulator does: "user_bob_".
func (l *Library) Of(r state.Reader, p *state.Principal, kind string) []Policy {
	list := make([]Policy, 0, len(p.Inline)+len(p.Attached))
	for i := range p.Inline {
		list = append(list, Policy{Name: kind + "_" + p.Name + "_" + p.Inline[i].Name, Type: kind, Doc: l.Read(p.Inline[i].Document, Identity)})
	}
	for _, arn := range p.Attached {
		if managed, ok := l.Managed(r, arn); ok {
			list = append(list, managed)
		}
	}
	return list
}

// OfUser adds the policies of a user's groups to its own.
func (l *Library) OfUser(r state.Reader, u *state.User) (p Policies) {
	p.Identity = l.Of(r, &u.Principal, "user")
	for _, id := range u.Groups {
		if g, ok := state.Groups.Get(r, state.Global(u.Account).Key(id)); ok {
			p.Identity = append(p.Identity, l.Of(r, &g.Principal, "group")...)
		}
	}
	l.bound(r, &p, u.Boundary)
	return p
}

// OfRole gives what bears on a role's sessions.
func (l *Library) OfRole(r state.Reader, role *state.Role) (p Policies) {
	p.Identity = l.Of(r, &role.Principal, "role")
	l.bound(r, &p, role.Boundary)
	return p
}

func (l *Library) bound(r state.Reader, p *Policies, arn string) {
	if arn == "" {
		return
	}
	p.HasBoundary = true
	if boundary, ok := l.Managed(r, arn); ok {
		p.Boundary = []Policy{boundary}
	}
}

// OfCaller gives all that bears on a caller, its session's own policies included.
func (l *Library) OfCaller(r state.Reader, c *Caller) (p Policies) {
	global := state.Global(c.Account)
	switch {
	case c.Role != "":
		if role, ok := state.Roles.Get(r, global.Key(c.Role)); ok {
			p = l.OfRole(r, role)
		}
	case c.User != "":
		if user, ok := state.Users.Get(r, global.Key(c.User)); ok {
			p = l.OfUser(r, user)
		}
	}
	s := c.Session
	if s == nil || s.Policy == "" && len(s.PolicyArns) == 0 && s.Kind != session.Federated {
		return p
	}
	p.HasSession = true
	if s.Policy != "" {
		p.Session = append(p.Session, Policy{Name: "session", Type: "none", Doc: l.Read(s.Policy, Identity)})
	}
	for _, arn := range s.PolicyArns {
		if managed, ok := l.Managed(r, arn); ok {
			p.Session = append(p.Session, managed)
		}
	}
	return p
}
