package ec2

import (
	"fmt"
	"slices"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
)

// localRoutes lists the blocks that the VPC's main table reaches in the VPC.
func (w *world) localRoutes(vpcID string) (out []string) {
	w.Helper()
	for _, t := range call[api.DescribeRouteTablesOutput](w, "DescribeRouteTables", &api.DescribeRouteTablesInput{Filters: filtersOf("vpc-id", vpcID)}).RouteTables {
		for _, r := range t.Routes {
			if val(r.GatewayId) == "local" {
				out = append(out, *r.DestinationCidrBlock)
			}
		}
	}
	return out
}

func TestVpcCidrBlocks(t *testing.T) {
	w := newWorld(t)
	id := w.vpc("10.0.0.0/16")
	out := call[api.AssociateVpcCidrBlockOutput](w, "AssociateVpcCidrBlock", &api.AssociateVpcCidrBlockInput{VpcId: &id, CidrBlock: ptr("10.1.0.9/20")})
	second := *out.CidrBlockAssociation.AssociationId
	if *out.VpcId != id || *out.CidrBlockAssociation.CidrBlock != "10.1.0.0/20" || *out.CidrBlockAssociation.CidrBlockState.State != "associated" {
		t.Errorf("%+v", out.CidrBlockAssociation)
	}
	v := call[api.DescribeVpcsOutput](w, "DescribeVpcs", &api.DescribeVpcsInput{Filters: filtersOf("cidr-block-association.association-id", second)}).Vpcs
	if len(v) != 1 || *v[0].CidrBlock != "10.0.0.0/16" || len(v[0].CidrBlockAssociationSet) != 2 {
		t.Fatalf("%+v", v)
	}
	first := *v[0].CidrBlockAssociationSet[0].AssociationId
	if got := w.localRoutes(id); !slices.Equal(got, []string{"10.0.0.0/16", "10.1.0.0/20"}) {
		t.Errorf("local routes %v", got)
	}
	sub := w.subnet(id, "10.1.1.0/24")
	for _, c := range []struct{ name, id, code, text string }{
		{"in use", second, "InvalidCidrBlock.InUse", "10.1.0.0/20"},
		{"primary", first, "OperationNotPermitted", "The vpc CIDR block with association ID " + first + " may not be disassociated. It is the primary IPv4 CIDR block of the VPC"},
		{"unknown", "vpc-cidr-assoc-0123456789abcdef0", "InvalidVpcCidrBlockAssociationID.NotFound", "vpc-cidr-assoc-0123456789abcdef0"},
		{"malformed", "x", "InvalidVpcCidrBlockAssociationID.Malformed", `Invalid id: "x"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.in(t).fails("DisassociateVpcCidrBlock", &api.DisassociateVpcCidrBlockInput{AssociationId: &c.id}, c.code, c.text)
		})
	}
	w.as("999999999999", "us-east-1").fails("DisassociateVpcCidrBlock", &api.DisassociateVpcCidrBlockInput{AssociationId: &second}, "InvalidVpcCidrBlockAssociationID.NotFound", second)
	call[api.DeleteSubnetOutput](w, "DeleteSubnet", &api.DeleteSubnetInput{SubnetId: &sub})
	gone := call[api.DisassociateVpcCidrBlockOutput](w, "DisassociateVpcCidrBlock", &api.DisassociateVpcCidrBlockInput{AssociationId: &second})
	if *gone.VpcId != id || *gone.CidrBlockAssociation.CidrBlockState.State != "disassociated" {
		t.Errorf("%+v", gone.CidrBlockAssociation)
	}
	if got := w.localRoutes(id); !slices.Equal(got, []string{"10.0.0.0/16"}) {
		t.Errorf("local routes %v", got)
	}
}

func TestAssociateVpcCidrBlockErrors(t *testing.T) {
	w := newWorld(t)
	id := w.vpc("10.0.0.0/16")
	for _, c := range []struct {
		name       string
		in         api.AssociateVpcCidrBlockInput
		code, text string
	}{
		{"no block", api.AssociateVpcCidrBlockInput{}, "MissingParameter", "cidrBlock"},
		{"not a block", api.AssociateVpcCidrBlockInput{CidrBlock: ptr("x")}, "InvalidParameterValue", "This is not a valid CIDR block."},
		{"large", api.AssociateVpcCidrBlockInput{CidrBlock: ptr("10.2.0.0/15")}, "InvalidVpc.Range", "The CIDR '10.2.0.0/15' is invalid."},
		{"overlap", api.AssociateVpcCidrBlockInput{CidrBlock: ptr("10.0.128.0/24")}, "InvalidVpc.Conflict", "10.0.0.0/16"},
		{"Amazon's own", api.AssociateVpcCidrBlockInput{CidrBlock: ptr("198.19.1.0/24")}, "InvalidVpc.Range", "The CIDR '198.19.1.0/24' is restricted."},
		{"IPv6", api.AssociateVpcCidrBlockInput{AmazonProvidedIpv6CidrBlock: ptr(true)}, "UnsupportedOperation", "IPv6"},
		{"IPAM", api.AssociateVpcCidrBlockInput{Ipv4IpamPoolId: ptr("x")}, "UnsupportedOperation", "IPAM"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.in.VpcId = &id
			w.in(t).fails("AssociateVpcCidrBlock", &c.in, c.code, c.text)
		})
	}
	block := &api.AssociateVpcCidrBlockInput{VpcId: ptr("vpc-0123456789abcdef0"), CidrBlock: ptr("10.1.0.0/16")}
	w.fails("AssociateVpcCidrBlock", block, "InvalidVpcID.NotFound", "vpc-0123456789abcdef0")
	for i := range 4 {
		call[api.AssociateVpcCidrBlockOutput](w, "AssociateVpcCidrBlock", &api.AssociateVpcCidrBlockInput{VpcId: &id, CidrBlock: ptr(fmt.Sprintf("10.%d.0.0/16", i+1))})
	}
	block = &api.AssociateVpcCidrBlockInput{VpcId: &id, CidrBlock: ptr("10.9.0.0/16")}
	w.fails("AssociateVpcCidrBlock", block, quotaNamed("cidr-blocks-per-vpc").Err, "maximum")
}
