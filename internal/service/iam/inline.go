package iam

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// PutUserPolicy puts or replaces an inline policy of a user.
func (s *Service) PutUserPolicy(tx *state.Tx, c authz.Caller, in *api.PutUserPolicyInput) (*api.PutUserPolicyOutput, error) {
	h, err := userHolder(tx, c, *in.UserName)
	if err != nil {
		return nil, err
	}
	return &api.PutUserPolicyOutput{}, h.inline(*in.PolicyName, *in.PolicyDocument)
}

// GetUserPolicy shows an inline policy of a user.
func (s *Service) GetUserPolicy(r state.Reader, c authz.Caller, in *api.GetUserPolicyInput) (*api.GetUserPolicyOutput, error) {
	h, err := userHolder(r, c, *in.UserName)
	if err != nil {
		return nil, err
	}
	i, err := h.get(*in.PolicyName)
	if err != nil {
		return nil, err
	}
	p := h.has.Inline[i]
	return &api.GetUserPolicyOutput{UserName: ptr(h.has.Name), PolicyName: ptr(p.Name), PolicyDocument: encoded(p.Document)}, nil
}

// DeleteUserPolicy removes an inline policy of a user.
func (s *Service) DeleteUserPolicy(tx *state.Tx, c authz.Caller, in *api.DeleteUserPolicyInput) (*api.DeleteUserPolicyOutput, error) {
	h, err := userHolder(tx, c, *in.UserName)
	if err != nil {
		return nil, err
	}
	return &api.DeleteUserPolicyOutput{}, h.drop(*in.PolicyName)
}

// ListUserPolicies lists the names of inline policies of a user.
func (s *Service) ListUserPolicies(r state.Reader, c authz.Caller, in *api.ListUserPoliciesInput) (*api.ListUserPoliciesOutput, error) {
	h, err := userHolder(r, c, *in.UserName)
	if err != nil {
		return nil, err
	}
	out := &api.ListUserPoliciesOutput{}
	out.PolicyNames, out.IsTruncated, out.Marker, err = h.names(in.Marker, in.MaxItems)
	return out, err
}

// AttachUserPolicy attaches a managed policy to a user.
func (s *Service) AttachUserPolicy(tx *state.Tx, c authz.Caller, in *api.AttachUserPolicyInput) (*api.AttachUserPolicyOutput, error) {
	h, err := userHolder(tx, c, *in.UserName)
	if err != nil {
		return nil, err
	}
	return &api.AttachUserPolicyOutput{}, h.attach(tx, c, *in.PolicyArn)
}

// DetachUserPolicy takes a managed policy from a user.
func (s *Service) DetachUserPolicy(tx *state.Tx, c authz.Caller, in *api.DetachUserPolicyInput) (*api.DetachUserPolicyOutput, error) {
	h, err := userHolder(tx, c, *in.UserName)
	if err != nil {
		return nil, err
	}
	return &api.DetachUserPolicyOutput{}, h.detach(*in.PolicyArn)
}

// ListAttachedUserPolicies lists the managed policies of a user.
func (s *Service) ListAttachedUserPolicies(r state.Reader, c authz.Caller, in *api.ListAttachedUserPoliciesInput) (*api.ListAttachedUserPoliciesOutput, error) {
	h, err := userHolder(r, c, *in.UserName)
	if err != nil {
		return nil, err
	}
	out := &api.ListAttachedUserPoliciesOutput{}
	out.AttachedPolicies, out.IsTruncated, out.Marker, err = h.attached(r, c, in.PathPrefix, in.Marker, in.MaxItems)
	return out, err
}

// PutGroupPolicy puts or replaces an inline policy of a group.
func (s *Service) PutGroupPolicy(tx *state.Tx, c authz.Caller, in *api.PutGroupPolicyInput) (*api.PutGroupPolicyOutput, error) {
	h, err := groupHolder(tx, c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	return &api.PutGroupPolicyOutput{}, h.inline(*in.PolicyName, *in.PolicyDocument)
}

// GetGroupPolicy shows an inline policy of a group.
func (s *Service) GetGroupPolicy(r state.Reader, c authz.Caller, in *api.GetGroupPolicyInput) (*api.GetGroupPolicyOutput, error) {
	h, err := groupHolder(r, c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	i, err := h.get(*in.PolicyName)
	if err != nil {
		return nil, err
	}
	p := h.has.Inline[i]
	return &api.GetGroupPolicyOutput{GroupName: ptr(h.has.Name), PolicyName: ptr(p.Name), PolicyDocument: encoded(p.Document)}, nil
}

// DeleteGroupPolicy removes an inline policy of a group.
func (s *Service) DeleteGroupPolicy(tx *state.Tx, c authz.Caller, in *api.DeleteGroupPolicyInput) (*api.DeleteGroupPolicyOutput, error) {
	h, err := groupHolder(tx, c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	return &api.DeleteGroupPolicyOutput{}, h.drop(*in.PolicyName)
}

// ListGroupPolicies lists the names of inline policies of a group.
func (s *Service) ListGroupPolicies(r state.Reader, c authz.Caller, in *api.ListGroupPoliciesInput) (*api.ListGroupPoliciesOutput, error) {
	h, err := groupHolder(r, c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	out := &api.ListGroupPoliciesOutput{}
	out.PolicyNames, out.IsTruncated, out.Marker, err = h.names(in.Marker, in.MaxItems)
	return out, err
}

// AttachGroupPolicy attaches a managed policy to a group.
func (s *Service) AttachGroupPolicy(tx *state.Tx, c authz.Caller, in *api.AttachGroupPolicyInput) (*api.AttachGroupPolicyOutput, error) {
	h, err := groupHolder(tx, c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	return &api.AttachGroupPolicyOutput{}, h.attach(tx, c, *in.PolicyArn)
}

// DetachGroupPolicy takes a managed policy from a group.
func (s *Service) DetachGroupPolicy(tx *state.Tx, c authz.Caller, in *api.DetachGroupPolicyInput) (*api.DetachGroupPolicyOutput, error) {
	h, err := groupHolder(tx, c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	return &api.DetachGroupPolicyOutput{}, h.detach(*in.PolicyArn)
}

// ListAttachedGroupPolicies lists the managed policies of a group.
func (s *Service) ListAttachedGroupPolicies(r state.Reader, c authz.Caller, in *api.ListAttachedGroupPoliciesInput) (*api.ListAttachedGroupPoliciesOutput, error) {
	h, err := groupHolder(r, c, *in.GroupName)
	if err != nil {
		return nil, err
	}
	out := &api.ListAttachedGroupPoliciesOutput{}
	out.AttachedPolicies, out.IsTruncated, out.Marker, err = h.attached(r, c, in.PathPrefix, in.Marker, in.MaxItems)
	return out, err
}

// PutRolePolicy puts or replaces an inline policy of a role.
func (s *Service) PutRolePolicy(tx *state.Tx, c authz.Caller, in *api.PutRolePolicyInput) (*api.PutRolePolicyOutput, error) {
	h, err := roleHolder(tx, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &api.PutRolePolicyOutput{}, h.inline(*in.PolicyName, *in.PolicyDocument)
}

// GetRolePolicy shows an inline policy of a role.
func (s *Service) GetRolePolicy(r state.Reader, c authz.Caller, in *api.GetRolePolicyInput) (*api.GetRolePolicyOutput, error) {
	h, err := roleHolder(r, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	i, err := h.get(*in.PolicyName)
	if err != nil {
		return nil, err
	}
	p := h.has.Inline[i]
	return &api.GetRolePolicyOutput{RoleName: ptr(h.has.Name), PolicyName: ptr(p.Name), PolicyDocument: encoded(p.Document)}, nil
}

// DeleteRolePolicy removes an inline policy of a role.
func (s *Service) DeleteRolePolicy(tx *state.Tx, c authz.Caller, in *api.DeleteRolePolicyInput) (*api.DeleteRolePolicyOutput, error) {
	h, err := roleHolder(tx, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &api.DeleteRolePolicyOutput{}, h.drop(*in.PolicyName)
}

// ListRolePolicies lists the names of inline policies of a role.
func (s *Service) ListRolePolicies(r state.Reader, c authz.Caller, in *api.ListRolePoliciesInput) (*api.ListRolePoliciesOutput, error) {
	h, err := roleHolder(r, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	out := &api.ListRolePoliciesOutput{}
	out.PolicyNames, out.IsTruncated, out.Marker, err = h.names(in.Marker, in.MaxItems)
	return out, err
}

// AttachRolePolicy attaches a managed policy to a role.
func (s *Service) AttachRolePolicy(tx *state.Tx, c authz.Caller, in *api.AttachRolePolicyInput) (*api.AttachRolePolicyOutput, error) {
	h, err := roleHolder(tx, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &api.AttachRolePolicyOutput{}, h.attach(tx, c, *in.PolicyArn)
}

// DetachRolePolicy takes a managed policy from a role.
func (s *Service) DetachRolePolicy(tx *state.Tx, c authz.Caller, in *api.DetachRolePolicyInput) (*api.DetachRolePolicyOutput, error) {
	h, err := roleHolder(tx, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &api.DetachRolePolicyOutput{}, h.detach(*in.PolicyArn)
}

// ListAttachedRolePolicies lists the managed policies of a role.
func (s *Service) ListAttachedRolePolicies(r state.Reader, c authz.Caller, in *api.ListAttachedRolePoliciesInput) (*api.ListAttachedRolePoliciesOutput, error) {
	h, err := roleHolder(r, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	out := &api.ListAttachedRolePoliciesOutput{}
	out.AttachedPolicies, out.IsTruncated, out.Marker, err = h.attached(r, c, in.PathPrefix, in.Marker, in.MaxItems)
	return out, err
}
