package ec2

import (
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/state"
)

// attachTo asks for an attachment.
func attachTo(eni, instance string, index int32) *api.AttachNetworkInterfaceInput {
	return &api.AttachNetworkInterfaceInput{NetworkInterfaceId: &eni, InstanceId: &instance, DeviceIndex: &index}
}

// on starts an instance of a type and gives its id.
func (l *lab) on(change ...func(*api.RunInstancesInput)) string {
	l.Helper()
	id := *l.run(change...).InstanceId
	l.started(id)
	return id
}

// off stops an instance.
func (l *lab) off(id string) {
	l.Helper()
	call[api.StopInstancesOutput](l.world, "StopInstances", &api.StopInstancesInput{InstanceIds: []string{id}})
	l.exited(id)
}

func TestAttachNetworkInterface(t *testing.T) {
	l := newLab(t)
	running, resting := l.on(), l.on()
	l.off(resting)
	eni := l.eni(l.subnetID)
	attached := call[api.AttachNetworkInterfaceOutput](l.world, "AttachNetworkInterface", attachTo(eni, running, 1))
	if !awsid.Valid("eni-attach", *attached.AttachmentId) || *attached.NetworkCardIndex != 0 {
		t.Errorf("%+v", attached)
	}
	n := l.showInterface(eni)
	if a := n.Attachment; *n.Status != "in-use" || *a.AttachmentId != *attached.AttachmentId || *a.InstanceId != running || *a.InstanceOwnerId != "123456789012" ||
		*a.DeviceIndex != 1 || *a.Status != "attached" || *a.DeleteOnTermination || !a.AttachTime.Equal(testTime) {
		t.Errorf("%s %+v", *n.Status, a)
	}
	shown := l.describe(running)
	if len(shown.NetworkInterfaces) != 2 || *shown.NetworkInterfaces[1].NetworkInterfaceId != eni || *shown.NetworkInterfaces[1].Attachment.DeviceIndex != 1 ||
		*shown.PrivateIpAddress != *shown.NetworkInterfaces[0].PrivateIpAddress {
		t.Errorf("%+v", shown.NetworkInterfaces)
	}
	l.fails("DeleteNetworkInterface", &api.DeleteNetworkInterfaceInput{NetworkInterfaceId: &eni}, "InvalidParameterValue", "currently in use")

	call[api.DetachNetworkInterfaceOutput](l.world, "DetachNetworkInterface", &api.DetachNetworkInterfaceInput{AttachmentId: attached.AttachmentId})
	if n := l.showInterface(eni); *n.Status != "available" || n.Attachment != nil {
		t.Errorf("after detaching: %s %+v", *n.Status, n.Attachment)
	}
	if shown := l.describe(running); len(shown.NetworkInterfaces) != 1 {
		t.Errorf("after detaching: %+v", shown.NetworkInterfaces)
	}
	l.fails("DetachNetworkInterface", &api.DetachNetworkInterfaceInput{AttachmentId: attached.AttachmentId},
		"InvalidAttachmentID.NotFound", "The interface attachment '"+*attached.AttachmentId+"' does not exist.")

	// To a stopped instance, and taken from it by force.
	again := call[api.AttachNetworkInterfaceOutput](l.world, "AttachNetworkInterface", attachTo(eni, resting, 1))
	if *again.AttachmentId == *attached.AttachmentId {
		t.Error("the attachment has its former id")
	}
	call[api.DetachNetworkInterfaceOutput](l.world, "DetachNetworkInterface", &api.DetachNetworkInterfaceInput{AttachmentId: again.AttachmentId, Force: ptr(true)})

	// What the attachment says about termination is done.
	kept, gone := l.eni(l.subnetID), eni
	doomed := l.on(func(in *api.RunInstancesInput) { in.InstanceType = ptr("t3.medium") })
	call[api.AttachNetworkInterfaceOutput](l.world, "AttachNetworkInterface", attachTo(kept, doomed, 1))
	last := call[api.AttachNetworkInterfaceOutput](l.world, "AttachNetworkInterface", attachTo(gone, doomed, 2))
	call[api.ModifyNetworkInterfaceAttributeOutput](l.world, "ModifyNetworkInterfaceAttribute", &api.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: &gone,
		Attachment: &api.NetworkInterfaceAttachmentChanges{AttachmentId: last.AttachmentId, DeleteOnTermination: ptr(true)}})
	call[api.TerminateInstancesOutput](l.world, "TerminateInstances", &api.TerminateInstancesInput{InstanceIds: []string{doomed}})
	l.exited(doomed)
	if n := l.showInterface(kept); *n.Status != "available" || n.Attachment != nil {
		t.Errorf("after termination: %s %+v", *n.Status, n.Attachment)
	}
	l.fails("DescribeNetworkInterfaces", &api.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{gone}}, "InvalidNetworkInterfaceID.NotFound", gone)
}

func TestAttachNetworkInterfaceRefused(t *testing.T) {
	l := newLab(t)
	running, full, pending := l.on(), l.on(), *l.run().InstanceId
	terminated := l.on()
	call[api.TerminateInstancesOutput](l.world, "TerminateInstances", &api.TerminateInstancesInput{InstanceIds: []string{terminated}})
	l.exited(terminated)
	spare, busy, managed := l.eni(l.subnetID), l.eni(l.subnetID), l.eni(l.subnetID)
	held := call[api.AttachNetworkInterfaceOutput](l.world, "AttachNetworkInterface", attachTo(busy, full, 1)).AttachmentId
	zoneB := l.eni(*call[api.CreateSubnetOutput](l.world, "CreateSubnet", &api.CreateSubnetInput{VpcId: &l.vpcID, CidrBlock: ptr("10.0.2.0/24"), AvailabilityZone: ptr("us-east-1b")}).Subnet.SubnetId)
	elsewhere := l.eni(l.subnet(l.vpc("10.9.0.0/16"), "10.9.1.0/24"))
	crowded := *l.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &l.subnetID, SecondaryPrivateIpAddressCount: ptr(int32(2))}).NetworkInterfaceId
	l.write(func(tx *state.Tx) {
		old, _ := state.NetworkInterfaces.Get(tx, l.caller.Key(managed))
		n := *old
		n.RequesterManaged = true
		state.NetworkInterfaces.Put(tx, &n)
	})
	stranger := l.as("210987654321", "us-east-1")
	primary := l.describe(running).NetworkInterfaces[0]

	for name, tt := range map[string]struct {
		in         *api.AttachNetworkInterfaceInput
		code, text string
	}{
		"no interface":        {&api.AttachNetworkInterfaceInput{InstanceId: &running, DeviceIndex: ptr(int32(1))}, "MissingParameter", "networkInterfaceId"},
		"no instance":         {&api.AttachNetworkInterfaceInput{NetworkInterfaceId: &spare, DeviceIndex: ptr(int32(1))}, "MissingParameter", "instanceId"},
		"no index":            {&api.AttachNetworkInterfaceInput{NetworkInterfaceId: &spare, InstanceId: &running}, "MissingParameter", "deviceIndex"},
		"malformed interface": {attachTo("x", running, 1), "InvalidNetworkInterfaceId.Malformed", "eni-..."},
		"malformed instance":  {attachTo(spare, "x", 1), "InvalidInstanceID.Malformed", "i-..."},
		"unknown interface":   {attachTo("eni-0123456789abcdef0", running, 1), "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID 'eni-0123456789abcdef0' does not exist"},
		"unknown instance":    {attachTo(spare, "i-0123456789abcdef0", 1), "InvalidInstanceID.NotFound", "The instance ID 'i-0123456789abcdef0' does not exist"},
		"negative index":      {attachTo(spare, running, -1), "InvalidParameterValue", "Value (-1) for parameter deviceIndex"},
		"far index":           {attachTo(spare, running, 1<<31-1), "InvalidParameterValue", "deviceIndex"},
		"index 0":             {attachTo(spare, running, 0), "InvalidParameterValue", "Instance '" + running + "' already has an interface attached at device index '0'."},
		"index taken":         {attachTo(spare, full, 1), "InvalidParameterValue", "Instance '" + full + "' already has an interface attached at device index '1'."},
		"limit of the type":   {attachTo(spare, full, 2), "AttachmentLimitExceeded", "Interface count 3 exceeds the limit for t3.micro"},
		"in use":              {attachTo(busy, running, 1), "InvalidNetworkInterface.InUse", busy},
		"in use there":        {attachTo(busy, full, 1), "InvalidNetworkInterface.InUse", busy},
		"other zone":          {attachTo(zoneB, running, 1), "InvalidParameterCombination", "You may not attach a network interface to an instance if they are not in the same availability zone"},
		"other VPC":           {attachTo(elsewhere, running, 1), "InvalidParameterValue", "may not cross VPC boundaries"},
		"pending":             {attachTo(spare, pending, 1), "IncorrectState", "Instance '" + pending + "' is not 'running' or 'stopped'."},
		"terminated":          {attachTo(spare, terminated, 1), "IncorrectState", terminated},
		"too many addresses":  {attachTo(crowded, running, 1), "PrivateIpAddressLimitExceeded", crowded},
		"a service's":         {attachTo(managed, running, 1), "OperationNotPermitted", ""},
		"network card": {&api.AttachNetworkInterfaceInput{NetworkInterfaceId: &spare, InstanceId: &running, DeviceIndex: ptr(int32(1)), NetworkCardIndex: ptr(int32(1))},
			"UnsupportedOperation", "network cards"},
		"dry run": {&api.AttachNetworkInterfaceInput{NetworkInterfaceId: &spare, InstanceId: &running, DeviceIndex: ptr(int32(1)), DryRun: ptr(true)}, "DryRunOperation", ""},
	} {
		t.Run(name, func(t *testing.T) { l.in(t).fails("AttachNetworkInterface", tt.in, tt.code, tt.text) })
	}
	stranger.fails("AttachNetworkInterface", attachTo(spare, running, 1), "InvalidNetworkInterfaceID.NotFound", spare)

	for name, tt := range map[string]struct {
		id         *string
		code, text string
	}{
		"nothing":   {nil, "MissingParameter", "attachmentId"},
		"malformed": {ptr("x"), "InvalidAttachmentID.Malformed", "eni-attach-..."},
		"unknown":   {ptr("eni-attach-0123456789abcdef0"), "InvalidAttachmentID.NotFound", "The interface attachment 'eni-attach-0123456789abcdef0' does not exist."},
		"primary":   {primary.Attachment.AttachmentId, "OperationNotPermitted", "The network interface at device index 0 and networkCard index 0 cannot be detached."},
	} {
		t.Run("detach "+name, func(t *testing.T) {
			l.in(t).fails("DetachNetworkInterface", &api.DetachNetworkInterfaceInput{AttachmentId: tt.id, Force: ptr(true)}, tt.code, tt.text)
		})
	}
	stranger.fails("DetachNetworkInterface", &api.DetachNetworkInterfaceInput{AttachmentId: held}, "InvalidAttachmentID.NotFound", *held)
}
