package ec2

import (
	"net/netip"
	"slices"
	"strconv"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

// natOf finds a NAT gateway whose addresses are to change, and its interface.
func natOf(r state.Reader, c authz.Caller, id string, public bool) (*state.NatGateway, *state.NetworkInterface, error) {
	g, err := natGateway(r, c, id)
	if err != nil {
		return nil, nil, err
	}
	n, ok := state.NetworkInterfaces.Get(r, c.Scope.Key(g.InterfaceID))
	switch {
	case g.State != api.NatGatewayStateAvailable || !ok:
		return nil, nil, awserr.New("IncorrectState", "The NAT gateway %s is in the state %s; its addresses can be changed while it is available.", g.ID, g.State)
	case public && !g.Public:
		return nil, nil, awserr.New("InvalidParameter", "The NAT gateway %s is private: it has no Elastic IP addresses. Use AssignPrivateNatGatewayAddress and UnassignPrivateNatGatewayAddress.", g.ID)
	case !public && g.Public:
		return nil, nil, awserr.New("InvalidParameter", "The NAT gateway %s is public: each of its addresses has an Elastic IP address. Use AssociateNatGatewayAddress and DisassociateNatGatewayAddress.", g.ID)
	}
	return g, n, nil
}

// putNat keeps a NAT gateway with the addresses that its interface has now.
func putNat(tx *state.Tx, old *state.NatGateway) *state.NatGateway {
	g := *old
	g.Addresses = natAddresses(tx, old)
	state.NatGateways.Put(tx, &g)
	return &g
}

// withStatus picks addresses of a gateway for the answer to a change of them.
func withStatus(rows []state.NatGatewayAddress, status string, pick func(state.NatGatewayAddress) bool) []api.NatGatewayAddress {
	var out []state.NatGatewayAddress
	for _, a := range rows {
		if pick(a) {
			a.Status = status
			out = append(out, a)
		}
	}
	return apiNatAddresses(out)
}

// newNatAddresses adds so many secondary addresses to the interface of a NAT
// gateway, beginning with those wanted.
func newNatAddresses(tx *state.Tx, old *state.NetworkInterface, wanted []netip.Addr, count int) (*state.NetworkInterface, error) {
	sub, ok := state.Subnets.Get(tx, old.Scope().Key(old.SubnetID))
	if !ok {
		return nil, subnetKind.none(old.SubnetID)
	}
	n := *old
	n.Addresses = slices.Clone(old.Addresses)
	for _, a := range wanted {
		if err := free(tx, sub, a); err != nil {
			return nil, err
		}
		n.Addresses = append(n.Addresses, state.PrivateAddress{Addr: a})
	}
	if err := addFree(tx, sub, &n, count-len(wanted)); err != nil {
		return nil, err
	}
	return &n, nil
}

// AssociateNatGatewayAddress gives a public NAT gateway further Elastic IP
// addresses, each on a private address of its own. They are in use at once.
func (s *Service) AssociateNatGatewayAddress(tx *state.Tx, c authz.Caller, in *api.AssociateNatGatewayAddressInput) (*api.AssociateNatGatewayAddressOutput, error) {
	switch {
	case in.AvailabilityZone != nil || in.AvailabilityZoneId != nil:
		return nil, awserr.New("UnsupportedOperation", "Regional NAT gateways are not supported by localvpc yet; leave AvailabilityZone and AvailabilityZoneId out.")
	case len(in.AllocationIds) == 0:
		return nil, awserr.MissingParameter("allocationId")
	case len(in.PrivateIpAddresses) > len(in.AllocationIds):
		return nil, awserr.InvalidParameterCombination("There are more private addresses than Elastic IP addresses in the request.")
	}
	wanted, err := privateAddresses(in.PrivateIpAddresses)
	if err != nil {
		return nil, err
	}
	g, old, err := natOf(tx, c, val(in.NatGatewayId), true)
	if err != nil {
		return nil, err
	}
	elastic, err := elasticIPs(tx, c, in.AllocationIds)
	if err != nil {
		return nil, err
	}
	for _, a := range elastic {
		if a.AssociationID != "" {
			return nil, awserr.New("Resource.AlreadyAssociated", "Elastic IP address [%s] is already associated", a.ID)
		}
	}
	total := len(old.Addresses) + len(elastic)
	if err := s.within(tx, c, "elastic-ips-per-nat-gateway", total); err != nil {
		return nil, err
	}
	if err := s.within(tx, c, "private-addresses-per-nat-gateway", total); err != nil {
		return nil, err
	}
	n, err := newNatAddresses(tx, old, wanted, len(elastic))
	if err != nil {
		return nil, err
	}
	state.NetworkInterfaces.Put(tx, n)
	for i, a := range elastic {
		publicip.Associate(tx, a, n, n.Addresses[len(old.Addresses)+i].Addr)
	}
	g = putNat(tx, g)
	return &api.AssociateNatGatewayAddressOutput{NatGatewayId: ptr(g.ID), NatGatewayAddresses: withStatus(g.Addresses, api.NatGatewayAddressStatusAssociating,
		func(a state.NatGatewayAddress) bool { return slices.Contains(in.AllocationIds, a.AllocationID) })}, nil
}

// checkDrain checks how long connections may go on (EC2 API Reference,
// DisassociateNatGatewayAddress). Here they end at once: an address that is not
// the gateway's any more carries nothing.
func checkDrain(seconds *int32) error {
	if seconds != nil && (*seconds < 1 || *seconds > 4000) {
		return awserr.InvalidParameterValue("maxDrainDurationSeconds", strconv.Itoa(int(*seconds)), "Valid values are 1 to 4000.")
	}
	return nil
}

// DisassociateNatGatewayAddress takes secondary Elastic IP addresses from a
// public NAT gateway, with their private addresses. They stay allocated.
func (s *Service) DisassociateNatGatewayAddress(tx *state.Tx, c authz.Caller, in *api.DisassociateNatGatewayAddressInput) (*api.DisassociateNatGatewayAddressOutput, error) {
	if len(in.AssociationIds) == 0 {
		return nil, awserr.MissingParameter("associationId")
	}
	if err := checkDrain(in.MaxDrainDurationSeconds); err != nil {
		return nil, err
	}
	for _, id := range in.AssociationIds {
		if !awsid.Valid("eipassoc", id) {
			return nil, malformedID("InvalidAssociationID.Malformed", "eipassoc", id)
		}
	}
	g, n, err := natOf(tx, c, val(in.NatGatewayId), true)
	if err != nil {
		return nil, err
	}
	for _, id := range in.AssociationIds {
		i := slices.IndexFunc(n.Addresses, func(a state.PrivateAddress) bool { return a.AssociationID == id })
		if i < 0 {
			return nil, awserr.New("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
		}
		if n.Addresses[i].Primary {
			return nil, awserr.InvalidParameterValue("associationId", id, "The primary Elastic IP address of a NAT gateway cannot be disassociated.")
		}
	}
	gone := func(a state.NatGatewayAddress) bool { return slices.Contains(in.AssociationIds, a.AssociationID) }
	leaving := withStatus(g.Addresses, api.NatGatewayAddressStatusDisassociating, gone)
	dropAddresses(tx, n, func(a state.PrivateAddress) bool { return slices.Contains(in.AssociationIds, a.AssociationID) })
	putNat(tx, g)
	return &api.DisassociateNatGatewayAddressOutput{NatGatewayId: ptr(g.ID), NatGatewayAddresses: leaving}, nil
}

// dropAddresses takes private addresses from an interface; Elastic IP addresses
// that stood for them stay allocated.
func dropAddresses(tx *state.Tx, old *state.NetworkInterface, leaves func(state.PrivateAddress) bool) {
	n := *old
	n.Addresses = slices.DeleteFunc(slices.Clone(old.Addresses), leaves)
	publicip.Readdress(tx, old, &n)
}

// AssignPrivateNatGatewayAddress gives a private NAT gateway further addresses:
// those named, or so many that are free.
func (s *Service) AssignPrivateNatGatewayAddress(tx *state.Tx, c authz.Caller, in *api.AssignPrivateNatGatewayAddressInput) (*api.AssignPrivateNatGatewayAddressOutput, error) {
	count := int(val(in.PrivateIpAddressCount))
	switch {
	case in.PrivateIpAddressCount == nil && len(in.PrivateIpAddresses) == 0:
		return nil, awserr.New("MissingParameter", "The request must contain the parameter privateIpAddress or privateIpAddressCount")
	case in.PrivateIpAddressCount != nil && len(in.PrivateIpAddresses) > 0:
		return nil, awserr.InvalidParameterCombination("The parameter privateIpAddressCount cannot be used with the parameter privateIpAddresses")
	case in.PrivateIpAddressCount != nil && (count < 1 || count > maxNatAddresses):
		return nil, awserr.New("InvalidParameterValue", "Value (%d) for parameter privateIpAddressCount is invalid. Valid values are between 1 and %d.", count, maxNatAddresses)
	}
	wanted, err := privateAddresses(in.PrivateIpAddresses)
	if err != nil {
		return nil, err
	}
	g, old, err := natOf(tx, c, val(in.NatGatewayId), false)
	if err != nil {
		return nil, err
	}
	count = max(count, len(wanted))
	if err := s.within(tx, c, "private-addresses-per-nat-gateway", len(old.Addresses)+count); err != nil {
		return nil, err
	}
	n, err := newNatAddresses(tx, old, wanted, count)
	if err != nil {
		return nil, err
	}
	state.NetworkInterfaces.Put(tx, n)
	g = putNat(tx, g)
	return &api.AssignPrivateNatGatewayAddressOutput{NatGatewayId: ptr(g.ID), NatGatewayAddresses: withStatus(g.Addresses, api.NatGatewayAddressStatusAssigning,
		func(a state.NatGatewayAddress) bool { return !has(old, a.PrivateIP) })}, nil
}

// UnassignPrivateNatGatewayAddress takes secondary addresses from a private NAT
// gateway.
func (s *Service) UnassignPrivateNatGatewayAddress(tx *state.Tx, c authz.Caller, in *api.UnassignPrivateNatGatewayAddressInput) (*api.UnassignPrivateNatGatewayAddressOutput, error) {
	leaving, err := privateAddresses(in.PrivateIpAddresses)
	if err != nil {
		return nil, err
	}
	if len(leaving) == 0 {
		return nil, awserr.MissingParameter("privateIpAddress")
	}
	if err := checkDrain(in.MaxDrainDurationSeconds); err != nil {
		return nil, err
	}
	g, n, err := natOf(tx, c, val(in.NatGatewayId), false)
	if err != nil {
		return nil, err
	}
	for _, a := range leaving {
		switch {
		case !has(n, a):
			return nil, awserr.New("InvalidParameterValue", "Some of the specified addresses are not assigned to NAT gateway %s", g.ID)
		case n.Primary() == a:
			return nil, awserr.InvalidParameterValue("privateIpAddress", a.String(), "The primary private IP address of a NAT gateway cannot be unassigned.")
		}
	}
	out := withStatus(g.Addresses, api.NatGatewayAddressStatusUnassigning, func(a state.NatGatewayAddress) bool { return slices.Contains(leaving, a.PrivateIP) })
	dropAddresses(tx, n, func(a state.PrivateAddress) bool { return slices.Contains(leaving, a.Addr) })
	putNat(tx, g)
	return &api.UnassignPrivateNatGatewayAddressOutput{NatGatewayId: ptr(g.ID), NatGatewayAddresses: out}, nil
}
