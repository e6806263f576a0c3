package elbv2

import (
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/elbv2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// Bounds of tags (ELBv2 API Reference, AddTags, DescribeTags).
const (
	maxTags         = 50
	maxTagResources = 20
)

// tagsOf takes the tags of a request; their form is checked by the decoder.
func tagsOf(tags []api.Tag) (state.Tags, error) {
	var out state.Tags
	for _, t := range tags {
		key := val(t.Key)
		if _, ok := out.Get(key); ok {
			return nil, awserr.New(api.ErrDuplicateTagKeys, "The tag key '%s' is specified more than once", awserr.Clip(key))
		}
		if err := checkTagKey(key); err != nil {
			return nil, err
		}
		out = append(out, state.Tag{Key: key, Value: val(t.Value)})
	}
	if len(out) > maxTags {
		return nil, tooManyTags()
	}
	return out, nil
}

func checkTagKey(key string) error {
	if len(key) >= 4 && strings.EqualFold(key[:4], "aws:") {
		return invalid("The tag key '%s' cannot begin with 'aws:'", awserr.Clip(key))
	}
	return nil
}

func tooManyTags() error {
	return awserr.New(api.ErrTooManyTags, "The number of tags per resource cannot exceed '%d'", maxTags)
}

func apiTags(tags state.Tags) []api.Tag {
	return mapped(tags, func(t state.Tag) api.Tag { return api.Tag{Key: ptr(t.Key), Value: ptr(t.Value)} })
}

// tagged is a resource, seen by the actions that know nothing of it but its tags.
type tagged struct {
	arn  string
	tags state.Tags
	put  func(*state.Tx, state.Tags) // nil: it can have none
}

// taggedRow finds the resource with an ARN.
func taggedRow(r state.Reader, c authz.Caller, arn string) (tagged, error) {
	_, resource, _, ok := split(arn)
	switch {
	case ok && resource == balancerKind.resource:
		return taggedOf(balancerKind, r, c, arn)
	case ok && resource == groupKind.resource:
		return taggedOf(groupKind, r, c, arn)
	case ok && resource == listenerKind.resource:
		return taggedOf(listenerKind, r, c, arn)
	case ok && resource == ruleResource:
		_, err := ruleListener(r, c, arn)
		return tagged{arn: arn}, err
	}
	return tagged{}, invalid("'%s' is not a valid ARN", awserr.Clip(arn))
}

func taggedOf[T any](k kind[T], r state.Reader, c authz.Caller, arn string) (tagged, error) {
	row, err := k.find(r, c, arn)
	if err != nil {
		return tagged{}, err
	}
	return tagged{arn: arn, tags: state.MetaOf(any(row).(state.Resource)).Tags, put: func(tx *state.Tx, tags state.Tags) {
		changed := *row
		state.MetaOf(any(&changed).(state.Resource)).Tags = tags
		k.table.Put(tx, &changed)
	}}, nil
}

// retag changes the tags of all resources, or of none.
func retag(tx *state.Tx, c authz.Caller, arns []string, change func(state.Tags) (state.Tags, error)) error {
	if len(arns) > maxTagResources {
		return invalid("Cannot specify more than '%d' resources", maxTagResources)
	}
	for _, arn := range arns {
		row, err := taggedRow(tx, c, arn)
		if err != nil {
			return err
		}
		if row.put == nil {
			return awserr.New(api.ErrOperationNotPermitted, "Default rules cannot be tagged")
		}
		tags, err := change(row.tags)
		if err != nil {
			return err
		}
		if !slices.Equal(tags, row.tags) {
			row.put(tx, tags)
		}
	}
	return nil
}

// AddTags sets tags on resources, in place of those with the same keys.
func (s *Service) AddTags(tx *state.Tx, c authz.Caller, in *api.AddTagsInput) (*api.AddTagsOutput, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	return &api.AddTagsOutput{}, retag(tx, c, in.ResourceArns, func(old state.Tags) (state.Tags, error) {
		for _, t := range tags {
			old = old.With(t.Key, t.Value)
		}
		if len(old) > maxTags {
			return nil, tooManyTags()
		}
		return old, nil
	})
}

// RemoveTags takes the tags with the keys from resources.
func (s *Service) RemoveTags(tx *state.Tx, c authz.Caller, in *api.RemoveTagsInput) (*api.RemoveTagsOutput, error) {
	for _, key := range in.TagKeys {
		if err := checkTagKey(key); err != nil {
			return nil, err
		}
	}
	return &api.RemoveTagsOutput{}, retag(tx, c, in.ResourceArns, func(tags state.Tags) (state.Tags, error) {
		for _, key := range in.TagKeys {
			tags = tags.Without(key, nil)
		}
		return tags, nil
	})
}

// DescribeTags lists the tags of up to 20 resources.
func (s *Service) DescribeTags(r state.Reader, c authz.Caller, in *api.DescribeTagsInput) (*api.DescribeTagsOutput, error) {
	if len(in.ResourceArns) > maxTagResources {
		return nil, invalid("Cannot specify more than '%d' resources", maxTagResources)
	}
	out := &api.DescribeTagsOutput{TagDescriptions: []api.TagDescription{}}
	for _, arn := range in.ResourceArns {
		row, err := taggedRow(r, c, arn)
		if err != nil {
			return nil, err
		}
		out.TagDescriptions = append(out.TagDescriptions, api.TagDescription{ResourceArn: ptr(arn), Tags: apiTags(row.tags)})
	}
	return out, nil
}
