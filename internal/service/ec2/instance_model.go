package ec2

import (
	"encoding/base64"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/catalog"
	"github.com/localvpc/localvpc/internal/state"
)

// launchModel fills in what the instances of a launch have in common.
func launchModel(r state.Reader, in *api.RunInstancesInput, l *launch) (state.Instance, error) {
	sub := l.nics[0].subnet
	i := state.Instance{
		ImageID: l.image.ID, ImageOwner: l.image.Account, InstanceType: l.kind.Name, KeyName: val(in.KeyName),
		AvailabilityZone: sub.AvailabilityZone, AvailZoneID: sub.AvailabilityZoneID,
		Architecture: l.image.Architecture, RootDeviceName: l.image.RootDeviceName, ClientToken: val(in.ClientToken),
		HostnameType: sub.HostnameType, ResourceNameDnsA: sub.ResourceNameDnsA,
		Monitoring: in.Monitoring != nil && val(in.Monitoring.Enabled), EbsOptimized: val(in.EbsOptimized),
		Tenancy: api.TenancyDefault, ShutdownBehavior: api.ShutdownBehaviorStop,
		DisableTerminate: val(in.DisableApiTermination), DisableStop: val(in.DisableApiStop),
		AutoRecovery: "default", CpuCoreCount: l.kind.Cores(), CpuThreadsPerCore: l.kind.ThreadsPerCore,
		CreditSpec: creditDefault(l.kind),
	}
	if in.InstanceInitiatedShutdownBehavior != nil {
		i.ShutdownBehavior = *in.InstanceInitiatedShutdownBehavior
	}
	if i.EbsOptimized && l.kind.EbsMaxMbps == 0 {
		return i, awserr.New("Unsupported", "EBS-optimized instances are not supported for your requested configuration. Please check the documentation for supported configurations.")
	}
	if v, ok := state.Vpcs.Get(r, sub.Scope().Key(sub.VpcID)); ok && v.InstanceTenancy == api.TenancyDedicated {
		i.Tenancy = api.TenancyDedicated
	} else if in.Placement != nil && in.Placement.Tenancy != nil {
		i.Tenancy = *in.Placement.Tenancy
	}
	if o := in.PrivateDnsNameOptions; o != nil {
		if o.HostnameType != nil {
			i.HostnameType = *o.HostnameType
		}
		if o.EnableResourceNameDnsARecord != nil {
			i.ResourceNameDnsA = *o.EnableResourceNameDnsARecord
		}
	}
	if o := in.MaintenanceOptions; o != nil && o.AutoRecovery != nil {
		i.AutoRecovery = *o.AutoRecovery
	}
	if o := in.CreditSpecification; o != nil {
		if !l.kind.Burstable {
			return i, awserr.InvalidParameterCombination("The credit specification is supported for burstable performance instances only: %s is not one", l.kind.Name)
		}
		if err := validCredit(val(o.CpuCredits)); err != nil {
			return i, err
		}
		i.CreditSpec = *o.CpuCredits
	}
	if o := in.CpuOptions; o != nil {
		if err := cpuOptions(&i, l.kind, o.CoreCount, o.ThreadsPerCore); err != nil {
			return i, err
		}
	}
	var err error
	if i.UserData, err = userData(val(in.UserData)); err != nil {
		return i, err
	}
	i.Metadata = metadataDefaults(r, sub.Scope(), l.image)
	if o := in.MetadataOptions; o != nil {
		err = metadataOptions(&i.Metadata, o.HttpTokens, o.HttpEndpoint, o.HttpProtocolIpv6, o.InstanceMetadataTags, o.HttpPutResponseHopLimit)
	}
	return i, err
}

// maxUserData is the limit of the raw user data, before base64 (EC2 User Guide,
// "User data and the AWS CLI").
const maxUserData = 16384

// userData decodes the user data of a request.
func userData(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	tooLong := awserr.New("InvalidParameterValue", "User data is limited to %d bytes", maxUserData)
	if len(text) > maxUserData*2 {
		return nil, tooLong
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, awserr.New("InvalidParameterValue", "Invalid BASE64 encoding of user data")
	}
	if len(data) > maxUserData {
		return nil, tooLong
	}
	return data, nil
}

// cpuOptions checks and stores the number of cores and threads; processors are
// shared with the host whatever they are.
func cpuOptions(i *state.Instance, kind *catalog.InstanceType, cores, threads *int32) error {
	if cores == nil && threads == nil {
		return nil
	}
	if validCores(kind) == nil {
		return awserr.New("UnsupportedOperation", "CPU options are not supported for the instance type %s", kind.Name)
	}
	if cores == nil || threads == nil {
		return awserr.InvalidParameterCombination("Specify both coreCount and threadsPerCore")
	}
	if *cores < 1 || *cores > kind.Cores() {
		return awserr.New("InvalidParameterValue", "CoreCount %d is not valid for the instance type %s: valid values are %v", *cores, kind.Name, validCores(kind))
	}
	if *threads < 1 || *threads > kind.ThreadsPerCore {
		return awserr.New("InvalidParameterValue", "ThreadsPerCore %d is not valid for the instance type %s: valid values are %v", *threads, kind.Name, validThreads(kind))
	}
	i.CpuCoreCount, i.CpuThreadsPerCore = *cores, *threads
	return nil
}
