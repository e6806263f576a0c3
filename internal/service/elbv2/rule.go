package elbv2

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// A listener of a network load balancer has one rule, the default one, which says
// what its default action says. It has no row: its ARN follows from the listener's.

// ruleARN is that of a listener's default rule.
func ruleARN(l *state.Listener) string {
	sum := sha256.Sum256([]byte(l.Key.Account + l.Key.Region + l.ID))
	return arnOf(ruleResource, l.Scope().Key(l.ID+"/"+hex.EncodeToString(sum[:8])))
}

// ruleListener finds the listener that a rule belongs to.
func ruleListener(r state.Reader, c authz.Caller, arn string) (*state.Listener, error) {
	scope, resource, id, ok := split(arn)
	if !ok || resource != ruleResource || strings.Count(id, "/") != 4 {
		return nil, invalid("'%s' is not a valid listener rule ARN", awserr.Clip(arn))
	}
	l, ok := state.Listeners.Get(r, c.Scope.Key(id[:strings.LastIndexByte(id, '/')]))
	if !ok || scope != c.Scope || ruleARN(l) != arn {
		return nil, awserr.New(api.ErrRuleNotFound, "One or more rules not found")
	}
	return l, nil
}

// DescribeRules lists the default rule of a listener, or those asked for.
func (s *Service) DescribeRules(r state.Reader, c authz.Caller, in *api.DescribeRulesInput) (*api.DescribeRulesOutput, error) {
	var rows []*state.Listener
	switch {
	case (in.ListenerArn != nil) == (len(in.RuleArns) > 0):
		return nil, invalid("You must specify either listener rule ARNs or a listener ARN")
	case in.ListenerArn != nil:
		l, err := listenerKind.find(r, c, *in.ListenerArn)
		if err != nil {
			return nil, err
		}
		rows = append(rows, l)
	}
	for _, arn := range in.RuleArns {
		l, err := ruleListener(r, c, arn)
		if err != nil {
			return nil, err
		}
		rows = append(rows, l)
	}
	rows, next, err := page(rows, func(l *state.Listener) string { return l.ID }, in.Marker, in.PageSize)
	return &api.DescribeRulesOutput{NextMarker: next, Rules: mapped(rows, apiRule)}, err
}

func apiRule(l *state.Listener) api.Rule {
	return api.Rule{RuleArn: ptr(ruleARN(l)), Priority: ptr("default"), Conditions: []api.RuleCondition{}, Actions: []api.Action{apiForward(l)}, IsDefault: ptr(true)}
}

// CreateRule refuses: rules are of application load balancers.
func (s *Service) CreateRule(tx *state.Tx, c authz.Caller, in *api.CreateRuleInput) (*api.CreateRuleOutput, error) {
	if _, err := listenerKind.find(tx, c, *in.ListenerArn); err != nil {
		return nil, err
	}
	return nil, awserr.New(api.ErrInvalidConfigurationRequest, "Rules are not supported on load balancers with type 'network'")
}

// ModifyRule refuses: a default rule changes with its listener.
func (s *Service) ModifyRule(tx *state.Tx, c authz.Caller, in *api.ModifyRuleInput) (*api.ModifyRuleOutput, error) {
	if _, err := ruleListener(tx, c, *in.RuleArn); err != nil {
		return nil, err
	}
	return nil, awserr.New(api.ErrOperationNotPermitted, "Default rule '%s' cannot be modified", *in.RuleArn)
}

// DeleteRule refuses: a default rule goes with its listener.
func (s *Service) DeleteRule(tx *state.Tx, c authz.Caller, in *api.DeleteRuleInput) (*api.DeleteRuleOutput, error) {
	if _, err := ruleListener(tx, c, *in.RuleArn); err != nil {
		return nil, err
	}
	return nil, awserr.New(api.ErrOperationNotPermitted, "Default rule '%s' cannot be deleted", *in.RuleArn)
}

// SetRulePriorities refuses: default rules have none.
func (s *Service) SetRulePriorities(tx *state.Tx, c authz.Caller, in *api.SetRulePrioritiesInput) (*api.SetRulePrioritiesOutput, error) {
	if len(in.RulePriorities) == 0 {
		return nil, invalid("At least one rule priority must be specified")
	}
	for _, p := range in.RulePriorities {
		if _, err := ruleListener(tx, c, val(p.RuleArn)); err != nil {
			return nil, err
		}
	}
	return nil, awserr.New(api.ErrOperationNotPermitted, "The priority of default rule '%s' cannot be set", val(in.RulePriorities[0].RuleArn))
}
