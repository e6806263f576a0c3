// Package sts is what may be asked of AWS STS: who is calling, and whose key it
// is.
//
// Invariant: it answers by what the front has decided about the caller, and
// changes nothing.
package sts

import (
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/sts"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// Config is what the service cannot find in the state.
type Config struct {
	// Account is the account of access keys that do not name another: 12 digits.
	Account string
}

// Service serves the actions; it has no state of its own.
type Service struct{ cfg Config }

// New makes the service.
func New(cfg Config) *Service { return &Service{cfg: cfg} }

// Actions lists every action that is served, once.
func (s *Service) Actions() []service.Action {
	return []service.Action{
		service.Read("GetAccessKeyInfo", s.GetAccessKeyInfo),
		service.Read("GetCallerIdentity", s.GetCallerIdentity),
	}
}

// GetCallerIdentity says who is calling. It needs no permission.
func (s *Service) GetCallerIdentity(_ state.Reader, c authz.Caller, _ *api.GetCallerIdentityInput) (*api.GetCallerIdentityOutput, error) {
	return &api.GetCallerIdentityOutput{Account: &c.Account, Arn: &c.ARN, UserId: &c.UserID}, nil
}

// GetAccessKeyInfo gives the account of an access key: a key of 12 digits is
// that account's, any other the default account's.
func (s *Service) GetAccessKeyInfo(_ state.Reader, _ authz.Caller, in *api.GetAccessKeyInfoInput) (*api.GetAccessKeyInfoOutput, error) {
	if in.AccessKeyId == nil || *in.AccessKeyId == "" {
		return nil, awserr.New("ValidationError", "1 validation error detected: Value null at 'accessKeyId' failed to satisfy constraint: Member must not be null")
	}
	account := s.cfg.Account
	if key := *in.AccessKeyId; len(key) == 12 && strings.Trim(key, "0123456789") == "" {
		account = key
	}
	return &api.GetAccessKeyInfoOutput{Account: &account}, nil
}
