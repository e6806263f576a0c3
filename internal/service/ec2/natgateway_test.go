package ec2

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/decide/lifecycle"
	"github.com/localvpc/localvpc/internal/state"
)

// natWorld is a VPC with an internet gateway, a subnet and Elastic IP addresses.
type natWorld struct {
	*world
	vpcID, subnetID string
	elastic         []string // allocation ids
}

func newNatWorld(t *testing.T, elastic int, cfg ...Config) *natWorld {
	t.Helper()
	w := &natWorld{world: newWorld(t, cfg...)}
	w.vpcID = w.vpc("10.0.0.0/16")
	w.subnetID = w.subnet(w.vpcID, "10.0.0.0/24")
	w.open(w.vpcID)
	for i := range elastic {
		w.write(func(tx *state.Tx) {
			a := &state.Address{Meta: tx.Meta(w.caller.Scope, "eipalloc"), PublicIP: netip.AddrFrom4([4]byte{198, 18, 0, byte(i + 1)}), BorderGroup: w.caller.Region, Pool: "amazon"}
			state.Addresses.Put(tx, a)
			w.elastic = append(w.elastic, a.ID)
		})
	}
	return w
}

// open attaches an internet gateway.
func (w *natWorld) open(vpcID string) {
	w.write(func(tx *state.Tx) {
		state.InternetGateways.Put(tx, &state.InternetGateway{Meta: tx.Meta(w.caller.Scope, "igw"), VpcID: vpcID})
	})
}

func (w *natWorld) create(in *api.CreateNatGatewayInput) api.NatGateway {
	w.Helper()
	if in.SubnetId == nil {
		in.SubnetId = &w.subnetID
	}
	out := call[api.CreateNatGatewayOutput](w.world, "CreateNatGateway", in)
	if *out.NatGateway.State != "pending" {
		w.Errorf("the answer says %s", *out.NatGateway.State)
	}
	return w.gateway(*out.NatGateway.NatGatewayId)
}

func (w *natWorld) gateway(id string) api.NatGateway {
	w.Helper()
	out := call[api.DescribeNatGatewaysOutput](w.world, "DescribeNatGateways", &api.DescribeNatGatewaysInput{NatGatewayIds: []string{id}})
	return out.NatGateways[0]
}

func (w *natWorld) nic(id string) api.NetworkInterface {
	w.Helper()
	return call[api.DescribeNetworkInterfacesOutput](w.world, "DescribeNetworkInterfaces", &api.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{id}}).NetworkInterfaces[0]
}

// address is the row of an Elastic IP.
func (w *natWorld) address(id string) *state.Address {
	a, _ := state.Addresses.Get(w.snapshot(), w.caller.Scope.Key(id))
	return a
}

func TestNatGateway(t *testing.T) {
	w := newNatWorld(t, 1)
	in := &api.CreateNatGatewayInput{SubnetId: &w.subnetID, AllocationId: &w.elastic[0], PrivateIpAddress: ptr("10.0.0.9"), ClientToken: ptr("once"), TagSpecifications: tagSpec("natgateway", "Name", "out")}
	g := w.create(in)
	if again := call[api.CreateNatGatewayOutput](w.world, "CreateNatGateway", in); *again.NatGateway.NatGatewayId != *g.NatGatewayId || *again.ClientToken != "once" {
		t.Error("the token made another")
	}
	a := g.NatGatewayAddresses[0]
	if *g.State != "available" || *g.ConnectivityType != "public" || *g.VpcId != w.vpcID || *g.SubnetId != w.subnetID || *g.Tags[0].Value != "out" ||
		!g.CreateTime.Equal(testTime) || g.DeleteTime != nil || g.FailureCode != nil || len(g.NatGatewayAddresses) != 1 {
		t.Errorf("%+v", g)
	}
	if *a.AllocationId != w.elastic[0] || *a.PublicIp != "198.18.0.1" || *a.PrivateIp != "10.0.0.9" || !*a.IsPrimary || *a.Status != "succeeded" || *a.AssociationId != w.address(w.elastic[0]).AssociationID {
		t.Errorf("%+v", a)
	}
	n := w.nic(*a.NetworkInterfaceId)
	at := n.Attachment
	if *n.InterfaceType != "nat_gateway" || *n.Description != "Interface for NAT Gateway "+*g.NatGatewayId || !*n.RequesterManaged || *n.SourceDestCheck || len(n.Groups) != 0 ||
		*n.Status != "in-use" || *n.Association.PublicIp != "198.18.0.1" || at.InstanceId != nil || *at.InstanceOwnerId != "amazon-aws" || (*at.AttachmentId)[:11] != "ela-attach-" || *at.DeviceIndex != 1 {
		t.Errorf("%+v %+v", n, at)
	}

	// Nobody but AWS touches the interface, and it keeps subnet and address.
	const denied = "You do not have permission"
	eni := a.NetworkInterfaceId
	w.fails("DetachNetworkInterface", &api.DetachNetworkInterfaceInput{AttachmentId: at.AttachmentId}, "OperationNotPermitted", "You are not allowed to manage 'ela-attach' attachments.")
	w.fails("DeleteNetworkInterface", &api.DeleteNetworkInterfaceInput{NetworkInterfaceId: eni}, "OperationNotPermitted", denied)
	w.fails("ModifyNetworkInterfaceAttribute", &api.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: eni, Description: &api.AttributeValue{Value: ptr("x")}}, "OperationNotPermitted", denied)
	w.fails("ResetNetworkInterfaceAttribute", &api.ResetNetworkInterfaceAttributeInput{NetworkInterfaceId: eni, SourceDestCheck: ptr("x")}, "OperationNotPermitted", denied)
	w.fails("AssignPrivateIpAddresses", &api.AssignPrivateIpAddressesInput{NetworkInterfaceId: eni, SecondaryPrivateIpAddressCount: ptr(int32(1))}, "OperationNotPermitted", denied)
	w.fails("UnassignPrivateIpAddresses", &api.UnassignPrivateIpAddressesInput{NetworkInterfaceId: eni, PrivateIpAddresses: []string{"10.0.0.9"}}, "OperationNotPermitted", denied)
	w.fails("DeleteSubnet", &api.DeleteSubnetInput{SubnetId: &w.subnetID}, "DependencyViolation", w.subnetID)

	call[api.CreateTagsOutput](w.world, "CreateTags", &api.CreateTagsInput{Resources: []string{*g.NatGatewayId}, Tags: tagList("a", "b")})
	for _, f := range [][]api.Filter{
		filtersOf("state", "available", "vpc-id", w.vpcID), filtersOf("subnet-id", w.subnetID), filtersOf("nat-gateway-id", *g.NatGatewayId), filtersOf("tag:a", "b"),
	} {
		if out := call[api.DescribeNatGatewaysOutput](w.world, "DescribeNatGateways", &api.DescribeNatGatewaysInput{Filter: f}); len(out.NatGateways) != 1 {
			t.Errorf("%+v finds %d", f, len(out.NatGateways))
		}
	}

	out := call[api.DeleteNatGatewayOutput](w.world, "DeleteNatGateway", &api.DeleteNatGatewayInput{NatGatewayId: g.NatGatewayId})
	if g = w.gateway(*out.NatGatewayId); *g.State != "deleted" || g.DeleteTime == nil || *g.NatGatewayAddresses[0].PublicIp != "198.18.0.1" {
		t.Errorf("%+v", g)
	}
	if free := w.address(w.elastic[0]); free.AssociationID != "" || free.InterfaceID != "" {
		t.Errorf("%+v", free)
	}
	w.fails("DescribeNetworkInterfaces", &api.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{*eni}}, "InvalidNetworkInterfaceID.NotFound", *eni)
	w.fails("DeleteNatGateway", &api.DeleteNatGatewayInput{NatGatewayId: g.NatGatewayId}, "NatGatewayNotFound", "The Nat Gateway "+*g.NatGatewayId+" was not found")
	call[api.DeleteSubnetOutput](w.world, "DeleteSubnet", &api.DeleteSubnetInput{SubnetId: &w.subnetID})

	*w.now = testTime.Add(59 * time.Minute)
	if dead := lifecycle.Expired(w.snapshot(), *w.now); len(dead.NatGateways) != 0 || !dead.Next.Equal(testTime.Add(time.Hour)) {
		t.Errorf("%+v", dead)
	}
	*w.now = testTime.Add(time.Hour)
	w.write(func(tx *state.Tx) { lifecycle.Forget(tx) })
	w.fails("DescribeNatGateways", &api.DescribeNatGatewaysInput{NatGatewayIds: []string{*g.NatGatewayId}}, "NatGatewayNotFound", *g.NatGatewayId)
}

// TestNatGatewayFails: what is in the way of a gateway makes one that has failed.
func TestNatGatewayFails(t *testing.T) {
	w := newNatWorld(t, 2)
	closed := w.vpc("10.1.0.0/16")
	dark := w.subnet(closed, "10.1.0.0/24")
	small := w.subnet(w.vpcID, "10.0.1.0/28")
	for range 11 {
		call[api.CreateNetworkInterfaceOutput](w.world, "CreateNetworkInterface", &api.CreateNetworkInterfaceInput{SubnetId: &small})
	}
	w.create(&api.CreateNatGatewayInput{AllocationId: &w.elastic[0]})
	for _, c := range []struct {
		name       string
		in         api.CreateNatGatewayInput
		code, text string
	}{
		{"no internet gateway", api.CreateNatGatewayInput{SubnetId: &dark, AllocationId: &w.elastic[1]}, "Gateway.NotAttached", "Network " + closed + " has no Internet gateway attached"},
		{"address taken", api.CreateNatGatewayInput{AllocationId: &w.elastic[0]}, "Resource.AlreadyAssociated", "Elastic IP address [" + w.elastic[0] + "] is already associated"},
		{"subnet full", api.CreateNatGatewayInput{SubnetId: &small, AllocationId: &w.elastic[1]}, "InsufficientFreeAddressesInSubnet", "Subnet has insufficient free addresses to create this NAT gateway"},
		{"subnet full for a private one", api.CreateNatGatewayInput{SubnetId: &small, ConnectivityType: ptr("private")}, "InsufficientFreeAddressesInSubnet", "Subnet has insufficient"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &natWorld{world: w.in(t), vpcID: w.vpcID, subnetID: w.subnetID}
			g := w.create(&c.in)
			if *g.State != "failed" || *g.FailureCode != c.code || (*g.FailureMessage)[:len(c.text)] != c.text || g.DeleteTime == nil {
				t.Errorf("%+v", g)
			}
			for _, a := range g.NatGatewayAddresses {
				if *a.Status != "failed" || *a.AllocationId != *c.in.AllocationId || a.NetworkInterfaceId != nil {
					t.Errorf("%+v", a)
				}
			}
			w.fails("AssociateNatGatewayAddress", &api.AssociateNatGatewayAddressInput{NatGatewayId: g.NatGatewayId, AllocationIds: []string{"eipalloc-01234567"}}, "IncorrectState", "failed")
			call[api.DeleteNatGatewayOutput](w.world, "DeleteNatGateway", &api.DeleteNatGatewayInput{NatGatewayId: g.NatGatewayId})
			if g = w.gateway(*g.NatGatewayId); *g.State != "deleted" {
				t.Error(*g.State)
			}
		})
	}
	if a := w.address(w.elastic[1]); a.AssociationID != "" {
		t.Errorf("%+v", a)
	}
}

func TestNatGatewayRefusals(t *testing.T) {
	w := newNatWorld(t, 4)
	one, private := &w.elastic[0], ptr("private")
	strange := ptr("eipalloc-0123456789abcdef0")
	for _, c := range []struct {
		name       string
		in         api.CreateNatGatewayInput
		code, text string
	}{
		{"no subnet", api.CreateNatGatewayInput{AllocationId: one}, "MissingParameter", "subnetId"},
		{"no allocation", api.CreateNatGatewayInput{SubnetId: &w.subnetID}, "MissingParameter", "The request must include the AllocationId parameter."},
		{"private with allocation", api.CreateNatGatewayInput{SubnetId: &w.subnetID, ConnectivityType: private, AllocationId: one}, "InvalidParameterCombination", "AllocationId"},
		{"public with count", api.CreateNatGatewayInput{SubnetId: &w.subnetID, AllocationId: one, SecondaryPrivateIpAddressCount: ptr(int32(1))}, "InvalidParameterCombination", "private NAT gateways only"},
		{"more addresses than allocations", api.CreateNatGatewayInput{SubnetId: &w.subnetID, AllocationId: one, SecondaryPrivateIpAddresses: []string{"10.0.0.10"}}, "InvalidParameterCombination", "needs an Elastic IP"},
		{"count and addresses", api.CreateNatGatewayInput{SubnetId: &w.subnetID, ConnectivityType: private, SecondaryPrivateIpAddressCount: ptr(int32(1)), SecondaryPrivateIpAddresses: []string{"10.0.0.10"}}, "InvalidParameterCombination", "secondaryPrivateIpAddressCount"},
		{"no addresses", api.CreateNatGatewayInput{SubnetId: &w.subnetID, ConnectivityType: private, SecondaryPrivateIpAddressCount: ptr(int32(0))}, "InvalidParameterValue", "between 1 and 31"},
		{"regional", api.CreateNatGatewayInput{AvailabilityMode: ptr("regional"), VpcId: &w.vpcID}, "UnsupportedOperation", "SubnetId"},
		{"no such subnet", api.CreateNatGatewayInput{SubnetId: ptr("subnet-0123456789abcdef0"), AllocationId: one}, "InvalidSubnetID.NotFound", "subnet-0123456789abcdef0"},
		{"malformed subnet", api.CreateNatGatewayInput{SubnetId: ptr("x"), AllocationId: one}, "InvalidSubnetID.Malformed", "x"},
		{"no such allocation", api.CreateNatGatewayInput{SubnetId: &w.subnetID, AllocationId: strange}, "InvalidElasticIpID.NotFound", "The elasticIp ID '" + *strange + "' does not exist"},
		{"malformed allocation", api.CreateNatGatewayInput{SubnetId: &w.subnetID, AllocationId: ptr("x")}, "InvalidElasticIpID.Malformed", "eipalloc-..."},
		{"allocation twice", api.CreateNatGatewayInput{SubnetId: &w.subnetID, AllocationId: one, SecondaryAllocationIds: []string{*one}}, "InvalidParameterValue", "more than once"},
		{"address outside", api.CreateNatGatewayInput{SubnetId: &w.subnetID, AllocationId: one, PrivateIpAddress: ptr("10.0.9.9")}, "InvalidParameterValue", "does not fall within"},
		{"reserved address", api.CreateNatGatewayInput{SubnetId: &w.subnetID, AllocationId: one, PrivateIpAddress: ptr("10.0.0.1")}, "InvalidParameterValue", "reserved"},
		{"no address", api.CreateNatGatewayInput{SubnetId: &w.subnetID, AllocationId: one, PrivateIpAddress: ptr("x")}, "InvalidParameterValue", "x"},
		{"address twice", api.CreateNatGatewayInput{SubnetId: &w.subnetID, ConnectivityType: private, PrivateIpAddress: ptr("10.0.0.9"), SecondaryPrivateIpAddresses: []string{"10.0.0.9"}}, "InvalidParameterValue", "more than once"},
		{"too many Elastic IPs", api.CreateNatGatewayInput{SubnetId: &w.subnetID, AllocationId: one, SecondaryAllocationIds: w.elastic[1:3]}, "NatGatewayAddressLimitExceeded", "2 Elastic IP"},
		{"too many private addresses", api.CreateNatGatewayInput{SubnetId: &w.subnetID, ConnectivityType: private, SecondaryPrivateIpAddressCount: ptr(int32(8))}, "NatGatewayAddressLimitExceeded", "8 private"},
		{"tags of another type", api.CreateNatGatewayInput{SubnetId: &w.subnetID, AllocationId: one, TagSpecifications: tagSpec("vpc", "a", "b")}, "InvalidParameterValue", "vpc"},
		{"dry run", api.CreateNatGatewayInput{SubnetId: &w.subnetID, AllocationId: one, DryRun: ptr(true)}, "DryRunOperation", ""},
	} {
		t.Run(c.name, func(t *testing.T) { w.in(t).fails("CreateNatGateway", &c.in, c.code, c.text) })
	}
	w.fails("DeleteNatGateway", &api.DeleteNatGatewayInput{NatGatewayId: ptr("x")}, "NatGatewayMalformed", "nat-...")
	w.fails("DeleteNatGateway", &api.DeleteNatGatewayInput{NatGatewayId: ptr("nat-0123456789abcdef0")}, "NatGatewayNotFound", "The Nat Gateway nat-0123456789abcdef0 was not found")
	w.fails("DescribeNatGateways", &api.DescribeNatGatewaysInput{Filter: filtersOf("x", "y")}, "InvalidParameterValue", "The filter 'x' is invalid")
	g := w.create(&api.CreateNatGatewayInput{AllocationId: one})
	other := w.as("210987654321", "us-east-1")
	other.fails("DeleteNatGateway", &api.DeleteNatGatewayInput{NatGatewayId: g.NatGatewayId}, "NatGatewayNotFound", *g.NatGatewayId)
}

// TestNatGatewayQuota: five in a zone, and those that have ended do not count.
func TestNatGatewayQuota(t *testing.T) {
	w := newNatWorld(t, 0)
	private := func(subnetID string) *api.CreateNatGatewayInput {
		return &api.CreateNatGatewayInput{SubnetId: &subnetID, ConnectivityType: ptr("private")}
	}
	var last api.NatGateway
	for range 5 {
		last = w.create(private(w.subnetID))
	}
	const text = "Performing this operation would exceed the limit of 5 NAT gateways"
	w.fails("CreateNatGateway", private(w.subnetID), "NatGatewayLimitExceeded", text)
	w.fails("CreateNatGateway", private(w.subnet(w.vpcID, "10.0.1.0/24")), "NatGatewayLimitExceeded", text)
	elsewhere := call[api.CreateSubnetOutput](w.world, "CreateSubnet", &api.CreateSubnetInput{VpcId: &w.vpcID, CidrBlock: ptr("10.0.2.0/24"), AvailabilityZone: ptr("us-east-1b")})
	w.create(private(*elsewhere.Subnet.SubnetId))
	call[api.DeleteNatGatewayOutput](w.world, "DeleteNatGateway", &api.DeleteNatGatewayInput{NatGatewayId: last.NatGatewayId})
	w.create(private(w.subnetID))
}

func natIPs(list []api.NatGatewayAddress) []string {
	var out []string
	for _, a := range list {
		out = append(out, fmt.Sprint(val(a.PrivateIp), " ", val(a.PublicIp), " ", val(a.Status)))
	}
	return out
}

func TestNatGatewayPublicAddresses(t *testing.T) {
	w := newNatWorld(t, 4, Config{Quotas: map[string]int{"elastic-ips-per-nat-gateway": 3}})
	g := w.create(&api.CreateNatGatewayInput{AllocationId: &w.elastic[0], PrivateIpAddress: ptr("10.0.0.9"), SecondaryAllocationIds: w.elastic[1:2], SecondaryPrivateIpAddresses: []string{"10.0.0.10"}})
	if got := natIPs(g.NatGatewayAddresses); !slices.Equal(got, []string{"10.0.0.9 198.18.0.1 succeeded", "10.0.0.10 198.18.0.2 succeeded"}) {
		t.Error(got)
	}
	associate := &api.AssociateNatGatewayAddressInput{NatGatewayId: g.NatGatewayId, AllocationIds: w.elastic[2:3], PrivateIpAddresses: []string{"10.0.0.11"}}
	out := call[api.AssociateNatGatewayAddressOutput](w.world, "AssociateNatGatewayAddress", associate)
	if got := natIPs(out.NatGatewayAddresses); !slices.Equal(got, []string{"10.0.0.11 198.18.0.3 associating"}) {
		t.Error(got)
	}
	w.fails("AssociateNatGatewayAddress", associate, "Resource.AlreadyAssociated", w.elastic[2])
	w.fails("AssociateNatGatewayAddress", &api.AssociateNatGatewayAddressInput{NatGatewayId: g.NatGatewayId, AllocationIds: w.elastic[3:]}, "NatGatewayAddressLimitExceeded", "3 Elastic IP")
	w.fails("AssociateNatGatewayAddress", &api.AssociateNatGatewayAddressInput{NatGatewayId: g.NatGatewayId}, "MissingParameter", "allocationId")
	w.fails("AssociateNatGatewayAddress", &api.AssociateNatGatewayAddressInput{NatGatewayId: g.NatGatewayId, AllocationIds: w.elastic[3:], PrivateIpAddresses: []string{"10.0.0.12", "10.0.0.13"}}, "InvalidParameterCombination", "more private")
	w.fails("AssociateNatGatewayAddress", &api.AssociateNatGatewayAddressInput{NatGatewayId: g.NatGatewayId, AllocationIds: w.elastic[3:], AvailabilityZone: ptr("us-east-1a")}, "UnsupportedOperation", "Regional")
	w.fails("AssignPrivateNatGatewayAddress", &api.AssignPrivateNatGatewayAddressInput{NatGatewayId: g.NatGatewayId, PrivateIpAddressCount: ptr(int32(1))}, "InvalidParameter", "is public")

	g = w.gateway(*g.NatGatewayId)
	nic := w.nic(*g.NatGatewayAddresses[0].NetworkInterfaceId)
	if len(g.NatGatewayAddresses) != 3 || len(nic.PrivateIpAddresses) != 3 || *nic.PrivateIpAddresses[2].Association.PublicIp != "198.18.0.3" {
		t.Errorf("%+v", g.NatGatewayAddresses)
	}
	leave := func(drain int32, at ...int) *api.DisassociateNatGatewayAddressInput {
		in := &api.DisassociateNatGatewayAddressInput{NatGatewayId: g.NatGatewayId, MaxDrainDurationSeconds: &drain}
		for _, i := range at {
			in.AssociationIds = append(in.AssociationIds, *g.NatGatewayAddresses[i].AssociationId)
		}
		return in
	}
	w.fails("DisassociateNatGatewayAddress", leave(1, 0), "InvalidParameterValue", "primary")
	w.fails("DisassociateNatGatewayAddress", leave(4001, 1), "InvalidParameterValue", "1 to 4000")
	w.fails("DisassociateNatGatewayAddress", leave(1), "MissingParameter", "associationId")
	w.fails("DisassociateNatGatewayAddress", &api.DisassociateNatGatewayAddressInput{NatGatewayId: g.NatGatewayId, AssociationIds: []string{"x"}}, "InvalidAssociationID.Malformed", "eipassoc")
	w.fails("DisassociateNatGatewayAddress", &api.DisassociateNatGatewayAddressInput{NatGatewayId: g.NatGatewayId, AssociationIds: []string{"eipassoc-0123456789abcdef0"}}, "InvalidAssociationID.NotFound", "eipassoc-0123456789abcdef0")
	gone := call[api.DisassociateNatGatewayAddressOutput](w.world, "DisassociateNatGatewayAddress", leave(1, 1, 2))
	if got := natIPs(gone.NatGatewayAddresses); !slices.Equal(got, []string{"10.0.0.10 198.18.0.2 disassociating", "10.0.0.11 198.18.0.3 disassociating"}) {
		t.Error(got)
	}
	if g = w.gateway(*g.NatGatewayId); len(g.NatGatewayAddresses) != 1 || w.address(w.elastic[1]).AssociationID != "" || len(w.nic(*nic.NetworkInterfaceId).PrivateIpAddresses) != 1 {
		t.Errorf("%+v", g.NatGatewayAddresses)
	}
}

func TestNatGatewayPrivateAddresses(t *testing.T) {
	w := newNatWorld(t, 1)
	g := w.create(&api.CreateNatGatewayInput{ConnectivityType: ptr("private"), PrivateIpAddress: ptr("10.0.0.9"), SecondaryPrivateIpAddressCount: ptr(int32(2))})
	if *g.ConnectivityType != "private" || len(g.NatGatewayAddresses) != 3 || g.NatGatewayAddresses[0].PublicIp != nil || g.NatGatewayAddresses[0].AllocationId != nil || *g.NatGatewayAddresses[1].IsPrimary {
		t.Errorf("%+v", g)
	}
	assign := func(count *int32, addresses ...string) *api.AssignPrivateNatGatewayAddressInput {
		return &api.AssignPrivateNatGatewayAddressInput{NatGatewayId: g.NatGatewayId, PrivateIpAddressCount: count, PrivateIpAddresses: addresses}
	}
	out := call[api.AssignPrivateNatGatewayAddressOutput](w.world, "AssignPrivateNatGatewayAddress", assign(nil, "10.0.0.200", "10.0.0.201"))
	if got := natIPs(out.NatGatewayAddresses); !slices.Equal(got, []string{"10.0.0.200  assigning", "10.0.0.201  assigning"}) {
		t.Error(got)
	}
	out = call[api.AssignPrivateNatGatewayAddressOutput](w.world, "AssignPrivateNatGatewayAddress", assign(ptr(int32(3))))
	if len(out.NatGatewayAddresses) != 3 || len(w.gateway(*g.NatGatewayId).NatGatewayAddresses) != 8 {
		t.Errorf("%+v", out)
	}
	w.fails("AssignPrivateNatGatewayAddress", assign(ptr(int32(1))), "NatGatewayAddressLimitExceeded", "8 private")
	w.fails("AssignPrivateNatGatewayAddress", assign(nil), "MissingParameter", "privateIpAddressCount")
	w.fails("AssignPrivateNatGatewayAddress", assign(ptr(int32(1)), "10.0.0.5"), "InvalidParameterCombination", "privateIpAddressCount")
	w.fails("AssignPrivateNatGatewayAddress", assign(ptr(int32(32))), "InvalidParameterValue", "between 1 and 31")
	unassign := func(addresses ...string) *api.UnassignPrivateNatGatewayAddressInput {
		return &api.UnassignPrivateNatGatewayAddressInput{NatGatewayId: g.NatGatewayId, PrivateIpAddresses: addresses}
	}
	w.fails("UnassignPrivateNatGatewayAddress", unassign(), "MissingParameter", "privateIpAddress")
	w.fails("UnassignPrivateNatGatewayAddress", unassign("10.0.0.9"), "InvalidParameterValue", "primary")
	w.fails("UnassignPrivateNatGatewayAddress", unassign("10.0.9.9"), "InvalidParameterValue", "not assigned")
	left := call[api.UnassignPrivateNatGatewayAddressOutput](w.world, "UnassignPrivateNatGatewayAddress", unassign("10.0.0.201"))
	if got := natIPs(left.NatGatewayAddresses); !slices.Equal(got, []string{"10.0.0.201  unassigning"}) || len(w.gateway(*g.NatGatewayId).NatGatewayAddresses) != 7 {
		t.Error(got)
	}
	w.fails("AssignPrivateNatGatewayAddress", assign(nil, "10.0.0.200"), "InvalidIPAddress.InUse", "10.0.0.200")
	w.fails("AssociateNatGatewayAddress", &api.AssociateNatGatewayAddressInput{NatGatewayId: g.NatGatewayId, AllocationIds: w.elastic}, "InvalidParameter", "is private")
}
