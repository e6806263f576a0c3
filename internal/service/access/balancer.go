package access

import (
	"strings"

	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// balancing is a resource of Elastic Load Balancing: an ARN with the tags of what it
// names, or a name of what is to be made, whose ARN ends with digits that nobody
// knows yet.
func balancing(r state.Reader, c *authz.Caller, kind, value string) resource {
	if kind != "arn" {
		return resource{arn: arn(c, "elbv2", kind, value+"/*"), kind: kind, made: true}
	}
	out := resource{arn: value, kind: kind}
	f := strings.SplitN(value, ":", 6)
	if len(f) != 6 || f[3] != c.Region || f[4] != c.Account {
		return out
	}
	resource, id, _ := strings.Cut(f[5], "/")
	var find lookup
	switch resource {
	case "loadbalancer":
		find = in(state.LoadBalancers)
	case "targetgroup":
		find = in(state.TargetGroups)
	case "listener":
		find = in(state.Listeners)
	default:
		return out
	}
	if row, ok := find(r, c.Scope.Key(id)); ok {
		for _, t := range state.MetaOf(row).Tags {
			value := []string{t.Value}
			out.keys = append(out.keys, authz.Key{Name: "aws:ResourceTag/" + t.Key, Values: value}, authz.Key{Name: "elasticloadbalancing:ResourceTag/" + t.Key, Values: value})
		}
	}
	return out
}
