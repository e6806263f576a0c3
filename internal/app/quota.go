package app

import (
	"context"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsregion"
	"github.com/localvpc/localvpc/internal/decide/quota"
	"github.com/localvpc/localvpc/internal/front/apiserver"
	"github.com/localvpc/localvpc/internal/front/cli"
	"github.com/localvpc/localvpc/internal/state"
)

// Quotas implements apiserver.Control.
func (e *engine) Quotas(account, region string) (any, error) {
	scope, err := quotaScope(account, region)
	if err != nil {
		return nil, err
	}
	snap := e.store.Snapshot()
	out := cli.Quotas{Account: account, Region: region}
	for _, q := range quota.All() {
		out.Quotas = append(out.Quotas, e.quotaOf(snap, scope, q))
	}
	return out, nil
}

// quotaOf shows a quota as it is in force.
func (e *engine) quotaOf(r state.Reader, scope state.Scope, q quota.Quota) cli.Quota {
	return cli.Quota{Name: q.Name, Service: q.Service, Code: q.Code, Title: q.Title, Default: q.Default, Value: q.Value(r, scope, e.quotas)}
}

func quotaScope(account, region string) (state.Scope, error) {
	if _, ok := awsregion.Lookup(region); !ok {
		return state.Scope{}, awserr.New("InvalidParameterValue", "There is no Region %q.", awserr.Clip(region))
	}
	return state.Scope{Account: account, Region: region}, nil
}

// SetQuota implements apiserver.Control.
func (e *engine) SetQuota(ctx context.Context, req apiserver.QuotaRequest) (any, error) {
	scope, err := quotaScope(req.Account, req.Region)
	if err != nil {
		return nil, err
	}
	q, ok := quota.Named(req.Name)
	if !ok {
		return nil, awserr.New("InvalidParameterValue", "There is no quota %q; there are %v.", awserr.Clip(req.Name), quota.Names())
	}
	if req.Value != nil && *req.Value < quota.Unlimited {
		return nil, awserr.New("InvalidParameterValue", "A quota is a number from 0 on, or -1 for no limit, not %d.", *req.Value)
	}
	var out cli.Quota
	_, err = e.store.Write(ctx, func(tx *state.Tx) error {
		if req.Value == nil {
			q.Unset(tx, scope)
		} else {
			q.Set(tx, scope, int(*req.Value))
		}
		out = e.quotaOf(tx, scope, q)
		return nil
	})
	return out, err
}
