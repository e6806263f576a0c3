package elbv2

import (
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// principal is the service as trust policies name it.
const principal = "elasticloadbalancing.amazonaws.com"

// linkRole makes the service-linked role of an account with its first load balancer
// (ELB User Guide, "Service-linked roles").
func linkRole(tx *state.Tx, c authz.Caller) {
	service.LinkRole(tx, c.Account, principal, "", "Allows ELB to call AWS services on your behalf.")
}
