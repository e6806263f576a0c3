package state

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// TestNextGivesTheSnapshotOfItsLastCommit: whoever follows from the snapshot's
// index must miss nothing, however fast commits come.
func TestNextGivesTheSnapshotOfItsLastCommit(t *testing.T) {
	s := open(t, nil)
	snap, sub := s.Subscribe()
	const n = 3000
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range n / 4 {
				putSubnet(t, s, "vpc-1")
			}
		})
	}
	seen := map[uint64]bool{}
	for index := snap.Index; index < n; {
		commits, at, lost, err := sub.Next(context.Background(), index)
		if err != nil || lost {
			t.Fatal(err, lost)
		}
		for _, c := range commits {
			seen[c.Index] = true
		}
		if last := commits[len(commits)-1].Index; at.Index != last {
			t.Fatalf("the snapshot is of commit %d, the last commit is %d", at.Index, last)
		}
		if rows := Subnets.Len(at); rows != int(at.Index) {
			t.Fatalf("%d rows at commit %d", rows, at.Index)
		}
		index = at.Index
	}
	wg.Wait()
	if len(seen) != n {
		t.Errorf("%d commits of %d were seen", len(seen), n)
	}
}

// TestASlowSubscriberStartsAgain: what was dropped is in the snapshot that says
// so, and what comes after it is delivered.
func TestASlowSubscriberStartsAgain(t *testing.T) {
	s, err := Open(Config{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, sub := s.Subscribe()
	defer sub.Close()
	put := func() {
		if _, err := s.Write(context.Background(), func(tx *Tx) error {
			Settings.Put(tx, &Setting{Meta: Meta{Key: scope.Key("n")}})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for range maxQueued + 10 {
		put()
	}
	commits, snap, lost, err := sub.Next(context.Background(), 0)
	if err != nil || !lost || len(commits) != 0 || snap.Index != maxQueued+10 {
		t.Fatalf("%d commits, lost %v, at %d, %v; want none, lost, at %d", len(commits), lost, snap.Index, err, maxQueued+10)
	}
	put()
	commits, snap, lost, err = sub.Next(context.Background(), snap.Index)
	if err != nil || lost || len(commits) != 1 || snap.Index != maxQueued+11 {
		t.Errorf("%d commits, lost %v, at %d, %v; want the one after", len(commits), lost, snap.Index, err)
	}
}

func TestNextEndsWithItsContext(t *testing.T) {
	s := open(t, nil)
	_, sub := s.Subscribe()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, _, err := sub.Next(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
	sub.Close()
	if _, _, _, err := sub.Next(context.Background(), 0); err != ErrClosed {
		t.Errorf("a closed subscription: %v", err)
	}
	putSubnet(t, s, "vpc-1") // nobody listens
}
