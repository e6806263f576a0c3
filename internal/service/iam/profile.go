package iam

import (
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// profile finds an instance profile of the caller's account.
func profile(r state.Reader, c authz.Caller, name string) (*state.InstanceProfile, error) {
	p, ok := state.InstanceProfiles.Get(r, state.NameKey(c.Account, name))
	if !ok {
		return nil, noSuchEntity("Instance Profile %s cannot be found.", name)
	}
	return p, nil
}

// profilesOf are the instance profiles that carry a role.
func profilesOf(r state.Reader, role *state.Role) []*state.InstanceProfile {
	var list []*state.InstanceProfile
	for p := range state.InstanceProfiles.By(r, state.ByRole, state.Within(role.Account, role.ID)) {
		list = append(list, p)
	}
	return list
}

func wireProfile(r state.Reader, p *state.InstanceProfile) api.InstanceProfile {
	w := api.InstanceProfile{
		Path: ptr(p.Path), InstanceProfileName: ptr(p.Name), InstanceProfileId: ptr(p.UniqueID), Arn: ptr(p.ARN()),
		CreateDate: seconds(p.Created), Roles: []api.Role{}, Tags: wireTags(p.Tags),
	}
	if row, ok := state.Roles.Get(r, state.Global(p.Account).Key(p.Role)); ok && p.Role != "" {
		w.Roles = append(w.Roles, listedRole(row))
	}
	return w
}

func profileID(p *state.InstanceProfile) string { return p.ID }

// CreateInstanceProfile makes an instance profile without a role.
func (s *Service) CreateInstanceProfile(tx *state.Tx, c authz.Caller, in *api.CreateInstanceProfileInput) (*api.CreateInstanceProfileOutput, error) {
	if _, ok := state.InstanceProfiles.Get(tx, state.NameKey(c.Account, *in.InstanceProfileName)); ok {
		return nil, alreadyExists("Instance Profile %s already exists.", *in.InstanceProfileName)
	}
	tags, err := tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	if count(state.InstanceProfiles.In(tx, state.Global(c.Account))) >= maxInstanceProfiles {
		return nil, limitExceeded("Cannot exceed quota for InstanceProfilesPerAccount: %d", maxInstanceProfiles)
	}
	p := &state.InstanceProfile{
		Meta: state.Meta{Key: state.NameKey(c.Account, *in.InstanceProfileName), Tags: tags, Created: tx.Now()},
		Name: *in.InstanceProfileName, UniqueID: service.UniqueID(tx, "AIPA"), Path: pathOf(in.Path),
	}
	state.InstanceProfiles.Put(tx, p)
	return &api.CreateInstanceProfileOutput{InstanceProfile: ptr(wireProfile(tx, p))}, nil
}

// GetInstanceProfile shows an instance profile and its role.
func (s *Service) GetInstanceProfile(r state.Reader, c authz.Caller, in *api.GetInstanceProfileInput) (*api.GetInstanceProfileOutput, error) {
	p, err := profile(r, c, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	return &api.GetInstanceProfileOutput{InstanceProfile: ptr(wireProfile(r, p))}, nil
}

// ListInstanceProfiles lists instance profiles by name.
func (s *Service) ListInstanceProfiles(r state.Reader, c authz.Caller, in *api.ListInstanceProfilesInput) (*api.ListInstanceProfilesOutput, error) {
	rows := where(state.InstanceProfiles.In(r, state.Global(c.Account)), func(p *state.InstanceProfile) bool { return below(p.Path, in.PathPrefix) })
	list, truncated, next, err := page(rows, profileID, in.Marker, in.MaxItems)
	return &api.ListInstanceProfilesOutput{InstanceProfiles: mapped(list, func(p *state.InstanceProfile) api.InstanceProfile { return wireProfile(r, p) }), IsTruncated: truncated, Marker: next}, err
}

// ListInstanceProfilesForRole lists the instance profiles that carry a role.
func (s *Service) ListInstanceProfilesForRole(r state.Reader, c authz.Caller, in *api.ListInstanceProfilesForRoleInput) (*api.ListInstanceProfilesForRoleOutput, error) {
	row, err := role(r, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	list, truncated, next, err := page(slices.Values(profilesOf(r, row)), profileID, in.Marker, in.MaxItems)
	return &api.ListInstanceProfilesForRoleOutput{InstanceProfiles: mapped(list, func(p *state.InstanceProfile) api.InstanceProfile { return wireProfile(r, p) }), IsTruncated: truncated, Marker: next}, err
}

// DeleteInstanceProfile removes an instance profile without a role. Instances that
// have it keep its name and get no more credentials, as AWS warns.
func (s *Service) DeleteInstanceProfile(tx *state.Tx, c authz.Caller, in *api.DeleteInstanceProfileInput) (*api.DeleteInstanceProfileOutput, error) {
	p, err := profile(tx, c, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	if p.Role != "" {
		return nil, deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
	}
	state.InstanceProfiles.Delete(tx, p.Key)
	return &api.DeleteInstanceProfileOutput{}, nil
}

// AddRoleToInstanceProfile gives an instance profile its one role.
func (s *Service) AddRoleToInstanceProfile(tx *state.Tx, c authz.Caller, in *api.AddRoleToInstanceProfileInput) (*api.AddRoleToInstanceProfileOutput, error) {
	p, err := profile(tx, c, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	row, err := ownRole(tx, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	if p.Role != "" {
		return nil, limitExceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
	}
	next := *p
	next.Role = row.ID
	state.InstanceProfiles.Put(tx, &next)
	return &api.AddRoleToInstanceProfileOutput{}, nil
}

// RemoveRoleFromInstanceProfile takes the role out.
func (s *Service) RemoveRoleFromInstanceProfile(tx *state.Tx, c authz.Caller, in *api.RemoveRoleFromInstanceProfileInput) (*api.RemoveRoleFromInstanceProfileOutput, error) {
	p, err := profile(tx, c, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	row, err := role(tx, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	if p.Role != row.ID {
		return nil, noSuchEntity("The role with name %s cannot be found.", *in.RoleName)
	}
	next := *p
	next.Role = ""
	state.InstanceProfiles.Put(tx, &next)
	return &api.RemoveRoleFromInstanceProfileOutput{}, nil
}
