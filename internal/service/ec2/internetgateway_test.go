package ec2

import (
	"slices"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/state"
)

// gateway makes an internet gateway, attached to a VPC if one is given.
func (w *world) gateway(vpcID string) string {
	w.Helper()
	id := *call[api.CreateInternetGatewayOutput](w, "CreateInternetGateway", &api.CreateInternetGatewayInput{}).InternetGateway.InternetGatewayId
	if vpcID != "" {
		call[api.AttachInternetGatewayOutput](w, "AttachInternetGateway", &api.AttachInternetGatewayInput{InternetGatewayId: &id, VpcId: &vpcID})
	}
	return id
}

func (w *world) gateways(filters ...string) []api.InternetGateway {
	w.Helper()
	return call[api.DescribeInternetGatewaysOutput](w, "DescribeInternetGateways", &api.DescribeInternetGatewaysInput{Filters: filtersOf(filters...)}).InternetGateways
}

func TestInternetGateway(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	out := call[api.CreateInternetGatewayOutput](w, "CreateInternetGateway", &api.CreateInternetGatewayInput{TagSpecifications: tagSpec("internet-gateway", "Name", "door")}).InternetGateway
	if *out.OwnerId != "123456789012" || len(out.Attachments) != 0 || out.Attachments == nil || *out.Tags[0].Value != "door" {
		t.Errorf("%+v", out)
	}
	id := *out.InternetGatewayId
	attach := &api.AttachInternetGatewayInput{InternetGatewayId: &id, VpcId: &v}
	call[api.AttachInternetGatewayOutput](w, "AttachInternetGateway", attach)
	other := w.gateway("")
	for filter, want := range map[string][]string{
		"attachment.vpc-id=" + v:     {id},
		"attachment.state=available": {id},
		"internet-gateway-id=" + id:  {id},
		"owner-id=123456789012":      {id, other},
		"owner-id=210987654321":      {},
		"tag:Name=do*":               {id},
	} {
		name, value, _ := cutFilter(filter)
		got := ids(w.gateways(name, value), func(g api.InternetGateway) *string { return g.InternetGatewayId })
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", filter, got, want)
		}
	}
	if a := w.gateways("internet-gateway-id", id)[0].Attachments; len(a) != 1 || *a[0].State != "available" || *a[0].VpcId != v {
		t.Errorf("%+v", a)
	}
	w.fails("DeleteVpc", &api.DeleteVpcInput{VpcId: &v}, "DependencyViolation", "The vpc '"+v+"' has dependencies and cannot be deleted.")
	call[api.DetachInternetGatewayOutput](w, "DetachInternetGateway", &api.DetachInternetGatewayInput{InternetGatewayId: &id, VpcId: &v})
	call[api.AttachInternetGatewayOutput](w, "AttachInternetGateway", attach) // and back
	call[api.DetachInternetGatewayOutput](w, "DetachInternetGateway", &api.DetachInternetGatewayInput{InternetGatewayId: &id, VpcId: &v})
	for _, g := range []string{id, other} {
		call[api.DeleteInternetGatewayOutput](w, "DeleteInternetGateway", &api.DeleteInternetGatewayInput{InternetGatewayId: &g})
	}
	call[api.DeleteVpcOutput](w, "DeleteVpc", &api.DeleteVpcInput{VpcId: &v})
	if n := state.InternetGateways.Len(w.snapshot()); n != 0 {
		t.Errorf("%d gateways are left", n)
	}
}

func TestInternetGatewayRefuses(t *testing.T) {
	l := newLab(t)
	v, closed := l.vpcID, l.vpc("10.1.0.0/16")
	id, spare := l.gateway(v), l.gateway("")
	l.run(func(in *api.RunInstancesInput) { publicly(in) })
	edge := l.vpc("10.2.0.0/16")
	routed := l.gateway(edge)
	l.write(func(tx *state.Tx) {
		for t := range state.RouteTables.By(tx, state.ByVpc, edge) {
			next := *t
			next.Associations = append(slices.Clone(t.Associations), state.RouteTableAssociation{ID: "rtbassoc-1", GatewayID: routed})
			state.RouteTables.Put(tx, &next)
			break
		}
	})
	foreign := l.as("210987654321", "us-east-1").gateway("")
	gone, noVpc := "igw-0123456789abcdef0", "vpc-0123456789abcdef0"
	for _, c := range []struct {
		name, action string
		in           any
		code, text   string
	}{
		{"tag type", "CreateInternetGateway", &api.CreateInternetGatewayInput{TagSpecifications: tagSpec("vpc", "a", "b")}, "InvalidParameterValue", "'vpc' is not a valid taggable resource type"},
		{"dry run", "CreateInternetGateway", &api.CreateInternetGatewayInput{DryRun: ptr(true)}, "DryRunOperation", "would have succeeded"},
		{"attached", "AttachInternetGateway", &api.AttachInternetGatewayInput{InternetGatewayId: &id, VpcId: &closed}, "Resource.AlreadyAssociated", "resource " + id + " is already attached to network " + v},
		{"second of a VPC", "AttachInternetGateway", &api.AttachInternetGatewayInput{InternetGatewayId: &spare, VpcId: &v}, "InvalidParameterValue", "Network " + v + " already has an internet gateway attached"},
		{"attach none", "AttachInternetGateway", &api.AttachInternetGatewayInput{InternetGatewayId: &gone, VpcId: &closed}, "InvalidInternetGatewayID.NotFound", "The internetGateway ID '" + gone + "' does not exist"},
		{"attach to none", "AttachInternetGateway", &api.AttachInternetGatewayInput{InternetGatewayId: &spare, VpcId: &noVpc}, "InvalidVpcID.NotFound", noVpc},
		{"attach malformed", "AttachInternetGateway", &api.AttachInternetGatewayInput{InternetGatewayId: ptr("x"), VpcId: &closed}, "InvalidInternetGatewayId.Malformed", `expecting "igw-..."`},
		{"attach to malformed", "AttachInternetGateway", &api.AttachInternetGatewayInput{InternetGatewayId: &spare, VpcId: ptr("x")}, "InvalidVpcID.Malformed", `expecting "vpc-..."`},
		{"another's", "AttachInternetGateway", &api.AttachInternetGatewayInput{InternetGatewayId: &foreign, VpcId: &closed}, "InvalidInternetGatewayID.NotFound", foreign},
		{"attach dry", "AttachInternetGateway", &api.AttachInternetGatewayInput{InternetGatewayId: &spare, VpcId: &closed, DryRun: ptr(true)}, "DryRunOperation", "succeeded"},
		{"detach from other", "DetachInternetGateway", &api.DetachInternetGatewayInput{InternetGatewayId: &id, VpcId: &closed}, "Gateway.NotAttached", "resource " + id + " is not attached to network " + closed},
		{"detach free", "DetachInternetGateway", &api.DetachInternetGatewayInput{InternetGatewayId: &spare, VpcId: &v}, "Gateway.NotAttached", "resource " + spare + " is not attached to network " + v},
		{"detach from none", "DetachInternetGateway", &api.DetachInternetGatewayInput{InternetGatewayId: &spare, VpcId: &noVpc}, "Gateway.NotAttached", "resource " + spare + " is not attached to network " + noVpc},
		{"mapped address", "DetachInternetGateway", &api.DetachInternetGatewayInput{InternetGatewayId: &id, VpcId: &v}, "DependencyViolation", "Network " + v + " has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."},
		{"routed", "DetachInternetGateway", &api.DetachInternetGatewayInput{InternetGatewayId: &routed, VpcId: &edge}, "DependencyViolation", "route table"},
		{"delete attached", "DeleteInternetGateway", &api.DeleteInternetGatewayInput{InternetGatewayId: &id}, "DependencyViolation", "The internetGateway '" + id + "' has dependencies and cannot be deleted."},
		{"delete none", "DeleteInternetGateway", &api.DeleteInternetGatewayInput{InternetGatewayId: &gone}, "InvalidInternetGatewayID.NotFound", gone},
		{"describe none", "DescribeInternetGateways", &api.DescribeInternetGatewaysInput{InternetGatewayIds: []string{gone, "igw-01234567"}}, "InvalidInternetGatewayID.NotFound", "The internetGateway IDs 'igw-01234567, " + gone + "' do not exist"},
		{"describe malformed", "DescribeInternetGateways", &api.DescribeInternetGatewaysInput{InternetGatewayIds: []string{"x"}}, "InvalidInternetGatewayId.Malformed", `expecting "igw-..."`},
		{"filter", "DescribeInternetGateways", &api.DescribeInternetGatewaysInput{Filters: filtersOf("vpc-id", "x")}, "InvalidParameterValue", "The filter 'vpc-id' is invalid"},
		{"token", "DescribeInternetGateways", &api.DescribeInternetGatewaysInput{NextToken: ptr("x")}, "InvalidParameterValue", "The token is invalid."},
		{"ids and pages", "DescribeInternetGateways", &api.DescribeInternetGatewaysInput{InternetGatewayIds: []string{id}, MaxResults: ptr(int32(5))}, "InvalidParameterCombination", "maxResults"},
	} {
		t.Run(c.name, func(t *testing.T) { l.in(t).fails(c.action, c.in, c.code, c.text) })
	}
	for range 2 {
		l.gateway("")
	}
	l.fails("CreateInternetGateway", &api.CreateInternetGatewayInput{}, "InternetGatewayLimitExceeded", "The maximum number of internet gateways has been reached.")
}
