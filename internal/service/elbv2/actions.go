package elbv2

import "github.com/localvpc/localvpc/internal/service"

// Actions lists every action that is served, once.
func (s *Service) Actions() []service.Action {
	return []service.Action{
		service.Write("CreateLoadBalancer", s.CreateLoadBalancer),
		service.Write("DeleteLoadBalancer", s.DeleteLoadBalancer),
		service.Read("DescribeLoadBalancers", s.DescribeLoadBalancers),
		service.Write("ModifyLoadBalancerAttributes", s.ModifyLoadBalancerAttributes),
		service.Read("DescribeLoadBalancerAttributes", s.DescribeLoadBalancerAttributes),
		service.Write("SetSubnets", s.SetSubnets),
		service.Write("SetSecurityGroups", s.SetSecurityGroups),
		service.Write("SetIpAddressType", s.SetIpAddressType),

		service.Write("CreateTargetGroup", s.CreateTargetGroup),
		service.Write("ModifyTargetGroup", s.ModifyTargetGroup),
		service.Write("DeleteTargetGroup", s.DeleteTargetGroup),
		service.Read("DescribeTargetGroups", s.DescribeTargetGroups),
		service.Write("ModifyTargetGroupAttributes", s.ModifyTargetGroupAttributes),
		service.Read("DescribeTargetGroupAttributes", s.DescribeTargetGroupAttributes),

		service.Write("RegisterTargets", s.RegisterTargets),
		service.Write("DeregisterTargets", s.DeregisterTargets),
		service.Read("DescribeTargetHealth", s.DescribeTargetHealth),

		service.Write("CreateListener", s.CreateListener),
		service.Write("ModifyListener", s.ModifyListener),
		service.Write("DeleteListener", s.DeleteListener),
		service.Read("DescribeListeners", s.DescribeListeners),
		service.Write("ModifyListenerAttributes", s.ModifyListenerAttributes),
		service.Read("DescribeListenerAttributes", s.DescribeListenerAttributes),
		service.Read("DescribeListenerCertificates", s.DescribeListenerCertificates),
		service.Write("AddListenerCertificates", s.AddListenerCertificates),
		service.Write("RemoveListenerCertificates", s.RemoveListenerCertificates),

		service.Read("DescribeRules", s.DescribeRules),
		service.Write("CreateRule", s.CreateRule),
		service.Write("ModifyRule", s.ModifyRule),
		service.Write("DeleteRule", s.DeleteRule),
		service.Write("SetRulePriorities", s.SetRulePriorities),

		service.Write("AddTags", s.AddTags),
		service.Write("RemoveTags", s.RemoveTags),
		service.Read("DescribeTags", s.DescribeTags),

		service.Read("DescribeAccountLimits", s.DescribeAccountLimits),
		service.Read("DescribeSSLPolicies", s.DescribeSSLPolicies),
		service.Read("DescribeCapacityReservation", s.DescribeCapacityReservation),
		service.Write("ModifyCapacityReservation", s.ModifyCapacityReservation),
		service.Write("ModifyIpPools", s.ModifyIpPools),
	}
}
