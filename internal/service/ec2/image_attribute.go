package ec2

import (
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// DescribeImageAttribute gives one attribute of the caller's own image.
func (s *Service) DescribeImageAttribute(r state.Reader, c authz.Caller, in *api.DescribeImageAttributeInput) (*api.DescribeImageAttributeOutput, error) {
	i, err := ownImage(r, c, val(in.ImageId))
	if err != nil {
		return nil, err
	}
	out := &api.DescribeImageAttributeOutput{ImageId: ptr(i.ID)}
	text := func(v string) *api.AttributeValue { return &api.AttributeValue{Value: opt(v)} }
	switch val(in.Attribute) {
	case api.ImageAttributeNameDescription:
		out.Description = text(i.Description)
	case api.ImageAttributeNameLaunchPermission:
		out.LaunchPermissions = []api.LaunchPermission{}
		if i.Public {
			out.LaunchPermissions = append(out.LaunchPermissions, api.LaunchPermission{Group: ptr("all")})
		}
		for _, a := range i.LaunchAccounts {
			out.LaunchPermissions = append(out.LaunchPermissions, api.LaunchPermission{UserId: ptr(a)})
		}
	case api.ImageAttributeNameBlockDeviceMapping:
		out.BlockDeviceMappings = apiImage(i, c).BlockDeviceMappings
	case api.ImageAttributeNameProductCodes:
		out.ProductCodes = []api.ProductCode{}
	case api.ImageAttributeNameKernel:
		out.KernelId = text("")
	case api.ImageAttributeNameRamdisk:
		out.RamdiskId = text("")
	case api.ImageAttributeNameSriovNetSupport:
		out.SriovNetSupport = text("simple")
	case api.ImageAttributeNameBootMode:
		out.BootMode = text(i.BootMode)
	case api.ImageAttributeNameTpmSupport:
		out.TpmSupport = text("")
	case api.ImageAttributeNameUefiData:
		out.UefiData = text("")
	case api.ImageAttributeNameLastLaunchedTime:
		out.LastLaunchedTime = text("")
	case api.ImageAttributeNameImdsSupport:
		out.ImdsSupport = text(i.ImdsSupport)
	case api.ImageAttributeNameDeregistrationProtection:
		out.DeregistrationProtection = text("disabled")
	}
	return out, nil
}

// maxLaunchAccounts an image is shared with.
const maxLaunchAccounts = 1000

// ModifyImageAttribute changes one attribute: the description, the launch
// permission, or imdsSupport.
func (s *Service) ModifyImageAttribute(tx *state.Tx, c authz.Caller, in *api.ModifyImageAttributeInput) (*api.ModifyImageAttributeOutput, error) {
	i, err := ownImage(tx, c, val(in.ImageId))
	if err != nil {
		return nil, err
	}
	next := *i
	permission, err := launchChange(in)
	if err != nil {
		return nil, err
	}
	attribute := val(in.Attribute)
	switch {
	case len(in.OrganizationArns)+len(in.OrganizationalUnitArns) > 0:
		return nil, awserr.New("UnsupportedOperation", "Sharing an image with an organization is not supported: name the accounts.")
	case len(in.ProductCodes) > 0 || attribute == api.ImageAttributeNameProductCodes:
		return nil, awserr.New("UnsupportedOperation", "Product codes are not supported.")
	case permission != nil:
		if err := share(&next, permission); err != nil {
			return nil, err
		}
	case in.Description != nil || attribute == api.ImageAttributeNameDescription:
		text := val(in.Value)
		if in.Description != nil {
			text = val(in.Description.Value)
		}
		if err := imageDescription(text); err != nil {
			return nil, err
		}
		next.Description = text
	case in.ImdsSupport != nil:
		if v := val(in.ImdsSupport.Value); v != "v2.0" {
			return nil, awserr.InvalidParameterValue("imdsSupport", v, "The only value is v2.0.")
		}
		next.ImdsSupport = "v2.0"
	default:
		return nil, awserr.New("InvalidParameterCombination", "No attributes specified.")
	}
	state.Images.Put(tx, &next)
	return &api.ModifyImageAttributeOutput{}, nil
}

// launchChange reads the change of the launch permission in its two forms: the
// structure, and OperationType with users and groups.
func launchChange(in *api.ModifyImageAttributeInput) (*api.LaunchPermissionModifications, error) {
	if in.LaunchPermission != nil {
		return in.LaunchPermission, nil
	}
	if len(in.UserIds)+len(in.UserGroups) == 0 && in.OperationType == nil {
		return nil, nil
	}
	var list []api.LaunchPermission
	for _, u := range in.UserIds {
		list = append(list, api.LaunchPermission{UserId: ptr(u)})
	}
	for _, g := range in.UserGroups {
		list = append(list, api.LaunchPermission{Group: ptr(g)})
	}
	switch val(in.OperationType) {
	case api.OperationTypeAdd:
		return &api.LaunchPermissionModifications{Add: list}, nil
	case api.OperationTypeRemove:
		return &api.LaunchPermissionModifications{Remove: list}, nil
	}
	return nil, awserr.MissingParameter("OperationType")
}

// share applies a change of the launch permission.
func share(i *state.Image, change *api.LaunchPermissionModifications) error {
	accounts := slices.Clone(i.LaunchAccounts)
	apply := func(list []api.LaunchPermission, on bool) error {
		for _, p := range list {
			switch {
			case p.OrganizationArn != nil || p.OrganizationalUnitArn != nil:
				return awserr.New("UnsupportedOperation", "Sharing an image with an organization is not supported: name the accounts.")
			case p.Group != nil:
				if *p.Group != "all" {
					return awserr.New("InvalidAMIAttributeItemValue", "Invalid attribute item value \"%s\" for group item type.", awserr.Clip(*p.Group))
				}
				i.Public = on
			case !isAccount(val(p.UserId)):
				return awserr.New("InvalidAMIAttributeItemValue", "Invalid attribute item value \"%s\" for userId item type.", awserr.Clip(val(p.UserId)))
			case !on:
				accounts = slices.DeleteFunc(accounts, func(a string) bool { return a == *p.UserId })
			case !slices.Contains(accounts, *p.UserId):
				accounts = append(accounts, *p.UserId)
			}
		}
		return nil
	}
	if err := apply(change.Add, true); err != nil {
		return err
	}
	if err := apply(change.Remove, false); err != nil {
		return err
	}
	if len(accounts) > maxLaunchAccounts {
		return awserr.New("ResourceLimitExceeded", "An image is shared with at most %d accounts.", maxLaunchAccounts)
	}
	slices.Sort(accounts)
	i.LaunchAccounts = accounts
	return nil
}

// ResetImageAttribute takes all launch permissions away.
func (s *Service) ResetImageAttribute(tx *state.Tx, c authz.Caller, in *api.ResetImageAttributeInput) (*api.ResetImageAttributeOutput, error) {
	i, err := ownImage(tx, c, val(in.ImageId))
	if err != nil {
		return nil, err
	}
	next := *i
	next.Public, next.LaunchAccounts = false, nil
	state.Images.Put(tx, &next)
	return &api.ResetImageAttributeOutput{}, nil
}
