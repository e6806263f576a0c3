package ec2

import (
	"slices"
	"strconv"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// accountAttributes are the attributes of an account, in the order in which they
// are listed.
func (s *Service) accountAttributes(r state.Reader, c authz.Caller) []api.AccountAttribute {
	defaultVpc := "none"
	for v := range state.Vpcs.In(r, c.Scope) {
		if v.IsDefault {
			defaultVpc = v.ID
		}
	}
	var out []api.AccountAttribute
	for _, a := range []struct{ name, value string }{
		{"supported-platforms", "VPC"},
		{"vpc-max-security-groups-per-interface", s.quotaText(r, c, "security-groups-per-interface")},
		{"max-elastic-ips", s.quotaText(r, c, "elastic-ips")},
		{"max-instances", "20"}, // what EC2 goes on to say; vCPU quotas have taken its place
		{"vpc-max-elastic-ips", s.quotaText(r, c, "elastic-ips")},
		{"default-vpc", defaultVpc},
	} {
		out = append(out, api.AccountAttribute{AttributeName: ptr(a.name), AttributeValues: []api.AccountAttributeValue{{AttributeValue: ptr(a.value)}}})
	}
	return out
}

// unlimited stands for a quota that is switched off, where a number is wanted.
const unlimited = 1<<31 - 1

func (s *Service) quotaText(r state.Reader, c authz.Caller, name string) string {
	limit := s.quota(r, c, name)
	if limit < 0 {
		limit = unlimited
	}
	return strconv.Itoa(limit)
}

// DescribeAccountAttributes shows attributes of the account, all or those named.
func (s *Service) DescribeAccountAttributes(r state.Reader, c authz.Caller, in *api.DescribeAccountAttributesInput) (*api.DescribeAccountAttributesOutput, error) {
	all := s.accountAttributes(r, c)
	out := &api.DescribeAccountAttributesOutput{AccountAttributes: []api.AccountAttribute{}}
	if len(in.AttributeNames) == 0 {
		out.AccountAttributes = all
		return out, nil
	}
	for _, name := range in.AttributeNames {
		if !slices.ContainsFunc(all, func(a api.AccountAttribute) bool { return *a.AttributeName == name }) {
			return nil, awserr.InvalidParameterValue("attributeName", name, "Unknown attribute.")
		}
	}
	for _, a := range all {
		if slices.Contains(in.AttributeNames, *a.AttributeName) {
			out.AccountAttributes = append(out.AccountAttributes, a)
		}
	}
	return out, nil
}
