package classic

import (
	"cmp"
	"context"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// launch is what the options of ec2-run-instances say.
type launch struct {
	count, key, kind, zone, kernel, ramdisk string
	groups, devices, interfaces             []string
	data, dataFile                          string
	monitor, keep, ebs                      bool
	shutdown, placement, tenancy, token     string
	subnet, address, profile, public        string
	others                                  []string
	otherCount                              int32
}

func runInstances(r *run) func(context.Context, []string) error {
	var l launch
	f := r.flags
	f.StringVarP(&l.count, "instance-count", "n", "1", "how many, or MIN-MAX")
	f.StringArrayVarP(&l.groups, "group", "g", nil, "security group by name (of the default VPC) or id")
	f.StringVarP(&l.key, "key", "k", "", "key pair")
	f.StringVarP(&l.data, "user-data", "d", "", "user data")
	f.StringVarP(&l.dataFile, "user-data-file", "f", "", "file with user data")
	f.StringVarP(&l.kind, "instance-type", "t", "", "instance type")
	f.StringVarP(&l.zone, "availability-zone", "z", "", "Availability Zone")
	f.StringVar(&l.kernel, "kernel", "", "kernel")
	f.StringVar(&l.ramdisk, "ramdisk", "", "RAM disk")
	f.StringArrayVarP(&l.devices, "block-device-mapping", "b", nil, "DEVICE=none, DEVICE=ephemeralN or DEVICE=[SNAPSHOT]:[GIB]:[DELETE]:[TYPE[:IOPS]][:encrypted]")
	f.BoolVarP(&l.monitor, "monitor", "m", false, "detailed monitoring")
	f.BoolVar(&l.keep, "disable-api-termination", false, "refuse termination by the API")
	f.StringVar(&l.shutdown, "instance-initiated-shutdown-behavior", "", "stop or terminate")
	f.StringVar(&l.placement, "placement-group", "", "placement group")
	f.StringVar(&l.tenancy, "tenancy", "", "default or dedicated")
	f.StringVar(&l.token, "client-token", "", "token that makes a repeated request the same one")
	f.StringVarP(&l.subnet, "subnet", "s", "", "subnet")
	f.StringVar(&l.address, "private-ip-address", "", "primary private address")
	f.StringArrayVar(&l.others, "secondary-private-ip-address", nil, "secondary private address")
	f.Int32Var(&l.otherCount, "secondary-private-ip-address-count", 0, "how many secondary private addresses")
	f.StringVar(&l.public, "associate-public-ip-address", "", "true or false")
	f.StringArrayVarP(&l.interfaces, "network-attachment", "a", nil, "INTERFACE:INDEX or :INDEX:SUBNET:[DESCRIPTION]:[ADDRESS]:[GROUPS]:[DELETE]:[COUNT|ADDRESSES], lists with commas")
	f.StringVarP(&l.profile, "iam-profile", "p", "", "instance profile by name or ARN")
	f.BoolVar(&l.ebs, "ebs-optimized", false, "optimized for EBS")
	return func(ctx context.Context, args []string) error {
		image, err := one("AMI", args)
		if err != nil {
			return err
		}
		in, err := l.input(r, image)
		if err != nil {
			return err
		}
		c, err := r.client()
		if err != nil {
			return err
		}
		out, err := c.RunInstances(ctx, in)
		if err != nil {
			return err
		}
		r.addReservation(types.Reservation{ReservationId: out.ReservationId, OwnerId: out.OwnerId, Groups: out.Groups, Instances: out.Instances})
		return nil
	}
}

func (l *launch) input(r *run, image string) (*ec2.RunInstancesInput, error) {
	low, high, ranged := strings.Cut(l.count, "-")
	if !ranged {
		high = low
	}
	least, ok := between(low, 1, 1<<20)
	most, okMost := between(high, 1, 1<<20)
	if !ok || !okMost || least > most {
		return nil, usage("Invalid instance count '%s': it is like '3' or '2-5'", l.count)
	}
	in := &ec2.RunInstancesInput{
		ImageId: &image, MinCount: &least, MaxCount: &most, DryRun: r.dryRun,
		KeyName: given(l.key), InstanceType: types.InstanceType(l.kind), KernelId: given(l.kernel), RamdiskId: given(l.ramdisk),
		InstanceInitiatedShutdownBehavior: types.ShutdownBehavior(l.shutdown), ClientToken: given(l.token),
		SubnetId: given(l.subnet), PrivateIpAddress: given(l.address),
	}
	if l.zone != "" || l.placement != "" || l.tenancy != "" {
		in.Placement = &types.Placement{AvailabilityZone: given(l.zone), GroupName: given(l.placement), Tenancy: types.Tenancy(l.tenancy)}
	}
	if l.monitor {
		in.Monitoring = &types.RunInstancesMonitoringEnabled{Enabled: &l.monitor}
	}
	if l.keep {
		in.DisableApiTermination = &l.keep
	}
	if l.ebs {
		in.EbsOptimized = &l.ebs
	}
	if strings.HasPrefix(l.profile, "arn:") {
		in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Arn: &l.profile}
	} else if l.profile != "" {
		in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Name: &l.profile}
	}
	in.SecurityGroupIds, in.SecurityGroups = split(l.groups, "sg-")
	for _, text := range l.devices {
		b, err := device(text)
		if err != nil {
			return nil, err
		}
		in.BlockDeviceMappings = append(in.BlockDeviceMappings, b)
	}
	if err := l.userData(r, in); err != nil {
		return nil, err
	}
	return in, l.network(in)
}

func (l *launch) userData(r *run, in *ec2.RunInstancesInput) error {
	data := []byte(l.data)
	switch {
	case l.data != "" && l.dataFile != "":
		return usage("Options '-d' and '-f' exclude each other")
	case l.dataFile != "" || l.data == "-":
		var err error
		if data, err = r.file(cmp.Or(l.dataFile, "-")); err != nil {
			return err
		}
	}
	if len(data) > 0 {
		in.UserData = aws.String(base64.StdEncoding.EncodeToString(data))
	}
	return nil
}

// network sets interfaces. What says more than RunInstances itself has a
// parameter for becomes that of an interface with index 0, which then takes
// subnet, address and groups, too.
func (l *launch) network(in *ec2.RunInstancesInput) error {
	for _, text := range l.interfaces {
		n, err := attachment(text)
		if err != nil {
			return err
		}
		in.NetworkInterfaces = append(in.NetworkInterfaces, n)
	}
	if l.public == "" && len(l.others) == 0 && l.otherCount == 0 {
		return nil
	}
	if len(l.interfaces) > 0 {
		return usage("Option '-a' says itself which addresses an interface has")
	}
	if len(in.SecurityGroups) > 0 {
		return usage("With options on the addresses of the interface its groups are given by id, not as %s", quoted(in.SecurityGroups))
	}
	n := types.InstanceNetworkInterfaceSpecification{
		DeviceIndex: aws.Int32(0), SubnetId: in.SubnetId, Groups: in.SecurityGroupIds, PrivateIpAddress: in.PrivateIpAddress,
	}
	in.SubnetId, in.SecurityGroupIds, in.PrivateIpAddress = nil, nil, nil
	if l.public != "" {
		public, err := strconv.ParseBool(l.public)
		if err != nil {
			return usage("Invalid value '%s' of '--associate-public-ip-address': it is true or false", l.public)
		}
		n.AssociatePublicIpAddress = &public
	}
	secondary(&n, l.others, l.otherCount)
	in.NetworkInterfaces = []types.InstanceNetworkInterfaceSpecification{n}
	return nil
}

// secondary sets secondary addresses. Where they are listed, the primary one
// stands in the list as well, if it is known.
func secondary(n *types.InstanceNetworkInterfaceSpecification, others []string, count int32) {
	if count > 0 {
		n.SecondaryPrivateIpAddressCount = &count
	}
	if len(others) == 0 {
		return
	}
	if n.PrivateIpAddress != nil {
		n.PrivateIpAddresses = append(n.PrivateIpAddresses, types.PrivateIpAddressSpecification{PrivateIpAddress: n.PrivateIpAddress, Primary: aws.Bool(true)})
		n.PrivateIpAddress = nil
	}
	for _, a := range others {
		n.PrivateIpAddresses = append(n.PrivateIpAddresses, types.PrivateIpAddressSpecification{PrivateIpAddress: aws.String(a), Primary: aws.Bool(false)})
	}
}

// attachment reads a value of -a.
func attachment(text string) (types.InstanceNetworkInterfaceSpecification, error) {
	var n types.InstanceNetworkInterfaceSpecification
	wrong := usage("Invalid network attachment '%s': it is like 'eni-…:1' or ':1:subnet-…:::sg-…'", text)
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 8 {
		return n, wrong
	}
	parts = append(parts, make([]string, 8-len(parts))...)
	index, ok := between(parts[1], 0, 255)
	if !ok || parts[0] == "" && parts[2] == "" {
		return n, wrong
	}
	n.DeviceIndex = &index
	n.NetworkInterfaceId, n.SubnetId, n.Description, n.PrivateIpAddress = given(parts[0]), given(parts[2]), given(parts[3]), given(parts[4])
	if parts[5] != "" {
		n.Groups = strings.Split(parts[5], ",")
	}
	if parts[6] != "" {
		del, err := strconv.ParseBool(parts[6])
		if err != nil {
			return n, wrong
		}
		n.DeleteOnTermination = &del
	}
	if count, ok := between(parts[7], 1, 255); ok {
		n.SecondaryPrivateIpAddressCount = &count
	} else if parts[7] != "" {
		secondary(&n, strings.Split(parts[7], ","), 0)
	}
	return n, nil
}

// device reads a value of -b.
func device(text string) (types.BlockDeviceMapping, error) {
	var b types.BlockDeviceMapping
	wrong := usage("Invalid block device mapping '%s': it is like '/dev/sdb=:100:true:gp3'", text)
	name, what, ok := strings.Cut(text, "=")
	if !ok || name == "" || what == "" {
		return b, wrong
	}
	b.DeviceName = &name
	switch {
	case what == "none":
		b.NoDevice = aws.String("")
		return b, nil
	case strings.HasPrefix(what, "ephemeral"):
		b.VirtualName = &what
		return b, nil
	}
	b.Ebs = &types.EbsBlockDevice{}
	parts := strings.Split(what, ":")
	if last := len(parts) - 1; last > 0 && parts[last] == "encrypted" {
		b.Ebs.Encrypted = aws.Bool(true)
		parts = parts[:last]
	}
	if len(parts) > 5 {
		return b, wrong
	}
	parts = append(parts, make([]string, 5-len(parts))...)
	b.Ebs.SnapshotId, b.Ebs.VolumeType = given(parts[0]), types.VolumeType(parts[3])
	for i, to := range map[int]**int32{1: &b.Ebs.VolumeSize, 4: &b.Ebs.Iops} {
		if parts[i] == "" {
			continue
		}
		n, ok := between(parts[i], 1, 1<<20)
		if !ok {
			return b, wrong
		}
		*to = &n
	}
	if parts[2] != "" {
		del, err := strconv.ParseBool(parts[2])
		if err != nil {
			return b, wrong
		}
		b.Ebs.DeleteOnTermination = &del
	}
	return b, nil
}
