package iam

import (
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// group finds a group of the caller's account.
func group(r state.Reader, c authz.Caller, name string) (*state.Group, error) {
	g, ok := state.Groups.Get(r, state.NameKey(c.Account, name))
	if !ok {
		return nil, noSuchEntity("The group with name %s cannot be found.", name)
	}
	return g, nil
}

func wireGroup(g *state.Group) api.Group {
	return api.Group{Path: ptr(g.Path), GroupName: ptr(g.Name), GroupId: ptr(g.UniqueID), Arn: ptr(g.ARN()), CreateDate: seconds(g.Created)}
}

func groupID(g *state.Group) string { return g.ID }

// CreateGroup makes a group.
func (s *Service) CreateGroup(tx *state.Tx, c authz.Caller, in *api.CreateGroupInput) (*api.CreateGroupOutput, error) {
	if _, ok := state.Groups.Get(tx, state.NameKey(c.Account, *in.GroupName)); ok {
		return nil, alreadyExists("Group with name %s already exists.", *in.GroupName)
	}
	if count(state.Groups.In(tx, state.Global(c.Account))) >= maxGroups {
		return nil, limitExceeded("Cannot exceed quota for GroupsPerAccount: %d", maxGroups)
	}
	g := &state.Group{
		Meta:      state.Meta{Key: state.NameKey(c.Account, *in.GroupName), Created: tx.Now()},
		Principal: state.Principal{Name: *in.GroupName, UniqueID: service.UniqueID(tx, "AGPA"), Path: pathOf(in.Path)},
	}
	state.Groups.Put(tx, g)
	return &api.CreateGroupOutput{Group: ptr(wireGroup(g))}, nil
}

// members of a group, by name.
func members(r state.Reader, g *state.Group) []*state.User {
	var list []*state.User
	for u := range state.Users.By(r, state.ByGroup, state.Within(g.Account, g.ID)) {
		list = append(list, u)
	}
	return list
}

// GetGroup shows a group and its users.
func (s *Service) GetGroup(r state.Reader, c authz.Caller, in *api.GetGroupInput) (*api.GetGroupOutput, error) {
	g, err := group(r, c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	list, truncated, next, err := page(slices.Values(members(r, g)), userID, in.Marker, in.MaxItems)
	return &api.GetGroupOutput{Group: ptr(wireGroup(g)), Users: mapped(list, listedUser), IsTruncated: truncated, Marker: next}, err
}

// ListGroups lists groups by name.
func (s *Service) ListGroups(r state.Reader, c authz.Caller, in *api.ListGroupsInput) (*api.ListGroupsOutput, error) {
	rows := where(state.Groups.In(r, state.Global(c.Account)), func(g *state.Group) bool { return below(g.Path, in.PathPrefix) })
	list, truncated, next, err := page(rows, groupID, in.Marker, in.MaxItems)
	return &api.ListGroupsOutput{Groups: mapped(list, wireGroup), IsTruncated: truncated, Marker: next}, err
}

// ListGroupsForUser lists the groups that a user is in.
func (s *Service) ListGroupsForUser(r state.Reader, c authz.Caller, in *api.ListGroupsForUserInput) (*api.ListGroupsForUserOutput, error) {
	u, err := user(r, c, *in.UserName)
	if err != nil {
		return nil, err
	}
	var rows []*state.Group
	for _, id := range slices.Sorted(slices.Values(u.Groups)) {
		if g, ok := state.Groups.Get(r, state.Global(c.Account).Key(id)); ok {
			rows = append(rows, g)
		}
	}
	list, truncated, next, err := page(slices.Values(rows), groupID, in.Marker, in.MaxItems)
	return &api.ListGroupsForUserOutput{Groups: mapped(list, wireGroup), IsTruncated: truncated, Marker: next}, err
}

// UpdateGroup changes name and path; members stay.
func (s *Service) UpdateGroup(tx *state.Tx, c authz.Caller, in *api.UpdateGroupInput) (*api.UpdateGroupOutput, error) {
	g, err := group(tx, c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	next := *g
	if in.NewPath != nil {
		next.Path = *in.NewPath
	}
	if in.NewGroupName != nil {
		next.Name, next.Key = *in.NewGroupName, state.NameKey(c.Account, *in.NewGroupName)
		if _, ok := state.Groups.Get(tx, next.Key); ok && next.Key != g.Key {
			return nil, alreadyExists("Group with name %s already exists.", *in.NewGroupName)
		}
	}
	if next.Key != g.Key {
		for _, u := range members(tx, g) {
			moved := *u
			moved.Groups = slices.Clone(u.Groups)
			moved.Groups[slices.Index(moved.Groups, g.ID)] = next.ID
			state.Users.Put(tx, &moved)
		}
		state.Groups.Delete(tx, g.Key)
	}
	state.Groups.Put(tx, &next)
	return &api.UpdateGroupOutput{}, nil
}

// DeleteGroup removes a group that has nothing any more.
func (s *Service) DeleteGroup(tx *state.Tx, c authz.Caller, in *api.DeleteGroupInput) (*api.DeleteGroupOutput, error) {
	g, err := group(tx, c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	switch {
	case len(members(tx, g)) > 0:
		return nil, deleteConflict("Cannot delete entity, must remove users from group first.")
	case len(g.Attached) > 0:
		return nil, deleteConflict("Cannot delete entity, must detach all policies first.")
	case len(g.Inline) > 0:
		return nil, deleteConflict("Cannot delete entity, must delete policies first.")
	}
	state.Groups.Delete(tx, g.Key)
	return &api.DeleteGroupOutput{}, nil
}

// AddUserToGroup makes a user a member; one that is stays one.
func (s *Service) AddUserToGroup(tx *state.Tx, c authz.Caller, in *api.AddUserToGroupInput) (*api.AddUserToGroupOutput, error) {
	g, err := group(tx, c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	u, err := user(tx, c, *in.UserName)
	if err != nil {
		return nil, err
	}
	if slices.Contains(u.Groups, g.ID) {
		return &api.AddUserToGroupOutput{}, nil
	}
	if len(u.Groups) >= maxGroupsPerUser {
		return nil, limitExceeded("Cannot exceed quota for GroupsPerUser: %d", maxGroupsPerUser)
	}
	next := *u
	next.Groups = append(slices.Clone(u.Groups), g.ID)
	state.Users.Put(tx, &next)
	return &api.AddUserToGroupOutput{}, nil
}

// RemoveUserFromGroup ends a membership.
func (s *Service) RemoveUserFromGroup(tx *state.Tx, c authz.Caller, in *api.RemoveUserFromGroupInput) (*api.RemoveUserFromGroupOutput, error) {
	g, err := group(tx, c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	u, err := user(tx, c, *in.UserName)
	if err != nil {
		return nil, err
	}
	i := slices.Index(u.Groups, g.ID)
	if i < 0 {
		return nil, noSuchEntity("User %s is not in group %s", u.Name, g.Name)
	}
	next := *u
	next.Groups = slices.Delete(slices.Clone(u.Groups), i, i+1)
	state.Users.Put(tx, &next)
	return &api.RemoveUserFromGroupOutput{}, nil
}
