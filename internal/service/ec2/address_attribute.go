package ec2

import (
	"net/netip"
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/state"
)

// DescribeAddressesAttribute lists the Elastic IPs that have an attribute: a
// domain name that their reverse lookup answers.
func (s *Service) DescribeAddressesAttribute(r state.Reader, c authz.Caller, in *api.DescribeAddressesAttributeInput) (*api.DescribeAddressesAttributeOutput, error) {
	rows, next, err := addressKind.describe(r, c, query[state.Address]{
		action: "DescribeAddressesAttribute", ids: in.AllocationIds, max: in.MaxResults, token: in.NextToken,
		hidden: func(a *state.Address) bool { return a.PtrRecord == "" },
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeAddressesAttributeOutput{NextToken: next, Addresses: []api.AddressAttribute{}}
	for _, a := range rows {
		out.Addresses = append(out.Addresses, apiAddressAttribute(a))
	}
	return out, nil
}

// ModifyAddressAttribute sets the domain name that the reverse lookup of an
// Elastic IP answers. The name has to lead to the address already (EC2 User Guide,
// "Create a reverse DNS record for email on Amazon EC2").
func (s *Service) ModifyAddressAttribute(tx *state.Tx, c authz.Caller, in *api.ModifyAddressAttributeInput) (*api.ModifyAddressAttributeOutput, error) {
	if in.DomainName == nil {
		return nil, awserr.MissingParameter("DomainName")
	}
	if !pointable(*in.DomainName) {
		return nil, awserr.InvalidParameterValue("domainName", *in.DomainName, "The domain name is not valid.")
	}
	name := strings.TrimSuffix(strings.ToLower(*in.DomainName), ".") + "."
	old, err := addressKind.find(tx, c, val(in.AllocationId))
	if err != nil {
		return nil, err
	}
	a, err := setPointer(tx, old, name)
	if err != nil {
		return nil, err
	}
	if !leadsTo(tx, name, a.PublicIP) {
		return nil, noForward(name, a.PublicIP)
	}
	return &api.ModifyAddressAttributeOutput{Address: ptr(apiAddressAttribute(a))}, nil
}

// ResetAddressAttribute takes the domain name back: the reverse lookup answers
// the name that Amazon gives the address.
func (s *Service) ResetAddressAttribute(tx *state.Tx, c authz.Caller, in *api.ResetAddressAttributeInput) (*api.ResetAddressAttributeOutput, error) {
	old, err := addressKind.find(tx, c, val(in.AllocationId))
	if err != nil {
		return nil, err
	}
	a, err := setPointer(tx, old, "")
	if err != nil {
		return nil, err
	}
	return &api.ResetAddressAttributeOutput{Address: ptr(apiAddressAttribute(a))}, nil
}

// leadsTo says whether the name has an A record of the address, as the internet sees
// it: whatever chance or the asker's place may bring.
func leadsTo(r state.Reader, name string, addr netip.Addr) bool {
	n, err := dnsview.ParseName(name)
	if err != nil {
		return false
	}
	const draws = 16
	for draw := range uint64(draws) {
		for _, record := range dnsview.Internet(r).Answer(dnsview.Question{Name: n, Type: dnsview.TypeA, Recurse: true, Draw: draw}).Answer {
			if record.Type == dnsview.TypeA && record.Data == string(addr.AsSlice()) {
				return true
			}
		}
	}
	return false
}

// noForward is the refusal of a name that leads elsewhere. AWS's own text was not
// found anywhere.
func noForward(name string, addr netip.Addr) error {
	return awserr.InvalidParameterValue("domainName", name, "The domain name must have a forward DNS record (A) that points to "+addr.String()+".")
}

func setPointer(tx *state.Tx, old *state.Address, name string) (*state.Address, error) {
	if old.Managed != "" {
		return nil, notPermitted()
	}
	a := *old
	if a.PtrRecord = name; a.PtrRecord != old.PtrRecord {
		state.Addresses.Put(tx, &a)
	}
	return &a, nil
}

// pointable says whether a name is that of a host in some domain: two labels at
// least, of letters, digits and hyphens that do not stand at their ends (RFC
// 1123 section 2.1).
func pointable(name string) bool {
	name = strings.TrimSuffix(name, ".")
	if _, err := dnsview.ParseName(name); err != nil {
		return false
	}
	labels := strings.Split(name, ".")
	return len(labels) > 1 && !slices.ContainsFunc(labels, func(l string) bool {
		return l == "" || l[0] == '-' || l[len(l)-1] == '-' || strings.ContainsFunc(l, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
		})
	})
}

// apiAddressAttribute: a change is in force at once, so none is ever pending.
func apiAddressAttribute(a *state.Address) api.AddressAttribute {
	return api.AddressAttribute{AllocationId: ptr(a.ID), PublicIp: addrText(a.PublicIP), PtrRecord: opt(a.PtrRecord)}
}
