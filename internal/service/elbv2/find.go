package elbv2

import (
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// kind is what the API calls a resource: in ARNs, and in the errors that say that
// there is none.
type kind[T any] struct {
	table    *state.Table[T]
	resource string // in ARNs: "loadbalancer"
	noun     string // "load balancer"
	parts    int    // of the id that an ARN ends with
	notFound string // code
}

// The kinds of resources, with AWS's codes (ELBv2 API Reference).
var (
	balancerKind = kind[state.LoadBalancer]{state.LoadBalancers, "loadbalancer", "load balancer", 3, api.ErrLoadBalancerNotFound}
	groupKind    = kind[state.TargetGroup]{state.TargetGroups, "targetgroup", "target group", 2, api.ErrTargetGroupNotFound}
	listenerKind = kind[state.Listener]{state.Listeners, "listener", "listener", 4, api.ErrListenerNotFound}
)

// ruleResource is how ARNs of rules begin; a rule has no row, its listener has.
const ruleResource = "listener-rule"

// arnOf names a resource.
func arnOf(resource string, k state.Key) string {
	return awsid.ARN("elasticloadbalancing", k.Region, k.Account, resource+"/"+k.ID)
}

func (k kind[T]) arn(row *T) string { return arnOf(k.resource, keyOf(row)) }

func keyOf[T any](row *T) state.Key { return state.MetaOf(any(row).(state.Resource)).Key }

// split takes an ARN of Elastic Load Balancing apart; ok is false for what has not
// the form of one.
func split(arn string) (scope state.Scope, resource, id string, ok bool) {
	f := strings.SplitN(arn, ":", 6)
	if len(f) != 6 || f[0] != "arn" || f[2] != "elasticloadbalancing" || f[1] != awsid.Partition(f[3]) {
		return scope, "", "", false
	}
	resource, id, ok = strings.Cut(f[5], "/")
	return state.Scope{Account: f[4], Region: f[3]}, resource, id, ok && f[3] != "" && f[4] != ""
}

// id is that of an ARN, "" if it is another account's or Region's. The error is
// ValidationError, for what is no ARN of the kind.
func (k kind[T]) id(c authz.Caller, arn string) (string, error) {
	scope, resource, id, ok := split(arn)
	if !ok || resource != k.resource || strings.Count(id, "/") != k.parts-1 {
		return "", invalid("'%s' is not a valid %s ARN", awserr.Clip(arn), k.noun)
	}
	if scope != c.Scope {
		return "", nil
	}
	return id, nil
}

// find gives the resource with the ARN.
func (k kind[T]) find(r state.Reader, c authz.Caller, arn string) (*T, error) {
	id, err := k.id(c, arn)
	if err != nil {
		return nil, err
	}
	if row, ok := k.table.Get(r, c.Scope.Key(id)); ok && id != "" {
		return row, nil
	}
	return nil, awserr.New(k.notFound, "%s%s '%s' not found", strings.ToUpper(k.noun[:1]), k.noun[1:], awserr.Clip(arn))
}

// findAll gives the resources with the ARNs, each once, in the order of the ARNs.
func (k kind[T]) findAll(r state.Reader, c authz.Caller, arns []string) ([]*T, error) {
	var rows []*T
	seen := map[string]bool{}
	for _, arn := range arns {
		id, err := k.id(c, arn)
		if err != nil {
			return nil, err
		}
		row, ok := k.table.Get(r, c.Scope.Key(id))
		if !ok || id == "" {
			return nil, k.none()
		}
		if !seen[id] {
			seen[id] = true
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// none is the error of describe actions.
func (k kind[T]) none() error { return awserr.New(k.notFound, "One or more %ss not found", k.noun) }

// all gives the rows of the scope.
func (k kind[T]) all(r state.Reader, c authz.Caller) (rows []*T) {
	for row := range k.table.In(r, c.Scope) {
		rows = append(rows, row)
	}
	return rows
}
