package ec2

import (
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// TestTagsThatMetadataShows: a tag that cannot be a path of the metadata is
// refused as long as the metadata shows tags, by all the ways to one.
func TestTagsThatMetadataShows(t *testing.T) {
	l := newLab(t)
	shown := func(in *api.RunInstancesInput) {
		in.MetadataOptions = &api.InstanceMetadataOptionsRequest{InstanceMetadataTags: ptr("enabled")}
	}
	tagged := func(key string) func(*api.RunInstancesInput) {
		return func(in *api.RunInstancesInput) { in.TagSpecifications = tagSpec("instance", "Name", "a", key, "b") }
	}
	const text = ` is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\\-_+=,.@:]{1,255}), and must not be a reserved name ('.', '..', '_index')`
	for _, key := range []string{"a b", "a/b", "é", ".", "..", "_index", "a\n"} {
		l.fails("RunInstances", l.ask(shown, tagged(key)), "InvalidParameterValue", "'"+key+"'"+text)
	}
	id := *l.run(shown, tagged("a-_+=,.@:Z9")).InstanceId
	l.started(id)
	l.fails("CreateTags", &api.CreateTagsInput{Resources: []string{id}, Tags: tagList("kubernetes.io/cluster", "x")}, "InvalidParameterValue", "'kubernetes.io/cluster'"+text)
	call[api.CreateTagsOutput](l.world, "CreateTags", &api.CreateTagsInput{Resources: []string{id}, Tags: tagList("kubernetes.io", "x")})

	hidden := *l.run(tagged("a/b")).InstanceId
	l.started(hidden)
	show := &api.ModifyInstanceMetadataOptionsInput{InstanceId: &hidden, InstanceMetadataTags: ptr("enabled")}
	l.fails("ModifyInstanceMetadataOptions", show, "InvalidParameterValue", "'a/b'"+text)
	call[api.DeleteTagsOutput](l.world, "DeleteTags", &api.DeleteTagsInput{Resources: []string{hidden}, Tags: []api.Tag{{Key: ptr("a/b")}}})
	call[api.ModifyInstanceMetadataOptionsOutput](l.world, "ModifyInstanceMetadataOptions", show)

	call[api.ModifyInstanceMetadataDefaultsOutput](l.world, "ModifyInstanceMetadataDefaults", &api.ModifyInstanceMetadataDefaultsInput{InstanceMetadataTags: ptr("enabled")})
	l.fails("RunInstances", l.ask(tagged("a/b")), "InvalidParameterValue", "'a/b'"+text)
}
