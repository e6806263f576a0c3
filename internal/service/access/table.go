// Package access decides whether a caller may do what a request asks: from the
// action, to the resources that it is about, to the condition keys, to the
// policies that bear on the caller.
//
// Invariant: every action that is served has a row in access.tsv; what a denied
// caller learns is what AWS tells.
package access

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

//go:embed access.tsv
var text string

// rule is what an action is checked for.
type rule struct {
	level     string
	self      bool // the action needs no permission, or checks itself
	resources []spec
	keys      []spec
}

// spec is a kind of resource, or a condition key, and the members of the request
// that give it.
type spec struct {
	name    string
	members [][]string // paths; nil: the resource is to be made, unless all is set
	service string     // of link
	all     bool       // all of IAM's resources of that type, below a path
}

// rules by "service:Action" as the wire names the service.
var rules = sync.OnceValue(func() map[string]rule {
	m := map[string]rule{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		columns := strings.Split(line, "\t")
		if len(columns) < 4 {
			panic(fmt.Sprintf("access.tsv: %q has too few columns", line)) // a test reads it
		}
		r := rule{level: columns[2]}
		switch columns[3] {
		case "self":
			r.self = true
		case "*":
		default:
			r.resources = specs(columns[3])
		}
		if len(columns) > 4 {
			r.keys = specs(columns[4])
		}
		m[columns[0]+":"+columns[1]] = r
	}
	return m
})

func specs(text string) []spec {
	var list []spec
	for part := range strings.SplitSeq(text, ";") {
		name, members, _ := strings.Cut(part, "=")
		s := spec{name: name}
		switch members {
		case "new":
		case "all":
			s.all = true
		default:
			if name == "link" {
				s.service = members
				break
			}
			for path := range strings.SplitSeq(members, ",") {
				s.members = append(s.members, strings.Split(path, "."))
			}
		}
		list = append(list, s)
	}
	return list
}

// Known says whether an action has a row.
func Known(service, action string) bool {
	_, ok := rules()[service+":"+action]
	return ok
}

// vendors are the services whose name in policies is not the wire's.
var vendors = map[string]string{"elbv2": "elasticloadbalancing", "elb": "elasticloadbalancing", "resourcegroupstaggingapi": "tag"}

// Vendor is a service's name in policies.
func Vendor(service string) string {
	if v, ok := vendors[service]; ok {
		return v
	}
	return service
}
