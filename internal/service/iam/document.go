package iam

import (
	"errors"
	"strings"
	"unicode/utf8"

	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// read checks a document that is to be stored.
func read(text string, kind authz.Kind) (*authz.Document, error) {
	doc, err := authz.Parse(text, kind)
	if err != nil {
		return nil, malformed(err)
	}
	return doc, nil
}

func malformed(err error) error {
	var s *authz.SyntaxError
	if !errors.As(err, &s) {
		return err
	}
	return awserr.New(api.ErrMalformedPolicyDocument, "%s", s.Error())
}

// size is what counts for the quotas: characters without blanks between tokens.
func size(text string) int { return utf8.RuneCountInString(authz.Minify(text)) }

// trust checks a role's trust policy: its form, its size, and that whom it names
// exists.
func trust(r state.Reader, text string) error {
	doc, err := read(text, authz.Trust)
	if err != nil {
		return err
	}
	if size(text) > maxTrustSize {
		return limitExceeded("Cannot exceed quota for ACLSizePerRole: %d", maxTrustSize)
	}
	for i := range doc.Statements {
		for _, p := range doc.Statements[i].Principals {
			if p.Type == "AWS" && !exists(r, p.Value) {
				return awserr.New(api.ErrMalformedPolicyDocument, "Invalid principal in policy: %q:%q", p.Type, awserr.Clip(p.Value))
			}
		}
	}
	return nil
}

// exists says whether an AWS principal can be trusted: accounts always, users and
// roles of any account when they are there.
func exists(r state.Reader, value string) bool {
	switch {
	case strings.HasPrefix(value, "AIDA"):
		for range state.Users.By(r, state.ByUnique, value) {
			return true
		}
		return false
	case strings.HasPrefix(value, "AROA"):
		for range state.Roles.By(r, state.ByUnique, value) {
			return true
		}
		return false
	}
	parts := strings.SplitN(value, ":", 6)
	if len(parts) < 6 {
		return true
	}
	account, name := parts[4], parts[5]
	kind, rest, _ := strings.Cut(name, "/")
	last := rest[strings.LastIndexByte(rest, '/')+1:]
	switch kind {
	case "user":
		u, ok := state.Users.Get(r, state.NameKey(account, last))
		return ok && u.ARN() == value
	case "role":
		role, ok := state.Roles.Get(r, state.NameKey(account, last))
		return ok && role.ARN() == value
	case "assumed-role":
		role, _, _ := strings.Cut(rest, "/")
		_, ok := state.Roles.Get(r, state.NameKey(account, role))
		return ok
	}
	return true // root, a federated user
}
