package iam

import (
	"fmt"
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// simulation is what both simulating actions ask.
type simulation struct {
	policies  authz.Policies
	actions   []string
	resources []string
	context   []api.ContextEntry
	owner     *string // account of the resources
	caller    string  // ARN
	trust     *string // policy of the resources
	marker    *string
	items     *int32
}

// inputs reads documents that come with the request.
func (s *Service) inputs(name string, texts []string) ([]authz.Policy, error) {
	var list []authz.Policy
	for i, text := range texts {
		doc, err := authz.Parse(text, authz.Identity)
		if err != nil {
			return nil, invalidInput("Invalid syntax of %s.member.%d: %s", name, i+1, malformedText(err))
		}
		list = append(list, authz.Policy{Name: fmt.Sprintf("%s.%d", name, i+1), Type: "none", Doc: doc})
	}
	return list, nil
}

func malformedText(err error) string { return awserr.From(malformed(err)).Message }

// SimulateCustomPolicy says what the given policies would allow.
func (s *Service) SimulateCustomPolicy(r state.Reader, c authz.Caller, in *api.SimulateCustomPolicyInput) (*api.SimulateCustomPolicyOutput, error) {
	sim := simulation{actions: in.ActionNames, resources: in.ResourceArns, context: in.ContextEntries, owner: in.ResourceOwner, caller: val(in.CallerArn), trust: in.ResourcePolicy, marker: in.Marker, items: in.MaxItems}
	var err error
	if sim.policies.Identity, err = s.inputs("PolicyInputList", in.PolicyInputList); err != nil {
		return nil, err
	}
	if sim.policies.Boundary, err = s.inputs("PermissionsBoundaryPolicyInputList", in.PermissionsBoundaryPolicyInputList); err != nil {
		return nil, err
	}
	sim.policies.HasBoundary = len(in.PermissionsBoundaryPolicyInputList) > 0
	out := &api.SimulateCustomPolicyOutput{}
	out.EvaluationResults, out.IsTruncated, out.Marker, err = s.simulate(r, c, sim)
	return out, err
}

// SimulatePrincipalPolicy says what a user, group or role may do, with more
// policies if some are given.
func (s *Service) SimulatePrincipalPolicy(r state.Reader, c authz.Caller, in *api.SimulatePrincipalPolicyInput) (*api.SimulatePrincipalPolicyOutput, error) {
	if len(in.PolicyExclusionList) > 0 {
		return nil, invalidInput("PolicyExclusionList is not supported here: leave it out.")
	}
	p, caller, err := s.source(r, c, *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	sim := simulation{policies: p, actions: in.ActionNames, resources: in.ResourceArns, context: in.ContextEntries, owner: in.ResourceOwner, caller: caller, trust: in.ResourcePolicy, marker: in.Marker, items: in.MaxItems}
	if in.CallerArn != nil {
		sim.caller = *in.CallerArn
	}
	more, err := s.inputs("PolicyInputList", in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	sim.policies.Identity = append(sim.policies.Identity, more...)
	if len(in.PermissionsBoundaryPolicyInputList) > 0 {
		if sim.policies.Boundary, err = s.inputs("PermissionsBoundaryPolicyInputList", in.PermissionsBoundaryPolicyInputList); err != nil {
			return nil, err
		}
		sim.policies.HasBoundary = true
	}
	out := &api.SimulatePrincipalPolicyOutput{}
	out.EvaluationResults, out.IsTruncated, out.Marker, err = s.simulate(r, c, sim)
	return out, err
}

// source gives the policies of the user, group or role with an ARN.
func (s *Service) source(r state.Reader, c authz.Caller, arn string) (p authz.Policies, caller string, err error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "iam" && parts[2] != "sts" {
		return p, "", invalidInput("Invalid Entity Arn: %s", awserr.Clip(arn))
	}
	kind, rest, _ := strings.Cut(parts[5], "/")
	name := rest[strings.LastIndexByte(rest, '/')+1:]
	if kind == "assumed-role" {
		kind = "role"
		name, _, _ = strings.Cut(rest, "/")
	}
	if parts[4] != c.Account {
		return p, "", noSuchEntity("The entity %s cannot be found.", awserr.Clip(arn))
	}
	switch kind {
	case "user":
		u, err := user(r, c, name)
		if err != nil {
			return p, "", err
		}
		return s.cfg.Library.OfUser(r, u), u.ARN(), nil
	case "role":
		row, err := role(r, c, name)
		if err != nil {
			return p, "", err
		}
		return s.cfg.Library.OfRole(r, row), row.ARN(), nil
	case "group":
		g, err := group(r, c, name)
		if err != nil {
			return p, "", err
		}
		p.Identity = s.cfg.Library.Of(r, &g.Principal, "group")
		return p, "", nil
	}
	return p, "", invalidInput("Invalid Entity Arn: %s does not clearly define entity type and name.", awserr.Clip(arn))
}

// simulate evaluates each action on each resource.
func (s *Service) simulate(r state.Reader, c authz.Caller, sim simulation) ([]api.EvaluationResult, *bool, *string, error) {
	keys, err := entries(sim.context)
	if err != nil {
		return nil, nil, nil, err
	}
	account := c.Account
	if parts := strings.SplitN(sim.caller, ":", 6); len(parts) == 6 {
		account = parts[4]
	}
	if sim.trust != nil {
		doc, err := authz.Parse(*sim.trust, authz.Resource)
		if err != nil {
			return nil, nil, nil, invalidInput("Invalid syntax of ResourcePolicy: %s", malformedText(err))
		}
		if sim.caller == "" {
			return nil, nil, nil, invalidInput("CallerArn must be specified with a ResourcePolicy.")
		}
		sim.policies.Resource = []authz.Policy{{Name: "ResourcePolicy", Type: "resource", Doc: doc}}
	}
	var asked []string
	for _, list := range [][]authz.Policy{sim.policies.Identity, sim.policies.Boundary, sim.policies.Resource} {
		for _, p := range list {
			asked = append(asked, p.Doc.ConditionKeys()...)
		}
	}
	missing := []string{}
	for _, key := range asked {
		if _, ok := keys.Get(key); !ok && !slices.ContainsFunc(missing, func(m string) bool { return strings.EqualFold(m, key) }) {
			missing = append(missing, key)
		}
	}
	resources := sim.resources
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	var results []api.EvaluationResult
	for _, action := range sim.actions {
		if !strings.Contains(action, ":") {
			return nil, nil, nil, invalidInput("Invalid Action Name: %s. Action names have the form service:action.", awserr.Clip(action))
		}
		for _, resource := range resources {
			if resource != "*" && !strings.HasPrefix(resource, "arn:") {
				return nil, nil, nil, invalidInput("Invalid Resource ARN: %s", awserr.Clip(resource))
			}
			d := authz.Evaluate(&sim.policies, &authz.Request{Action: action, Resource: resource, Context: keys, Who: authz.Who{Account: account, ARN: sim.caller, Role: sim.caller}})
			results = append(results, result(action, resource, d, missing))
		}
	}
	n := 0
	return pageOnce(results, func(api.EvaluationResult) string { n++; return fmt.Sprintf("%06d", n) }, sim.marker, sim.items)
}

func result(action, resource string, d authz.Decision, missing []string) api.EvaluationResult {
	decision := map[authz.Outcome]string{
		authz.Allowed: api.PolicyEvaluationDecisionTypeAllowed, authz.ExplicitDeny: api.PolicyEvaluationDecisionTypeExplicitDeny, authz.ImplicitDeny: api.PolicyEvaluationDecisionTypeImplicitDeny,
	}[d.Outcome]
	w := api.EvaluationResult{
		EvalActionName: &action, EvalResourceName: &resource, EvalDecision: &decision, MatchedStatements: []api.Statement{}, MissingContextValues: missing,
	}
	if d.BoundaryAllows != nil {
		w.PermissionsBoundaryDecisionDetail = &api.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: d.BoundaryAllows}
	}
	for _, m := range d.Matches {
		w.MatchedStatements = append(w.MatchedStatements, api.Statement{
			SourcePolicyId: ptr(m.Policy.Name), SourcePolicyType: ptr(m.Policy.Type),
			StartPosition: position(m.Statement.Start), EndPosition: position(m.Statement.End),
		})
	}
	return w
}

func position(p authz.Position) *api.Position {
	return &api.Position{Line: ptr(int32(p.Line)), Column: ptr(int32(p.Column))}
}

// entries makes the keys of a simulated request.
func entries(list []api.ContextEntry) (authz.Context, error) {
	var keys authz.Context
	for _, e := range list {
		if e.ContextKeyName == nil || !strings.Contains(*e.ContextKeyName, ":") {
			return nil, invalidInput("Invalid Context Key Name: %s", awserr.Clip(val(e.ContextKeyName)))
		}
		keys = append(keys, authz.Key{Name: *e.ContextKeyName, Values: e.ContextKeyValues})
	}
	return keys, nil
}

// GetContextKeysForCustomPolicy lists the keys that given policies ask for.
func (s *Service) GetContextKeysForCustomPolicy(_ state.Reader, _ authz.Caller, in *api.GetContextKeysForCustomPolicyInput) (*api.GetContextKeysForCustomPolicyOutput, error) {
	list, err := s.inputs("PolicyInputList", in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	return &api.GetContextKeysForCustomPolicyOutput{ContextKeyNames: contextKeys(list)}, nil
}

// GetContextKeysForPrincipalPolicy lists the keys that the policies of a user,
// group or role ask for.
func (s *Service) GetContextKeysForPrincipalPolicy(r state.Reader, c authz.Caller, in *api.GetContextKeysForPrincipalPolicyInput) (*api.GetContextKeysForPrincipalPolicyOutput, error) {
	p, _, err := s.source(r, c, *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	more, err := s.inputs("PolicyInputList", in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	return &api.GetContextKeysForPrincipalPolicyOutput{ContextKeyNames: contextKeys(append(p.Identity, more...))}, nil
}

func contextKeys(list []authz.Policy) []string {
	keys := []string{}
	for _, p := range list {
		for _, key := range p.Doc.ConditionKeys() {
			if !slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, key) }) {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return keys
}
