package ec2

import (
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// DescribeIamInstanceProfileAssociations: there are no instance profiles yet.
func (s *Service) DescribeIamInstanceProfileAssociations(r state.Reader, c authz.Caller, in *api.DescribeIamInstanceProfileAssociationsInput) (*api.DescribeIamInstanceProfileAssociationsOutput, error) {
	nothing := func(*api.IamInstanceProfileAssociation) []string { return nil }
	if _, err := compile(in.Filters, filters[api.IamInstanceProfileAssociation]{"instance-id": nothing, "state": nothing}); err != nil {
		return nil, err
	}
	if len(in.AssociationIds) > 0 {
		for _, id := range in.AssociationIds {
			if !awsid.Valid("iip-assoc", id) {
				return nil, malformedID("InvalidAssociationID.Malformed", "iip-assoc", id)
			}
		}
		return nil, awserr.New("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", awserr.Clip(strings.Join(slices.Compact(slices.Sorted(slices.Values(in.AssociationIds))), ", ")))
	}
	if _, err := (paging{action: "DescribeIamInstanceProfileAssociations", scope: c.Scope, max: in.MaxResults, token: in.NextToken, filters: in.Filters}).check(); err != nil {
		return nil, err
	}
	return &api.DescribeIamInstanceProfileAssociationsOutput{IamInstanceProfileAssociations: []api.IamInstanceProfileAssociation{}}, nil
}

// AssociateIamInstanceProfile finds no profile: there are none yet.
func (s *Service) AssociateIamInstanceProfile(tx *state.Tx, c authz.Caller, in *api.AssociateIamInstanceProfileInput) (*api.AssociateIamInstanceProfileOutput, error) {
	if _, err := living(tx, c, val(in.InstanceId)); err != nil {
		return nil, err
	}
	return nil, noProfile(in.IamInstanceProfile)
}

// noProfile: there are no instance profiles yet, so AWS's answer is the right one.
func noProfile(p *api.IamInstanceProfileSpecification) error {
	switch {
	case p.Name != nil && p.Arn != nil:
		return awserr.InvalidParameterCombination("The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'")
	case p.Arn != nil:
		return awserr.InvalidParameterValue("iamInstanceProfile.arn", *p.Arn, "Invalid IAM Instance Profile ARN")
	case p.Name != nil:
		return awserr.InvalidParameterValue("iamInstanceProfile.name", *p.Name, "Invalid IAM Instance Profile name")
	}
	return awserr.MissingParameter("IamInstanceProfile.Name or IamInstanceProfile.Arn")
}
