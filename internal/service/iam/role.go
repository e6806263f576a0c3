package iam

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// role finds a role of the caller's account.
func role(r state.Reader, c authz.Caller, name string) (*state.Role, error) {
	row, ok := state.Roles.Get(r, state.NameKey(c.Account, name))
	if !ok {
		return nil, noSuchEntity("The role with name %s cannot be found.", name)
	}
	return row, nil
}

// ownRole finds a role that may be changed: service-linked ones may not.
func ownRole(r state.Reader, c authz.Caller, name string) (*state.Role, error) {
	row, err := role(r, c, name)
	if err == nil && row.Service != "" {
		return nil, awserr.New(api.ErrUnmodifiableEntity, "Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", row.Name)
	}
	return row, err
}

func wireRole(row *state.Role) api.Role {
	return api.Role{
		Path: ptr(row.Path), RoleName: ptr(row.Name), RoleId: ptr(row.UniqueID), Arn: ptr(row.ARN()), CreateDate: seconds(row.Created),
		AssumeRolePolicyDocument: encoded(row.Trust), Description: opt(row.Description), MaxSessionDuration: ptr(row.MaxSession),
		PermissionsBoundary: wireBoundary(row.Boundary), Tags: wireTags(row.Tags), RoleLastUsed: roleLastUsed(row),
	}
}

func roleLastUsed(row *state.Role) *api.RoleLastUsed {
	return &api.RoleLastUsed{LastUsedDate: timeOf(row.LastUsed), Region: opt(row.LastRegion)}
}

// listedRole leaves out what AWS shows for one role only.
func listedRole(row *state.Role) api.Role {
	w := wireRole(row)
	w.Tags, w.PermissionsBoundary, w.RoleLastUsed = nil, nil, nil
	return w
}

func roleID(row *state.Role) string { return row.ID }

// CreateRole makes a role.
func (s *Service) CreateRole(tx *state.Tx, c authz.Caller, in *api.CreateRoleInput) (*api.CreateRoleOutput, error) {
	if err := trust(tx, *in.AssumeRolePolicyDocument); err != nil {
		return nil, err
	}
	if _, ok := state.Roles.Get(tx, state.NameKey(c.Account, *in.RoleName)); ok {
		return nil, alreadyExists("Role with name %s already exists.", *in.RoleName)
	}
	tags, err := tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	if err := s.boundary(tx, c, in.PermissionsBoundary); err != nil {
		return nil, err
	}
	if count(state.Roles.In(tx, state.Global(c.Account))) >= maxRoles {
		return nil, limitExceeded("Cannot exceed quota for RolesPerAccount: %d", maxRoles)
	}
	row := &state.Role{
		Meta:      state.Meta{Key: state.NameKey(c.Account, *in.RoleName), Tags: tags, Created: tx.Now()},
		Principal: state.Principal{Name: *in.RoleName, UniqueID: service.UniqueID(tx, "AROA"), Path: pathOf(in.Path), Boundary: val(in.PermissionsBoundary)},
		Trust:     *in.AssumeRolePolicyDocument, Description: val(in.Description), MaxSession: 3600,
	}
	if in.MaxSessionDuration != nil {
		row.MaxSession = *in.MaxSessionDuration
	}
	state.Roles.Put(tx, row)
	w := wireRole(row)
	w.RoleLastUsed = nil
	return &api.CreateRoleOutput{Role: &w}, nil
}

// GetRole shows a role.
func (s *Service) GetRole(r state.Reader, c authz.Caller, in *api.GetRoleInput) (*api.GetRoleOutput, error) {
	row, err := role(r, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &api.GetRoleOutput{Role: ptr(wireRole(row))}, nil
}

// ListRoles lists roles by name.
func (s *Service) ListRoles(r state.Reader, c authz.Caller, in *api.ListRolesInput) (*api.ListRolesOutput, error) {
	rows := where(state.Roles.In(r, state.Global(c.Account)), func(row *state.Role) bool { return below(row.Path, in.PathPrefix) })
	list, truncated, next, err := page(rows, roleID, in.Marker, in.MaxItems)
	return &api.ListRolesOutput{Roles: mapped(list, listedRole), IsTruncated: truncated, Marker: next}, err
}

// UpdateRole changes description and longest session.
func (s *Service) UpdateRole(tx *state.Tx, c authz.Caller, in *api.UpdateRoleInput) (*api.UpdateRoleOutput, error) {
	row, err := ownRole(tx, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	next := *row
	if in.Description != nil {
		next.Description = *in.Description
	}
	if in.MaxSessionDuration != nil {
		next.MaxSession = *in.MaxSessionDuration
	}
	state.Roles.Put(tx, &next)
	return &api.UpdateRoleOutput{}, nil
}

// UpdateRoleDescription is UpdateRole's older form.
func (s *Service) UpdateRoleDescription(tx *state.Tx, c authz.Caller, in *api.UpdateRoleDescriptionInput) (*api.UpdateRoleDescriptionOutput, error) {
	row, err := ownRole(tx, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	next := *row
	next.Description = *in.Description
	state.Roles.Put(tx, &next)
	return &api.UpdateRoleDescriptionOutput{Role: ptr(wireRole(&next))}, nil
}

// UpdateAssumeRolePolicy changes who may assume a role.
func (s *Service) UpdateAssumeRolePolicy(tx *state.Tx, c authz.Caller, in *api.UpdateAssumeRolePolicyInput) (*api.UpdateAssumeRolePolicyOutput, error) {
	row, err := ownRole(tx, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	if err := trust(tx, *in.PolicyDocument); err != nil {
		return nil, err
	}
	next := *row
	next.Trust = *in.PolicyDocument
	state.Roles.Put(tx, &next)
	return &api.UpdateAssumeRolePolicyOutput{}, nil
}

// DeleteRole removes a role that has nothing any more.
func (s *Service) DeleteRole(tx *state.Tx, c authz.Caller, in *api.DeleteRoleInput) (*api.DeleteRoleOutput, error) {
	row, err := ownRole(tx, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	switch {
	case len(profilesOf(tx, row)) > 0:
		return nil, deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
	case len(row.Attached) > 0:
		return nil, deleteConflict("Cannot delete entity, must detach all policies first.")
	case len(row.Inline) > 0:
		return nil, deleteConflict("Cannot delete entity, must delete policies first.")
	}
	state.Roles.Delete(tx, row.Key)
	return &api.DeleteRoleOutput{}, nil
}
