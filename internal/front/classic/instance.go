package classic

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func instanceCommands() []command {
	return []command{
		{
			use: "ec2-run-instances AMI", aliases: []string{"ec2run"}, short: "Launch instances of an image",
			example: "  ec2-run-instances ami-0abcdef1234567890 -t t3.micro -k my-key -g websrv\n  ec2-run-instances ami-0abcdef1234567890 -n 2-5 -s subnet-0123456789abcdef0 -g sg-0123456789abcdef0 -f setup.sh",
			build:   runInstances,
		},
		{
			use: "ec2-describe-instances [INSTANCE]...", aliases: []string{"ec2din"}, short: "List instances",
			example: "  ec2-describe-instances\n  ec2-describe-instances -F instance-state-name=running -F tag:Name=web", build: describeInstances,
		},
		{
			use: "ec2-terminate-instances INSTANCE...", aliases: []string{"ec2kill"}, short: "Terminate instances",
			example: "  ec2-terminate-instances i-0123456789abcdef0\n  ec2din -F tag:Name=old | awk '/^INSTANCE/{print $2}' | ec2kill -", build: terminateInstances,
		},
	}
}

func describeInstances(r *run) func(context.Context, []string) error {
	where := r.filterOption()
	return func(ctx context.Context, args []string) error {
		conditions, err := filters(*where)
		if err != nil {
			return err
		}
		c, err := r.client()
		if err != nil {
			return err
		}
		in := &ec2.DescribeInstancesInput{InstanceIds: args, Filters: conditions, DryRun: r.dryRun}
		for pages := ec2.NewDescribeInstancesPaginator(c, in); pages.HasMorePages(); {
			out, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, v := range out.Reservations {
				r.addReservation(v)
			}
		}
		return nil
	}
}

func terminateInstances(r *run) func(context.Context, []string) error {
	return func(ctx context.Context, args []string) error {
		if len(args) == 0 {
			return missing("parameter", "INSTANCE")
		}
		c, err := r.client()
		if err != nil {
			return err
		}
		out, err := c.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: args, DryRun: r.dryRun})
		if err != nil {
			return err
		}
		for _, i := range out.TerminatingInstances {
			r.out.add("INSTANCE", column{"InstanceId", text(i.InstanceId)}, column{"PreviousState", state(i.PreviousState)}, column{"CurrentState", state(i.CurrentState)})
		}
		return nil
	}
}

func state(s *types.InstanceState) string {
	if s == nil {
		return ""
	}
	return string(s.Name)
}

func (r *run) addReservation(v types.Reservation) {
	var groups []string
	for _, g := range v.Groups { // none in a VPC, where interfaces have them
		groups = append(groups, text(g.GroupName))
	}
	r.out.add("RESERVATION", column{"ReservationId", text(v.ReservationId)}, column{"Owner", text(v.OwnerId)}, column{"Groups", strings.Join(groups, ", ")})
	for _, i := range v.Instances {
		r.addInstance(i)
	}
}

// addInstance prints the record of an instance with those that belong to it, in
// the columns of version 1.7 of the tools: 1.6 had one for licences as well,
// between that of the Spot request and that of the placement group.
func (r *run) addInstance(i types.Instance) {
	var products, groups []string
	for _, p := range i.ProductCodes {
		products = append(products, text(p.ProductCodeId))
	}
	for _, g := range i.SecurityGroups {
		groups = append(groups, text(g.GroupId))
	}
	var monitoring, zone, placement, tenancy, profile string
	if i.Monitoring != nil {
		monitoring = "monitoring-" + string(i.Monitoring.State)
	}
	if p := i.Placement; p != nil {
		zone, placement, tenancy = text(p.AvailabilityZone), text(p.GroupName), string(p.Tenancy)
	}
	if i.IamInstanceProfile != nil {
		profile = text(i.IamInstanceProfile.Arn)
	}
	r.out.add("INSTANCE",
		column{"InstanceId", text(i.InstanceId)}, column{"ImageId", text(i.ImageId)},
		column{"DnsName", text(i.PublicDnsName)}, column{"PrivateDnsName", text(i.PrivateDnsName)},
		column{"State", state(i.State)}, column{"KeyName", text(i.KeyName)}, column{"AmiLaunchIndex", number(i.AmiLaunchIndex)},
		column{"ProductCodes", strings.Join(products, ",")}, column{"InstanceType", string(i.InstanceType)},
		column{"LaunchTime", stamp(i.LaunchTime, time.UTC, "2006-01-02T15:04:05-0700")}, column{"AvailabilityZone", zone},
		column{"KernelId", text(i.KernelId)}, column{"RamdiskId", text(i.RamdiskId)}, column{"Platform", string(i.Platform)},
		column{"Monitoring", monitoring}, column{"IpAddress", text(i.PublicIpAddress)}, column{"PrivateIpAddress", text(i.PrivateIpAddress)},
		column{"VpcId", text(i.VpcId)}, column{"SubnetId", text(i.SubnetId)}, column{"RootDeviceType", string(i.RootDeviceType)},
		column{"InstanceLifecycle", string(i.InstanceLifecycle)}, column{"SpotInstanceRequestId", text(i.SpotInstanceRequestId)},
		column{"PlacementGroup", placement}, column{"VirtualizationType", string(i.VirtualizationType)}, column{"Hypervisor", string(i.Hypervisor)},
		column{"ClientToken", text(i.ClientToken)}, column{"Groups", strings.Join(groups, ", ")}, column{"Tenancy", tenancy},
		column{"EbsOptimized", yes(i.EbsOptimized)}, column{"IamInstanceProfile", profile},
	)
	for _, b := range i.BlockDeviceMappings {
		if b.Ebs != nil { // type and IOPS are the volume's: the columns are there, and empty
			r.out.add("BLOCKDEVICE", column{"DeviceName", text(b.DeviceName)}, column{"VolumeId", text(b.Ebs.VolumeId)},
				column{"AttachTime", stamp(b.Ebs.AttachTime, time.UTC, "2006-01-02T15:04:05.000Z")}, column{"DeleteOnTermination", yes(b.Ebs.DeleteOnTermination)},
				column{"VolumeType", ""}, column{"Iops", ""})
		}
	}
	for _, n := range i.NetworkInterfaces {
		r.addInterface(n)
	}
	r.addTags("instance", text(i.InstanceId), i.Tags)
}

func (r *run) addInterface(n types.InstanceNetworkInterface) {
	r.out.add("NIC", column{"NetworkInterfaceId", text(n.NetworkInterfaceId)}, column{"SubnetId", text(n.SubnetId)}, column{"VpcId", text(n.VpcId)},
		column{"OwnerId", text(n.OwnerId)}, column{"Status", string(n.Status)}, column{"PrivateIpAddress", text(n.PrivateIpAddress)},
		column{"PrivateDnsName", text(n.PrivateDnsName)}, column{"SourceDestCheck", yes(n.SourceDestCheck)})
	if a := n.Attachment; a != nil { // the one time that the tools gave in the zone of their user
		r.out.add("NICATTACHMENT", column{"AttachmentId", text(a.AttachmentId)}, column{"DeviceIndex", number(a.DeviceIndex)}, column{"Status", string(a.Status)},
			column{"AttachTime", stamp(a.AttachTime, time.Local, "2006-01-02T15:04:05-0700")}, column{"DeleteOnTermination", yes(a.DeleteOnTermination)})
	}
	for _, p := range n.PrivateIpAddresses {
		if a := p.Association; a != nil {
			r.out.add("NICASSOCIATION", column{"PublicIp", text(a.PublicIp)}, column{"IpOwnerId", text(a.IpOwnerId)}, column{"PrivateIpAddress", text(p.PrivateIpAddress)})
		}
	}
	for _, g := range n.Groups {
		r.out.add("GROUP", column{"Id", text(g.GroupId)}, column{"Name", text(g.GroupName)})
	}
	for _, p := range n.PrivateIpAddresses {
		var public string
		if p.Association != nil {
			public = text(p.Association.PublicDnsName)
		}
		r.out.add("PRIVATEIPADDRESS", column{"PrivateIpAddress", text(p.PrivateIpAddress)}, column{"PrivateDnsName", text(p.PrivateDnsName)}, column{"PublicDnsName", public})
	}
}

func stamp(t *time.Time, zone *time.Location, layout string) string {
	if t == nil {
		return ""
	}
	return t.In(zone).Format(layout)
}
