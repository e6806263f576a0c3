package ec2

import (
	"net/netip"
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsregion"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// What a default VPC and its subnets are (VPC User Guide, "Default VPCs").
var defaultVpcBlock = netip.MustParsePrefix("172.31.0.0/16")

const defaultSubnetBits = 20

// makeDefaultVpc makes the VPC that launches without a subnet are in: a public
// subnet in each zone, in the order of the zones, an internet gateway and a
// route to it.
func makeDefaultVpc(tx *state.Tx, scope state.Scope) *state.Vpc {
	v := newVpc(tx, scope, defaultVpcBlock)
	v.IsDefault, v.EnableDnsHostnames = true, true
	state.Vpcs.Put(tx, v)
	createDefaults(tx, v)
	gateway := &state.InternetGateway{Meta: tx.Meta(scope, "igw"), VpcID: v.ID}
	state.InternetGateways.Put(tx, gateway)
	for old := range state.RouteTables.By(tx, state.ByVpc, v.ID) {
		main := *old
		main.Routes = append(slices.Clone(main.Routes), state.Route{
			Destination: netip.PrefixFrom(netip.IPv4Unspecified(), 0), GatewayID: gateway.ID, Origin: "CreateRoute",
		})
		state.RouteTables.Put(tx, &main)
	}
	for _, zone := range awsregion.Zones(scope.Region) {
		block, ok := freeDefaultBlock(tx, v)
		if !ok {
			break // no Region has more than 16 zones
		}
		sub := defaultSubnet(block, zone)
		v = putSubnet(tx, v, &sub)
	}
	return v
}

// freeDefaultBlock is the first block of a default subnet's size that no subnet
// of the VPC is in.
func freeDefaultBlock(r state.Reader, v *state.Vpc) (netip.Prefix, bool) {
	for block := netip.PrefixFrom(v.Primary().Addr(), defaultSubnetBits); v.Contains(block.Addr()); block = nextBlock(block) {
		free := true
		for sub := range state.Subnets.By(r, state.ByVpc, v.ID) {
			free = free && !sub.Cidr.Overlaps(block)
		}
		if free {
			return block, true
		}
	}
	return netip.Prefix{}, false
}

// nextBlock is the IPv4 block of the same size behind a block.
func nextBlock(p netip.Prefix) netip.Prefix {
	a := p.Addr().As4()
	n := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
	n += 1 << (32 - p.Bits())
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), p.Bits())
}

func defaultSubnet(block netip.Prefix, zone awsregion.Zone) state.Subnet {
	return state.Subnet{
		Cidr: block, AvailabilityZone: zone.Name, AvailabilityZoneID: zone.ID,
		HostnameType: "ip-name", DefaultForAz: true, MapPublicIpOnLaunch: true,
	}
}

// CreateDefaultVpc makes the default VPC anew after it was deleted.
func (s *Service) CreateDefaultVpc(tx *state.Tx, c authz.Caller, _ *api.CreateDefaultVpcInput) (*api.CreateDefaultVpcOutput, error) {
	if _, ok := defaultVpc(tx, c.Scope); ok {
		return nil, awserr.New("DefaultVpcAlreadyExists", "A Default VPC already exists for this account in this region.")
	}
	if err := s.roomForVpc(tx, c); err != nil {
		return nil, err
	}
	return &api.CreateDefaultVpcOutput{Vpc: ptr(apiVpc(makeDefaultVpc(tx, c.Scope)))}, nil
}

// CreateDefaultSubnet makes the default subnet of a zone anew after it was
// deleted.
func (s *Service) CreateDefaultSubnet(tx *state.Tx, c authz.Caller, in *api.CreateDefaultSubnetInput) (*api.CreateDefaultSubnetOutput, error) {
	switch {
	case val(in.Ipv6Native):
		return nil, awserr.New("UnsupportedOperation", "localvpc does not give subnets IPv6 CIDR blocks yet: create the default subnet without Ipv6Native.")
	case in.AvailabilityZone == nil && in.AvailabilityZoneId == nil:
		return nil, awserr.MissingParameter("availabilityZone")
	}
	zone, err := zoneFor(c.Region, in.AvailabilityZone, in.AvailabilityZoneId, nil)
	if err != nil {
		return nil, err
	}
	v, ok := defaultVpc(tx, c.Scope)
	if !ok {
		return nil, awserr.New("DefaultVpcDoesNotExist", "There is no Default VPC for this account in this region.")
	}
	for sub := range state.Subnets.By(tx, state.ByVpc, v.ID) {
		if sub.DefaultForAz && sub.AvailabilityZone == zone.Name {
			return nil, awserr.New("DefaultSubnetAlreadyExistsInAvailabilityZone", "'%s' is already the default subnet in %s.", sub.ID, zone.Name)
		}
	}
	if err := s.roomForSubnet(tx, c, v); err != nil {
		return nil, err
	}
	block, ok := freeDefaultBlock(tx, v)
	if !ok {
		return nil, awserr.New("CidrConflict", "The default vpc '%s' has no free block of the size /%d: delete a subnet.", v.ID, defaultSubnetBits)
	}
	sub := defaultSubnet(block, zone)
	putSubnet(tx, v, &sub)
	return &api.CreateDefaultSubnetOutput{Subnet: ptr(apiSubnet(tx, &sub))}, nil
}
