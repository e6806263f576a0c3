package scenario

import (
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// TestTerraformPeering applies what stands in terraform/peering: peering
// connections inside an account and Region, across Regions and across accounts. A
// second plan is empty; destroy leaves nothing.
func TestTerraformPeering(t *testing.T) {
	w, dir := terraform(t, "terraform/peering")
	read := w.read(dir, "read")
	want := map[string]any{
		"near": "near", "block": "10.41.0.0/16", "hub": 3.0, "far": "active", "region": "eu-west-1",
		"other": "active", "owner": "000000000000", "referred": true,
	}
	if !maps.Equal(read, want) {
		t.Errorf("read %v\nwant %v", read, want)
	}
	routes := must(w.ec2.DescribeRouteTables(tctx(t), &ec2.DescribeRouteTablesInput{Filters: []types.Filter{{Name: new("vpc-id"), Values: []string{w.run(dir, "terraform", "output", "-raw", "hub")}}}}))(t)
	for _, r := range routes.RouteTables[0].Routes {
		if r.State != types.RouteStateActive {
			t.Errorf("the route to %s is %s", *r.DestinationCidrBlock, r.State)
		}
	}
	w.run(dir, "terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color")
	w.run(dir, "terraform", "destroy", "-auto-approve", "-input=false", "-no-color")
	for _, c := range []*ec2.Client{w.ec2, w.client("eu-west-1", "test"), w.client("us-east-1", "222222222222")} {
		vpcs := must(c.DescribeVpcs(tctx(t), &ec2.DescribeVpcsInput{}))(t)
		if len(vpcs.Vpcs) != 1 || !*vpcs.Vpcs[0].IsDefault {
			t.Errorf("%d VPCs with the default one are left", len(vpcs.Vpcs))
		}
		left := must(c.DescribeVpcPeeringConnections(tctx(t), &ec2.DescribeVpcPeeringConnectionsInput{}))(t)
		for _, p := range left.VpcPeeringConnections {
			if p.Status.Code != types.VpcPeeringConnectionStateReasonCodeDeleted {
				t.Errorf("%s is left, %s", *p.VpcPeeringConnectionId, p.Status.Code)
			}
		}
	}
}
