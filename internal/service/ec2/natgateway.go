package ec2

import (
	"fmt"
	"net/netip"
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/fabric"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

// natSpec is what a new NAT gateway is to be.
type natSpec struct {
	subnet      *state.Subnet
	public      bool
	allocations []*state.Address // the primary one first
	addresses   interfaceSpec
	tags        state.Tags
}

// CreateNatGateway makes a NAT gateway in a subnet, with an interface there. What
// is wrong with the request is refused; what is in its way (no internet gateway,
// an Elastic IP that is taken, a full subnet) makes a gateway that has failed, as
// in AWS (VPC User Guide, "Troubleshoot NAT gateways"). The answer says pending;
// when it is given the gateway is available or has failed.
func (s *Service) CreateNatGateway(tx *state.Tx, c authz.Caller, in *api.CreateNatGatewayInput) (*api.CreateNatGatewayOutput, error) {
	spec, err := s.natSpec(tx, c, in)
	if err != nil {
		return nil, err
	}
	if err := s.natQuota(tx, c, spec); err != nil {
		return nil, err
	}
	g := &state.NatGateway{
		Meta: tx.Meta(c.Scope, "nat"), VpcID: spec.subnet.VpcID, SubnetID: spec.subnet.ID,
		Public: spec.public, State: api.NatGatewayStateAvailable, ClientToken: val(in.ClientToken),
	}
	g.Tags = spec.tags
	code, text := natObstacle(tx, spec)
	if code == "" {
		spec.addresses.Description = "Interface for NAT Gateway " + g.ID
		n, err := s.newInterface(tx, c, spec.subnet, spec.addresses)
		switch {
		case awserr.Is(err, "InsufficientFreeAddressesInSubnet"):
			code, text = "InsufficientFreeAddressesInSubnet", "Subnet has insufficient free addresses to create this NAT gateway"
		case err != nil:
			return nil, err
		default:
			for i, a := range spec.allocations {
				publicip.Associate(tx, a, n, n.Addresses[i].Addr)
			}
			g.InterfaceID = n.ID
			g.Addresses = natAddresses(tx, g)
		}
	}
	if code != "" {
		g.State, g.FailureCode, g.FailureText, g.DeletedAt = api.NatGatewayStateFailed, code, text, tx.Now()
		for i, a := range spec.allocations {
			g.Addresses = append(g.Addresses, state.NatGatewayAddress{AllocationID: a.ID, PublicIP: a.PublicIP, Primary: i == 0, Status: api.NatGatewayAddressStatusFailed, FailureText: text})
		}
	}
	state.NatGateways.Put(tx, g)
	return &api.CreateNatGatewayOutput{ClientToken: in.ClientToken, NatGateway: pendingNatGateway(g)}, nil
}

// pendingNatGateway is the answer to the request that has made a gateway.
func pendingNatGateway(g *state.NatGateway) *api.NatGateway {
	out := apiNatGateway(g)
	out.State, out.FailureCode, out.FailureMessage, out.DeleteTime = ptr(api.NatGatewayStatePending), nil, nil, nil
	for i := range out.NatGatewayAddresses {
		a := &out.NatGatewayAddresses[i]
		a.Status, a.FailureMessage = ptr(api.NatGatewayAddressStatusAssociating), nil
		if !g.Public {
			a.Status = ptr(api.NatGatewayAddressStatusAssigning)
		}
	}
	return &out
}

// natSpec checks a request for a NAT gateway, and finds what it names.
func (s *Service) natSpec(r state.Reader, c authz.Caller, in *api.CreateNatGatewayInput) (natSpec, error) {
	spec := natSpec{public: val(in.ConnectivityType) != api.ConnectivityTypePrivate}
	var err error
	if spec.tags, err = tagsOf(in.TagSpecifications, natGatewayKind.resource); err != nil {
		return spec, err
	}
	switch {
	case val(in.AvailabilityMode) == api.AvailabilityModeRegional || in.VpcId != nil || len(in.AvailabilityZoneAddresses) > 0:
		return spec, awserr.New("UnsupportedOperation", "Regional NAT gateways are not supported by localvpc yet; name a subnet (SubnetId), and leave AvailabilityMode, VpcId and AvailabilityZoneAddresses out.")
	case in.SubnetId == nil:
		return spec, awserr.MissingParameter("subnetId")
	case spec.public && in.AllocationId == nil:
		return spec, awserr.New("MissingParameter", "The request must include the AllocationId parameter. Add the required parameter and retry the request.")
	case !spec.public && (in.AllocationId != nil || len(in.SecondaryAllocationIds) > 0):
		return spec, awserr.InvalidParameterCombination("A private NAT gateway cannot have Elastic IP addresses: leave AllocationId and SecondaryAllocationIds out.")
	case spec.public && in.SecondaryPrivateIpAddressCount != nil:
		return spec, awserr.InvalidParameterCombination("SecondaryPrivateIpAddressCount is for private NAT gateways only.")
	case spec.public && len(in.SecondaryPrivateIpAddresses) > len(in.SecondaryAllocationIds):
		return spec, awserr.InvalidParameterCombination("Each secondary private address of a public NAT gateway needs an Elastic IP address in SecondaryAllocationIds.")
	case in.SecondaryPrivateIpAddressCount != nil && len(in.SecondaryPrivateIpAddresses) > 0:
		return spec, awserr.InvalidParameterCombination("The parameter secondaryPrivateIpAddressCount cannot be used with the parameter secondaryPrivateIpAddresses")
	}
	count := int(val(in.SecondaryPrivateIpAddressCount))
	if in.SecondaryPrivateIpAddressCount != nil && (count < 1 || count > maxNatAddresses) {
		return spec, awserr.New("InvalidParameterValue", "Value (%d) for parameter secondaryPrivateIpAddressCount is invalid. Valid values are between 1 and %d.", count, maxNatAddresses)
	}
	if spec.addresses, err = natInterface(in, count, spec.public); err != nil {
		return spec, err
	}
	if spec.subnet, err = subnet(r, c, *in.SubnetId); err != nil {
		return spec, err
	}
	for _, a := range spec.addresses.Addresses {
		if err := free(r, spec.subnet, a); err != nil {
			return spec, err
		}
	}
	if spec.public {
		spec.allocations, err = elasticIPs(r, c, append([]string{*in.AllocationId}, in.SecondaryAllocationIds...))
	}
	return spec, err
}

// maxNatAddresses is how many private addresses a NAT gateway can be given in one
// request (EC2 API Reference, CreateNatGateway).
const maxNatAddresses = 31

// natInterface is the interface of a NAT gateway: AWS's own, in no group, and it
// forwards for others.
func natInterface(in *api.CreateNatGatewayInput, count int, public bool) (interfaceSpec, error) {
	spec := interfaceSpec{InterfaceType: fabric.NatInterface, Requester: requesterAWS, SecondaryCount: count}
	secondary, err := privateAddresses(in.SecondaryPrivateIpAddresses)
	if err != nil {
		return spec, err
	}
	if in.PrivateIpAddress != nil {
		if spec.Primary, err = privateAddress(*in.PrivateIpAddress); err != nil {
			return spec, err
		}
		if slices.Contains(secondary, spec.Primary) {
			return spec, awserr.New("InvalidParameterValue", "Value (%s) for parameter secondaryPrivateIpAddresses is invalid. The address is specified more than once.", spec.Primary)
		}
		spec.Addresses = []netip.Addr{spec.Primary}
	}
	spec.Addresses = append(spec.Addresses, secondary...)
	if public {
		spec.SecondaryCount = len(in.SecondaryAllocationIds) - len(secondary)
	}
	return spec, nil
}

// elasticIPs finds the Elastic IP addresses for a NAT gateway.
func elasticIPs(r state.Reader, c authz.Caller, ids []string) ([]*state.Address, error) {
	var out []*state.Address
	for i, id := range ids {
		if !awsid.Valid("eipalloc", id) {
			return nil, malformedID("InvalidElasticIpID.Malformed", "eipalloc", id)
		}
		if slices.Contains(ids[:i], id) {
			return nil, awserr.InvalidParameterValue("allocationId", id, "The Elastic IP address is specified more than once.")
		}
		a, ok := state.Addresses.Get(r, c.Scope.Key(id))
		if !ok {
			return nil, awserr.New("InvalidElasticIpID.NotFound", "The elasticIp ID '%s' does not exist", id)
		}
		out = append(out, a)
	}
	return out, nil
}

// natQuota refuses one NAT gateway too many in its zone, or one with too many
// addresses. Gateways that have failed or are deleted do not count.
func (s *Service) natQuota(r state.Reader, c authz.Caller, spec natSpec) error {
	count := 1
	for g := range state.NatGateways.In(r, c.Scope) {
		if over(g) {
			continue
		}
		if sub, ok := state.Subnets.Get(r, c.Scope.Key(g.SubnetID)); ok && sub.AvailabilityZone == spec.subnet.AvailabilityZone {
			count++
		}
	}
	if err := s.within(r, c, "nat-gateways-per-availability-zone", count); err != nil {
		return err
	}
	if err := s.within(r, c, "elastic-ips-per-nat-gateway", len(spec.allocations)); err != nil {
		return err
	}
	private := len(spec.addresses.Addresses) + spec.addresses.SecondaryCount
	if !spec.addresses.Primary.IsValid() {
		private++
	}
	return s.within(r, c, "private-addresses-per-nat-gateway", private)
}

// over says whether a NAT gateway is only told of still.
func over(g *state.NatGateway) bool {
	return g.State == api.NatGatewayStateFailed || g.State == api.NatGatewayStateDeleted
}

// natObstacle is what makes a NAT gateway fail, with AWS's code and text (EC2 API
// Reference, NatGateway); empty if nothing does.
func natObstacle(r state.Reader, spec natSpec) (code, text string) {
	if !spec.public {
		return "", ""
	}
	attached := false
	for g := range state.InternetGateways.By(r, state.ByVpc, spec.subnet.VpcID) {
		attached = attached || g.Scope() == spec.subnet.Scope()
	}
	if !attached {
		return "Gateway.NotAttached", fmt.Sprintf("Network %s has no Internet gateway attached", spec.subnet.VpcID)
	}
	for _, a := range spec.allocations {
		if a.AssociationID != "" {
			return "Resource.AlreadyAssociated", fmt.Sprintf("Elastic IP address [%s] is already associated", a.ID)
		}
	}
	return "", ""
}

// DeleteNatGateway ends a NAT gateway at once: its interface goes, its Elastic IP
// addresses stay allocated, and routes to it lead nowhere. It is described as
// deleted for an hour.
func (s *Service) DeleteNatGateway(tx *state.Tx, c authz.Caller, in *api.DeleteNatGatewayInput) (*api.DeleteNatGatewayOutput, error) {
	old, err := natGateway(tx, c, val(in.NatGatewayId))
	if err != nil {
		return nil, err
	}
	if old.State == api.NatGatewayStateDeleted {
		return nil, natGatewayKind.none(old.ID)
	}
	if n, ok := state.NetworkInterfaces.Get(tx, c.Scope.Key(old.InterfaceID)); ok {
		publicip.Delete(tx, n)
	}
	g := *old
	g.State, g.DeletedAt = api.NatGatewayStateDeleted, tx.Now()
	state.NatGateways.Put(tx, &g)
	return &api.DeleteNatGatewayOutput{NatGatewayId: ptr(g.ID)}, nil
}
