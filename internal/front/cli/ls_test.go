package cli

import (
	"strings"
	"testing"

	"github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/front/render"
)

// TestTreeOrder: subnets stand in the order of their zones and blocks, whatever
// their ids are.
func TestTreeOrder(t *testing.T) {
	text := func(s string) *string { return &s }
	inv := inventory{Vpcs: []ec2.Vpc{{VpcId: text("vpc-1"), CidrBlock: text("10.0.0.0/16")}}}
	for _, s := range [][2]string{{"10.0.10.0/24", "us-east-1a"}, {"10.0.1.0/24", "us-east-1b"}, {"10.0.9.0/24", "us-east-1a"}} {
		inv.Subnets = append(inv.Subnets, ec2.Subnet{VpcId: text("vpc-1"), SubnetId: text("subnet-" + s[0]), CidrBlock: text(s[0]), AvailabilityZone: text(s[1])})
	}
	var out strings.Builder
	e := &env{}
	render.Tree(&out, e.tree(inv))
	var blocks []string
	for line := range strings.Lines(out.String()) {
		if words := strings.Fields(line); len(words) > 2 && words[1] == "subnet" {
			blocks = append(blocks, words[3])
		}
	}
	if got := strings.Join(blocks, " "); got != "10.0.9.0/24 10.0.10.0/24 10.0.1.0/24" {
		t.Errorf("%s in\n%s", got, out.String())
	}
}
