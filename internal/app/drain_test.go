package app

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/localvpc/localvpc/internal/front/cli"
	"github.com/localvpc/localvpc/internal/state"
)

// TestDrained: a target goes when its time has come, without anybody asking.
func TestDrained(t *testing.T) {
	e, err := build(settings{UpOptions: cli.UpOptions{Account: "000000000000", NoPackets: true, Ephemeral: true}}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer e.store.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { e.drain(ctx) })
	snap, sub := e.store.Subscribe()
	defer sub.Close()
	scope := state.Scope{Account: "000000000000", Region: "us-east-1"}
	for _, delay := range []time.Duration{0, 50 * time.Millisecond} {
		if _, err := e.store.Write(ctx, func(tx *state.Tx) error {
			state.Targets.Put(tx, &state.Target{Meta: state.Meta{Key: scope.Key("g i-1:80")}, Target: "i-1", Drains: tx.Now().Add(delay)})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for put := false; !put || state.Targets.Len(snap) > 0; put = true {
			if _, snap, _, err = sub.Next(ctx, snap.Index); err != nil {
				t.Fatalf("the target is still there: %v", err)
			}
		}
	}
}
