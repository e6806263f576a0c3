package iam

import (
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// boundary checks a policy that is to be a permissions boundary.
func (s *Service) boundary(r state.Reader, c authz.Caller, arn *string) error {
	if arn == nil {
		return nil
	}
	if _, ok := find(r, c, *arn); !ok {
		return noSuchEntity("Scope ARN: %s does not exist or is not attachable.", awserr.Clip(*arn))
	}
	return nil
}

func wireBoundary(arn string) *api.AttachedPermissionsBoundary {
	if arn == "" {
		return nil
	}
	return &api.AttachedPermissionsBoundary{PermissionsBoundaryArn: &arn, PermissionsBoundaryType: ptr("Policy")}
}

// bound sets or removes the boundary of a holder.
func (s *Service) bound(tx *state.Tx, c authz.Caller, h *holder, arn *string) error {
	if err := s.boundary(tx, c, arn); err != nil {
		return err
	}
	h.has.Boundary = val(arn)
	h.put(h.has)
	return nil
}

// PutUserPermissionsBoundary limits a user.
func (s *Service) PutUserPermissionsBoundary(tx *state.Tx, c authz.Caller, in *api.PutUserPermissionsBoundaryInput) (*api.PutUserPermissionsBoundaryOutput, error) {
	h, err := userHolder(tx, c, *in.UserName)
	if err != nil {
		return nil, err
	}
	return &api.PutUserPermissionsBoundaryOutput{}, s.bound(tx, c, h, in.PermissionsBoundary)
}

// DeleteUserPermissionsBoundary ends the limit of a user.
func (s *Service) DeleteUserPermissionsBoundary(tx *state.Tx, c authz.Caller, in *api.DeleteUserPermissionsBoundaryInput) (*api.DeleteUserPermissionsBoundaryOutput, error) {
	h, err := userHolder(tx, c, *in.UserName)
	if err != nil {
		return nil, err
	}
	if h.has.Boundary == "" {
		return nil, noSuchEntity("User %s does not have a permissions boundary.", h.has.Name)
	}
	return &api.DeleteUserPermissionsBoundaryOutput{}, s.bound(tx, c, h, nil)
}

// PutRolePermissionsBoundary limits a role.
func (s *Service) PutRolePermissionsBoundary(tx *state.Tx, c authz.Caller, in *api.PutRolePermissionsBoundaryInput) (*api.PutRolePermissionsBoundaryOutput, error) {
	h, err := roleHolder(tx, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &api.PutRolePermissionsBoundaryOutput{}, s.bound(tx, c, h, in.PermissionsBoundary)
}

// DeleteRolePermissionsBoundary ends the limit of a role.
func (s *Service) DeleteRolePermissionsBoundary(tx *state.Tx, c authz.Caller, in *api.DeleteRolePermissionsBoundaryInput) (*api.DeleteRolePermissionsBoundaryOutput, error) {
	h, err := roleHolder(tx, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	if h.has.Boundary == "" {
		return nil, noSuchEntity("Role %s does not have a permissions boundary.", h.has.Name)
	}
	return &api.DeleteRolePermissionsBoundaryOutput{}, s.bound(tx, c, h, nil)
}

// entity is a user, group or role that has a policy.
type entity struct{ kind, name, id, path string }

// ListEntitiesForPolicy lists who has a managed policy attached, or as a boundary.
func (s *Service) ListEntitiesForPolicy(r state.Reader, c authz.Caller, in *api.ListEntitiesForPolicyInput) (*api.ListEntitiesForPolicyOutput, error) {
	m, err := policy(r, c, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	var rows []entity
	key := state.Within(c.Account, m.arn())
	usage := val(in.PolicyUsageFilter)
	for _, by := range []struct{ index, usage string }{{state.ByPolicy, api.PolicyUsageTypePermissionsPolicy}, {state.ByBoundary, api.PolicyUsageTypePermissionsBoundary}} {
		if usage != "" && usage != by.usage {
			continue
		}
		for u := range state.Users.By(r, by.index, key) {
			rows = append(rows, entity{api.EntityTypeUser, u.Name, u.UniqueID, u.Path})
		}
		if by.index == state.ByPolicy {
			for g := range state.Groups.By(r, by.index, key) {
				rows = append(rows, entity{api.EntityTypeGroup, g.Name, g.UniqueID, g.Path})
			}
		}
		for row := range state.Roles.By(r, by.index, key) {
			rows = append(rows, entity{api.EntityTypeRole, row.Name, row.UniqueID, row.Path})
		}
	}
	slices.SortFunc(rows, func(a, b entity) int { return strings.Compare(a.key(), b.key()) })
	rows = slices.DeleteFunc(slices.Compact(rows), func(e entity) bool {
		return in.EntityFilter != nil && *in.EntityFilter != e.kind || !below(e.path, in.PathPrefix)
	})
	list, truncated, next, err := page(slices.Values(rows), entity.key, in.Marker, in.MaxItems)
	out := &api.ListEntitiesForPolicyOutput{IsTruncated: truncated, Marker: next}
	for _, e := range list {
		switch e.kind {
		case api.EntityTypeUser:
			out.PolicyUsers = append(out.PolicyUsers, api.PolicyUser{UserName: ptr(e.name), UserId: ptr(e.id)})
		case api.EntityTypeGroup:
			out.PolicyGroups = append(out.PolicyGroups, api.PolicyGroup{GroupName: ptr(e.name), GroupId: ptr(e.id)})
		default:
			out.PolicyRoles = append(out.PolicyRoles, api.PolicyRole{RoleName: ptr(e.name), RoleId: ptr(e.id)})
		}
	}
	return out, err
}

func (e entity) key() string { return e.kind + "/" + e.name }
