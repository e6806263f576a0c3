package ec2

import (
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/quota"
	"github.com/localvpc/localvpc/internal/state"
)

// The quotas themselves, with AWS's errors, are the table of decide/quota.

// quota is the limit in force under a name, quota.Unlimited for none.
func (s *Service) quota(r state.Reader, c authz.Caller, name string) int {
	return quotaNamed(name).Value(r, c.Scope, s.cfg.Quotas)
}

// within refuses to have n of what the quota bounds, with AWS's error for it.
func (s *Service) within(r state.Reader, c authz.Caller, name string, n int) error {
	limit := s.quota(r, c, name)
	if limit < 0 || n <= limit {
		return nil
	}
	return quotaNamed(name).Exceeded(limit)
}

func quotaNamed(name string) quota.Quota {
	q, ok := quota.Named(name)
	if !ok {
		panic("ec2: no quota is named " + name) // a constant in this package
	}
	return q
}
