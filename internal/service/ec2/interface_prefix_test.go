package ec2

import (
	"net/netip"
	"slices"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/state"
)

func prefixesOf(list []api.Ipv4PrefixSpecification) []string {
	return ids(list, func(p api.Ipv4PrefixSpecification) *string { return p.Ipv4Prefix })
}

func prefixRequests(texts ...string) []api.Ipv4PrefixSpecificationRequest {
	var out []api.Ipv4PrefixSpecificationRequest
	for _, t := range texts {
		out = append(out, api.Ipv4PrefixSpecificationRequest{Ipv4Prefix: ptr(t)})
	}
	return out
}

// TestPrefixes delegates blocks to interfaces and takes them back.
func TestPrefixes(t *testing.T) {
	w := newWorld(t)
	sub := w.subnet(w.vpc("10.0.0.0/16"), "10.0.1.0/24")
	free := func() int32 {
		t.Helper()
		return *call[api.DescribeSubnetsOutput](w, "DescribeSubnets", &api.DescribeSubnetsInput{SubnetIds: []string{sub}}).Subnets[0].AvailableIpAddressCount
	}
	n := w.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &sub, PrivateIpAddress: ptr("10.0.1.10"), Ipv4Prefixes: prefixRequests("10.0.1.32/28", "10.0.1.16/28", "10.0.1.32/28")})
	if got := prefixesOf(n.Ipv4Prefixes); !slices.Equal(got, []string{"10.0.1.32/28", "10.0.1.16/28"}) || len(n.PrivateIpAddresses) != 1 || free() != 251-1-32 {
		t.Errorf("%v, %d free", got, free())
	}
	id := n.NetworkInterfaceId
	other := *w.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &sub, Ipv4PrefixCount: ptr(int32(2))}).NetworkInterfaceId
	shown := w.showInterface(other)
	for _, text := range prefixesOf(shown.Ipv4Prefixes) {
		p := netip.MustParsePrefix(text)
		if p.Bits() != 28 || p != p.Masked() || !netip.MustParsePrefix("10.0.1.0/24").Contains(p.Addr()) || p.Overlaps(netip.MustParsePrefix("10.0.1.0/27")) || p.Contains(netip.MustParseAddr("10.0.1.255")) {
			t.Errorf("chosen %s", p)
		}
	}
	out := call[api.AssignPrivateIpAddressesOutput](w, "AssignPrivateIpAddresses", &api.AssignPrivateIpAddressesInput{NetworkInterfaceId: id, Ipv4PrefixCount: ptr(int32(1)), PrivateIpAddresses: []string{"10.0.1.11"}})
	if len(out.AssignedIpv4Prefixes) != 1 || len(out.AssignedPrivateIpAddresses) != 1 || len(w.showInterface(*id).Ipv4Prefixes) != 3 {
		t.Errorf("%+v", out)
	}
	chosen := *out.AssignedIpv4Prefixes[0].Ipv4Prefix
	call[api.UnassignPrivateIpAddressesOutput](w, "UnassignPrivateIpAddresses", &api.UnassignPrivateIpAddressesInput{NetworkInterfaceId: id, Ipv4Prefixes: []string{chosen, "10.0.1.32/28"}})
	if got := prefixesOf(w.showInterface(*id).Ipv4Prefixes); !slices.Equal(got, []string{"10.0.1.16/28"}) || len(w.showInterface(*id).PrivateIpAddresses) != 2 {
		t.Error(got)
	}
	call[api.AssignPrivateIpAddressesOutput](w, "AssignPrivateIpAddresses", &api.AssignPrivateIpAddressesInput{NetworkInterfaceId: id, Ipv4Prefixes: []string{"10.0.1.32/28"}})

	// Nobody else is given an address of a prefix.
	taken := "10.0.1.40"
	w.fails("CreateNetworkInterface", &api.CreateNetworkInterfaceInput{SubnetId: &sub, PrivateIpAddress: &taken}, "InvalidIPAddress.InUse", taken)
	w.fails("AssignPrivateIpAddresses", &api.AssignPrivateIpAddressesInput{NetworkInterfaceId: &other, PrivateIpAddresses: []string{taken}, AllowReassignment: ptr(true)}, "InvalidIPAddress.InUse", taken)
	for left := free(); left > 0; left-- {
		a := netip.MustParseAddr(*w.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &sub}).PrivateIpAddress)
		for _, n := range []string{*id, other} {
			row, _ := state.NetworkInterfaces.Get(w.snapshot(), w.caller.Key(n))
			if row.Has(a) {
				t.Fatalf("%s is given twice", a)
			}
		}
	}
	w.fails("AssignPrivateIpAddresses", &api.AssignPrivateIpAddressesInput{NetworkInterfaceId: &other, Ipv4PrefixCount: ptr(int32(1))}, "InsufficientCidrBlocks", "free cidr blocks")
	w.fails("CreateNetworkInterface", &api.CreateNetworkInterfaceInput{SubnetId: &sub}, "InsufficientFreeAddressesInSubnet", "")
}

func TestPrefixRefusals(t *testing.T) {
	w := newWorld(t)
	v := w.vpc("10.0.0.0/16")
	sub, small := w.subnet(v, "10.0.1.0/24"), w.subnet(v, "10.0.2.0/28")
	id := *w.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &sub, PrivateIpAddress: ptr("10.0.1.70"), Ipv4Prefixes: prefixRequests("10.0.1.32/28")}).NetworkInterfaceId
	create := func(change func(*api.CreateNetworkInterfaceInput), texts ...string) *api.CreateNetworkInterfaceInput {
		in := &api.CreateNetworkInterfaceInput{SubnetId: &sub, Ipv4Prefixes: prefixRequests(texts...)}
		if change != nil {
			change(in)
		}
		return in
	}
	for _, c := range []struct {
		name, action string
		in           any
		code, text   string
	}{
		{"no prefix", "CreateNetworkInterface", create(nil, "ten"), "InvalidParameterValue", "Value (ten) for parameter ipv4Prefix is invalid."},
		{"too short", "CreateNetworkInterface", create(nil, "10.0.1.0/27"), "InvalidParameterValue", "/28"},
		{"host bits", "CreateNetworkInterface", create(nil, "10.0.1.17/28"), "InvalidParameterValue", "host bits"},
		{"IPv6", "CreateNetworkInterface", create(nil, "fd00::/28"), "InvalidParameterValue", "IPv4 prefix"},
		{"outside", "CreateNetworkInterface", create(nil, "10.0.3.16/28"), "InvalidParameterValue", "Prefix 10.0.3.16/28 does not fall within the subnet's address range"},
		{"reserved", "CreateNetworkInterface", create(nil, "10.0.1.0/28"), "InvalidParameterValue", "reserved"},
		{"the last block", "CreateNetworkInterface", create(nil, "10.0.1.240/28"), "InvalidParameterValue", "reserved"},
		{"another's prefix", "CreateNetworkInterface", create(nil, "10.0.1.32/28"), "InvalidIPAddress.InUse", "10.0.1.32"},
		{"another's address", "CreateNetworkInterface", create(nil, "10.0.1.64/28"), "InvalidIPAddress.InUse", "10.0.1.70"},
		{"its own address", "CreateNetworkInterface", create(func(in *api.CreateNetworkInterfaceInput) { in.PrivateIpAddress = ptr("10.0.1.17") }, "10.0.1.16/28"), "InvalidParameterValue", "10.0.1.17"},
		{"count and prefixes", "CreateNetworkInterface", create(func(in *api.CreateNetworkInterfaceInput) { in.Ipv4PrefixCount = ptr(int32(1)) }, "10.0.1.16/28"), "InvalidParameterCombination", "ipv4PrefixCount"},
		{"count and addresses", "CreateNetworkInterface", create(func(in *api.CreateNetworkInterfaceInput) {
			in.Ipv4PrefixCount, in.PrivateIpAddress = ptr(int32(1)), ptr("10.0.1.17")
		}), "InvalidParameterCombination", "private IPv4 addresses"},
		{"none", "CreateNetworkInterface", create(func(in *api.CreateNetworkInterfaceInput) { in.Ipv4PrefixCount = ptr(int32(0)) }), "InvalidParameterValue", "between 1 and 50"},
		{"too many", "CreateNetworkInterface", create(func(in *api.CreateNetworkInterfaceInput) { in.Ipv4PrefixCount = ptr(int32(51)) }), "InvalidParameterValue", "between 1 and 50"},
		{"no room", "CreateNetworkInterface", create(func(in *api.CreateNetworkInterfaceInput) { in.Ipv4PrefixCount = ptr(int32(15)) }), "InsufficientCidrBlocks", "free cidr blocks"},
		{"a subnet without blocks", "CreateNetworkInterface", create(func(in *api.CreateNetworkInterfaceInput) { in.SubnetId, in.Ipv4PrefixCount = &small, ptr(int32(1)) }), "InsufficientCidrBlocks", "free cidr blocks"},
		{"IPv6 prefixes", "CreateNetworkInterface", create(func(in *api.CreateNetworkInterfaceInput) { in.Ipv6PrefixCount = ptr(int32(1)) }), "UnsupportedOperation", "IPv6 prefixes"},
		{"an address of a new prefix", "AssignPrivateIpAddresses", &api.AssignPrivateIpAddressesInput{NetworkInterfaceId: &id, Ipv4Prefixes: []string{"10.0.1.16/28"}, PrivateIpAddresses: []string{"10.0.1.20"}}, "InvalidParameterValue", "[10.0.1.20] assigned, but move is not allowed."},
		{"its own prefix", "AssignPrivateIpAddresses", &api.AssignPrivateIpAddressesInput{NetworkInterfaceId: &id, Ipv4Prefixes: []string{"10.0.1.32/28"}}, "InvalidIPAddress.InUse", "10.0.1.32"},
		{"assign count and prefixes", "AssignPrivateIpAddresses", &api.AssignPrivateIpAddressesInput{NetworkInterfaceId: &id, Ipv4Prefixes: []string{"10.0.1.16/28"}, Ipv4PrefixCount: ptr(int32(1))}, "InvalidParameterCombination", "ipv4PrefixCount"},
		{"unassign another's", "UnassignPrivateIpAddresses", &api.UnassignPrivateIpAddressesInput{NetworkInterfaceId: &id, Ipv4Prefixes: []string{"10.0.1.16/28"}}, "InvalidParameterValue", "Some of the specified prefixes are not assigned to interface " + id},
		{"unassign no prefix", "UnassignPrivateIpAddresses", &api.UnassignPrivateIpAddressesInput{NetworkInterfaceId: &id, Ipv4Prefixes: []string{"x"}}, "InvalidParameterValue", "ipv4Prefix"},
	} {
		t.Run(c.name, func(t *testing.T) { w.in(t).fails(c.action, c.in, c.code, c.text) })
	}
}

// TestPrefixLimits: a prefix takes the place of an address of the instance type,
// and only types on Nitro take any.
func TestPrefixLimits(t *testing.T) {
	l := newLab(t)
	run := func(kind string, e api.InstanceNetworkInterfaceSpecification) *api.RunInstancesInput {
		return l.ask(func(in *api.RunInstancesInput) {
			e.DeviceIndex, e.SubnetId = ptr(int32(0)), &l.subnetID
			in.SubnetId, in.SecurityGroupIds, in.InstanceType = nil, nil, &kind
			in.NetworkInterfaces = []api.InstanceNetworkInterfaceSpecification{e}
		})
	}
	// t3.nano: 2 addresses on each interface.
	out := call[api.RunInstancesOutput](l.world, "RunInstances", run("t3.nano", api.InstanceNetworkInterfaceSpecification{Ipv4PrefixCount: ptr(int32(1))}))
	n := out.Instances[0].NetworkInterfaces[0]
	if len(n.Ipv4Prefixes) != 1 {
		t.Errorf("%+v", n)
	}
	l.fails("AssignPrivateIpAddresses", &api.AssignPrivateIpAddressesInput{NetworkInterfaceId: n.NetworkInterfaceId, Ipv4PrefixCount: ptr(int32(1))}, "PrivateIpAddressLimitExceeded", *n.NetworkInterfaceId)
	l.fails("AssignPrivateIpAddresses", &api.AssignPrivateIpAddressesInput{NetworkInterfaceId: n.NetworkInterfaceId, SecondaryPrivateIpAddressCount: ptr(int32(1))}, "PrivateIpAddressLimitExceeded", *n.NetworkInterfaceId)
	l.fails("RunInstances", run("t3.nano", api.InstanceNetworkInterfaceSpecification{Ipv4PrefixCount: ptr(int32(2))}), "PrivateIpAddressLimitExceeded", "t3.nano")
	l.fails("RunInstances", run("t2.micro", api.InstanceNetworkInterfaceSpecification{Ipv4PrefixCount: ptr(int32(1))}), "UnsupportedOperation", "Nitro")
	l.fails("RunInstances", run("t3.nano", api.InstanceNetworkInterfaceSpecification{Ipv4Prefixes: []api.Ipv4PrefixSpecificationRequest{{}}}), "MissingParameter", "Ipv4Prefix")
}
