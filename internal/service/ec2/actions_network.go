package ec2

import "github.com/localvpc/localvpc/internal/service"

func (s *Service) networkActions() []service.Action {
	return []service.Action{
		service.Read("DescribeRegions", s.DescribeRegions),
		service.Read("DescribeAvailabilityZones", s.DescribeAvailabilityZones),
		service.Read("DescribeAccountAttributes", s.DescribeAccountAttributes),

		service.Write("CreateVpc", s.CreateVpc),
		service.Write("CreateDefaultVpc", s.CreateDefaultVpc),
		service.Read("DescribeVpcs", s.DescribeVpcs),
		service.Write("DeleteVpc", s.DeleteVpc),
		service.Write("AssociateVpcCidrBlock", s.AssociateVpcCidrBlock),
		service.Write("DisassociateVpcCidrBlock", s.DisassociateVpcCidrBlock),
		service.Write("ModifyVpcTenancy", s.ModifyVpcTenancy),
		service.Read("DescribeVpcAttribute", s.DescribeVpcAttribute),
		service.Write("ModifyVpcAttribute", s.ModifyVpcAttribute),
		service.Read("DescribeVpcClassicLink", s.DescribeVpcClassicLink),
		service.Read("DescribeVpcClassicLinkDnsSupport", s.DescribeVpcClassicLinkDnsSupport),

		service.Write("CreateSubnet", s.CreateSubnet),
		service.Write("CreateDefaultSubnet", s.CreateDefaultSubnet),
		service.Read("DescribeSubnets", s.DescribeSubnets),
		service.Write("ModifySubnetAttribute", s.ModifySubnetAttribute),
		service.Write("DeleteSubnet", s.DeleteSubnet),
		service.Read("GetSubnetCidrReservations", s.GetSubnetCidrReservations),

		service.Write("CreateDhcpOptions", s.CreateDhcpOptions),
		service.Read("DescribeDhcpOptions", s.DescribeDhcpOptions),
		service.Write("AssociateDhcpOptions", s.AssociateDhcpOptions),
		service.Write("DeleteDhcpOptions", s.DeleteDhcpOptions),

		service.Write("CreateRouteTable", s.CreateRouteTable),
		service.Read("DescribeRouteTables", s.DescribeRouteTables),
		service.Write("DeleteRouteTable", s.DeleteRouteTable),
		service.Write("AssociateRouteTable", s.AssociateRouteTable),
		service.Write("DisassociateRouteTable", s.DisassociateRouteTable),
		service.Write("ReplaceRouteTableAssociation", s.ReplaceRouteTableAssociation),
		service.Write("CreateRoute", s.CreateRoute),
		service.Write("ReplaceRoute", s.ReplaceRoute),
		service.Write("DeleteRoute", s.DeleteRoute),

		service.Write("CreateNetworkAcl", s.CreateNetworkAcl),
		service.Read("DescribeNetworkAcls", s.DescribeNetworkAcls),
		service.Write("ReplaceNetworkAclAssociation", s.ReplaceNetworkAclAssociation),
		service.Write("DeleteNetworkAcl", s.DeleteNetworkAcl),
		service.Write("CreateNetworkAclEntry", s.CreateNetworkAclEntry),
		service.Write("ReplaceNetworkAclEntry", s.ReplaceNetworkAclEntry),
		service.Write("DeleteNetworkAclEntry", s.DeleteNetworkAclEntry),
		service.Write("CreateNatGateway", s.CreateNatGateway),
		service.Read("DescribeNatGateways", s.DescribeNatGateways),
		service.Write("DeleteNatGateway", s.DeleteNatGateway),
		service.Write("AssociateNatGatewayAddress", s.AssociateNatGatewayAddress),
		service.Write("DisassociateNatGatewayAddress", s.DisassociateNatGatewayAddress),
		service.Write("AssignPrivateNatGatewayAddress", s.AssignPrivateNatGatewayAddress),
		service.Write("UnassignPrivateNatGatewayAddress", s.UnassignPrivateNatGatewayAddress),

		service.Write("CreateVpcPeeringConnection", s.CreateVpcPeeringConnection),
		service.Read("DescribeVpcPeeringConnections", s.DescribeVpcPeeringConnections),
		service.Write("AcceptVpcPeeringConnection", s.AcceptVpcPeeringConnection),
		service.Write("RejectVpcPeeringConnection", s.RejectVpcPeeringConnection),
		service.Write("DeleteVpcPeeringConnection", s.DeleteVpcPeeringConnection),
		service.Write("ModifyVpcPeeringConnectionOptions", s.ModifyVpcPeeringConnectionOptions),

		service.Read("DescribePrefixLists", s.DescribePrefixLists),
		service.Write("CreateManagedPrefixList", s.CreateManagedPrefixList),
		service.Read("DescribeManagedPrefixLists", s.DescribeManagedPrefixLists),
		service.Read("GetManagedPrefixListEntries", s.GetManagedPrefixListEntries),
		service.Read("GetManagedPrefixListAssociations", s.GetManagedPrefixListAssociations),
		service.Write("ModifyManagedPrefixList", s.ModifyManagedPrefixList),
		service.Write("RestoreManagedPrefixListVersion", s.RestoreManagedPrefixListVersion),
		service.Write("DeleteManagedPrefixList", s.DeleteManagedPrefixList),
		service.Read("DescribePlacementGroups", s.DescribePlacementGroups),
		service.Read("DescribeLaunchTemplates", s.DescribeLaunchTemplates),

		service.Write("CreateTags", s.CreateTags),
		service.Read("DescribeTags", s.DescribeTags),
		service.Write("DeleteTags", s.DeleteTags),
	}
}
