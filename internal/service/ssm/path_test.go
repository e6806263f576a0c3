package ssm

import (
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ssm"
)

// list pages through a path and gives the values.
func (w *world) list(in api.GetParametersByPathInput) (values []string, pages int) {
	w.Helper()
	for {
		out := call[api.GetParametersByPathOutput](w, "GetParametersByPath", &in)
		pages++
		for _, p := range out.Parameters {
			values = append(values, *p.Value)
		}
		if out.NextToken == nil {
			return values, pages
		}
		in.NextToken = out.NextToken
	}
}

func TestGetParametersByPath(t *testing.T) {
	w := newWorld(t)
	ofType := func(option, value string) []api.ParameterStringFilter {
		return []api.ParameterStringFilter{{Key: new("Type"), Option: &option, Values: []string{value}}}
	}
	all := "ami-al2023 ami-al2023 ami-al2 ami-noble"
	for _, test := range []struct {
		name string
		in   api.GetParametersByPathInput
		want string
	}{
		{"one level", api.GetParametersByPathInput{Path: new("/aws/service/ami-amazon-linux-latest")}, "ami-al2023 ami-al2023 ami-al2"},
		{"with a slash at its end", api.GetParametersByPathInput{Path: new("/aws/service/ami-amazon-linux-latest/")}, "ami-al2023 ami-al2023 ami-al2"},
		{"nothing directly below", api.GetParametersByPathInput{Path: new("/aws/service")}, ""},
		{"all below", api.GetParametersByPathInput{Path: new("/aws/service"), Recursive: new(true)}, all},
		{"a parameter is not below itself", api.GetParametersByPathInput{Path: new(al2), Recursive: new(true)}, ""},
		{"parts are whole", api.GetParametersByPathInput{Path: new("/aws/service/ami-amazon"), Recursive: new(true)}, ""},
		{"one's own", api.GetParametersByPathInput{Path: new("/"), Recursive: new(true)}, ""},
		{"one's own, deeper", api.GetParametersByPathInput{Path: new("/my"), Recursive: new(true)}, ""},
		{"by type", api.GetParametersByPathInput{Path: new("/aws/service"), Recursive: new(true), ParameterFilters: ofType("BeginsWith", "Str")}, all},
		{"by another type", api.GetParametersByPathInput{Path: new("/aws/service"), Recursive: new(true), ParameterFilters: ofType("Equals", "SecureString")}, ""},
		{"by label", api.GetParametersByPathInput{Path: new("/aws/service"), Recursive: new(true), ParameterFilters: []api.ParameterStringFilter{{Key: new("Label"), Values: []string{"x"}}}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if values, _ := w.list(test.in); strings.Join(values, " ") != test.want {
				t.Errorf("got %v, want %s", values, test.want)
			}
		})
	}
}

func TestGetParametersByPathPages(t *testing.T) {
	w := newWorld(t)
	w.many(25)
	for _, test := range []struct {
		name  string
		max   *int32
		pages int
	}{{"ten at most", nil, 3}, {"one by one", new(int32(1)), 25}, {"that come out even", new(int32(5)), 5}} {
		t.Run(test.name, func(t *testing.T) {
			values, pages := w.list(api.GetParametersByPathInput{Path: new("/aws/service/many"), MaxResults: test.max})
			if len(values) != 25 || pages != test.pages {
				t.Errorf("%d parameters on %d pages, want %d pages", len(values), pages, test.pages)
			}
		})
	}
	in := api.GetParametersByPathInput{Path: new("/aws/service/many"), MaxResults: new(int32(2))}
	token := call[api.GetParametersByPathOutput](w, "GetParametersByPath", &in).NextToken
	w.image("ami-between", "/aws/service/many/00-a") // comes before the token's place
	in.NextToken = token
	if out := call[api.GetParametersByPathOutput](w, "GetParametersByPath", &in); *out.Parameters[0].Value != "ami-many02" {
		t.Errorf("the second page begins with %s", *out.Parameters[0].Value)
	}
	const invalid = "InvalidNextToken: The specified token isn't valid."
	in.Recursive = new(true)
	w.fails("GetParametersByPath", &in, invalid) // another request's
	for _, bad := range []string{"", "x", "%", strings.Repeat("A", 100)} {
		w.fails("GetParametersByPath", &api.GetParametersByPathInput{Path: new("/aws/service/many"), NextToken: &bad}, invalid)
	}
}

func TestGetParametersByPathRefuses(t *testing.T) {
	w := newWorld(t)
	const badPath = `ValidationException: The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash "/". ` +
		`It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It must use only letters, numbers, or the following symbols: ` +
		`. (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if specified, must use the forward slash symbol "/". ` +
		`Valid example: /get/parameters2-/by1./path0_.`
	for _, path := range []string{"aws/service", "//", "/a//b", "/a b", al2 + ":1", "arn:aws:ssm:eu-west-1::parameter/a"} {
		w.fails("GetParametersByPath", &api.GetParametersByPathInput{Path: &path}, badPath)
	}
	in := func(keys ...string) *api.GetParametersByPathInput {
		in := &api.GetParametersByPathInput{Path: new("/aws/service")}
		for _, k := range keys {
			in.ParameterFilters = append(in.ParameterFilters, api.ParameterStringFilter{Key: &k, Values: []string{"String"}})
		}
		return in
	}
	w.fails("GetParametersByPath", in("Name"), "InvalidFilterKey: The following filter key is not valid: Name. Valid filter keys include: [Type, KeyId, Label].")
	w.fails("GetParametersByPath", in("tag:x"), "InvalidFilterKey: The following filter key is not valid: tag:x. Valid filter keys include: [Type, KeyId, Label].")
	w.fails("GetParametersByPath", in("Type", "Type"), "InvalidFilterKey: The following filter is duplicated in the request: Type. A request can contain only one occurrence of a specific filter.")
}
