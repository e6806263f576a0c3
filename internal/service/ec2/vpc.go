package ec2

import (
	"net/netip"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/cidr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

// CreateVpc makes a VPC with what AWS puts into each: a main route table, a
// default network ACL and a default security group.
func (s *Service) CreateVpc(tx *state.Tx, c authz.Caller, in *api.CreateVpcInput) (*api.CreateVpcOutput, error) {
	tags, err := tagsOf(in.TagSpecifications, "vpc")
	if err != nil {
		return nil, err
	}
	switch {
	case in.Ipv4IpamPoolId != nil || in.Ipv4NetmaskLength != nil || in.Ipv6IpamPoolId != nil || in.Ipv6NetmaskLength != nil:
		return nil, awserr.New("UnsupportedOperation", "localvpc has no IPAM pools: give the VPC's CidrBlock instead.")
	case val(in.AmazonProvidedIpv6CidrBlock) || in.Ipv6CidrBlock != nil || in.Ipv6Pool != nil || in.Ipv6CidrBlockNetworkBorderGroup != nil:
		return nil, awserr.New("UnsupportedOperation", "localvpc does not give VPCs IPv6 CIDR blocks yet: create the VPC without one.")
	case in.VpcEncryptionControl != nil:
		return nil, awserr.New("UnsupportedOperation", "localvpc does not encrypt traffic between instances: create the VPC without VpcEncryptionControl.")
	case in.CidrBlock == nil:
		return nil, awserr.MissingParameter("cidrBlock")
	}
	block, err := ipv4Block("cidrBlock", *in.CidrBlock)
	if err != nil {
		return nil, err
	}
	if !cidr.AllowedForVpc(block) {
		return nil, awserr.New("InvalidVpc.Range", "The CIDR '%s' is invalid.", awserr.Clip(*in.CidrBlock))
	}
	tenancy := val(in.InstanceTenancy)
	switch tenancy {
	case "":
		tenancy = "default"
	case "default", "dedicated":
	default:
		return nil, awserr.InvalidParameterValue("instanceTenancy", tenancy, "Use default or dedicated only.")
	}
	if err := s.roomForVpc(tx, c); err != nil {
		return nil, err
	}
	v := newVpc(tx, c.Scope, block)
	v.InstanceTenancy, v.Tags = tenancy, tags
	state.Vpcs.Put(tx, v)
	createDefaults(tx, v)
	return &api.CreateVpcOutput{Vpc: ptr(apiVpc(v))}, nil
}

// roomForVpc says whether the account may have one more VPC in the Region.
func (s *Service) roomForVpc(r state.Reader, c authz.Caller) error {
	n := 1
	for range state.Vpcs.In(r, c.Scope) {
		n++
	}
	return s.within(r, c, "vpcs-per-region", n)
}

func newVpc(tx *state.Tx, scope state.Scope, block netip.Prefix) *state.Vpc {
	return &state.Vpc{
		Meta:             tx.Meta(scope, "vpc"),
		State:            "available",
		Cidrs:            []state.CidrAssociation{{ID: tx.ID("vpc-cidr-assoc"), Cidr: block, State: "associated"}},
		DhcpOptionsID:    defaultDhcpOptions(tx, scope),
		InstanceTenancy:  "default",
		EnableDnsSupport: true,
	}
}

// createDefaults makes what every VPC has from the start and cannot lose (VPC
// User Guide, "Main route table", "Default network ACL", "Default security
// group").
func createDefaults(tx *state.Tx, v *state.Vpc) {
	scope := v.Key.Scope()
	anywhere := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	state.RouteTables.Put(tx, &state.RouteTable{
		Meta:         tx.Meta(scope, "rtb"),
		VpcID:        v.ID,
		Number:       freeRouteTableNumber(tx, v.ID),
		Routes:       []state.Route{localRoute(v.Primary())},
		Associations: []state.RouteTableAssociation{{ID: tx.ID("rtbassoc"), Main: true}},
	})
	acl := &state.NetworkAcl{Meta: tx.Meta(scope, "acl"), VpcID: v.ID, IsDefault: true}
	for _, egress := range []bool{false, true} {
		acl.Entries = append(acl.Entries, entryForAll(100, egress, true), entryForAll(state.DefaultAclRule, egress, false))
	}
	state.NetworkAcls.Put(tx, acl)
	group := &state.SecurityGroup{Meta: tx.Meta(scope, "sg"), VpcID: v.ID, Name: "default", Description: "default VPC security group"}
	state.SecurityGroups.Put(tx, group)
	for _, rule := range []state.SecurityGroupRule{
		{Peer: state.Peer{GroupID: group.ID, UserID: scope.Account}},
		{Peer: state.Peer{Cidr: anywhere}, Egress: true},
	} {
		rule.Meta = tx.Meta(scope, "sgr")
		rule.GroupID, rule.Protocol, rule.FromPort, rule.ToPort = group.ID, "-1", -1, -1
		state.SecurityGroupRules.Put(tx, &rule)
	}
}

// ipv4Block reads an IPv4 CIDR block into the form that AWS keeps: with the
// host's bits cleared.
func ipv4Block(parameter, text string) (netip.Prefix, error) {
	block, err := cidr.Parse(text)
	if err != nil || !block.Addr().Is4() {
		return netip.Prefix{}, awserr.InvalidParameterValue(parameter, text, "This is not a valid CIDR block.")
	}
	return block, nil
}

// DescribeVpcs lists VPCs.
func (s *Service) DescribeVpcs(r state.Reader, c authz.Caller, in *api.DescribeVpcsInput) (*api.DescribeVpcsOutput, error) {
	rows, next, err := vpcKind.describe(r, c, query[state.Vpc]{
		action: "DescribeVpcs", ids: in.VpcIds, filters: in.Filters, max: in.MaxResults, token: in.NextToken, by: vpcFilters,
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeVpcsOutput{NextToken: next, Vpcs: make([]api.Vpc, 0, len(rows))}
	for _, v := range rows {
		out.Vpcs = append(out.Vpcs, apiVpc(v))
	}
	return out, nil
}

var vpcFilters = filters[state.Vpc]{
	"cidr":                                  func(v *state.Vpc) []string { return []string{v.Primary().String()} },
	"cidr-block":                            func(v *state.Vpc) []string { return []string{v.Primary().String()} },
	"cidr-block-association.cidr-block":     vpcAssociations(func(a state.CidrAssociation) string { return a.Cidr.String() }),
	"cidr-block-association.association-id": vpcAssociations(func(a state.CidrAssociation) string { return a.ID }),
	"cidr-block-association.state":          vpcAssociations(func(a state.CidrAssociation) string { return a.State }),
	"dhcp-options-id":                       func(v *state.Vpc) []string { return []string{v.DhcpOptionsID} },
	// VPCs have no IPv6 blocks yet.
	"ipv6-cidr-block-association.ipv6-cidr-block": func(*state.Vpc) []string { return nil },
	"ipv6-cidr-block-association.ipv6-pool":       func(*state.Vpc) []string { return nil },
	"ipv6-cidr-block-association.association-id":  func(*state.Vpc) []string { return nil },
	"ipv6-cidr-block-association.state":           func(*state.Vpc) []string { return nil },
	"is-default":                                  func(v *state.Vpc) []string { return yes(v.IsDefault) },
	"owner-id":                                    func(v *state.Vpc) []string { return []string{v.Account} },
	"state":                                       func(v *state.Vpc) []string { return []string{v.State} },
	"vpc-id":                                      func(v *state.Vpc) []string { return []string{v.ID} },
}

func vpcAssociations(text func(state.CidrAssociation) string) func(*state.Vpc) []string {
	return func(v *state.Vpc) []string {
		out := make([]string, len(v.Cidrs))
		for i, a := range v.Cidrs {
			out[i] = text(a)
		}
		return out
	}
}

func apiVpc(v *state.Vpc) api.Vpc {
	out := api.Vpc{
		VpcId: ptr(v.ID), OwnerId: ptr(v.Account), State: ptr(v.State), CidrBlock: ptr(v.Primary().String()),
		DhcpOptionsId: ptr(v.DhcpOptionsID), InstanceTenancy: ptr(v.InstanceTenancy), IsDefault: ptr(v.IsDefault),
		BlockPublicAccessStates: &api.BlockPublicAccessStates{InternetGatewayBlockMode: ptr("off")},
		Tags:                    apiTags(v.Tags),
	}
	for _, a := range v.Cidrs {
		out.CidrBlockAssociationSet = append(out.CidrBlockAssociationSet, apiCidrAssociation(a))
	}
	return out
}

// DeleteVpc removes a VPC in which nothing is left but its defaults, and them.
// Its peering connections and its own requests for one are deleted with it;
// somebody else's request has to be rejected first (VPC Peering Guide, "Delete a
// VPC peering connection").
func (s *Service) DeleteVpc(tx *state.Tx, c authz.Caller, in *api.DeleteVpcInput) (*api.DeleteVpcOutput, error) {
	v, err := vpc(tx, c, val(in.VpcId))
	if err != nil {
		return nil, err
	}
	if vpcInUse(tx, v) {
		return nil, awserr.New("DependencyViolation", "The vpc '%s' has dependencies and cannot be deleted.", v.ID)
	}
	for g := range state.SecurityGroups.By(tx, state.ByVpc, v.ID) {
		for rule := range state.SecurityGroupRules.By(tx, state.ByGroup, g.ID) {
			state.SecurityGroupRules.Delete(tx, rule.Key)
		}
		state.SecurityGroups.Delete(tx, g.Key)
	}
	for t := range state.RouteTables.By(tx, state.ByVpc, v.ID) {
		state.RouteTables.Delete(tx, t.Key)
	}
	for a := range state.NetworkAcls.By(tx, state.ByVpc, v.ID) {
		state.NetworkAcls.Delete(tx, a.Key)
	}
	for p := range state.VpcPeerings.By(tx, state.ByVpc, v.ID) {
		if _, _, ok := p.Of(v.Key); ok && (p.Active() || p.Status == state.PeeringPending) {
			lifecycle.EndPeering(tx, p, state.PeeringDeleted, c.Account)
		}
	}
	state.Vpcs.Delete(tx, v.Key)
	return &api.DeleteVpcOutput{}, nil
}

// vpcInUse says whether anything but the defaults is left in the VPC.
func vpcInUse(r state.Reader, v *state.Vpc) bool {
	for range state.Subnets.By(r, state.ByVpc, v.ID) {
		return true
	}
	for range state.NetworkInterfaces.By(r, state.ByVpc, v.ID) {
		return true
	}
	if _, ok := gatewayOf(r, v.Key); ok {
		return true
	}
	for g := range state.SecurityGroups.By(r, state.ByVpc, v.ID) {
		if !g.IsDefault() {
			return true
		}
	}
	for t := range state.RouteTables.By(r, state.ByVpc, v.ID) {
		if !t.IsMain() {
			return true
		}
	}
	for a := range state.NetworkAcls.By(r, state.ByVpc, v.ID) {
		if !a.IsDefault {
			return true
		}
	}
	for p := range state.VpcPeerings.By(r, state.ByVpc, v.ID) {
		if p.Accepter.Vpc == v.Key && p.Status == state.PeeringPending && p.Requester.Vpc.Account != v.Account {
			return true
		}
	}
	return false
}

// ModifyVpcTenancy takes a VPC back to the default tenancy, the one change there
// is.
func (s *Service) ModifyVpcTenancy(tx *state.Tx, c authz.Caller, in *api.ModifyVpcTenancyInput) (*api.ModifyVpcTenancyOutput, error) {
	old, err := vpc(tx, c, val(in.VpcId))
	if err != nil {
		return nil, err
	}
	if t := val(in.InstanceTenancy); t != "default" {
		return nil, awserr.InvalidParameterValue("instanceTenancy", t, "The tenancy of a VPC can only be changed to default.")
	}
	v := *old
	v.InstanceTenancy = "default"
	state.Vpcs.Put(tx, &v)
	return &api.ModifyVpcTenancyOutput{ReturnValue: ptr(true)}, nil
}
