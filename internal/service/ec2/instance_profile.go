package ec2

import (
	"iter"
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// instanceProfile finds the instance profile that a request names, by name or ARN.
// It must have a role: an instance would have nothing of it.
func instanceProfile(r state.Reader, c authz.Caller, p *api.IamInstanceProfileSpecification) (*state.InstanceProfile, error) {
	var name string
	var none error
	switch {
	case p.Name != nil && p.Arn != nil:
		return nil, awserr.InvalidParameterCombination("The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'")
	case p.Arn != nil:
		name = (*p.Arn)[strings.LastIndexByte(*p.Arn, '/')+1:]
		none = awserr.InvalidParameterValue("iamInstanceProfile.arn", *p.Arn, "Invalid IAM Instance Profile ARN")
	case p.Name != nil:
		name = *p.Name
		none = awserr.InvalidParameterValue("iamInstanceProfile.name", *p.Name, "Invalid IAM Instance Profile name")
	default:
		return nil, awserr.MissingParameter("IamInstanceProfile.Name or IamInstanceProfile.Arn")
	}
	row, ok := state.InstanceProfiles.Get(r, state.NameKey(c.Account, name))
	if !ok || p.Arn != nil && *p.Arn != row.ARN() {
		return nil, none
	}
	if row.Role == "" {
		return nil, awserr.New("InvalidParameterValue", "IAM Instance Profile \"%s\" has no associated IAM Roles", row.ARN())
	}
	return row, nil
}

// setProfile sets the profile of an instance that is a copy.
func setProfile(tx *state.Tx, i *state.Instance, p *state.InstanceProfile) {
	i.ProfileArn, i.ProfileID = p.ARN(), p.UniqueID
	i.ProfileAssociation, i.ProfileAssociated = tx.ID("iip-assoc"), tx.Now()
}

func apiProfileAssociation(i *state.Instance, is string) *api.IamInstanceProfileAssociation {
	return &api.IamInstanceProfileAssociation{
		AssociationId: ptr(i.ProfileAssociation), InstanceId: ptr(i.ID), State: ptr(is), Timestamp: ptr(i.ProfileAssociated),
		IamInstanceProfile: &api.IamInstanceProfile{Arn: ptr(i.ProfileArn), Id: ptr(i.ProfileID)},
	}
}

// profiled walks the instances that have a profile.
func profiled(r state.Reader, c authz.Caller) iter.Seq[*state.Instance] {
	return where(state.Instances.In(r, c.Scope), func(i *state.Instance) bool {
		return i.ProfileAssociation != "" && i.State != state.Terminated
	})
}

// profileAssociation finds the instance that an association is of.
func profileAssociation(r state.Reader, c authz.Caller, id string) (*state.Instance, error) {
	if !awsid.Valid("iip-assoc", id) {
		return nil, malformedID("InvalidAssociationID.Malformed", "iip-assoc", id)
	}
	for i := range profiled(r, c) {
		if i.ProfileAssociation == id {
			return i, nil
		}
	}
	return nil, awserr.New("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
}

// AssociateIamInstanceProfile gives an instance without a profile one.
func (s *Service) AssociateIamInstanceProfile(tx *state.Tx, c authz.Caller, in *api.AssociateIamInstanceProfileInput) (*api.AssociateIamInstanceProfileOutput, error) {
	i, err := living(tx, c, val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	p, err := instanceProfile(tx, c, in.IamInstanceProfile)
	if err != nil {
		return nil, err
	}
	if i.ProfileAssociation != "" {
		return nil, awserr.New("IncorrectState", "There is an existing association for instance %s", i.ID)
	}
	next := *i
	setProfile(tx, &next, p)
	state.Instances.Put(tx, &next)
	return &api.AssociateIamInstanceProfileOutput{IamInstanceProfileAssociation: apiProfileAssociation(&next, api.IamInstanceProfileAssociationStateAssociating)}, nil
}

// ReplaceIamInstanceProfileAssociation gives an instance another profile; the
// association is a new one.
func (s *Service) ReplaceIamInstanceProfileAssociation(tx *state.Tx, c authz.Caller, in *api.ReplaceIamInstanceProfileAssociationInput) (*api.ReplaceIamInstanceProfileAssociationOutput, error) {
	i, err := profileAssociation(tx, c, *in.AssociationId)
	if err != nil {
		return nil, err
	}
	p, err := instanceProfile(tx, c, in.IamInstanceProfile)
	if err != nil {
		return nil, err
	}
	next := *i
	setProfile(tx, &next, p)
	state.Instances.Put(tx, &next)
	return &api.ReplaceIamInstanceProfileAssociationOutput{IamInstanceProfileAssociation: apiProfileAssociation(&next, api.IamInstanceProfileAssociationStateAssociating)}, nil
}

// DisassociateIamInstanceProfile takes the profile from an instance: it gets no
// more credentials; those that it has expire.
func (s *Service) DisassociateIamInstanceProfile(tx *state.Tx, c authz.Caller, in *api.DisassociateIamInstanceProfileInput) (*api.DisassociateIamInstanceProfileOutput, error) {
	i, err := profileAssociation(tx, c, *in.AssociationId)
	if err != nil {
		return nil, err
	}
	out := &api.DisassociateIamInstanceProfileOutput{IamInstanceProfileAssociation: apiProfileAssociation(i, api.IamInstanceProfileAssociationStateDisassociating)}
	next := *i
	next.ProfileArn, next.ProfileID, next.ProfileAssociation = "", "", ""
	state.Instances.Put(tx, &next)
	return out, nil
}

// DescribeIamInstanceProfileAssociations lists associations, in the order of the
// instances.
func (s *Service) DescribeIamInstanceProfileAssociations(r state.Reader, c authz.Caller, in *api.DescribeIamInstanceProfileAssociationsInput) (*api.DescribeIamInstanceProfileAssociationsOutput, error) {
	pass, err := compile(in.Filters, filters[state.Instance]{
		"instance-id": func(i *state.Instance) []string { return one(i.ID) },
		"state":       func(*state.Instance) []string { return one(api.IamInstanceProfileAssociationStateAssociated) },
	})
	if err != nil {
		return nil, err
	}
	rows := profiled(r, c)
	if len(in.AssociationIds) > 0 {
		var found []*state.Instance
		for _, id := range slices.Compact(slices.Sorted(slices.Values(in.AssociationIds))) {
			i, err := profileAssociation(r, c, id)
			if err != nil {
				return nil, err
			}
			found = append(found, i)
		}
		rows = slices.Values(found)
	}
	list, next, err := page(where(rows, func(i *state.Instance) bool { return pass(r, i) }), idOf[state.Instance],
		paging{action: "DescribeIamInstanceProfileAssociations", scope: c.Scope, max: in.MaxResults, token: in.NextToken, filters: in.Filters})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeIamInstanceProfileAssociationsOutput{IamInstanceProfileAssociations: []api.IamInstanceProfileAssociation{}, NextToken: next}
	for _, i := range list {
		out.IamInstanceProfileAssociations = append(out.IamInstanceProfileAssociations, *apiProfileAssociation(i, api.IamInstanceProfileAssociationStateAssociated))
	}
	return out, nil
}
