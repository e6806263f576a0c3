package ec2

import "github.com/localvpc/localvpc/internal/service"

// addressActions: internet gateways and Elastic IPs.
func (s *Service) addressActions() []service.Action {
	return []service.Action{
		service.Write("CreateInternetGateway", s.CreateInternetGateway),
		service.Write("AttachInternetGateway", s.AttachInternetGateway),
		service.Write("DetachInternetGateway", s.DetachInternetGateway),
		service.Write("DeleteInternetGateway", s.DeleteInternetGateway),
		service.Read("DescribeInternetGateways", s.DescribeInternetGateways),

		service.Write("AllocateAddress", s.AllocateAddress),
		service.Write("AssociateAddress", s.AssociateAddress),
		service.Write("DisassociateAddress", s.DisassociateAddress),
		service.Write("ReleaseAddress", s.ReleaseAddress),
		service.Read("DescribeAddresses", s.DescribeAddresses),
		service.Read("DescribeAddressesAttribute", s.DescribeAddressesAttribute),
		service.Write("ModifyAddressAttribute", s.ModifyAddressAttribute),
		service.Write("ResetAddressAttribute", s.ResetAddressAttribute),
	}
}
