package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/aws/wire/proto"
	"github.com/localvpc/localvpc/internal/front/render"
)

// inventory is what ls shows: the answers of the describe calls, and the simulated
// internet.
type inventory struct {
	Vpcs              []ec2.Vpc
	InternetGateways  []ec2.InternetGateway
	RouteTables       []ec2.RouteTable
	NetworkAcls       []ec2.NetworkAcl
	Subnets           []ec2.Subnet
	NatGateways       []ec2.NatGateway
	Peerings          []ec2.VpcPeeringConnection
	SecurityGroups    []ec2.SecurityGroup
	Instances         []ec2.Instance
	NetworkInterfaces []ec2.NetworkInterface
	Addresses         []ec2.Address
	LoadBalancers     []balancer
	Internet          Hosts
}

func (e *env) lsCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "ls", Short: "Draw what there is: VPCs, subnets, gateways, load balancers, peering connections, instances, outside hosts", Args: cobra.NoArgs,
		Long: `Draw what there is in the Region, of the account; with --all in every account
and Region where something was made, or in those that --account and --region leave.`,
		Example: "  localvpc ls\n  localvpc ls --region eu-west-1 --account 123456789012\n  localvpc ls --all\n  localvpc ls --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all {
				return e.lsAll(cmd.Context())
			}
			inv, err := e.inventory(cmd.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.printJSON(inv)
			}
			if len(inv.Vpcs) == 0 {
				if _, err := fmt.Fprintf(e.out, "There is no VPC in %s: make one with 'aws ec2 create-vpc', or play 'localvpc demo'.\n", e.regionName()); err != nil {
					return err
				}
			}
			render.Tree(e.out, e.tree(inv))
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every account and Region that is used")
	return cmd
}

func (e *env) inventory(ctx context.Context) (inv inventory, err error) {
	listed(ctx, e, &err, "DescribeVpcs", &ec2.DescribeVpcsInput{}, func(o *ec2.DescribeVpcsOutput) { inv.Vpcs = o.Vpcs })
	listed(ctx, e, &err, "DescribeInternetGateways", &ec2.DescribeInternetGatewaysInput{}, func(o *ec2.DescribeInternetGatewaysOutput) { inv.InternetGateways = o.InternetGateways })
	listed(ctx, e, &err, "DescribeRouteTables", &ec2.DescribeRouteTablesInput{}, func(o *ec2.DescribeRouteTablesOutput) { inv.RouteTables = o.RouteTables })
	listed(ctx, e, &err, "DescribeNetworkAcls", &ec2.DescribeNetworkAclsInput{}, func(o *ec2.DescribeNetworkAclsOutput) { inv.NetworkAcls = o.NetworkAcls })
	listed(ctx, e, &err, "DescribeSubnets", &ec2.DescribeSubnetsInput{}, func(o *ec2.DescribeSubnetsOutput) { inv.Subnets = o.Subnets })
	listed(ctx, e, &err, "DescribeNatGateways", &ec2.DescribeNatGatewaysInput{}, func(o *ec2.DescribeNatGatewaysOutput) { inv.NatGateways = o.NatGateways })
	listed(ctx, e, &err, "DescribeVpcPeeringConnections", &ec2.DescribeVpcPeeringConnectionsInput{}, func(o *ec2.DescribeVpcPeeringConnectionsOutput) { inv.Peerings = o.VpcPeeringConnections })
	listed(ctx, e, &err, "DescribeSecurityGroups", &ec2.DescribeSecurityGroupsInput{}, func(o *ec2.DescribeSecurityGroupsOutput) { inv.SecurityGroups = o.SecurityGroups })
	listed(ctx, e, &err, "DescribeInstances", &ec2.DescribeInstancesInput{}, func(o *ec2.DescribeInstancesOutput) {
		for _, r := range o.Reservations {
			inv.Instances = append(inv.Instances, r.Instances...)
		}
	})
	listed(ctx, e, &err, "DescribeNetworkInterfaces", &ec2.DescribeNetworkInterfacesInput{}, func(o *ec2.DescribeNetworkInterfacesOutput) { inv.NetworkInterfaces = o.NetworkInterfaces })
	listed(ctx, e, &err, "DescribeAddresses", &ec2.DescribeAddressesInput{}, func(o *ec2.DescribeAddressesOutput) { inv.Addresses = o.Addresses })
	e.balancers(ctx, &err, &inv)
	if err == nil {
		inv.Internet, err = e.hosts(ctx)
	}
	return inv, err
}

// listed makes one describe call, unless an earlier one has failed.
func listed[Out, In any](ctx context.Context, e *env, err *error, action string, in *In, take func(*Out)) {
	asked(ctx, e, ec2.API, err, action, in, take)
}

// asked is listed of any service.
func asked[Out, In any](ctx context.Context, e *env, api *proto.API, err *error, action string, in *In, take func(*Out)) {
	if *err != nil {
		return
	}
	out, failed := callOf[Out](ctx, e, api, action, in)
	if *err = failed; failed == nil {
		take(out)
	}
}

// tree lays the inventory out: for each VPC its gateway, its route tables, its subnets
// by zone and block with what is in them, its groups; then what belongs to none.
func (e *env) tree(inv inventory) []render.Node {
	var out []render.Node
	slices.SortStableFunc(inv.Subnets, func(a, b ec2.Subnet) int {
		return cmp.Or(cmp.Compare(value(a.AvailabilityZone), value(b.AvailabilityZone)), compareBlocks(value(a.CidrBlock), value(b.CidrBlock)))
	})
	for i := range inv.Vpcs {
		out = append(out, e.vpcNode(&inv, &inv.Vpcs[i]))
	}
	for _, g := range inv.InternetGateways {
		if len(g.Attachments) == 0 {
			out = append(out, render.Node{Text: e.line("internet-gateway", value(g.InternetGatewayId), nameOf(g.Tags), e.style.Dim("attached to nothing"))})
		}
	}
	for _, a := range inv.Addresses {
		if a.AssociationId == nil {
			out = append(out, render.Node{Text: e.line("address", value(a.AllocationId), nameOf(a.Tags), value(a.PublicIp), e.style.Dim("associated with nothing"))})
		}
	}
	if len(inv.Internet.Hosts) > 0 {
		node := render.Node{Text: e.line("internet", inv.Internet.Internet, "")}
		for _, h := range inv.Internet.Hosts {
			state := h.state()
			if h.Running {
				state = e.style.Good(state)
			}
			node.Sub = append(node.Sub, render.Node{Text: e.line("host", h.Addr, h.Name, state)})
		}
		out = append(out, node)
	}
	return out
}

// compareBlocks orders CIDR blocks by their addresses.
func compareBlocks(a, b string) int {
	one, _ := netip.ParsePrefix(a)
	other, _ := netip.ParsePrefix(b)
	return one.Compare(other)
}

func (e *env) vpcNode(inv *inventory, v *ec2.Vpc) render.Node {
	id := value(v.VpcId)
	blocks := []string{value(v.CidrBlock)}
	for _, c := range v.CidrBlockAssociationSet {
		if b := value(c.CidrBlock); b != blocks[0] && c.CidrBlockState != nil && value(c.CidrBlockState.State) == "associated" {
			blocks = append(blocks, b)
		}
	}
	if value(v.IsDefault) {
		blocks = append(blocks, "default")
	}
	node := render.Node{Text: e.line("vpc", id, nameOf(v.Tags), blocks...)}
	for _, g := range inv.InternetGateways {
		for _, a := range g.Attachments {
			if value(a.VpcId) == id {
				node.Sub = append(node.Sub, render.Node{Text: e.line("internet-gateway", value(g.InternetGatewayId), nameOf(g.Tags))})
			}
		}
	}
	for i := range inv.Peerings {
		if n, ok := e.peeringNode(&inv.Peerings[i], id); ok {
			node.Sub = append(node.Sub, n)
		}
	}
	for i := range inv.RouteTables {
		if t := &inv.RouteTables[i]; value(t.VpcId) == id {
			node.Sub = append(node.Sub, e.routeTableNode(t))
		}
	}
	for i := range inv.Subnets {
		if s := &inv.Subnets[i]; value(s.VpcId) == id {
			node.Sub = append(node.Sub, e.subnetNode(inv, s))
		}
	}
	for i := range inv.LoadBalancers {
		if b := &inv.LoadBalancers[i]; value(b.VpcId) == id {
			node.Sub = append(node.Sub, e.balancerNode(b))
		}
	}
	for _, g := range inv.SecurityGroups {
		if value(g.VpcId) == id {
			node.Sub = append(node.Sub, render.Node{Text: e.line("group", value(g.GroupId), value(g.GroupName))})
		}
	}
	return node
}

func (e *env) routeTableNode(t *ec2.RouteTable) render.Node {
	main := ""
	for _, a := range t.Associations {
		if value(a.Main) {
			main = "main"
		}
	}
	node := render.Node{Text: e.line("route-table", value(t.RouteTableId), nameOf(t.Tags), main)}
	for _, r := range t.Routes {
		target := targetOf(&r)
		if target == "local" {
			continue // every table has them
		}
		state := ""
		if value(r.State) == "blackhole" {
			state = e.style.Bad("blackhole")
		}
		node.Sub = append(node.Sub, render.Node{Text: e.line("route", first(r.DestinationCidrBlock, r.DestinationIpv6CidrBlock, r.DestinationPrefixListId), "", target, state)})
	}
	return node
}

// targetOf is where a route leads; of an instance's, which has an interface too, the
// instance.
func targetOf(r *ec2.Route) string {
	return first(r.GatewayId, r.NatGatewayId, r.InstanceId, r.NetworkInterfaceId, r.VpcPeeringConnectionId, r.TransitGatewayId, r.EgressOnlyInternetGatewayId)
}

// first is the first string that is there.
func first(all ...*string) string {
	for _, s := range all {
		if value(s) != "" {
			return *s
		}
	}
	return ""
}

func (e *env) subnetNode(inv *inventory, s *ec2.Subnet) render.Node {
	id := value(s.SubnetId)
	words := []string{value(s.CidrBlock), value(s.AvailabilityZone)}
	if t := tableOf(inv, s); t != nil {
		words = append(words, reachOf(t), value(t.RouteTableId))
	}
	for _, acl := range inv.NetworkAcls {
		for _, a := range acl.Associations {
			if value(a.SubnetId) == id {
				words = append(words, value(acl.NetworkAclId))
			}
		}
	}
	node := render.Node{Text: e.line("subnet", id, nameOf(s.Tags), words...)}
	for _, g := range inv.NatGateways {
		if value(g.SubnetId) == id && value(g.State) != "deleted" {
			words := []string{e.painted(value(g.State))}
			for _, a := range g.NatGatewayAddresses {
				words = append(words, arrow(value(a.PrivateIp), value(a.PublicIp)))
			}
			node.Sub = append(node.Sub, render.Node{Text: e.line("nat-gateway", value(g.NatGatewayId), nameOf(g.Tags), words...)})
		}
	}
	for i := range inv.Instances {
		if value(inv.Instances[i].SubnetId) == id {
			node.Sub = append(node.Sub, e.instanceNode(inv, &inv.Instances[i]))
		}
	}
	for i := range inv.NetworkInterfaces {
		n := &inv.NetworkInterfaces[i]
		if value(n.SubnetId) == id && (n.Attachment == nil || n.Attachment.InstanceId == nil) && !value(n.RequesterManaged) {
			node.Sub = append(node.Sub, render.Node{Text: e.line("interface", value(n.NetworkInterfaceId), nameOf(n.TagSet), append(addressesOf(n), value(n.Status))...)})
		}
	}
	return node
}

// tableOf is the route table of a subnet: its own, or the main one.
func tableOf(inv *inventory, s *ec2.Subnet) *ec2.RouteTable {
	var main *ec2.RouteTable
	for i := range inv.RouteTables {
		t := &inv.RouteTables[i]
		if value(t.VpcId) != value(s.VpcId) {
			continue
		}
		for _, a := range t.Associations {
			if value(a.SubnetId) == value(s.SubnetId) {
				return t
			}
			if value(a.Main) {
				main = t
			}
		}
	}
	return main
}

// reachOf says whether a subnet with the route table is public: one with a route to
// an internet gateway (VPC User Guide, "Subnet types").
func reachOf(t *ec2.RouteTable) string {
	for _, r := range t.Routes {
		if strings.HasPrefix(value(r.GatewayId), "igw-") && value(r.State) != "blackhole" {
			return "public"
		}
	}
	return "private"
}

func (e *env) instanceNode(inv *inventory, i *ec2.Instance) render.Node {
	state := ""
	if i.State != nil {
		state = value(i.State.Name)
	}
	var groups []string
	for _, g := range i.SecurityGroups {
		groups = append(groups, value(g.GroupName))
	}
	node := render.Node{Text: e.line("instance", value(i.InstanceId), nameOf(i.Tags), e.painted(state), value(i.PrivateIpAddress), value(i.PrivateDnsName),
		value(i.PublicIpAddress), value(i.PublicDnsName), "["+strings.Join(groups, " ")+"]")}
	// One interface with one address has been said already.
	var attached []*ec2.NetworkInterface
	addresses := 0
	for n := range inv.NetworkInterfaces {
		nic := &inv.NetworkInterfaces[n]
		if nic.Attachment != nil && value(nic.Attachment.InstanceId) == value(i.InstanceId) {
			attached = append(attached, nic)
			addresses += len(nic.PrivateIpAddresses)
		}
	}
	if len(attached) < 2 && addresses < 2 {
		return node
	}
	for _, nic := range attached {
		words := []string{fmt.Sprintf("device %d", value(nic.Attachment.DeviceIndex))}
		if value(nic.SubnetId) != value(i.SubnetId) {
			words = append(words, value(nic.SubnetId))
		}
		node.Sub = append(node.Sub, render.Node{Text: e.line("interface", value(nic.NetworkInterfaceId), nameOf(nic.TagSet), append(words, addressesOf(nic)...)...)})
	}
	return node
}

// addressesOf lists an interface's private addresses with the public ones that stand
// for them.
func addressesOf(n *ec2.NetworkInterface) []string {
	var out []string
	for _, a := range n.PrivateIpAddresses {
		public := ""
		if a.Association != nil {
			public = value(a.Association.PublicIp)
		}
		out = append(out, arrow(value(a.PrivateIpAddress), public))
	}
	return out
}

// arrow is a private address and the public one that stands for it.
func arrow(private, public string) string {
	if public == "" {
		return private
	}
	return private + " = " + public
}

// painted is a state in its colour.
func (e *env) painted(state string) string {
	switch state {
	case "running", "available", "active", "healthy":
		return e.style.Good(state)
	case "terminated", "stopped", "deleting":
		return e.style.Dim(state)
	case "failed", "unhealthy":
		return e.style.Bad(state)
	}
	return state
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
