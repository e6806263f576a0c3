package app

import (
	"github.com/localvpc/localvpc/internal/front/cli"
	"github.com/localvpc/localvpc/internal/service/ec2"
)

// Scopes implements apiserver.Control.
func (e *engine) Scopes() any {
	out := cli.Scopes{Scopes: []cli.Scope{}}
	for _, s := range ec2.Used(e.store.Snapshot()) {
		out.Scopes = append(out.Scopes, cli.Scope{Account: s.Account, Region: s.Region})
	}
	return out
}
