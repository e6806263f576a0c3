package iam

import (
	"slices"
	"strings"
	"unicode/utf8"

	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// holder is a user, group or role as something that has policies.
type holder struct {
	word string // "user"
	most int    // characters of all inline policies
	has  state.Principal
	put  func(state.Principal) // nil when it was only looked at
}

func userHolder(r state.Reader, c authz.Caller, name string) (*holder, error) {
	u, err := user(r, c, name)
	if err != nil {
		return nil, err
	}
	h := &holder{word: "user", most: maxUserInline, has: u.Principal}
	if tx, ok := r.(*state.Tx); ok {
		h.put = func(p state.Principal) { next := *u; next.Principal = p; state.Users.Put(tx, &next) }
	}
	return h, nil
}

func groupHolder(r state.Reader, c authz.Caller, name string) (*holder, error) {
	g, err := group(r, c, name)
	if err != nil {
		return nil, err
	}
	h := &holder{word: "group", most: maxGroupInline, has: g.Principal}
	if tx, ok := r.(*state.Tx); ok {
		h.put = func(p state.Principal) { next := *g; next.Principal = p; state.Groups.Put(tx, &next) }
	}
	return h, nil
}

func roleHolder(r state.Reader, c authz.Caller, name string) (*holder, error) {
	find := role
	tx, changing := r.(*state.Tx)
	if changing {
		find = ownRole
	}
	row, err := find(r, c, name)
	if err != nil {
		return nil, err
	}
	h := &holder{word: "role", most: maxRoleInline, has: row.Principal}
	if changing {
		h.put = func(p state.Principal) { next := *row; next.Principal = p; state.Roles.Put(tx, &next) }
	}
	return h, nil
}

// inline puts or replaces an inline policy.
func (h *holder) inline(name, text string) error {
	if _, err := read(text, authz.Identity); err != nil {
		return err
	}
	next := slices.Clone(h.has.Inline)
	i, found := slices.BinarySearchFunc(next, name, byName)
	if found {
		next[i].Document = text
	} else {
		next = slices.Insert(next, i, state.Inline{Name: name, Document: text})
	}
	total := 0
	for _, p := range next {
		total += size(p.Document)
	}
	if total > h.most {
		return limitExceeded("Maximum policy size of %d bytes exceeded for %s %s", h.most, h.word, h.has.Name)
	}
	h.has.Inline = next
	h.put(h.has)
	return nil
}

func byName(p state.Inline, name string) int { return strings.Compare(p.Name, name) }

// get finds an inline policy.
func (h *holder) get(name string) (int, error) {
	i, found := slices.BinarySearchFunc(h.has.Inline, name, byName)
	if !found {
		return 0, noSuchEntity("The %s policy with name %s cannot be found.", h.word, name)
	}
	return i, nil
}

func (h *holder) drop(name string) error {
	i, err := h.get(name)
	if err != nil {
		return err
	}
	h.has.Inline = slices.Delete(slices.Clone(h.has.Inline), i, i+1)
	h.put(h.has)
	return nil
}

// names is a page of the names of inline policies.
func (h *holder) names(marker *string, items *int32) ([]string, *bool, *string, error) {
	list := mapped(h.has.Inline, func(p state.Inline) string { return p.Name })
	out, truncated, next, err := page(slices.Values(list), self, marker, items)
	if out == nil {
		out = []string{}
	}
	return out, truncated, next, err
}

// attach adds a managed policy; one that is attached stays so.
func (h *holder) attach(r state.Reader, c authz.Caller, arn string) error {
	m, err := attachable(r, c, arn)
	if err != nil {
		return err
	}
	if slices.Contains(h.has.Attached, m.arn()) {
		return nil
	}
	if len(h.has.Attached) >= maxAttached {
		first, size := utf8.DecodeRuneInString(h.word)
		return limitExceeded("Cannot exceed quota for PoliciesPer%s: %d", strings.ToUpper(string(first))+h.word[size:], maxAttached)
	}
	h.has.Attached = append(slices.Clone(h.has.Attached), m.arn())
	h.put(h.has)
	return nil
}

func (h *holder) detach(arn string) error {
	i := slices.Index(h.has.Attached, arn)
	if i < 0 {
		return noSuchEntity("Policy %s was not found.", awserr.Clip(arn))
	}
	h.has.Attached = slices.Delete(slices.Clone(h.has.Attached), i, i+1)
	h.put(h.has)
	return nil
}

// attached is a page of the managed policies.
func (h *holder) attached(r state.Reader, c authz.Caller, prefix, marker *string, items *int32) ([]api.AttachedPolicy, *bool, *string, error) {
	var rows []managed
	for _, arn := range slices.Sorted(slices.Values(h.has.Attached)) {
		if m, ok := find(r, c, arn); ok && below(m.path(), prefix) {
			rows = append(rows, m)
		}
	}
	list, truncated, next, err := page(slices.Values(rows), managed.arn, marker, items)
	return mapped(list, wireAttached), truncated, next, err
}

func wireAttached(m managed) api.AttachedPolicy {
	return api.AttachedPolicy{PolicyName: ptr(m.name()), PolicyArn: ptr(m.arn())}
}
