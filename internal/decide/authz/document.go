package authz

// Document is a policy that was read. It is not changed afterwards and may be
// used by many at once.
type Document struct {
	Version    string // "2012-10-17", or "2008-10-17" which knows no variables
	ID         string
	Statements []Statement
}

// Statement is one statement of a document.
type Statement struct {
	Sid   string
	Allow bool

	Actions      []string // as written
	NotAction    bool     // Actions are those that are left out
	Resources    []string // as written
	NotResource  bool
	Principals   []Principal
	NotPrincipal bool
	Conditions   []Condition

	// Start and End are where the statement stands in the text.
	Start, End Position

	actions   []pattern
	resources []pattern
}

// Position is a place in a document's text, both from 1.
type Position struct{ Line, Column int }

// Principal is who a statement of a resource's policy is about.
type Principal struct {
	Type  string // "AWS", "Service", "Federated", "CanonicalUser"; "*" for everybody
	Value string // an ARN, an account, a service's name or "*"
}

// Condition is one key of one operator, with the values that it may have.
type Condition struct {
	Operator string // as written: "ForAnyValue:StringLikeIfExists"
	Key      string // as written: "aws:SourceIp"
	Values   []string

	test     *operator
	set      setOperator
	ifExists bool
	key      string // in lower case
	values   []pattern
}

// Kind is what a document is attached to: the grammar asks different things of each.
type Kind int

// Kinds of policies.
const (
	Identity Kind = iota // of a user, group or role; a boundary; a session's
	Trust                // of a role: who may assume it
	Resource             // of any other resource
)

// SyntaxError says why a text is no policy, and where.
type SyntaxError struct {
	Text string // AWS's text of the MalformedPolicyDocument error
	Line int    // from 1
	Why  string // what exactly, in words of ours; empty when Text says it
}

func (e *SyntaxError) Error() string {
	if e.Why == "" {
		return e.Text
	}
	return e.Text + " " + e.Why
}
