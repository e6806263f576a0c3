package authz

import (
	"slices"
	"strings"
)

// Policy is a document with its name.
type Policy struct {
	Name string // ARN of a managed policy, name of an inline one
	Type string // as the simulator says it: "user", "group", "role", "aws-managed", "user-managed", "resource", "none"
	Doc  *Document
}

// Policies are all that bear on a request. A boundary or a session that is there
// limits, also when it holds nothing.
type Policies struct {
	Identity    []Policy
	HasBoundary bool
	Boundary    []Policy
	HasSession  bool
	Session     []Policy
	Resource    []Policy // of the resource itself, where it has any
}

// Request is one action on one resource.
type Request struct {
	Action   string // "ec2:RunInstances"
	Resource string // an ARN, or "*"
	Context  Context
	Who      Who
}

// Who is the principal as policies of resources name it.
type Who struct {
	Account string
	ARN     string // of the user, role session or root
	Role    string // of a session: its role's ARN
	ID      string // unique id
	Service string // "ec2.amazonaws.com", of a service that acts by itself
	Root    bool   // nothing limits it in its account
}

// Outcome of an evaluation.
type Outcome int

// Outcomes.
const (
	ImplicitDeny Outcome = iota // nothing allows it
	ExplicitDeny                // a statement denies it
	Allowed
)

// Layer is the kind of policies that decided.
type Layer int

// Layers, in the order in which an implicit denial is told.
const (
	NoLayer Layer = iota
	IdentityLayer
	BoundaryLayer
	SessionLayer
	ResourceLayer
)

// String names a layer as AWS's messages do.
func (l Layer) String() string {
	switch l {
	case IdentityLayer:
		return "identity-based policy"
	case BoundaryLayer:
		return "permissions boundary"
	case SessionLayer:
		return "session policy"
	case ResourceLayer:
		return "resource-based policy"
	}
	return ""
}

// Match is a statement that applies to a request.
type Match struct {
	Layer     Layer
	Policy    *Policy
	Statement *Statement
}

// Decision says what holds, and because of what.
type Decision struct {
	Outcome Outcome
	// By is the layer that denied, or that lacks an Allow.
	By Layer
	// Matches are the statements that apply: those that deny, if any does, else
	// those that allow.
	Matches []Match
	// BoundaryAllows is nil without a boundary.
	BoundaryAllows *bool
}

// Evaluate decides a request within one account (IAM User Guide, "Policy
// evaluation logic"): a Deny anywhere wins; else an Allow is needed from the
// identity's policies, and from the boundary and from the session where there are
// any. A policy of the resource that names the principal itself is enough alone; one
// that names a session's role is enough without the identity's.
func Evaluate(p *Policies, r *Request) Decision {
	e := evaluation{r: r, action: strings.ToLower(r.Action)}
	identity := e.layer(IdentityLayer, p.Identity, false)
	boundary := !p.HasBoundary || e.layer(BoundaryLayer, p.Boundary, false)
	session := !p.HasSession || e.layer(SessionLayer, p.Session, false)
	resource := e.layer(ResourceLayer, p.Resource, true)
	d := Decision{Matches: e.allows}
	if p.HasBoundary {
		d.BoundaryAllows = &boundary
	}
	if len(e.denies) > 0 {
		d.Outcome, d.By, d.Matches = ExplicitDeny, e.denies[0].Layer, e.denies
		return d
	}
	switch {
	case resource && e.named == itself:
		d.Outcome = Allowed
	case !identity && e.named < itsRole && !r.Who.Root:
		d.By = IdentityLayer
	case !boundary:
		d.By = BoundaryLayer
	case !session:
		d.By = SessionLayer
	default:
		d.Outcome = Allowed
	}
	return d
}

// EvaluateTrust decides who may assume a role: the role's trust policy must allow
// it. A principal of the role's account that the policy names needs nothing more;
// one that it allows by naming the account, and any of another account, needs its
// own policies too (IAM User Guide, "Granting a user permissions to switch roles").
func EvaluateTrust(p *Policies, r *Request, account string) Decision {
	e := evaluation{r: r, action: strings.ToLower(r.Action)}
	resource := e.layer(ResourceLayer, p.Resource, true)
	identity := r.Who.Root || r.Who.Service != "" || e.layer(IdentityLayer, p.Identity, false)
	boundary := !p.HasBoundary || e.layer(BoundaryLayer, p.Boundary, false)
	session := !p.HasSession || e.layer(SessionLayer, p.Session, false)
	if len(e.denies) > 0 {
		return Decision{Outcome: ExplicitDeny, By: e.denies[0].Layer, Matches: e.denies}
	}
	d := Decision{Matches: e.allows}
	named := e.named
	if r.Who.Account != account {
		named = min(named, itsAccount)
	}
	switch {
	case !resource:
		d.By = ResourceLayer
	case !identity && named < itsRole:
		d.By = IdentityLayer
	case !boundary && named < itself:
		d.By = BoundaryLayer
	case !session && named < itself:
		d.By = SessionLayer
	default:
		d.Outcome = Allowed
	}
	return d
}

// naming is how closely a statement of a resource's policy names a principal.
type naming int

const (
	nobody     naming = iota
	itsAccount        // whose own policies decide, too
	itsRole           // of a session: its boundary and its session's policies limit it yet
	itself            // nothing else is needed
)

// evaluation collects the statements that apply to a request.
type evaluation struct {
	r      *Request
	action string // in lower case
	allows []Match
	denies []Match
	named  naming // the closest of the Allows of the resource's policies
}

// layer looks through the policies of a layer and says whether one allows.
func (e *evaluation) layer(layer Layer, policies []Policy, principals bool) bool {
	allowed := false
	for i := range policies {
		doc := policies[i].Doc
		for j := range doc.Statements {
			s := &doc.Statements[j]
			named := nobody
			if principals {
				if named = s.names(e.r.Who); named == nobody {
					continue
				}
			}
			if !s.applies(e.action, e.r) {
				continue
			}
			m := Match{Layer: layer, Policy: &policies[i], Statement: s}
			if s.Allow {
				allowed = true
				e.named = max(e.named, named)
				e.allows = append(e.allows, m)
			} else {
				e.denies = append(e.denies, m)
			}
		}
	}
	return allowed
}

// compile prepares the patterns of a statement that was read.
func (s *Statement) compile(variables bool) {
	s.actions = make([]pattern, len(s.Actions))
	for i, a := range s.Actions {
		s.actions[i] = newPattern(strings.ToLower(a), true, false)
	}
	s.resources = make([]pattern, len(s.Resources))
	for i, r := range s.Resources {
		s.resources[i] = newPattern(r, true, variables)
	}
	for i := range s.Conditions {
		s.Conditions[i].compile(variables)
	}
}

// applies says whether action, resource and conditions of a statement are those of
// a request.
func (s *Statement) applies(action string, r *Request) bool {
	return s.onAction(action) != s.NotAction && s.onResource(r) && s.meets(r.Context)
}

func (s *Statement) onAction(action string) bool {
	for i := range s.actions {
		if matches(s.actions[i].glob, action, false) {
			return true
		}
	}
	return false
}

// onResource: a statement without Resource, in the policy of a resource, is about
// that one.
func (s *Statement) onResource(r *Request) bool {
	if len(s.resources) == 0 {
		return true
	}
	known := true
	for i := range s.resources {
		glob, ok := s.resources[i].expand(r.Context)
		if ok && matches(glob, r.Resource, true) {
			return !s.NotResource
		}
		known = known && ok
	}
	// What a variable without a value would have left out is not allowed.
	return s.NotResource && (known || !s.Allow)
}

func (s *Statement) meets(ctx Context) bool {
	for i := range s.Conditions {
		if !s.Conditions[i].holds(ctx) {
			return false
		}
	}
	return true
}

// names says how closely a statement of a resource's policy names a principal.
func (s *Statement) names(w Who) naming {
	named := nobody
	for _, p := range s.Principals {
		named = max(named, p.is(w))
	}
	switch {
	case !s.NotPrincipal:
		return named
	case named == nobody:
		return itself
	}
	return nobody
}

func (p Principal) is(w Who) naming {
	switch {
	case p.Value == "*" && (p.Type == "*" || p.Type == "AWS"):
		return itself
	case p.Type == "Service":
		if w.Service != "" && p.Value == w.Service {
			return itself
		}
		return nobody
	case p.Type != "AWS" || w.Service != "":
		return nobody
	case p.Value == w.ARN || p.Value == w.ID:
		return itself
	case w.Role != "" && (p.Value == w.Role || strings.HasPrefix(w.ID, p.Value+":")):
		return itsRole
	case p.Value != w.Account && !(strings.HasPrefix(p.Value, "arn:") && strings.HasSuffix(p.Value, ":iam::"+w.Account+":root")):
		return nobody
	case w.Root:
		return itself
	}
	return itsAccount
}

// Grants says whether a document allows some action of a service, given by its name
// in policies.
func (d *Document) Grants(service string) bool {
	prefix := strings.ToLower(service) + ":"
	for i := range d.Statements {
		s := &d.Statements[i]
		if !s.Allow {
			continue
		}
		all := false
		for j := range s.actions {
			glob := s.actions[j].glob
			if glob == string(any1) || strings.HasPrefix(glob, prefix) {
				all = all || glob == string(any1) || glob == prefix+string(any1)
				if !s.NotAction {
					return true
				}
			}
		}
		if s.NotAction && !all {
			return true
		}
	}
	return false
}

// ConditionKeys lists the keys that conditions and variables of a document ask
// for, as written, sorted, each once.
func (d *Document) ConditionKeys() []string {
	var keys []string
	variables := func(patterns []pattern) {
		for i := range patterns {
			for _, part := range patterns[i].parts {
				if part.variable != "" {
					keys = append(keys, part.variable)
				}
			}
		}
	}
	for i := range d.Statements {
		s := &d.Statements[i]
		variables(s.resources)
		for j := range s.Conditions {
			keys = append(keys, s.Conditions[j].Key)
			variables(s.Conditions[j].values)
		}
	}
	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return slices.CompactFunc(keys, strings.EqualFold)
}
