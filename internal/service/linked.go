package service

import (
	"fmt"
	"io"

	"github.com/localvpc/localvpc/internal/base/awspolicy"
	"github.com/localvpc/localvpc/internal/state"
)

// LinkRole makes the role of a service, named as trust policies name it, in an
// account (IAM User Guide, "Service-linked roles"): a service does it with the first
// resource that needs it. suffix is put behind the role's name, for those services
// that may have several. A role that is there stays as it is, and made is false; nil
// is given for a service that has none here.
func LinkRole(tx *state.Tx, account, service, suffix, description string) (row *state.Role, made bool) {
	name, policy, ok := awspolicy.LinkedRole(service)
	if !ok {
		return nil, false
	}
	if suffix != "" {
		name += "_" + suffix
	}
	key := state.NameKey(account, name)
	if row, ok := state.Roles.Get(tx, key); ok {
		return row, false
	}
	row = &state.Role{
		Meta:      state.Meta{Key: key, Created: tx.Now()},
		Principal: state.Principal{Name: name, UniqueID: UniqueID(tx, "AROA"), Path: "/aws-service-role/" + service + "/"},
		Trust:     `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`,
		Service:   service, Description: description, MaxSession: 3600,
	}
	for _, p := range awspolicy.All() {
		if p.Name == policy {
			row.Attached = []string{p.ARN()}
		}
	}
	state.Roles.Put(tx, row)
	return row, true
}

// UniqueID makes an id that no identity has had (IAM User Guide, "IAM identifiers").
func UniqueID(tx *state.Tx, prefix string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	id := make([]byte, 17)
	if _, err := io.ReadFull(tx.Rand(), id); err != nil {
		panic(fmt.Sprintf("service: no randomness: %v", err)) // the system's never ends
	}
	for i := range id {
		id[i] = letters[id[i]%32]
	}
	return prefix + string(id)
}
