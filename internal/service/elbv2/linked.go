package elbv2

import (
	"fmt"
	"io"

	"github.com/localvpc/localvpc/internal/base/awspolicy"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// principal is the service as trust policies name it.
const principal = "elasticloadbalancing.amazonaws.com"

// linkRole makes the service-linked role of an account with its first load balancer
// (ELB User Guide, "Service-linked roles").
func linkRole(tx *state.Tx, c authz.Caller) {
	name, policy, ok := awspolicy.LinkedRole(principal)
	key := state.NameKey(c.Account, name)
	if _, there := state.Roles.Get(tx, key); there || !ok {
		return
	}
	row := &state.Role{
		Meta:      state.Meta{Key: key, Created: tx.Now()},
		Principal: state.Principal{Name: name, UniqueID: uniqueID(tx), Path: "/aws-service-role/" + principal + "/"},
		Trust:     `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + principal + `"},"Action":"sts:AssumeRole"}]}`,
		Service:   principal, Description: "Allows ELB to call AWS services on your behalf.", MaxSession: 3600,
	}
	for _, p := range awspolicy.All() {
		if p.Name == policy {
			row.Attached = []string{p.ARN()}
		}
	}
	state.Roles.Put(tx, row)
}

// uniqueID makes the unique id of a role.
func uniqueID(tx *state.Tx) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	id := make([]byte, 17)
	if _, err := io.ReadFull(tx.Rand(), id); err != nil {
		panic(fmt.Sprintf("elbv2: no randomness: %v", err)) // crypto/rand never fails
	}
	for i := range id {
		id[i] = letters[id[i]%32]
	}
	return "AROA" + string(id)
}
