package ec2

import (
	"net/netip"
	"slices"
	"testing"

	api "github.com/localvpc/localvpc/internal/aws/wire/ec2"
	"github.com/localvpc/localvpc/internal/state"
)

// addresses are the private addresses of an interface, the primary one first.
func (w *world) addresses(eni string) []string {
	w.Helper()
	return ids(w.showInterface(eni).PrivateIpAddresses, func(a api.NetworkInterfacePrivateIpAddress) *string { return a.PrivateIpAddress })
}

func (w *world) assign(in api.AssignPrivateIpAddressesInput) []string {
	w.Helper()
	out := call[api.AssignPrivateIpAddressesOutput](w, "AssignPrivateIpAddresses", &in)
	if *out.NetworkInterfaceId != *in.NetworkInterfaceId {
		w.Errorf("%+v", out)
	}
	return ids(out.AssignedPrivateIpAddresses, func(a api.AssignedPrivateIpAddress) *string { return a.PrivateIpAddress })
}

func TestAssignPrivateIpAddresses(t *testing.T) {
	w := newWorld(t)
	sub := w.subnet(w.vpc("10.0.0.0/16"), "10.0.1.0/24")
	a := *w.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &sub, PrivateIpAddress: ptr("10.0.1.10")}).NetworkInterfaceId
	b := *w.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &sub, PrivateIpAddress: ptr("10.0.1.20")}).NetworkInterfaceId

	got := w.assign(api.AssignPrivateIpAddressesInput{NetworkInterfaceId: &a, PrivateIpAddresses: []string{"10.0.1.12", "10.0.1.11", "10.0.1.12"}})
	if want := []string{"10.0.1.12", "10.0.1.11"}; !slices.Equal(got, want) || !slices.Equal(w.addresses(a), append([]string{"10.0.1.10"}, want...)) {
		t.Errorf("assigned %v: %v", got, w.addresses(a))
	}
	got = w.assign(api.AssignPrivateIpAddressesInput{NetworkInterfaceId: &b, SecondaryPrivateIpAddressCount: ptr(int32(2))})
	if have := w.addresses(b); len(got) != 2 || len(have) != 3 || !slices.Equal(have[1:], got) || got[0] == got[1] {
		t.Errorf("assigned %v: %v", got, have)
	}
	for _, text := range got {
		if !netip.MustParsePrefix("10.0.1.0/24").Contains(netip.MustParseAddr(text)) {
			t.Errorf("%s is not of the subnet", text)
		}
	}

	// Moved, with its public address; one that is there already stays.
	w.write(func(tx *state.Tx) {
		old, _ := state.NetworkInterfaces.Get(tx, w.caller.Key(a))
		n := *old
		n.Addresses = slices.Clone(n.Addresses)
		n.Addresses[1].PublicIP, n.Addresses[1].AssociationID = netip.MustParseAddr("203.0.113.7"), "eipassoc-1"
		state.NetworkInterfaces.Put(tx, &n)
	})
	moved := api.AssignPrivateIpAddressesInput{NetworkInterfaceId: &b, PrivateIpAddresses: []string{"10.0.1.12", "10.0.1.21", got[0]}, AllowReassignment: ptr(true)}
	if out := w.assign(moved); !slices.Equal(sorted(out), sorted(moved.PrivateIpAddresses)) {
		t.Errorf("assigned %v", out)
	}
	if have, lost := w.addresses(b), w.addresses(a); len(have) != 5 || !slices.Equal(lost, []string{"10.0.1.10", "10.0.1.11"}) {
		t.Errorf("moved from %v to %v", lost, have)
	}
	for _, n := range []string{a, b} {
		for i, p := range w.showInterface(n).PrivateIpAddresses {
			if *p.Primary != (i == 0) || (p.Association != nil) != (*p.PrivateIpAddress == "10.0.1.12") {
				t.Errorf("%s: %+v", n, p)
			}
		}
	}

	call[api.UnassignPrivateIpAddressesOutput](w, "UnassignPrivateIpAddresses", &api.UnassignPrivateIpAddressesInput{NetworkInterfaceId: &b, PrivateIpAddresses: []string{got[0], got[1], "10.0.1.12"}})
	if have := w.addresses(b); !slices.Equal(have, []string{"10.0.1.20", "10.0.1.21"}) {
		t.Errorf("after unassigning: %v", have)
	}
	w.assign(api.AssignPrivateIpAddressesInput{NetworkInterfaceId: &a, PrivateIpAddresses: []string{"10.0.1.12"}}) // it is free again
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func TestAssignPrivateIpAddressesRefused(t *testing.T) {
	l := newLab(t)
	other := l.subnet(l.vpcID, "10.0.2.0/24")
	id := *l.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &l.subnetID, PrivateIpAddress: ptr("10.0.1.10"),
		PrivateIpAddresses: []api.PrivateIpAddressSpecification{{PrivateIpAddress: ptr("10.0.1.11")}}}).NetworkInterfaceId
	l.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &l.subnetID, PrivateIpAddress: ptr("10.0.1.20"),
		PrivateIpAddresses: []api.PrivateIpAddressSpecification{{PrivateIpAddress: ptr("10.0.1.21")}, {PrivateIpAddress: ptr("10.0.1.22")}}})
	far := *l.networkInterface(api.CreateNetworkInterfaceInput{SubnetId: &other, PrivateIpAddress: ptr("10.0.2.10")}).NetworkInterfaceId
	tiny := l.subnet(l.vpcID, "10.0.3.0/28")
	narrow := l.eni(tiny)
	attached := *l.describe(l.on()).NetworkInterfaces[0].NetworkInterfaceId // of t3.micro: two addresses
	l.assign(api.AssignPrivateIpAddressesInput{NetworkInterfaceId: &attached, SecondaryPrivateIpAddressCount: ptr(int32(1))})
	managed := l.eni(l.subnetID)
	l.write(func(tx *state.Tx) {
		old, _ := state.NetworkInterfaces.Get(tx, l.caller.Key(managed))
		n := *old
		n.RequesterManaged = true
		state.NetworkInterfaces.Put(tx, &n)
	})
	yes := ptr(true)

	for name, tt := range map[string]struct {
		in         api.AssignPrivateIpAddressesInput
		code, text string
	}{
		"nothing":           {api.AssignPrivateIpAddressesInput{}, "MissingParameter", "secondaryPrivateIpAddressCount"},
		"both":              {api.AssignPrivateIpAddressesInput{PrivateIpAddresses: []string{"10.0.1.30"}, SecondaryPrivateIpAddressCount: ptr(int32(1))}, "InvalidParameterCombination", "secondaryPrivateIpAddressCount"},
		"none":              {api.AssignPrivateIpAddressesInput{SecondaryPrivateIpAddressCount: ptr(int32(0))}, "InvalidParameterValue", "secondaryPrivateIpAddressCount"},
		"negative":          {api.AssignPrivateIpAddressesInput{SecondaryPrivateIpAddressCount: ptr(int32(-1))}, "InvalidParameterValue", "(-1)"},
		"huge":              {api.AssignPrivateIpAddressesInput{SecondaryPrivateIpAddressCount: ptr(int32(1 << 30))}, "InvalidParameterValue", "1073741824"},
		"not an address":    {api.AssignPrivateIpAddressesInput{PrivateIpAddresses: []string{"ten"}}, "InvalidParameterValue", "ten"},
		"outside":           {api.AssignPrivateIpAddressesInput{PrivateIpAddresses: []string{"10.0.1.30", "10.0.2.30"}}, "InvalidParameterValue", "Address 10.0.2.30 does not fall within the subnet's address range"},
		"reserved":          {api.AssignPrivateIpAddressesInput{PrivateIpAddresses: []string{"10.0.1.1"}}, "InvalidParameterValue", "reserved"},
		"held":              {api.AssignPrivateIpAddressesInput{PrivateIpAddresses: []string{"10.0.1.30", "10.0.1.21", "10.0.1.22"}}, "InvalidParameterValue", "[10.0.1.21, 10.0.1.22] assigned, but move is not allowed."},
		"its own":           {api.AssignPrivateIpAddressesInput{PrivateIpAddresses: []string{"10.0.1.11"}}, "InvalidParameterValue", "[10.0.1.11] assigned, but move is not allowed."},
		"another's primary": {api.AssignPrivateIpAddressesInput{PrivateIpAddresses: []string{"10.0.1.21", "10.0.1.20"}, AllowReassignment: yes}, "InvalidParameterValue", "primary"},
		"its primary":       {api.AssignPrivateIpAddressesInput{PrivateIpAddresses: []string{"10.0.1.10"}, AllowReassignment: yes}, "InvalidParameterValue", "primary"},
		"of another subnet": {api.AssignPrivateIpAddressesInput{NetworkInterfaceId: &far, PrivateIpAddresses: []string{"10.0.1.21"}, AllowReassignment: yes}, "InvalidParameterValue", "does not fall within"},
		"limit of the type": {api.AssignPrivateIpAddressesInput{NetworkInterfaceId: &attached, PrivateIpAddresses: []string{"10.0.1.21"}, AllowReassignment: yes}, "PrivateIpAddressLimitExceeded", attached + ": Number of private addresses will exceed limit."},
		"count over limit":  {api.AssignPrivateIpAddressesInput{NetworkInterfaceId: &attached, SecondaryPrivateIpAddressCount: ptr(int32(1))}, "PrivateIpAddressLimitExceeded", attached},
		"most of all":       {api.AssignPrivateIpAddressesInput{SecondaryPrivateIpAddressCount: ptr(int32(49))}, "PrivateIpAddressLimitExceeded", id},
		"full subnet":       {api.AssignPrivateIpAddressesInput{NetworkInterfaceId: &narrow, SecondaryPrivateIpAddressCount: ptr(int32(11))}, "InsufficientFreeAddressesInSubnet", "does not have enough free addresses"},
		"a service's":       {api.AssignPrivateIpAddressesInput{NetworkInterfaceId: &managed, SecondaryPrivateIpAddressCount: ptr(int32(1))}, "OperationNotPermitted", ""},
		"malformed":         {api.AssignPrivateIpAddressesInput{NetworkInterfaceId: ptr("x"), SecondaryPrivateIpAddressCount: ptr(int32(1))}, "InvalidNetworkInterfaceId.Malformed", "eni-..."},
		"unknown":           {api.AssignPrivateIpAddressesInput{NetworkInterfaceId: ptr("eni-0123456789abcdef0"), SecondaryPrivateIpAddressCount: ptr(int32(1))}, "InvalidNetworkInterfaceID.NotFound", "eni-0123456789abcdef0"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.in.NetworkInterfaceId == nil {
				tt.in.NetworkInterfaceId = &id
			}
			l.in(t).fails("AssignPrivateIpAddresses", &tt.in, tt.code, tt.text)
		})
	}
	l.fails("AssignPrivateIpAddresses", &api.AssignPrivateIpAddressesInput{}, "MissingParameter", "networkInterfaceId")

	for name, tt := range map[string]struct {
		eni        string
		addresses  []string
		code, text string
	}{
		"nothing":        {id, nil, "MissingParameter", "privateIpAddress"},
		"not an address": {id, []string{"ten"}, "InvalidParameterValue", "ten"},
		"primary":        {id, []string{"10.0.1.11", "10.0.1.10"}, "InvalidParameterValue", "primary"},
		"another's":      {id, []string{"10.0.1.11", "10.0.1.21"}, "InvalidParameterValue", "Some of the specified addresses are not assigned to interface " + id},
		"a service's":    {managed, []string{"10.0.1.11"}, "OperationNotPermitted", ""},
		"unknown":        {"eni-0123456789abcdef0", []string{"10.0.1.11"}, "InvalidNetworkInterfaceID.NotFound", "eni-0123456789abcdef0"},
	} {
		t.Run("unassign "+name, func(t *testing.T) {
			l.in(t).fails("UnassignPrivateIpAddresses", &api.UnassignPrivateIpAddressesInput{NetworkInterfaceId: &tt.eni, PrivateIpAddresses: tt.addresses}, tt.code, tt.text)
		})
	}
	l.fails("UnassignPrivateIpAddresses", &api.UnassignPrivateIpAddressesInput{}, "MissingParameter", "networkInterfaceId")
}
