// Package privateip says which private addresses of a subnet are free, and draws
// what a new interface needs of its own: addresses and a MAC.
//
// Invariant: no two interfaces of a VPC have an address in common, and what the
// subnet reserves belongs to none.
package privateip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/localvpc/localvpc/internal/state"
)

// ErrExhausted says that every address of a subnet is taken.
var ErrExhausted = errors.New("every address of the subnet is taken")

// Taken says whether an interface of the VPC has the address.
func Taken(r state.Reader, vpcID string, a netip.Addr) bool {
	for range state.NetworkInterfaces.By(r, state.ByAddress, state.VpcAddress(vpcID, a)) {
		return true
	}
	return false
}

// Draw takes a random address of the subnet or the next free one after it, so that
// its cost does not grow with the subnet until that is nearly full. Those in except
// are left out. The error is ErrExhausted.
func Draw(tx *state.Tx, sub *state.Subnet, except map[netip.Addr]bool) (netip.Addr, error) {
	size := Size(sub)
	var b [4]byte
	random(tx, b[:])
	start := binary.BigEndian.Uint32(b[:]) % size
	for i := range size {
		a := Offset(sub.Cidr.Addr(), (start+i)%size)
		if !sub.Reserved(a) && !except[a] && !Taken(tx, sub.VpcID, a) {
			return a, nil
		}
	}
	return netip.Addr{}, ErrExhausted
}

// Room says whether a subnet has so many free addresses.
func Room(r state.Reader, sub *state.Subnet, want int) bool {
	for i := range Size(sub) {
		if want <= 0 {
			break
		}
		if a := Offset(sub.Cidr.Addr(), i); !sub.Reserved(a) && !Taken(r, sub.VpcID, a) {
			want--
		}
	}
	return want <= 0
}

// Size is the number of addresses of a subnet, which is a /16 to a /28.
func Size(sub *state.Subnet) uint32 {
	return uint32(1) << (sub.Cidr.Addr().BitLen() - sub.Cidr.Bits())
}

// Offset gives the address that is n after base.
func Offset(base netip.Addr, n uint32) netip.Addr {
	b := base.AsSlice()
	tail := b[len(b)-4:]
	binary.BigEndian.PutUint32(tail, binary.BigEndian.Uint32(tail)+n)
	a, _ := netip.AddrFromSlice(b)
	return a
}

// MAC draws a MAC address that no interface of the scope has, and counts those.
func MAC(tx *state.Tx, scope state.Scope) (mac string, interfaces int) {
	for taken := true; taken; {
		mac, interfaces, taken = drawMAC(tx), 0, false
		for other := range state.NetworkInterfaces.In(tx, scope) {
			interfaces++
			taken = taken || other.MAC == mac
		}
	}
	return mac, interfaces
}

// drawMAC makes a locally administered unicast address of the kind that EC2 gives:
// the first byte is 02, 06, 0a or 0e.
func drawMAC(tx *state.Tx) string {
	var b [6]byte
	random(tx, b[:])
	b[0] = b[0]&0x0c | 0x02
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5])
}

func random(tx *state.Tx, b []byte) {
	if _, err := io.ReadFull(tx.Rand(), b); err != nil {
		panic(fmt.Sprintf("privateip: reading randomness: %v", err)) // crypto/rand never fails
	}
}
