package ec2

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/state"
)

// shownSubnet reads one subnet as a client does.
func (w *world) shownSubnet(id string) api.Subnet {
	w.Helper()
	return call[api.DescribeSubnetsOutput](w, "DescribeSubnets", &api.DescribeSubnetsInput{SubnetIds: []string{id}}).Subnets[0]
}

func TestCreateSubnet(t *testing.T) {
	w := newWorld(t)
	id := w.vpc("10.0.0.0/16")
	made := call[api.CreateSubnetOutput](w, "CreateSubnet", &api.CreateSubnetInput{
		VpcId: &id, CidrBlock: ptr("10.0.1.7/24"), AvailabilityZoneId: ptr("use1-az2"), TagSpecifications: tagSpec("subnet", "Name", "web"),
	}).Subnet
	shown := w.shownSubnet(*made.SubnetId)
	for _, got := range []*api.Subnet{made, &shown} {
		if !awsid.Valid("subnet", *got.SubnetId) || *got.SubnetArn != "arn:aws:ec2:us-east-1:123456789012:subnet/"+*got.SubnetId ||
			*got.CidrBlock != "10.0.1.0/24" || *got.AvailabilityZone != "us-east-1b" || *got.AvailabilityZoneId != "use1-az2" ||
			*got.AvailableIpAddressCount != 251 || *got.State != "available" || *got.VpcId != id || *got.OwnerId != "123456789012" ||
			*got.DefaultForAz || *got.MapPublicIpOnLaunch || *got.AssignIpv6AddressOnCreation || *got.EnableDns64 || *got.Ipv6Native ||
			*got.PrivateDnsNameOptionsOnLaunch.HostnameType != "ip-name" || *got.Tags[0].Value != "web" {
			t.Errorf("%+v", got)
		}
	}
	acls := call[api.DescribeNetworkAclsOutput](w, "DescribeNetworkAcls", &api.DescribeNetworkAclsInput{Filters: filtersOf("association.subnet-id", *made.SubnetId)}).NetworkAcls
	if len(acls) != 1 || len(acls[0].Associations) != 1 || *acls[0].Associations[0].SubnetId != *made.SubnetId ||
		!awsid.Valid("aclassoc", *acls[0].Associations[0].NetworkAclAssociationId) || *acls[0].Associations[0].NetworkAclId != *acls[0].NetworkAclId {
		t.Errorf("ACLs %+v", acls)
	}
}

func TestSubnetZones(t *testing.T) {
	w := newWorld(t).as("123456789012", "eu-central-1")
	id := w.vpc("10.0.0.0/16")
	var zones []string
	for i := range 6 {
		out := call[api.CreateSubnetOutput](w, "CreateSubnet", &api.CreateSubnetInput{VpcId: &id, CidrBlock: ptr(fmt.Sprintf("10.0.%d.0/24", i))})
		zones = append(zones, *out.Subnet.AvailabilityZone)
	}
	slices.Sort(zones)
	if want := []string{"eu-central-1a", "eu-central-1a", "eu-central-1b", "eu-central-1b", "eu-central-1c", "eu-central-1c"}; !slices.Equal(zones, want) {
		t.Errorf("subnets without a zone are in %v", zones)
	}
}

func TestSubnetNumbers(t *testing.T) {
	w := newWorld(t)
	id := w.vpc("10.0.0.0/16")
	number := func(sub string) uint32 {
		got, _ := state.Subnets.Get(w.snapshot(), w.caller.Scope.Key(sub))
		return got.Number
	}
	first := w.subnet(id, "10.0.0.0/24")
	if n := number(first); n != 1 {
		t.Errorf("the first is %d", n)
	}
	call[api.DeleteSubnetOutput](w, "DeleteSubnet", &api.DeleteSubnetInput{SubnetId: &first})
	if n := number(w.subnet(id, "10.0.0.0/24")); n != 2 {
		t.Errorf("after a deletion the next is %d", n)
	}
	w.write(func(tx *state.Tx) {
		old, _ := state.Vpcs.Get(tx, w.caller.Scope.Key(id))
		v := *old
		v.LastSubnetNumber = lastSubnetNumber
		state.Vpcs.Put(tx, &v)
	})
	w.fails("CreateSubnet", &api.CreateSubnetInput{VpcId: &id, CidrBlock: ptr("10.0.1.0/24")}, "SubnetLimitExceeded", "create another VPC")
}

func TestCreateSubnetErrors(t *testing.T) {
	w := newWorld(t)
	id := w.vpc("10.0.0.0/16")
	w.subnet(id, "10.0.1.0/24")
	block := func(cidr string) api.CreateSubnetInput { return api.CreateSubnetInput{VpcId: &id, CidrBlock: &cidr} }
	with := func(change func(*api.CreateSubnetInput)) api.CreateSubnetInput {
		in := block("10.0.2.0/24")
		change(&in)
		return in
	}
	const allZones = "Subnets can currently only be created in the following availability zones: us-east-1a, us-east-1b, us-east-1c, us-east-1d, us-east-1e, us-east-1f."
	for _, c := range []struct {
		name       string
		in         api.CreateSubnetInput
		code, text string
	}{
		{"no block", api.CreateSubnetInput{VpcId: &id}, "MissingParameter", "cidrBlock"},
		{"not a block", block("10.0.2.0/240"), "InvalidParameterValue", "Value (10.0.2.0/240) for parameter cidrBlock is invalid. This is not a valid CIDR block."},
		{"outside", block("10.1.0.0/24"), "InvalidSubnet.Range", "The CIDR '10.1.0.0/24' is invalid."},
		{"larger than the VPC", block("10.0.0.0/15"), "InvalidSubnet.Range", "The CIDR '10.0.0.0/15' is invalid."},
		{"small", block("10.0.2.0/29"), "InvalidSubnet.Range", "The CIDR '10.0.2.0/29' is invalid."},
		{"the same", block("10.0.1.0/24"), "InvalidSubnet.Conflict", "The CIDR '10.0.1.0/24' conflicts with another subnet"},
		{"inside of another", block("10.0.1.128/25"), "InvalidSubnet.Conflict", "The CIDR '10.0.1.128/25' conflicts with another subnet"},
		{"around another", block("10.0.0.0/23"), "InvalidSubnet.Conflict", "10.0.0.0/23"},
		{"unknown VPC", with(func(in *api.CreateSubnetInput) { in.VpcId = ptr("vpc-0123456789abcdef0") }), "InvalidVpcID.NotFound", "The vpc ID 'vpc-0123456789abcdef0' does not exist"},
		{"malformed VPC", with(func(in *api.CreateSubnetInput) { in.VpcId = ptr("x") }), "InvalidVpcID.Malformed", `Invalid id: "x"`},
		{"unknown zone", with(func(in *api.CreateSubnetInput) { in.AvailabilityZone = ptr("us-east-1z") }), "InvalidParameterValue", "Value (us-east-1z) for parameter availabilityZone is invalid. " + allZones},
		{"zone of another Region", with(func(in *api.CreateSubnetInput) { in.AvailabilityZone = ptr("eu-west-1a") }), "InvalidParameterValue", allZones},
		{"unknown zone id", with(func(in *api.CreateSubnetInput) { in.AvailabilityZoneId = ptr("use1-az9") }), "InvalidParameterValue", "Value (use1-az9) for parameter availabilityZoneId is invalid."},
		{"zone twice", with(func(in *api.CreateSubnetInput) {
			in.AvailabilityZone, in.AvailabilityZoneId = ptr("us-east-1a"), ptr("use1-az1")
		}), "InvalidParameterCombination", "not both"},
		{"IPv6", with(func(in *api.CreateSubnetInput) { in.Ipv6CidrBlock = ptr("2600::/64") }), "UnsupportedOperation", "IPv6"},
		{"IPAM", with(func(in *api.CreateSubnetInput) { in.Ipv4NetmaskLength = ptr(int32(24)) }), "UnsupportedOperation", "IPAM"},
		{"Outpost", with(func(in *api.CreateSubnetInput) { in.OutpostArn = ptr("arn:aws:outposts:us-east-1:1:outpost/op-1") }), "UnsupportedOperation", "Outpost"},
		{"tags of a VPC", with(func(in *api.CreateSubnetInput) { in.TagSpecifications = tagSpec("vpc", "a", "b") }), "InvalidParameterValue", "'vpc' is not a valid taggable resource type"},
	} {
		t.Run(c.name, func(t *testing.T) { w.in(t).fails("CreateSubnet", &c.in, c.code, c.text) })
	}
	full := w.vpc("10.9.0.0/24")
	w.subnet(full, "10.9.0.0/24") // all of the VPC
	w.fails("CreateSubnet", &api.CreateSubnetInput{VpcId: &full, CidrBlock: ptr("10.9.0.0/28")}, "InvalidSubnet.Conflict", "conflicts")
}

// putInterface puts an interface into a subnet, behind the service's back.
func (w *world) putInterface(sub string, addresses ...string) string {
	w.Helper()
	var id string
	w.write(func(tx *state.Tx) {
		s, _ := state.Subnets.Get(tx, w.caller.Scope.Key(sub))
		n := &state.NetworkInterface{Meta: tx.Meta(w.caller.Scope, "eni"), VpcID: s.VpcID, SubnetID: sub}
		for _, a := range addresses {
			n.Addresses = append(n.Addresses, state.PrivateAddress{Addr: netip.MustParseAddr(a)})
		}
		state.NetworkInterfaces.Put(tx, n)
		id = n.ID
	})
	return id
}

func TestSubnetFilters(t *testing.T) {
	w := newWorld(t)
	v, other := w.vpc("10.0.0.0/16"), w.vpc("10.0.0.0/16")
	a, b, c := w.subnet(v, "10.0.0.0/24"), w.subnet(v, "10.0.1.0/28"), w.subnet(other, "10.0.0.0/24")
	w.putInterface(a, "10.0.0.4", "10.0.0.5")
	if n := *w.shownSubnet(a).AvailableIpAddressCount; n != 249 {
		t.Errorf("%d addresses are available beside two", n)
	}
	call[api.ModifySubnetAttributeOutput](w, "ModifySubnetAttribute", &api.ModifySubnetAttributeInput{SubnetId: &b, MapPublicIpOnLaunch: &api.AttributeBooleanValue{Value: ptr(true)}})
	for _, tc := range []struct {
		name, values string
		want         []string
	}{
		{"availability-zone", "us-east-1a", []string{a, b, c}},
		{"availabilityZone", "us-east-1b", nil},
		{"availability-zone-id", "use1-az1", []string{a, b, c}},
		{"availabilityZoneId", "use1-az1", []string{a, b, c}},
		{"available-ip-address-count", "249", []string{a}},
		{"cidr-block", "10.0.0.0/24", []string{a, c}},
		{"cidrBlock", "10.0.1.0/28", []string{b}},
		{"default-for-az", "true", nil},
		{"defaultForAz", "false", []string{a, b, c}},
		{"map-public-ip-on-launch", "true", []string{b}},
		{"owner-id", "123456789012", []string{a, b, c}},
		{"private-dns-name-options-on-launch.hostname-type", "ip-name", []string{a, b, c}},
		{"private-dns-name-options-on-launch.enable-resource-name-dns-a-record", "false", []string{a, b, c}},
		{"private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record", "true", nil},
		{"ipv6-cidr-block-association.state", "associated", nil},
		{"ipv6-native", "false", []string{a, b, c}},
		{"outpost-arn", "*", nil},
		{"enable-dns64", "false", []string{a, b, c}},
		{"state", "available", []string{a, b, c}},
		{"subnet-arn", "*/" + c, []string{c}},
		{"subnet-id", a + "," + b, []string{a, b}},
		{"vpc-id", other, []string{c}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out := call[api.DescribeSubnetsOutput](w.in(t), "DescribeSubnets", &api.DescribeSubnetsInput{Filters: filtersOf(tc.name, tc.values)})
			wantSame(t, ids(out.Subnets, func(s api.Subnet) *string { return s.SubnetId }), tc.want)
		})
	}
	w.fails("DescribeSubnets", &api.DescribeSubnetsInput{SubnetIds: []string{"subnet-0123456789abcdef0"}}, "InvalidSubnetID.NotFound", "The subnet ID 'subnet-0123456789abcdef0' does not exist")
}

func TestSubnetAttributes(t *testing.T) {
	w := newWorld(t)
	id := w.subnet(w.vpc("10.0.0.0/16"), "10.0.0.0/24")
	on, off := &api.AttributeBooleanValue{Value: ptr(true)}, &api.AttributeBooleanValue{Value: ptr(false)}
	for _, in := range []api.ModifySubnetAttributeInput{
		{MapPublicIpOnLaunch: on},
		{PrivateDnsHostnameTypeOnLaunch: ptr("resource-name")},
		{EnableResourceNameDnsARecordOnLaunch: on},
		{EnableResourceNameDnsAAAARecordOnLaunch: off}, {AssignIpv6AddressOnCreation: off}, {EnableDns64: off},
		{MapCustomerOwnedIpOnLaunch: off}, {DisableLniAtDeviceIndex: on},
	} {
		in.SubnetId = &id
		call[api.ModifySubnetAttributeOutput](w, "ModifySubnetAttribute", &in)
	}
	got := w.shownSubnet(id)
	names := got.PrivateDnsNameOptionsOnLaunch
	if !*got.MapPublicIpOnLaunch || *names.HostnameType != "resource-name" || !*names.EnableResourceNameDnsARecord || *names.EnableResourceNameDnsAAAARecord {
		t.Errorf("%+v, %+v", got, names)
	}
	for _, c := range []struct {
		name       string
		in         api.ModifySubnetAttributeInput
		code, text string
	}{
		{"none", api.ModifySubnetAttributeInput{}, "InvalidParameterCombination", "No attributes specified."},
		{"two", api.ModifySubnetAttributeInput{MapPublicIpOnLaunch: on, EnableDns64: off}, "InvalidParameterCombination", "mapPublicIpOnLaunch, enableDns64"},
		{"no value", api.ModifySubnetAttributeInput{MapPublicIpOnLaunch: &api.AttributeBooleanValue{}}, "MissingParameter", "mapPublicIpOnLaunch"},
		{"hostname type", api.ModifySubnetAttributeInput{PrivateDnsHostnameTypeOnLaunch: ptr("x")}, "InvalidParameterValue", "Value (x) for parameter privateDnsHostnameTypeOnLaunch is invalid."},
		{"IPv6 addresses", api.ModifySubnetAttributeInput{AssignIpv6AddressOnCreation: on}, "InvalidParameterValue", "has no IPv6 CIDR block"},
		{"DNS64", api.ModifySubnetAttributeInput{EnableDns64: on}, "InvalidParameterValue", "has no IPv6 CIDR block"},
		{"AAAA records", api.ModifySubnetAttributeInput{EnableResourceNameDnsAAAARecordOnLaunch: on}, "InvalidParameterValue", "has no IPv6 CIDR block"},
		{"customer's addresses", api.ModifySubnetAttributeInput{MapCustomerOwnedIpOnLaunch: on}, "InvalidParameterValue", "not on an Outpost"},
		{"customer's pool", api.ModifySubnetAttributeInput{CustomerOwnedIpv4Pool: ptr("ipv4pool-coip-1"), MapCustomerOwnedIpOnLaunch: off}, "InvalidParameterValue", "not on an Outpost"},
		{"local network interfaces", api.ModifySubnetAttributeInput{EnableLniAtDeviceIndex: ptr(int32(1))}, "InvalidParameterValue", "not on an Outpost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.in.SubnetId = &id
			w.in(t).fails("ModifySubnetAttribute", &c.in, c.code, c.text)
		})
	}
	w.fails("ModifySubnetAttribute", &api.ModifySubnetAttributeInput{SubnetId: ptr("subnet-0123456789abcdef0"), EnableDns64: off}, "InvalidSubnetID.NotFound", "subnet-0123456789abcdef0")
	w.fails("ModifySubnetAttribute", &api.ModifySubnetAttributeInput{SubnetId: ptr("x"), EnableDns64: off}, "InvalidSubnetID.Malformed", `Invalid id: "x" (expecting "subnet-...")`)
}

func TestDeleteSubnet(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	id, other := w.subnet(v, "10.0.0.0/24"), w.subnet(v, "10.0.1.0/24")
	del := &api.DeleteSubnetInput{SubnetId: &id}
	w.write(func(tx *state.Tx) {
		state.RouteTables.Put(tx, &state.RouteTable{Meta: tx.Meta(w.caller.Scope, "rtb"), VpcID: v,
			Associations: []state.RouteTableAssociation{{ID: "rtbassoc-1", SubnetID: id}, {ID: "rtbassoc-2", SubnetID: other}}})
	})
	n := w.putInterface(id, "10.0.0.4")
	w.fails("DeleteSubnet", del, "DependencyViolation", "The subnet '"+id+"' has dependencies and cannot be deleted.")
	w.write(func(tx *state.Tx) { state.NetworkInterfaces.Delete(tx, w.caller.Scope.Key(n)) })
	call[api.DeleteSubnetOutput](w, "DeleteSubnet", del)
	w.fails("DeleteSubnet", del, "InvalidSubnetID.NotFound", "The subnet ID '"+id+"' does not exist")
	w.fails("DeleteSubnet", &api.DeleteSubnetInput{SubnetId: ptr("x")}, "InvalidSubnetID.Malformed", "x")
	for _, c := range []struct {
		subnet string
		want   int
	}{{id, 0}, {other, 1}} {
		acls := call[api.DescribeNetworkAclsOutput](w, "DescribeNetworkAcls", &api.DescribeNetworkAclsInput{Filters: filtersOf("association.subnet-id", c.subnet)}).NetworkAcls
		tables := call[api.DescribeRouteTablesOutput](w, "DescribeRouteTables", &api.DescribeRouteTablesInput{Filters: filtersOf("association.subnet-id", c.subnet)}).RouteTables
		if len(acls) != c.want || len(tables) != c.want {
			t.Errorf("%s: %d ACLs, %d route tables", c.subnet, len(acls), len(tables))
		}
	}
}

func TestSubnetCidrReservations(t *testing.T) {
	w := newWorld(t)
	id := w.subnet(w.vpc("10.0.0.0/16"), "10.0.0.0/24")
	out := call[api.GetSubnetCidrReservationsOutput](w, "GetSubnetCidrReservations", &api.GetSubnetCidrReservationsInput{SubnetId: &id})
	if len(out.SubnetIpv4CidrReservations) != 0 {
		t.Error(out)
	}
	w.fails("GetSubnetCidrReservations", &api.GetSubnetCidrReservationsInput{SubnetId: ptr("subnet-0123456789abcdef0")}, "InvalidSubnetID.NotFound", "subnet-0123456789abcdef0")
}
