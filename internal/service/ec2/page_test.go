package ec2

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/decide/quota"
	"github.com/localvpc/localvpc/internal/state"
)

func TestPages(t *testing.T) {
	w := newWorld(t, Config{Quotas: quota.Off()})
	var all []string
	for i := range 12 {
		all = append(all, w.vpc(fmt.Sprintf("10.%d.0.0/16", i)))
	}
	slices.Sort(all)
	var got []string
	in := &api.DescribeVpcsInput{MaxResults: ptr(int32(5)), Filters: filtersOf("state", "available")}
	for pages := 1; ; pages++ {
		out := call[api.DescribeVpcsOutput](w, "DescribeVpcs", in)
		got = append(got, ids(out.Vpcs, func(v api.Vpc) *string { return v.VpcId })...)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		if pages == 1 {
			// A row that goes and one that comes before the position change nothing after it.
			call[api.DeleteVpcOutput](w, "DeleteVpc", &api.DeleteVpcInput{VpcId: &all[4]})
			w.write(func(tx *state.Tx) {
				state.Vpcs.Put(tx, &state.Vpc{Meta: state.Meta{Key: w.caller.Scope.Key("vpc-00000000")}, State: "available",
					Cidrs: make([]state.CidrAssociation, 1)})
			})
		}
	}
	if !slices.Equal(got, all) {
		t.Errorf("got %v\nwant %v", got, all)
	}
	exact := call[api.DescribeVpcsOutput](w, "DescribeVpcs", &api.DescribeVpcsInput{MaxResults: ptr(int32(12))})
	if len(exact.Vpcs) != 12 || exact.NextToken != nil {
		t.Errorf("%d rows on a page of 12, token %v", len(exact.Vpcs), exact.NextToken)
	}
}

func TestTokens(t *testing.T) {
	w := newWorld(t, Config{Quotas: quota.Off()})
	for i := range 6 {
		w.vpc(fmt.Sprintf("10.%d.0.0/16", i))
	}
	filters := filtersOf("state", "available")
	token := *call[api.DescribeVpcsOutput](w, "DescribeVpcs", &api.DescribeVpcsInput{MaxResults: ptr(int32(5)), Filters: filters}).NextToken
	const invalid = "is invalid"
	for _, c := range []struct {
		name  string
		world *world
		in    api.DescribeVpcsInput
	}{
		{"garbage", w, api.DescribeVpcsInput{NextToken: ptr("garbage"), Filters: filters}},
		{"empty", w, api.DescribeVpcsInput{NextToken: ptr(""), Filters: filters}},
		{"long", w, api.DescribeVpcsInput{NextToken: ptr(strings.Repeat("A", 10000)), Filters: filters}},
		{"changed", w, api.DescribeVpcsInput{NextToken: ptr(token[:len(token)-2] + "AA"), Filters: filters}},
		{"other filters", w, api.DescribeVpcsInput{NextToken: &token}},
		{"other account", w.as("999999999999", "us-east-1"), api.DescribeVpcsInput{NextToken: &token, Filters: filters}},
		{"other Region", w.as("123456789012", "eu-west-1"), api.DescribeVpcsInput{NextToken: &token, Filters: filters}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.world.in(t).fails("DescribeVpcs", &c.in, "InvalidParameterValue", invalid)
		})
	}
	w.fails("DescribeSubnets", &api.DescribeSubnetsInput{NextToken: &token, Filters: filters}, "InvalidParameterValue", invalid)
	if n := len(call[api.DescribeVpcsOutput](w, "DescribeVpcs", &api.DescribeVpcsInput{NextToken: &token, Filters: filters}).Vpcs); n != 1 {
		t.Errorf("%d rows after the token", n)
	}
	id := w.vpc("10.99.0.0/16")
	w.fails("DescribeVpcs", &api.DescribeVpcsInput{VpcIds: []string{id}, MaxResults: ptr(int32(5))},
		"InvalidParameterCombination", "The parameter vpcSet cannot be used with the parameter maxResults")
}
