package ec2

import (
	"net/netip"
	"slices"

	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/privateip"
	"github.com/localvpc/localvpc/internal/state"
)

// interfaceSpec is what a new interface is to be; the zero value gives an
// interface with one address of the subnet's, in the VPC's default group.
type interfaceSpec struct {
	Description    string
	Groups         []string       // ids; empty: the default group
	Addresses      []netip.Addr   // asked for, the primary first unless Primary says otherwise
	Primary        netip.Addr     // which of Addresses is the primary; zero: one is chosen
	SecondaryCount int            // further addresses, chosen
	Prefixes       []netip.Prefix // delegated ones asked for
	PrefixCount    int            // further ones, chosen
	InterfaceType  string         // empty: "interface"
	Requester      string         // the service of AWS's that makes and keeps the interface: it is in no group, and forwards for others
	Tags           state.Tags
	Attachment     *state.Attachment // nil: the interface is available
	AutoPublic     bool              // it is to have a public address
}

// AWS's own services attach their interfaces to machines that nobody sees: the
// attachment has no instance.
const (
	requesterAWS      = "amazon-aws"
	serviceAttachment = "ela-attach"
)

// newInterface makes an interface in a subnet of the caller. Errors:
// InvalidGroup.NotFound, InvalidParameter for a group of another VPC,
// SecurityGroupsPerInterfaceLimitExceeded, NetworkInterfaceLimitExceeded,
// InvalidParameterValue for an address that the subnet does not give,
// InvalidIPAddress.InUse, InsufficientFreeAddressesInSubnet.
func (s *Service) newInterface(tx *state.Tx, c authz.Caller, sub *state.Subnet, spec interfaceSpec) (*state.NetworkInterface, error) {
	var groups []string
	var err error
	if spec.Requester == "" {
		if groups, err = s.groupsOf(tx, c, sub.VpcID, spec.Groups, func(id string) error {
			return awserr.New("InvalidParameter", "Security group %s and subnet %s belong to different networks.", id, sub.ID)
		}); err != nil {
			return nil, err
		}
	}
	mac, count := privateip.MAC(tx, c.Scope)
	if err := s.within(tx, c, "network-interfaces-per-region", count+1); err != nil {
		return nil, err
	}
	n := &state.NetworkInterface{
		Meta:  tx.Meta(c.Scope, "eni"),
		VpcID: sub.VpcID, SubnetID: sub.ID,
		AvailabilityZone: sub.AvailabilityZone, AvailabilityZoneID: sub.AvailabilityZoneID,
		Description: spec.Description, InterfaceType: spec.InterfaceType,
		MAC: mac, Groups: groups, SourceDestCheck: true,
		Status: "available", Attachment: spec.Attachment, AutoPublic: spec.AutoPublic,
	}
	n.Tags = spec.Tags
	if n.InterfaceType == "" {
		n.InterfaceType = "interface"
	}
	if spec.Requester != "" {
		n.RequesterID, n.RequesterManaged, n.SourceDestCheck = spec.Requester, true, false
		n.Attachment = &state.Attachment{
			ID: tx.ID(serviceAttachment), InstanceOwnerID: spec.Requester, DeviceIndex: 1, Status: "attached", AttachTime: tx.Now(),
		}
	}
	if n.Attachment != nil {
		n.Status = "in-use"
	}
	if err = addPrefixes(tx, sub, n, spec.Prefixes, 0); err != nil {
		return nil, err
	}
	if n.Addresses, err = chooseAddresses(tx, sub, spec); err != nil {
		return nil, err
	}
	if err = addPrefixes(tx, sub, n, nil, spec.PrefixCount); err != nil {
		return nil, err
	}
	state.NetworkInterfaces.Put(tx, n)
	return n, nil
}

// interfaceGroups checks the groups that an interface of the VPC is to be in
// from now on.
func (s *Service) interfaceGroups(r state.Reader, c authz.Caller, vpcID string, ids []string) ([]string, error) {
	return s.groupsOf(r, c, vpcID, ids, func(string) error { return differentNetworks() })
}

// groupsOf gives each group once, and the VPC's default group for none. foreign
// makes the error for a group of another VPC, which AWS words in several ways.
func (s *Service) groupsOf(r state.Reader, c authz.Caller, vpcID string, ids []string, foreign func(id string) error) ([]string, error) {
	if len(ids) == 0 {
		if g, ok := groupByName(r, vpcID, "default"); ok {
			return []string{g.ID}, nil
		}
	}
	var out []string
	for _, id := range ids {
		g, err := group(r, c, id)
		if err != nil {
			return nil, err
		}
		if g.VpcID != vpcID {
			return nil, foreign(id)
		}
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, s.within(r, c, "security-groups-per-interface", len(out))
}

// chooseAddresses gives the interface's addresses, the primary first.
func chooseAddresses(tx *state.Tx, sub *state.Subnet, spec interfaceSpec) ([]state.PrivateAddress, error) {
	var out []state.PrivateAddress
	taken := takenBy(spec.Prefixes)
	for _, a := range spec.Addresses {
		if err := free(tx, sub, a); err != nil {
			return nil, err
		}
		if taken[a] {
			return nil, awserr.New("InvalidParameterValue", "Value (%s) for parameter privateIpAddresses is invalid. The address is specified more than once.", a)
		}
		taken[a] = true
		p := state.PrivateAddress{Addr: a, Primary: a == spec.Primary}
		if p.Primary {
			out = slices.Insert(out, 0, p)
		} else {
			out = append(out, p)
		}
	}
	want := len(spec.Addresses) + spec.SecondaryCount
	if !spec.Primary.IsValid() {
		a, err := nextAddress(tx, sub, taken)
		if err != nil {
			return nil, err
		}
		taken[a] = true
		out = slices.Insert(out, 0, state.PrivateAddress{Addr: a, Primary: true})
		want++
	}
	for len(out) < want {
		a, err := nextAddress(tx, sub, taken)
		if err != nil {
			return nil, err
		}
		taken[a] = true
		out = append(out, state.PrivateAddress{Addr: a})
	}
	return out, nil
}

// takenBy gives the addresses of prefixes.
func takenBy(prefixes []netip.Prefix) map[netip.Addr]bool {
	taken := map[netip.Addr]bool{}
	for _, p := range prefixes {
		for a := p.Addr(); p.Contains(a); a = a.Next() {
			taken[a] = true
		}
	}
	return taken
}

// free says why an address that is asked for cannot be had.
func free(r state.Reader, sub *state.Subnet, a netip.Addr) error {
	if !sub.Cidr.Contains(a) {
		return awserr.New("InvalidParameterValue", "Address %s does not fall within the subnet's address range", a)
	}
	if sub.Reserved(a) {
		return awserr.New("InvalidParameterValue", "Address %s is in subnet's reserved address range", a)
	}
	if privateip.Taken(r, sub.VpcID, a) {
		return awserr.New("InvalidIPAddress.InUse", "Address %s is in use.", a)
	}
	return nil
}

// nextAddress takes a free address of the subnet.
func nextAddress(tx *state.Tx, sub *state.Subnet, taken map[netip.Addr]bool) (netip.Addr, error) {
	a, err := privateip.Draw(tx, sub, taken)
	if err != nil {
		return a, awserr.New("InsufficientFreeAddressesInSubnet", "The specified subnet does not have enough free addresses to satisfy the request.")
	}
	return a, nil
}
