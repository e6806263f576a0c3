package ec2

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/catalog"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

// lab is a world with the image catalogue and a subnet.
type lab struct {
	*world
	vpcID, subnetID string
}

// al2023 is the id of the catalogue's default image.
const al2023 = "ami-0abcdef1234567890"

func newLab(t *testing.T, cfg ...Config) *lab {
	t.Helper()
	w := newWorld(t, cfg...)
	w.write(func(tx *state.Tx) { SeedImages(tx, catalog.Images("x86_64")) })
	l := &lab{world: w, vpcID: w.vpc("10.0.0.0/16")}
	l.subnetID = w.subnet(l.vpcID, "10.0.1.0/24")
	return l
}

// ask is a request for one t3.micro in the lab's subnet.
func (l *lab) ask(change ...func(*api.RunInstancesInput)) *api.RunInstancesInput {
	in := &api.RunInstancesInput{ImageId: ptr(al2023), InstanceType: ptr("t3.micro"), MinCount: ptr(int32(1)), MaxCount: ptr(int32(1)), SubnetId: &l.subnetID}
	for _, c := range change {
		c(in)
	}
	return in
}

func (l *lab) run(change ...func(*api.RunInstancesInput)) api.Instance {
	l.Helper()
	return call[api.RunInstancesOutput](l.world, "RunInstances", l.ask(change...)).Instances[0]
}

// row is the row of an instance.
func (w *world) row(id string) *state.Instance {
	w.Helper()
	i, ok := state.Instances.Get(w.snapshot(), w.caller.Scope.Key(id))
	if !ok {
		w.Fatalf("no row of %s", id)
	}
	return i
}

// started and exited report what the node would.
func (w *world) started(id string) {
	w.Helper()
	i := w.row(id)
	w.write(func(tx *state.Tx) { must(w, lifecycle.Started(tx, i.Key, i.Boots)) })
}

func (w *world) exited(id string) {
	w.Helper()
	i := w.row(id)
	w.write(func(tx *state.Tx) { must(w, lifecycle.Exited(tx, i.Key, i.Boots, lifecycle.Requested)) })
}

func must(w *world, err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// describe gives one instance as DescribeInstances does.
func (w *world) describe(id string) api.Instance {
	w.Helper()
	out := call[api.DescribeInstancesOutput](w, "DescribeInstances", &api.DescribeInstancesInput{InstanceIds: []string{id}})
	if len(out.Reservations) != 1 || len(out.Reservations[0].Instances) != 1 {
		w.Fatalf("%s is described as %+v", id, out)
	}
	return out.Reservations[0].Instances[0]
}

func (w *world) eni(subnetID string) string {
	w.Helper()
	out := call[api.CreateNetworkInterfaceOutput](w, "CreateNetworkInterface", &api.CreateNetworkInterfaceInput{SubnetId: &subnetID})
	return *out.NetworkInterface.NetworkInterfaceId
}

func (w *world) sg(vpcID, name string) string {
	w.Helper()
	out := call[api.CreateSecurityGroupOutput](w, "CreateSecurityGroup", &api.CreateSecurityGroupInput{VpcId: &vpcID, GroupName: &name, Description: ptr("test")})
	return *out.GroupId
}

func TestRunInstances(t *testing.T) {
	l := newLab(t)
	group := l.sg(l.vpcID, "web")
	call[api.CreateKeyPairOutput](l.world, "CreateKeyPair", &api.CreateKeyPairInput{KeyName: ptr("k"), KeyType: ptr("ed25519")})
	script := base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\n"))
	out := call[api.RunInstancesOutput](l.world, "RunInstances", l.ask(func(in *api.RunInstancesInput) {
		in.MaxCount = ptr(int32(3))
		in.SecurityGroupIds = []string{group}
		in.KeyName, in.UserData, in.ClientToken = ptr("k"), &script, ptr("once")
		in.TagSpecifications = slices.Concat(tagSpec("instance", "Name", "web"), tagSpec("volume", "Disk", "root"), tagSpec("network-interface", "Nic", "0"))
	}))
	if len(out.Instances) != 3 || *out.OwnerId != l.caller.Account || !strings.HasPrefix(*out.ReservationId, "r-") {
		t.Fatalf("%+v", out)
	}
	addresses := map[string]bool{}
	for n, i := range out.Instances {
		addresses[*i.PrivateIpAddress] = true
		if *i.State.Name != "pending" || *i.State.Code != 0 || *i.StateReason.Code != "pending" || *i.AmiLaunchIndex != int32(n) {
			t.Errorf("instance %d: state %s, reason %v, index %d", n, *i.State.Name, i.StateReason, *i.AmiLaunchIndex)
		}
		if *i.VpcId != l.vpcID || *i.SubnetId != l.subnetID || *i.KeyName != "k" || *i.ClientToken != "once" || *i.Tags[0].Value != "web" {
			t.Errorf("instance %d: %+v", n, i)
		}
		e := i.NetworkInterfaces[0]
		if want := "ip-" + strings.ReplaceAll(*i.PrivateIpAddress, ".", "-") + ".ec2.internal"; *i.PrivateDnsName != want || *e.PrivateDnsName != want {
			t.Errorf("private names %s and %s, want %s", *i.PrivateDnsName, *e.PrivateDnsName, want)
		}
		if *e.Groups[0].GroupId != group || *i.SecurityGroups[0].GroupName != "web" || *e.Status != "in-use" || *e.Attachment.DeviceIndex != 0 || !*e.Attachment.DeleteOnTermination {
			t.Errorf("interface %+v, groups %+v", e, i.SecurityGroups)
		}
		if *i.MetadataOptions.HttpTokens != "required" || *i.MetadataOptions.HttpPutResponseHopLimit != 2 || *i.MetadataOptions.State != "applied" {
			t.Errorf("metadata options of an image that asks for v2.0: %+v", i.MetadataOptions)
		}
		if len(i.BlockDeviceMappings) != 1 || *i.BlockDeviceMappings[0].DeviceName != "/dev/xvda" || *i.RootDeviceName != "/dev/xvda" {
			t.Errorf("devices %+v", i.BlockDeviceMappings)
		}
		l.started(*i.InstanceId)
	}
	if len(addresses) != 3 {
		t.Errorf("addresses %v", addresses)
	}
	id := *out.Instances[0].InstanceId
	if i := l.describe(id); *i.State.Name != "running" || i.StateReason != nil || *i.StateTransitionReason != "" {
		t.Errorf("a running instance has %+v", i)
	}
	if string(l.row(id).UserData) != "#!/bin/sh\n" {
		t.Errorf("user data %q", l.row(id).UserData)
	}
	tags := call[api.DescribeTagsOutput](l.world, "DescribeTags", &api.DescribeTagsInput{Filters: filtersOf("key", "Disk,Nic")})
	if len(tags.Tags) != 6 {
		t.Errorf("%d tags on volumes and interfaces, want 6", len(tags.Tags))
	}
}

func TestRunInstancesAnswersATokenAgain(t *testing.T) {
	l := newLab(t)
	token := func(in *api.RunInstancesInput) { in.ClientToken = ptr("once") }
	first := l.run(token)
	l.started(*first.InstanceId)
	if again := l.run(token); *again.InstanceId != *first.InstanceId || *again.State.Name != "pending" {
		t.Errorf("the second answer is %s %s", *again.InstanceId, *again.State.Name)
	}
	l.fails("RunInstances", l.ask(token, func(in *api.RunInstancesInput) { in.InstanceType = ptr("t3.small") }), "IdempotentParameterMismatch", "once")
}

func TestRunInstancesWithInterfaces(t *testing.T) {
	l := newLab(t)
	group, existing := l.sg(l.vpcID, "web"), l.eni(l.subnetID)
	other := l.subnet(l.vpcID, "10.0.2.0/24")
	i := l.run(func(in *api.RunInstancesInput) {
		in.SubnetId, in.InstanceType = nil, ptr("t3.medium")
		in.NetworkInterfaces = []api.InstanceNetworkInterfaceSpecification{
			{DeviceIndex: ptr(int32(2)), NetworkInterfaceId: &existing},
			{DeviceIndex: ptr(int32(1)), SubnetId: &other, SecondaryPrivateIpAddressCount: ptr(int32(2)), DeleteOnTermination: ptr(false)},
			{DeviceIndex: ptr(int32(0)), SubnetId: &l.subnetID, Groups: []string{group}, Description: ptr("front"),
				PrivateIpAddresses: []api.PrivateIpAddressSpecification{{PrivateIpAddress: ptr("10.0.1.20")}, {PrivateIpAddress: ptr("10.0.1.10"), Primary: ptr(true)}}},
		}
	})
	if *i.PrivateIpAddress != "10.0.1.10" || *i.SubnetId != l.subnetID || len(i.NetworkInterfaces) != 3 {
		t.Fatalf("%+v", i)
	}
	for n, e := range i.NetworkInterfaces {
		if *e.Attachment.DeviceIndex != int32(n) || *e.Attachment.Status != "attached" {
			t.Errorf("interface %d is at %d", n, *e.Attachment.DeviceIndex)
		}
	}
	if e := i.NetworkInterfaces[0]; *e.Description != "front" || len(e.PrivateIpAddresses) != 2 || *e.PrivateIpAddresses[1].PrivateIpAddress != "10.0.1.20" {
		t.Errorf("primary %+v", e)
	}
	if n := len(i.NetworkInterfaces[1].PrivateIpAddresses); n != 3 || *i.NetworkInterfaces[2].NetworkInterfaceId != existing || *i.NetworkInterfaces[2].Attachment.DeleteOnTermination {
		t.Errorf("%d addresses; %+v", n, i.NetworkInterfaces[2])
	}
	// Those that outlive the instance are free again.
	call[api.TerminateInstancesOutput](l.world, "TerminateInstances", &api.TerminateInstancesInput{InstanceIds: []string{*i.InstanceId}})
	l.exited(*i.InstanceId)
	left := call[api.DescribeNetworkInterfacesOutput](l.world, "DescribeNetworkInterfaces", &api.DescribeNetworkInterfacesInput{Filters: filtersOf("status", "available")})
	if len(left.NetworkInterfaces) != 2 || state.NetworkInterfaces.Len(l.snapshot()) != 2 {
		t.Errorf("left: %+v", left.NetworkInterfaces)
	}
	if gone := l.describe(*i.InstanceId); *gone.State.Name != "terminated" || gone.VpcId != nil || gone.PrivateIpAddress != nil ||
		len(gone.NetworkInterfaces)+len(gone.BlockDeviceMappings)+len(gone.SecurityGroups) != 0 || *gone.PrivateDnsName != "" {
		t.Errorf("terminated: %+v", gone)
	}
}

func TestRunInstancesLaunchesWhatFits(t *testing.T) {
	l := newLab(t)
	small := l.subnet(l.vpcID, "10.0.3.0/28") // 11 addresses
	many := func(least, most int32) *api.RunInstancesInput {
		return l.ask(func(in *api.RunInstancesInput) { in.SubnetId, in.MinCount, in.MaxCount = &small, &least, &most })
	}
	l.fails("RunInstances", many(12, 12), "InsufficientFreeAddressesInSubnet", "free addresses")
	if out := call[api.RunInstancesOutput](l.world, "RunInstances", many(2, 20)); len(out.Instances) != 11 {
		t.Errorf("%d instances, want 11", len(out.Instances))
	}
	if n := state.NetworkInterfaces.Len(l.snapshot()); n != 11 {
		t.Errorf("%d interfaces", n)
	}
	l.fails("RunInstances", many(1, 1), "InsufficientFreeAddressesInSubnet", "free addresses")
}

func TestRunInstancesRefuses(t *testing.T) {
	l := newLab(t)
	otherVpc := l.vpc("10.9.0.0/16")
	otherSubnet, otherGroup := l.subnet(otherVpc, "10.9.1.0/24"), l.sg(otherVpc, "far")
	zoneB := *call[api.CreateSubnetOutput](l.world, "CreateSubnet", &api.CreateSubnetInput{VpcId: &l.vpcID, CidrBlock: ptr("10.0.7.0/24"), AvailabilityZone: ptr("us-east-1b")}).Subnet.SubnetId
	busy := *l.run().NetworkInterfaces[0].NetworkInterfaceId
	spare, remote := l.eni(l.subnetID), l.eni(otherSubnet)
	pending := *call[api.CreateImageOutput](l.world, "CreateImage", &api.CreateImageInput{InstanceId: ptr(l.stoppedInstance()), Name: ptr("pending")}).ImageId
	type in = *api.RunInstancesInput
	type nics = []api.InstanceNetworkInterfaceSpecification
	zero, one := ptr(int32(0)), ptr(int32(1))
	with := func(list ...api.InstanceNetworkInterfaceSpecification) func(in) {
		return func(r in) { r.SubnetId, r.NetworkInterfaces = nil, list }
	}
	primary := api.InstanceNetworkInterfaceSpecification{DeviceIndex: zero, SubnetId: &l.subnetID}
	public := primary
	public.AssociatePublicIpAddress = ptr(true)
	also := func(change func(*api.InstanceNetworkInterfaceSpecification)) func(in) {
		e := primary
		change(&e)
		return with(e)
	}
	root := func(e api.EbsBlockDevice) func(in) {
		return func(r in) { r.BlockDeviceMappings = []api.BlockDeviceMapping{{DeviceName: ptr("/dev/xvda"), Ebs: &e}} }
	}
	for name, tt := range map[string]struct {
		change     func(in)
		code, text string
	}{
		"no image":               {func(r in) { r.ImageId = nil }, "MissingParameter", "ImageId"},
		"malformed image":        {func(r in) { r.ImageId = ptr("ami-x") }, "InvalidAMIID.Malformed", `Invalid id: "ami-x" (expecting "ami-...")`},
		"unknown image":          {func(r in) { r.ImageId = ptr("ami-12345678") }, "InvalidAMIID.NotFound", "The image id '[ami-12345678]' does not exist"},
		"pending image":          {func(r in) { r.ImageId = &pending }, "InvalidAMIID.Unavailable", pending},
		"unknown parameter":      {func(r in) { r.ImageId = ptr("resolve:ssm:/no/such") }, "InvalidParameterValue", "/no/such"},
		"unknown type":           {func(r in) { r.InstanceType = ptr("z9.huge") }, "InvalidParameterValue", "Invalid value 'z9.huge' for InstanceType."},
		"other architecture":     {func(r in) { r.InstanceType = ptr("t4g.micro") }, "InvalidParameterValue", "The architecture 'arm64' of the specified instance type does not match the architecture 'x86_64' of the specified AMI."},
		"unknown key":            {func(r in) { r.KeyName = ptr("none") }, "InvalidKeyPair.NotFound", "The key pair 'none' does not exist"},
		"minimum 0":              {func(r in) { r.MinCount = zero }, "InvalidParameterValue", "minCount"},
		"maximum 0":              {func(r in) { r.MaxCount = zero }, "InvalidParameterValue", "maxCount"},
		"minimum above maximum":  {func(r in) { r.MinCount = ptr(int32(2)) }, "InvalidParameterCombination", "minCount"},
		"too many":               {func(r in) { r.MinCount, r.MaxCount = ptr(int32(5000)), ptr(int32(5000)) }, "InstanceLimitExceeded", "5000"},
		"no subnet":              {func(r in) { r.SubnetId = nil }, "VPCIdNotSpecified", "No default VPC for this user"},
		"unknown subnet":         {func(r in) { r.SubnetId = ptr("subnet-12345678") }, "InvalidSubnetID.NotFound", "The subnet ID 'subnet-12345678' does not exist"},
		"group names":            {func(r in) { r.SecurityGroups = []string{"default"} }, "InvalidParameterCombination", "The parameter groupName cannot be used with the parameter subnet"},
		"unknown group":          {func(r in) { r.SecurityGroupIds = []string{"sg-12345678"} }, "InvalidGroup.NotFound", "The security group 'sg-12345678' does not exist"},
		"other network's group":  {func(r in) { r.SecurityGroupIds = []string{otherGroup} }, "", "belong to different networks"},
		"other zone":             {func(r in) { r.Placement = &api.Placement{AvailabilityZone: ptr("us-east-1b")} }, "InvalidParameterValue", "Subnet '" + l.subnetID + "' is in the availability zone us-east-1a"},
		"other zone id":          {func(r in) { r.Placement = &api.Placement{AvailabilityZoneId: ptr("x")} }, "InvalidParameterValue", "availabilityZoneId"},
		"placement group":        {func(r in) { r.Placement = &api.Placement{GroupName: ptr("pg")} }, "InvalidPlacementGroup.Unknown", "The Placement Group 'pg' is unknown."},
		"placement group id":     {func(r in) { r.Placement = &api.Placement{GroupId: ptr("pg-1")} }, "InvalidPlacementGroup.Unknown", "pg-1"},
		"partition":              {func(r in) { r.Placement = &api.Placement{PartitionNumber: one} }, "InvalidParameterCombination", "partitionNumber"},
		"host":                   {func(r in) { r.Placement = &api.Placement{Tenancy: ptr("host")} }, "UnsupportedOperation", "Dedicated Hosts"},
		"address outside":        {func(r in) { r.PrivateIpAddress = ptr("10.0.9.9") }, "InvalidParameterValue", "subnet"},
		"address reserved":       {func(r in) { r.PrivateIpAddress = ptr("10.0.1.2") }, "InvalidParameterValue", "reserved"},
		"not an address":         {func(r in) { r.PrivateIpAddress = ptr("ten") }, "InvalidParameterValue", "privateIpAddress"},
		"IPv6 as address":        {func(r in) { r.PrivateIpAddress = ptr("fd00::1") }, "InvalidParameterValue", "privateIpAddress"},
		"address for several":    {func(r in) { r.PrivateIpAddress, r.MaxCount = ptr("10.0.1.77"), ptr(int32(2)) }, "InvalidParameterCombination", "Multiple instances creation"},
		"user data not base64":   {func(r in) { r.UserData = ptr("#!/bin/sh") }, "InvalidParameterValue", "Invalid BASE64 encoding of user data"},
		"user data too long":     {func(r in) { r.UserData = ptr(base64.StdEncoding.EncodeToString(make([]byte, 16385))) }, "InvalidParameterValue", "User data is limited to 16384 bytes"},
		"user data far too long": {func(r in) { r.UserData = ptr(strings.Repeat("A", 100000)) }, "InvalidParameterValue", "User data is limited to 16384 bytes"},
		"profile":                {func(r in) { r.IamInstanceProfile = &api.IamInstanceProfileSpecification{Name: ptr("p")} }, "InvalidParameterValue", "Value (p) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"},
		"profile ARN":            {func(r in) { r.IamInstanceProfile = &api.IamInstanceProfileSpecification{Arn: ptr("arn:x")} }, "InvalidParameterValue", "Invalid IAM Instance Profile ARN"},
		"profile twice":          {func(r in) { r.IamInstanceProfile = &api.IamInstanceProfileSpecification{Arn: ptr("a"), Name: ptr("b")} }, "InvalidParameterCombination", "iamInstanceProfile"},
		"empty profile":          {func(r in) { r.IamInstanceProfile = &api.IamInstanceProfileSpecification{} }, "MissingParameter", "IamInstanceProfile"},
		"template id":            {func(r in) { r.LaunchTemplate = &api.LaunchTemplateSpecification{LaunchTemplateId: ptr("lt-12345678")} }, "InvalidLaunchTemplateId.NotFound", "lt-12345678"},
		"malformed template id":  {func(r in) { r.LaunchTemplate = &api.LaunchTemplateSpecification{LaunchTemplateId: ptr("x")} }, "InvalidLaunchTemplateId.Malformed", "lt-..."},
		"template name":          {func(r in) { r.LaunchTemplate = &api.LaunchTemplateSpecification{LaunchTemplateName: ptr("t")} }, "InvalidLaunchTemplateName.NotFoundException", "template name t"},
		"empty template":         {func(r in) { r.LaunchTemplate = &api.LaunchTemplateSpecification{} }, "MissingParameter", "LaunchTemplate"},
		"IPv6":                   {func(r in) { r.Ipv6AddressCount = one }, "UnsupportedOperation", "IPv6"},
		"spot":                   {func(r in) { r.InstanceMarketOptions = &api.InstanceMarketOptionsRequest{MarketType: ptr("spot")} }, "UnsupportedOperation", "Spot"},
		"hibernation":            {func(r in) { r.HibernationOptions = &api.HibernationOptionsRequest{Configured: ptr(true)} }, "UnsupportedOperation", "Hibernating instances are not supported"},
		"credit of a fixed type": {func(r in) {
			r.InstanceType, r.CreditSpecification = ptr("m5.large"), &api.CreditSpecificationRequest{CpuCredits: ptr("standard")}
		}, "InvalidParameterCombination", "m5.large"},
		"credit value":     {func(r in) { r.CreditSpecification = &api.CreditSpecificationRequest{CpuCredits: ptr("plenty")} }, "InvalidParameterValue", "CpuCredits"},
		"cores alone":      {func(r in) { r.CpuOptions = &api.CpuOptionsRequest{CoreCount: one} }, "InvalidParameterCombination", "threadsPerCore"},
		"too many cores":   {func(r in) { r.CpuOptions = &api.CpuOptionsRequest{CoreCount: ptr(int32(9)), ThreadsPerCore: one} }, "InvalidParameterValue", "CoreCount 9"},
		"too many threads": {func(r in) { r.CpuOptions = &api.CpuOptionsRequest{CoreCount: one, ThreadsPerCore: ptr(int32(9))} }, "InvalidParameterValue", "ThreadsPerCore 9"},
		"no CPU options": {func(r in) {
			r.InstanceType, r.CpuOptions = ptr("t2.micro"), &api.CpuOptionsRequest{CoreCount: one, ThreadsPerCore: one}
		}, "UnsupportedOperation", "t2.micro"},
		"EBS optimized": {func(r in) { r.InstanceType, r.EbsOptimized = ptr("t2.micro"), ptr(true) }, "Unsupported", "EBS-optimized instances are not supported"},
		"hop limit": {func(r in) {
			r.MetadataOptions = &api.InstanceMetadataOptionsRequest{HttpPutResponseHopLimit: ptr(int32(65))}
		}, "InvalidParameterValue", "HttpPutResponseHopLimit"},
		"tags for another kind":  {func(r in) { r.TagSpecifications = tagSpec("vpc", "a", "b") }, "InvalidParameterValue", "'vpc' is not a valid taggable resource type for this operation."},
		"reserved tag":           {func(r in) { r.TagSpecifications = tagSpec("volume", "aws:a", "b") }, "InvalidParameterValue", "reserved"},
		"small disk":             {root(api.EbsBlockDevice{VolumeSize: one}), "InvalidBlockDeviceMapping", "Volume of size 1GB is smaller than snapshot 'snap-0abcdef1234567890', expect size>= 8GB"},
		"huge disk":              {root(api.EbsBlockDevice{VolumeSize: ptr(int32(99999))}), "InvalidParameterValue", "Invalid volume size"},
		"volume type":            {root(api.EbsBlockDevice{VolumeType: ptr("gp9")}), "InvalidParameterValue", "volumeType"},
		"IOPS of gp2":            {root(api.EbsBlockDevice{VolumeType: ptr("gp2"), Iops: ptr(int32(3000))}), "InvalidParameterCombination", "iops"},
		"IOPS too low":           {root(api.EbsBlockDevice{Iops: ptr(int32(30))}), "InvalidParameterValue", "iops of 30"},
		"io1 without IOPS":       {root(api.EbsBlockDevice{VolumeType: ptr("io1")}), "MissingParameter", "iops"},
		"throughput of gp2":      {root(api.EbsBlockDevice{VolumeType: ptr("gp2"), Throughput: ptr(int32(125))}), "InvalidParameterCombination", "throughput"},
		"throughput too high":    {root(api.EbsBlockDevice{Throughput: ptr(int32(9999))}), "InvalidParameterValue", "Throughput of 9999"},
		"key without encryption": {root(api.EbsBlockDevice{KmsKeyId: ptr("k")}), "InvalidParameterDependency", "KmsKeyId"},
		"another snapshot":       {root(api.EbsBlockDevice{SnapshotId: ptr("snap-12345678")}), "InvalidBlockDeviceMapping", "snapshotId"},
		"disk that stays":        {root(api.EbsBlockDevice{DeleteOnTermination: ptr(false)}), "UnsupportedOperation", "DeleteOnTermination"},
		"second disk": {func(r in) {
			r.BlockDeviceMappings = []api.BlockDeviceMapping{{DeviceName: ptr("/dev/sdb"), Ebs: &api.EbsBlockDevice{}}}
		}, "UnsupportedOperation", "/dev/sdb"},
		"no root": {func(r in) {
			r.BlockDeviceMappings = []api.BlockDeviceMapping{{DeviceName: ptr("/dev/xvda"), NoDevice: ptr("")}}
		}, "InvalidBlockDeviceMapping", "/dev/xvda"},
		"device twice": {func(r in) {
			r.BlockDeviceMappings = []api.BlockDeviceMapping{{DeviceName: ptr("/dev/xvda")}, {DeviceName: ptr("/dev/xvda")}}
		}, "InvalidBlockDeviceMapping", "more than one"},
		"device without name":    {func(r in) { r.BlockDeviceMappings = []api.BlockDeviceMapping{{}} }, "MissingParameter", "DeviceName"},
		"interfaces and subnet":  {func(r in) { r.NetworkInterfaces = nics{primary} }, "InvalidParameterCombination", "Network interfaces and an instance-level subnet ID may not be specified on the same request"},
		"interfaces and groups":  {func(r in) { with(primary)(r); r.SecurityGroupIds = []string{otherGroup} }, "InvalidParameterCombination", "Network interfaces and an instance-level security groups may not be specified on the same request"},
		"interfaces and address": {func(r in) { with(primary)(r); r.PrivateIpAddress = ptr("10.0.1.9") }, "InvalidParameterCombination", "private IP address"},
		"no device index":        {with(api.InstanceNetworkInterfaceSpecification{SubnetId: &l.subnetID}), "InvalidParameterValue", "Each network interface requires a device index."},
		"device index twice":     {with(primary, primary), "InvalidParameterValue", "unique device index"},
		"negative index":         {also(func(e *api.InstanceNetworkInterfaceSpecification) { e.DeviceIndex = ptr(int32(-1)) }), "InvalidParameterValue", "-1"},
		"no index 0":             {also(func(e *api.InstanceNetworkInterfaceSpecification) { e.DeviceIndex = one }), "UnsupportedOperation", "you must include a device at index 0."},
		"neither subnet nor id":  {with(api.InstanceNetworkInterfaceSpecification{DeviceIndex: zero}), "InvalidParameterValue", "either a subnet or a network interface ID"},
		"public address, two":    {with(public, api.InstanceNetworkInterfaceSpecification{DeviceIndex: one, SubnetId: &l.subnetID}), "InvalidParameterCombination", "cannot be specified when launching with multiple network interfaces"},
		"public address, taken":  {with(api.InstanceNetworkInterfaceSpecification{DeviceIndex: zero, NetworkInterfaceId: &spare, AssociatePublicIpAddress: ptr(true)}), "InvalidParameterCombination", "both a network interface ID and associatePublicIPAddress"},
		"public address, index":  {with(api.InstanceNetworkInterfaceSpecification{DeviceIndex: one, SubnetId: &l.subnetID, AssociatePublicIpAddress: ptr(true)}), "InvalidParameterCombination", "DeviceIndex 0"},
		"carrier address":        {also(func(e *api.InstanceNetworkInterfaceSpecification) { e.AssociateCarrierIpAddress = ptr(true) }), "UnsupportedOperation", "Carrier"},
		"EFA":                    {also(func(e *api.InstanceNetworkInterfaceSpecification) { e.InterfaceType = ptr("efa") }), "UnsupportedOperation", "Interface types"},
		"second card":            {also(func(e *api.InstanceNetworkInterfaceSpecification) { e.NetworkCardIndex = one }), "UnsupportedOperation", "network cards"},
		"long description":       {also(func(e *api.InstanceNetworkInterfaceSpecification) { e.Description = ptr(strings.Repeat("x", 256)) }), "InvalidParameterValue", "description"},
		"two primaries": {also(func(e *api.InstanceNetworkInterfaceSpecification) {
			e.PrivateIpAddress = ptr("10.0.1.8")
			e.PrivateIpAddresses = []api.PrivateIpAddressSpecification{{PrivateIpAddress: ptr("10.0.1.9"), Primary: ptr(true)}}
		}), "InvalidParameterCombination", "Only one primary"},
		"count and list": {also(func(e *api.InstanceNetworkInterfaceSpecification) {
			e.SecondaryPrivateIpAddressCount = one
			e.PrivateIpAddresses = []api.PrivateIpAddressSpecification{{PrivateIpAddress: ptr("10.0.1.9")}}
		}), "InvalidParameterCombination", "secondaryPrivateIpAddressCount"},
		"no secondaries":          {also(func(e *api.InstanceNetworkInterfaceSpecification) { e.SecondaryPrivateIpAddressCount = zero }), "InvalidParameterValue", "secondaryPrivateIpAddressCount"},
		"too many addresses":      {also(func(e *api.InstanceNetworkInterfaceSpecification) { e.SecondaryPrivateIpAddressCount = ptr(int32(2)) }), "PrivateIpAddressLimitExceeded", "t3.micro"},
		"too many interfaces":     {with(primary, api.InstanceNetworkInterfaceSpecification{DeviceIndex: one, SubnetId: &l.subnetID}, api.InstanceNetworkInterfaceSpecification{DeviceIndex: ptr(int32(2)), SubnetId: &l.subnetID}), "AttachmentLimitExceeded", "Interface count 3 exceeds the limit for t3.micro"},
		"interfaces in two VPCs":  {with(primary, api.InstanceNetworkInterfaceSpecification{DeviceIndex: one, NetworkInterfaceId: &remote}), "InvalidParameterValue", "may not cross VPC boundaries"},
		"interfaces in two zones": {with(primary, api.InstanceNetworkInterfaceSpecification{DeviceIndex: one, SubnetId: &zoneB}), "InvalidParameterCombination", "one Availability Zone"},
		"interface in use":        {with(api.InstanceNetworkInterfaceSpecification{DeviceIndex: zero, NetworkInterfaceId: &busy}), "InvalidNetworkInterface.InUse", busy},
		"unknown interface":       {with(api.InstanceNetworkInterfaceSpecification{DeviceIndex: zero, NetworkInterfaceId: ptr("eni-12345678")}), "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID 'eni-12345678' does not exist"},
		"interface twice":         {with(api.InstanceNetworkInterfaceSpecification{DeviceIndex: zero, NetworkInterfaceId: &spare}, api.InstanceNetworkInterfaceSpecification{DeviceIndex: one, NetworkInterfaceId: &spare}), "InvalidParameterValue", "multiple interfaces"},
		"interface and subnet":    {with(api.InstanceNetworkInterfaceSpecification{DeviceIndex: zero, NetworkInterfaceId: &spare, SubnetId: &l.subnetID}), "InvalidParameterCombination", "both a network interface ID and a subnet"},
		"interface and groups":    {with(api.InstanceNetworkInterfaceSpecification{DeviceIndex: zero, NetworkInterfaceId: &spare, Groups: []string{otherGroup}}), "InvalidParameterCombination", "security groups"},
		"interface to be deleted": {with(api.InstanceNetworkInterfaceSpecification{DeviceIndex: zero, NetworkInterfaceId: &spare, DeleteOnTermination: ptr(true)}), "InvalidParameterCombination", "delete on termination"},
		"interface for several": {func(r in) {
			with(api.InstanceNetworkInterfaceSpecification{DeviceIndex: zero, NetworkInterfaceId: &spare})(r)
			r.MaxCount = ptr(int32(2))
		}, "InvalidParameterCombination", "Multiple instances creation"},
	} {
		t.Run(name, func(t *testing.T) {
			code := tt.code
			if code == "" {
				code = "InvalidParameter"
			}
			l.in(t).fails("RunInstances", l.ask(tt.change), code, tt.text)
		})
	}
	dry := l.ask(func(r in) { r.DryRun = ptr(true) })
	l.fails("RunInstances", dry, "DryRunOperation", "Request would have succeeded")
}

// stoppedInstance runs an instance and stops it.
func (l *lab) stoppedInstance() string {
	l.Helper()
	id := *l.run().InstanceId
	l.started(id)
	call[api.StopInstancesOutput](l.world, "StopInstances", &api.StopInstancesInput{InstanceIds: []string{id}})
	l.exited(id)
	return id
}

func TestRunInstancesStoresOptions(t *testing.T) {
	l := newLab(t)
	i := l.run(func(in *api.RunInstancesInput) {
		in.ImageId = ptr("resolve:ssm:/aws/service/canonical/ubuntu/server/22.04/stable/current/amd64/hvm/ebs-gp2/ami-id")
		in.InstanceType = nil // m1.small, AWS's default
		in.Monitoring = &api.RunInstancesMonitoringEnabled{Enabled: ptr(true)}
		in.InstanceInitiatedShutdownBehavior = ptr("terminate")
		in.DisableApiTermination, in.DisableApiStop = ptr(true), ptr(true)
		in.MetadataOptions = &api.InstanceMetadataOptionsRequest{InstanceMetadataTags: ptr("enabled"), HttpPutResponseHopLimit: ptr(int32(3))}
		in.PrivateDnsNameOptions = &api.PrivateDnsNameOptionsRequest{HostnameType: ptr("resource-name"), EnableResourceNameDnsARecord: ptr(true)}
		in.MaintenanceOptions = &api.InstanceMaintenanceOptionsRequest{AutoRecovery: ptr("disabled")}
		in.Placement = &api.Placement{AvailabilityZone: ptr("us-east-1a"), Tenancy: ptr("dedicated")}
		in.PrivateIpAddress = ptr("10.0.1.50")
		in.BlockDeviceMappings = []api.BlockDeviceMapping{
			{DeviceName: ptr("/dev/sda1"), Ebs: &api.EbsBlockDevice{VolumeSize: ptr(int32(100)), VolumeType: ptr("gp3"), Iops: ptr(int32(4000)), Throughput: ptr(int32(250)), Encrypted: ptr(true)}},
			{DeviceName: ptr("/dev/sdb"), VirtualName: ptr("ephemeral0")},
		}
	})
	r := l.row(*i.InstanceId)
	if r.InstanceType != "m1.small" || !r.Monitoring || r.ShutdownBehavior != "terminate" || !r.DisableTerminate || !r.DisableStop || r.Tenancy != "dedicated" {
		t.Errorf("%+v", r)
	}
	want := state.MetadataOptions{HttpTokens: "optional", HttpEndpoint: "enabled", HttpIPv6: "disabled", InstanceTags: "enabled", HopLimit: 3}
	if r.Metadata != want {
		t.Errorf("metadata options %+v", r.Metadata)
	}
	if *i.PrivateDnsName != *i.InstanceId+".ec2.internal" || *i.PrivateDnsNameOptions.HostnameType != "resource-name" || *i.MaintenanceOptions.AutoRecovery != "disabled" || *i.PrivateIpAddress != "10.0.1.50" {
		t.Errorf("%+v", i)
	}
	v := call[api.DescribeVolumesOutput](l.world, "DescribeVolumes", &api.DescribeVolumesInput{Filters: filtersOf("attachment.instance-id", *i.InstanceId)}).Volumes[0]
	if *v.Size != 100 || *v.VolumeType != "gp3" || *v.Iops != 4000 || *v.Throughput != 250 || !*v.Encrypted || *v.State != "in-use" || *v.Attachments[0].Device != "/dev/sda1" {
		t.Errorf("volume %+v", v)
	}
}

// TestNothingRuns: without packets the service itself reports what happens, and
// the answers are AWS's.
func TestNothingRuns(t *testing.T) {
	l := newLab(t, Config{NoPackets: true})
	i := l.run()
	id := *i.InstanceId
	expect := func(answer, now string) {
		t.Helper()
		if got := string(l.row(id).State); answer != now && got != now {
			t.Errorf("state %s, want %s", got, now)
		}
	}
	if *i.State.Name != "pending" {
		t.Errorf("the answer says %s", *i.State.Name)
	}
	expect("pending", "running")
	stop := call[api.StopInstancesOutput](l.world, "StopInstances", &api.StopInstancesInput{InstanceIds: []string{id}}).StoppingInstances[0]
	if *stop.PreviousState.Name != "running" || *stop.CurrentState.Name != "stopping" {
		t.Errorf("stop: %s to %s", *stop.PreviousState.Name, *stop.CurrentState.Name)
	}
	expect("stopping", "stopped")
	call[api.StartInstancesOutput](l.world, "StartInstances", &api.StartInstancesInput{InstanceIds: []string{id}})
	expect("pending", "running")
	image := *call[api.CreateImageOutput](l.world, "CreateImage", &api.CreateImageInput{InstanceId: &id, Name: ptr("copy")}).ImageId
	if out := call[api.DescribeImagesOutput](l.world, "DescribeImages", &api.DescribeImagesInput{ImageIds: []string{image}}); *out.Images[0].State != "available" {
		t.Errorf("the image is %s", *out.Images[0].State)
	}
	call[api.TerminateInstancesOutput](l.world, "TerminateInstances", &api.TerminateInstancesInput{InstanceIds: []string{id}})
	expect("shutting-down", "terminated")
	if n := state.NetworkInterfaces.Len(l.snapshot()) + state.Volumes.Len(l.snapshot()); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// TestDefaultVpc: without a subnet an instance goes to the default one of its zone.
func TestDefaultVpc(t *testing.T) {
	l := newLab(t)
	second := *call[api.CreateSubnetOutput](l.world, "CreateSubnet", &api.CreateSubnetInput{VpcId: &l.vpcID, CidrBlock: ptr("10.0.2.0/24"), AvailabilityZone: ptr("us-east-1b")}).Subnet.SubnetId
	l.write(func(tx *state.Tx) {
		v, _ := state.Vpcs.Get(tx, l.caller.Scope.Key(l.vpcID))
		next := *v
		next.IsDefault = true
		state.Vpcs.Put(tx, &next)
	})
	plain := func(in *api.RunInstancesInput) { in.SubnetId = nil }
	l.fails("RunInstances", l.ask(plain), "MissingInput", "No subnets found for the default VPC '"+l.vpcID+"'. Please specify a subnet.")
	l.write(func(tx *state.Tx) {
		for _, id := range []string{l.subnetID, second} {
			sub, _ := state.Subnets.Get(tx, l.caller.Scope.Key(id))
			next := *sub
			next.DefaultForAz = true
			state.Subnets.Put(tx, &next)
		}
	})
	if i := l.run(plain, func(in *api.RunInstancesInput) { in.SecurityGroups = []string{"default"} }); *i.SubnetId != l.subnetID || *i.SecurityGroups[0].GroupName != "default" {
		t.Errorf("%s %+v", *i.SubnetId, i.SecurityGroups)
	}
	zone := func(in *api.RunInstancesInput) { in.Placement = &api.Placement{AvailabilityZone: ptr("us-east-1b")} }
	if i := l.run(plain, zone); *i.SubnetId != second {
		t.Errorf("in zone b: %s", *i.SubnetId)
	}
	if i := l.run(plain, func(in *api.RunInstancesInput) {
		in.NetworkInterfaces = []api.InstanceNetworkInterfaceSpecification{{DeviceIndex: ptr(int32(0))}}
	}); *i.SubnetId != l.subnetID {
		t.Errorf("by an interface: %s", *i.SubnetId)
	}
	l.fails("RunInstances", l.ask(plain, func(in *api.RunInstancesInput) { in.SecurityGroups = []string{"none"} }), "InvalidGroup.NotFound", "none")
}
