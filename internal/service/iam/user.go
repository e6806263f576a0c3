package iam

import (
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// user finds a user of the caller's account.
func user(r state.Reader, c authz.Caller, name string) (*state.User, error) {
	u, ok := state.Users.Get(r, state.NameKey(c.Account, name))
	if !ok {
		return nil, noSuchEntity("The user with name %s cannot be found.", name)
	}
	return u, nil
}

// userOr finds a user by name, or the caller where none is given.
func userOr(r state.Reader, c authz.Caller, name *string) (*state.User, error) {
	if name != nil {
		return user(r, c, *name)
	}
	if c.User == "" {
		return nil, invalid("Must specify userName when calling with non-User credentials")
	}
	return user(r, c, c.User)
}

func wireUser(u *state.User) api.User {
	return api.User{
		Path: ptr(u.Path), UserName: ptr(u.Name), UserId: ptr(u.UniqueID), Arn: ptr(u.ARN()), CreateDate: seconds(u.Created),
		PermissionsBoundary: wireBoundary(u.Boundary), Tags: wireTags(u.Tags),
	}
}

// listed leaves out what AWS shows for one user only.
func listedUser(u *state.User) api.User {
	w := wireUser(u)
	w.Tags, w.PermissionsBoundary = nil, nil
	return w
}

func userID(u *state.User) string { return u.ID }

// CreateUser makes a user.
func (s *Service) CreateUser(tx *state.Tx, c authz.Caller, in *api.CreateUserInput) (*api.CreateUserOutput, error) {
	if _, ok := state.Users.Get(tx, state.NameKey(c.Account, *in.UserName)); ok {
		return nil, alreadyExists("User with name %s already exists.", *in.UserName)
	}
	tags, err := tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	if err := s.boundary(tx, c, in.PermissionsBoundary); err != nil {
		return nil, err
	}
	if count(state.Users.In(tx, state.Global(c.Account))) >= maxUsers {
		return nil, limitExceeded("Cannot exceed quota for UsersPerAccount: %d", maxUsers)
	}
	u := &state.User{
		Meta:      state.Meta{Key: state.NameKey(c.Account, *in.UserName), Tags: tags, Created: tx.Now()},
		Principal: state.Principal{Name: *in.UserName, UniqueID: service.UniqueID(tx, "AIDA"), Path: pathOf(in.Path), Boundary: val(in.PermissionsBoundary)},
	}
	state.Users.Put(tx, u)
	return &api.CreateUserOutput{User: ptr(wireUser(u))}, nil
}

// GetUser shows a user, or who is calling.
func (s *Service) GetUser(r state.Reader, c authz.Caller, in *api.GetUserInput) (*api.GetUserOutput, error) {
	if in.UserName == nil && c.Unlimited() {
		return &api.GetUserOutput{User: &api.User{
			Path: ptr("/"), UserName: ptr("root"), UserId: ptr(c.Account), Arn: ptr("arn:aws:iam::" + c.Account + ":root"), CreateDate: seconds(accountDate),
		}}, nil
	}
	u, err := userOr(r, c, in.UserName)
	if err != nil {
		return nil, err
	}
	return &api.GetUserOutput{User: ptr(wireUser(u))}, nil
}

// ListUsers lists users by name.
func (s *Service) ListUsers(r state.Reader, c authz.Caller, in *api.ListUsersInput) (*api.ListUsersOutput, error) {
	rows := where(state.Users.In(r, state.Global(c.Account)), func(u *state.User) bool { return below(u.Path, in.PathPrefix) })
	list, truncated, next, err := page(rows, userID, in.Marker, in.MaxItems)
	return &api.ListUsersOutput{Users: mapped(list, listedUser), IsTruncated: truncated, Marker: next}, err
}

// UpdateUser changes name and path; keys, policies and groups stay.
func (s *Service) UpdateUser(tx *state.Tx, c authz.Caller, in *api.UpdateUserInput) (*api.UpdateUserOutput, error) {
	u, err := user(tx, c, *in.UserName)
	if err != nil {
		return nil, err
	}
	next := *u
	if in.NewPath != nil {
		next.Path = *in.NewPath
	}
	if in.NewUserName != nil {
		next.Name, next.Key = *in.NewUserName, state.NameKey(c.Account, *in.NewUserName)
		if _, ok := state.Users.Get(tx, next.Key); ok && next.Key != u.Key {
			return nil, alreadyExists("User with name %s already exists.", *in.NewUserName)
		}
	}
	if next.Key != u.Key {
		state.Users.Delete(tx, u.Key)
		for _, k := range keysOf(tx, c.Account, u.ID) {
			moved := *k
			moved.User = next.ID
			state.AccessKeys.Put(tx, &moved)
		}
	}
	state.Users.Put(tx, &next)
	return &api.UpdateUserOutput{}, nil
}

// DeleteUser removes a user that has nothing any more.
func (s *Service) DeleteUser(tx *state.Tx, c authz.Caller, in *api.DeleteUserInput) (*api.DeleteUserOutput, error) {
	u, err := user(tx, c, *in.UserName)
	if err != nil {
		return nil, err
	}
	switch {
	case len(u.Groups) > 0:
		return nil, deleteConflict("Cannot delete entity, must remove users from group first.")
	case len(u.Attached) > 0:
		return nil, deleteConflict("Cannot delete entity, must detach all policies first.")
	case len(u.Inline) > 0:
		return nil, deleteConflict("Cannot delete entity, must delete policies first.")
	case len(keysOf(tx, c.Account, u.ID)) > 0:
		return nil, deleteConflict("Cannot delete entity, must delete access keys first.")
	case u.LoginProfile != nil:
		return nil, deleteConflict("Cannot delete entity, must delete login profile first.")
	}
	state.Users.Delete(tx, u.Key)
	return &api.DeleteUserOutput{}, nil
}

func wireLogin(u *state.User) *api.LoginProfile {
	return &api.LoginProfile{UserName: ptr(u.Name), CreateDate: seconds(u.LoginProfile.Created), PasswordResetRequired: ptr(u.LoginProfile.ResetRequired)}
}

// login finds a user with its login profile.
func login(r state.Reader, c authz.Caller, name *string) (*state.User, error) {
	u, err := userOr(r, c, name)
	if err == nil && u.LoginProfile == nil {
		return nil, noSuchEntity("Login Profile for User %s cannot be found.", u.Name)
	}
	return u, err
}

// CreateLoginProfile notes that a user may log in. No password is kept.
func (s *Service) CreateLoginProfile(tx *state.Tx, c authz.Caller, in *api.CreateLoginProfileInput) (*api.CreateLoginProfileOutput, error) {
	u, err := userOr(tx, c, in.UserName)
	if err != nil {
		return nil, err
	}
	if u.LoginProfile != nil {
		return nil, alreadyExists("Login Profile for User %s already exists.", u.Name)
	}
	if err := s.password(tx, c, val(in.Password)); err != nil {
		return nil, err
	}
	next := *u
	next.LoginProfile = &state.LoginProfile{Created: tx.Now(), ResetRequired: val(in.PasswordResetRequired)}
	state.Users.Put(tx, &next)
	return &api.CreateLoginProfileOutput{LoginProfile: wireLogin(&next)}, nil
}

// GetLoginProfile shows whether a user may log in.
func (s *Service) GetLoginProfile(r state.Reader, c authz.Caller, in *api.GetLoginProfileInput) (*api.GetLoginProfileOutput, error) {
	u, err := login(r, c, in.UserName)
	if err != nil {
		return nil, err
	}
	return &api.GetLoginProfileOutput{LoginProfile: wireLogin(u)}, nil
}

// UpdateLoginProfile changes whether the password must be changed.
func (s *Service) UpdateLoginProfile(tx *state.Tx, c authz.Caller, in *api.UpdateLoginProfileInput) (*api.UpdateLoginProfileOutput, error) {
	u, err := login(tx, c, in.UserName)
	if err != nil {
		return nil, err
	}
	if in.Password != nil {
		if err := s.password(tx, c, *in.Password); err != nil {
			return nil, err
		}
	}
	next := *u
	profile := *u.LoginProfile
	if in.PasswordResetRequired != nil {
		profile.ResetRequired = *in.PasswordResetRequired
	}
	next.LoginProfile = &profile
	state.Users.Put(tx, &next)
	return &api.UpdateLoginProfileOutput{}, nil
}

// DeleteLoginProfile takes the password away.
func (s *Service) DeleteLoginProfile(tx *state.Tx, c authz.Caller, in *api.DeleteLoginProfileInput) (*api.DeleteLoginProfileOutput, error) {
	u, err := login(tx, c, in.UserName)
	if err != nil {
		return nil, err
	}
	next := *u
	next.LoginProfile = nil
	state.Users.Put(tx, &next)
	return &api.DeleteLoginProfileOutput{}, nil
}

// password checks a new password by the account's policy.
func (s *Service) password(r state.Reader, c authz.Caller, password string) error {
	p := state.PasswordPolicy{MinLength: 8}
	if a, ok := state.AccountsSettings.Get(r, state.AccountKey(c.Account)); ok && a.Password != nil {
		p = *a.Password
	}
	violation := func(text string) error { return awserr.New(api.ErrPasswordPolicyViolation, "%s", text) }
	switch {
	case len(password) < int(p.MinLength):
		return violation("Password should have a minimum length of " + itoa(p.MinLength))
	case len(password) > 128:
		return violation("Password should have a maximum length of 128")
	case p.Symbols && !strings.ContainsAny(password, "!@#$%^&*()_+-=[]{}|'"):
		return violation("Password should have at least one symbol")
	case p.Numbers && !strings.ContainsAny(password, "0123456789"):
		return violation("Password should have at least one number")
	case p.Upper && strings.ToLower(password) == password:
		return violation("Password should have at least one uppercase letter")
	case p.Lower && strings.ToUpper(password) == password:
		return violation("Password should have at least one lowercase letter")
	}
	return nil
}
