// Package iam is what may be asked of AWS Identity and Access Management: one
// method per action, named as AWS names it.
//
// Invariant: what it stores is what requests are decided by; a document that is
// stored has been read. Identities belong to an account and to no Region.
package iam

import (
	"net/url"
	"strings"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/session"
)

// Config is what the service cannot find in the state.
type Config struct {
	Seal    session.Seal   // marks the access keys that are issued
	Library *authz.Library // documents that were read; nil: one of its own
}

// Service serves the actions; it has no state of its own.
type Service struct{ cfg Config }

// New makes the service.
func New(cfg Config) *Service {
	if cfg.Library == nil {
		cfg.Library = &authz.Library{}
	}
	return &Service{cfg: cfg}
}

// Codes with the status that IAM models for them.

func noSuchEntity(format string, args ...any) error {
	return awserr.New(api.ErrNoSuchEntity, format, args...).WithStatus(api.ErrNoSuchEntityStatus)
}

func alreadyExists(format string, args ...any) error {
	return awserr.New(api.ErrEntityAlreadyExists, format, args...).WithStatus(api.ErrEntityAlreadyExistsStatus)
}

func deleteConflict(format string, args ...any) error {
	return awserr.New(api.ErrDeleteConflict, format, args...).WithStatus(api.ErrDeleteConflictStatus)
}

func limitExceeded(format string, args ...any) error {
	return awserr.New(api.ErrLimitExceeded, format, args...).WithStatus(api.ErrLimitExceededStatus)
}

func invalidInput(format string, args ...any) error {
	return awserr.New(api.ErrInvalidInput, format, args...)
}

func invalid(format string, args ...any) error {
	return awserr.New("ValidationError", format, args...)
}

// Quotas of an account (IAM User Guide, "IAM and AWS STS quotas").
const (
	maxUsers            = 5000
	maxGroups           = 300
	maxRoles            = 1000
	maxInstanceProfiles = 1000
	maxPolicies         = 1500
	maxAttached         = 10 // managed policies of one user, group or role
	maxGroupsPerUser    = 10
	maxAccessKeys       = 2
	maxVersions         = 5
	maxTags             = 50
	maxPolicySize       = 6144 // characters, blanks not counted
	maxTrustSize        = 2048
	maxUserInline       = 2048 // all inline policies together
	maxGroupInline      = 5120
	maxRoleInline       = 10240
)

// pathOf is the path asked for, "/" if none is.
func pathOf(p *string) string {
	if p == nil {
		return "/"
	}
	return *p
}

// below says whether a path begins with a prefix.
func below(path string, prefix *string) bool {
	return prefix == nil || strings.HasPrefix(path, *prefix)
}

// encoded is a document as answers have it (RFC 3986).
func encoded(document string) *string {
	return ptr(strings.ReplaceAll(url.QueryEscape(document), "+", "%20"))
}

// seconds is a time as IAM gives it, without fractions.
func seconds(t time.Time) *time.Time { return ptr(t.UTC().Truncate(time.Second)) }

// timeOf is nil for a time that has not come.
func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return seconds(t)
}

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
