package publicip

import (
	"net/netip"
	"slices"

	"github.com/localvpc/localvpc/internal/decide/fault"
	"github.com/localvpc/localvpc/internal/state"
)

// Amazon owns the public addresses that are assigned at launch and allocated to
// nobody (EC2 API Reference, NetworkInterfaceAssociation, IpOwnerId).
const Amazon = "amazon"

// What stands for what is kept twice: in the row of the Elastic IP, and in the
// private address of the interface, which packets and names obey. Whoever
// changes one of them does it by the functions of this file, which change both.
// Each takes rows as they stand in the transaction and gives the new ones.

// Associate makes an Elastic IP stand for a private address of an interface. It
// leaves the one that it stood for; another Elastic IP of the private address is
// disassociated and stays allocated, an assigned one is given up (EC2 API
// Reference, AssociateAddress).
func Associate(tx *state.Tx, a *state.Address, n *state.NetworkInterface, private netip.Addr) *state.Address {
	if a.InterfaceID == n.ID && a.PrivateIP == private {
		return a
	}
	if a.AssociationID != "" {
		a = Disassociate(tx, a)
	}
	if row, ok := state.NetworkInterfaces.Get(tx, n.Key); ok {
		n = row // Disassociate may have changed it
	}
	i := indexOf(n, private)
	release(tx, n.Scope(), n.Addresses[i])
	next := *a
	next.AssociationID, next.InterfaceID, next.PrivateIP = tx.ID("eipassoc"), n.ID, private
	state.Addresses.Put(tx, &next)
	put(tx, n, i, func(p *state.PrivateAddress) {
		p.PublicIP, p.AllocationID, p.AssociationID, p.IPOwnerID = next.PublicIP, next.ID, next.AssociationID, next.Account
	})
	return &next
}

// Disassociate takes an Elastic IP from the private address that it stands for;
// it stays allocated. The interface gets an assigned address if it is due one;
// with an exhausted pool it gets none.
func Disassociate(tx *state.Tx, a *state.Address) *state.Address {
	n, ok := state.NetworkInterfaces.Get(tx, a.Scope().Key(a.InterfaceID))
	next := *a
	next.AssociationID, next.InterfaceID, next.PrivateIP = "", "", netip.Addr{}
	state.Addresses.Put(tx, &next)
	if !ok {
		return &next
	}
	if i := indexOf(n, a.PrivateIP); i >= 0 && n.Addresses[i].AllocationID == a.ID {
		n = put(tx, n, i, bare)
	}
	_, _ = Renew(tx, n) // there is nobody left to tell that the pool is exhausted
	return &next
}

// Renew gives the primary address of an interface an assigned public one, if it
// is due one; otherwise the interface stays as it is. Due is (EC2 User Guide,
// "Public IPv4 addresses"): the primary interface of an instance that is to have
// one, when it is the only interface, and no address of it has an Elastic IP.
// The error is ErrExhausted.
func Renew(tx *state.Tx, n *state.NetworkInterface) (*state.NetworkInterface, error) {
	if !due(tx, n) {
		return n, nil
	}
	return Assign(tx, n)
}

func due(r state.Reader, n *state.NetworkInterface) bool {
	if !n.AutoPublic || n.Attachment == nil || n.Attachment.DeviceIndex != 0 ||
		slices.ContainsFunc(n.Addresses, func(p state.PrivateAddress) bool { return p.PublicIP.IsValid() }) {
		return false
	}
	i, ok := state.Instances.Get(r, n.Scope().Key(n.Attachment.InstanceID))
	if !ok || i.State != state.Pending && i.State != state.Running {
		return false
	}
	for other := range state.NetworkInterfaces.By(r, state.ByInstance, i.ID) {
		if other.ID != n.ID {
			return false
		}
	}
	return true
}

// Assign gives the primary address of an interface a public one of the pool.
// The error is ErrExhausted.
func Assign(tx *state.Tx, n *state.NetworkInterface) (*state.NetworkInterface, error) {
	a, err := Draw(tx)
	if err != nil {
		return nil, err
	}
	return put(tx, n, 0, func(p *state.PrivateAddress) { p.PublicIP, p.IPOwnerID = a, Amazon }), nil
}

// GiveUp takes from an interface the addresses that were assigned; Elastic IPs
// stay.
func GiveUp(tx *state.Tx, n *state.NetworkInterface) *state.NetworkInterface {
	for i, p := range n.Addresses {
		if p.PublicIP.IsValid() && p.AllocationID == "" {
			n = put(tx, n, i, bare)
		}
	}
	return n
}

// Delete removes an interface, and what was broken about it. Its Elastic IPs stay
// allocated.
func Delete(tx *state.Tx, n *state.NetworkInterface) {
	fault.Forget(tx, n.Scope(), fault.Link, n.ID)
	for _, p := range n.Addresses {
		release(tx, n.Scope(), p)
	}
	state.NetworkInterfaces.Delete(tx, n.Key)
}

// Readdress puts an interface with other private addresses: an Elastic IP that
// stood for one that is gone stays allocated. One whose private address has come
// from another interface, which is readdressed first and with moved, follows it.
func Readdress(tx *state.Tx, old, n *state.NetworkInterface, moved ...netip.Addr) {
	for _, p := range old.Addresses {
		if indexOf(n, p.Addr) < 0 && !slices.Contains(moved, p.Addr) {
			release(tx, n.Scope(), p)
		}
	}
	for _, p := range n.Addresses {
		if a, ok := state.Addresses.Get(tx, n.Scope().Key(p.AllocationID)); ok && p.AllocationID != "" && a.InterfaceID != n.ID {
			next := *a
			next.InterfaceID = n.ID
			state.Addresses.Put(tx, &next)
		}
	}
	state.NetworkInterfaces.Put(tx, n)
}

// release takes the Elastic IP of a private address, which is about to get
// another one or to go, out of its association.
func release(tx *state.Tx, scope state.Scope, p state.PrivateAddress) {
	if p.AllocationID == "" {
		return
	}
	if a, ok := state.Addresses.Get(tx, scope.Key(p.AllocationID)); ok {
		free := *a
		free.AssociationID, free.InterfaceID, free.PrivateIP = "", "", netip.Addr{}
		state.Addresses.Put(tx, &free)
	}
}

func indexOf(n *state.NetworkInterface, private netip.Addr) int {
	return slices.IndexFunc(n.Addresses, func(p state.PrivateAddress) bool { return p.Addr == private })
}

func bare(p *state.PrivateAddress) {
	*p = state.PrivateAddress{Addr: p.Addr, Primary: p.Primary}
}

// put changes one private address of an interface.
func put(tx *state.Tx, n *state.NetworkInterface, i int, change func(*state.PrivateAddress)) *state.NetworkInterface {
	next := *n
	next.Addresses = slices.Clone(n.Addresses)
	change(&next.Addresses[i])
	state.NetworkInterfaces.Put(tx, &next)
	return &next
}
