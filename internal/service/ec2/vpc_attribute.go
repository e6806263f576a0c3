package ec2

import (
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// attribute is one of the changes that a Modify…Attribute action can make.
type attribute struct {
	name  string
	given bool
}

// oneAttribute gives the name of the attribute that a request changes: EC2
// changes one a call.
func oneAttribute(all ...attribute) (string, error) {
	var names []string
	for _, a := range all {
		if a.given {
			names = append(names, a.name)
		}
	}
	switch len(names) {
	case 0:
		return "", awserr.InvalidParameterCombination("No attributes specified.")
	case 1:
		return names[0], nil
	}
	return "", awserr.InvalidParameterCombination("Fields for multiple attribute types specified: %s", strings.Join(names, ", "))
}

// DescribeVpcAttribute shows one attribute.
func (s *Service) DescribeVpcAttribute(r state.Reader, c authz.Caller, in *api.DescribeVpcAttributeInput) (*api.DescribeVpcAttributeOutput, error) {
	v, err := vpc(r, c, val(in.VpcId))
	if err != nil {
		return nil, err
	}
	out := &api.DescribeVpcAttributeOutput{VpcId: ptr(v.ID)}
	switch name := val(in.Attribute); name {
	case "enableDnsSupport":
		out.EnableDnsSupport = &api.AttributeBooleanValue{Value: ptr(v.EnableDnsSupport)}
	case "enableDnsHostnames":
		out.EnableDnsHostnames = &api.AttributeBooleanValue{Value: ptr(v.EnableDnsHostnames)}
	case "enableNetworkAddressUsageMetrics":
		out.EnableNetworkAddressUsageMetrics = &api.AttributeBooleanValue{Value: ptr(v.EnableNAUMetrics)}
	default:
		return nil, awserr.InvalidParameterValue("attribute", name, "Unknown attribute.")
	}
	return out, nil
}

// ModifyVpcAttribute changes one attribute.
func (s *Service) ModifyVpcAttribute(tx *state.Tx, c authz.Caller, in *api.ModifyVpcAttributeInput) (*api.ModifyVpcAttributeOutput, error) {
	if err := vpcKind.wellFormed(val(in.VpcId)); err != nil {
		return nil, err
	}
	name, err := oneAttribute(
		attribute{"enableDnsHostnames", in.EnableDnsHostnames != nil},
		attribute{"enableDnsSupport", in.EnableDnsSupport != nil},
		attribute{"enableNetworkAddressUsageMetrics", in.EnableNetworkAddressUsageMetrics != nil})
	if err != nil {
		return nil, err
	}
	old, err := vpc(tx, c, *in.VpcId)
	if err != nil {
		return nil, err
	}
	v := *old
	switch name {
	case "enableDnsHostnames":
		v.EnableDnsHostnames, err = boolOf("enableDnsHostnames", in.EnableDnsHostnames)
		if err == nil && v.EnableDnsHostnames && !v.EnableDnsSupport {
			err = awserr.InvalidParameterCombination("DNS hostnames cannot be enabled for the vpc '%s' because DNS support is disabled.", v.ID)
		}
	case "enableDnsSupport":
		v.EnableDnsSupport, err = boolOf("enableDnsSupport", in.EnableDnsSupport)
	case "enableNetworkAddressUsageMetrics":
		v.EnableNAUMetrics, err = boolOf("enableNetworkAddressUsageMetrics", in.EnableNetworkAddressUsageMetrics)
	}
	if err != nil {
		return nil, err
	}
	state.Vpcs.Put(tx, &v)
	return &api.ModifyVpcAttributeOutput{}, nil
}

// boolOf reads an attribute's value, which must be there.
func boolOf(name string, a *api.AttributeBooleanValue) (bool, error) {
	if a == nil || a.Value == nil {
		return false, awserr.MissingParameter(name + ".value")
	}
	return *a.Value, nil
}

// ClassicLink was EC2-Classic's way into a VPC and ended with it: no VPC has it.

// DescribeVpcClassicLink says so of each VPC.
func (s *Service) DescribeVpcClassicLink(r state.Reader, c authz.Caller, in *api.DescribeVpcClassicLinkInput) (*api.DescribeVpcClassicLinkOutput, error) {
	rows, _, err := vpcKind.describe(r, c, query[state.Vpc]{
		action: "DescribeVpcClassicLink", ids: in.VpcIds, filters: in.Filters,
		by: filters[state.Vpc]{"is-classic-link-enabled": func(*state.Vpc) []string { return yes(false) }},
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeVpcClassicLinkOutput{Vpcs: []api.VpcClassicLink{}}
	for _, v := range rows {
		out.Vpcs = append(out.Vpcs, api.VpcClassicLink{VpcId: ptr(v.ID), ClassicLinkEnabled: ptr(false), Tags: apiTags(v.Tags)})
	}
	return out, nil
}

// DescribeVpcClassicLinkDnsSupport says so of each VPC.
func (s *Service) DescribeVpcClassicLinkDnsSupport(r state.Reader, c authz.Caller, in *api.DescribeVpcClassicLinkDnsSupportInput) (*api.DescribeVpcClassicLinkDnsSupportOutput, error) {
	rows, next, err := vpcKind.describe(r, c, query[state.Vpc]{
		action: "DescribeVpcClassicLinkDnsSupport", ids: in.VpcIds, max: in.MaxResults, token: in.NextToken,
	})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeVpcClassicLinkDnsSupportOutput{NextToken: next, Vpcs: []api.ClassicLinkDnsSupport{}}
	for _, v := range rows {
		out.Vpcs = append(out.Vpcs, api.ClassicLinkDnsSupport{VpcId: ptr(v.ID), ClassicLinkDnsSupported: ptr(false)})
	}
	return out, nil
}
