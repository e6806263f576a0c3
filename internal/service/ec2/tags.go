package ec2

import (
	"slices"
	"strings"
	"unicode/utf8"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awserr"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/state"
)

// Bounds of tags (EC2 User Guide, "Tag restrictions").
const (
	maxTags         = 50
	maxTagKey       = 128 // characters
	maxTagValue     = 256
	maxTagResources = 1000 // in one CreateTags or DeleteTags
)

// tagsOf takes the tags for a new resource of a type out of a create request.
// Specifications for the other types in also are left to the caller's next call;
// any other type is refused.
func tagsOf(specs []api.TagSpecification, resourceType string, also ...string) (state.Tags, error) {
	var tags []api.Tag
	for _, spec := range specs {
		switch t := val(spec.ResourceType); {
		case t == "":
			return nil, awserr.New("InvalidParameter", "Tag specification resource type must have a value")
		case t == resourceType:
			if len(spec.Tags) == 0 {
				return nil, awserr.New("InvalidParameterValue", "Tag specification must have at least one tag")
			}
			tags = append(tags, spec.Tags...)
		case !slices.Contains(also, t):
			return nil, awserr.New("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", awserr.Clip(t))
		}
	}
	return checkTags(tags)
}

// checkTags validates tags as a request gives them and keeps their order.
func checkTags(tags []api.Tag) (state.Tags, error) {
	var out state.Tags
	for _, t := range tags {
		key, value := val(t.Key), val(t.Value)
		switch {
		case key == "":
			return nil, awserr.New("InvalidParameterValue", "Tag key cannot be empty")
		case reservedTag(key):
			return nil, awserr.New("InvalidParameterValue", "Value ( %s ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use", awserr.Clip(key))
		case utf8.RuneCountInString(key) > maxTagKey:
			return nil, awserr.New("InvalidParameterValue", "Tag key exceeds the maximum length of %d characters", maxTagKey)
		case utf8.RuneCountInString(value) > maxTagValue:
			return nil, awserr.New("InvalidParameterValue", "Tag value exceeds the maximum length of %d characters", maxTagValue)
		}
		if _, ok := out.Get(key); ok {
			return nil, awserr.New("InvalidParameterValue", "Duplicate tag key '%s' specified.", awserr.Clip(key))
		}
		if out = append(out, state.Tag{Key: key, Value: value}); len(out) > maxTags {
			return nil, tooManyTags()
		}
	}
	return out, nil
}

// reservedTag says whether only AWS itself may set the tag, in whatever case.
func reservedTag(key string) bool { return len(key) >= 4 && strings.EqualFold(key[:4], "aws:") }

func tooManyTags() error {
	return awserr.New("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
}

// apiTags gives the tags of a resource; nil when it has none, which leaves the
// list out of the answer.
func apiTags(tags state.Tags) []api.Tag {
	var out []api.Tag
	for _, t := range tags {
		out = append(out, api.Tag{Key: ptr(t.Key), Value: ptr(t.Value)})
	}
	return out
}

// tagSet is apiTags for those resources whose empty list AWS shows.
func tagSet(tags state.Tags) []api.Tag {
	if len(tags) == 0 {
		return []api.Tag{}
	}
	return apiTags(tags)
}

// taggable is a kind of resource, seen by the actions that know nothing of it
// but its tags.
type taggable interface {
	owns(id string) bool
	retag(tx *state.Tx, c authz.Caller, id string, change func(state.Tags) (state.Tags, error)) error
	tagged(r state.Reader, s state.Scope, row func(id, resourceType string, tags state.Tags))
}

// taggables lists every kind once.
func taggables() []taggable {
	return []taggable{vpcKind, subnetKind, groupKind, groupRuleKind, networkInterfaceKind, dhcpOptionsKind,
		routeTableKind, networkAclKind, prefixListKind, internetGatewayKind, addressKind, natGatewayKind, peeringKind, imageKind, keyPairKind, instanceKind, volumeKind}
}

func (k kind[T]) owns(id string) bool { return awsid.Prefix(id) == k.prefix }

func (k kind[T]) retag(tx *state.Tx, c authz.Caller, id string, change func(state.Tags) (state.Tags, error)) error {
	row, err := k.find(tx, c, id)
	if err != nil {
		return err
	}
	tags, err := change(tagsIn(row))
	if err != nil {
		return err
	}
	if slices.Equal(tags, tagsIn(row)) {
		return nil
	}
	if k.taggable != nil {
		if err := k.taggable(row, tags); err != nil {
			return err
		}
	}
	changed := *row
	state.MetaOf(any(&changed).(state.Resource)).Tags = tags
	k.put(tx, c.Scope, &changed)
	return nil
}

func (k kind[T]) tagged(r state.Reader, s state.Scope, row func(id, resourceType string, tags state.Tags)) {
	for v := range k.in(r, s) {
		if tags := tagsIn(v); len(tags) > 0 {
			row(idOf(v), k.resource, tags)
		}
	}
}

// retag changes the tags of all resources, or of none.
func retag(tx *state.Tx, c authz.Caller, ids []string, change func(state.Tags) (state.Tags, error)) error {
	if len(ids) == 0 {
		return awserr.MissingParameter("resourceIdSet")
	}
	if len(ids) > maxTagResources {
		return awserr.New("InvalidParameterValue", "The maximum number of resources in one request is %d", maxTagResources)
	}
	kinds := taggables()
	for _, id := range ids {
		i := slices.IndexFunc(kinds, func(k taggable) bool { return k.owns(id) })
		if i < 0 {
			return awserr.New("InvalidID", "The ID '%s' is not valid", awserr.Clip(id))
		}
		if err := kinds[i].retag(tx, c, id, change); err != nil {
			return err
		}
	}
	return nil
}

// CreateTags sets tags on resources, in place of those with the same keys.
func (s *Service) CreateTags(tx *state.Tx, c authz.Caller, in *api.CreateTagsInput) (*api.CreateTagsOutput, error) {
	if len(in.Tags) == 0 {
		return nil, awserr.MissingParameter("Tag")
	}
	tags, err := checkTags(in.Tags)
	if err != nil {
		return nil, err
	}
	err = retag(tx, c, in.Resources, func(old state.Tags) (state.Tags, error) {
		for _, t := range tags {
			old = old.With(t.Key, t.Value)
		}
		if len(old) > maxTags {
			return nil, tooManyTags()
		}
		return old, nil
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateTagsOutput{}, nil
}

// DeleteTags removes tags from resources: those with the keys, if a value is
// given only when they have it; without any tags, all that users may set.
func (s *Service) DeleteTags(tx *state.Tx, c authz.Caller, in *api.DeleteTagsInput) (*api.DeleteTagsOutput, error) {
	for _, t := range in.Tags {
		switch key := val(t.Key); {
		case key == "":
			return nil, awserr.New("InvalidParameterValue", "Tag key cannot be empty")
		case reservedTag(key):
			return nil, awserr.New("InvalidParameterValue", "Value ( %s ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use", awserr.Clip(key))
		}
	}
	err := retag(tx, c, in.Resources, func(tags state.Tags) (state.Tags, error) {
		if len(in.Tags) == 0 {
			var kept state.Tags
			for _, t := range tags {
				if reservedTag(t.Key) {
					kept = append(kept, t)
				}
			}
			return kept, nil
		}
		for _, t := range in.Tags {
			tags = tags.Without(*t.Key, t.Value)
		}
		return tags, nil
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteTagsOutput{}, nil
}

// tagRow is one tag of one resource.
type tagRow struct{ id, resource, key, value string }

var tagFilters = filters[tagRow]{
	"key":           func(t *tagRow) []string { return []string{t.key} },
	"value":         func(t *tagRow) []string { return []string{t.value} },
	"resource-id":   func(t *tagRow) []string { return []string{t.id} },
	"resource-type": func(t *tagRow) []string { return []string{t.resource} },
}

// DescribeTags lists tags by resource id, then key.
func (s *Service) DescribeTags(r state.Reader, c authz.Caller, in *api.DescribeTagsInput) (*api.DescribeTagsOutput, error) {
	// tag:KEY selects tags here, not resources.
	table := filters[tagRow]{}
	for name, fn := range tagFilters {
		table[name] = fn
	}
	for _, f := range in.Filters {
		if key, ok := strings.CutPrefix(val(f.Name), "tag:"); ok {
			table[*f.Name] = func(t *tagRow) []string {
				if t.key != key {
					return nil
				}
				return []string{t.value}
			}
		}
	}
	pass, err := compile(in.Filters, table)
	if err != nil {
		return nil, err
	}
	var rows []*tagRow
	for _, k := range taggables() {
		k.tagged(r, c.Scope, func(id, resource string, tags state.Tags) {
			for _, t := range tags {
				if row := (&tagRow{id, resource, t.Key, t.Value}); pass(r, row) {
					rows = append(rows, row)
				}
			}
		})
	}
	position := func(t *tagRow) string { return t.id + " " + t.key }
	slices.SortFunc(rows, func(a, b *tagRow) int { return strings.Compare(position(a), position(b)) })
	rows, next, err := page(slices.Values(rows), position,
		paging{action: "DescribeTags", scope: c.Scope, max: in.MaxResults, token: in.NextToken, filters: in.Filters})
	if err != nil {
		return nil, err
	}
	out := &api.DescribeTagsOutput{NextToken: next, Tags: []api.TagDescription{}}
	for _, t := range rows {
		out.Tags = append(out.Tags, api.TagDescription{ResourceId: ptr(t.id), ResourceType: ptr(t.resource), Key: ptr(t.key), Value: ptr(t.value)})
	}
	return out, nil
}
