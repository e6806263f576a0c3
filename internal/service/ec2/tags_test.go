package ec2

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// tagText lists tags as resource key=value.
func (w *world) tagText(filters ...string) []string {
	w.Helper()
	var out []string
	for _, t := range call[api.DescribeTagsOutput](w, "DescribeTags", &api.DescribeTagsInput{Filters: filtersOf(filters...)}).Tags {
		out = append(out, fmt.Sprintf("%s %s %s=%s", *t.ResourceType, *t.ResourceId, *t.Key, *t.Value))
	}
	return out
}

func (w *world) wantTags(want []string, filters ...string) {
	w.Helper()
	slices.Sort(want)
	got := w.tagText(filters...)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.Errorf("tags by %v:\n%s\nwant:\n%s", filters, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	sub := w.subnet(v, "10.0.0.0/24")
	acl := *call[api.DescribeNetworkAclsOutput](w, "DescribeNetworkAcls", &api.DescribeNetworkAclsInput{}).NetworkAcls[0].NetworkAclId
	call[api.CreateTagsOutput](w, "CreateTags", &api.CreateTagsInput{Resources: []string{v, sub, acl}, Tags: tagList("Name", "a", "env", "")})
	call[api.CreateTagsOutput](w, "CreateTags", &api.CreateTagsInput{Resources: []string{v}, Tags: tagList("Name", "b", "more", "c")})
	w.wantTags([]string{
		"vpc " + v + " Name=b", "vpc " + v + " env=", "vpc " + v + " more=c",
		"subnet " + sub + " Name=a", "subnet " + sub + " env=",
		"network-acl " + acl + " Name=a", "network-acl " + acl + " env=",
	})
	w.wantTags([]string{"vpc " + v + " Name=b"}, "resource-id", v, "key", "Name")
	w.wantTags([]string{"subnet " + sub + " Name=a", "network-acl " + acl + " Name=a"}, "tag:Name", "a")
	w.wantTags([]string{"subnet " + sub + " Name=a", "subnet " + sub + " env="}, "resource-type", "subnet")
	w.wantTags([]string{"vpc " + v + " more=c"}, "value", "c")
	w.as("999999999999", "us-east-1").wantTags(nil)

	page := call[api.DescribeTagsOutput](w, "DescribeTags", &api.DescribeTagsInput{MaxResults: ptr(int32(5))})
	rest := call[api.DescribeTagsOutput](w, "DescribeTags", &api.DescribeTagsInput{MaxResults: ptr(int32(5)), NextToken: page.NextToken})
	if len(page.Tags) != 5 || len(rest.Tags) != 2 || rest.NextToken != nil {
		t.Errorf("pages of %d and %d", len(page.Tags), len(rest.Tags))
	}

	remove := func(resource string, tags ...api.Tag) {
		t.Helper()
		call[api.DeleteTagsOutput](w, "DeleteTags", &api.DeleteTagsInput{Resources: []string{resource}, Tags: tags})
	}
	remove(v, api.Tag{Key: ptr("Name"), Value: ptr("not this")}, api.Tag{Key: ptr("more")})
	w.wantTags([]string{"vpc " + v + " Name=b", "vpc " + v + " env="}, "resource-id", v)
	remove(sub, tagList("Name", "", "env", "")...) // an empty value is a value
	w.wantTags([]string{"subnet " + sub + " Name=a"}, "resource-id", sub)
	remove(acl)
	w.wantTags(nil, "resource-id", acl)
	remove(acl, api.Tag{Key: ptr("gone")})
}

func TestTagErrors(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	many := func(n int) (out []api.Tag) {
		for i := range n {
			out = append(out, api.Tag{Key: ptr(fmt.Sprint("k", i)), Value: ptr("v")})
		}
		return out
	}
	resources := make([]string, 1001)
	for _, c := range []struct {
		name       string
		resources  []string
		tags       []api.Tag
		code, text string
	}{
		{"no resources", nil, many(1), "MissingParameter", "resource"},
		{"no tags", []string{v}, nil, "MissingParameter", "Tag"},
		{"many resources", resources, many(1), "InvalidParameterValue", "1000"},
		{"no id", []string{"main"}, many(1), "InvalidID", "The ID 'main' is not valid"},
		{"unknown kind", []string{"xyz-0123456789abcdef0"}, many(1), "InvalidID", "The ID 'xyz-0123456789abcdef0' is not valid"},
		{"malformed", []string{"vpc-1"}, many(1), "InvalidVpcID.Malformed", "vpc-1"},
		{"unknown VPC", []string{"vpc-0123456789abcdef0"}, many(1), "InvalidVpcID.NotFound", "vpc-0123456789abcdef0"},
		{"unknown subnet after a VPC", []string{v, "subnet-0123456789abcdef0"}, many(1), "InvalidSubnetID.NotFound", "subnet-0123456789abcdef0"},
		{"unknown group", []string{"sg-0123456789abcdef0"}, many(1), "InvalidGroup.NotFound", "The security group 'sg-0123456789abcdef0' does not exist"},
		{"unknown rule", []string{"sgr-0123456789abcdef0"}, many(1), "InvalidSecurityGroupRuleId.NotFound", "sgr-0123456789abcdef0"},
		{"unknown interface", []string{"eni-0123456789abcdef0"}, many(1), "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID"},
		{"unknown options", []string{"dopt-0123456789abcdef0"}, many(1), "InvalidDhcpOptionID.NotFound", "The dhcpOption ID"},
		{"unknown route table", []string{"rtb-0123456789abcdef0"}, many(1), "InvalidRouteTableID.NotFound", "The routeTable ID"},
		{"unknown ACL", []string{"acl-0123456789abcdef0"}, many(1), "InvalidNetworkAclID.NotFound", "The networkAcl ID"},
		{"unknown image", []string{"ami-0123456789abcdef0"}, many(1), "InvalidAMIID.NotFound", "The image id '[ami-0123456789abcdef0]' does not exist"},
		{"unknown instance", []string{"i-0123456789abcdef0"}, many(1), "InvalidInstanceID.NotFound", "The instance ID"},
		{"unknown volume", []string{"vol-0123456789abcdef0"}, many(1), "InvalidVolume.NotFound", "The volume 'vol-0123456789abcdef0' does not exist."},
		{"reserved", []string{v}, tagList("aws:x", "y"), "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use"},
		{"reserved in capitals", []string{v}, tagList("AWS:x", "y"), "InvalidParameterValue", "reserved"},
		{"empty key", []string{v}, tagList("", "y"), "InvalidParameterValue", "empty"},
		{"no key", []string{v}, []api.Tag{{Value: ptr("x")}}, "InvalidParameterValue", "empty"},
		{"long key", []string{v}, tagList(strings.Repeat("ü", 129), "y"), "InvalidParameterValue", "128"},
		{"long value", []string{v}, tagList("x", strings.Repeat("ü", 257)), "InvalidParameterValue", "256"},
		{"twice", []string{v}, tagList("x", "1", "x", "2"), "InvalidParameterValue", "Duplicate tag key 'x' specified."},
		{"51 tags", []string{v}, many(51), "TagLimitExceeded", "maximum"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.in(t).fails("CreateTags", &api.CreateTagsInput{Resources: c.resources, Tags: c.tags}, c.code, c.text)
		})
	}
	w.wantTags(nil)
	call[api.CreateTagsOutput](w, "CreateTags", &api.CreateTagsInput{Resources: []string{v}, Tags: many(50)})
	call[api.CreateTagsOutput](w, "CreateTags", &api.CreateTagsInput{Resources: []string{v}, Tags: tagList("k1", "changed")})
	w.fails("CreateTags", &api.CreateTagsInput{Resources: []string{v}, Tags: tagList("one more", "")}, "TagLimitExceeded", "maximum")
	w.fails("DeleteTags", &api.DeleteTagsInput{Resources: []string{v}, Tags: tagList("aws:x", "y")}, "InvalidParameterValue", "reserved")
	w.fails("DeleteTags", &api.DeleteTagsInput{Resources: []string{"vpc-0123456789abcdef0"}}, "InvalidVpcID.NotFound", "vpc-0123456789abcdef0")
	w.as("999999999999", "us-east-1").fails("CreateTags", &api.CreateTagsInput{Resources: []string{v}, Tags: many(1)}, "InvalidVpcID.NotFound", v)
}

func TestTagSpecifications(t *testing.T) {
	w := newWorld(t)
	create := func(specs []api.TagSpecification) *api.CreateVpcInput {
		return &api.CreateVpcInput{CidrBlock: ptr("10.0.0.0/16"), TagSpecifications: specs}
	}
	for _, c := range []struct {
		name       string
		specs      []api.TagSpecification
		code, text string
	}{
		{"other type", tagSpec("subnet", "a", "b"), "InvalidParameterValue", "'subnet' is not a valid taggable resource type for this operation."},
		{"no type", []api.TagSpecification{{Tags: tagList("a", "b")}}, "InvalidParameter", "Tag specification resource type must have a value"},
		{"no tags", tagSpec("vpc"), "InvalidParameterValue", "at least one tag"},
		{"twice over two", append(tagSpec("vpc", "a", "b"), tagSpec("vpc", "a", "c")...), "InvalidParameterValue", "Duplicate tag key 'a'"},
		{"reserved", tagSpec("vpc", "aws:a", "b"), "InvalidParameterValue", "reserved"},
	} {
		t.Run(c.name, func(t *testing.T) { w.in(t).fails("CreateVpc", create(c.specs), c.code, c.text) })
	}
	out := call[api.CreateVpcOutput](w, "CreateVpc", create(append(tagSpec("vpc", "b", "1"), tagSpec("vpc", "a", "2")...)))
	if tags := out.Vpc.Tags; len(tags) != 2 || *tags[0].Key != "b" || *tags[1].Value != "2" {
		t.Errorf("tags %+v", tags)
	}
}
