package ec2

import (
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/base/catalog"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

// launch is a request to run instances, checked: what every one of them gets.
type launch struct {
	image    *state.Image
	kind     *catalog.InstanceType
	model    state.Instance // the row of each instance, but for what is its own
	nics     []nic          // device index 0 first
	disk     disk
	profile  *state.InstanceProfile // nil: none
	volTags  state.Tags
	eniTags  state.Tags
	instTags state.Tags
}

// maxLaunch bounds one request, as the default quota of an account does.
const maxLaunch = 1000

// RunInstances launches instances: all of MaxCount or, when the subnet has no
// room for so many, as many as it can, and none if that is less than MinCount.
func (s *Service) RunInstances(tx *state.Tx, c authz.Caller, in *api.RunInstancesInput) (*api.RunInstancesOutput, error) {
	least, most, err := counts(in)
	if err != nil {
		return nil, err
	}
	l, err := s.newLaunch(tx, c, in, most)
	if err != nil {
		return nil, err
	}
	out := &api.RunInstancesOutput{ReservationId: ptr(tx.ID("r")), OwnerId: ptr(c.Account), Groups: []api.GroupIdentifier{}}
	l.model.ReservationID = *out.ReservationId
	var made []*state.Instance
	for n := range most {
		i, err := s.runOne(tx, c, l, n)
		if err != nil && n >= least && awserr.Is(err, "InsufficientFreeAddressesInSubnet", "NetworkInterfaceLimitExceeded", "InsufficientAddressCapacity") {
			break
		}
		if err != nil {
			return nil, err
		}
		made = append(made, i)
	}
	for _, i := range made {
		out.Instances = append(out.Instances, apiInstance(tx, i))
	}
	for _, i := range made {
		if err := s.follow(tx, i); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func counts(in *api.RunInstancesInput) (least, most int32, err error) {
	least, most = val(in.MinCount), val(in.MaxCount)
	switch {
	case least < 1:
		return 0, 0, awserr.New("InvalidParameterValue", "Value (%d) for parameter minCount is invalid. Minimum value is 1.", least)
	case most < 1:
		return 0, 0, awserr.New("InvalidParameterValue", "Value (%d) for parameter maxCount is invalid. Minimum value is 1.", most)
	case least > most:
		return 0, 0, awserr.InvalidParameterCombination("The value of minCount (%d) must not be greater than that of maxCount (%d)", least, most)
	case least > maxLaunch:
		return 0, 0, awserr.New("InstanceLimitExceeded", "You have requested more instances (%d) than one request may launch (%d).", least, maxLaunch)
	}
	return least, min(most, maxLaunch), nil
}

// newLaunch checks the request, in AWS's order as far as it is known: what is
// not supported, image and type, then the network, then the rest.
func (s *Service) newLaunch(tx *state.Tx, c authz.Caller, in *api.RunInstancesInput, most int32) (*launch, error) {
	l := &launch{}
	if err := refuseLaunch(in); err != nil {
		return nil, err
	}
	var err error
	if in.IamInstanceProfile != nil {
		if l.profile, err = instanceProfile(tx, c, in.IamInstanceProfile); err != nil {
			return nil, err
		}
	}
	if l.image, err = launchImage(tx, c, val(in.ImageId)); err != nil {
		return nil, err
	}
	name := "m1.small" // AWS's default
	if in.InstanceType != nil {
		name = *in.InstanceType
	}
	if l.kind, err = instanceType(name); err != nil {
		return nil, err
	}
	if l.kind.Architecture != l.image.Architecture {
		return nil, architectureMismatch(l.kind.Architecture, l.image.Architecture)
	}
	if in.KeyName != nil {
		if _, ok := keyPairNamed(tx, c, *in.KeyName); !ok {
			return nil, noKeyPair(*in.KeyName)
		}
	}
	if l.disk, err = launchDisk(in.BlockDeviceMappings, l.image); err != nil {
		return nil, err
	}
	if err := l.tags(in.TagSpecifications); err != nil {
		return nil, err
	}
	if l.nics, err = s.launchNetwork(tx, c, in, most, l.kind); err != nil {
		return nil, err
	}
	if l.model, err = launchModel(tx, in, l); err != nil {
		return nil, err
	}
	return l, shownTags(&l.model, l.instTags)
}

func (l *launch) tags(specs []api.TagSpecification) (err error) {
	instance, volume, eni := api.ResourceTypeInstance, api.ResourceTypeVolume, api.ResourceTypeNetworkInterface
	if l.instTags, err = tagsOf(specs, instance, volume, eni); err != nil {
		return err
	}
	if l.volTags, err = tagsOf(specs, volume, instance, eni); err != nil {
		return err
	}
	l.eniTags, err = tagsOf(specs, eni, instance, volume)
	return err
}

func architectureMismatch(kind, image string) error {
	return awserr.New("InvalidParameterValue", "The architecture '%s' of the specified instance type does not match the architecture '%s' of the specified AMI. "+
		"Specify an instance type and an AMI that have matching architectures, and try again. "+
		"You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.", kind, image)
}

// launchImage finds the image by id, or by an SSM public parameter.
func launchImage(r state.Reader, c authz.Caller, id string) (*state.Image, error) {
	if id == "" {
		return nil, awserr.MissingParameter("ImageId")
	}
	if name, ok := strings.CutPrefix(id, "resolve:ssm:"); ok {
		i, ok := imageAtParameter(r, c, strings.TrimSuffix(name, ":latest"))
		if !ok {
			return nil, awserr.New("InvalidParameterValue", "The parameter %s does not exist or does not name an image.", awserr.Clip(name))
		}
		return i, nil
	}
	i, err := image(r, c, id)
	if err != nil {
		if wasMine(r, c, id) {
			return nil, awserr.New("InvalidAMIID.Unavailable", "The image ID '%s' is no longer available", id)
		}
		return nil, err
	}
	if i.State != lifecycle.ImageAvailable {
		return nil, awserr.New("InvalidAMIID.Unavailable", "The image ID '%s' is not available: its state is %s", id, i.State)
	}
	return i, nil
}

// runOne makes the instance with a launch index: its interfaces, its volume and
// its row. After an error nothing of it is left.
func (s *Service) runOne(tx *state.Tx, c authz.Caller, l *launch, index int32) (*state.Instance, error) {
	i := l.model
	i.Meta = tx.Meta(c.Scope, instanceKind.prefix)
	i.Tags, i.LaunchIndex = l.instTags, index
	lifecycle.New(&i, tx.Now())
	if l.profile != nil {
		setProfile(tx, &i, l.profile)
	}
	primary, err := s.plug(tx, c, l, &i)
	if err != nil {
		return nil, err
	}
	i.VpcID, i.SubnetID, i.PrivateIP = primary.VpcID, primary.SubnetID, primary.Primary()
	i.PrivateDnsName = dnsview.InstancePrivateName(i.Region, i.HostnameType, i.ID, i.PrivateIP)
	state.Instances.Put(tx, &i)
	v := &state.Volume{
		Meta: tx.Meta(c.Scope, volumeKind.prefix), Size: l.disk.size, Type: l.disk.kind, Iops: l.disk.iops, Throughput: l.disk.throughput,
		AvailabilityZone: i.AvailabilityZone, AvailZoneID: i.AvailZoneID, State: api.VolumeStateInUse, SnapshotID: l.image.SnapshotID,
		Encrypted: l.disk.encrypted, KmsKeyID: l.disk.key, InstanceID: i.ID, Device: i.RootDeviceName, AttachTime: tx.Now(), DeleteOnTerm: true,
	}
	v.Tags = l.volTags
	state.Volumes.Put(tx, v)
	return &i, nil
}

// refuseLaunch says what is not supported, in AWS's words where it has some:
// a launch that would be other than what was asked for is refused.
func refuseLaunch(in *api.RunInstancesInput) error {
	if t := in.LaunchTemplate; t != nil {
		return noLaunchTemplate(t)
	}
	if p := in.Placement; p != nil {
		if err := refusePlacement(val(p.GroupName), val(p.GroupId), val(p.Tenancy), p.HostId != nil || p.HostResourceGroupArn != nil || val(p.Affinity) == "host", p.PartitionNumber != nil); err != nil {
			return err
		}
	}
	for _, no := range []struct {
		asked bool
		what  string
	}{
		{val(in.Ipv6AddressCount) > 0 || len(in.Ipv6Addresses) > 0 || val(in.EnablePrimaryIpv6), "IPv6 addresses"},
		{in.KernelId != nil || in.RamdiskId != nil, "Kernels and RAM disks"},
		{in.InstanceMarketOptions != nil && in.InstanceMarketOptions.MarketType != nil, "Spot instances and capacity blocks"},
		{len(in.ElasticGpuSpecification)+len(in.ElasticInferenceAccelerators) > 0, "Accelerators"},
		{in.HibernationOptions != nil && val(in.HibernationOptions.Configured), "Hibernating instances"},
		{in.EnclaveOptions != nil && val(in.EnclaveOptions.Enabled), "Nitro Enclaves"},
		{len(in.LicenseSpecifications) > 0, "Licence configurations"},
		{in.CapacityReservationSpecification != nil && in.CapacityReservationSpecification.CapacityReservationTarget != nil, "Capacity reservations"},
		{len(in.SecondaryInterfaces) > 0, "Secondary interfaces"},
		{in.Operator != nil, "Service-managed instances"},
		{in.NetworkPerformanceOptions != nil && val(in.NetworkPerformanceOptions.BandwidthWeighting) != "" && val(in.NetworkPerformanceOptions.BandwidthWeighting) != "default", "Bandwidth weightings"},
		{in.CpuOptions != nil && (val(in.CpuOptions.AmdSevSnp) == "enabled" || val(in.CpuOptions.NestedVirtualization) == "enabled"), "AMD SEV-SNP and nested virtualization"},
		{in.PrivateDnsNameOptions != nil && val(in.PrivateDnsNameOptions.EnableResourceNameDnsAAAARecord), "DNS AAAA records for instances"},
	} {
		if no.asked {
			return awserr.New("UnsupportedOperation", "%s are not supported by localvpc; leave the parameter out.", no.what)
		}
	}
	return nil
}

// noLaunchTemplate: there are none, so AWS's answer is the right one.
func noLaunchTemplate(t *api.LaunchTemplateSpecification) error {
	switch {
	case t.LaunchTemplateId != nil && !awsid.Valid("lt", *t.LaunchTemplateId):
		return malformedID("InvalidLaunchTemplateId.Malformed", "lt", *t.LaunchTemplateId)
	case t.LaunchTemplateId != nil:
		return awserr.New("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID %s, does not exist.", *t.LaunchTemplateId)
	case t.LaunchTemplateName != nil:
		return awserr.New("InvalidLaunchTemplateName.NotFoundException", "The specified launch template, with template name %s, does not exist.", awserr.Clip(*t.LaunchTemplateName))
	}
	return awserr.MissingParameter("LaunchTemplateId or LaunchTemplateName")
}

// refusePlacement: there are no placement groups and no hosts to choose from.
func refusePlacement(name, id, tenancy string, host, partition bool) error {
	switch {
	case id != "":
		return awserr.New("InvalidPlacementGroup.Unknown", "The Placement Group with ID '%s' is unknown.", awserr.Clip(id))
	case name != "":
		return awserr.New("InvalidPlacementGroup.Unknown", "The Placement Group '%s' is unknown.", awserr.Clip(name))
	case partition:
		return awserr.InvalidParameterCombination("The parameter partitionNumber cannot be used without the parameter groupName")
	case host || tenancy == api.TenancyHost:
		return awserr.New("UnsupportedOperation", "Dedicated Hosts are not supported by localvpc: everything runs on one machine.")
	}
	return nil
}

// zoneMatches says why a subnet is not where the request places its instances.
func zoneMatches(p *api.Placement, sub *state.Subnet) error {
	if p == nil {
		return nil
	}
	if z := val(p.AvailabilityZone); z != "" && z != sub.AvailabilityZone {
		return awserr.InvalidParameterValue("availabilityZone", z, "Subnet '"+sub.ID+"' is in the availability zone "+sub.AvailabilityZone)
	}
	if z := val(p.AvailabilityZoneId); z != "" && z != sub.AvailabilityZoneID {
		return awserr.InvalidParameterValue("availabilityZoneId", z, "Subnet '"+sub.ID+"' is in the availability zone "+sub.AvailabilityZoneID)
	}
	return nil
}
