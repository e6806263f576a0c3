package ssm

import (
	"reflect"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ssm"
	"github.com/localvpc/localvpc/internal/base/awserr"
)

const badName = `ValidationException: Parameter name: can't be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of ` +
	`sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_`

func TestGetParameter(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		name, ask string
		want      api.Parameter
	}{
		{"by name", al2023, api.Parameter{Name: new(al2023), Value: new("ami-al2023"), DataType: new("text")}},
		{"of Canonical", noble, api.Parameter{Name: new(noble), Value: new("ami-noble"), DataType: new("aws:ec2:image")}},
		{"by version", al2 + ":1", api.Parameter{Name: new(al2), Value: new("ami-al2"), DataType: new("text"), Selector: new(":1")}},
		{"by ARN", "arn:aws:ssm:eu-west-1::parameter" + al2, api.Parameter{Name: new(al2), Value: new("ami-al2"), DataType: new("text")}},
		{"by ARN and version", "arn:aws:ssm:eu-west-1::parameter" + al2 + ":1", api.Parameter{Name: new(al2), Value: new("ami-al2"), DataType: new("text"), Selector: new(":1")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.want.Type, test.want.Version, test.want.LastModifiedDate = new("String"), new(int64(1)), &made
			test.want.ARN = new("arn:aws:ssm:eu-west-1::parameter" + *test.want.Name)
			got := call[api.GetParameterOutput](w, "GetParameter", &api.GetParameterInput{Name: &test.ask, WithDecryption: new(true)}).Parameter
			if !reflect.DeepEqual(*got, test.want) {
				t.Errorf("got %+v", got)
			}
		})
	}

	w.image("ami-newer", al2)
	if got := call[api.GetParameterOutput](w, "GetParameter", &api.GetParameterInput{Name: new(al2)}); *got.Parameter.Value != "ami-al2" {
		t.Errorf("an image that is no newer has taken over: %s", *got.Parameter.Value)
	}
}

func TestGetParameterRefuses(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct{ name, ask, want string }{
		{"somebody's own", "/my/parameter", "ParameterNotFound: "},
		{"without a path", "parameter", "ParameterNotFound: "},
		{"somebody's own, by ARN", "arn:aws:ssm:eu-west-1:123456789012:parameter/my", "ParameterNotFound: "},
		{"another version", al2 + ":2", "ParameterVersionNotFound: Systems Manager could not find version 2 of " + al2 + ". Verify the version and try again."},
		{"a label", al2 + ":latest", "ParameterVersionNotFound: Systems Manager could not find version latest of " + al2 + ". Verify the version and try again."},
		{"a sign", "/my/a+b", badName},
		{"an empty part", "/my//a", badName},
		{"a slash at the end", al2 + "/", badName},
		{"a path without its first slash", "my/parameter", badName},
		{"ssm in front", "SSM-parameter", badName},
		{"an empty selector", al2 + ":", badName},
		{"another service's ARN", "arn:aws:ec2:eu-west-1::parameter/a", badName},
		{"half an ARN", "arn:aws:ssm", badName},
		{"another resource's ARN", "arn:aws:ssm:eu-west-1::document/a", badName},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.fails("GetParameter", &api.GetParameterInput{Name: &test.ask}, test.want)
		})
	}
	for _, name := range []string{"/aws/service/eks/optimized-ami/1.33/amazon-linux-2023/recommended/image_id", "arn:aws:ssm:us-east-1::parameter" + al2, "arn:aws:ssm:eu-west-1:123456789012:parameter" + al2} {
		_, err := w.do("GetParameter", &api.GetParameterInput{Name: &name})
		if !awserr.Is(err, "ParameterNotFound") || !strings.Contains(err.Error(), "--images") {
			t.Errorf("%s: %v, want ParameterNotFound with the remedy", name, err)
		}
	}
}

func TestGetParameters(t *testing.T) {
	w := newWorld(t)
	got := call[api.GetParametersOutput](w, "GetParameters", &api.GetParametersInput{Names: []string{noble, "/my/a", al2 + ":1", al2 + ":3", "/aws/service/b"}})
	var values []string
	for _, p := range got.Parameters {
		values = append(values, *p.Value)
	}
	if strings.Join(values, " ") != "ami-noble ami-al2" || strings.Join(got.InvalidParameters, " ") != "/my/a "+al2+":3 /aws/service/b" {
		t.Errorf("%v, invalid %v", values, got.InvalidParameters)
	}
	got = call[api.GetParametersOutput](w, "GetParameters", &api.GetParametersInput{Names: []string{al2}})
	if got.InvalidParameters == nil || len(got.InvalidParameters) != 0 {
		t.Errorf("invalid parameters %#v, want an empty list", got.InvalidParameters)
	}
	w.fails("GetParameters", &api.GetParametersInput{Names: []string{al2, "a b"}}, badName)
}

func TestDescribeParameters(t *testing.T) {
	w := newWorld(t)
	filter := func(key string, option *string, values ...string) *api.DescribeParametersInput {
		return &api.DescribeParametersInput{ParameterFilters: []api.ParameterStringFilter{{Key: &key, Option: option, Values: values}}}
	}
	for name, in := range map[string]*api.DescribeParametersInput{
		"no filter": {MaxResults: new(int32(50)), Shared: new(true)},
		"old form":  {Filters: []api.ParametersFilter{{Key: new("Name"), Values: []string{al2}}}},
		"by name":   filter("Name", new("Contains"), "al2023"),
		"by path":   filter("Path", nil, "/aws/service"),
		"by tag":    filter("tag:Name", nil),
	} {
		if got := call[api.DescribeParametersOutput](w, "DescribeParameters", in); got.Parameters == nil || len(got.Parameters) != 0 || got.NextToken != nil {
			t.Errorf("%s: %+v, want an empty list: the public ones are nobody's own", name, got)
		}
	}
	for _, test := range []struct {
		name string
		in   *api.DescribeParametersInput
		want string
	}{
		{"label", filter("Label", nil, "x"), "InvalidFilterKey: The following filter key is not valid: Label. Valid filter keys include: [Path, Name, Type, KeyId, Tier, DataType, tag:]."},
		{"option", filter("Path", new("Equals"), "/a"), "InvalidFilterOption: The following filter option is not valid: Equals. Valid options include: [Recursive, OneLevel]."},
		{"value", filter("Tier", nil, "Free"), "InvalidFilterValue: The following filter value is not valid: Free. Valid values include: [Standard, Advanced, Intelligent-Tiering]."},
		{"no value", filter("Name", nil), "InvalidFilterValue: The following filter values are missing : null for filter key Name."},
		{"both forms", &api.DescribeParametersInput{Filters: []api.ParametersFilter{{}}, ParameterFilters: []api.ParameterStringFilter{{}}}, "ValidationException: You can use either Filters or ParameterFilters in a single request."},
		{"token", &api.DescribeParametersInput{NextToken: new("x")}, "InvalidNextToken: The specified token isn't valid."},
	} {
		t.Run(test.name, func(t *testing.T) { w.fails("DescribeParameters", test.in, test.want) })
	}
}

func TestListTagsForResource(t *testing.T) {
	w := newWorld(t)
	got := call[api.ListTagsForResourceOutput](w, "ListTagsForResource", &api.ListTagsForResourceInput{ResourceType: new("Parameter"), ResourceId: new(al2)})
	if got.TagList == nil || len(got.TagList) != 0 {
		t.Errorf("tags %#v", got.TagList)
	}
	for _, in := range []*api.ListTagsForResourceInput{
		{ResourceType: new("Parameter"), ResourceId: new("/my/parameter")},
		{ResourceType: new("Parameter"), ResourceId: new("a b")},
		{ResourceType: new("Document"), ResourceId: new(al2)},
	} {
		w.fails("ListTagsForResource", in, "InvalidResourceId: The resource ID isn't valid. Verify that you entered the correct ID and try again.")
	}
}
