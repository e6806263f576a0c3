// Package authz decides who a caller is and what the caller may do.
//
// Invariant: pure; a decision depends on its arguments alone.
package authz

import (
	"net/netip"

	"github.com/localvpc/localvpc/internal/state"
)

// Caller is who sent a request, and where to: the account of the credentials
// and the Region of the signature.
type Caller struct {
	state.Scope
	ARN       string // "arn:aws:iam::000000000000:root"
	UserID    string // as GetCallerIdentity gives it; the account's number for its root
	AccessKey string
	SourceIP  netip.Addr
}

// Root is the root user of an account, calling in a Region.
func Root(scope state.Scope, accessKey string) Caller {
	return Caller{Scope: scope, ARN: "arn:aws:iam::" + scope.Account + ":root", UserID: scope.Account, AccessKey: accessKey}
}
