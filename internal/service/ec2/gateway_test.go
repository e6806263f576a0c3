package ec2

import (
	"reflect"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// TestNothing: there are none, whatever is asked, and every id is unknown.
func TestNothing(t *testing.T) {
	w := newWorld(t)
	for _, in := range []struct {
		action string
		in     any
	}{
		{"DescribeInternetGateways", &api.DescribeInternetGatewaysInput{Filters: filtersOf("attachment.vpc-id", "vpc-1", "tag:Name", "x")}},
		{"DescribeAddresses", &api.DescribeAddressesInput{Filters: filtersOf("domain", "vpc", "allocation-id", "x", "network-interface-id", "y")}},
		{"DescribeAddressesAttribute", &api.DescribeAddressesAttributeInput{Attribute: ptr("domain-name")}},
		{"DescribePrefixLists", &api.DescribePrefixListsInput{Filters: filtersOf("prefix-list-name", "com.amazonaws.us-east-1.s3")}},
		{"DescribeManagedPrefixLists", &api.DescribeManagedPrefixListsInput{Filters: filtersOf("owner-id", "AWS")}},
		{"DescribePlacementGroups", &api.DescribePlacementGroupsInput{}},
		{"DescribeLaunchTemplates", &api.DescribeLaunchTemplatesInput{}},
	} {
		t.Run(in.action, func(t *testing.T) {
			out, err := w.in(t).do(in.action, in.in)
			if err != nil {
				t.Fatal(err)
			}
			lists := 0
			for i := range reflect.ValueOf(out).Elem().NumField() {
				if f := reflect.ValueOf(out).Elem().Field(i); f.Kind() == reflect.Slice {
					if lists++; f.IsNil() || f.Len() != 0 {
						t.Errorf("%+v", out)
					}
				}
			}
			if lists != 1 {
				t.Errorf("%d lists", lists)
			}
		})
	}
	for _, c := range []struct {
		name, action string
		in           any
		code, text   string
	}{
		{"gateway", "DescribeInternetGateways", &api.DescribeInternetGatewaysInput{InternetGatewayIds: []string{"igw-0123456789abcdef0"}}, "InvalidInternetGatewayID.NotFound", "The internetGateway ID 'igw-0123456789abcdef0' does not exist"},
		{"gateways", "DescribeInternetGateways", &api.DescribeInternetGatewaysInput{InternetGatewayIds: []string{"igw-01234567", "igw-12345678"}}, "InvalidInternetGatewayID.NotFound", "The internetGateway IDs 'igw-01234567, igw-12345678' do not exist"},
		{"malformed gateway", "DescribeInternetGateways", &api.DescribeInternetGatewaysInput{InternetGatewayIds: []string{"x"}}, "InvalidInternetGatewayId.Malformed", `expecting "igw-..."`},
		{"gateway filter", "DescribeInternetGateways", &api.DescribeInternetGatewaysInput{Filters: filtersOf("vpc-id", "x")}, "InvalidParameterValue", "The filter 'vpc-id' is invalid"},
		{"gateway token", "DescribeInternetGateways", &api.DescribeInternetGatewaysInput{NextToken: ptr("x")}, "InvalidParameterValue", "The token is invalid."},
		{"allocation", "DescribeAddresses", &api.DescribeAddressesInput{AllocationIds: []string{"eipalloc-0123456789abcdef0"}}, "InvalidAllocationID.NotFound", "The allocation ID 'eipalloc-0123456789abcdef0' does not exist"},
		{"address", "DescribeAddresses", &api.DescribeAddressesInput{PublicIps: []string{"54.0.0.1"}}, "InvalidAddress.NotFound", "Address '54.0.0.1' not found."},
		{"not an address", "DescribeAddresses", &api.DescribeAddressesInput{PublicIps: []string{"x"}}, "InvalidParameterValue", "Value (x)"},
		{"attribute", "DescribeAddressesAttribute", &api.DescribeAddressesAttributeInput{AllocationIds: []string{"eipalloc-0123456789abcdef0"}}, "InvalidAllocationID.NotFound", "eipalloc"},
		{"prefix list", "DescribePrefixLists", &api.DescribePrefixListsInput{PrefixListIds: []string{"pl-01234567"}}, "InvalidPrefixListID.NotFound", "pl-01234567"},
		{"managed prefix list", "DescribeManagedPrefixLists", &api.DescribeManagedPrefixListsInput{PrefixListIds: []string{"pl-01234567"}}, "InvalidPrefixListID.NotFound", "pl-01234567"},
		{"placement group", "DescribePlacementGroups", &api.DescribePlacementGroupsInput{GroupNames: []string{"x"}}, "InvalidPlacementGroup.Unknown", "The Placement Group 'x' is unknown."},
		{"launch template", "DescribeLaunchTemplates", &api.DescribeLaunchTemplatesInput{LaunchTemplateIds: []string{"lt-0123456789abcdef0"}}, "InvalidLaunchTemplateId.NotFound", "lt-0123456789abcdef0"},
		{"launch template's name", "DescribeLaunchTemplates", &api.DescribeLaunchTemplatesInput{LaunchTemplateNames: []string{"x"}}, "InvalidLaunchTemplateName.NotFoundException", "does not exist"},
	} {
		t.Run(c.name, func(t *testing.T) { w.in(t).fails(c.action, c.in, c.code, c.text) })
	}
}
