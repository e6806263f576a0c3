package ec2

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

// DescribeNetworkInterfaceAttribute shows one attribute.
func (s *Service) DescribeNetworkInterfaceAttribute(r state.Reader, c authz.Caller, in *api.DescribeNetworkInterfaceAttributeInput) (*api.DescribeNetworkInterfaceAttributeOutput, error) {
	n, err := networkInterface(r, c, val(in.NetworkInterfaceId))
	if err != nil {
		return nil, err
	}
	out := &api.DescribeNetworkInterfaceAttributeOutput{NetworkInterfaceId: ptr(n.ID)}
	switch name := val(in.Attribute); name {
	case "description":
		out.Description = &api.AttributeValue{Value: ptr(n.Description)}
	case "groupSet":
		out.Groups = apiGroups(r, n.Scope(), n.Groups)
	case "sourceDestCheck":
		out.SourceDestCheck = &api.AttributeBooleanValue{Value: ptr(n.SourceDestCheck)}
	case "attachment":
		out.Attachment = apiAttachment(n.Attachment)
	case "associatePublicIpAddress":
		out.AssociatePublicIpAddress = ptr(n.AutoPublic)
	default:
		return nil, awserr.InvalidParameterValue("attribute", name, "Unknown attribute.")
	}
	return out, nil
}

// ModifyNetworkInterfaceAttribute changes one attribute. Members obey new groups
// when the call returns.
func (s *Service) ModifyNetworkInterfaceAttribute(tx *state.Tx, c authz.Caller, in *api.ModifyNetworkInterfaceAttributeInput) (*api.ModifyNetworkInterfaceAttributeOutput, error) {
	if err := networkInterfaceKind.wellFormed(val(in.NetworkInterfaceId)); err != nil {
		return nil, err
	}
	switch {
	case in.EnaSrdSpecification != nil, in.ConnectionTrackingSpecification != nil, in.EnablePrimaryIpv6 != nil,
		len(in.AssociatedSubnetIds) > 0:
		return nil, awserr.New("UnsupportedOperation", "localvpc changes the description, groups, attachment and public address of interfaces; other attributes are not supported yet.")
	}
	name, err := oneAttribute(
		attribute{"attachment", in.Attachment != nil}, attribute{"description", in.Description != nil}, attribute{"associatePublicIpAddress", in.AssociatePublicIpAddress != nil},
		attribute{"groupSet", len(in.Groups) > 0}, attribute{"sourceDestCheck", in.SourceDestCheck != nil})
	if err != nil {
		return nil, err
	}
	old, err := networkInterface(tx, c, *in.NetworkInterfaceId)
	if err != nil {
		return nil, err
	}
	if old.RequesterManaged {
		return nil, foreignInterface()
	}
	n := *old
	switch name {
	case "description":
		n.Description = val(in.Description.Value)
		err = checkInterfaceDescription(n.Description)
	case "groupSet":
		n.Groups, err = s.interfaceGroups(tx, c, n.VpcID, in.Groups)
	case "sourceDestCheck":
		n.SourceDestCheck, err = boolOf("sourceDestCheck", in.SourceDestCheck)
	case "attachment":
		n.Attachment, err = changeAttachment(old.Attachment, in.Attachment)
	case "associatePublicIpAddress":
		return &api.ModifyNetworkInterfaceAttributeOutput{}, setAutoPublic(tx, old, *in.AssociatePublicIpAddress)
	}
	if err != nil {
		return nil, err
	}
	state.NetworkInterfaces.Put(tx, &n)
	return &api.ModifyNetworkInterfaceAttributeOutput{}, nil
}

// setAutoPublic says whether an interface, while it is the primary one of an
// instance, is to have a public address that is assigned; it takes effect at once.
func setAutoPublic(tx *state.Tx, old *state.NetworkInterface, on bool) error {
	n := *old
	n.AutoPublic = on
	state.NetworkInterfaces.Put(tx, &n)
	if !on {
		publicip.GiveUp(tx, &n)
		return nil
	}
	if _, err := publicip.Renew(tx, &n); err != nil {
		return noCapacity(err)
	}
	return nil
}

// changeAttachment gives the attachment with what a request changes of it.
func changeAttachment(old *state.Attachment, in *api.NetworkInterfaceAttachmentChanges) (*state.Attachment, error) {
	switch {
	case in.EnaQueueCount != nil || in.DefaultEnaQueueCount != nil:
		return nil, awserr.New("UnsupportedOperation", "ENA queue counts are not supported by localvpc; leave the parameter out.")
	case in.AttachmentId == nil:
		return nil, awserr.MissingParameter("attachment.attachmentId")
	case in.DeleteOnTermination == nil:
		return nil, awserr.MissingParameter("attachment.deleteOnTermination")
	case old == nil || old.ID != *in.AttachmentId:
		return nil, noAttachment(*in.AttachmentId)
	}
	a := *old
	a.DeleteOnTermination = *in.DeleteOnTermination
	return &a, nil
}

// ResetNetworkInterfaceAttribute puts the check of source and destination back
// to its default: on.
func (s *Service) ResetNetworkInterfaceAttribute(tx *state.Tx, c authz.Caller, in *api.ResetNetworkInterfaceAttributeInput) (*api.ResetNetworkInterfaceAttributeOutput, error) {
	if in.SourceDestCheck == nil {
		return nil, awserr.MissingParameter("sourceDestCheck")
	}
	old, err := networkInterface(tx, c, val(in.NetworkInterfaceId))
	if err != nil {
		return nil, err
	}
	if old.RequesterManaged {
		return nil, foreignInterface()
	}
	n := *old
	n.SourceDestCheck = true
	state.NetworkInterfaces.Put(tx, &n)
	return &api.ResetNetworkInterfaceAttributeOutput{}, nil
}

// DescribeNetworkInterfacePermissions lists which other accounts may attach
// interfaces: none can be let yet.
func (s *Service) DescribeNetworkInterfacePermissions(_ state.Reader, c authz.Caller, in *api.DescribeNetworkInterfacePermissionsInput) (*api.DescribeNetworkInterfacePermissionsOutput, error) {
	err := nothing("DescribeNetworkInterfacePermissions", c, in.Filters, in.MaxResults, in.NextToken,
		"network-interface-permission.network-interface-permission-id", "network-interface-permission.network-interface-id",
		"network-interface-permission.aws-account-id", "network-interface-permission.aws-service", "network-interface-permission.permission")
	if err == nil {
		err = unknownIDs(in.NetworkInterfacePermissionIds, "eni-perm", "InvalidPermissionID.Malformed", "InvalidPermissionID.NotFound",
			"The network interface permission ID '%s' does not exist", "")
	}
	if err != nil {
		return nil, err
	}
	return &api.DescribeNetworkInterfacePermissionsOutput{NetworkInterfacePermissions: []api.NetworkInterfacePermission{}}, nil
}
