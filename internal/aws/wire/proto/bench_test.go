package proto_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/aws/wire/proto"
)

const typicalRequest = "Action=AuthorizeSecurityGroupIngress&Version=2016-11-15&GroupId=sg-0123456789abcdef0" +
	"&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=443&IpPermissions.1.ToPort=443&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0%2F8" +
	"&IpPermissions.1.IpRanges.1.Description=from+the+office&IpPermissions.2.IpProtocol=tcp&IpPermissions.2.FromPort=22&IpPermissions.2.ToPort=22" +
	"&IpPermissions.2.Groups.1.GroupId=sg-0123456789abcdef1&TagSpecification.1.ResourceType=security-group-rule&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=web"

func BenchmarkDecode(b *testing.B) {
	body := []byte(typicalRequest)
	b.ReportAllocs()
	for b.Loop() {
		in := &ec2.AuthorizeSecurityGroupIngressInput{}
		if err := proto.EC2.DecodeInput(ec2.API, "AuthorizeSecurityGroupIngress", &proto.Request{Method: http.MethodPost, Body: body}, in); err != nil {
			b.Fatal(err)
		}
	}
}

func vpcs(n int) *ec2.DescribeVpcsOutput {
	out := &ec2.DescribeVpcsOutput{}
	for i := range n {
		out.Vpcs = append(out.Vpcs, ec2.Vpc{
			VpcId: new(fmt.Sprintf("vpc-%017x", i)), CidrBlock: new("10.0.0.0/16"), State: new(ec2.VpcStateAvailable), OwnerId: new("000000000000"),
			InstanceTenancy: new(ec2.TenancyDefault), IsDefault: new(false), DhcpOptionsId: new("dopt-0123456789abcdef0"),
			CidrBlockAssociationSet: []ec2.VpcCidrBlockAssociation{{AssociationId: new("vpc-cidr-assoc-0123456789abcdef0"), CidrBlock: new("10.0.0.0/16"),
				CidrBlockState: &ec2.VpcCidrBlockState{State: new(ec2.VpcCidrBlockStateCodeAssociated)}}},
			Tags: []ec2.Tag{{Key: new("Name"), Value: new("main")}, {Key: new("env"), Value: new("test")}},
		})
	}
	return out
}

func instances(n int) *ec2.DescribeInstancesOutput {
	out := &ec2.DescribeInstancesOutput{}
	launched := time.Date(2026, 11, 20, 11, 40, 0, 0, time.UTC)
	for i := range n {
		id := new(fmt.Sprintf("i-%017x", i))
		groups := []ec2.GroupIdentifier{{GroupId: new("sg-0123456789abcdef0"), GroupName: new("web")}}
		out.Reservations = append(out.Reservations, ec2.Reservation{ReservationId: new("r-0123456789abcdef0"), OwnerId: new("000000000000"),
			Instances: []ec2.Instance{{
				InstanceId: id, ImageId: new("ami-0123456789abcdef0"), InstanceType: new("t3.micro"), LaunchTime: &launched, State: &ec2.InstanceState{Code: new(int32(16)), Name: new("running")},
				PrivateIpAddress: new("10.0.0.5"), PrivateDnsName: new("ip-10-0-0-5.ec2.internal"), SubnetId: new("subnet-0123456789abcdef0"), VpcId: new("vpc-0123456789abcdef0"),
				Architecture: new("x86_64"), Hypervisor: new("xen"), RootDeviceName: new("/dev/xvda"), RootDeviceType: new("ebs"), SourceDestCheck: new(true), EbsOptimized: new(false),
				SecurityGroups: groups, Tags: []ec2.Tag{{Key: new("Name"), Value: new("web")}}, Placement: &ec2.Placement{AvailabilityZone: new("us-east-1a"), Tenancy: new("default")},
				Monitoring: &ec2.Monitoring{State: new("disabled")}, AmiLaunchIndex: new(int32(0)),
				NetworkInterfaces: []ec2.InstanceNetworkInterface{{NetworkInterfaceId: new("eni-0123456789abcdef0"), MacAddress: new("02:00:00:00:00:01"), PrivateIpAddress: new("10.0.0.5"),
					Status: new("in-use"), SubnetId: new("subnet-0123456789abcdef0"), VpcId: new("vpc-0123456789abcdef0"), Groups: groups,
					Attachment:         &ec2.InstanceNetworkInterfaceAttachment{AttachmentId: new("eni-attach-0123456789abcdef0"), AttachTime: &launched, DeviceIndex: new(int32(0)), Status: new("attached")},
					PrivateIpAddresses: []ec2.InstancePrivateIpAddress{{Primary: new(true), PrivateIpAddress: new("10.0.0.5")}}}},
			}}})
	}
	return out
}

func BenchmarkEncode(b *testing.B) {
	for _, test := range []struct {
		action string
		out    any
	}{{"DescribeVpcs", vpcs(50)}, {"DescribeInstances", instances(50)}} {
		b.Run(test.action, func(b *testing.B) {
			var buf bytes.Buffer
			b.ReportAllocs()
			for b.Loop() {
				buf.Reset()
				ec2.API.Protocol.EncodeOutput(&buf, ec2.API, test.action, "req-1", test.out)
			}
			b.SetBytes(int64(buf.Len()))
		})
	}
}
