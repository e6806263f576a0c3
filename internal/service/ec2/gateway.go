package ec2

import (
	"net/netip"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// The resources at the edge of a VPC cannot be made yet. Clients ask for them
// while they read a VPC and before they delete one; the truth is that there are
// none, and any id is unknown.

// nothing checks a describe request about which there is nothing to tell: its
// filters, by name, and its paging.
func nothing(action string, c authz.Caller, in []api.Filter, max *int32, token *string, names ...string) error {
	table := make(filters[state.Meta], len(names))
	for _, name := range names {
		table[name] = func(*state.Meta) []string { return nil }
	}
	if _, err := compile(in, table); err != nil {
		return err
	}
	_, err := paging{action: action, scope: c.Scope, max: max, token: token, filters: in}.check()
	return err
}

// unknownIDs is the error for ids of which none exists, nil if there are none.
// many is the text for several; it is left out where AWS names them as one.
func unknownIDs(ids []string, prefix, malformed, notFound, text, many string) error {
	if len(ids) == 0 {
		return nil
	}
	for _, id := range ids {
		if !awsid.Valid(prefix, id) {
			return malformedID(malformed, prefix, id)
		}
	}
	if len(ids) > 1 && many != "" {
		text = many
	}
	return awserr.New(notFound, text, awserr.Clip(strings.Join(ids, ", ")))
}

// DescribeInternetGateways finds none.
func (s *Service) DescribeInternetGateways(_ state.Reader, c authz.Caller, in *api.DescribeInternetGatewaysInput) (*api.DescribeInternetGatewaysOutput, error) {
	if err := nothing("DescribeInternetGateways", c, in.Filters, in.MaxResults, in.NextToken,
		"attachment.state", "attachment.vpc-id", "internet-gateway-id", "owner-id"); err != nil {
		return nil, err
	}
	if err := unknownIDs(in.InternetGatewayIds, "igw", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound",
		"The internetGateway ID '%s' does not exist", "The internetGateway IDs '%s' do not exist"); err != nil {
		return nil, err
	}
	return &api.DescribeInternetGatewaysOutput{InternetGateways: []api.InternetGateway{}}, nil
}

// DescribeAddresses finds no Elastic IP addresses.
func (s *Service) DescribeAddresses(_ state.Reader, c authz.Caller, in *api.DescribeAddressesInput) (*api.DescribeAddressesOutput, error) {
	if err := nothing("DescribeAddresses", c, in.Filters, nil, nil,
		"allocation-id", "association-id", "domain", "instance-id", "network-border-group", "network-interface-id",
		"network-interface-owner-id", "private-ip-address", "public-ip"); err != nil {
		return nil, err
	}
	for _, text := range in.PublicIps {
		if _, err := netip.ParseAddr(text); err != nil {
			return nil, awserr.InvalidParameterValue("publicIp", text, "Invalid IPv4 address.")
		}
	}
	if len(in.PublicIps) > 0 {
		return nil, awserr.New("InvalidAddress.NotFound", "Address '%s' not found.", awserr.Clip(strings.Join(in.PublicIps, ", ")))
	}
	if err := unknownAllocations(in.AllocationIds); err != nil {
		return nil, err
	}
	return &api.DescribeAddressesOutput{Addresses: []api.Address{}}, nil
}

// DescribeAddressesAttribute finds no Elastic IP addresses.
func (s *Service) DescribeAddressesAttribute(_ state.Reader, c authz.Caller, in *api.DescribeAddressesAttributeInput) (*api.DescribeAddressesAttributeOutput, error) {
	if err := nothing("DescribeAddressesAttribute", c, nil, in.MaxResults, in.NextToken); err != nil {
		return nil, err
	}
	if err := unknownAllocations(in.AllocationIds); err != nil {
		return nil, err
	}
	return &api.DescribeAddressesAttributeOutput{Addresses: []api.AddressAttribute{}}, nil
}

func unknownAllocations(ids []string) error {
	return unknownIDs(ids, "eipalloc", "InvalidAllocationID.Malformed", "InvalidAllocationID.NotFound",
		"The allocation ID '%s' does not exist", "The allocation IDs '%s' do not exist")
}

// DescribePrefixLists finds no lists of AWS's services: no service has an
// endpoint here to route to.
func (s *Service) DescribePrefixLists(_ state.Reader, c authz.Caller, in *api.DescribePrefixListsInput) (*api.DescribePrefixListsOutput, error) {
	if err := nothing("DescribePrefixLists", c, in.Filters, in.MaxResults, in.NextToken, "prefix-list-id", "prefix-list-name"); err != nil {
		return nil, err
	}
	if err := unknownPrefixLists(in.PrefixListIds); err != nil {
		return nil, err
	}
	return &api.DescribePrefixListsOutput{PrefixLists: []api.PrefixList{}}, nil
}

// DescribeManagedPrefixLists finds none.
func (s *Service) DescribeManagedPrefixLists(_ state.Reader, c authz.Caller, in *api.DescribeManagedPrefixListsInput) (*api.DescribeManagedPrefixListsOutput, error) {
	if err := nothing("DescribeManagedPrefixLists", c, in.Filters, in.MaxResults, in.NextToken, "owner-id", "prefix-list-id", "prefix-list-name"); err != nil {
		return nil, err
	}
	if err := unknownPrefixLists(in.PrefixListIds); err != nil {
		return nil, err
	}
	return &api.DescribeManagedPrefixListsOutput{PrefixLists: []api.ManagedPrefixList{}}, nil
}

func unknownPrefixLists(ids []string) error {
	return unknownIDs(ids, "pl", "InvalidPrefixListID.Malformed", "InvalidPrefixListID.NotFound",
		"The prefix list ID '%s' does not exist", "The prefix list IDs '%s' do not exist")
}

// DescribePlacementGroups finds none.
func (s *Service) DescribePlacementGroups(_ state.Reader, c authz.Caller, in *api.DescribePlacementGroupsInput) (*api.DescribePlacementGroupsOutput, error) {
	if err := nothing("DescribePlacementGroups", c, in.Filters, nil, nil, "group-name", "group-arn", "spread-level", "state", "strategy"); err != nil {
		return nil, err
	}
	if err := unknownIDs(in.GroupIds, "pg", "InvalidPlacementGroupId.Malformed", "InvalidPlacementGroup.Unknown", "The Placement Group '%s' is unknown.", ""); err != nil {
		return nil, err
	}
	if len(in.GroupNames) > 0 {
		return nil, awserr.New("InvalidPlacementGroup.Unknown", "The Placement Group '%s' is unknown.", awserr.Clip(in.GroupNames[0]))
	}
	return &api.DescribePlacementGroupsOutput{PlacementGroups: []api.PlacementGroup{}}, nil
}

// DescribeLaunchTemplates finds none.
func (s *Service) DescribeLaunchTemplates(_ state.Reader, c authz.Caller, in *api.DescribeLaunchTemplatesInput) (*api.DescribeLaunchTemplatesOutput, error) {
	if err := nothing("DescribeLaunchTemplates", c, in.Filters, in.MaxResults, in.NextToken, "create-time", "launch-template-name"); err != nil {
		return nil, err
	}
	if err := unknownIDs(in.LaunchTemplateIds, "lt", "InvalidLaunchTemplateId.Malformed", "InvalidLaunchTemplateId.NotFound",
		"The specified launch template, with template ID %s, does not exist.", ""); err != nil {
		return nil, err
	}
	if len(in.LaunchTemplateNames) > 0 {
		return nil, awserr.New("InvalidLaunchTemplateName.NotFoundException",
			"At least one of the launch templates specified in the request does not exist.")
	}
	return &api.DescribeLaunchTemplatesOutput{LaunchTemplates: []api.LaunchTemplate{}}, nil
}
