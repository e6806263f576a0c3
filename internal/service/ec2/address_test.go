package ec2

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/decide/dnsview"
	"github.com/localvpc/localvpc/internal/decide/publicip"
	"github.com/localvpc/localvpc/internal/state"
)

// cutFilter splits "name=value".
func cutFilter(text string) (name, value string, ok bool) { return strings.Cut(text, "=") }

// publicly asks for an instance with a public address.
func publicly(in *api.RunInstancesInput) {
	in.NetworkInterfaces = []api.InstanceNetworkInterfaceSpecification{{DeviceIndex: ptr(int32(0)), SubnetId: in.SubnetId, AssociatePublicIpAddress: ptr(true)}}
	in.SubnetId = nil
}

// allocate gives a new Elastic IP and its allocation.
func (w *world) allocate() (id, ip string) {
	w.Helper()
	out := call[api.AllocateAddressOutput](w, "AllocateAddress", &api.AllocateAddressInput{})
	return *out.AllocationId, *out.PublicIp
}

func (w *world) associate(in api.AssociateAddressInput) string {
	w.Helper()
	return *call[api.AssociateAddressOutput](w, "AssociateAddress", &in).AssociationId
}

func (w *world) disassociate(id string) {
	w.Helper()
	call[api.DisassociateAddressOutput](w, "DisassociateAddress", &api.DisassociateAddressInput{AssociationId: &id})
}

// elastic describes one Elastic IP.
func (w *world) elastic(id string) api.Address {
	w.Helper()
	return call[api.DescribeAddressesOutput](w, "DescribeAddresses", &api.DescribeAddressesInput{AllocationIds: []string{id}}).Addresses[0]
}

// running is a new instance that runs.
func (l *lab) running(change ...func(*api.RunInstancesInput)) string {
	l.Helper()
	id := *l.run(change...).InstanceId
	l.started(id)
	return id
}

func TestAllocateAddress(t *testing.T) {
	w := newWorld(t)
	out := call[api.AllocateAddressOutput](w, "AllocateAddress", &api.AllocateAddressInput{Domain: ptr("vpc"), TagSpecifications: tagSpec("elastic-ip", "Name", "front")})
	if *out.Domain != "vpc" || *out.PublicIpv4Pool != "amazon" || *out.NetworkBorderGroup != "us-east-1" ||
		!publicip.Contains(w.snapshot(), netip.MustParseAddr(*out.PublicIp)) || !strings.HasPrefix(*out.AllocationId, "eipalloc-") {
		t.Errorf("%+v", out)
	}
	if a := w.elastic(*out.AllocationId); *a.PublicIp != *out.PublicIp || *a.Domain != "vpc" || *a.Tags[0].Value != "front" || a.AssociationId != nil || a.InstanceId != nil {
		t.Errorf("%+v", a)
	}
	// A given one, released and had again.
	for range 2 {
		again := call[api.AllocateAddressOutput](w, "AllocateAddress", &api.AllocateAddressInput{Address: ptr("198.51.100.7"), NetworkBorderGroup: ptr("us-east-1"), PublicIpv4Pool: ptr("amazon")})
		if *again.PublicIp != "198.51.100.7" {
			t.Errorf("%s", *again.PublicIp)
		}
		call[api.ReleaseAddressOutput](w, "ReleaseAddress", &api.ReleaseAddressInput{AllocationId: again.AllocationId, NetworkBorderGroup: ptr("us-east-1")})
	}
	call[api.ReleaseAddressOutput](w, "ReleaseAddress", &api.ReleaseAddressInput{PublicIp: out.PublicIp})
	if n := state.Addresses.Len(w.snapshot()); n != 0 {
		t.Errorf("%d addresses are left", n)
	}
	for range 5 {
		w.allocate()
	}
	w.fails("AllocateAddress", &api.AllocateAddressInput{}, "AddressLimitExceeded", "The maximum number of addresses has been reached.")
	w.as("210987654321", "us-east-1").allocate()
	w.as("123456789012", "eu-west-1").allocate()
}

// TestAssociateAddress: by instance, interface and private address; what it
// replaces, what moves and what comes back.
func TestAssociateAddress(t *testing.T) {
	l := newLab(t)
	l.gateway(l.vpcID)
	call[api.ModifyVpcAttributeOutput](l.world, "ModifyVpcAttribute", &api.ModifyVpcAttributeInput{VpcId: &l.vpcID, EnableDnsHostnames: &api.AttributeBooleanValue{Value: ptr(true)}})
	web := l.running(publicly)
	assigned := *l.describe(web).PublicIpAddress
	alloc, ip := l.allocate()
	association := l.associate(api.AssociateAddressInput{AllocationId: &alloc, InstanceId: &web})
	i := l.describe(web)
	eni := *i.NetworkInterfaces[0].NetworkInterfaceId
	name := "ec2-" + strings.ReplaceAll(ip, ".", "-") + ".compute-1.amazonaws.com"
	if *i.PublicIpAddress != ip || *i.PublicDnsName != name || *i.NetworkInterfaces[0].Association.IpOwnerId != "123456789012" {
		t.Errorf("%s %s %+v", *i.PublicIpAddress, *i.PublicDnsName, i.NetworkInterfaces[0].Association)
	}
	if n := l.showInterface(eni); *n.Association.PublicIp != ip || *n.Association.AllocationId != alloc || *n.Association.AssociationId != association || *n.PublicDnsName != name {
		t.Errorf("%+v", n.Association)
	}
	if a := l.elastic(alloc); *a.AssociationId != association || *a.InstanceId != web || *a.NetworkInterfaceId != eni || *a.NetworkInterfaceOwnerId != "123456789012" || *a.PrivateIpAddress != *i.PrivateIpAddress {
		t.Errorf("%+v", a)
	}
	for filter, want := range map[string]int{
		"allocation-id=" + alloc: 1, "association-id=" + association: 1, "instance-id=" + web: 1, "network-interface-id=" + eni: 1,
		"network-interface-owner-id=123456789012": 1, "private-ip-address=" + *i.PrivateIpAddress: 1, "public-ip=" + ip: 1,
		"domain=vpc": 1, "network-border-group=us-east-1": 1, "domain=standard": 0, "instance-id=i-0": 0, "tag-key=x": 0,
	} {
		k, v, _ := cutFilter(filter)
		if n := len(call[api.DescribeAddressesOutput](l.world, "DescribeAddresses", &api.DescribeAddressesInput{Filters: filtersOf(k, v)}).Addresses); n != want {
			t.Errorf("%s: %d", filter, n)
		}
	}
	if again := l.associate(api.AssociateAddressInput{AllocationId: &alloc, InstanceId: &web}); again != association {
		t.Errorf("again: %s, was %s", again, association)
	}
	if got := call[api.DescribeAddressesOutput](l.world, "DescribeAddresses", &api.DescribeAddressesInput{PublicIps: []string{ip}}); len(got.Addresses) != 1 {
		t.Errorf("%+v", got)
	}

	// Another one in its place; the first stays allocated. Back: a new assigned one.
	alloc2, ip2 := l.allocate()
	second := l.associate(api.AssociateAddressInput{PublicIp: &ip2, InstanceId: &web, AllowReassociation: ptr(true)})
	if a := l.elastic(alloc); a.AssociationId != nil || a.InstanceId != nil || a.PrivateIpAddress != nil {
		t.Errorf("%+v", a)
	}
	l.disassociate(second)
	if back := l.describe(web).PublicIpAddress; back == nil || *back == assigned || *back == ip || *back == ip2 {
		t.Errorf("after disassociating: %v", val(back))
	}

	// Two on one interface, each for a private address; moving takes
	// AllowReassociation, and the private address named.
	call[api.AssignPrivateIpAddressesOutput](l.world, "AssignPrivateIpAddresses", &api.AssignPrivateIpAddressesInput{NetworkInterfaceId: &eni, PrivateIpAddresses: []string{"10.0.1.77"}})
	l.associate(api.AssociateAddressInput{AllocationId: &alloc, NetworkInterfaceId: &eni})
	l.associate(api.AssociateAddressInput{AllocationId: &alloc2, NetworkInterfaceId: &eni, PrivateIpAddress: ptr("10.0.1.77")})
	if n := l.showInterface(eni); *n.PrivateIpAddresses[0].Association.PublicIp != ip || *n.PrivateIpAddresses[1].Association.PublicIp != ip2 {
		t.Errorf("%+v", n.PrivateIpAddresses)
	}
	spare := l.world.eni(l.subnetID)
	l.associate(api.AssociateAddressInput{AllocationId: &alloc, NetworkInterfaceId: &spare, AllowReassociation: ptr(true)})
	if i := l.describe(web); i.PublicIpAddress != nil { // its secondary address has an Elastic IP
		t.Errorf("%s", *i.PublicIpAddress)
	}
	if a := l.elastic(alloc); *a.NetworkInterfaceId != spare || a.InstanceId != nil {
		t.Errorf("%+v", a)
	}

	// A private address that moves takes its Elastic IP along; one that goes
	// leaves it; so does a deleted interface.
	call[api.AssignPrivateIpAddressesOutput](l.world, "AssignPrivateIpAddresses", &api.AssignPrivateIpAddressesInput{NetworkInterfaceId: &spare, PrivateIpAddresses: []string{"10.0.1.77"}, AllowReassignment: ptr(true)})
	if a := l.elastic(alloc2); *a.NetworkInterfaceId != spare || *a.PrivateIpAddress != "10.0.1.77" {
		t.Errorf("%+v", a)
	}
	call[api.UnassignPrivateIpAddressesOutput](l.world, "UnassignPrivateIpAddresses", &api.UnassignPrivateIpAddressesInput{NetworkInterfaceId: &spare, PrivateIpAddresses: []string{"10.0.1.77"}})
	if a := l.elastic(alloc2); a.AssociationId != nil {
		t.Errorf("%+v", a)
	}
	call[api.DeleteNetworkInterfaceOutput](l.world, "DeleteNetworkInterface", &api.DeleteNetworkInterfaceInput{NetworkInterfaceId: &spare})
	if a := l.elastic(alloc); a.AssociationId != nil || a.NetworkInterfaceId != nil {
		t.Errorf("%+v", a)
	}
	l.associate(api.AssociateAddressInput{AllocationId: &alloc, InstanceId: &web})
	call[api.DisassociateAddressOutput](l.world, "DisassociateAddress", &api.DisassociateAddressInput{PublicIp: &ip})
	l.associate(api.AssociateAddressInput{AllocationId: &alloc, InstanceId: &web})
	call[api.TerminateInstancesOutput](l.world, "TerminateInstances", &api.TerminateInstancesInput{InstanceIds: []string{web}})
	l.exited(web)
	if a := l.elastic(alloc); a.AssociationId != nil || a.InstanceId != nil {
		t.Errorf("after the instance ended: %+v", a)
	}
	for _, id := range []string{alloc, alloc2} {
		call[api.ReleaseAddressOutput](l.world, "ReleaseAddress", &api.ReleaseAddressInput{AllocationId: &id})
	}
}

func TestAddressRefuses(t *testing.T) {
	l := newLab(t)
	igw := l.gateway(l.vpcID)
	closed := l.vpc("10.1.0.0/16")
	dark := l.eni(l.subnet(closed, "10.1.1.0/24"))
	web, pending := l.running(), *l.run().InstanceId
	two := l.running(func(in *api.RunInstancesInput) {
		in.NetworkInterfaces = []api.InstanceNetworkInterfaceSpecification{{DeviceIndex: ptr(int32(0)), SubnetId: in.SubnetId}, {DeviceIndex: ptr(int32(1)), SubnetId: in.SubnetId}}
		in.SubnetId = nil
	})
	eni, webEni := l.eni(l.subnetID), *l.describe(web).NetworkInterfaces[0].NetworkInterfaceId
	alloc, ip := l.allocate()
	association := l.associate(api.AssociateAddressInput{AllocationId: &alloc, InstanceId: &web})
	private := *l.elastic(alloc).PrivateIpAddress
	free, freeIP := l.allocate()
	foreign, foreignIP := l.as("210987654321", "us-east-1").allocate()
	kept, _ := l.allocate()
	pointed, pointedIP := l.allocate()
	l.forward("mail.example.com", pointedIP)
	call[api.ModifyAddressAttributeOutput](l.world, "ModifyAddressAttribute", &api.ModifyAddressAttributeInput{AllocationId: &pointed, DomainName: ptr("mail.example.com")})
	natEni := l.eni(l.subnetID)
	l.write(func(tx *state.Tx) {
		a, _ := state.Addresses.Get(tx, l.caller.Key(kept))
		next := *a
		next.Managed = "nlb"
		state.Addresses.Put(tx, &next)
		n, _ := state.NetworkInterfaces.Get(tx, l.caller.Key(natEni))
		managed := *n
		managed.RequesterManaged = true
		state.NetworkInterfaces.Put(tx, &managed)
	})
	gone := "eipalloc-0123456789abcdef0"
	type associate = api.AssociateAddressInput
	for _, c := range []struct {
		name, action string
		in           any
		code, text   string
	}{
		{"classic", "AllocateAddress", &api.AllocateAddressInput{Domain: ptr("standard")}, "InvalidParameterValue", "domain"},
		{"not an address", "AllocateAddress", &api.AllocateAddressInput{Address: ptr("x")}, "InvalidParameterValue", "Value (x) for parameter address"},
		{"not of the pool", "AllocateAddress", &api.AllocateAddressInput{Address: ptr("8.8.8.8")}, "InvalidAddress.NotFound", "Address '8.8.8.8' not found."},
		{"network address", "AllocateAddress", &api.AllocateAddressInput{Address: ptr("203.0.113.0")}, "InvalidAddress.NotFound", "203.0.113.0"},
		{"somebody's", "AllocateAddress", &api.AllocateAddressInput{Address: &foreignIP}, "InvalidAddress.NotFound", foreignIP},
		{"other pool", "AllocateAddress", &api.AllocateAddressInput{PublicIpv4Pool: ptr("ipv4pool-ec2-0123456789abcdef0")}, "InvalidPublicIpv4PoolID.NotFound", "The pool ID 'ipv4pool-ec2-0123456789abcdef0' does not exist."},
		{"Outpost pool", "AllocateAddress", &api.AllocateAddressInput{CustomerOwnedIpv4Pool: ptr("x")}, "UnsupportedOperation", "Outposts"},
		{"other border group", "AllocateAddress", &api.AllocateAddressInput{NetworkBorderGroup: ptr("us-east-1-wl1")}, "InvalidParameterValue", "networkBorderGroup"},
		{"tag type", "AllocateAddress", &api.AllocateAddressInput{TagSpecifications: tagSpec("vpc", "a", "b")}, "InvalidParameterValue", "taggable"},
		{"dry run", "AllocateAddress", &api.AllocateAddressInput{DryRun: ptr(true)}, "DryRunOperation", ""},

		{"nothing", "AssociateAddress", &associate{InstanceId: &web}, "MissingParameter", "allocationId"},
		{"both", "AssociateAddress", &associate{AllocationId: &free, PublicIp: &freeIP, InstanceId: &web}, "InvalidParameterCombination", "You may specify public IP or allocation id, but not both in the same call"},
		{"no target", "AssociateAddress", &associate{AllocationId: &free}, "MissingParameter", "'InstanceId' or 'NetworkInterfaceId'"},
		{"two targets", "AssociateAddress", &associate{AllocationId: &free, InstanceId: &web, NetworkInterfaceId: &eni}, "InvalidParameterCombination", "InstanceId or NetworkInterfaceId, but not both"},
		{"malformed allocation", "AssociateAddress", &associate{AllocationId: ptr("x"), InstanceId: &web}, "InvalidAllocationID.Malformed", `expecting "eipalloc-..."`},
		{"unknown allocation", "AssociateAddress", &associate{AllocationId: &gone, InstanceId: &web}, "InvalidAllocationID.NotFound", "The allocation ID '" + gone + "' does not exist"},
		{"another's allocation", "AssociateAddress", &associate{AllocationId: &foreign, InstanceId: &web}, "InvalidAllocationID.NotFound", foreign},
		{"another's address", "AssociateAddress", &associate{PublicIp: &foreignIP, InstanceId: &web}, "InvalidAddress.NotFound", foreignIP},
		{"malformed instance", "AssociateAddress", &associate{AllocationId: &free, InstanceId: ptr("x")}, "InvalidInstanceID.Malformed", "x"},
		{"unknown instance", "AssociateAddress", &associate{AllocationId: &free, InstanceId: ptr("i-0123456789abcdef0")}, "InvalidInstanceID.NotFound", "i-0123456789abcdef0"},
		{"unknown interface", "AssociateAddress", &associate{AllocationId: &free, NetworkInterfaceId: ptr("eni-0123456789abcdef0")}, "InvalidNetworkInterfaceID.NotFound", "eni-0123456789abcdef0"},
		{"pending", "AssociateAddress", &associate{AllocationId: &free, InstanceId: &pending}, "InvalidInstanceID", "The pending instance '" + pending + "' is not in a valid state for this operation."},
		{"several interfaces", "AssociateAddress", &associate{AllocationId: &free, InstanceId: &two}, "InvalidInstanceID", "There are multiple interfaces attached to instance '" + two + "'. Please specify an interface ID for the operation instead."},
		{"no private address", "AssociateAddress", &associate{AllocationId: &free, NetworkInterfaceId: &eni, PrivateIpAddress: ptr("x")}, "InvalidParameterValue", "privateIpAddress"},
		{"other private address", "AssociateAddress", &associate{AllocationId: &free, NetworkInterfaceId: &eni, PrivateIpAddress: ptr("10.0.1.250")}, "InvalidParameterValue", "not assigned to the interface " + eni},
		{"no gateway", "AssociateAddress", &associate{AllocationId: &free, NetworkInterfaceId: &dark}, "Gateway.NotAttached", "Network " + closed + " is not attached to any internet gateway"},
		{"associated", "AssociateAddress", &associate{AllocationId: &alloc, NetworkInterfaceId: &eni}, "Resource.AlreadyAssociated", "resource " + alloc + " is already associated with associate-id " + association},
		{"taken", "AssociateAddress", &associate{AllocationId: &free, InstanceId: &web, AllowReassociation: ptr(false)}, "Resource.AlreadyAssociated", "resource " + webEni + " and " + private + " is already associated with public address " + ip},
		{"managed address", "AssociateAddress", &associate{AllocationId: &kept, NetworkInterfaceId: &eni}, "AuthFailure", "permission"},
		{"managed interface", "AssociateAddress", &associate{AllocationId: &free, NetworkInterfaceId: &natEni}, "AuthFailure", "permission"},
		{"associate dry", "AssociateAddress", &associate{AllocationId: &free, NetworkInterfaceId: &eni, DryRun: ptr(true)}, "DryRunOperation", ""},

		{"disassociate nothing", "DisassociateAddress", &api.DisassociateAddressInput{}, "MissingParameter", "associationId"},
		{"disassociate both", "DisassociateAddress", &api.DisassociateAddressInput{AssociationId: &association, PublicIp: &ip}, "InvalidParameterCombination", "not both"},
		{"disassociate malformed", "DisassociateAddress", &api.DisassociateAddressInput{AssociationId: ptr("x")}, "InvalidAssociationID.Malformed", "eipassoc"},
		{"disassociate unknown", "DisassociateAddress", &api.DisassociateAddressInput{AssociationId: ptr("eipassoc-0123456789abcdef0")}, "InvalidAssociationID.NotFound", "The association ID 'eipassoc-0123456789abcdef0' does not exist"},
		{"disassociate free", "DisassociateAddress", &api.DisassociateAddressInput{PublicIp: &freeIP}, "InvalidAssociationID.NotFound", freeIP},
		{"disassociate another's", "DisassociateAddress", &api.DisassociateAddressInput{PublicIp: &foreignIP}, "InvalidAddress.NotFound", foreignIP},

		{"release nothing", "ReleaseAddress", &api.ReleaseAddressInput{}, "MissingParameter", "allocationId"},
		{"release used", "ReleaseAddress", &api.ReleaseAddressInput{AllocationId: &alloc}, "InvalidIPAddress.InUse", "Address " + ip + " is in use."},
		{"release unknown", "ReleaseAddress", &api.ReleaseAddressInput{AllocationId: &gone}, "InvalidAllocationID.NotFound", gone},
		{"release another's", "ReleaseAddress", &api.ReleaseAddressInput{PublicIp: &foreignIP}, "InvalidAddress.NotFound", "Address '" + foreignIP + "' not found."},
		{"release managed", "ReleaseAddress", &api.ReleaseAddressInput{AllocationId: &kept}, "AuthFailure", "permission"},
		{"release with PTR", "ReleaseAddress", &api.ReleaseAddressInput{AllocationId: &pointed}, "InvalidAddress.PtrSet", "The address with allocation id [" + pointed + "] cannot be released because it has a PTR record set."},
		{"release elsewhere", "ReleaseAddress", &api.ReleaseAddressInput{AllocationId: &free, NetworkBorderGroup: ptr("x")}, "InvalidParameterValue", "networkBorderGroup"},

		{"describe unknown", "DescribeAddresses", &api.DescribeAddressesInput{AllocationIds: []string{gone}}, "InvalidAllocationID.NotFound", "The allocation ID '" + gone + "' does not exist"},
		{"describe others", "DescribeAddresses", &api.DescribeAddressesInput{AllocationIds: []string{gone, "eipalloc-01234567"}}, "InvalidAllocationID.NotFound", "The allocation IDs 'eipalloc-01234567, " + gone + "' do not exist"},
		{"describe no address", "DescribeAddresses", &api.DescribeAddressesInput{PublicIps: []string{"x"}}, "InvalidParameterValue", "publicIp"},
		{"describe another's", "DescribeAddresses", &api.DescribeAddressesInput{PublicIps: []string{foreignIP}}, "InvalidAddress.NotFound", foreignIP},
		{"describe both", "DescribeAddresses", &api.DescribeAddressesInput{PublicIps: []string{ip}, AllocationIds: []string{alloc}}, "InvalidParameterCombination", "not both"},
		{"filter", "DescribeAddresses", &api.DescribeAddressesInput{Filters: filtersOf("vpc-id", "x")}, "InvalidParameterValue", "The filter 'vpc-id' is invalid"},

		{"PTR of none", "ModifyAddressAttribute", &api.ModifyAddressAttributeInput{AllocationId: &gone, DomainName: ptr("a.b")}, "InvalidAllocationID.NotFound", gone},
		{"no PTR", "ModifyAddressAttribute", &api.ModifyAddressAttributeInput{AllocationId: &free}, "MissingParameter", "DomainName"},
		{"PTR, one label", "ModifyAddressAttribute", &api.ModifyAddressAttributeInput{AllocationId: &free, DomainName: ptr("mail")}, "InvalidParameterValue", "domainName"},
		{"PTR, underscore", "ModifyAddressAttribute", &api.ModifyAddressAttributeInput{AllocationId: &free, DomainName: ptr("a_b.example.com")}, "InvalidParameterValue", "domainName"},
		{"PTR, empty label", "ModifyAddressAttribute", &api.ModifyAddressAttributeInput{AllocationId: &free, DomainName: ptr("a..b")}, "InvalidParameterValue", "domainName"},
		{"PTR, hyphen", "ModifyAddressAttribute", &api.ModifyAddressAttributeInput{AllocationId: &free, DomainName: ptr("a-.b")}, "InvalidParameterValue", "domainName"},
		{"PTR, long", "ModifyAddressAttribute", &api.ModifyAddressAttributeInput{AllocationId: &free, DomainName: ptr(strings.Repeat("a.", 200))}, "InvalidParameterValue", "domainName"},
		{"PTR, empty", "ModifyAddressAttribute", &api.ModifyAddressAttributeInput{AllocationId: &free, DomainName: ptr("")}, "InvalidParameterValue", "domainName"},
		{"PTR of managed", "ModifyAddressAttribute", &api.ModifyAddressAttributeInput{AllocationId: &kept, DomainName: ptr("a.b")}, "AuthFailure", "permission"},
		{"reset none", "ResetAddressAttribute", &api.ResetAddressAttributeInput{AllocationId: &gone, Attribute: ptr("domain-name")}, "InvalidAllocationID.NotFound", gone},
		{"attributes of none", "DescribeAddressesAttribute", &api.DescribeAddressesAttributeInput{AllocationIds: []string{gone}}, "InvalidAllocationID.NotFound", gone},

		{"gateway in use", "DetachInternetGateway", &api.DetachInternetGatewayInput{InternetGatewayId: &igw, VpcId: &l.vpcID}, "DependencyViolation", "mapped public address"},
	} {
		t.Run(c.name, func(t *testing.T) { l.in(t).fails(c.action, c.in, c.code, c.text) })
	}
}

// forward makes a public zone in which a name has an address.
func (w *world) forward(name, addr string) {
	w.Helper()
	n, err := dnsview.ParseName(name)
	if err != nil {
		w.Fatal(err)
	}
	key := func(id string) state.Meta { return state.Meta{Key: state.Key{Account: "000000000000", ID: id}} }
	zone := &state.HostedZone{Meta: key("ZFORWARD"), Name: n.Escaped(), Reversed: n.Reversed(), NameServers: dnsview.NameServerSet([4]int{1, 2, 3, 4})}
	data, err := dnsview.ParseData("A", addr)
	if err != nil {
		w.Fatal(err)
	}
	w.write(func(tx *state.Tx) {
		state.HostedZones.Put(tx, zone)
		state.RecordSets.Put(tx, &state.RecordSet{Meta: key(state.RecordSetID(zone.ID, zone.Reversed, "A", "")), ZoneID: zone.ID, Name: zone.Name, Type: "A", TTL: 60, Values: []string{addr}, Rdata: [][]byte{data}})
	})
}

func TestAddressAttribute(t *testing.T) {
	w := newWorld(t)
	id, ip := w.allocate()
	show := func() string {
		t.Helper()
		out := call[api.DescribeAddressesAttributeOutput](w, "DescribeAddressesAttribute", &api.DescribeAddressesAttributeInput{AllocationIds: []string{id}, Attribute: ptr("domain-name")})
		if len(out.Addresses) == 0 {
			return ""
		}
		if *out.Addresses[0].PublicIp != ip || *out.Addresses[0].AllocationId != id || out.Addresses[0].PtrRecordUpdate != nil {
			t.Fatalf("%+v", out)
		}
		return *out.Addresses[0].PtrRecord
	}
	if name := show(); name != "" {
		t.Errorf("%s", name)
	}
	// The name has to lead to the address, and to no other.
	modify := &api.ModifyAddressAttributeInput{AllocationId: &id, DomainName: ptr("Mail.example.com")}
	w.fails("ModifyAddressAttribute", modify, "InvalidParameterValue", "mail.example.com")
	w.forward("mail.example.com", "192.0.2.1")
	w.fails("ModifyAddressAttribute", modify, "InvalidParameterValue", "points to "+ip)
	w.forward("mail.example.com", ip)
	set := call[api.ModifyAddressAttributeOutput](w, "ModifyAddressAttribute", &api.ModifyAddressAttributeInput{AllocationId: &id, DomainName: ptr("Mail.example.com")})
	if name := show(); name != "mail.example.com." || *set.Address.PtrRecord != name {
		t.Errorf("%s", name)
	}
	call[api.ResetAddressAttributeOutput](w, "ResetAddressAttribute", &api.ResetAddressAttributeInput{AllocationId: &id, Attribute: ptr("domain-name")})
	if name := show(); name != "" {
		t.Errorf("%s", name)
	}
}

// TestAssignedAddress: who gets a public address at launch, when it is given up
// and when there is a new one.
func TestAssignedAddress(t *testing.T) {
	l := newLab(t)
	l.gateway(l.vpcID)
	public := func(id string) string { l.Helper(); return val(l.describe(id).PublicIpAddress) }
	stop := func(id string) {
		call[api.StopInstancesOutput](l.world, "StopInstances", &api.StopInstancesInput{InstanceIds: []string{id}})
		l.exited(id)
	}
	start := func(id string) {
		call[api.StartInstancesOutput](l.world, "StartInstances", &api.StartInstancesInput{InstanceIds: []string{id}})
		l.started(id)
	}

	plain, asked := l.running(), l.running(publicly)
	call[api.ModifySubnetAttributeOutput](l.world, "ModifySubnetAttribute", &api.ModifySubnetAttributeInput{SubnetId: &l.subnetID, MapPublicIpOnLaunch: &api.AttributeBooleanValue{Value: ptr(true)}})
	mapped := l.running()
	refused := l.running(func(in *api.RunInstancesInput) {
		publicly(in)
		in.NetworkInterfaces[0].AssociatePublicIpAddress = ptr(false)
	})
	pair := l.running(func(in *api.RunInstancesInput) {
		in.NetworkInterfaces = []api.InstanceNetworkInterfaceSpecification{{DeviceIndex: ptr(int32(0)), SubnetId: in.SubnetId}, {DeviceIndex: ptr(int32(1)), SubnetId: in.SubnetId}}
		in.SubnetId = nil
	})
	for id, want := range map[string]bool{plain: false, asked: true, mapped: true, refused: false, pair: false} {
		if got := public(id); (got != "") != want {
			t.Errorf("%s has %q, want one: %v", id, got, want)
		}
	}
	if a := l.describe(asked).NetworkInterfaces[0].Association; *a.IpOwnerId != "amazon" {
		t.Errorf("%+v", a)
	}
	if out := call[api.DescribeInstancesOutput](l.world, "DescribeInstances", &api.DescribeInstancesInput{Filters: filtersOf("ip-address", public(mapped))}); len(out.Reservations) != 1 {
		t.Errorf("%+v", out)
	}

	// Stop and start: another one.
	first := public(mapped)
	stop(mapped)
	if got := public(mapped); got != "" {
		t.Errorf("stopped with %s", got)
	}
	start(mapped)
	if got := public(mapped); got == "" || got == first {
		t.Errorf("first %s, then %q", first, got)
	}
	stop(plain)
	start(plain)
	if got := public(plain); got != "" { // what counts is the launch
		t.Errorf("%s", got)
	}

	// Not with a second interface; an Elastic IP stays.
	second := l.eni(l.subnetID)
	attach := call[api.AttachNetworkInterfaceOutput](l.world, "AttachNetworkInterface", &api.AttachNetworkInterfaceInput{InstanceId: &mapped, NetworkInterfaceId: &second, DeviceIndex: ptr(int32(1))})
	if public(mapped) == "" {
		t.Error("lost when a second interface came")
	}
	stop(mapped)
	start(mapped)
	if got := public(mapped); got != "" {
		t.Errorf("with two interfaces: %s", got)
	}
	call[api.DetachNetworkInterfaceOutput](l.world, "DetachNetworkInterface", &api.DetachNetworkInterfaceInput{AttachmentId: attach.AttachmentId})
	alloc, ip := l.allocate()
	l.associate(api.AssociateAddressInput{AllocationId: &alloc, InstanceId: &mapped})
	stop(mapped)
	if got := public(mapped); got != ip {
		t.Errorf("stopped with %q, want the Elastic IP %s", got, ip)
	}
	start(mapped)
	if got := public(mapped); got != ip {
		t.Errorf("started with %q, want the Elastic IP %s", got, ip)
	}

	// Switched off and on at the interface.
	eni := *l.describe(asked).NetworkInterfaces[0].NetworkInterfaceId
	modify := func(on bool) {
		call[api.ModifyNetworkInterfaceAttributeOutput](l.world, "ModifyNetworkInterfaceAttribute", &api.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: &eni, AssociatePublicIpAddress: &on})
		if out := call[api.DescribeNetworkInterfaceAttributeOutput](l.world, "DescribeNetworkInterfaceAttribute", &api.DescribeNetworkInterfaceAttributeInput{NetworkInterfaceId: &eni, Attribute: ptr("associatePublicIpAddress")}); *out.AssociatePublicIpAddress != on {
			t.Errorf("%+v", out)
		}
	}
	if modify(false); public(asked) != "" {
		t.Error("not given up")
	}
	if modify(true); public(asked) == "" {
		t.Error("not assigned")
	}

	// One whose interface outlives it leaves no address behind.
	call[api.ModifyNetworkInterfaceAttributeOutput](l.world, "ModifyNetworkInterfaceAttribute", &api.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: &eni,
		Attachment: &api.NetworkInterfaceAttachmentChanges{AttachmentId: l.describe(asked).NetworkInterfaces[0].Attachment.AttachmentId, DeleteOnTermination: ptr(false)}})
	call[api.TerminateInstancesOutput](l.world, "TerminateInstances", &api.TerminateInstancesInput{InstanceIds: []string{asked}})
	l.exited(asked)
	if n := l.showInterface(eni); n.Association != nil || *n.Status != "available" {
		t.Errorf("%+v", n)
	}
}

// TestNoCapacity: a launch and a start that the pool has no address for are
// refused and leave nothing; of several, those that there is room for.
func TestNoCapacity(t *testing.T) {
	l := newLab(t)
	l.gateway(l.vpcID)
	l.write(func(tx *state.Tx) { publicip.Set(tx, []netip.Prefix{netip.MustParsePrefix("203.0.113.0/29")}) })
	out := call[api.RunInstancesOutput](l.world, "RunInstances", l.ask(publicly, func(in *api.RunInstancesInput) { in.MaxCount = ptr(int32(9)) }))
	if len(out.Instances) != 5 || state.NetworkInterfaces.Len(l.snapshot()) != 5 {
		t.Errorf("%d instances, %d interfaces", len(out.Instances), state.NetworkInterfaces.Len(l.snapshot()))
	}
	l.fails("RunInstances", l.ask(publicly), "InsufficientAddressCapacity", "Not enough available addresses to satisfy your minimum request")
	l.fails("AllocateAddress", &api.AllocateAddressInput{}, "InsufficientAddressCapacity", "--public-cidr")
	stopped := *out.Instances[0].InstanceId
	l.started(stopped)
	call[api.StopInstancesOutput](l.world, "StopInstances", &api.StopInstancesInput{InstanceIds: []string{stopped}})
	l.exited(stopped)
	l.allocate()
	l.fails("StartInstances", &api.StartInstancesInput{InstanceIds: []string{stopped}}, "InsufficientAddressCapacity", "Not enough available addresses")
}

// addressesAgree says whether both sides of every association tell the same.
func addressesAgree(t *testing.T, r state.Reader) {
	t.Helper()
	for n := range state.NetworkInterfaces.All(r) {
		for _, p := range n.Addresses {
			if p.AllocationID == "" {
				continue
			}
			if a, ok := state.Addresses.Get(r, n.Scope().Key(p.AllocationID)); !ok || a.InterfaceID != n.ID || a.PrivateIP != p.Addr || a.PublicIP != p.PublicIP || a.AssociationID != p.AssociationID {
				t.Errorf("%s %+v, but %+v", n.ID, p, a)
			}
		}
	}
	for a := range state.Addresses.All(r) {
		if a.InterfaceID == "" {
			continue
		}
		n, ok := state.NetworkInterfaces.Get(r, a.Scope().Key(a.InterfaceID))
		if !ok || !slices.ContainsFunc(n.Addresses, func(p state.PrivateAddress) bool { return p.AllocationID == a.ID && p.Addr == a.PrivateIP }) {
			t.Errorf("%+v is not on %s", a, a.InterfaceID)
		}
	}
}
