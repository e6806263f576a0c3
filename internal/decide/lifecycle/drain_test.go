package lifecycle

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/state"
)

// TestDrain: a deregistered target goes when its delay has passed, one whose instance
// is terminated a while later, all others stay.
func TestDrain(t *testing.T) {
	clock := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	store, err := state.Open(state.Config{Now: func() time.Time { return clock }, Rand: rand.NewChaCha8([32]byte{}), DetectMutations: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	_, sub := store.Subscribe()
	defer sub.Close()
	scope := state.Scope{Account: "123456789012", Region: "us-east-1"}
	write := func(fn func(*state.Tx)) (changes bool) {
		t.Helper()
		before := store.Snapshot().Index
		if _, err := store.Write(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
			t.Fatal(err)
		}
		commits, _, _, err := sub.Next(context.Background(), before)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commits {
			changes = changes || Drains(c)
		}
		return changes
	}
	target := func(id, of string, drains time.Time) *state.Target {
		return &state.Target{Meta: state.Meta{Key: scope.Key(id)}, Target: of, Drains: drains}
	}
	if !write(func(tx *state.Tx) {
		state.Instances.Put(tx, &state.Instance{Meta: state.Meta{Key: scope.Key("i-1")}, State: state.Running})
		state.Instances.Put(tx, &state.Instance{Meta: state.Meta{Key: scope.Key("i-2")}, State: state.Stopped})
		state.Targets.Put(tx, target("stays", "i-1", time.Time{}))
		state.Targets.Put(tx, target("address", "10.0.0.1", time.Time{}))
		state.Targets.Put(tx, target("ends", "i-2", time.Time{}))
		state.Targets.Put(tx, target("drains", "i-1", clock.Add(10*time.Second)))
	}) {
		t.Error("a target that drains changes nothing")
	}
	if gone, next := Drained(store.Snapshot(), clock); len(gone) != 0 || !next.Equal(clock.Add(10*time.Second)) {
		t.Errorf("%v, next %v", gone, next)
	}
	if write(func(tx *state.Tx) {
		row := target("stays", "i-1", time.Time{})
		row.Health = []state.TargetHealth{{Healthy: true}}
		state.Targets.Put(tx, row)
	}) {
		t.Error("health changes when targets go")
	}
	if !write(func(tx *state.Tx) {
		state.Instances.Put(tx, &state.Instance{Meta: state.Meta{Key: scope.Key("i-2")}, State: state.Terminated, TerminatedAt: clock})
	}) {
		t.Error("an instance's end changes nothing")
	}
	clock = clock.Add(10 * time.Second)
	write(Drain)
	if _, next := Drained(store.Snapshot(), clock); state.Targets.Len(store.Snapshot()) != 3 || !next.Equal(clock.Add(terminatedTargetFor-10*time.Second)) {
		t.Errorf("%d targets are left, next %v", state.Targets.Len(store.Snapshot()), next)
	}
	clock = clock.Add(terminatedTargetFor)
	write(Drain)
	if _, next := Drained(store.Snapshot(), clock); state.Targets.Len(store.Snapshot()) != 2 || !next.IsZero() {
		t.Errorf("%d targets are left, next %v", state.Targets.Len(store.Snapshot()), next)
	}
}
