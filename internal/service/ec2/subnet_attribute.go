package ec2

import (
	"strconv"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// ModifySubnetAttribute changes one attribute. What only subnets with IPv6 or on
// an Outpost can have is refused.
func (s *Service) ModifySubnetAttribute(tx *state.Tx, c authz.Caller, in *api.ModifySubnetAttributeInput) (*api.ModifySubnetAttributeOutput, error) {
	if err := subnetKind.wellFormed(val(in.SubnetId)); err != nil {
		return nil, err
	}
	name, err := oneAttribute(
		attribute{"mapPublicIpOnLaunch", in.MapPublicIpOnLaunch != nil},
		attribute{"assignIpv6AddressOnCreation", in.AssignIpv6AddressOnCreation != nil},
		// The pool and whether to use it are one attribute.
		attribute{"mapCustomerOwnedIpOnLaunch", in.MapCustomerOwnedIpOnLaunch != nil || in.CustomerOwnedIpv4Pool != nil},
		attribute{"enableDns64", in.EnableDns64 != nil},
		attribute{"privateDnsHostnameTypeOnLaunch", in.PrivateDnsHostnameTypeOnLaunch != nil},
		attribute{"enableResourceNameDnsARecordOnLaunch", in.EnableResourceNameDnsARecordOnLaunch != nil},
		attribute{"enableResourceNameDnsAAAARecordOnLaunch", in.EnableResourceNameDnsAAAARecordOnLaunch != nil},
		attribute{"enableLniAtDeviceIndex", in.EnableLniAtDeviceIndex != nil},
		attribute{"disableLniAtDeviceIndex", in.DisableLniAtDeviceIndex != nil})
	if err != nil {
		return nil, err
	}
	old, err := subnet(tx, c, *in.SubnetId)
	if err != nil {
		return nil, err
	}
	const noIPv6 = "has no IPv6 CIDR block."
	const noOutpost = "is not on an Outpost."
	sub := *old
	var on bool
	switch name {
	case "mapPublicIpOnLaunch":
		sub.MapPublicIpOnLaunch, err = boolOf(name, in.MapPublicIpOnLaunch)
	case "privateDnsHostnameTypeOnLaunch":
		switch t := *in.PrivateDnsHostnameTypeOnLaunch; t {
		case "ip-name", "resource-name":
			sub.HostnameType = t
		default:
			err = awserr.InvalidParameterValue(name, t, "Valid values: ip-name, resource-name.")
		}
	case "enableResourceNameDnsARecordOnLaunch":
		sub.ResourceNameDnsA, err = boolOf(name, in.EnableResourceNameDnsARecordOnLaunch)
	case "enableResourceNameDnsAAAARecordOnLaunch":
		on, err = boolOf(name, in.EnableResourceNameDnsAAAARecordOnLaunch)
		err = refuseOn(err, on, name, sub.ID, noIPv6)
	case "assignIpv6AddressOnCreation":
		on, err = boolOf(name, in.AssignIpv6AddressOnCreation)
		err = refuseOn(err, on, name, sub.ID, noIPv6)
	case "enableDns64":
		on, err = boolOf(name, in.EnableDns64)
		err = refuseOn(err, on, name, sub.ID, noIPv6)
	case "mapCustomerOwnedIpOnLaunch":
		on = in.CustomerOwnedIpv4Pool != nil
		if in.MapCustomerOwnedIpOnLaunch != nil && !on {
			on, err = boolOf(name, in.MapCustomerOwnedIpOnLaunch)
		}
		err = refuseOn(err, on, name, sub.ID, noOutpost)
	case "enableLniAtDeviceIndex":
		err = awserr.InvalidParameterValue(name, strconv.Itoa(int(*in.EnableLniAtDeviceIndex)), "The subnet '"+sub.ID+"' "+noOutpost)
	case "disableLniAtDeviceIndex":
		_, err = boolOf(name, in.DisableLniAtDeviceIndex) // it is always disabled
	}
	if err != nil {
		return nil, err
	}
	state.Subnets.Put(tx, &sub)
	return &api.ModifySubnetAttributeOutput{}, nil
}

// refuseOn refuses to switch on what the subnet cannot have.
func refuseOn(err error, on bool, name, id, why string) error {
	if err == nil && on {
		return awserr.InvalidParameterValue(name, "true", "The subnet '"+id+"' "+why)
	}
	return err
}
