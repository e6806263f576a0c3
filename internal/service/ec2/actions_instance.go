package ec2

import "github.com/localvpc/localvpc/internal/service"

// instanceActions: instances, their types, images, key pairs and volumes.
func (s *Service) instanceActions() []service.Action {
	return []service.Action{
		service.Write("RunInstances", s.RunInstances),
		service.Read("DescribeInstances", s.DescribeInstances),
		service.Read("DescribeInstanceStatus", s.DescribeInstanceStatus),
		service.Write("StartInstances", s.StartInstances),
		service.Write("StopInstances", s.StopInstances),
		service.Write("RebootInstances", s.RebootInstances),
		service.Write("TerminateInstances", s.TerminateInstances),
		service.Write("MonitorInstances", s.MonitorInstances),
		service.Write("UnmonitorInstances", s.UnmonitorInstances),
		service.Write("ReportInstanceStatus", s.ReportInstanceStatus),

		service.Read("DescribeInstanceAttribute", s.DescribeInstanceAttribute),
		service.Write("ModifyInstanceAttribute", s.ModifyInstanceAttribute),
		service.Write("ResetInstanceAttribute", s.ResetInstanceAttribute),
		service.Write("ModifyInstanceMetadataOptions", s.ModifyInstanceMetadataOptions),
		service.Read("GetInstanceMetadataDefaults", s.GetInstanceMetadataDefaults),
		service.Write("ModifyInstanceMetadataDefaults", s.ModifyInstanceMetadataDefaults),
		service.Write("ModifyPrivateDnsNameOptions", s.ModifyPrivateDnsNameOptions),
		service.Write("ModifyInstancePlacement", s.ModifyInstancePlacement),
		service.Write("ModifyInstanceMaintenanceOptions", s.ModifyInstanceMaintenanceOptions),
		service.Write("ModifyInstanceCpuOptions", s.ModifyInstanceCpuOptions),
		service.Read("DescribeInstanceCreditSpecifications", s.DescribeInstanceCreditSpecifications),
		service.Write("ModifyInstanceCreditSpecification", s.ModifyInstanceCreditSpecification),
		service.Read("DescribeIamInstanceProfileAssociations", s.DescribeIamInstanceProfileAssociations),
		service.Write("AssociateIamInstanceProfile", s.AssociateIamInstanceProfile),
		service.Write("ReplaceIamInstanceProfileAssociation", s.ReplaceIamInstanceProfileAssociation),
		service.Write("DisassociateIamInstanceProfile", s.DisassociateIamInstanceProfile),
		service.Read("GetConsoleOutput", s.GetConsoleOutput),
		service.Read("GetPasswordData", s.GetPasswordData),

		service.Read("DescribeInstanceTypes", s.DescribeInstanceTypes),
		service.Read("DescribeInstanceTypeOfferings", s.DescribeInstanceTypeOfferings),

		service.Read("DescribeImages", s.DescribeImages),
		service.Write("RegisterImage", s.RegisterImage),
		service.Write("CreateImage", s.CreateImage),
		service.Write("DeregisterImage", s.DeregisterImage),
		service.Read("DescribeImageAttribute", s.DescribeImageAttribute),
		service.Write("ModifyImageAttribute", s.ModifyImageAttribute),
		service.Write("ResetImageAttribute", s.ResetImageAttribute),

		service.Prepared("CreateKeyPair", s.prepareKeyPair, s.CreateKeyPair),
		service.Write("ImportKeyPair", s.ImportKeyPair),
		service.Read("DescribeKeyPairs", s.DescribeKeyPairs),
		service.Write("DeleteKeyPair", s.DeleteKeyPair),

		service.Read("DescribeVolumes", s.DescribeVolumes),
		service.Read("DescribeVolumeStatus", s.DescribeVolumeStatus),
		service.Read("DescribeVolumeAttribute", s.DescribeVolumeAttribute),
		service.Read("DescribeVolumesModifications", s.DescribeVolumesModifications),
		service.Read("DescribeSnapshots", s.DescribeSnapshots),
	}
}
