package ec2

import (
	"reflect"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// rehearsed is a lab in which every action is a dry run first, and one with a
// client token is asked for twice, and once more with other parameters.
type rehearsed struct {
	*lab
	acted map[string]bool
}

// act performs an action that must succeed, and all that comes before and after it.
func act[Out any](r *rehearsed, name string, in any) *Out {
	r.Helper()
	r.acted[name] = true
	if dry := member(in, "DryRun"); dry.IsValid() {
		dry.Set(reflect.ValueOf(ptr(true)))
		r.fails(name, in, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
		dry.SetZero()
	}
	token := member(in, "ClientToken")
	if !token.IsValid() {
		return call[Out](r.world, name, in)
	}
	token.Set(reflect.ValueOf(ptr("token of " + name)))
	out := call[Out](r.world, name, in)
	if again := call[Out](r.world, name, in); !reflect.DeepEqual(out, again) {
		r.Errorf("%s with the same token:\n%+v\nwas\n%+v", name, again, out)
	}
	if r.other(in) {
		r.fails(name, in, "IdempotentParameterMismatch", "token of "+name)
	} else {
		r.Errorf("%s has no parameter to change", name)
	}
	return out
}

func member(in any, name string) reflect.Value { return reflect.ValueOf(in).Elem().FieldByName(name) }

// other changes one parameter that is no token.
func (r *rehearsed) other(in any) bool {
	v := reflect.ValueOf(in).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case v.Type().Field(i).Name == "ClientToken" || f.IsZero():
		case f.Type() == reflect.TypeFor[*string]():
			f.Set(reflect.ValueOf(ptr(f.Elem().String() + "0")))
			return true
		case f.Kind() == reflect.Slice:
			f.SetZero()
			return true
		}
	}
	return false
}

// TestDryRunAndClientToken: every action that changes something says at a dry run
// what it would have said, and changes nothing; and a client token is one effect
// (EC2 API Reference, "Common parameters" and "Ensuring idempotency").
func TestDryRunAndClientToken(t *testing.T) {
	r := &rehearsed{newLab(t), map[string]bool{}}
	r.vpcs()
	r.edge()
	r.peerings()
	r.groups()
	r.interfaces()
	r.instances()
	r.images()
	for name, a := range r.actions {
		in := a.NewInput()
		switch dry := member(in, "DryRun"); {
		case !dry.IsValid() && !member(in, "ClientToken").IsValid():
		case a.Mutates() && !r.acted[name]:
			t.Errorf("%s has DryRun or ClientToken and is not tested", name)
		case !a.Mutates():
			dry.Set(reflect.ValueOf(ptr(true)))
			if out, err := r.do(name, in); err == nil {
				t.Errorf("a dry run of %s gives %+v", name, out)
			}
		}
	}
}

func (r *rehearsed) peerings() {
	a, b := r.world.vpc("10.9.0.0/16"), r.world.vpc("10.10.0.0/16")
	ask := &api.CreateVpcPeeringConnectionInput{VpcId: &a, PeerVpcId: &b}
	id := act[api.CreateVpcPeeringConnectionOutput](r, "CreateVpcPeeringConnection", ask).VpcPeeringConnection.VpcPeeringConnectionId
	act[api.RejectVpcPeeringConnectionOutput](r, "RejectVpcPeeringConnection", &api.RejectVpcPeeringConnectionInput{VpcPeeringConnectionId: id})
	id = call[api.CreateVpcPeeringConnectionOutput](r.world, "CreateVpcPeeringConnection", ask).VpcPeeringConnection.VpcPeeringConnectionId
	act[api.AcceptVpcPeeringConnectionOutput](r, "AcceptVpcPeeringConnection", &api.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: id})
	act[api.ModifyVpcPeeringConnectionOptionsOutput](r, "ModifyVpcPeeringConnectionOptions", &api.ModifyVpcPeeringConnectionOptionsInput{
		VpcPeeringConnectionId: id, AccepterPeeringConnectionOptions: &api.PeeringConnectionOptionsRequest{AllowDnsResolutionFromRemoteVpc: ptr(true)},
	})
	act[api.DeleteVpcPeeringConnectionOutput](r, "DeleteVpcPeeringConnection", &api.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: id})
	for _, v := range []string{a, b} {
		call[api.DeleteVpcOutput](r.world, "DeleteVpc", &api.DeleteVpcInput{VpcId: &v})
	}
}

func (r *rehearsed) vpcs() {
	vpc := act[api.CreateVpcOutput](r, "CreateVpc", &api.CreateVpcInput{CidrBlock: ptr("10.9.0.0/16")}).Vpc.VpcId
	act[api.ModifyVpcTenancyOutput](r, "ModifyVpcTenancy", &api.ModifyVpcTenancyInput{VpcId: vpc, InstanceTenancy: ptr("default")})
	options := act[api.CreateDhcpOptionsOutput](r, "CreateDhcpOptions", &api.CreateDhcpOptionsInput{DhcpConfigurations: []api.NewDhcpConfiguration{{Key: ptr("domain-name"), Values: []string{"example.com"}}}}).DhcpOptions.DhcpOptionsId
	act[api.AssociateDhcpOptionsOutput](r, "AssociateDhcpOptions", &api.AssociateDhcpOptionsInput{DhcpOptionsId: options, VpcId: vpc})
	call[api.AssociateDhcpOptionsOutput](r.world, "AssociateDhcpOptions", &api.AssociateDhcpOptionsInput{DhcpOptionsId: ptr("default"), VpcId: vpc})
	act[api.DeleteDhcpOptionsOutput](r, "DeleteDhcpOptions", &api.DeleteDhcpOptionsInput{DhcpOptionsId: options})
	subnet := act[api.CreateSubnetOutput](r, "CreateSubnet", &api.CreateSubnetInput{VpcId: vpc, CidrBlock: ptr("10.9.1.0/24")}).Subnet.SubnetId
	act[api.CreateTagsOutput](r, "CreateTags", &api.CreateTagsInput{Resources: []string{*subnet}, Tags: tagList("a", "b")})
	act[api.DeleteTagsOutput](r, "DeleteTags", &api.DeleteTagsInput{Resources: []string{*subnet}, Tags: tagList("a", "b")})

	acl := act[api.CreateNetworkAclOutput](r, "CreateNetworkAcl", &api.CreateNetworkAclInput{VpcId: vpc}).NetworkAcl.NetworkAclId
	act[api.CreateNetworkAclEntryOutput](r, "CreateNetworkAclEntry", &api.CreateNetworkAclEntryInput{NetworkAclId: acl, RuleNumber: ptr(int32(100)), Protocol: ptr("-1"), RuleAction: ptr("allow"), Egress: ptr(false), CidrBlock: ptr("0.0.0.0/0")})
	act[api.ReplaceNetworkAclEntryOutput](r, "ReplaceNetworkAclEntry", &api.ReplaceNetworkAclEntryInput{NetworkAclId: acl, RuleNumber: ptr(int32(100)), Protocol: ptr("-1"), RuleAction: ptr("deny"), Egress: ptr(false), CidrBlock: ptr("0.0.0.0/0")})
	act[api.DeleteNetworkAclEntryOutput](r, "DeleteNetworkAclEntry", &api.DeleteNetworkAclEntryInput{NetworkAclId: acl, RuleNumber: ptr(int32(100)), Egress: ptr(false)})
	former := call[api.DescribeNetworkAclsOutput](r.world, "DescribeNetworkAcls", &api.DescribeNetworkAclsInput{Filters: filtersOf("association.subnet-id", *subnet)}).NetworkAcls[0]
	association := act[api.ReplaceNetworkAclAssociationOutput](r, "ReplaceNetworkAclAssociation", &api.ReplaceNetworkAclAssociationInput{AssociationId: former.Associations[0].NetworkAclAssociationId, NetworkAclId: acl}).NewAssociationId
	call[api.ReplaceNetworkAclAssociationOutput](r.world, "ReplaceNetworkAclAssociation", &api.ReplaceNetworkAclAssociationInput{AssociationId: association, NetworkAclId: former.NetworkAclId})
	act[api.DeleteNetworkAclOutput](r, "DeleteNetworkAcl", &api.DeleteNetworkAclInput{NetworkAclId: acl})

	gateway := act[api.CreateInternetGatewayOutput](r, "CreateInternetGateway", &api.CreateInternetGatewayInput{}).InternetGateway.InternetGatewayId
	act[api.AttachInternetGatewayOutput](r, "AttachInternetGateway", &api.AttachInternetGatewayInput{InternetGatewayId: gateway, VpcId: vpc})
	table := act[api.CreateRouteTableOutput](r, "CreateRouteTable", &api.CreateRouteTableInput{VpcId: vpc}).RouteTable.RouteTableId
	served := act[api.AssociateRouteTableOutput](r, "AssociateRouteTable", &api.AssociateRouteTableInput{RouteTableId: table, SubnetId: subnet}).AssociationId
	act[api.CreateRouteOutput](r, "CreateRoute", &api.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: ptr("0.0.0.0/0"), GatewayId: gateway})
	act[api.ReplaceRouteOutput](r, "ReplaceRoute", &api.ReplaceRouteInput{RouteTableId: table, DestinationCidrBlock: ptr("0.0.0.0/0"), GatewayId: gateway})
	act[api.DeleteRouteOutput](r, "DeleteRoute", &api.DeleteRouteInput{RouteTableId: table, DestinationCidrBlock: ptr("0.0.0.0/0")})
	served = act[api.ReplaceRouteTableAssociationOutput](r, "ReplaceRouteTableAssociation", &api.ReplaceRouteTableAssociationInput{AssociationId: served, RouteTableId: table}).NewAssociationId
	act[api.DisassociateRouteTableOutput](r, "DisassociateRouteTable", &api.DisassociateRouteTableInput{AssociationId: served})
	act[api.DeleteRouteTableOutput](r, "DeleteRouteTable", &api.DeleteRouteTableInput{RouteTableId: table})
	act[api.DetachInternetGatewayOutput](r, "DetachInternetGateway", &api.DetachInternetGatewayInput{InternetGatewayId: gateway, VpcId: vpc})
	act[api.DeleteInternetGatewayOutput](r, "DeleteInternetGateway", &api.DeleteInternetGatewayInput{InternetGatewayId: gateway})
	act[api.DeleteSubnetOutput](r, "DeleteSubnet", &api.DeleteSubnetInput{SubnetId: subnet})
	act[api.DeleteVpcOutput](r, "DeleteVpc", &api.DeleteVpcInput{VpcId: vpc})

	first := act[api.CreateDefaultVpcOutput](r, "CreateDefaultVpc", &api.CreateDefaultVpcInput{}).Vpc.VpcId
	one := call[api.DescribeSubnetsOutput](r.world, "DescribeSubnets", &api.DescribeSubnetsInput{Filters: filtersOf("vpc-id", *first)}).Subnets[0]
	call[api.DeleteSubnetOutput](r.world, "DeleteSubnet", &api.DeleteSubnetInput{SubnetId: one.SubnetId})
	act[api.CreateDefaultSubnetOutput](r, "CreateDefaultSubnet", &api.CreateDefaultSubnetInput{AvailabilityZone: one.AvailabilityZone})

	list := act[api.CreateManagedPrefixListOutput](r, "CreateManagedPrefixList", &api.CreateManagedPrefixListInput{PrefixListName: ptr("list"), AddressFamily: ptr("IPv4"), MaxEntries: ptr(int32(4)), Entries: entriesFor("10.0.0.0/8")}).PrefixList.PrefixListId
	act[api.ModifyManagedPrefixListOutput](r, "ModifyManagedPrefixList", &api.ModifyManagedPrefixListInput{PrefixListId: list, CurrentVersion: ptr(int64(1)), AddEntries: entriesFor("192.0.2.0/24")})
	act[api.RestoreManagedPrefixListVersionOutput](r, "RestoreManagedPrefixListVersion", &api.RestoreManagedPrefixListVersionInput{PrefixListId: list, PreviousVersion: ptr(int64(1)), CurrentVersion: ptr(int64(2))})
	act[api.DeleteManagedPrefixListOutput](r, "DeleteManagedPrefixList", &api.DeleteManagedPrefixListInput{PrefixListId: list})
}

func (r *rehearsed) edge() {
	r.gateway(r.vpcID)
	address := act[api.AllocateAddressOutput](r, "AllocateAddress", &api.AllocateAddressInput{})
	eni := r.eni(r.subnetID)
	association := act[api.AssociateAddressOutput](r, "AssociateAddress", &api.AssociateAddressInput{AllocationId: address.AllocationId, NetworkInterfaceId: &eni}).AssociationId
	r.forward("mail.example.com", *address.PublicIp)
	act[api.ModifyAddressAttributeOutput](r, "ModifyAddressAttribute", &api.ModifyAddressAttributeInput{AllocationId: address.AllocationId, DomainName: ptr("mail.example.com")})
	act[api.ResetAddressAttributeOutput](r, "ResetAddressAttribute", &api.ResetAddressAttributeInput{AllocationId: address.AllocationId, Attribute: ptr("domain-name")})
	act[api.DisassociateAddressOutput](r, "DisassociateAddress", &api.DisassociateAddressInput{AssociationId: association})
	act[api.ReleaseAddressOutput](r, "ReleaseAddress", &api.ReleaseAddressInput{AllocationId: address.AllocationId})

	first, _ := r.allocate()
	nat := *act[api.CreateNatGatewayOutput](r, "CreateNatGateway", &api.CreateNatGatewayInput{SubnetId: &r.subnetID, AllocationId: &first}).NatGateway.NatGatewayId
	private := *call[api.CreateNatGatewayOutput](r.world, "CreateNatGateway", &api.CreateNatGatewayInput{SubnetId: &r.subnetID, ConnectivityType: ptr("private")}).NatGateway.NatGatewayId
	second, _ := r.allocate()
	act[api.AssociateNatGatewayAddressOutput](r, "AssociateNatGatewayAddress", &api.AssociateNatGatewayAddressInput{NatGatewayId: &nat, AllocationIds: []string{second}})
	associated := *r.elastic(second).AssociationId
	act[api.DisassociateNatGatewayAddressOutput](r, "DisassociateNatGatewayAddress", &api.DisassociateNatGatewayAddressInput{NatGatewayId: &nat, AssociationIds: []string{associated}})
	act[api.AssignPrivateNatGatewayAddressOutput](r, "AssignPrivateNatGatewayAddress", &api.AssignPrivateNatGatewayAddressInput{NatGatewayId: &private, PrivateIpAddresses: []string{"10.0.1.77"}})
	act[api.UnassignPrivateNatGatewayAddressOutput](r, "UnassignPrivateNatGatewayAddress", &api.UnassignPrivateNatGatewayAddressInput{NatGatewayId: &private, PrivateIpAddresses: []string{"10.0.1.77"}})
	act[api.DeleteNatGatewayOutput](r, "DeleteNatGateway", &api.DeleteNatGatewayInput{NatGatewayId: &private})
}

func (r *rehearsed) groups() {
	group := act[api.CreateSecurityGroupOutput](r, "CreateSecurityGroup", &api.CreateSecurityGroupInput{GroupName: ptr("web"), Description: ptr("web"), VpcId: &r.vpcID}).GroupId
	allowed := permission("tcp", 80, 80, "10.0.0.0/8")
	rule := act[api.AuthorizeSecurityGroupIngressOutput](r, "AuthorizeSecurityGroupIngress", &api.AuthorizeSecurityGroupIngressInput{GroupId: group, IpPermissions: allowed}).SecurityGroupRules[0].SecurityGroupRuleId
	act[api.AuthorizeSecurityGroupEgressOutput](r, "AuthorizeSecurityGroupEgress", &api.AuthorizeSecurityGroupEgressInput{GroupId: group, IpPermissions: allowed})
	act[api.UpdateSecurityGroupRuleDescriptionsIngressOutput](r, "UpdateSecurityGroupRuleDescriptionsIngress", &api.UpdateSecurityGroupRuleDescriptionsIngressInput{GroupId: group, IpPermissions: allowed})
	act[api.UpdateSecurityGroupRuleDescriptionsEgressOutput](r, "UpdateSecurityGroupRuleDescriptionsEgress", &api.UpdateSecurityGroupRuleDescriptionsEgressInput{GroupId: group, IpPermissions: allowed})
	act[api.RevokeSecurityGroupEgressOutput](r, "RevokeSecurityGroupEgress", &api.RevokeSecurityGroupEgressInput{GroupId: group, IpPermissions: allowed})
	act[api.ModifySecurityGroupRulesOutput](r, "ModifySecurityGroupRules", &api.ModifySecurityGroupRulesInput{GroupId: group, SecurityGroupRules: []api.SecurityGroupRuleUpdate{{
		SecurityGroupRuleId: rule, SecurityGroupRule: &api.SecurityGroupRuleRequest{IpProtocol: ptr("tcp"), FromPort: ptr(int32(81)), ToPort: ptr(int32(81)), CidrIpv4: ptr("10.0.0.0/8")}}}})
	act[api.RevokeSecurityGroupIngressOutput](r, "RevokeSecurityGroupIngress", &api.RevokeSecurityGroupIngressInput{GroupId: group, SecurityGroupRuleIds: []string{*rule}})
	act[api.DeleteSecurityGroupOutput](r, "DeleteSecurityGroup", &api.DeleteSecurityGroupInput{GroupId: group})
}

func (r *rehearsed) interfaces() {
	eni := act[api.CreateNetworkInterfaceOutput](r, "CreateNetworkInterface", &api.CreateNetworkInterfaceInput{SubnetId: &r.subnetID}).NetworkInterface.NetworkInterfaceId
	instance := r.running()
	act[api.ModifyNetworkInterfaceAttributeOutput](r, "ModifyNetworkInterfaceAttribute", &api.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: eni, SourceDestCheck: &api.AttributeBooleanValue{Value: ptr(false)}})
	act[api.ResetNetworkInterfaceAttributeOutput](r, "ResetNetworkInterfaceAttribute", &api.ResetNetworkInterfaceAttributeInput{NetworkInterfaceId: eni, SourceDestCheck: ptr("true")})
	attachment := act[api.AttachNetworkInterfaceOutput](r, "AttachNetworkInterface", &api.AttachNetworkInterfaceInput{NetworkInterfaceId: eni, InstanceId: &instance, DeviceIndex: ptr(int32(1))}).AttachmentId
	act[api.DetachNetworkInterfaceOutput](r, "DetachNetworkInterface", &api.DetachNetworkInterfaceInput{AttachmentId: attachment, Force: ptr(true)})
	act[api.DeleteNetworkInterfaceOutput](r, "DeleteNetworkInterface", &api.DeleteNetworkInterfaceInput{NetworkInterfaceId: eni})
}

func (r *rehearsed) instances() {
	act[api.CreateKeyPairOutput](r, "CreateKeyPair", &api.CreateKeyPairInput{KeyName: ptr("k"), KeyType: ptr("ed25519")})
	act[api.DeleteKeyPairOutput](r, "DeleteKeyPair", &api.DeleteKeyPairInput{KeyName: ptr("k")})
	act[api.ImportKeyPairOutput](r, "ImportKeyPair", &api.ImportKeyPairInput{KeyName: ptr("mine"), PublicKeyMaterial: []byte(edKey)})
	act[api.ModifyInstanceMetadataDefaultsOutput](r, "ModifyInstanceMetadataDefaults", &api.ModifyInstanceMetadataDefaultsInput{HttpTokens: ptr("optional")})

	id := act[api.RunInstancesOutput](r, "RunInstances", r.ask()).Instances[0].InstanceId
	r.started(*id)
	those := []string{*id}
	act[api.RebootInstancesOutput](r, "RebootInstances", &api.RebootInstancesInput{InstanceIds: those})
	act[api.MonitorInstancesOutput](r, "MonitorInstances", &api.MonitorInstancesInput{InstanceIds: those})
	act[api.UnmonitorInstancesOutput](r, "UnmonitorInstances", &api.UnmonitorInstancesInput{InstanceIds: those})
	act[api.ReportInstanceStatusOutput](r, "ReportInstanceStatus", &api.ReportInstanceStatusInput{Instances: those, Status: ptr("ok"), ReasonCodes: []string{"other"}})
	act[api.ModifyInstanceMetadataOptionsOutput](r, "ModifyInstanceMetadataOptions", &api.ModifyInstanceMetadataOptionsInput{InstanceId: id, HttpTokens: ptr("optional")})
	act[api.ModifyPrivateDnsNameOptionsOutput](r, "ModifyPrivateDnsNameOptions", &api.ModifyPrivateDnsNameOptionsInput{InstanceId: id, EnableResourceNameDnsARecord: ptr(true)})
	act[api.ModifyInstanceMaintenanceOptionsOutput](r, "ModifyInstanceMaintenanceOptions", &api.ModifyInstanceMaintenanceOptionsInput{InstanceId: id, AutoRecovery: ptr("disabled")})
	act[api.ModifyInstanceCreditSpecificationOutput](r, "ModifyInstanceCreditSpecification", &api.ModifyInstanceCreditSpecificationInput{InstanceCreditSpecifications: []api.InstanceCreditSpecificationRequest{{InstanceId: id, CpuCredits: ptr("standard")}}})
	act[api.ModifyInstanceAttributeOutput](r, "ModifyInstanceAttribute", &api.ModifyInstanceAttributeInput{InstanceId: id, SourceDestCheck: &api.AttributeBooleanValue{Value: ptr(false)}})
	act[api.ResetInstanceAttributeOutput](r, "ResetInstanceAttribute", &api.ResetInstanceAttributeInput{InstanceId: id, Attribute: ptr("sourceDestCheck")})
	act[api.StopInstancesOutput](r, "StopInstances", &api.StopInstancesInput{InstanceIds: those})
	r.exited(*id)
	act[api.ModifyInstanceCpuOptionsOutput](r, "ModifyInstanceCpuOptions", &api.ModifyInstanceCpuOptionsInput{InstanceId: id, CoreCount: ptr(int32(1)), ThreadsPerCore: ptr(int32(1))})
	act[api.CreateImageOutput](r, "CreateImage", &api.CreateImageInput{InstanceId: id, Name: ptr("saved")})
	act[api.StartInstancesOutput](r, "StartInstances", &api.StartInstancesInput{InstanceIds: those})
	r.started(*id)
	act[api.TerminateInstancesOutput](r, "TerminateInstances", &api.TerminateInstancesInput{InstanceIds: those})
}

func (r *rehearsed) images() {
	id := act[api.RegisterImageOutput](r, "RegisterImage", &api.RegisterImageInput{Name: ptr("mine"), ImageLocation: ptr("file:///srv/images/mine")}).ImageId
	act[api.ModifyImageAttributeOutput](r, "ModifyImageAttribute", &api.ModifyImageAttributeInput{ImageId: id, Description: &api.AttributeValue{Value: ptr("text")}})
	act[api.ResetImageAttributeOutput](r, "ResetImageAttribute", &api.ResetImageAttributeInput{ImageId: id, Attribute: ptr("launchPermission")})
	act[api.DeregisterImageOutput](r, "DeregisterImage", &api.DeregisterImageInput{ImageId: id})
}
