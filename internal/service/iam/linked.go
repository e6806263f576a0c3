package iam

import (
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/iam"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/base/awspolicy"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/service"
	"github.com/localvpc/localvpc/internal/state"
)

// CreateServiceLinkedRole makes the role of a service.
func (s *Service) CreateServiceLinkedRole(tx *state.Tx, c authz.Caller, in *api.CreateServiceLinkedRoleInput) (*api.CreateServiceLinkedRoleOutput, error) {
	if in.CustomSuffix != nil && *in.AWSServiceName != "autoscaling.amazonaws.com" {
		return nil, invalidInput("Custom suffix is not allowed for %s", awserr.Clip(*in.AWSServiceName))
	}
	row, made := service.LinkRole(tx, c.Account, *in.AWSServiceName, val(in.CustomSuffix), val(in.Description))
	switch {
	case row == nil:
		return nil, invalidInput("Service %s is not supported for service-linked roles here.", awserr.Clip(*in.AWSServiceName))
	case !made:
		return nil, invalidInput("Service role name %s has been taken in this account, please try a different suffix.", row.Name)
	}
	return &api.CreateServiceLinkedRoleOutput{Role: ptr(wireRole(row))}, nil
}

// usage lists what a service has in an account that needs its role, by Region.
func usage(r state.Reader, account, service string) []api.RoleUsageType {
	var list []api.RoleUsageType
	if service != "elasticloadbalancing.amazonaws.com" {
		return nil
	}
	for b := range state.LoadBalancers.All(r) {
		if b.Account != account {
			continue
		}
		i := slices.IndexFunc(list, func(u api.RoleUsageType) bool { return *u.Region == b.Region })
		if i < 0 {
			list, i = append(list, api.RoleUsageType{Region: ptr(b.Region)}), len(list)
		}
		list[i].Resources = append(list[i].Resources, awsid.ARN("elasticloadbalancing", b.Region, account, "loadbalancer/"+b.ID))
	}
	return list
}

// DeleteServiceLinkedRole removes the role of a service at once, unless the service
// needs it yet: then the task has failed.
func (s *Service) DeleteServiceLinkedRole(tx *state.Tx, c authz.Caller, in *api.DeleteServiceLinkedRoleInput) (*api.DeleteServiceLinkedRoleOutput, error) {
	row, err := role(tx, c, *in.RoleName)
	if err != nil {
		return nil, err
	}
	if row.Service == "" {
		return nil, invalidInput("Role %s is not a service-linked role.", row.Name)
	}
	if len(usage(tx, c.Account, row.Service)) == 0 {
		state.Roles.Delete(tx, row.Key)
	}
	return &api.DeleteServiceLinkedRoleOutput{DeletionTaskId: ptr("task" + row.Path + row.Name + "/" + tx.ID("")[1:])}, nil
}

// GetServiceLinkedRoleDeletionStatus: a role that is gone was deleted, another is
// needed.
func (s *Service) GetServiceLinkedRoleDeletionStatus(r state.Reader, c authz.Caller, in *api.GetServiceLinkedRoleDeletionStatusInput) (*api.GetServiceLinkedRoleDeletionStatusOutput, error) {
	parts := strings.Split(*in.DeletionTaskId, "/")
	ok := len(parts) == 5 && parts[0] == "task" && parts[1] == "aws-service-role"
	if ok {
		_, _, ok = awspolicy.LinkedRole(parts[2])
	}
	if !ok {
		return nil, noSuchEntity("The Deletion Task with id %s cannot be found.", awserr.Clip(*in.DeletionTaskId))
	}
	if _, there := state.Roles.Get(r, state.NameKey(c.Account, parts[3])); there {
		return &api.GetServiceLinkedRoleDeletionStatusOutput{Status: ptr(api.DeletionTaskStatusTypeFAILED), Reason: &api.DeletionTaskFailureReasonType{
			Reason: ptr("There are resources that are using the role. Please delete these resources and try deleting the role again."), RoleUsageList: usage(r, c.Account, parts[2]),
		}}, nil
	}
	return &api.GetServiceLinkedRoleDeletionStatusOutput{Status: ptr(api.DeletionTaskStatusTypeSUCCEEDED)}, nil
}
