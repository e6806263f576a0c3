package ec2

import (
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

func TestFind(t *testing.T) {
	w := newWorld(t)
	id := w.vpc("10.0.0.0/16")
	const none, other = "vpc-0123456789abcdef0", "vpc-12345678"
	foreign := w.as("999999999999", "us-east-1").vpc("10.0.0.0/16")
	elsewhere := w.as("123456789012", "eu-west-1").vpc("10.0.0.0/16")
	for _, c := range []struct {
		name       string
		ids        []string
		code, text string
	}{
		{"unknown", []string{none}, "InvalidVpcID.NotFound", "The vpc ID '" + none + "' does not exist"},
		{"of two one is unknown", []string{id, none}, "InvalidVpcID.NotFound", "The vpc ID '" + none + "' does not exist"},
		{"two are unknown", []string{other, id, none}, "InvalidVpcID.NotFound", "The vpc IDs '" + none + ", " + other + "' do not exist"},
		{"another account's", []string{foreign}, "InvalidVpcID.NotFound", foreign},
		{"in another Region", []string{elsewhere}, "InvalidVpcID.NotFound", elsewhere},
		{"not an id", []string{"main"}, "InvalidVpcID.Malformed", `Invalid id: "main" (expecting "vpc-...")`},
		{"another kind's", []string{"subnet-0123456789abcdef0"}, "InvalidVpcID.Malformed", `(expecting "vpc-...")`},
		{"short", []string{"vpc-1"}, "InvalidVpcID.Malformed", `Invalid id: "vpc-1"`},
		{"upper case", []string{"vpc-0123456789ABCDEF0"}, "InvalidVpcID.Malformed", "Invalid id"},
		{"empty", []string{""}, "InvalidVpcID.Malformed", `Invalid id: ""`},
		{"form before existence", []string{none, "x"}, "InvalidVpcID.Malformed", `Invalid id: "x"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.in(t).fails("DescribeVpcs", &api.DescribeVpcsInput{VpcIds: c.ids}, c.code, c.text)
		})
	}
	out := call[api.DescribeVpcsOutput](w, "DescribeVpcs", &api.DescribeVpcsInput{VpcIds: []string{id, id}})
	if len(out.Vpcs) != 1 {
		t.Errorf("an id given twice is shown %d times", len(out.Vpcs))
	}
	out = call[api.DescribeVpcsOutput](w, "DescribeVpcs", &api.DescribeVpcsInput{VpcIds: []string{id}, Filters: filtersOf("state", "pending")})
	if len(out.Vpcs) != 0 {
		t.Error("filters do not thin out ids")
	}
}
