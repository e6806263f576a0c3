package ec2

import (
	"net/netip"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

// AssociateAddress makes an Elastic IP stand for a private address: of the
// interface named, or of the instance's only one; the primary address unless
// another is named. Packets obey when the call returns. To ask for what is so
// already changes nothing.
func (s *Service) AssociateAddress(tx *state.Tx, c authz.Caller, in *api.AssociateAddressInput) (*api.AssociateAddressOutput, error) {
	a, err := elasticIP(tx, c, in.AllocationId, in.PublicIp)
	if err != nil {
		return nil, err
	}
	n, err := associable(tx, c, in)
	if err != nil {
		return nil, err
	}
	private, err := privateOf(n, in.PrivateIpAddress)
	if err != nil {
		return nil, err
	}
	if a.InterfaceID == n.ID && a.PrivateIP == private.Addr {
		return &api.AssociateAddressOutput{AssociationId: ptr(a.AssociationID)}, nil
	}
	if n.RequesterManaged || keptByService(tx, a) {
		return nil, notPermitted()
	}
	if err := needsGateway(tx, n.Scope().Key(n.VpcID)); err != nil {
		return nil, err
	}
	if !val(in.AllowReassociation) {
		if err := untaken(a, n, private); err != nil {
			return nil, err
		}
	}
	a = publicip.Associate(tx, a, n, private.Addr)
	return &api.AssociateAddressOutput{AssociationId: ptr(a.AssociationID)}, nil
}

// untaken says which of the two ends of a new association has one already. The
// EC2 API Reference says of today's accounts that "reassociation is automatic"
// when AllowReassociation is left out, but what clients have met is the error.
func untaken(a *state.Address, n *state.NetworkInterface, private state.PrivateAddress) error {
	switch {
	case a.AssociationID != "":
		return awserr.New("Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s", a.ID, a.AssociationID)
	case private.AllocationID != "":
		return awserr.New("Resource.AlreadyAssociated", "resource %s and %s is already associated with public address %s", n.ID, private.Addr, private.PublicIP)
	}
	return nil
}

// associable finds the interface that a request associates an address with.
func associable(r state.Reader, c authz.Caller, in *api.AssociateAddressInput) (*state.NetworkInterface, error) {
	switch {
	case in.InstanceId != nil && in.NetworkInterfaceId != nil:
		return nil, awserr.InvalidParameterCombination("You may specify InstanceId or NetworkInterfaceId, but not both in the same call")
	case in.NetworkInterfaceId != nil:
		return networkInterface(r, c, *in.NetworkInterfaceId)
	case in.InstanceId == nil:
		return nil, awserr.New("MissingParameter", "Either 'InstanceId' or 'NetworkInterfaceId' should be specified")
	}
	i, err := instance(r, c, *in.InstanceId)
	if err != nil {
		return nil, err
	}
	if i.State != state.Running && i.State != state.Stopping && i.State != state.Stopped {
		return nil, awserr.New("InvalidInstanceID", "The %s instance '%s' is not in a valid state for this operation.", i.State, i.ID)
	}
	list := interfacesOf(r, i)
	if len(list) != 1 {
		return nil, awserr.New("InvalidInstanceID", "There are multiple interfaces attached to instance '%s'. Please specify an interface ID for the operation instead.", i.ID)
	}
	return list[0], nil
}

// privateOf is the private address of the interface that is asked for, or the
// primary one.
func privateOf(n *state.NetworkInterface, text *string) (state.PrivateAddress, error) {
	if text == nil {
		return n.Addresses[0], nil
	}
	var want netip.Addr
	want, err := privateAddress(*text)
	if err != nil {
		return state.PrivateAddress{}, err
	}
	for _, p := range n.Addresses {
		if p.Addr == want {
			return p, nil
		}
	}
	return state.PrivateAddress{}, awserr.InvalidParameterValue("privateIpAddress", *text, "The address is not assigned to the interface "+n.ID+".")
}

// keptByService says whether a service of AWS's manages the address, or the
// interface that it is associated with: it cannot be taken from there.
func keptByService(r state.Reader, a *state.Address) bool {
	if a.Managed != "" {
		return true
	}
	n, ok := state.NetworkInterfaces.Get(r, a.Scope().Key(a.InterfaceID))
	return ok && n.RequesterManaged
}

// DisassociateAddress takes an Elastic IP from what it stands for.
func (s *Service) DisassociateAddress(tx *state.Tx, c authz.Caller, in *api.DisassociateAddressInput) (*api.DisassociateAddressOutput, error) {
	a, err := associatedAddress(tx, c, in)
	if err != nil {
		return nil, err
	}
	if keptByService(tx, a) {
		return nil, notPermitted()
	}
	publicip.Disassociate(tx, a)
	return &api.DisassociateAddressOutput{}, nil
}

// associatedAddress finds an address that is associated.
func associatedAddress(r state.Reader, c authz.Caller, in *api.DisassociateAddressInput) (*state.Address, error) {
	switch {
	case in.AssociationId != nil && in.PublicIp != nil:
		return nil, awserr.InvalidParameterCombination("You may specify public IP or association id, but not both in the same call")
	case in.AssociationId == nil && in.PublicIp == nil:
		return nil, awserr.MissingParameter("associationId")
	case in.PublicIp != nil:
		a, err := elasticIPAt(r, c, *in.PublicIp)
		if err == nil && a.AssociationID == "" {
			err = awserr.New("InvalidAssociationID.NotFound", "The address '%s' is not associated with anything", a.PublicIP)
		}
		return a, err
	case !awsid.Valid("eipassoc", *in.AssociationId):
		return nil, malformedID("InvalidAssociationID.Malformed", "eipassoc", *in.AssociationId)
	}
	for a := range state.Addresses.By(r, state.ByAssociation, *in.AssociationId) {
		if a.Scope() == c.Scope {
			return a, nil
		}
	}
	return nil, awserr.New("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", *in.AssociationId)
}
