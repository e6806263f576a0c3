package ec2

import (
	"net/netip"
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/catalog"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

// nic is one interface of a launch: a new one in a subnet, or one that exists.
type nic struct {
	device   int32
	subnet   *state.Subnet
	existing *state.NetworkInterface // nil: a new one
	spec     interfaceSpec
	deleted  bool  // with the instance
	public   *bool // whether it gets a public address; nil: as the subnet says
}

// launchNetwork reads the network of a launch in its two forms, interfaces or
// instance-level parameters, and gives the interfaces in the order of their
// devices; there is always one at index 0.
func (s *Service) launchNetwork(r state.Reader, c authz.Caller, in *api.RunInstancesInput, most int32, kind *catalog.InstanceType) ([]nic, error) {
	var nics []nic
	var err error
	if len(in.NetworkInterfaces) > 0 {
		nics, err = interfaceForm(r, c, in, most)
	} else {
		nics, err = instanceForm(r, c, in, most)
	}
	if err != nil {
		return nil, err
	}
	if n := int32(len(nics)); n > kind.Interfaces {
		return nil, awserr.New("AttachmentLimitExceeded", "Interface count %d exceeds the limit for %s", n, kind.Name)
	}
	for _, n := range nics {
		if err := zoneMatches(in.Placement, n.subnet); err != nil {
			return nil, err
		}
		if n.subnet.VpcID != nics[0].subnet.VpcID {
			return nil, awserr.New("InvalidParameterValue", "Network interface attachments may not cross VPC boundaries.")
		}
		if n.subnet.AvailabilityZone != nics[0].subnet.AvailabilityZone {
			return nil, awserr.New("InvalidParameterCombination", "The subnets of an instance's network interfaces must be in one Availability Zone: %s is in %s, %s in %s.",
				nics[0].subnet.ID, nics[0].subnet.AvailabilityZone, n.subnet.ID, n.subnet.AvailabilityZone)
		}
		if err := noDelegation(kind, n.prefixes()); err != nil {
			return nil, err
		}
		if count := n.addresses() + n.prefixes(); count > int(kind.IPv4PerIface) {
			return nil, awserr.New("PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit: %d on one interface of %s, which has %d.", count, kind.Name, kind.IPv4PerIface)
		}
	}
	return nics, nil
}

// prefixes counts the prefixes that the interface will have.
func (n *nic) prefixes() int {
	if n.existing != nil {
		return len(n.existing.Prefixes)
	}
	return len(n.spec.Prefixes) + n.spec.PrefixCount
}

// addresses counts the private addresses that the interface will have.
func (n *nic) addresses() int {
	if n.existing != nil {
		return len(n.existing.Addresses)
	}
	count := len(n.spec.Addresses) + n.spec.SecondaryCount
	if !n.spec.Primary.IsValid() {
		count++
	}
	return count
}

// instanceForm reads SubnetId, groups and PrivateIpAddress: one interface.
func instanceForm(r state.Reader, c authz.Caller, in *api.RunInstancesInput, most int32) ([]nic, error) {
	if in.SubnetId != nil && len(in.SecurityGroups) > 0 {
		return nil, awserr.InvalidParameterCombination("The parameter groupName cannot be used with the parameter subnet")
	}
	sub, err := launchSubnet(r, c, in)
	if err != nil {
		return nil, err
	}
	n := nic{subnet: sub, deleted: true, spec: interfaceSpec{Groups: slices.Clone(in.SecurityGroupIds)}}
	for _, name := range in.SecurityGroups {
		g, err := groupInDefaultVpc(r, c, name)
		if err != nil {
			return nil, err
		}
		n.spec.Groups = append(n.spec.Groups, g.ID)
	}
	if in.PrivateIpAddress != nil {
		if most > 1 {
			return nil, oneInstanceOnly()
		}
		a, err := privateAddress(*in.PrivateIpAddress)
		if err != nil {
			return nil, err
		}
		n.spec.Addresses, n.spec.Primary = []netip.Addr{a}, a
	}
	return []nic{n}, nil
}

// launchSubnet finds the subnet of a launch: the one given, or the default one
// of the zone asked for, or of the first zone.
func launchSubnet(r state.Reader, c authz.Caller, in *api.RunInstancesInput) (*state.Subnet, error) {
	if in.SubnetId != nil {
		return subnet(r, c, *in.SubnetId)
	}
	v, ok := defaultVpc(r, c.Scope)
	if !ok {
		return nil, awserr.New("VPCIdNotSpecified", "No default VPC for this user. Specify a subnet.")
	}
	var first *state.Subnet // in the order of the zones
	for sub := range state.Subnets.By(r, state.ByVpc, v.ID) {
		if sub.DefaultForAz && zoneMatches(in.Placement, sub) == nil && (first == nil || sub.AvailabilityZone < first.AvailabilityZone) {
			first = sub
		}
	}
	if first == nil {
		return nil, awserr.New("MissingInput", "No subnets found for the default VPC '%s'. Please specify a subnet.", v.ID)
	}
	return first, nil
}

func oneInstanceOnly() error {
	return awserr.InvalidParameterCombination("Multiple instances creation is not compatible with private IP address or network interface ID parameters.")
}

// privateAddress reads an IPv4 address of a request.
func privateAddress(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is4() {
		return a, awserr.InvalidParameterValue("privateIpAddress", text, "Invalid IPv4 address.")
	}
	return a, nil
}

// interfaceForm reads NetworkInterface.N.
func interfaceForm(r state.Reader, c authz.Caller, in *api.RunInstancesInput, most int32) ([]nic, error) {
	switch {
	case in.SubnetId != nil:
		return nil, awserr.InvalidParameterCombination("Network interfaces and an instance-level subnet ID may not be specified on the same request")
	case len(in.SecurityGroupIds)+len(in.SecurityGroups) > 0:
		return nil, awserr.InvalidParameterCombination("Network interfaces and an instance-level security groups may not be specified on the same request")
	case in.PrivateIpAddress != nil:
		return nil, awserr.InvalidParameterCombination("Network interfaces and an instance-level private IP address may not be specified on the same request")
	}
	var nics []nic
	devices := map[int32]bool{}
	used := map[string]bool{}
	for _, e := range in.NetworkInterfaces {
		switch {
		case e.DeviceIndex == nil:
			return nil, awserr.New("InvalidParameterValue", "Each network interface requires a device index.")
		case devices[*e.DeviceIndex]:
			return nil, awserr.New("InvalidParameterValue", "Each network interface requires a unique device index.")
		}
		if err := checkDeviceIndex(*e.DeviceIndex); err != nil {
			return nil, err
		}
		devices[*e.DeviceIndex] = true
		if err := refusePublic(&e, len(in.NetworkInterfaces)); err != nil {
			return nil, err
		}
		if err := refuseInterface(&e); err != nil {
			return nil, err
		}
		var n nic
		var err error
		if e.NetworkInterfaceId != nil {
			if used[*e.NetworkInterfaceId] {
				return nil, awserr.New("InvalidParameterValue", "Network interface ID '%s' may not be specified on multiple interfaces.", *e.NetworkInterfaceId)
			}
			used[*e.NetworkInterfaceId] = true
			n, err = existingInterface(r, c, &e)
		} else {
			n, err = freshInterface(r, c, in, &e)
		}
		if err != nil {
			return nil, err
		}
		if most > 1 && (n.existing != nil || len(n.spec.Addresses) > 0) {
			return nil, oneInstanceOnly()
		}
		n.device = *e.DeviceIndex
		nics = append(nics, n)
	}
	if !devices[0] {
		return nil, awserr.New("UnsupportedOperation", "When specifying network interfaces, you must include a device at index 0.")
	}
	slices.SortFunc(nics, func(a, b nic) int { return int(a.device - b.device) })
	return nics, nil
}

// refusePublic says why an interface cannot be told whether it gets a public
// address: it must be new, at index 0 and the only one (EC2 API Reference,
// InstanceNetworkInterfaceSpecification).
func refusePublic(e *api.InstanceNetworkInterfaceSpecification, count int) error {
	switch {
	case e.AssociatePublicIpAddress == nil:
		return nil
	case e.NetworkInterfaceId != nil:
		return awserr.InvalidParameterCombination("A network interface may not specify both a network interface ID and associatePublicIPAddress")
	case count > 1:
		return awserr.InvalidParameterCombination("The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.")
	case *e.DeviceIndex != 0:
		return awserr.InvalidParameterCombination("The associatePublicIPAddress parameter can only be specified for the network interface with DeviceIndex 0.")
	}
	return nil
}

// refuseInterface says what an interface cannot have yet.
func refuseInterface(e *api.InstanceNetworkInterfaceSpecification) error {
	for _, no := range []struct {
		asked bool
		what  string
	}{
		{val(e.AssociateCarrierIpAddress), "Carrier addresses (AssociateCarrierIpAddress)"},
		{val(e.Ipv6AddressCount) > 0 || len(e.Ipv6Addresses) > 0 || val(e.PrimaryIpv6), "IPv6 addresses"},
		{len(e.Ipv6Prefixes) > 0 || val(e.Ipv6PrefixCount) > 0, "IPv6 prefixes"},
		{val(e.InterfaceType) != "" && *e.InterfaceType != "interface", "Interface types other than interface"},
		{val(e.NetworkCardIndex) != 0, "Further network cards"},
		{e.EnaSrdSpecification != nil && val(e.EnaSrdSpecification.EnaSrdEnabled), "ENA Express"},
		{e.ConnectionTrackingSpecification != nil, "Connection tracking timeouts"},
		{e.EnaQueueCount != nil, "ENA queue counts"},
	} {
		if no.asked {
			return awserr.New("UnsupportedOperation", "%s are not supported by localvpc yet; leave the parameter out.", no.what)
		}
	}
	return nil
}

// existingInterface takes an interface as it is.
func existingInterface(r state.Reader, c authz.Caller, e *api.InstanceNetworkInterfaceSpecification) (nic, error) {
	for _, also := range []struct {
		asked bool
		what  string
	}{
		{e.SubnetId != nil, "a subnet"},
		{e.PrivateIpAddress != nil || len(e.PrivateIpAddresses) > 0, "a private IP address"},
		{val(e.SecondaryPrivateIpAddressCount) > 0, "a secondary private IP address count"},
		{len(e.Ipv4Prefixes) > 0 || e.Ipv4PrefixCount != nil, "prefixes"},
		{len(e.Groups) > 0, "security groups"},
		{e.Description != nil, "a description"},
		{val(e.DeleteOnTermination), "delete on termination as true"},
	} {
		if also.asked {
			return nic{}, awserr.InvalidParameterCombination("A network interface may not specify both a network interface ID and %s", also.what)
		}
	}
	n, err := networkInterface(r, c, *e.NetworkInterfaceId)
	if err != nil {
		return nic{}, err
	}
	if n.Attachment != nil {
		return nic{}, awserr.New("InvalidNetworkInterface.InUse", "Interface: [%s] in use.", n.ID)
	}
	if n.RequesterManaged {
		return nic{}, awserr.New("AuthFailure", "You do not have permission to access the specified resource.")
	}
	sub, err := subnet(r, c, n.SubnetID)
	return nic{subnet: sub, existing: n}, err
}

// freshInterface reads what a new interface is to be. Without a subnet it is in
// the default one.
func freshInterface(r state.Reader, c authz.Caller, in *api.RunInstancesInput, e *api.InstanceNetworkInterfaceSpecification) (nic, error) {
	sub, err := launchSubnet(r, c, &api.RunInstancesInput{SubnetId: e.SubnetId, Placement: in.Placement})
	if awserr.Is(err, "VPCIdNotSpecified") {
		err = awserr.New("InvalidParameterValue", "Each network interface requires either a subnet or a network interface ID.")
	}
	if err != nil {
		return nic{}, err
	}
	n := nic{subnet: sub, deleted: e.DeleteOnTermination == nil || *e.DeleteOnTermination, public: e.AssociatePublicIpAddress,
		spec: interfaceSpec{Description: val(e.Description), Groups: slices.Clone(e.Groups)}}
	if err := checkInterfaceDescription(n.spec.Description); err != nil {
		return n, err
	}
	if err := n.spec.addresses(e.PrivateIpAddress, e.PrivateIpAddresses, e.SecondaryPrivateIpAddressCount); err != nil {
		return n, err
	}
	return n, n.spec.delegate(e.Ipv4Prefixes, e.Ipv4PrefixCount)
}

// addresses reads the private addresses of an interface in their three forms.
func (spec *interfaceSpec) addresses(primary *string, list []api.PrivateIpAddressSpecification, secondaries *int32) error {
	add := func(text string, first bool) error {
		a, err := privateAddress(text)
		if err != nil {
			return err
		}
		if first && spec.Primary.IsValid() {
			return awserr.InvalidParameterCombination("Only one primary private IP address can be specified.")
		}
		if first {
			spec.Primary = a
		}
		spec.Addresses = append(spec.Addresses, a)
		return nil
	}
	if primary != nil {
		if err := add(*primary, true); err != nil {
			return err
		}
	}
	for _, p := range list {
		if p.PrivateIpAddress == nil {
			return awserr.MissingParameter("PrivateIpAddress")
		}
		if err := add(*p.PrivateIpAddress, val(p.Primary)); err != nil {
			return err
		}
	}
	if n := val(secondaries); secondaries != nil {
		if len(list) > 0 {
			return awserr.InvalidParameterCombination("The parameter secondaryPrivateIpAddressCount cannot be used with the parameter privateIpAddresses")
		}
		if n < 1 || n > 50 {
			return awserr.New("InvalidParameterValue", "Value (%d) for parameter secondaryPrivateIpAddressCount is invalid. Valid values are between 1 and 50.", n)
		}
		spec.SecondaryCount = int(n)
	}
	return nil
}

// plug makes or takes the interfaces of a new instance and gives the primary
// one. After an error the ones that were made are gone.
func (s *Service) plug(tx *state.Tx, c authz.Caller, l *launch, i *state.Instance) (*state.NetworkInterface, error) {
	var primary *state.NetworkInterface
	var made []*state.NetworkInterface
	for _, want := range l.nics {
		a := &state.Attachment{
			ID: tx.ID("eni-attach"), InstanceID: i.ID, InstanceOwnerID: c.Account, DeviceIndex: want.device,
			Status: "attached", AttachTime: tx.Now(), DeleteOnTermination: want.deleted,
		}
		var n *state.NetworkInterface
		if want.existing != nil {
			taken := *want.existing
			taken.Attachment, taken.Status = a, "in-use"
			state.NetworkInterfaces.Put(tx, &taken)
			n = &taken
		} else {
			spec := want.spec
			spec.Attachment, spec.Tags = a, l.eniTags
			spec.AutoPublic = len(l.nics) == 1 && want.public == nil && want.subnet.MapPublicIpOnLaunch || val(want.public)
			var err error
			if n, err = s.newInterface(tx, c, want.subnet, spec); err != nil {
				unplug(tx, made)
				return nil, err
			}
			made = append(made, n)
			if n.AutoPublic {
				if n, err = publicip.Assign(tx, n); err != nil {
					unplug(tx, made)
					return nil, noCapacity(err)
				}
			}
		}
		if primary == nil {
			primary = n
		}
	}
	return primary, nil
}

func unplug(tx *state.Tx, made []*state.NetworkInterface) {
	for _, n := range made {
		publicip.Delete(tx, n)
	}
}
