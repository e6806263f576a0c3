package elbv2

import (
	"strings"

	"github.com/localvpc/localvpc/internal/base/awserr"
)

// maxName is the longest name of a load balancer or target group (ELBv2 API
// Reference, CreateLoadBalancer).
const maxName = 32

// checkName says what is wrong with a name; what begins the sentence: "The load
// balancer name", "Target group name".
func checkName(what, name string) error {
	switch {
	case name == "":
		return invalid("%s cannot be empty", what)
	case len(name) > maxName:
		return invalid("%s '%s' cannot be longer than '%d' characters", what, awserr.Clip(name), maxName)
	case strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}):
		return invalid("%s '%s' can only contain characters that are alphanumeric characters and hyphens(-)", what, awserr.Clip(name))
	case strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-"):
		return invalid("%s '%s' cannot begin or end with '-'", what, name)
	}
	return nil
}

// checkBalancerName is checkName of a load balancer.
func checkBalancerName(name string) error {
	if err := checkName("The load balancer name", name); err != nil {
		return err
	}
	if strings.HasPrefix(name, "internal-") {
		return invalid("The load balancer name '%s' cannot begin with 'internal-'", name)
	}
	return nil
}
