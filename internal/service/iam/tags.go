package iam

import (
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// tagged sets tags; keys that differ in case only are the same key (IAM User
// Guide, "Tags for AWS Identity and Access Management resources").
func tagged(tags state.Tags, more []api.Tag) (state.Tags, error) {
	out := slices.Clone(tags)
	seen := map[string]bool{}
	for _, t := range more {
		key := strings.ToLower(*t.Key)
		switch {
		case strings.HasPrefix(key, "aws:"):
			return nil, invalidInput("Tag keys that begin with aws: are reserved for AWS.")
		case seen[key]:
			return nil, invalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[key] = true
		i := slices.IndexFunc(out, func(have state.Tag) bool { return strings.EqualFold(have.Key, *t.Key) })
		if i >= 0 {
			out[i] = state.Tag{Key: *t.Key, Value: *t.Value}
		} else {
			out = append(out, state.Tag{Key: *t.Key, Value: *t.Value})
		}
	}
	if len(out) > maxTags {
		return nil, invalidInput("The number of tags has reached the maximum limit.")
	}
	return out, nil
}

func untagged(tags state.Tags, keys []string) state.Tags {
	return slices.DeleteFunc(slices.Clone(tags), func(t state.Tag) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, t.Key) })
	})
}

// wireTags is nil where there are none: then the element is left out.
func wireTags(tags state.Tags) []api.Tag {
	if len(tags) == 0 {
		return nil
	}
	return mapped(tags, wireTag)
}

func wireTag(t state.Tag) api.Tag { return api.Tag{Key: ptr(t.Key), Value: ptr(t.Value)} }

// tagPage is one page of tags, by key.
func tagPage(tags state.Tags, marker *string, items *int32) ([]api.Tag, *bool, *string, error) {
	sorted := slices.SortedFunc(slices.Values(tags), func(a, b state.Tag) int { return strings.Compare(a.Key, b.Key) })
	rows, truncated, next, err := page(slices.Values(sorted), func(t state.Tag) string { return t.Key }, marker, items)
	return mapped(rows, wireTag), truncated, next, err
}

// TagUser sets tags of a user.
func (s *Service) TagUser(tx *state.Tx, c authz.Caller, in *api.TagUserInput) (*api.TagUserOutput, error) {
	u, err := user(tx, c, *in.UserName)
	if err != nil {
		return nil, err
	}
	next := *u
	if next.Tags, err = tagged(u.Tags, in.Tags); err != nil {
		return nil, err
	}
	state.Users.Put(tx, &next)
	return &api.TagUserOutput{}, nil
}

// UntagUser removes tags of a user.
func (s *Service) UntagUser(tx *state.Tx, c authz.Caller, in *api.UntagUserInput) (*api.UntagUserOutput, error) {
	u, err := user(tx, c, *in.UserName)
	if err != nil {
		return nil, err
	}
	next := *u
	next.Tags = untagged(u.Tags, in.TagKeys)
	state.Users.Put(tx, &next)
	return &api.UntagUserOutput{}, nil
}

// ListUserTags lists the tags of a user.
func (s *Service) ListUserTags(r state.Reader, c authz.Caller, in *api.ListUserTagsInput) (*api.ListUserTagsOutput, error) {
	u, err := user(r, c, *in.UserName)
	if err != nil {
		return nil, err
	}
	out := &api.ListUserTagsOutput{}
	out.Tags, out.IsTruncated, out.Marker, err = tagPage(u.Tags, in.Marker, in.MaxItems)
	return out, err
}

// TagRole sets tags of a role.
func (s *Service) TagRole(tx *state.Tx, c authz.Caller, in *api.TagRoleInput) (*api.TagRoleOutput, error) {
	role, err := ownRole(tx, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	next := *role
	if next.Tags, err = tagged(role.Tags, in.Tags); err != nil {
		return nil, err
	}
	state.Roles.Put(tx, &next)
	return &api.TagRoleOutput{}, nil
}

// UntagRole removes tags of a role.
func (s *Service) UntagRole(tx *state.Tx, c authz.Caller, in *api.UntagRoleInput) (*api.UntagRoleOutput, error) {
	role, err := ownRole(tx, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	next := *role
	next.Tags = untagged(role.Tags, in.TagKeys)
	state.Roles.Put(tx, &next)
	return &api.UntagRoleOutput{}, nil
}

// ListRoleTags lists the tags of a role.
func (s *Service) ListRoleTags(r state.Reader, c authz.Caller, in *api.ListRoleTagsInput) (*api.ListRoleTagsOutput, error) {
	role, err := role(r, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	out := &api.ListRoleTagsOutput{}
	out.Tags, out.IsTruncated, out.Marker, err = tagPage(role.Tags, in.Marker, in.MaxItems)
	return out, err
}

// TagPolicy sets tags of a customer's managed policy.
func (s *Service) TagPolicy(tx *state.Tx, c authz.Caller, in *api.TagPolicyInput) (*api.TagPolicyOutput, error) {
	p, err := ownPolicy(tx, c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	next := *p
	if next.Tags, err = tagged(p.Tags, in.Tags); err != nil {
		return nil, err
	}
	state.ManagedPolicies.Put(tx, &next)
	return &api.TagPolicyOutput{}, nil
}

// UntagPolicy removes tags of a customer's managed policy.
func (s *Service) UntagPolicy(tx *state.Tx, c authz.Caller, in *api.UntagPolicyInput) (*api.UntagPolicyOutput, error) {
	p, err := ownPolicy(tx, c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	next := *p
	next.Tags = untagged(p.Tags, in.TagKeys)
	state.ManagedPolicies.Put(tx, &next)
	return &api.UntagPolicyOutput{}, nil
}

// ListPolicyTags lists the tags of a managed policy.
func (s *Service) ListPolicyTags(r state.Reader, c authz.Caller, in *api.ListPolicyTagsInput) (*api.ListPolicyTagsOutput, error) {
	p, err := ownPolicy(r, c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	out := &api.ListPolicyTagsOutput{}
	out.Tags, out.IsTruncated, out.Marker, err = tagPage(p.Tags, in.Marker, in.MaxItems)
	return out, err
}

// TagInstanceProfile sets tags of an instance profile.
func (s *Service) TagInstanceProfile(tx *state.Tx, c authz.Caller, in *api.TagInstanceProfileInput) (*api.TagInstanceProfileOutput, error) {
	p, err := profile(tx, c, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	next := *p
	if next.Tags, err = tagged(p.Tags, in.Tags); err != nil {
		return nil, err
	}
	state.InstanceProfiles.Put(tx, &next)
	return &api.TagInstanceProfileOutput{}, nil
}

// UntagInstanceProfile removes tags of an instance profile.
func (s *Service) UntagInstanceProfile(tx *state.Tx, c authz.Caller, in *api.UntagInstanceProfileInput) (*api.UntagInstanceProfileOutput, error) {
	p, err := profile(tx, c, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	next := *p
	next.Tags = untagged(p.Tags, in.TagKeys)
	state.InstanceProfiles.Put(tx, &next)
	return &api.UntagInstanceProfileOutput{}, nil
}

// ListInstanceProfileTags lists the tags of an instance profile.
func (s *Service) ListInstanceProfileTags(r state.Reader, c authz.Caller, in *api.ListInstanceProfileTagsInput) (*api.ListInstanceProfileTagsOutput, error) {
	p, err := profile(r, c, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	out := &api.ListInstanceProfileTagsOutput{}
	out.Tags, out.IsTruncated, out.Marker, err = tagPage(p.Tags, in.Marker, in.MaxItems)
	return out, err
}
