package ec2

import (
	"net/netip"
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

// maxAddresses is how many private addresses an interface has at most: as many
// as the largest instance types give one (EC2 User Guide, "Maximum IP addresses
// per network interface").
const maxAddresses = 50

func tooManyAddresses(n *state.NetworkInterface) error {
	return awserr.New("PrivateIpAddressLimitExceeded", "%s: Number of private addresses will exceed limit.", n.ID)
}

// AssignPrivateIpAddresses gives an interface further addresses or prefixes: those
// named, or so many that are free. With AllowReassignment a secondary address that another
// interface of the subnet has moves over, with its Elastic IP address.
func (s *Service) AssignPrivateIpAddresses(tx *state.Tx, c authz.Caller, in *api.AssignPrivateIpAddressesInput) (*api.AssignPrivateIpAddressesOutput, error) {
	if in.NetworkInterfaceId == nil {
		return nil, awserr.MissingParameter("networkInterfaceId")
	}
	blocks, err := delegated(in.Ipv4Prefixes)
	if err == nil {
		err = checkPrefixCount(in.Ipv4PrefixCount, len(blocks))
	}
	if err != nil {
		return nil, err
	}
	wanted, err := privateAddresses(in.PrivateIpAddresses)
	if err != nil {
		return nil, err
	}
	count := int(val(in.SecondaryPrivateIpAddressCount))
	switch {
	case in.SecondaryPrivateIpAddressCount == nil && len(wanted) == 0 && in.Ipv4PrefixCount == nil && len(blocks) == 0:
		return nil, awserr.New("MissingParameter", "The request must contain the parameter privateIpAddress or secondaryPrivateIpAddressCount")
	case in.SecondaryPrivateIpAddressCount != nil && len(wanted) > 0:
		return nil, awserr.InvalidParameterCombination("The parameter secondaryPrivateIpAddressCount cannot be used with the parameter privateIpAddresses")
	case in.SecondaryPrivateIpAddressCount != nil && (count < 1 || count > maxAddresses):
		return nil, awserr.New("InvalidParameterValue", "Value (%d) for parameter secondaryPrivateIpAddressCount is invalid. Valid values are between 1 and %d.", count, maxAddresses)
	}
	old, err := networkInterface(tx, c, *in.NetworkInterfaceId)
	if err != nil {
		return nil, err
	}
	if old.RequesterManaged {
		return nil, foreignInterface()
	}
	sub, err := subnet(tx, c, old.SubnetID)
	if err != nil {
		return nil, err
	}
	n := *old
	n.Addresses = slices.Clone(old.Addresses)
	var others []*state.NetworkInterface // as they are without what moves
	if err = addPrefixes(tx, sub, &n, blocks, 0); err != nil {
		return nil, err
	}
	if count > 0 {
		err = addFree(tx, sub, &n, count)
	} else {
		others, err = addNamed(tx, sub, &n, wanted, val(in.AllowReassignment))
	}
	if err == nil {
		err = addPrefixes(tx, sub, &n, nil, int(val(in.Ipv4PrefixCount)))
	}
	if err == nil {
		err = roomFor(tx, old, &n)
	}
	if err != nil {
		return nil, err
	}
	for _, other := range others {
		before, err := networkInterface(tx, c, other.ID)
		if err != nil {
			return nil, err
		}
		publicip.Readdress(tx, before, other, wanted...)
	}
	publicip.Readdress(tx, old, &n)
	out := &api.AssignPrivateIpAddressesOutput{NetworkInterfaceId: ptr(n.ID)}
	for _, a := range n.Addresses {
		if slices.Contains(wanted, a.Addr) || !has(old, a.Addr) {
			out.AssignedPrivateIpAddresses = append(out.AssignedPrivateIpAddresses, api.AssignedPrivateIpAddress{PrivateIpAddress: addrText(a.Addr)})
		}
	}
	out.AssignedIpv4Prefixes = apiPrefixes(n.Prefixes[len(old.Prefixes):])
	return out, nil
}

// privateAddresses reads a list of addresses, each once.
func privateAddresses(texts []string) ([]netip.Addr, error) {
	var out []netip.Addr
	for _, text := range texts {
		a, err := privateAddress(text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out, nil
}

func has(n *state.NetworkInterface, a netip.Addr) bool {
	return slices.ContainsFunc(n.Addresses, func(p state.PrivateAddress) bool { return p.Addr == a })
}

// addFree adds so many addresses of the subnet's.
func addFree(tx *state.Tx, sub *state.Subnet, n *state.NetworkInterface, count int) error {
	taken := takenBy(n.Prefixes)
	for range count {
		a, err := nextAddress(tx, sub, taken)
		if err != nil {
			return err
		}
		taken[a] = true
		n.Addresses = append(n.Addresses, state.PrivateAddress{Addr: a})
	}
	return nil
}

// addNamed adds the addresses and gives the interfaces that lose some of them.
// An address that the interface has already is no change when it may move.
func addNamed(r state.Reader, sub *state.Subnet, n *state.NetworkInterface, wanted []netip.Addr, move bool) ([]*state.NetworkInterface, error) {
	losing := map[string]*state.NetworkInterface{}
	var others []*state.NetworkInterface
	var held []string // by somebody, and must not move
	for _, a := range wanted {
		err := free(r, sub, a)
		if err == nil && n.Has(a) { // by a prefix of the same request
			err = awserr.New("InvalidIPAddress.InUse", "Address %s is in use.", a)
		}
		if err == nil {
			n.Addresses = append(n.Addresses, state.PrivateAddress{Addr: a})
			continue
		}
		if !awserr.Is(err, "InvalidIPAddress.InUse") {
			return nil, err
		}
		if !move {
			held = append(held, a.String())
			continue
		}
		owner := ownerOf(r, n.VpcID, a)
		switch {
		case owner == nil || !has(owner, a): // it is of a prefix
			return nil, err
		case owner.Addresses[0].Addr == a:
			return nil, awserr.InvalidParameterValue("privateIpAddress", a.String(), "The primary private IP address of a network interface cannot be reassigned.")
		case owner.ID == n.ID:
			continue
		case owner.RequesterManaged:
			return nil, foreignInterface()
		case owner.SubnetID != n.SubnetID:
			return nil, err
		}
		other := losing[owner.ID]
		if other == nil {
			without := *owner
			without.Addresses = slices.Clone(owner.Addresses)
			other = &without
			losing[owner.ID] = other
			others = append(others, other)
		}
		at := slices.IndexFunc(other.Addresses, func(p state.PrivateAddress) bool { return p.Addr == a })
		n.Addresses = append(n.Addresses, other.Addresses[at])
		other.Addresses = slices.Delete(other.Addresses, at, at+1)
	}
	if len(held) > 0 {
		return nil, awserr.New("InvalidParameterValue", "[%s] assigned, but move is not allowed.", strings.Join(held, ", "))
	}
	return others, nil
}

// ownerOf is the interface of the VPC that has an address, which is in use.
func ownerOf(r state.Reader, vpcID string, a netip.Addr) (owner *state.NetworkInterface) {
	for n := range state.NetworkInterfaces.By(r, state.ByAddress, state.VpcAddress(vpcID, a)) {
		owner = n
	}
	return owner
}

// roomFor says whether an interface may have the addresses that it is to have:
// no more than the type of its instance gives one.
func roomFor(r state.Reader, old, n *state.NetworkInterface) error {
	most := maxAddresses
	if n.Attachment != nil {
		if i, ok := state.Instances.Get(r, n.Scope().Key(n.Attachment.InstanceID)); ok {
			kind, err := instanceType(i.InstanceType)
			if err != nil {
				return err
			}
			most = int(kind.IPv4PerIface)
			if err := noDelegation(kind, len(n.Prefixes)); err != nil {
				return err
			}
		}
	}
	if count := len(n.Addresses) + len(n.Prefixes); count > most && count > len(old.Addresses)+len(old.Prefixes) {
		return tooManyAddresses(n)
	}
	return nil
}

// UnassignPrivateIpAddresses takes secondary addresses and prefixes from an interface. Elastic
// IPs that stood for them stay allocated.
func (s *Service) UnassignPrivateIpAddresses(tx *state.Tx, c authz.Caller, in *api.UnassignPrivateIpAddressesInput) (*api.UnassignPrivateIpAddressesOutput, error) {
	if in.NetworkInterfaceId == nil {
		return nil, awserr.MissingParameter("networkInterfaceId")
	}
	blocks, err := delegated(in.Ipv4Prefixes)
	if err != nil {
		return nil, err
	}
	leaving, err := privateAddresses(in.PrivateIpAddresses)
	if err != nil {
		return nil, err
	}
	if len(leaving)+len(blocks) == 0 {
		return nil, awserr.MissingParameter("privateIpAddress")
	}
	old, err := networkInterface(tx, c, *in.NetworkInterfaceId)
	if err != nil {
		return nil, err
	}
	if old.RequesterManaged {
		return nil, foreignInterface()
	}
	for _, a := range leaving {
		switch {
		case !has(old, a):
			return nil, awserr.New("InvalidParameterValue", "Some of the specified addresses are not assigned to interface %s", old.ID)
		case old.Primary() == a:
			return nil, awserr.InvalidParameterValue("privateIpAddress", a.String(), "The primary private IP address of a network interface cannot be unassigned.")
		}
	}
	n := *old
	n.Addresses = slices.DeleteFunc(slices.Clone(old.Addresses), func(p state.PrivateAddress) bool { return slices.Contains(leaving, p.Addr) })
	if err := withoutPrefixes(&n, blocks); err != nil {
		return nil, err
	}
	publicip.Readdress(tx, old, &n)
	return &api.UnassignPrivateIpAddressesOutput{}, nil
}
