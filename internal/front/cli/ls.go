package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/front/render"
)

// inventory is what ls shows: the answers of the describe calls.
type inventory struct {
	Vpcs              []ec2.Vpc
	Subnets           []ec2.Subnet
	SecurityGroups    []ec2.SecurityGroup
	Instances         []ec2.Instance
	NetworkInterfaces []ec2.NetworkInterface
}

func (e *env) lsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "Draw what there is: VPCs, subnets, instances", Example: "  localvpc ls\n  localvpc ls --json", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			inv, err := e.inventory(cmd.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.printJSON(inv)
			}
			if len(inv.Vpcs) == 0 {
				_, err := e.out.Write([]byte("There is no VPC in " + e.regionName() + ": make one with 'aws ec2 create-vpc', or play 'localvpc demo'.\n"))
				return err
			}
			render.Tree(e.out, e.tree(inv))
			return nil
		},
	}
}

func (e *env) inventory(ctx context.Context) (inv inventory, err error) {
	vpcs, err := call[ec2.DescribeVpcsOutput](ctx, e, "DescribeVpcs", &ec2.DescribeVpcsInput{})
	if err != nil {
		return inv, err
	}
	subnets, err := call[ec2.DescribeSubnetsOutput](ctx, e, "DescribeSubnets", &ec2.DescribeSubnetsInput{})
	if err != nil {
		return inv, err
	}
	groups, err := call[ec2.DescribeSecurityGroupsOutput](ctx, e, "DescribeSecurityGroups", &ec2.DescribeSecurityGroupsInput{})
	if err != nil {
		return inv, err
	}
	instances, err := call[ec2.DescribeInstancesOutput](ctx, e, "DescribeInstances", &ec2.DescribeInstancesInput{})
	if err != nil {
		return inv, err
	}
	interfaces, err := call[ec2.DescribeNetworkInterfacesOutput](ctx, e, "DescribeNetworkInterfaces", &ec2.DescribeNetworkInterfacesInput{})
	if err != nil {
		return inv, err
	}
	inv = inventory{Vpcs: vpcs.Vpcs, Subnets: subnets.Subnets, SecurityGroups: groups.SecurityGroups, NetworkInterfaces: interfaces.NetworkInterfaces}
	for _, r := range instances.Reservations {
		inv.Instances = append(inv.Instances, r.Instances...)
	}
	return inv, nil
}

// tree lays the inventory out: VPC, subnets with their instances, groups.
func (e *env) tree(inv inventory) []render.Node {
	var out []render.Node
	for _, v := range inv.Vpcs {
		node := render.Node{Text: e.line("vpc", value(v.VpcId), nameOf(v.Tags), value(v.CidrBlock))}
		for _, s := range inv.Subnets {
			if value(s.VpcId) != value(v.VpcId) {
				continue
			}
			sub := render.Node{Text: e.line("subnet", value(s.SubnetId), nameOf(s.Tags), value(s.CidrBlock), value(s.AvailabilityZone))}
			for _, i := range inv.Instances {
				if value(i.SubnetId) == value(s.SubnetId) {
					sub.Sub = append(sub.Sub, e.instanceNode(i))
				}
			}
			for _, n := range inv.NetworkInterfaces {
				if value(n.SubnetId) == value(s.SubnetId) && n.Attachment == nil {
					sub.Sub = append(sub.Sub, render.Node{Text: e.line("interface", value(n.NetworkInterfaceId), nameOf(n.TagSet), value(n.PrivateIpAddress), value(n.Status))})
				}
			}
			node.Sub = append(node.Sub, sub)
		}
		for _, g := range inv.SecurityGroups {
			if value(g.VpcId) == value(v.VpcId) {
				node.Sub = append(node.Sub, render.Node{Text: e.line("group", value(g.GroupId), value(g.GroupName))})
			}
		}
		out = append(out, node)
	}
	return out
}

func (e *env) instanceNode(i ec2.Instance) render.Node {
	state := ""
	if i.State != nil {
		state = value(i.State.Name)
	}
	painted := state
	switch state {
	case "running":
		painted = e.style.Good(state)
	case "terminated", "stopped":
		painted = e.style.Dim(state)
	}
	var groups []string
	for _, g := range i.SecurityGroups {
		groups = append(groups, value(g.GroupName))
	}
	return render.Node{Text: e.line("instance", value(i.InstanceId), nameOf(i.Tags), painted, value(i.PrivateIpAddress), value(i.PrivateDnsName), "["+strings.Join(groups, " ")+"]")}
}

// line joins the parts of a node that are there; the name stands in bold.
func (e *env) line(kind, id, name string, rest ...string) string {
	words := []string{e.style.Dim(kind), id}
	if name != "" {
		words = append(words, e.style.Bold(name))
	}
	for _, w := range rest {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, "  ")
}
