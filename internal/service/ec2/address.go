package ec2

import (
	"net/netip"
	"slices"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

// amazonPool is the pool of the addresses that nobody brought along.
const amazonPool = "amazon"

// AllocateAddress gives the account an Elastic IP: any free one of the pool, or
// the one asked for. (AWS gives back those that were the account's before; here
// it may be any that is free.)
func (s *Service) AllocateAddress(tx *state.Tx, c authz.Caller, in *api.AllocateAddressInput) (*api.AllocateAddressOutput, error) {
	tags, err := tagsOf(in.TagSpecifications, addressKind.resource)
	if err != nil {
		return nil, err
	}
	if err := refuseAllocation(c, in); err != nil {
		return nil, err
	}
	var wanted netip.Addr
	if in.Address != nil {
		if wanted, err = publicAddress("address", *in.Address); err != nil {
			return nil, err
		}
		if !publicip.Free(tx, wanted) {
			return nil, noAddress(*in.Address)
		}
	}
	n := 1
	for a := range state.Addresses.In(tx, c.Scope) {
		if a.Managed == "" {
			n++
		}
	}
	if err := s.within(tx, c, "elastic-ips", n); err != nil {
		return nil, err
	}
	if !wanted.IsValid() {
		if wanted, err = publicip.Draw(tx); err != nil {
			return nil, noCapacity(err)
		}
	}
	a := &state.Address{Meta: tx.Meta(c.Scope, addressKind.prefix), PublicIP: wanted, BorderGroup: c.Region, Pool: amazonPool}
	a.Tags = tags
	state.Addresses.Put(tx, a)
	return &api.AllocateAddressOutput{
		AllocationId: ptr(a.ID), PublicIp: addrText(a.PublicIP), Domain: ptr(api.DomainTypeVpc),
		PublicIpv4Pool: ptr(a.Pool), NetworkBorderGroup: ptr(a.BorderGroup),
	}, nil
}

// refuseAllocation says where no address can be had from.
func refuseAllocation(c authz.Caller, in *api.AllocateAddressInput) error {
	switch {
	case val(in.Domain) == api.DomainTypeStandard:
		return awserr.InvalidParameterValue("domain", *in.Domain, "EC2-Classic is retired: the domain is vpc.")
	case in.CustomerOwnedIpv4Pool != nil || in.IpamPoolId != nil:
		return awserr.New("UnsupportedOperation", "Pools of Outposts and of IPAM are not supported by localvpc; leave the parameter out.")
	case in.PublicIpv4Pool != nil && *in.PublicIpv4Pool != amazonPool:
		return awserr.New("InvalidPublicIpv4PoolID.NotFound", "The pool ID '%s' does not exist.", awserr.Clip(*in.PublicIpv4Pool))
	case in.NetworkBorderGroup != nil && *in.NetworkBorderGroup != c.Region:
		return awserr.InvalidParameterValue("networkBorderGroup", *in.NetworkBorderGroup, "The Region has one network border group: "+c.Region+".")
	}
	return nil
}

// noCapacity: the pool of public addresses is exhausted.
func noCapacity(err error) error {
	return awserr.New("InsufficientAddressCapacity", "Not enough available addresses to satisfy your minimum request: %s.", err)
}

// publicAddress reads an IPv4 address of a request.
func publicAddress(name, text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is4() {
		return a, awserr.InvalidParameterValue(name, text, "Invalid IPv4 address.")
	}
	return a, nil
}

func noAddress(text string) error {
	return awserr.New("InvalidAddress.NotFound", "Address '%s' not found.", awserr.Clip(text))
}

// notPermitted: a service of AWS's has the address or interface, and keeps it.
func notPermitted() error {
	return awserr.New("AuthFailure", "You do not have permission to access the specified resource.")
}

// elasticIP finds an address by its allocation id or by itself.
func elasticIP(r state.Reader, c authz.Caller, allocationID, publicIP *string) (*state.Address, error) {
	switch {
	case allocationID != nil && publicIP != nil:
		return nil, awserr.InvalidParameterCombination("You may specify public IP or allocation id, but not both in the same call")
	case allocationID != nil:
		return addressKind.find(r, c, *allocationID)
	case publicIP != nil:
		return elasticIPAt(r, c, *publicIP)
	}
	return nil, awserr.MissingParameter("allocationId")
}

func elasticIPAt(r state.Reader, c authz.Caller, text string) (*state.Address, error) {
	public, err := publicAddress("publicIp", text)
	if err != nil {
		return nil, err
	}
	for a := range state.Addresses.By(r, state.ByPublic, public.String()) {
		if a.Scope() == c.Scope {
			return a, nil
		}
	}
	return nil, noAddress(text)
}

// ReleaseAddress gives an address back to the pool.
func (s *Service) ReleaseAddress(tx *state.Tx, c authz.Caller, in *api.ReleaseAddressInput) (*api.ReleaseAddressOutput, error) {
	a, err := elasticIP(tx, c, in.AllocationId, in.PublicIp)
	switch {
	case err != nil:
		return nil, err
	case in.NetworkBorderGroup != nil && *in.NetworkBorderGroup != a.BorderGroup:
		return nil, awserr.InvalidParameterValue("networkBorderGroup", *in.NetworkBorderGroup, "The address is of the network border group "+a.BorderGroup+".")
	case a.Managed != "":
		return nil, notPermitted()
	case a.AssociationID != "":
		return nil, awserr.New("InvalidIPAddress.InUse", "Address %s is in use.", a.PublicIP)
	case a.PtrRecord != "":
		return nil, awserr.New("InvalidAddress.PtrSet", "The address with allocation id [%s] cannot be released because it has a PTR record set.", a.ID)
	}
	state.Addresses.Delete(tx, a.Key)
	return &api.ReleaseAddressOutput{}, nil
}

// DescribeAddresses lists Elastic IPs.
func (s *Service) DescribeAddresses(r state.Reader, c authz.Caller, in *api.DescribeAddressesInput) (*api.DescribeAddressesOutput, error) {
	if len(in.PublicIps) > 0 && len(in.AllocationIds) > 0 {
		return nil, awserr.InvalidParameterCombination("You may specify public IP or allocation id, but not both in the same call")
	}
	ids := slices.Clone(in.AllocationIds)
	for _, text := range in.PublicIps {
		a, err := elasticIPAt(r, c, text)
		if err != nil {
			return nil, err
		}
		ids = append(ids, a.ID)
	}
	rows, _, err := addressKind.describe(r, c, query[state.Address]{action: "DescribeAddresses", ids: ids, filters: in.Filters, by: addressFilters, also: addressLookups})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeAddressesOutput{Addresses: []api.Address{}}
	for _, a := range rows {
		out.Addresses = append(out.Addresses, apiAddress(r, a))
	}
	return out, nil
}

var addressFilters = filters[state.Address]{
	"allocation-id":        func(a *state.Address) []string { return []string{a.ID} },
	"association-id":       func(a *state.Address) []string { return one(a.AssociationID) },
	"domain":               func(*state.Address) []string { return []string{api.DomainTypeVpc} },
	"network-border-group": func(a *state.Address) []string { return []string{a.BorderGroup} },
	"network-interface-id": func(a *state.Address) []string { return one(a.InterfaceID) },
	"network-interface-owner-id": func(a *state.Address) []string {
		if a.InterfaceID == "" {
			return nil
		}
		return []string{a.Account}
	},
	"private-ip-address": func(a *state.Address) []string { return address(a.PrivateIP) },
	"public-ip":          func(a *state.Address) []string { return address(a.PublicIP) },
}

var addressLookups = lookups[state.Address]{
	"instance-id": func(r state.Reader, a *state.Address) []string { return one(instanceWith(r, a)) },
}

// instanceWith is the id of the instance that an address leads to.
func instanceWith(r state.Reader, a *state.Address) string {
	if n, ok := state.NetworkInterfaces.Get(r, a.Scope().Key(a.InterfaceID)); ok && n.Attachment != nil {
		return n.Attachment.InstanceID
	}
	return ""
}

func apiAddress(r state.Reader, a *state.Address) api.Address {
	out := api.Address{
		AllocationId: ptr(a.ID), PublicIp: addrText(a.PublicIP), Domain: ptr(api.DomainTypeVpc),
		PublicIpv4Pool: ptr(a.Pool), NetworkBorderGroup: ptr(a.BorderGroup), ServiceManaged: opt(a.Managed), Tags: apiTags(a.Tags),
	}
	if a.AssociationID != "" {
		out.AssociationId, out.PrivateIpAddress = ptr(a.AssociationID), addrText(a.PrivateIP)
		out.NetworkInterfaceId, out.NetworkInterfaceOwnerId = ptr(a.InterfaceID), ptr(a.Account)
		out.InstanceId = opt(instanceWith(r, a))
	}
	return out
}
