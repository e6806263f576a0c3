package ec2

import (
	"strconv"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// maxDeviceIndex bounds device indexes: an instance's routing rules have their
// places by it (see decide/ruleset), and no type has as many interfaces.
const maxDeviceIndex = 31

func checkDeviceIndex(index int32) error {
	if index < 0 || index > maxDeviceIndex {
		return awserr.InvalidParameterValue("deviceIndex", strconv.Itoa(int(index)), "Valid values are 0 to 31.")
	}
	return nil
}

// AttachNetworkInterface puts an interface to a running or stopped instance.
// When the call returns a running one has it, up and with its addresses.
func (s *Service) AttachNetworkInterface(tx *state.Tx, c authz.Caller, in *api.AttachNetworkInterfaceInput) (*api.AttachNetworkInterfaceOutput, error) {
	switch {
	case in.NetworkInterfaceId == nil:
		return nil, awserr.MissingParameter("networkInterfaceId")
	case in.InstanceId == nil:
		return nil, awserr.MissingParameter("instanceId")
	case in.DeviceIndex == nil:
		return nil, awserr.MissingParameter("deviceIndex")
	case val(in.NetworkCardIndex) != 0 || in.EnaSrdSpecification != nil || in.EnaQueueCount != nil:
		return nil, awserr.New("UnsupportedOperation", "Further network cards, ENA Express and ENA queue counts are not supported by localvpc; leave the parameter out.")
	}
	if err := instanceKind.wellFormed(*in.InstanceId); err != nil {
		return nil, err
	}
	if err := checkDeviceIndex(*in.DeviceIndex); err != nil {
		return nil, err
	}
	old, err := networkInterface(tx, c, *in.NetworkInterfaceId)
	if err != nil {
		return nil, err
	}
	i, err := instance(tx, c, *in.InstanceId)
	if err != nil {
		return nil, err
	}
	if err := attachable(tx, old, i, *in.DeviceIndex); err != nil {
		return nil, err
	}
	n := *old
	n.Status = "in-use"
	n.Attachment = &state.Attachment{
		ID: tx.ID("eni-attach"), InstanceID: i.ID, InstanceOwnerID: c.Account, DeviceIndex: *in.DeviceIndex,
		Status: "attached", AttachTime: tx.Now(),
	}
	state.NetworkInterfaces.Put(tx, &n)
	return &api.AttachNetworkInterfaceOutput{AttachmentId: ptr(n.Attachment.ID), NetworkCardIndex: ptr(n.Attachment.NetworkCardIndex)}, nil
}

// attachable says why an interface cannot be put to an instance.
func attachable(r state.Reader, n *state.NetworkInterface, i *state.Instance, index int32) error {
	switch {
	case n.RequesterManaged:
		return foreignInterface()
	case n.Attachment != nil:
		return awserr.New("InvalidNetworkInterface.InUse", "Interface: [%s] in use.", n.ID)
	case i.State != state.Running && i.State != state.Stopped:
		return awserr.New("IncorrectState", "Instance '%s' is not 'running' or 'stopped'.", i.ID)
	case n.AvailabilityZone != i.AvailabilityZone:
		return awserr.InvalidParameterCombination("You may not attach a network interface to an instance if they are not in the same availability zone")
	case n.VpcID != i.VpcID:
		return awserr.New("InvalidParameterValue", "Network interface attachments may not cross VPC boundaries.")
	}
	kind, err := instanceType(i.InstanceType)
	if err != nil {
		return err
	}
	count := int32(1)
	for other := range state.NetworkInterfaces.By(r, state.ByInstance, i.ID) {
		count++
		if other.Attachment.DeviceIndex == index {
			return awserr.New("InvalidParameterValue", "Instance '%s' already has an interface attached at device index '%d'.", i.ID, index)
		}
	}
	if count > kind.Interfaces {
		return awserr.New("AttachmentLimitExceeded", "Interface count %d exceeds the limit for %s", count, kind.Name)
	}
	if !takes(kind, len(n.Addresses), len(n.Prefixes)) {
		return tooManyAddresses(n)
	}
	return noDelegation(kind, len(n.Prefixes))
}

// DetachNetworkInterface takes an interface from its instance; its addresses and
// groups stay with it. Nothing has to be waited for, so Force changes nothing.
func (s *Service) DetachNetworkInterface(tx *state.Tx, c authz.Caller, in *api.DetachNetworkInterfaceInput) (*api.DetachNetworkInterfaceOutput, error) {
	if in.AttachmentId == nil {
		return nil, awserr.MissingParameter("attachmentId")
	}
	if awsid.Prefix(*in.AttachmentId) == serviceAttachment {
		return nil, awserr.New("OperationNotPermitted", "You are not allowed to manage '%s' attachments.", serviceAttachment)
	}
	old, err := attached(tx, c, *in.AttachmentId)
	if err != nil {
		return nil, err
	}
	switch {
	case old.RequesterManaged:
		return nil, foreignInterface()
	case old.Attachment.DeviceIndex == 0:
		return nil, awserr.New("OperationNotPermitted", "The network interface at device index 0 and networkCard index 0 cannot be detached.")
	}
	n := *old
	n.Attachment, n.Status = nil, "available"
	state.NetworkInterfaces.Put(tx, &n)
	return &api.DetachNetworkInterfaceOutput{}, nil
}

// attached finds an interface by its attachment.
func attached(r state.Reader, c authz.Caller, id string) (*state.NetworkInterface, error) {
	if !awsid.Valid("eni-attach", id) {
		return nil, malformedID("InvalidAttachmentID.Malformed", "eni-attach", id)
	}
	for n := range state.NetworkInterfaces.In(r, c.Scope) {
		if n.Attachment != nil && n.Attachment.ID == id {
			return n, nil
		}
	}
	return nil, noAttachment(id)
}

func noAttachment(id string) error {
	return awserr.New("InvalidAttachmentID.NotFound", "The interface attachment '%s' does not exist.", awserr.Clip(id))
}
