package ec2

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/base/awsid"
	"github.com/localvpc/localvpc/internal/decide/authz"
	"github.com/localvpc/localvpc/internal/decide/quota"
	"github.com/localvpc/localvpc/internal/state"
)

// networkInterface makes an interface as asked for.
func (w *world) networkInterface(in api.CreateNetworkInterfaceInput) *api.NetworkInterface {
	w.Helper()
	return call[api.CreateNetworkInterfaceOutput](w, "CreateNetworkInterface", &in).NetworkInterface
}

// showInterface describes one interface.
func (w *world) showInterface(id string) api.NetworkInterface {
	w.Helper()
	return call[api.DescribeNetworkInterfacesOutput](w, "DescribeNetworkInterfaces", &api.DescribeNetworkInterfacesInput{
		NetworkInterfaceIds: []string{id}}).NetworkInterfaces[0]
}

// attach puts an interface to an instance behind the service's back.
func (w *world) attach(eni, instance string) string {
	w.Helper()
	var id string
	w.write(func(tx *state.Tx) {
		old, _ := state.NetworkInterfaces.Get(tx, w.caller.Key(eni))
		n := *old
		id = tx.ID("eni-attach")
		n.Status = "in-use"
		n.Attachment = &state.Attachment{ID: id, InstanceID: instance, InstanceOwnerID: w.caller.Account, DeviceIndex: 1,
			Status: "attached", AttachTime: tx.Now(), DeleteOnTermination: true}
		state.NetworkInterfaces.Put(tx, &n)
	})
	return id
}

func TestCreateNetworkInterface(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	sub := w.subnet(v, "10.0.1.0/24")
	made := call[api.CreateNetworkInterfaceOutput](w, "CreateNetworkInterface", &api.CreateNetworkInterfaceInput{
		SubnetId: &sub, Description: ptr("mine"), ClientToken: ptr("token"), TagSpecifications: tagSpec("network-interface", "Name", "x")})
	if *made.ClientToken != "token" {
		t.Errorf("token %v", made.ClientToken)
	}
	shown := w.showInterface(*made.NetworkInterface.NetworkInterfaceId)
	for _, n := range []*api.NetworkInterface{made.NetworkInterface, &shown} {
		if !awsid.Valid("eni", *n.NetworkInterfaceId) || *n.SubnetId != sub || *n.VpcId != v || *n.OwnerId != "123456789012" ||
			*n.AvailabilityZone != "us-east-1a" || *n.AvailabilityZoneId == "" || *n.Description != "mine" || *n.InterfaceType != "interface" ||
			*n.Status != "available" || n.Attachment != nil || !*n.SourceDestCheck || *n.RequesterManaged || *n.TagSet[0].Value != "x" || n.Association != nil {
			t.Errorf("%+v", n)
		}
		if len(n.Groups) != 1 || *n.Groups[0].GroupId != w.defaultGroup(v) || *n.Groups[0].GroupName != "default" {
			t.Errorf("groups %+v", n.Groups)
		}
		if mac, err := net.ParseMAC(*n.MacAddress); err != nil || mac[0]&3 != 2 {
			t.Errorf("MAC %s is not a local unicast address", *n.MacAddress)
		}
		a := netip.MustParseAddr(*n.PrivateIpAddress)
		if !netip.MustParsePrefix("10.0.1.0/24").Contains(a) || len(n.PrivateIpAddresses) != 1 || !*n.PrivateIpAddresses[0].Primary ||
			*n.PrivateIpAddresses[0].PrivateIpAddress != a.String() {
			t.Errorf("addresses %+v", n.PrivateIpAddresses)
		}
		if want := "ip-" + strings.ReplaceAll(a.String(), ".", "-") + ".ec2.internal"; *n.PrivateDnsName != want || *n.PrivateIpAddresses[0].PrivateDnsName != want {
			t.Errorf("name %s, want %s", *n.PrivateDnsName, want)
		}
	}
	again := call[api.CreateNetworkInterfaceOutput](w, "CreateNetworkInterface", &api.CreateNetworkInterfaceInput{
		SubnetId: &sub, Description: ptr("mine"), ClientToken: ptr("token"), TagSpecifications: tagSpec("network-interface", "Name", "x")})
	if *again.NetworkInterface.NetworkInterfaceId != *shown.NetworkInterfaceId {
		t.Error("the same token made another interface")
	}
}

func TestInterfaceAddresses(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	sub := w.subnet(v, "10.0.1.0/24")
	address := func(text string, primary ...bool) api.PrivateIpAddressSpecification {
		out := api.PrivateIpAddressSpecification{PrivateIpAddress: &text}
		if len(primary) > 0 {
			out.Primary = &primary[0]
		}
		return out
	}
	for name, tt := range map[string]struct {
		in   api.CreateNetworkInterfaceInput
		want []string // "": any
	}{
		"one":              {api.CreateNetworkInterfaceInput{PrivateIpAddress: ptr("10.0.1.10")}, []string{"10.0.1.10"}},
		"count":            {api.CreateNetworkInterfaceInput{SecondaryPrivateIpAddressCount: ptr(int32(2))}, []string{"", "", ""}},
		"one and count":    {api.CreateNetworkInterfaceInput{PrivateIpAddress: ptr("10.0.1.11"), SecondaryPrivateIpAddressCount: ptr(int32(1))}, []string{"10.0.1.11", ""}},
		"list":             {api.CreateNetworkInterfaceInput{PrivateIpAddresses: []api.PrivateIpAddressSpecification{address("10.0.1.20", true), address("10.0.1.21", false)}}, []string{"10.0.1.20", "10.0.1.21"}},
		"primary last":     {api.CreateNetworkInterfaceInput{PrivateIpAddresses: []api.PrivateIpAddressSpecification{address("10.0.1.30"), address("10.0.1.31", true)}}, []string{"10.0.1.31", "10.0.1.30"}},
		"one and list":     {api.CreateNetworkInterfaceInput{PrivateIpAddress: ptr("10.0.1.40"), PrivateIpAddresses: []api.PrivateIpAddressSpecification{address("10.0.1.41")}}, []string{"10.0.1.40", "10.0.1.41"}},
		"only secondaries": {api.CreateNetworkInterfaceInput{PrivateIpAddresses: []api.PrivateIpAddressSpecification{address("10.0.1.50")}}, []string{"", "10.0.1.50"}},
		"first usable":     {api.CreateNetworkInterfaceInput{PrivateIpAddress: ptr("10.0.1.4")}, []string{"10.0.1.4"}},
		"last usable":      {api.CreateNetworkInterfaceInput{PrivateIpAddress: ptr("10.0.1.254")}, []string{"10.0.1.254"}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.in.SubnetId = &sub
			n := w.in(t).networkInterface(tt.in)
			// What it chose may be what another row asks for.
			defer call[api.DeleteNetworkInterfaceOutput](w.in(t), "DeleteNetworkInterface", &api.DeleteNetworkInterfaceInput{NetworkInterfaceId: n.NetworkInterfaceId})
			if len(n.PrivateIpAddresses) != len(tt.want) {
				t.Fatalf("%d addresses, want %d", len(n.PrivateIpAddresses), len(tt.want))
			}
			for i, a := range n.PrivateIpAddresses {
				if tt.want[i] != "" && *a.PrivateIpAddress != tt.want[i] || *a.Primary != (i == 0) {
					t.Errorf("address %d is %s, primary %t, want %s", i, *a.PrivateIpAddress, *a.Primary, tt.want[i])
				}
			}
			if *n.PrivateIpAddress != *n.PrivateIpAddresses[0].PrivateIpAddress {
				t.Errorf("primary %s", *n.PrivateIpAddress)
			}
		})
	}
}

func TestCreateNetworkInterfaceRefused(t *testing.T) {
	w := newWorld(t, Config{Quotas: map[string]int{"network-interfaces-per-region": 3, "security-groups-per-interface": 2}})
	v, far := w.vpc("10.0.0.0/16"), w.vpc("10.1.0.0/16")
	sub, other := w.subnet(v, "10.0.1.0/24"), w.group(far, "other")
	groups := []string{w.group(v, "a"), w.group(v, "b"), w.group(v, "c")}
	w.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &sub, PrivateIpAddress: ptr("10.0.1.10"), Groups: groups[:2]})
	long := strings.Repeat("x", 256)
	list := func(texts ...string) []api.PrivateIpAddressSpecification {
		var out []api.PrivateIpAddressSpecification
		for _, text := range texts {
			out = append(out, api.PrivateIpAddressSpecification{PrivateIpAddress: &text, Primary: ptr(true)})
		}
		return out
	}
	for name, tt := range map[string]struct {
		in         api.CreateNetworkInterfaceInput
		code, text string
	}{
		"no subnet":          {api.CreateNetworkInterfaceInput{}, "MissingParameter", "subnetId"},
		"malformed subnet":   {api.CreateNetworkInterfaceInput{SubnetId: ptr("x")}, "InvalidSubnetID.Malformed", `expecting "subnet-..."`},
		"unknown subnet":     {api.CreateNetworkInterfaceInput{SubnetId: ptr("subnet-0123456789abcdef0")}, "InvalidSubnetID.NotFound", "The subnet ID 'subnet-0123456789abcdef0' does not exist"},
		"long description":   {api.CreateNetworkInterfaceInput{SubnetId: &sub, Description: &long}, "InvalidParameterValue", "255"},
		"not an address":     {api.CreateNetworkInterfaceInput{SubnetId: &sub, PrivateIpAddress: ptr("ten")}, "InvalidParameterValue", "ten"},
		"IPv6 address":       {api.CreateNetworkInterfaceInput{SubnetId: &sub, PrivateIpAddress: ptr("2001:db8::1")}, "InvalidParameterValue", "2001:db8::1"},
		"outside":            {api.CreateNetworkInterfaceInput{SubnetId: &sub, PrivateIpAddress: ptr("10.0.2.10")}, "InvalidParameterValue", "Address 10.0.2.10 does not fall within the subnet's address range"},
		"reserved: network":  {api.CreateNetworkInterfaceInput{SubnetId: &sub, PrivateIpAddress: ptr("10.0.1.0")}, "InvalidParameterValue", "Address 10.0.1.0 is in subnet's reserved address range"},
		"reserved: resolver": {api.CreateNetworkInterfaceInput{SubnetId: &sub, PrivateIpAddress: ptr("10.0.1.3")}, "InvalidParameterValue", "Address 10.0.1.3 is in subnet's reserved address range"},
		"reserved: last":     {api.CreateNetworkInterfaceInput{SubnetId: &sub, PrivateIpAddress: ptr("10.0.1.255")}, "InvalidParameterValue", "Address 10.0.1.255 is in subnet's reserved address range"},
		"taken":              {api.CreateNetworkInterfaceInput{SubnetId: &sub, PrivateIpAddress: ptr("10.0.1.10")}, "InvalidIPAddress.InUse", "Address 10.0.1.10 is in use."},
		"twice":              {api.CreateNetworkInterfaceInput{SubnetId: &sub, PrivateIpAddress: ptr("10.0.1.11"), PrivateIpAddresses: []api.PrivateIpAddressSpecification{{PrivateIpAddress: ptr("10.0.1.11")}}}, "InvalidParameterValue", "more than once"},
		"two primaries":      {api.CreateNetworkInterfaceInput{SubnetId: &sub, PrivateIpAddresses: list("10.0.1.11", "10.0.1.12")}, "InvalidParameterCombination", "primary"},
		"list and count":     {api.CreateNetworkInterfaceInput{SubnetId: &sub, PrivateIpAddresses: list("10.0.1.11"), SecondaryPrivateIpAddressCount: ptr(int32(1))}, "InvalidParameterCombination", "secondaryPrivateIpAddressCount"},
		"count":              {api.CreateNetworkInterfaceInput{SubnetId: &sub, SecondaryPrivateIpAddressCount: ptr(int32(1000000))}, "InvalidParameterValue", "1000000"},
		"malformed group":    {api.CreateNetworkInterfaceInput{SubnetId: &sub, Groups: []string{"web"}}, "InvalidGroupId.Malformed", "web"},
		"unknown group":      {api.CreateNetworkInterfaceInput{SubnetId: &sub, Groups: []string{"sg-0123456789abcdef0"}}, "InvalidGroup.NotFound", "The security group 'sg-0123456789abcdef0' does not exist"},
		"group of other VPC": {api.CreateNetworkInterfaceInput{SubnetId: &sub, Groups: []string{other}}, "InvalidParameter", "Security group " + other + " and subnet " + sub + " belong to different networks."},
		"groups":             {api.CreateNetworkInterfaceInput{SubnetId: &sub, Groups: groups}, "SecurityGroupsPerInterfaceLimitExceeded", "The maximum number of security groups per interface has been reached."},
		"efa":                {api.CreateNetworkInterfaceInput{SubnetId: &sub, InterfaceType: ptr("efa")}, "UnsupportedOperation", "InterfaceType"},
		"IPv6":               {api.CreateNetworkInterfaceInput{SubnetId: &sub, Ipv6AddressCount: ptr(int32(1))}, "UnsupportedOperation", "IPv6"},
		"tags of another":    {api.CreateNetworkInterfaceInput{SubnetId: &sub, TagSpecifications: tagSpec("subnet", "a", "b")}, "InvalidParameterValue", "subnet"},
	} {
		t.Run(name, func(t *testing.T) { w.in(t).fails("CreateNetworkInterface", &tt.in, tt.code, tt.text) })
	}
	w.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &sub, InterfaceType: ptr("interface")})
	w.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &sub, Groups: []string{groups[0], groups[0]}})
	w.fails("CreateNetworkInterface", &api.CreateNetworkInterfaceInput{SubnetId: &sub}, "NetworkInterfaceLimitExceeded", "The maximum number of network interfaces has been reached.")
}

// TestSubnetFills: interfaces get every usable address once, and no other.
func TestSubnetFills(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	sub := w.subnet(v, "10.0.1.0/28")
	seen := map[string]bool{}
	for range 11 {
		n := w.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &sub})
		if seen[*n.PrivateIpAddress] || seen[*n.MacAddress] {
			t.Errorf("%s or %s is given twice", *n.PrivateIpAddress, *n.MacAddress)
		}
		seen[*n.PrivateIpAddress], seen[*n.MacAddress] = true, true
	}
	for i := 4; i < 15; i++ {
		if !seen[fmt.Sprint("10.0.1.", i)] {
			t.Errorf("10.0.1.%d was not given", i)
		}
	}
	full := "The specified subnet does not have enough free addresses to satisfy the request."
	w.fails("CreateNetworkInterface", &api.CreateNetworkInterfaceInput{SubnetId: &sub}, "InsufficientFreeAddressesInSubnet", full)
	other := w.subnet(v, "10.0.1.16/28")
	w.fails("CreateNetworkInterface", &api.CreateNetworkInterfaceInput{SubnetId: &other, SecondaryPrivateIpAddressCount: ptr(int32(11))}, "InsufficientFreeAddressesInSubnet", full)
	w.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &other, SecondaryPrivateIpAddressCount: ptr(int32(10))})
}

func TestDescribeNetworkInterfacesFilters(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	sub, other := w.subnet(v, "10.0.1.0/24"), w.subnet(v, "10.0.2.0/24")
	web := w.group(v, "web")
	a := w.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &sub, Description: ptr("front end"), Groups: []string{web}, PrivateIpAddress: ptr("10.0.1.10"),
		PrivateIpAddresses: []api.PrivateIpAddressSpecification{{PrivateIpAddress: ptr("10.0.1.11")}}, TagSpecifications: tagSpec("network-interface", "k", "v")})
	b := w.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &other, PrivateIpAddress: ptr("10.0.2.10")})
	idA, idB := *a.NetworkInterfaceId, *b.NetworkInterfaceId
	attachment := w.attach(idB, "i-0123456789abcdef0")
	w.write(func(tx *state.Tx) {
		old, _ := state.NetworkInterfaces.Get(tx, w.caller.Key(idB))
		n := *old
		n.Addresses = slices.Clone(n.Addresses)
		n.Addresses[0].PublicIP, n.Addresses[0].IPOwnerID = netip.MustParseAddr("203.0.113.7"), "123456789012"
		n.Addresses[0].AllocationID, n.Addresses[0].AssociationID = "eipalloc-1", "eipassoc-1"
		state.NetworkInterfaces.Put(tx, &n)
		state.Addresses.Put(tx, &state.Address{Meta: state.Meta{Key: w.caller.Key("eipalloc-1")}, PublicIP: n.Addresses[0].PublicIP,
			AssociationID: "eipassoc-1", InterfaceID: n.ID, PrivateIP: n.Addresses[0].Addr})
	})
	call[api.ModifyVpcAttributeOutput](w, "ModifyVpcAttribute", &api.ModifyVpcAttributeInput{VpcId: &v, EnableDnsHostnames: &api.AttributeBooleanValue{Value: ptr(true)}})

	for filter, want := range map[string][]string{
		"network-interface-id=" + idA:                     {idA},
		"description=front*":                              {idA},
		"group-id=" + web:                                 {idA},
		"group-name=default":                              {idB},
		"subnet-id=" + other:                              {idB},
		"vpc-id=" + v:                                     {idA, idB},
		"availability-zone=us-east-1a":                    {idA, idB},
		"availability-zone-id=" + *a.AvailabilityZoneId:   {idA, idB},
		"mac-address=" + *a.MacAddress:                    {idA},
		"owner-id=123456789012":                           {idA, idB},
		"interface-type=interface":                        {idA, idB},
		"requester-managed=false":                         {idA, idB},
		"requester-id=x":                                  nil,
		"source-dest-check=true":                          {idA, idB},
		"status=in-use":                                   {idB},
		"status=available":                                {idA},
		"tag:k=v":                                         {idA},
		"private-ip-address=10.0.1.10":                    {idA},
		"addresses.private-ip-address=10.0.1.11":          {idA},
		"addresses.primary=false":                         {idA},
		"private-dns-name=ip-10-0-2-10.ec2.internal":      {idB},
		"attachment.attachment-id=" + attachment:          {idB},
		"attachment.instance-id=i-0123456789abcdef0":      {idB},
		"attachment.instance-owner-id=123456789012":       {idB},
		"attachment.instance-owner-id=amazon-elb":         nil,
		"attachment.device-index=1":                       {idB},
		"attachment.delete-on-termination=true":           {idB},
		"attachment.status=attached":                      {idB},
		"attachment.attach-time=2026-11-20T11:40:00.000Z": {idB},
		"association.public-ip=203.0.113.7":               {idB},
		"addresses.association.public-ip=203.0.113.*":     {idB},
		"addresses.association.owner-id=123456789012":     {idB},
		"association.ip-owner-id=123456789012":            {idB},
		"association.allocation-id=eipalloc-1":            {idB},
		"association.association-id=eipassoc-1":           {idB},
		"association.public-dns-name=ec2-203-0-113-7*":    {idB},
		"ipv6-addresses.ipv6-address=*":                   nil,
		"operator.managed=false":                          {idA, idB},
		"operator.principal=*":                            nil,
	} {
		t.Run(filter, func(t *testing.T) {
			name, value, _ := strings.Cut(filter, "=")
			out := call[api.DescribeNetworkInterfacesOutput](w.in(t), "DescribeNetworkInterfaces", &api.DescribeNetworkInterfacesInput{Filters: filtersOf(name, value)})
			wantSame(t, ids(out.NetworkInterfaces, func(n api.NetworkInterface) *string { return n.NetworkInterfaceId }), want)
		})
	}
	n := w.showInterface(idB)
	if *n.Attachment.InstanceId != "i-0123456789abcdef0" || *n.Attachment.Status != "attached" || *n.Attachment.DeviceIndex != 1 || !*n.Attachment.DeleteOnTermination {
		t.Errorf("attachment %+v", n.Attachment)
	}
	if *n.Association.PublicIp != "203.0.113.7" || *n.Association.PublicDnsName != "ec2-203-0-113-7.compute-1.amazonaws.com" || *n.PublicDnsName != *n.Association.PublicDnsName {
		t.Errorf("association %+v", n.Association)
	}
	w.fails("DescribeNetworkInterfaces", &api.DescribeNetworkInterfacesInput{Filters: filtersOf("color", "red")}, "InvalidParameterValue", "The filter 'color' is invalid")
	w.fails("DescribeNetworkInterfaces", &api.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{"eni-0123456789abcdef0"}},
		"InvalidNetworkInterfaceID.NotFound", "The networkInterface ID 'eni-0123456789abcdef0' does not exist")
	w.as("210987654321", "us-east-1").fails("DescribeNetworkInterfaces", &api.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{idA}}, "InvalidNetworkInterfaceID.NotFound", idA)

	w.fails("DeleteNetworkInterface", &api.DeleteNetworkInterfaceInput{NetworkInterfaceId: &idB}, "InvalidParameterValue", "Network interface '"+idB+"' is currently in use.")
	call[api.DeleteNetworkInterfaceOutput](w, "DeleteNetworkInterface", &api.DeleteNetworkInterfaceInput{NetworkInterfaceId: &idA})
	w.fails("DeleteNetworkInterface", &api.DeleteNetworkInterfaceInput{NetworkInterfaceId: &idA}, "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '"+idA+"' does not exist")
	w.fails("DeleteNetworkInterface", &api.DeleteNetworkInterfaceInput{}, "InvalidNetworkInterfaceId.Malformed", "eni-...")
}

func TestNetworkInterfaceAttributes(t *testing.T) {
	w := newWorld(t)
	v, far := w.vpc("10.0.0.0/16"), w.vpc("10.1.0.0/16")
	sub := w.subnet(v, "10.0.1.0/24")
	web, db, other := w.group(v, "web"), w.group(v, "db"), w.group(far, "other")
	id := *w.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &sub, Description: ptr("old")}).NetworkInterfaceId
	show := func(attribute string) *api.DescribeNetworkInterfaceAttributeOutput {
		t.Helper()
		return call[api.DescribeNetworkInterfaceAttributeOutput](w, "DescribeNetworkInterfaceAttribute",
			&api.DescribeNetworkInterfaceAttributeInput{NetworkInterfaceId: &id, Attribute: &attribute})
	}
	modify := func(in api.ModifyNetworkInterfaceAttributeInput) {
		t.Helper()
		in.NetworkInterfaceId = &id
		call[api.ModifyNetworkInterfaceAttributeOutput](w, "ModifyNetworkInterfaceAttribute", &in)
	}
	yes, no := &api.AttributeBooleanValue{Value: ptr(true)}, &api.AttributeBooleanValue{Value: ptr(false)}

	modify(api.ModifyNetworkInterfaceAttributeInput{Description: &api.AttributeValue{Value: ptr("new")}})
	if out := show("description"); *out.Description.Value != "new" || *out.NetworkInterfaceId != id || out.Groups != nil {
		t.Errorf("%+v", out)
	}
	modify(api.ModifyNetworkInterfaceAttributeInput{Groups: []string{db, web}})
	wantSame(t, ids(show("groupSet").Groups, func(g api.GroupIdentifier) *string { return g.GroupId }), []string{web, db})
	members := slices.Collect(state.NetworkInterfaces.By(w.snapshot(), state.ByGroup, w.defaultGroup(v)))
	if len(members) > 0 {
		t.Errorf("still in the default group: %+v", members)
	}
	for _, check := range []*api.AttributeBooleanValue{yes, no} {
		modify(api.ModifyNetworkInterfaceAttributeInput{SourceDestCheck: check})
		if out := show("sourceDestCheck"); *out.SourceDestCheck.Value != *check.Value {
			t.Errorf("%+v", out)
		}
	}
	call[api.ResetNetworkInterfaceAttributeOutput](w, "ResetNetworkInterfaceAttribute", &api.ResetNetworkInterfaceAttributeInput{NetworkInterfaceId: &id, SourceDestCheck: ptr("")})
	if out := show("sourceDestCheck"); !*out.SourceDestCheck.Value {
		t.Errorf("%+v", out)
	}
	if out := show("attachment"); out.Attachment != nil {
		t.Errorf("%+v", out)
	}
	attachment := w.attach(id, "i-0123456789abcdef0")
	modify(api.ModifyNetworkInterfaceAttributeInput{Attachment: &api.NetworkInterfaceAttachmentChanges{AttachmentId: &attachment, DeleteOnTermination: ptr(false)}})
	if out := show("attachment"); *out.Attachment.DeleteOnTermination || *out.Attachment.AttachmentId != attachment {
		t.Errorf("%+v", out.Attachment)
	}

	long := strings.Repeat("x", 256)
	for name, tt := range map[string]struct {
		in         api.ModifyNetworkInterfaceAttributeInput
		code, text string
	}{
		"nothing":            {api.ModifyNetworkInterfaceAttributeInput{}, "InvalidParameterCombination", "No attributes specified."},
		"two":                {api.ModifyNetworkInterfaceAttributeInput{Groups: []string{web}, SourceDestCheck: yes}, "InvalidParameterCombination", "multiple attribute"},
		"description":        {api.ModifyNetworkInterfaceAttributeInput{Description: &api.AttributeValue{Value: &long}}, "InvalidParameterValue", "255"},
		"check of nothing":   {api.ModifyNetworkInterfaceAttributeInput{SourceDestCheck: &api.AttributeBooleanValue{}}, "MissingParameter", "sourceDestCheck"},
		"malformed group":    {api.ModifyNetworkInterfaceAttributeInput{Groups: []string{"web"}}, "InvalidGroupId.Malformed", "web"},
		"unknown group":      {api.ModifyNetworkInterfaceAttributeInput{Groups: []string{web, "sg-0123456789abcdef0"}}, "InvalidGroup.NotFound", "sg-0123456789abcdef0"},
		"group of other VPC": {api.ModifyNetworkInterfaceAttributeInput{Groups: []string{other}}, "InvalidGroup.NotFound", "You have specified two resources that belong to different networks."},
		"no attachment":      {api.ModifyNetworkInterfaceAttributeInput{Attachment: &api.NetworkInterfaceAttachmentChanges{DeleteOnTermination: ptr(true)}}, "MissingParameter", "attachmentId"},
		"no change":          {api.ModifyNetworkInterfaceAttributeInput{Attachment: &api.NetworkInterfaceAttachmentChanges{AttachmentId: &attachment}}, "MissingParameter", "deleteOnTermination"},
		"other attachment":   {api.ModifyNetworkInterfaceAttributeInput{Attachment: &api.NetworkInterfaceAttachmentChanges{AttachmentId: ptr("eni-attach-0123456789abcdef0"), DeleteOnTermination: ptr(true)}}, "InvalidAttachmentID.NotFound", "eni-attach-0123456789abcdef0"},
		"ENA queues":         {api.ModifyNetworkInterfaceAttributeInput{Attachment: &api.NetworkInterfaceAttachmentChanges{AttachmentId: &attachment, EnaQueueCount: ptr(int32(1))}}, "UnsupportedOperation", "ENA"},
		"primary IPv6":       {api.ModifyNetworkInterfaceAttributeInput{EnablePrimaryIpv6: ptr(true)}, "UnsupportedOperation", "not supported"},
		"unknown":            {api.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: ptr("eni-0123456789abcdef0"), Groups: []string{web}}, "InvalidNetworkInterfaceID.NotFound", "eni-0123456789abcdef0"},
		"malformed":          {api.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: ptr("x"), Groups: []string{web}}, "InvalidNetworkInterfaceId.Malformed", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.in.NetworkInterfaceId == nil {
				tt.in.NetworkInterfaceId = &id
			}
			w.in(t).fails("ModifyNetworkInterfaceAttribute", &tt.in, tt.code, tt.text)
		})
	}
	w.fails("DescribeNetworkInterfaceAttribute", &api.DescribeNetworkInterfaceAttributeInput{NetworkInterfaceId: &id}, "InvalidParameterValue", "attribute")
	w.fails("ResetNetworkInterfaceAttribute", &api.ResetNetworkInterfaceAttributeInput{NetworkInterfaceId: &id}, "MissingParameter", "sourceDestCheck")
	w.fails("DescribeNetworkInterfacePermissions", &api.DescribeNetworkInterfacePermissionsInput{NetworkInterfacePermissionIds: []string{"eni-perm-0123456789abcdef0"}},
		"InvalidPermissionID.NotFound", "eni-perm-0123456789abcdef0")
	if out := call[api.DescribeNetworkInterfacePermissionsOutput](w, "DescribeNetworkInterfacePermissions", &api.DescribeNetworkInterfacePermissionsInput{}); out.NetworkInterfacePermissions == nil {
		t.Errorf("%+v", out)
	}

	w.write(func(tx *state.Tx) {
		old, _ := state.NetworkInterfaces.Get(tx, w.caller.Key(id))
		n := *old
		n.RequesterManaged, n.RequesterID, n.Attachment = true, "amazon-elb", nil
		state.NetworkInterfaces.Put(tx, &n)
	})
	w.fails("ModifyNetworkInterfaceAttribute", &api.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: &id, Groups: []string{web}}, "OperationNotPermitted", "")
	w.fails("DeleteNetworkInterface", &api.DeleteNetworkInterfaceInput{NetworkInterfaceId: &id}, "OperationNotPermitted", "")
}

// BenchmarkCreateNetworkInterface makes one more interface where there are 1,000.
func BenchmarkCreateNetworkInterface(b *testing.B) {
	store, err := state.Open(state.Config{Now: func() time.Time { return testTime }, Rand: rand.NewChaCha8([32]byte{})})
	if err != nil {
		b.Fatal(err)
	}
	s, c := New(Config{Quotas: quota.Off()}), authz.Root(state.Scope{Account: "123456789012", Region: "us-east-1"}, "123456789012")
	write := func(fn func(*state.Tx) error) {
		if _, err := store.Write(b.Context(), fn); err != nil {
			b.Fatal(err)
		}
	}
	var in api.CreateNetworkInterfaceInput
	create := func(tx *state.Tx) error {
		_, err := s.CreateNetworkInterface(tx, c, &in)
		return err
	}
	write(func(tx *state.Tx) error {
		v, err := s.CreateVpc(tx, c, &api.CreateVpcInput{CidrBlock: ptr("10.0.0.0/16")})
		if err != nil {
			return err
		}
		sub, err := s.CreateSubnet(tx, c, &api.CreateSubnetInput{VpcId: v.Vpc.VpcId, CidrBlock: ptr("10.0.0.0/16")})
		if err != nil {
			return err
		}
		in.SubnetId = sub.Subnet.SubnetId
		for range 1000 {
			if err := create(tx); err != nil {
				return err
			}
		}
		return nil
	})
	rollback := errors.New("only measured")
	for b.Loop() {
		_, err := store.Write(b.Context(), func(tx *state.Tx) error {
			if err := create(tx); err != nil {
				return err
			}
			return rollback
		})
		if !errors.Is(err, rollback) {
			b.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
}
