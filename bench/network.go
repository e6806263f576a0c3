//go:build linux

package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/localvpc/localvpc/internal/aws/client"
	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// ask calls one action of localvpc.
func ask[Out, In any](ctx context.Context, p *program, action string, in *In) (*Out, error) {
	return client.Call[Out](ctx, p.client, ec2.API, action, in)
}

// network is a VPC to measure in: two subnets in one zone, and what was put there.
type network struct {
	p       *program
	vpc     string
	subnets [2]string
	image   string
}

// newNetwork makes 10.N.0.0/16 with two subnets of 2,043 addresses each.
func newNetwork(ctx context.Context, p *program, n int) (*network, error) {
	w := &network{p: p}
	images, err := ask[ec2.DescribeImagesOutput](ctx, p, "DescribeImages", &ec2.DescribeImagesInput{Owners: []string{"amazon"}, Filters: []ec2.Filter{{Name: new("name"), Values: []string{"al2023-ami-2023*"}}}})
	if err != nil {
		return nil, err
	}
	if len(images.Images) == 0 {
		return nil, errors.New("the catalogue has no image al2023-ami-2023*")
	}
	w.image = *images.Images[0].ImageId
	vpc, err := ask[ec2.CreateVpcOutput](ctx, p, "CreateVpc", &ec2.CreateVpcInput{CidrBlock: new(fmt.Sprintf("10.%d.0.0/16", n))})
	if err != nil {
		return nil, err
	}
	w.vpc = *vpc.Vpc.VpcId
	for i := range w.subnets {
		s, err := ask[ec2.CreateSubnetOutput](ctx, p, "CreateSubnet", &ec2.CreateSubnetInput{VpcId: &w.vpc, CidrBlock: new(fmt.Sprintf("10.%d.%d.0/21", n, 8*i)), AvailabilityZone: new("us-east-1a")})
		if err != nil {
			return nil, err
		}
		w.subnets[i] = *s.Subnet.SubnetId
	}
	return w, nil
}

func (w *network) group(ctx context.Context, name string) (string, error) {
	g, err := ask[ec2.CreateSecurityGroupOutput](ctx, w.p, "CreateSecurityGroup", &ec2.CreateSecurityGroupInput{VpcId: &w.vpc, GroupName: &name, Description: &name})
	if err != nil {
		return "", err
	}
	return *g.GroupId, nil
}

// allow lets TCP to ports pass into a group, from a group.
func (w *network) allow(ctx context.Context, group, from string, first, last int32) error {
	_, err := ask[ec2.AuthorizeSecurityGroupIngressOutput](ctx, w.p, "AuthorizeSecurityGroupIngress", &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []ec2.IpPermission{{
		IpProtocol: new("tcp"), FromPort: &first, ToPort: &last, UserIdGroupPairs: []ec2.UserIdGroupPair{{GroupId: &from}}}}})
	return err
}

// allowAll lets TCP to a port pass into a group, from everywhere.
func (w *network) allowAll(ctx context.Context, group string, port int32) error {
	_, err := ask[ec2.AuthorizeSecurityGroupIngressOutput](ctx, w.p, "AuthorizeSecurityGroupIngress", &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []ec2.IpPermission{{
		IpProtocol: new("tcp"), FromPort: &port, ToPort: &port, IpRanges: []ec2.IpRange{{CidrIp: new(everywhere)}}}}})
	return err
}

// allowHosts adds n rules for single addresses outside the VPC.
func (w *network) allowHosts(ctx context.Context, group string, n int) error {
	return hostRules(n, func(p []ec2.IpPermission) error {
		_, err := ask[ec2.AuthorizeSecurityGroupIngressOutput](ctx, w.p, "AuthorizeSecurityGroupIngress", &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: p})
		return err
	})
}

// hostRules has n rules for single addresses added, as many in one call as it takes.
func hostRules(n int, add func([]ec2.IpPermission) error) error {
	const most = 500 // in one call
	for at := 0; at < n; at += most {
		p := ec2.IpPermission{IpProtocol: new("tcp"), FromPort: new(int32(443)), ToPort: new(int32(443))}
		for i := at; i < min(at+most, n); i++ {
			p.IpRanges = append(p.IpRanges, ec2.IpRange{CidrIp: new(fmt.Sprintf("203.%d.%d.%d/32", 1+i/65536, i/256%256, i%256))})
		}
		if err := add([]ec2.IpPermission{p}); err != nil {
			return fmt.Errorf("after %d rules: %w", at, err)
		}
	}
	return nil
}

// order is what RunInstances is asked for.
type order struct {
	count      int
	subnet     int // 0 or 1
	interfaces int // of each, at most maxInterfaces
	groups     []string
	script     string
}

// maxInterfaces is what the largest instance type of the catalogue holds.
const maxInterfaces = 8

func (w *network) run(ctx context.Context, o order) ([]ec2.Instance, error) {
	in := &ec2.RunInstancesInput{ImageId: &w.image, InstanceType: new("t3.micro"), MinCount: new(int32(o.count)), MaxCount: new(int32(o.count))}
	if o.script != "" {
		in.UserData = new(base64.StdEncoding.EncodeToString([]byte(o.script)))
	}
	if o.interfaces <= 1 {
		in.SubnetId, in.SecurityGroupIds = &w.subnets[o.subnet], o.groups
	} else {
		in.InstanceType = new("m5.4xlarge")
		for i := range o.interfaces {
			in.NetworkInterfaces = append(in.NetworkInterfaces, ec2.InstanceNetworkInterfaceSpecification{DeviceIndex: new(int32(i)), SubnetId: &w.subnets[o.subnet], Groups: o.groups})
		}
	}
	out, err := ask[ec2.RunInstancesOutput](ctx, w.p, "RunInstances", in)
	if err != nil {
		return nil, err
	}
	return out.Instances, nil
}

// fill starts instances until they have n interfaces together.
func (w *network) fill(ctx context.Context, n int, subnet int, groups []string) error {
	full, rest := n/maxInterfaces, n%maxInterfaces
	for _, o := range []order{{count: full, interfaces: maxInterfaces}, {count: 1, interfaces: rest}} {
		if o.count == 0 || o.interfaces == 0 {
			continue
		}
		o.subnet, o.groups = subnet, groups
		if _, err := w.run(ctx, o); err != nil {
			return err
		}
	}
	return w.running(ctx)
}

// running waits until every instance of the VPC runs.
func (w *network) running(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		out, err := ask[ec2.DescribeInstancesOutput](ctx, w.p, "DescribeInstances", &ec2.DescribeInstancesInput{Filters: []ec2.Filter{
			{Name: new("vpc-id"), Values: []string{w.vpc}}, {Name: new("instance-state-name"), Values: []string{"pending", "stopped", "stopping", "shutting-down"}}}})
		if err != nil {
			return err
		}
		if len(out.Reservations) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d instances do not run: %w", len(out.Reservations), ctx.Err())
		case <-again.C:
		}
	}
}

func (w *network) terminate(ctx context.Context, id string) error {
	_, err := ask[ec2.TerminateInstancesOutput](ctx, w.p, "TerminateInstances", &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	return err
}
