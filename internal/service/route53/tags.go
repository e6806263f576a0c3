package route53

import (
	"slices"
	"strings"

	api "github.com/localvpc/localvpc/internal/aws/wire/route53"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// maxTags of a resource (AWS General Reference, tagging limits).
const maxTags = 50

// tagged finds what tags are of, and a way to set them.
func tagged(r state.Reader, c authz.Caller, kind, id string) (state.Tags, func(*state.Tx, state.Tags), error) {
	if kind == api.TagResourceTypeHealthcheck {
		h, err := checkOf(r, c, &id)
		if err != nil {
			return nil, nil, err
		}
		return h.Tags, func(tx *state.Tx, tags state.Tags) {
			next := *h
			next.Tags = tags
			state.HealthChecks.Put(tx, &next)
		}, nil
	}
	z, err := zoneOf(r, c, &id)
	if err != nil {
		return nil, nil, err
	}
	return z.Tags, func(tx *state.Tx, tags state.Tags) {
		next := *z
		next.Tags = tags
		state.HostedZones.Put(tx, &next)
	}, nil
}

// ChangeTagsForResource adds, changes and removes tags of a hosted zone or health
// check.
func (s *Service) ChangeTagsForResource(tx *state.Tx, c authz.Caller, in *api.ChangeTagsForResourceInput) (*api.ChangeTagsForResourceOutput, error) {
	tags, put, err := tagged(tx, c, *in.ResourceType, *in.ResourceId)
	if err != nil {
		return nil, err
	}
	if len(in.AddTags)+len(in.RemoveTagKeys) == 0 {
		return nil, invalidInput("Invalid request: Expected at least one of [AddTags, RemoveTagKeys]")
	}
	var keys []string
	for _, t := range in.AddTags {
		key := text(t.Key)
		switch {
		case key == "":
			return nil, invalidInput("Invalid request: a tag must have a key of at least one character.")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return nil, invalidInput("Invalid request: tag keys cannot start with 'aws:': '%s'.", awserr.Clip(key))
		case slices.Contains(keys, key) || slices.Contains(in.RemoveTagKeys, key):
			return nil, invalidInput("Invalid request: the tag key '%s' is given more than once.", awserr.Clip(key))
		}
		keys = append(keys, key)
		tags = tags.With(key, text(t.Value))
	}
	for _, key := range in.RemoveTagKeys {
		tags = tags.Without(key, nil)
	}
	if len(tags) > maxTags {
		return nil, invalidInput("Invalid request: a resource can have at most %d tags.", maxTags)
	}
	put(tx, tags)
	return &api.ChangeTagsForResourceOutput{}, nil
}

// ListTagsForResource lists the tags of a hosted zone or health check.
func (s *Service) ListTagsForResource(r state.Reader, c authz.Caller, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	set, err := tagSet(r, c, *in.ResourceType, *in.ResourceId)
	if err != nil {
		return nil, err
	}
	return &api.ListTagsForResourceOutput{ResourceTagSet: set}, nil
}

// ListTagsForResources lists the tags of up to ten.
func (s *Service) ListTagsForResources(r state.Reader, c authz.Caller, in *api.ListTagsForResourcesInput) (*api.ListTagsForResourcesOutput, error) {
	out := &api.ListTagsForResourcesOutput{ResourceTagSets: []api.ResourceTagSet{}}
	for _, id := range in.ResourceIds {
		set, err := tagSet(r, c, *in.ResourceType, id)
		if err != nil {
			return nil, err
		}
		out.ResourceTagSets = append(out.ResourceTagSets, *set)
	}
	return out, nil
}

func tagSet(r state.Reader, c authz.Caller, kind, id string) (*api.ResourceTagSet, error) {
	tags, _, err := tagged(r, c, kind, id)
	if err != nil {
		return nil, err
	}
	id = bare(&id, zonePrefix)
	out := &api.ResourceTagSet{ResourceType: &kind, ResourceId: &id, Tags: []api.Tag{}}
	for i := range tags {
		out.Tags = append(out.Tags, api.Tag{Key: &tags[i].Key, Value: &tags[i].Value})
	}
	return out, nil
}
