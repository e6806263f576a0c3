package ec2

import (
	"slices"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/state"
)

// TestUsed: to look is not to use.
func TestUsed(t *testing.T) {
	w := newAccount(t, Config{})
	for _, region := range []string{"us-east-1", "eu-west-1", "ap-northeast-1"} {
		call[api.DescribeVpcsOutput](w.as(mine, region), "DescribeVpcs", &api.DescribeVpcsInput{})
	}
	if got := Used(w.snapshot()); len(got) > 0 {
		t.Errorf("after describes: %v", got)
	}
	far := w.as(mine, "eu-west-1")
	far.vpc("10.0.0.0/16")
	call[api.AllocateAddressOutput](w.as(theirs, "us-east-1"), "AllocateAddress", &api.AllocateAddressInput{})
	want := []state.Scope{{Account: mine, Region: "eu-west-1"}, {Account: theirs, Region: "us-east-1"}}
	if got := Used(w.snapshot()); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
