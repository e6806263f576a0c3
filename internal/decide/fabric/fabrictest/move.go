package fabrictest

import (
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"github.com/localvpc/localvpc/internal/state"
)

// move changes one interface as the API does: detaches it, attaches it where a
// device is free, gives it a secondary address, takes that from it, or has it
// take over one of another interface of its subnet.
func move(t *rapid.T, tx *state.Tx, v int) {
	n := below(t, interfaces, "interface to move")
	row, ok := state.NetworkInterfaces.Get(tx, Key(InterfaceID(v, n)))
	if !ok {
		return
	}
	next := *row
	next.Addresses = slices.Clone(row.Addresses)
	switch rapid.IntRange(0, 4).Draw(t, "move") {
	case 0:
		next.Attachment, next.Status = nil, "available"
	case 1:
		instance, index := InstanceID(v, below(t, instances, "to instance")), int32(below(t, 4, "device"))
		if !vacant(tx, instance, index, next.ID) {
			return
		}
		next.Status = "in-use"
		next.Attachment = &state.Attachment{ID: "eni-attach-" + next.ID[4:], InstanceID: instance, InstanceOwnerID: next.Account, DeviceIndex: index, Status: "attached", AttachTime: epoch}
	case 2:
		for subnet := range subnets {
			if a := Addr(v, subnet, n, true); SubnetID(v, subnet) == next.SubnetID && holder(tx, v, a) == "" {
				next.Addresses = append(next.Addresses, state.PrivateAddress{Addr: a})
			}
		}
	case 3:
		next.Addresses = next.Addresses[:max(1, len(next.Addresses)-1)]
	case 4:
		other, ok := state.NetworkInterfaces.Get(tx, Key(InterfaceID(v, below(t, interfaces, "from interface"))))
		if !ok || other.ID == next.ID || other.SubnetID != next.SubnetID || len(other.Addresses) < 2 {
			return
		}
		last := len(other.Addresses) - 1
		less := *other
		less.Addresses = slices.Clone(other.Addresses[:last])
		next.Addresses = append(next.Addresses, other.Addresses[last])
		state.NetworkInterfaces.Put(tx, &less)
	}
	state.NetworkInterfaces.Put(tx, &next)
}

// vacant says whether no other interface is an instance's at a device index.
func vacant(r state.Reader, instance string, index int32, but string) bool {
	for n := range state.NetworkInterfaces.By(r, state.ByInstance, instance) {
		if n.ID != but && n.Attachment.DeviceIndex == index {
			return false
		}
	}
	return true
}

// holder is the interface that has an address of a VPC, "" for none.
func holder(r state.Reader, v int, a netip.Addr) (id string) {
	for n := range state.NetworkInterfaces.By(r, state.ByAddress, state.VpcAddress(VpcID(v), a)) {
		id = n.ID
	}
	return id
}
