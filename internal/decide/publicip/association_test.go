package publicip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

var scope = state.Scope{Account: "123456789012", Region: "us-east-1"}

func open(t *testing.T) *state.Store {
	t.Helper()
	store, err := state.Open(state.Config{Now: time.Now, Rand: rand.NewChaCha8([32]byte{}), DetectMutations: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if m := store.Mutations(); len(m) > 0 {
			t.Error(m)
		}
		store.Close()
	})
	return store
}

func write(t *testing.T, store *state.Store, fn func(*state.Tx)) {
	t.Helper()
	if _, err := store.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatal(err)
	}
	agree(t, store.Snapshot())
}

// agree says whether both sides of every association tell the same, and nobody
// shares an address.
func agree(t *testing.T, r state.Reader) {
	t.Helper()
	owners := map[netip.Addr]string{}
	for n := range state.NetworkInterfaces.All(r) {
		for _, p := range n.Addresses {
			if !p.PublicIP.IsValid() {
				continue
			}
			if other, ok := owners[p.PublicIP]; ok {
				t.Errorf("%s has the address %s of %s", n.ID, p.PublicIP, other)
			}
			owners[p.PublicIP] = n.ID
			a, ok := state.Addresses.Get(r, n.Scope().Key(p.AllocationID))
			if p.AllocationID == "" && p.IPOwnerID == Amazon && p.AssociationID == "" {
				continue
			}
			if !ok || a.InterfaceID != n.ID || a.PrivateIP != p.Addr || a.PublicIP != p.PublicIP || a.AssociationID != p.AssociationID || p.AssociationID == "" {
				t.Errorf("%s %+v, but %+v", n.ID, p, a)
			}
		}
	}
	for a := range state.Addresses.All(r) {
		if (a.AssociationID == "") != (a.InterfaceID == "") || a.InterfaceID != owners[a.PublicIP] {
			t.Errorf("%+v is of %q", a, owners[a.PublicIP])
		}
	}
}

func address(id, public string) *state.Address {
	a := &state.Address{PublicIP: netip.MustParseAddr(public)}
	a.Key = scope.Key(id)
	return a
}

// plugged is an interface of an instance with two addresses, 10.0.0.N and .N+1.
func plugged(id, instance string, device int32, n byte) *state.NetworkInterface {
	e := &state.NetworkInterface{Addresses: []state.PrivateAddress{
		{Addr: netip.AddrFrom4([4]byte{10, 0, 0, n}), Primary: true}, {Addr: netip.AddrFrom4([4]byte{10, 0, 0, n + 1})}}}
	e.Key = scope.Key(id)
	e.AutoPublic = device == 0
	if instance != "" {
		e.Attachment = &state.Attachment{InstanceID: instance, DeviceIndex: device}
	}
	return e
}

func runs(id string, s state.InstanceState) *state.Instance {
	i := &state.Instance{State: s}
	i.Key = scope.Key(id)
	return i
}

func eni(r state.Reader, id string) *state.NetworkInterface {
	n, _ := state.NetworkInterfaces.Get(r, scope.Key(id))
	return n
}

func eip(r state.Reader, id string) *state.Address {
	a, _ := state.Addresses.Get(r, scope.Key(id))
	return a
}

// TestDue: who gets an assigned address, and when again.
func TestDue(t *testing.T) {
	store := open(t)
	public := func(id string, i int) netip.Addr { return eni(store.Snapshot(), id).Addresses[i].PublicIP }
	write(t, store, func(tx *state.Tx) {
		for id, s := range map[string]state.InstanceState{"i-1": state.Running, "i-2": state.Stopped, "i-3": state.Pending, "i-4": state.Running} {
			state.Instances.Put(tx, runs(id, s))
		}
		no := plugged("eni-no", "i-4", 0, 50)
		no.AutoPublic = false
		list := []*state.NetworkInterface{plugged("eni-1", "i-1", 0, 10), plugged("eni-2", "i-2", 0, 20),
			plugged("eni-3", "i-3", 0, 30), plugged("eni-3b", "i-3", 1, 40), no, plugged("eni-free", "", 0, 60)}
		for _, n := range list {
			state.NetworkInterfaces.Put(tx, n)
		}
		for _, n := range list {
			if _, err := Renew(tx, n); err != nil {
				t.Error(err)
			}
		}
		state.Addresses.Put(tx, address("eipalloc-1", "198.51.100.1"))
		state.Addresses.Put(tx, address("eipalloc-2", "198.51.100.2"))
	})
	for id, want := range map[string]bool{"eni-1": true, "eni-2": false, "eni-3": false, "eni-3b": false, "eni-no": false, "eni-free": false} {
		if a := public(id, 0); a.IsValid() != want {
			t.Errorf("%s has %s", id, a)
		}
	}
	assigned := public("eni-1", 0)

	// An Elastic IP takes its place, and it is another one afterwards.
	write(t, store, func(tx *state.Tx) {
		n := eni(tx, "eni-1")
		Associate(tx, eip(tx, "eipalloc-1"), n, n.Primary())
	})
	if a := public("eni-1", 0); a.String() != "198.51.100.1" {
		t.Errorf("with an Elastic IP: %s", a)
	}
	write(t, store, func(tx *state.Tx) { Disassociate(tx, eip(tx, "eipalloc-1")) })
	again := public("eni-1", 0)
	if !again.IsValid() || again == assigned || again.String() == "198.51.100.1" {
		t.Errorf("first %s, then %s", assigned, again)
	}

	// With an Elastic IP on a secondary address it gets no other.
	write(t, store, func(tx *state.Tx) {
		n := eni(tx, "eni-1")
		Associate(tx, eip(tx, "eipalloc-1"), n, n.Primary())
		Associate(tx, eip(tx, "eipalloc-2"), eni(tx, "eni-1"), n.Addresses[1].Addr)
		Disassociate(tx, eip(tx, "eipalloc-1"))
	})
	if a := public("eni-1", 0); a.IsValid() {
		t.Errorf("with an Elastic IP on the secondary address: %s", a)
	}
	write(t, store, func(tx *state.Tx) { Disassociate(tx, eip(tx, "eipalloc-2")); GiveUp(tx, eni(tx, "eni-1")) })
	if a := public("eni-1", 0); a.IsValid() {
		t.Errorf("given up: %s", a)
	}
}

// TestAssociations: whatever moves where, both sides tell the same.
func TestAssociations(t *testing.T) {
	store := open(t)
	enis := []string{"eni-0", "eni-1", "eni-2"}
	eips := []string{"eipalloc-0", "eipalloc-1", "eipalloc-2", "eipalloc-3"}
	write(t, store, func(tx *state.Tx) {
		for i := range eips {
			state.Addresses.Put(tx, address(eips[i], fmt.Sprintf("198.51.100.%d", i+1)))
		}
	})
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		write(t, store, func(tx *state.Tx) {
			k := random.IntN(len(enis))
			a, n := eip(tx, eips[random.IntN(len(eips))]), eni(tx, enis[k])
			if n == nil {
				state.Instances.Put(tx, runs(fmt.Sprintf("i-%d", k), state.Running))
				state.NetworkInterfaces.Put(tx, plugged(enis[k], fmt.Sprintf("i-%d", k), 0, byte(10*k+10)))
				return
			}
			switch random.IntN(8) {
			case 0, 1, 2, 3:
				private := n.Addresses[random.IntN(len(n.Addresses))].Addr
				if got := Associate(tx, a, n, private); got.InterfaceID != n.ID || got.PrivateIP != private || got.AssociationID == "" {
					t.Errorf("%+v", got)
				}
			case 4:
				if got := Disassociate(tx, a); got.AssociationID != "" || got.PublicIP != a.PublicIP {
					t.Errorf("%+v", got)
				}
			case 5:
				Delete(tx, n)
			case 6: // the secondary addresses go
				less := *n
				less.Addresses = slices.Clone(n.Addresses[:1])
				Readdress(tx, n, &less)
			case 7: // the secondary address moves, with its Elastic IP
				from := eni(tx, enis[(k+1)%len(enis)])
				if from == nil || len(from.Addresses) < 2 {
					return
				}
				moving := from.Addresses[1]
				less, more := *from, *n
				less.Addresses = slices.Delete(slices.Clone(from.Addresses), 1, 2)
				more.Addresses = append(slices.Clone(n.Addresses), moving)
				Readdress(tx, from, &less, moving.Addr)
				Readdress(tx, n, &more)
				if moving.AllocationID != "" && eip(tx, moving.AllocationID).InterfaceID != n.ID {
					t.Error("the Elastic IP has not followed")
				}
			}
		})
	}
}

func TestExhausted(t *testing.T) {
	store := open(t)
	write(t, store, func(tx *state.Tx) {
		Set(tx, []netip.Prefix{netip.MustParsePrefix("203.0.113.0/29")})
		var got []netip.Addr
		for {
			a, err := Draw(tx)
			if err != nil {
				if !errors.Is(err, ErrExhausted) || len(got) != 5 { // without network, router and broadcast
					t.Errorf("%v after %v", err, got)
				}
				break
			}
			got = append(got, a)
			state.Addresses.Put(tx, address("eipalloc-"+a.String(), a.String()))
		}
		state.Instances.Put(tx, runs("i-1", state.Running))
		state.NetworkInterfaces.Put(tx, plugged("eni-1", "i-1", 0, 10))
		if _, err := Renew(tx, eni(tx, "eni-1")); !errors.Is(err, ErrExhausted) {
			t.Error(err)
		}
	})
}
