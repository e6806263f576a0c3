package ec2

import (
	"reflect"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// TestNothing: there are none, whatever is asked, and every id is unknown.
func TestNothing(t *testing.T) {
	w := newWorld(t)
	for _, in := range []struct {
		action string
		in     any
	}{
		{"DescribePrefixLists", &api.DescribePrefixListsInput{Filters: filtersOf("prefix-list-name", "com.amazonaws.us-east-1.s3")}},
		{"DescribeManagedPrefixLists", &api.DescribeManagedPrefixListsInput{Filters: filtersOf("owner-id", "AWS")}},
		{"DescribePlacementGroups", &api.DescribePlacementGroupsInput{}},
		{"DescribeLaunchTemplates", &api.DescribeLaunchTemplatesInput{}},
	} {
		t.Run(in.action, func(t *testing.T) {
			out, err := w.in(t).do(in.action, in.in)
			if err != nil {
				t.Fatal(err)
			}
			lists := 0
			for i := range reflect.ValueOf(out).Elem().NumField() {
				if f := reflect.ValueOf(out).Elem().Field(i); f.Kind() == reflect.Slice {
					if lists++; f.IsNil() || f.Len() != 0 {
						t.Errorf("%+v", out)
					}
				}
			}
			if lists != 1 {
				t.Errorf("%d lists", lists)
			}
		})
	}
	for _, c := range []struct {
		name, action string
		in           any
		code, text   string
	}{
		{"prefix list", "DescribePrefixLists", &api.DescribePrefixListsInput{PrefixListIds: []string{"pl-01234567"}}, "InvalidPrefixListID.NotFound", "pl-01234567"},
		{"managed prefix list", "DescribeManagedPrefixLists", &api.DescribeManagedPrefixListsInput{PrefixListIds: []string{"pl-01234567"}}, "InvalidPrefixListID.NotFound", "pl-01234567"},
		{"placement group", "DescribePlacementGroups", &api.DescribePlacementGroupsInput{GroupNames: []string{"x"}}, "InvalidPlacementGroup.Unknown", "The Placement Group 'x' is unknown."},
		{"launch template", "DescribeLaunchTemplates", &api.DescribeLaunchTemplatesInput{LaunchTemplateIds: []string{"lt-0123456789abcdef0"}}, "InvalidLaunchTemplateId.NotFound", "lt-0123456789abcdef0"},
		{"launch template's name", "DescribeLaunchTemplates", &api.DescribeLaunchTemplatesInput{LaunchTemplateNames: []string{"x"}}, "InvalidLaunchTemplateName.NotFoundException", "does not exist"},
	} {
		t.Run(c.name, func(t *testing.T) { w.in(t).fails(c.action, c.in, c.code, c.text) })
	}
}
