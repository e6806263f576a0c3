package app

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// spare is how much garbage, in bytes, a large heap may hold before it is
	// collected: of a small one half may be garbage, as Go has it.
	spare = 192 << 20
	// leastPercent keeps collections of a huge heap from following each other.
	leastPercent = 25
)

// boundGarbage keeps the garbage of a large state within bounds: without it, memory
// grows to twice of what the state takes. It looks anew after each collection.
func boundGarbage() {
	debug.SetGCPercent(garbagePercent(liveHeap()))
	// What nobody holds is cleaned up after the next collection.
	runtime.AddCleanup(new([16]byte), func(struct{}) { boundGarbage() }, struct{}{})
}

// garbagePercent is GOGC for a heap with so many bytes that are not garbage.
func garbagePercent(live uint64) int {
	if live <= spare {
		return 100
	}
	return max(leastPercent, int(100*spare/live))
}

// liveHeap is what the last collection has left, in bytes.
func liveHeap() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return s[0].Value.Uint64()
}
