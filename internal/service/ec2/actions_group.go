package ec2

import "github.com/localvpc/localvpc/internal/service"

// groupActions: security groups, their rules, and network interfaces.
func (s *Service) groupActions() []service.Action {
	return []service.Action{
		service.Write("CreateSecurityGroup", s.CreateSecurityGroup),
		service.Read("DescribeSecurityGroups", s.DescribeSecurityGroups),
		service.Write("DeleteSecurityGroup", s.DeleteSecurityGroup),

		service.Write("AuthorizeSecurityGroupIngress", s.AuthorizeSecurityGroupIngress),
		service.Write("AuthorizeSecurityGroupEgress", s.AuthorizeSecurityGroupEgress),
		service.Write("RevokeSecurityGroupIngress", s.RevokeSecurityGroupIngress),
		service.Write("RevokeSecurityGroupEgress", s.RevokeSecurityGroupEgress),
		service.Read("DescribeSecurityGroupRules", s.DescribeSecurityGroupRules),
		service.Write("ModifySecurityGroupRules", s.ModifySecurityGroupRules),
		service.Write("UpdateSecurityGroupRuleDescriptionsIngress", s.UpdateSecurityGroupRuleDescriptionsIngress),
		service.Write("UpdateSecurityGroupRuleDescriptionsEgress", s.UpdateSecurityGroupRuleDescriptionsEgress),

		service.Read("DescribeSecurityGroupReferences", s.DescribeSecurityGroupReferences),
		service.Read("DescribeStaleSecurityGroups", s.DescribeStaleSecurityGroups),
		service.Read("GetSecurityGroupsForVpc", s.GetSecurityGroupsForVpc),
		service.Read("DescribeSecurityGroupVpcAssociations", s.DescribeSecurityGroupVpcAssociations),

		service.Write("CreateNetworkInterface", s.CreateNetworkInterface),
		service.Read("DescribeNetworkInterfaces", s.DescribeNetworkInterfaces),
		service.Write("DeleteNetworkInterface", s.DeleteNetworkInterface),
		service.Write("AttachNetworkInterface", s.AttachNetworkInterface),
		service.Write("DetachNetworkInterface", s.DetachNetworkInterface),
		service.Write("AssignPrivateIpAddresses", s.AssignPrivateIpAddresses),
		service.Write("UnassignPrivateIpAddresses", s.UnassignPrivateIpAddresses),
		service.Read("DescribeNetworkInterfaceAttribute", s.DescribeNetworkInterfaceAttribute),
		service.Write("ModifyNetworkInterfaceAttribute", s.ModifyNetworkInterfaceAttribute),
		service.Write("ResetNetworkInterfaceAttribute", s.ResetNetworkInterfaceAttribute),
		service.Read("DescribeNetworkInterfacePermissions", s.DescribeNetworkInterfacePermissions),
	}
}
