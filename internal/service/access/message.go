package access

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
)

// denied is AWS's error for a request that is not allowed (IAM User Guide,
// "Troubleshoot access denied error messages").
func (a *Access) denied(service string, c *authz.Caller, q *authz.Request, d authz.Decision) error {
	text := Reason(c, q, d)
	if service != "ec2" {
		return awserr.New("AccessDenied", "%s", text)
	}
	return awserr.New("UnauthorizedOperation", "You are not authorized to perform this operation. %s. Encoded authorization failure message: %s",
		text, a.Seal.Message(Message(c, q, d)))
}

// Reason says in AWS's words who may not do what, and because of what.
func Reason(c *authz.Caller, q *authz.Request, d authz.Decision) string {
	why := fmt.Sprintf("because no %s allows the %s action", d.By, q.Action)
	if d.Outcome == authz.ExplicitDeny {
		article := "a"
		if d.By == authz.IdentityLayer {
			article = "an"
		}
		why = fmt.Sprintf("with an explicit deny in %s %s", article, d.By)
	}
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s", c.ARN, q.Action, q.Resource, why)
}

type (
	items[T any] struct {
		Items []T `json:"items"`
	}
	value struct {
		Value string `json:"value"`
	}
	condition struct {
		Key    string       `json:"key"`
		Values items[value] `json:"values"`
	}
	statement struct {
		ID         string       `json:"statementId"`
		Effect     string       `json:"effect"`
		Principals items[value] `json:"principals"`
		Actions    items[value] `json:"actions"`
		Resources  items[value] `json:"resources"`
	}
	principal struct {
		ID   string `json:"id"`
		Name string `json:"name,omitempty"`
		ARN  string `json:"arn"`
	}
	message struct {
		Allowed      bool             `json:"allowed"`
		ExplicitDeny bool             `json:"explicitDeny"`
		Matched      items[statement] `json:"matchedStatements"`
		Failures     items[value]     `json:"failures"`
		Context      struct {
			Principal  principal        `json:"principal"`
			Action     string           `json:"action"`
			Resource   string           `json:"resource"`
			Conditions items[condition] `json:"conditions"`
		} `json:"context"`
	}
)

// Message is what DecodeAuthorizationMessage gives for a denial (AWS STS API
// Reference, DecodeAuthorizationMessage).
func Message(c *authz.Caller, q *authz.Request, d authz.Decision) []byte {
	m := message{Allowed: d.Outcome == authz.Allowed, ExplicitDeny: d.Outcome == authz.ExplicitDeny}
	m.Matched.Items, m.Failures.Items = []statement{}, []value{}
	if m.ExplicitDeny {
		for _, match := range d.Matches {
			s := statement{ID: match.Statement.Sid, Effect: "DENY"}
			s.Principals.Items = []value{{c.UserID}}
			s.Actions.Items, s.Resources.Items = texts(match.Statement.Actions), texts(match.Statement.Resources)
			m.Matched.Items = append(m.Matched.Items, s)
		}
	}
	m.Context.Principal = principal{ID: c.UserID, ARN: c.ARN}
	if _, name, ok := strings.Cut(c.ARN, "user/"); ok {
		m.Context.Principal.Name = name
	}
	m.Context.Action, m.Context.Resource = q.Action, q.Resource
	m.Context.Conditions.Items = []condition{}
	for _, k := range q.Context {
		m.Context.Conditions.Items = append(m.Context.Conditions.Items, condition{k.Name, items[value]{texts(k.Values)}})
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("access: encoding a message: %v", err)) // it is plain data
	}
	return b
}

func texts(list []string) []value {
	out := make([]value, 0, len(list))
	for _, v := range list {
		out = append(out, value{v})
	}
	return out
}
