package balance

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Slots is how many places a node's listener has for flows. A target has as many of
// them as every other, or one more; when a target comes or goes, few of the places
// of the others move.
const Slots = 1024

// Seed of the hash that gives a flow its slot.
const Seed = 0x5eed

// Spread gives each slot a target, as an index into ts. Every target has its own
// order of preference among the slots, and they choose in turns (as in Maglev,
// NSDI 2016, section 3.4).
func Spread(ts []Target) []int {
	if len(ts) == 0 {
		return nil
	}
	next, step := make([]uint32, len(ts)), make([]uint32, len(ts))
	for i, t := range ts {
		sum := sha256.Sum256([]byte(netip.AddrPortFrom(t.Addr, t.Port).String()))
		next[i] = binary.BigEndian.Uint32(sum[:]) % Slots
		step[i] = binary.BigEndian.Uint32(sum[4:])%Slots | 1 // odd: it comes to every slot
	}
	slots := make([]int, Slots)
	for i := range slots {
		slots[i] = -1
	}
	for taken := 0; taken < Slots; {
		for i := range ts {
			for slots[next[i]] >= 0 {
				next[i] = (next[i] + step[i]) % Slots
			}
			slots[next[i]] = i
			if taken++; taken == Slots {
				break
			}
		}
	}
	return slots
}

// Slot is the slot of a client's flow; one that is sticky has no port.
func Slot(client netip.Addr, port uint16, sticky bool) int {
	key := client.AsSlice()
	if !sticky {
		key = append(key, byte(port>>8), byte(port), 0, 0)
	}
	return int(uint64(jenkins(key, Seed)) * Slots >> 32)
}

// jenkins is the kernel's jhash (include/linux/jhash.h) of at most 12 bytes.
func jenkins(key []byte, seed uint32) uint32 {
	const start = 0xdeadbeef
	n := start + uint32(len(key)) + seed
	a, b, c := n, n, n
	var tail [12]byte
	copy(tail[:], key)
	a += binary.LittleEndian.Uint32(tail[0:])
	b += binary.LittleEndian.Uint32(tail[4:])
	c += binary.LittleEndian.Uint32(tail[8:])
	c = (c ^ b) - bits.RotateLeft32(b, 14)
	a = (a ^ c) - bits.RotateLeft32(c, 11)
	b = (b ^ a) - bits.RotateLeft32(a, 25)
	c = (c ^ b) - bits.RotateLeft32(b, 16)
	a = (a ^ c) - bits.RotateLeft32(c, 4)
	b = (b ^ a) - bits.RotateLeft32(a, 14)
	return (c ^ b) - bits.RotateLeft32(b, 24)
}
