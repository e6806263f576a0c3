package elbv2

import (
	"net/netip"
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/balance"
	"github.com/localvpc/localvpc/internal/decide/privateip"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

// requester makes and keeps the interfaces of nodes.
const requester = "amazon-elb"

// leastFree is how many addresses have to be free in a subnet (NLB User Guide,
// "Update the Availability Zones for your Network Load Balancer").
const leastFree = 8

// wanted is a node as a request describes it.
type wanted struct {
	subnetID   string
	allocation string     // of an Elastic IP; empty: of the pool
	private    netip.Addr // zero: drawn
}

// node is one that can be made.
type node struct {
	wanted
	subnet  *state.Subnet
	address *state.Address // the Elastic IP; nil: none
}

// wantedNodes reads the subnets of a request, which come in one of two ways.
func wantedNodes(subnets []string, mappings []api.SubnetMapping) ([]wanted, error) {
	var out []wanted
	switch {
	case len(subnets) > 0 && len(mappings) > 0:
		return nil, invalid("You must specify either subnets or subnet mappings, but not both")
	case len(subnets) == 0 && len(mappings) == 0:
		return nil, invalid("At least one subnet must be specified")
	}
	for _, id := range subnets {
		out = append(out, wanted{subnetID: id})
	}
	for _, m := range mappings {
		w := wanted{subnetID: val(m.SubnetId), allocation: val(m.AllocationId)}
		switch {
		case w.subnetID == "":
			return nil, invalid("A subnet ID must be specified for each subnet mapping")
		case m.IPv6Address != nil || m.SourceNatIpv6Prefix != nil:
			return nil, awserr.New(api.ErrInvalidConfigurationRequest, "IPv6 addresses can only be specified for load balancers with the IP address type 'dualstack'")
		case m.PrivateIPv4Address != nil:
			a, err := netip.ParseAddr(*m.PrivateIPv4Address)
			if err != nil || !a.Is4() {
				return nil, invalid("The private IPv4 address '%s' is not valid", awserr.Clip(*m.PrivateIPv4Address))
			}
			w.private = a
		}
		out = append(out, w)
	}
	return out, nil
}

// nodesOf finds what the nodes need: subnets of one VPC, each in a zone of its own,
// and Elastic IPs.
func nodesOf(r state.Reader, c authz.Caller, list []wanted, internal bool) ([]node, error) {
	var out []node
	for _, w := range list {
		n := node{wanted: w}
		if !awsid.Valid("subnet", w.subnetID) {
			return nil, invalid("The subnet ID '%s' is not valid", awserr.Clip(w.subnetID))
		}
		sub, ok := state.Subnets.Get(r, c.Scope.Key(w.subnetID))
		if !ok {
			return nil, awserr.New(api.ErrSubnetNotFound, "The subnet ID '%s' does not exist", w.subnetID)
		}
		n.subnet = sub
		for _, other := range out {
			if other.subnet.VpcID != sub.VpcID {
				return nil, awserr.New(api.ErrInvalidConfigurationRequest, "All subnets must belong to the same VPC: '%s, %s'", other.subnet.VpcID, sub.VpcID)
			}
			if other.subnet.AvailabilityZone == sub.AvailabilityZone {
				return nil, awserr.New(api.ErrInvalidConfigurationRequest, "A load balancer cannot be attached to multiple subnets in the same Availability Zone")
			}
		}
		switch {
		case w.allocation != "" && internal:
			return nil, awserr.New(api.ErrInvalidConfigurationRequest, "Elastic IP addresses can only be specified for internet-facing load balancers")
		case w.private.IsValid() && !internal:
			return nil, awserr.New(api.ErrInvalidConfigurationRequest, "Private IPv4 addresses can only be specified for internal load balancers")
		case w.allocation != "":
			if n.address, ok = state.Addresses.Get(r, c.Scope.Key(w.allocation)); !ok {
				return nil, awserr.New(api.ErrAllocationIdNotFound, "The allocation ID '%s' does not exist", awserr.Clip(w.allocation))
			}
			if slices.ContainsFunc(out, func(o node) bool { return o.allocation == w.allocation }) {
				return nil, invalid("The allocation ID '%s' is specified more than once", w.allocation)
			}
		}
		out = append(out, n)
	}
	return out, nil
}

// sameNodes says whether a request asks for the nodes that are there.
func sameNodes(rows []state.BalancerNode, list []node) bool {
	for _, n := range list {
		if !slices.ContainsFunc(rows, n.is) {
			return false
		}
	}
	return len(rows) == len(list)
}

// is says whether a node that is there is the one asked for.
func (n node) is(row state.BalancerNode) bool {
	chosen := netip.Addr{}
	if row.Chosen {
		chosen = row.PrivateIP
	}
	return row.SubnetID == n.subnetID && row.AllocationID == n.allocation && chosen == n.private
}

// canHave says why nodes cannot be made in their subnets.
func canHave(r state.Reader, list []node, internal bool) error {
	for _, n := range list {
		sub := n.subnet
		switch {
		case !internal && !hasGateway(r, sub):
			return awserr.New(api.ErrInvalidSubnet, "VPC %s has no internet gateway", sub.VpcID)
		case n.address != nil && n.address.AssociationID != "":
			return awserr.New(api.ErrResourceInUse, "The allocation IDs are not available for use")
		case !n.private.IsValid():
			if !privateip.Room(r, sub, leastFree) {
				return awserr.New(api.ErrInvalidSubnet, "Not enough IP space available in %s. ELB requires at least %d free IP addresses in each subnet.", sub.ID, leastFree)
			}
		case !sub.Cidr.Contains(n.private) || sub.Reserved(n.private):
			return awserr.New(api.ErrInvalidConfigurationRequest, "The private IPv4 address '%s' is not in the range of the subnet '%s', or is reserved", n.private, sub.ID)
		case privateip.Taken(r, sub.VpcID, n.private):
			return awserr.New(api.ErrResourceInUse, "The private IPv4 address '%s' is not available for use", n.private)
		}
	}
	return nil
}

func hasGateway(r state.Reader, sub *state.Subnet) bool {
	for g := range state.InternetGateways.By(r, state.ByVpc, sub.VpcID) {
		if g.Scope() == sub.Scope() {
			return true
		}
	}
	return false
}

// newNode makes the interface of a balancer's node in a subnet.
func (s *Service) newNode(tx *state.Tx, c authz.Caller, b *state.LoadBalancer, n node) (state.BalancerNode, error) {
	sub := n.subnet
	row := state.BalancerNode{
		Zone: sub.AvailabilityZone, ZoneID: sub.AvailabilityZoneID, SubnetID: sub.ID,
		PrivateIP: n.private, AllocationID: n.allocation, Chosen: n.private.IsValid(),
	}
	mac, others := privateip.MAC(tx, c.Scope)
	if err := s.within(tx, c, "network-interfaces-per-region", others+1); err != nil {
		return row, err
	}
	if !row.Chosen {
		var err error
		if row.PrivateIP, err = privateip.Draw(tx, sub, nil); err != nil {
			return row, awserr.New(api.ErrInvalidSubnet, "Not enough IP space available in %s. ELB requires at least %d free IP addresses in each subnet.", sub.ID, leastFree)
		}
	}
	eni := &state.NetworkInterface{
		Meta: tx.Meta(c.Scope, "eni"), VpcID: sub.VpcID, SubnetID: sub.ID,
		AvailabilityZone: sub.AvailabilityZone, AvailabilityZoneID: sub.AvailabilityZoneID,
		Description: "ELB " + b.ID, InterfaceType: balance.InterfaceType, MAC: mac, Groups: b.Groups,
		Addresses: []state.PrivateAddress{{Addr: row.PrivateIP, Primary: true}}, Status: "in-use",
		RequesterID: requester, RequesterManaged: true,
		Attachment: &state.Attachment{ID: tx.ID("ela-attach"), InstanceOwnerID: requester, DeviceIndex: 1, Status: "attached", AttachTime: tx.Now()},
	}
	state.NetworkInterfaces.Put(tx, eni)
	row.InterfaceID = eni.ID
	switch {
	case n.address != nil:
		row.PublicIP = publicip.Associate(tx, n.address, eni, row.PrivateIP).PublicIP
	case !b.Internal:
		assigned, err := publicip.Assign(tx, eni)
		if err != nil {
			return row, exhausted(err)
		}
		row.PublicIP = assigned.Addresses[0].PublicIP
	}
	return row, nil
}

// removeNode removes a node's interface; a caller's Elastic IP stays allocated.
func removeNode(tx *state.Tx, b *state.LoadBalancer, n state.BalancerNode) {
	if eni, ok := state.NetworkInterfaces.Get(tx, b.Scope().Key(n.InterfaceID)); ok {
		publicip.Delete(tx, eni)
	}
}

// groupsOf finds the security groups of a balancer, each once.
func (s *Service) groupsOf(r state.Reader, c authz.Caller, vpcID string, ids []string) ([]string, error) {
	var out []string
	for _, id := range ids {
		g, ok := state.SecurityGroups.Get(r, c.Scope.Key(id))
		switch {
		case !ok || g.VpcID != vpcID:
			return nil, awserr.New(api.ErrInvalidSecurityGroup, "One or more security groups are invalid")
		case !slices.Contains(out, id):
			out = append(out, id)
		}
	}
	if _, limit := s.limit(r, c, "security-groups-per-interface"); limit >= 0 && len(out) > limit {
		return nil, invalid("A load balancer can have at most '%d' security groups", limit)
	}
	return out, nil
}
