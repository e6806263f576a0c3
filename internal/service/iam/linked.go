package iam

import (
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awspolicy"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// CreateServiceLinkedRole makes the role of a service.
func (s *Service) CreateServiceLinkedRole(tx *state.Tx, c authz.Caller, in *api.CreateServiceLinkedRoleInput) (*api.CreateServiceLinkedRoleOutput, error) {
	name, policy, ok := awspolicy.LinkedRole(*in.AWSServiceName)
	if !ok {
		return nil, invalidInput("Service %s is not supported for service-linked roles here.", awserr.Clip(*in.AWSServiceName))
	}
	if in.CustomSuffix != nil {
		if *in.AWSServiceName != "autoscaling.amazonaws.com" {
			return nil, invalidInput("Custom suffix is not allowed for %s", *in.AWSServiceName)
		}
		name += "_" + *in.CustomSuffix
	}
	if _, ok := state.Roles.Get(tx, state.NameKey(c.Account, name)); ok {
		return nil, invalidInput("Service role name %s has been taken in this account, please try a different suffix.", name)
	}
	row := &state.Role{
		Meta:      state.Meta{Key: state.NameKey(c.Account, name), Created: tx.Now()},
		Principal: state.Principal{Name: name, UniqueID: uniqueID(tx, "AROA"), Path: "/aws-service-role/" + *in.AWSServiceName + "/"},
		Trust:     `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + *in.AWSServiceName + `"},"Action":"sts:AssumeRole"}]}`,
		Service:   *in.AWSServiceName, Description: val(in.Description), MaxSession: 3600,
	}
	for _, p := range awspolicy.All() {
		if p.Name == policy {
			row.Attached = []string{p.ARN()}
		}
	}
	state.Roles.Put(tx, row)
	return &api.CreateServiceLinkedRoleOutput{Role: ptr(wireRole(row))}, nil
}

// DeleteServiceLinkedRole removes the role of a service, at once.
func (s *Service) DeleteServiceLinkedRole(tx *state.Tx, c authz.Caller, in *api.DeleteServiceLinkedRoleInput) (*api.DeleteServiceLinkedRoleOutput, error) {
	row, err := role(tx, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	if row.Service == "" {
		return nil, invalidInput("Role %s is not a service-linked role.", row.Name)
	}
	state.Roles.Delete(tx, row.Key)
	return &api.DeleteServiceLinkedRoleOutput{DeletionTaskId: ptr("task" + row.Path + row.Name + "/" + tx.ID("")[1:])}, nil
}

// GetServiceLinkedRoleDeletionStatus: a role that is gone was deleted.
func (s *Service) GetServiceLinkedRoleDeletionStatus(r state.Reader, c authz.Caller, in *api.GetServiceLinkedRoleDeletionStatusInput) (*api.GetServiceLinkedRoleDeletionStatusOutput, error) {
	parts := strings.Split(*in.DeletionTaskId, "/")
	ok := len(parts) == 5 && parts[0] == "task" && parts[1] == "aws-service-role"
	if ok {
		_, _, ok = awspolicy.LinkedRole(parts[2])
	}
	if !ok {
		return nil, noSuchEntity("The Deletion Task with id %s cannot be found.", awserr.Clip(*in.DeletionTaskId))
	}
	return &api.GetServiceLinkedRoleDeletionStatusOutput{Status: ptr(api.DeletionTaskStatusTypeSUCCEEDED)}, nil
}
