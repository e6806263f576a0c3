package ec2

import (
	"encoding/base64"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// DescribeInstanceAttribute gives one attribute. Clients read Value without
// checking, so it is always there, except where AWS sends an empty element for
// what the instance does not have: user data, kernel, RAM disk.
func (s *Service) DescribeInstanceAttribute(r state.Reader, c authz.Caller, in *api.DescribeInstanceAttributeInput) (*api.DescribeInstanceAttributeOutput, error) {
	i, err := instance(r, c, val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	out := &api.DescribeInstanceAttributeOutput{InstanceId: ptr(i.ID)}
	text := func(v string) *api.AttributeValue { return &api.AttributeValue{Value: opt(v)} }
	flag := func(v bool) *api.AttributeBooleanValue { return &api.AttributeBooleanValue{Value: ptr(v)} }
	switch val(in.Attribute) {
	case api.InstanceAttributeNameInstanceType:
		out.InstanceType = text(i.InstanceType)
	case api.InstanceAttributeNameKernel:
		out.KernelId = text("")
	case api.InstanceAttributeNameRamdisk:
		out.RamdiskId = text("")
	case api.InstanceAttributeNameUserData:
		out.UserData = text(base64.StdEncoding.EncodeToString(i.UserData))
	case api.InstanceAttributeNameDisableApiTermination:
		out.DisableApiTermination = flag(i.DisableTerminate)
	case api.InstanceAttributeNameDisableApiStop:
		out.DisableApiStop = flag(i.DisableStop)
	case api.InstanceAttributeNameInstanceInitiatedShutdownBehavior:
		out.InstanceInitiatedShutdownBehavior = text(i.ShutdownBehavior)
	case api.InstanceAttributeNameRootDeviceName:
		out.RootDeviceName = text(i.RootDeviceName)
	case api.InstanceAttributeNameBlockDeviceMapping:
		out.BlockDeviceMappings = blockDevices(r, i)
	case api.InstanceAttributeNameProductCodes:
		out.ProductCodes = []api.ProductCode{}
	case api.InstanceAttributeNameSourceDestCheck:
		out.SourceDestCheck = flag(true)
		if n, err := onlyInterface(r, i); err == nil {
			out.SourceDestCheck = flag(n.SourceDestCheck)
		}
	case api.InstanceAttributeNameGroupSet:
		out.Groups = []api.GroupIdentifier{}
		if list := interfacesOf(r, i); len(list) > 0 {
			out.Groups = apiGroups(r, i.Scope(), list[0].Groups)
		}
	case api.InstanceAttributeNameEbsOptimized:
		out.EbsOptimized = flag(i.EbsOptimized)
	case api.InstanceAttributeNameSriovNetSupport:
		out.SriovNetSupport = text("simple")
	case api.InstanceAttributeNameEnaSupport:
		out.EnaSupport = flag(true)
	case api.InstanceAttributeNameEnclaveOptions:
		out.EnclaveOptions = &api.EnclaveOptions{Enabled: ptr(false)}
	}
	return out, nil
}

// onlyInterface is the interface of an instance that has one; with several the
// request must name the interface instead.
func onlyInterface(r state.Reader, i *state.Instance) (*state.NetworkInterface, error) {
	list := interfacesOf(r, i)
	if len(list) != 1 {
		return nil, awserr.New("InvalidInstanceID", "There are multiple interfaces attached to instance '%s'. Please specify an interface ID for the operation instead.", i.ID)
	}
	return list[0], nil
}

// ModifyInstanceAttribute changes one attribute, given as a structure or, in the
// older form, by Attribute and Value.
func (s *Service) ModifyInstanceAttribute(tx *state.Tx, c authz.Caller, in *api.ModifyInstanceAttributeInput) (*api.ModifyInstanceAttributeOutput, error) {
	i, err := living(tx, c, val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if err := olderForm(in); err != nil {
		return nil, err
	}
	name, err := oneAttribute(
		attribute{api.InstanceAttributeNameInstanceType, in.InstanceType != nil},
		attribute{api.InstanceAttributeNameUserData, in.UserData != nil},
		attribute{api.InstanceAttributeNameDisableApiTermination, in.DisableApiTermination != nil},
		attribute{api.InstanceAttributeNameDisableApiStop, in.DisableApiStop != nil},
		attribute{api.InstanceAttributeNameInstanceInitiatedShutdownBehavior, in.InstanceInitiatedShutdownBehavior != nil},
		attribute{api.InstanceAttributeNameBlockDeviceMapping, len(in.BlockDeviceMappings) > 0},
		attribute{api.InstanceAttributeNameSourceDestCheck, in.SourceDestCheck != nil},
		attribute{api.InstanceAttributeNameGroupSet, len(in.Groups) > 0},
		attribute{api.InstanceAttributeNameEbsOptimized, in.EbsOptimized != nil},
		attribute{api.InstanceAttributeNameKernel, in.Kernel != nil},
		attribute{api.InstanceAttributeNameRamdisk, in.Ramdisk != nil},
		attribute{api.InstanceAttributeNameSriovNetSupport, in.SriovNetSupport != nil},
		attribute{api.InstanceAttributeNameEnaSupport, in.EnaSupport != nil},
		attribute{api.InstanceAttributeNameEnclaveOptions, in.EnclaveOptions != nil},
	)
	if err != nil {
		return nil, err
	}
	next := *i
	switch name {
	case api.InstanceAttributeNameInstanceType:
		err = retype(tx, &next, val(in.InstanceType.Value))
	case api.InstanceAttributeNameUserData:
		if len(in.UserData.Value) > maxUserData {
			return nil, awserr.New("InvalidParameterValue", "User data is limited to %d bytes", maxUserData)
		}
		err = stopped(i)
		next.UserData = in.UserData.Value
	case api.InstanceAttributeNameDisableApiTermination:
		next.DisableTerminate, err = boolOf(name, in.DisableApiTermination)
	case api.InstanceAttributeNameDisableApiStop:
		next.DisableStop, err = boolOf(name, in.DisableApiStop)
	case api.InstanceAttributeNameInstanceInitiatedShutdownBehavior:
		v := val(in.InstanceInitiatedShutdownBehavior.Value)
		if v != api.ShutdownBehaviorStop && v != api.ShutdownBehaviorTerminate {
			return nil, awserr.InvalidParameterValue(name, v, "Valid values are stop and terminate.")
		}
		next.ShutdownBehavior = v
	case api.InstanceAttributeNameBlockDeviceMapping:
		err = keepRoot(tx, i, in.BlockDeviceMappings)
	case api.InstanceAttributeNameSourceDestCheck:
		err = checkSource(tx, i, in.SourceDestCheck)
	case api.InstanceAttributeNameGroupSet:
		err = s.regroup(tx, c, i, in.Groups)
	case api.InstanceAttributeNameEbsOptimized:
		if next.EbsOptimized, err = boolOf(name, in.EbsOptimized); err == nil {
			err = optimize(&next)
		}
	default:
		err = fixed(name, in)
	}
	if err != nil {
		return nil, err
	}
	state.Instances.Put(tx, &next)
	return &api.ModifyInstanceAttributeOutput{}, nil
}

// olderForm turns Attribute and Value into the structure of that attribute.
func olderForm(in *api.ModifyInstanceAttributeInput) error {
	if in.Attribute == nil || in.Value == nil {
		if in.Value != nil {
			return awserr.MissingParameter("Attribute")
		}
		return nil
	}
	text := &api.AttributeValue{Value: in.Value}
	flag := &api.AttributeBooleanValue{Value: ptr(*in.Value == "true" || *in.Value == "True")}
	switch *in.Attribute {
	case api.InstanceAttributeNameInstanceType:
		in.InstanceType = text
	case api.InstanceAttributeNameUserData:
		data, err := userData(*in.Value)
		if err != nil {
			return err
		}
		in.UserData = &api.SecureBlobAttributeValue{Value: data}
	case api.InstanceAttributeNameDisableApiTermination:
		in.DisableApiTermination = flag
	case api.InstanceAttributeNameDisableApiStop:
		in.DisableApiStop = flag
	case api.InstanceAttributeNameInstanceInitiatedShutdownBehavior:
		in.InstanceInitiatedShutdownBehavior = text
	case api.InstanceAttributeNameSourceDestCheck:
		in.SourceDestCheck = flag
	case api.InstanceAttributeNameEbsOptimized:
		in.EbsOptimized = flag
	case api.InstanceAttributeNameEnaSupport:
		in.EnaSupport = flag
	case api.InstanceAttributeNameSriovNetSupport:
		in.SriovNetSupport = text
	case api.InstanceAttributeNameKernel:
		in.Kernel = text
	case api.InstanceAttributeNameRamdisk:
		in.Ramdisk = text
	case api.InstanceAttributeNameGroupSet:
		in.Groups = []string{*in.Value}
	default:
		return awserr.InvalidParameterValue("attribute", *in.Attribute, "The attribute cannot be modified by a value.")
	}
	return nil
}

// keepRoot takes mappings that leave the root volume as it is: it always ends
// with its instance.
func keepRoot(r state.Reader, i *state.Instance, mappings []api.InstanceBlockDeviceMappingSpecification) error {
	for _, m := range mappings {
		if val(m.DeviceName) != i.RootDeviceName {
			return awserr.New("InvalidInstanceAttributeValue", "No device is currently mapped at %s", awserr.Clip(val(m.DeviceName)))
		}
		if m.Ebs != nil && m.Ebs.DeleteOnTermination != nil && !*m.Ebs.DeleteOnTermination {
			return awserr.New("UnsupportedOperation", "A root volume cannot outlive its instance in localvpc: DeleteOnTermination stays true.")
		}
	}
	return nil
}

// checkSource says whether an instance's interface drops what is neither from nor
// for one of its own addresses.
func checkSource(tx *state.Tx, i *state.Instance, v *api.AttributeBooleanValue) error {
	on, err := boolOf(api.InstanceAttributeNameSourceDestCheck, v)
	if err != nil {
		return err
	}
	n, err := onlyInterface(tx, i)
	if err != nil {
		return err
	}
	next := *n
	next.SourceDestCheck = on
	state.NetworkInterfaces.Put(tx, &next)
	return nil
}

// regroup puts the instance's interface into other groups.
func (s *Service) regroup(tx *state.Tx, c authz.Caller, i *state.Instance, ids []string) error {
	n, err := onlyInterface(tx, i)
	if err != nil {
		return err
	}
	groups, err := s.interfaceGroups(tx, c, n.VpcID, ids)
	if err != nil {
		return err
	}
	next := *n
	next.Groups = groups
	state.NetworkInterfaces.Put(tx, &next)
	return nil
}

func optimize(i *state.Instance) error {
	kind, err := instanceType(i.InstanceType)
	if err != nil {
		return err
	}
	if i.EbsOptimized && kind.EbsMaxMbps == 0 {
		return awserr.New("Unsupported", "EBS-optimized instances are not supported for your requested configuration. Please check the documentation for supported configurations.")
	}
	return stopped(i)
}

// fixed takes the attributes that have one value here, when it is that one.
func fixed(name string, in *api.ModifyInstanceAttributeInput) error {
	switch {
	case name == api.InstanceAttributeNameSriovNetSupport && val(in.SriovNetSupport.Value) == "simple",
		name == api.InstanceAttributeNameEnaSupport && val(in.EnaSupport.Value),
		name == api.InstanceAttributeNameEnclaveOptions && !val(in.EnclaveOptions.Enabled):
		return nil
	}
	return awserr.New("UnsupportedOperation", "The attribute %s cannot have that value in localvpc.", name)
}

// ResetInstanceAttribute puts back what AWS can put back: the source/destination
// check, which is on, and the kernel and RAM disk, of which there are none.
func (s *Service) ResetInstanceAttribute(tx *state.Tx, c authz.Caller, in *api.ResetInstanceAttributeInput) (*api.ResetInstanceAttributeOutput, error) {
	i, err := living(tx, c, val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	switch a := val(in.Attribute); a {
	case api.InstanceAttributeNameSourceDestCheck:
		on := true
		if err := checkSource(tx, i, &api.AttributeBooleanValue{Value: &on}); err != nil {
			return nil, err
		}
	case api.InstanceAttributeNameKernel, api.InstanceAttributeNameRamdisk:
		if err := stopped(i); err != nil {
			return nil, err
		}
	default:
		return nil, awserr.InvalidParameterValue("attribute", a, "Only kernel, ramdisk and sourceDestCheck can be reset.")
	}
	return &api.ResetInstanceAttributeOutput{}, nil
}
