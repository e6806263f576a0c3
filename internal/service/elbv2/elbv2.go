// Package elbv2 is what may be asked of Elastic Load Balancing: one method per
// action, named as AWS names it. Network load balancers are offered; what belongs
// to the other types alone answers an error of AWS's.
//
// Invariant: an action depends on the state, its caller and its input alone, and a
// refused one has changed nothing. What a target's health is, and what packets do,
// decide/balance says; nothing here repeats it.
package elbv2

import (
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/quota"
	"github.com/localvpc/localvpc/internal/state"
)

// Config is what the service cannot find in the state.
type Config struct {
	// Quotas overrides AWS's default quotas by name (see decide/quota).
	Quotas map[string]int
	// NoPackets: nothing runs and nothing is checked, so that a target which would be
	// checked first counts as healthy, as its instance counts as running.
	NoPackets bool
}

// Service serves the actions; it has no state of its own.
type Service struct{ cfg Config }

// New makes the service.
func New(cfg Config) *Service { return &Service{cfg: cfg} }

// limit is the quota in force under a name, quota.Unlimited for none.
func (s *Service) limit(r state.Reader, c authz.Caller, name string) (quota.Quota, int) {
	q, ok := quota.Named(name)
	if !ok {
		panic("elbv2: no quota is named " + name) // a constant in this package
	}
	return q, q.Value(r, c.Scope, s.cfg.Quotas)
}

// within refuses to have n of what the quota bounds, with AWS's error for it.
func (s *Service) within(r state.Reader, c authz.Caller, name string, n int) error {
	q, limit := s.limit(r, c, name)
	if limit < 0 || n <= limit {
		return nil
	}
	return q.Exceeded(limit)
}

func invalid(format string, args ...any) error {
	return awserr.New("ValidationError", format, args...)
}

// newHash draws the 16 hex digits that end an ARN.
func newHash(tx *state.Tx) string {
	var b [8]byte
	if _, err := io.ReadFull(tx.Rand(), b[:]); err != nil {
		panic(fmt.Sprintf("elbv2: no randomness: %v", err)) // crypto/rand never fails
	}
	return hex.EncodeToString(b[:])
}

// when is a time as ELB gives it.
func when(t time.Time) *time.Time { return ptr(t.UTC()) }

func ptr[T any](v T) *T { return &v }

func val[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func opt(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
