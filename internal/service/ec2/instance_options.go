package ec2

import (
	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/state"
)

// living finds an instance that can still be changed.
func living(r state.Reader, c authz.Caller, id string) (*state.Instance, error) {
	i, err := instance(r, c, id)
	if err != nil {
		return nil, err
	}
	if i.State == state.Terminated || i.State == state.ShuttingDown {
		return nil, awserr.New("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be modified: it is %s.", i.ID, i.State)
	}
	return i, nil
}

// stopped says that an instance is not stopped, as some changes require.
func stopped(i *state.Instance) error {
	if i.State != state.Stopped {
		return awserr.New("IncorrectInstanceState", "The instance '%s' is not in the 'stopped' state.", i.ID)
	}
	return nil
}

// ModifyPrivateDnsNameOptions changes the names of an instance; the hostname
// type of a stopped one only.
func (s *Service) ModifyPrivateDnsNameOptions(tx *state.Tx, c authz.Caller, in *api.ModifyPrivateDnsNameOptionsInput) (*api.ModifyPrivateDnsNameOptionsOutput, error) {
	i, err := living(tx, c, val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if val(in.EnableResourceNameDnsAAAARecord) {
		return nil, awserr.New("UnsupportedOperation", "DNS AAAA records for instances are not supported by localvpc.")
	}
	next := *i
	if in.PrivateDnsHostnameType != nil && *in.PrivateDnsHostnameType != i.HostnameType {
		if err := stopped(i); err != nil {
			return nil, err
		}
		next.HostnameType = *in.PrivateDnsHostnameType
		next.PrivateDnsName = dnsview.InstancePrivateName(i.Region, next.HostnameType, i.ID, i.PrivateIP)
	}
	if in.EnableResourceNameDnsARecord != nil {
		next.ResourceNameDnsA = *in.EnableResourceNameDnsARecord
	}
	state.Instances.Put(tx, &next)
	return &api.ModifyPrivateDnsNameOptionsOutput{Return: ptr(true)}, nil
}

// ModifyInstancePlacement stores the tenancy of a stopped instance, between
// default and dedicated: everything runs on one machine.
func (s *Service) ModifyInstancePlacement(tx *state.Tx, c authz.Caller, in *api.ModifyInstancePlacementInput) (*api.ModifyInstancePlacementOutput, error) {
	i, err := living(tx, c, val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if err := refusePlacement(val(in.GroupName), val(in.GroupId), val(in.Tenancy), in.HostId != nil || in.HostResourceGroupArn != nil || val(in.Affinity) == "host", in.PartitionNumber != nil); err != nil {
		return nil, err
	}
	if in.GroupName == nil && in.GroupId == nil && in.Tenancy == nil && in.Affinity == nil {
		return nil, awserr.InvalidParameterCombination("No attributes specified.")
	}
	if err := stopped(i); err != nil {
		return nil, err
	}
	if in.Tenancy != nil && *in.Tenancy != i.Tenancy {
		next := *i
		next.Tenancy = *in.Tenancy
		state.Instances.Put(tx, &next)
	}
	return &api.ModifyInstancePlacementOutput{Return: ptr(true)}, nil
}

// ModifyInstanceMaintenanceOptions stores the automatic recovery; there is no
// failing hardware to recover from.
func (s *Service) ModifyInstanceMaintenanceOptions(tx *state.Tx, c authz.Caller, in *api.ModifyInstanceMaintenanceOptionsInput) (*api.ModifyInstanceMaintenanceOptionsOutput, error) {
	i, err := living(tx, c, val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if v := val(in.RebootMigration); v != "" && v != "default" {
		return nil, awserr.New("UnsupportedOperation", "Reboot migration is not supported by the instance type %s.", i.InstanceType)
	}
	next := *i
	if in.AutoRecovery != nil {
		next.AutoRecovery = *in.AutoRecovery
		state.Instances.Put(tx, &next)
	}
	return &api.ModifyInstanceMaintenanceOptionsOutput{InstanceId: ptr(i.ID), AutoRecovery: ptr(next.AutoRecovery), RebootMigration: ptr("default")}, nil
}

// ModifyInstanceCpuOptions stores the cores and threads of a stopped instance.
func (s *Service) ModifyInstanceCpuOptions(tx *state.Tx, c authz.Caller, in *api.ModifyInstanceCpuOptionsInput) (*api.ModifyInstanceCpuOptionsOutput, error) {
	i, err := living(tx, c, val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if val(in.NestedVirtualization) == "enabled" {
		return nil, awserr.New("UnsupportedOperation", "Nested virtualization is not supported by localvpc.")
	}
	if in.CoreCount == nil && in.ThreadsPerCore == nil && in.NestedVirtualization == nil {
		return nil, awserr.InvalidParameterCombination("No attributes specified.")
	}
	if err := stopped(i); err != nil {
		return nil, err
	}
	kind, err := instanceType(i.InstanceType)
	if err != nil {
		return nil, err
	}
	next := *i
	if err := cpuOptions(&next, kind, in.CoreCount, in.ThreadsPerCore); err != nil {
		return nil, err
	}
	state.Instances.Put(tx, &next)
	return &api.ModifyInstanceCpuOptionsOutput{InstanceId: ptr(i.ID), CoreCount: ptr(next.CpuCoreCount), ThreadsPerCore: ptr(next.CpuThreadsPerCore)}, nil
}
