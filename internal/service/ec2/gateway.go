package ec2

import (
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// Some resources cannot be made yet. Clients ask for them while they read others;
// the truth is that there are none, and any id is unknown.

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
