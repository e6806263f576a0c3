package cli

import (
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// The scenery of stories: each step prints its command, makes the call and keeps
// the id of what it made under a name. After an error nothing more is played.

func (s *story) then(name, command string, do func() (string, error)) {
	if s.err == nil {
		s.err = s.make(name, command, do)
	}
}

// ask makes the call of a step.
func ask[Out, In any](s *story, name, command, action string, in func() *In, id func(*Out) *string) {
	s.then(name, command, func() (string, error) {
		out, err := call[Out](s.ctx, s.e, action, in())
		if err != nil || id == nil {
			return "", err
		}
		return value(id(out)), nil
	})
}

// tell is a step of which only success is known.
func tell[Out, In any](s *story, command, action string, in func() *In) {
	ask[Out](s, "", command, action, in, nil)
}

func (s *story) see(place, command string, code int, output string) {
	if s.err == nil {
		s.err = s.expect(place, command, code, output)
	}
}

func (s *story) why(source, destination string, port int, reachable bool) {
	if s.err == nil {
		s.err = s.explain(source, destination, strconv.Itoa(port), reachable)
	}
}

// id points to what was made under a name.
func (s *story) id(name string) *string { return new(s.ids[name]) }

// vpc makes a VPC with DNS hostnames, an internet gateway and the route there.
func (s *story) vpc() {
	ask(s, "vpc", "aws ec2 create-vpc --cidr-block 10.0.0.0/16", "CreateVpc", func() *ec2.CreateVpcInput {
		return &ec2.CreateVpcInput{CidrBlock: new("10.0.0.0/16")}
	}, func(out *ec2.CreateVpcOutput) *string { return out.Vpc.VpcId })
	tell[ec2.ModifyVpcAttributeOutput](s, "aws ec2 modify-vpc-attribute --vpc-id {vpc} --enable-dns-hostnames", "ModifyVpcAttribute", func() *ec2.ModifyVpcAttributeInput {
		return &ec2.ModifyVpcAttributeInput{VpcId: s.id("vpc"), EnableDnsHostnames: &ec2.AttributeBooleanValue{Value: new(true)}}
	})
	ask(s, "igw", "aws ec2 create-internet-gateway", "CreateInternetGateway", func() *ec2.CreateInternetGatewayInput {
		return &ec2.CreateInternetGatewayInput{}
	}, func(out *ec2.CreateInternetGatewayOutput) *string { return out.InternetGateway.InternetGatewayId })
	tell[ec2.AttachInternetGatewayOutput](s, "aws ec2 attach-internet-gateway --internet-gateway-id {igw} --vpc-id {vpc}", "AttachInternetGateway", func() *ec2.AttachInternetGatewayInput {
		return &ec2.AttachInternetGatewayInput{InternetGatewayId: s.id("igw"), VpcId: s.id("vpc")}
	})
}

func (s *story) subnet(name, cidr string) {
	ask(s, name, "aws ec2 create-subnet --vpc-id {vpc} --cidr-block "+cidr, "CreateSubnet", func() *ec2.CreateSubnetInput {
		return &ec2.CreateSubnetInput{VpcId: s.id("vpc"), CidrBlock: &cidr}
	}, func(out *ec2.CreateSubnetOutput) *string { return out.Subnet.SubnetId })
}

// public gives a subnet a route table of its own that leads to the gateway.
func (s *story) public(subnet string) {
	ask(s, "rtb", "aws ec2 create-route-table --vpc-id {vpc}", "CreateRouteTable", func() *ec2.CreateRouteTableInput {
		return &ec2.CreateRouteTableInput{VpcId: s.id("vpc")}
	}, func(out *ec2.CreateRouteTableOutput) *string { return out.RouteTable.RouteTableId })
	tell[ec2.CreateRouteOutput](s, "aws ec2 create-route --route-table-id {rtb} --destination-cidr-block 0.0.0.0/0 --gateway-id {igw}", "CreateRoute", func() *ec2.CreateRouteInput {
		return &ec2.CreateRouteInput{RouteTableId: s.id("rtb"), DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: s.id("igw")}
	})
	tell[ec2.AssociateRouteTableOutput](s, "aws ec2 associate-route-table --route-table-id {rtb} --subnet-id {"+subnet+"}", "AssociateRouteTable", func() *ec2.AssociateRouteTableInput {
		return &ec2.AssociateRouteTableInput{RouteTableId: s.id("rtb"), SubnetId: s.id(subnet)}
	})
}

func (s *story) group(name string) {
	ask(s, name, "aws ec2 create-security-group --vpc-id {vpc} --group-name "+name+" --description "+name, "CreateSecurityGroup", func() *ec2.CreateSecurityGroupInput {
		return &ec2.CreateSecurityGroupInput{VpcId: s.id("vpc"), GroupName: &name, Description: &name}
	}, func(out *ec2.CreateSecurityGroupOutput) *string { return out.GroupId })
}

func fromCidr(port int32, cidr string) []ec2.IpPermission {
	return []ec2.IpPermission{{IpProtocol: new("tcp"), FromPort: &port, ToPort: &port, IpRanges: []ec2.IpRange{{CidrIp: &cidr}}}}
}

func (s *story) allow(group string, port int32, cidr string) {
	tell[ec2.AuthorizeSecurityGroupIngressOutput](s, fmt.Sprintf("aws ec2 authorize-security-group-ingress --group-id {%s} --protocol tcp --port %d --cidr %s", group, port, cidr),
		"AuthorizeSecurityGroupIngress", func() *ec2.AuthorizeSecurityGroupIngressInput {
			return &ec2.AuthorizeSecurityGroupIngressInput{GroupId: s.id(group), IpPermissions: fromCidr(port, cidr)}
		})
}

func (s *story) forbid(group string, port int32, cidr string) {
	tell[ec2.RevokeSecurityGroupIngressOutput](s, fmt.Sprintf("aws ec2 revoke-security-group-ingress --group-id {%s} --protocol tcp --port %d --cidr %s", group, port, cidr),
		"RevokeSecurityGroupIngress", func() *ec2.RevokeSecurityGroupIngressInput {
			return &ec2.RevokeSecurityGroupIngressInput{GroupId: s.id(group), IpPermissions: fromCidr(port, cidr)}
		})
}

// launch starts an instance with a web server that says its name.
func (s *story) launch(name, subnet, group string, port int) {
	if s.err != nil {
		return
	}
	image, err := s.image()
	if err != nil {
		s.err = err
		return
	}
	data := fmt.Sprintf("#!/bin/sh\nsetsid localvpc guest serve --addr :%d --text 'Here is %s.' >/var/log/web.log 2>&1 &\n", port, name)
	ask(s, name, "aws ec2 run-instances --image-id "+image+" --instance-type t3.micro --subnet-id {"+subnet+"} --security-group-ids {"+group+"} --user-data file://"+name+".sh",
		"RunInstances", func() *ec2.RunInstancesInput {
			return &ec2.RunInstancesInput{ImageId: &image, InstanceType: new("t3.micro"), MinCount: new(int32(1)), MaxCount: new(int32(1)),
				SubnetId: s.id(subnet), SecurityGroupIds: []string{s.ids[group]}, UserData: new(base64.StdEncoding.EncodeToString([]byte(data)))}
		}, func(out *ec2.RunInstancesOutput) *string {
			i := out.Instances[0]
			s.ids["ip-"+name] = value(i.PrivateIpAddress)
			s.ids["eni-"+name] = value(i.NetworkInterfaces[0].NetworkInterfaceId)
			return i.InstanceId
		})
}

// allocate takes an Elastic IP; its address is kept under "addr-" and the name.
func (s *story) allocate(name string) {
	ask(s, name, "aws ec2 allocate-address", "AllocateAddress", func() *ec2.AllocateAddressInput {
		return &ec2.AllocateAddressInput{}
	}, func(out *ec2.AllocateAddressOutput) *string {
		s.ids["addr-"+name] = value(out.PublicIp)
		return out.AllocationId
	})
}

func (s *story) associate(address, interfaceName string) {
	ask(s, "association-"+address, "aws ec2 associate-address --allocation-id {"+address+"} --network-interface-id {"+interfaceName+"}", "AssociateAddress", func() *ec2.AssociateAddressInput {
		return &ec2.AssociateAddressInput{AllocationId: s.id(address), NetworkInterfaceId: s.id(interfaceName), AllowReassociation: new(true)}
	}, func(out *ec2.AssociateAddressOutput) *string { return out.AssociationId })
}
