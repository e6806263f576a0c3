package app

import (
	"runtime"
	"testing"
)

func TestGarbagePercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 100, 20 << 20: 100, 192 << 20: 100, 384 << 20: 50, 1 << 30: 25, 64 << 30: 25} {
		if got := garbagePercent(live); got != want {
			t.Errorf("%d MiB: %d, want %d", live>>20, got, want)
		}
	}
	runtime.GC()
	if live := liveHeap(); live == 0 || live > 1<<40 {
		t.Errorf("the heap has %d bytes", live)
	}
}
