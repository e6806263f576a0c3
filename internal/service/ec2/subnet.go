package ec2

import (
	"slices"
	"strconv"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/base/awsregion"
	"github.com/localvpc/localvpc/internal/base/cidr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// lastSubnetNumber is the highest number that the data plane can give a subnet's
// links; numbers are not used again in a VPC.
const lastSubnetNumber = 65000

// CreateSubnet makes a subnet in a part of the VPC's blocks that no other has.
func (s *Service) CreateSubnet(tx *state.Tx, c authz.Caller, in *api.CreateSubnetInput) (*api.CreateSubnetOutput, error) {
	tags, err := tagsOf(in.TagSpecifications, "subnet")
	if err != nil {
		return nil, err
	}
	if err := vpcKind.wellFormed(val(in.VpcId)); err != nil {
		return nil, err
	}
	switch {
	case in.Ipv4IpamPoolId != nil || in.Ipv4NetmaskLength != nil || in.Ipv6IpamPoolId != nil || in.Ipv6NetmaskLength != nil:
		return nil, awserr.New("UnsupportedOperation", "localvpc has no IPAM pools: give the subnet's CidrBlock instead.")
	case in.Ipv6CidrBlock != nil || val(in.Ipv6Native):
		return nil, awserr.New("UnsupportedOperation", "localvpc does not give subnets IPv6 CIDR blocks yet: create the subnet without one.")
	case in.OutpostArn != nil:
		return nil, awserr.New("UnsupportedOperation", "localvpc has no Outposts: create the subnet in an Availability Zone.")
	case in.CidrBlock == nil:
		return nil, awserr.MissingParameter("cidrBlock")
	}
	block, err := ipv4Block("cidrBlock", *in.CidrBlock)
	if err != nil {
		return nil, err
	}
	old, err := vpc(tx, c, *in.VpcId)
	if err != nil {
		return nil, err
	}
	if !cidr.Sized(block) || !slices.ContainsFunc(old.Cidrs, func(a state.CidrAssociation) bool { return cidr.Within(a.Cidr, block) }) {
		return nil, awserr.New("InvalidSubnet.Range", "The CIDR '%s' is invalid.", awserr.Clip(*in.CidrBlock))
	}
	perZone := map[string]int{}
	for other := range state.Subnets.By(tx, state.ByVpc, old.ID) {
		if other.Cidr.Overlaps(block) {
			return nil, awserr.New("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", block)
		}
		perZone[other.AvailabilityZone]++
	}
	zone, err := zoneFor(c.Region, in.AvailabilityZone, in.AvailabilityZoneId, perZone)
	if err != nil {
		return nil, err
	}
	if err := s.roomForSubnet(tx, c, old); err != nil {
		return nil, err
	}
	sub := &state.Subnet{Cidr: block, AvailabilityZone: zone.Name, AvailabilityZoneID: zone.ID, HostnameType: "ip-name"}
	sub.Tags = tags
	putSubnet(tx, old, sub)
	return &api.CreateSubnetOutput{Subnet: ptr(apiSubnet(tx, sub))}, nil
}

// roomForSubnet says whether the VPC may have one more subnet.
func (s *Service) roomForSubnet(r state.Reader, c authz.Caller, v *state.Vpc) error {
	n := 1
	for range state.Subnets.By(r, state.ByVpc, v.ID) {
		n++
	}
	if err := s.within(r, c, "subnets-per-vpc", n); err != nil {
		return err
	}
	if v.LastSubnetNumber == lastSubnetNumber {
		return awserr.New("SubnetLimitExceeded", "The vpc '%s' has had %d subnets, the most that localvpc can number: create another VPC.", v.ID, lastSubnetNumber)
	}
	return nil
}

// putSubnet completes a new subnet, with the VPC's default ACL, and gives the
// VPC as it is then.
func putSubnet(tx *state.Tx, old *state.Vpc, sub *state.Subnet) *state.Vpc {
	v := *old
	v.LastSubnetNumber++
	state.Vpcs.Put(tx, &v)
	tags := sub.Tags
	sub.Meta = tx.Meta(v.Scope(), "subnet")
	sub.Tags = tags
	sub.VpcID, sub.State, sub.Number = v.ID, "available", v.LastSubnetNumber
	state.Subnets.Put(tx, sub)
	for old := range state.NetworkAcls.By(tx, state.ByVpc, v.ID) {
		if old.IsDefault {
			acl := *old
			acl.Associations = append(slices.Clone(acl.Associations), state.NetworkAclAssociation{ID: tx.ID("aclassoc"), SubnetID: sub.ID})
			state.NetworkAcls.Put(tx, &acl)
			break
		}
	}
	return &v
}

// zoneFor finds the zone that a request names, by name or id; if by neither, the
// first of those with the fewest subnets, so that they spread.
func zoneFor(region string, name, id *string, perZone map[string]int) (awsregion.Zone, error) {
	zones := awsregion.Zones(region)
	switch {
	case name != nil && id != nil:
		return awsregion.Zone{}, awserr.InvalidParameterCombination("You can specify AvailabilityZone or AvailabilityZoneId, not both.")
	case name != nil:
		return zoneNamed(zones, "availabilityZone", *name, func(z awsregion.Zone) string { return z.Name })
	case id != nil:
		return zoneNamed(zones, "availabilityZoneId", *id, func(z awsregion.Zone) string { return z.ID })
	case len(zones) == 0:
		return awsregion.Zone{}, awserr.InvalidParameterValue("region", region, "The Region has no Availability Zones.")
	}
	return slices.MinFunc(zones, func(a, b awsregion.Zone) int { return perZone[a.Name] - perZone[b.Name] }), nil
}

func zoneNamed(zones []awsregion.Zone, parameter, text string, of func(awsregion.Zone) string) (awsregion.Zone, error) {
	var all []string
	for _, z := range zones {
		if of(z) == text {
			return z, nil
		}
		all = append(all, of(z))
	}
	return awsregion.Zone{}, awserr.InvalidParameterValue(parameter, text,
		"Subnets can currently only be created in the following availability zones: "+strings.Join(all, ", ")+".")
}

// DescribeSubnets lists subnets.
func (s *Service) DescribeSubnets(r state.Reader, c authz.Caller, in *api.DescribeSubnetsInput) (*api.DescribeSubnetsOutput, error) {
	rows, next, err := subnetKind.describe(r, c, query[state.Subnet]{
		action: "DescribeSubnets", ids: in.SubnetIds, filters: in.Filters, max: in.MaxResults, token: in.NextToken,
		by: subnetFilters, also: subnetLookups,
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeSubnetsOutput{NextToken: next, Subnets: make([]api.Subnet, 0, len(rows))}
	for _, sub := range rows {
		out.Subnets = append(out.Subnets, apiSubnet(r, sub))
	}
	return out, nil
}

var subnetFilters = filters[state.Subnet]{
	"availability-zone":    func(s *state.Subnet) []string { return []string{s.AvailabilityZone} },
	"availability-zone-id": func(s *state.Subnet) []string { return []string{s.AvailabilityZoneID} },
	"cidr-block":           func(s *state.Subnet) []string { return []string{s.Cidr.String()} },
	"cidr":                 func(s *state.Subnet) []string { return []string{s.Cidr.String()} },
	"default-for-az":       func(s *state.Subnet) []string { return yes(s.DefaultForAz) },
	"enable-dns64":         func(s *state.Subnet) []string { return yes(s.EnableDns64) },
	"map-customer-owned-ip-on-launch": func(s *state.Subnet) []string {
		return yes(s.MapCustomerOwnedIP)
	},
	"map-public-ip-on-launch": func(s *state.Subnet) []string { return yes(s.MapPublicIpOnLaunch) },
	"owner-id":                func(s *state.Subnet) []string { return []string{s.Account} },
	"private-dns-name-options-on-launch.hostname-type": func(s *state.Subnet) []string {
		return []string{s.HostnameType}
	},
	"private-dns-name-options-on-launch.enable-resource-name-dns-a-record": func(s *state.Subnet) []string {
		return yes(s.ResourceNameDnsA)
	},
	"private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": func(s *state.Subnet) []string {
		return yes(s.ResourceNameDnsAAAA)
	},
	"state":      func(s *state.Subnet) []string { return []string{s.State} },
	"subnet-arn": func(s *state.Subnet) []string { return []string{subnetArn(s)} },
	"subnet-id":  func(s *state.Subnet) []string { return []string{s.ID} },
	"vpc-id":     func(s *state.Subnet) []string { return []string{s.VpcID} },
	// Subnets have no IPv6 blocks yet and no Outposts at all.
	"ipv6-native":                                 func(*state.Subnet) []string { return yes(false) },
	"customer-owned-ipv4-pool":                    func(*state.Subnet) []string { return nil },
	"enable-lni-at-device-index":                  func(*state.Subnet) []string { return nil },
	"outpost-arn":                                 func(*state.Subnet) []string { return nil },
	"ipv6-cidr-block-association.ipv6-cidr-block": func(*state.Subnet) []string { return nil },
	"ipv6-cidr-block-association.association-id":  func(*state.Subnet) []string { return nil },
	"ipv6-cidr-block-association.state":           func(*state.Subnet) []string { return nil },
}

var subnetLookups = lookups[state.Subnet]{
	"available-ip-address-count": func(r state.Reader, s *state.Subnet) []string {
		return []string{strconv.Itoa(availableAddresses(r, s))}
	},
}

// availableAddresses counts what is left for interfaces.
func availableAddresses(r state.Reader, s *state.Subnet) int {
	n := cidr.Usable(s.Cidr)
	for eni := range state.NetworkInterfaces.By(r, state.BySubnet, s.ID) {
		for _, a := range eni.Addresses {
			if a.Addr.Is4() {
				n--
			}
		}
		n -= prefixSize * len(eni.Prefixes)
	}
	return n
}

func subnetArn(s *state.Subnet) string {
	return awsid.ARN("ec2", s.Region, s.Account, "subnet/"+s.ID)
}

func apiSubnet(r state.Reader, s *state.Subnet) api.Subnet {
	return api.Subnet{
		SubnetId: ptr(s.ID), SubnetArn: ptr(subnetArn(s)), OwnerId: ptr(s.Account), VpcId: ptr(s.VpcID), State: ptr(s.State),
		CidrBlock: ptr(s.Cidr.String()), AvailableIpAddressCount: ptr(int32(availableAddresses(r, s))),
		AvailabilityZone: ptr(s.AvailabilityZone), AvailabilityZoneId: ptr(s.AvailabilityZoneID),
		DefaultForAz: ptr(s.DefaultForAz), MapPublicIpOnLaunch: ptr(s.MapPublicIpOnLaunch),
		MapCustomerOwnedIpOnLaunch: ptr(s.MapCustomerOwnedIP), AssignIpv6AddressOnCreation: ptr(s.AssignIpv6OnCreation),
		Ipv6CidrBlockAssociationSet: []api.SubnetIpv6CidrBlockAssociation{},
		EnableDns64:                 ptr(s.EnableDns64), Ipv6Native: ptr(false),
		PrivateDnsNameOptionsOnLaunch: &api.PrivateDnsNameOptionsOnLaunch{
			HostnameType:                    ptr(s.HostnameType),
			EnableResourceNameDnsARecord:    ptr(s.ResourceNameDnsA),
			EnableResourceNameDnsAAAARecord: ptr(s.ResourceNameDnsAAAA),
		},
		BlockPublicAccessStates: &api.BlockPublicAccessStates{InternetGatewayBlockMode: ptr("off")},
		Tags:                    apiTags(s.Tags),
	}
}

// DeleteSubnet removes a subnet in which no interface is left.
func (s *Service) DeleteSubnet(tx *state.Tx, c authz.Caller, in *api.DeleteSubnetInput) (*api.DeleteSubnetOutput, error) {
	sub, err := subnet(tx, c, val(in.SubnetId))
	if err != nil {
		return nil, err
	}
	for range state.NetworkInterfaces.By(tx, state.BySubnet, sub.ID) {
		return nil, awserr.New("DependencyViolation", "The subnet '%s' has dependencies and cannot be deleted.", sub.ID)
	}
	for old := range state.NetworkAcls.By(tx, state.BySubnet, sub.ID) {
		acl := *old
		acl.Associations = slices.DeleteFunc(slices.Clone(acl.Associations), func(a state.NetworkAclAssociation) bool { return a.SubnetID == sub.ID })
		state.NetworkAcls.Put(tx, &acl)
	}
	for old := range state.RouteTables.By(tx, state.BySubnet, sub.ID) {
		table := *old
		table.Associations = slices.DeleteFunc(slices.Clone(table.Associations), func(a state.RouteTableAssociation) bool { return a.SubnetID == sub.ID })
		state.RouteTables.Put(tx, &table)
	}
	state.Subnets.Delete(tx, sub.Key)
	return &api.DeleteSubnetOutput{}, nil
}

// GetSubnetCidrReservations lists the ranges that are kept free in a subnet:
// none can be made yet.
func (s *Service) GetSubnetCidrReservations(r state.Reader, c authz.Caller, in *api.GetSubnetCidrReservationsInput) (*api.GetSubnetCidrReservationsOutput, error) {
	if _, err := subnet(r, c, val(in.SubnetId)); err != nil {
		return nil, err
	}
	err := nothing("GetSubnetCidrReservations", c, in.Filters, in.MaxResults, in.NextToken, "reservationType", "subnet-id")
	if err != nil {
		return nil, err
	}
	return &api.GetSubnetCidrReservationsOutput{
		SubnetIpv4CidrReservations: []api.SubnetCidrReservation{}, SubnetIpv6CidrReservations: []api.SubnetCidrReservation{},
	}, nil
}
