package state

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func open(t testing.TB, log Log) *Store {
	t.Helper()
	s, err := Open(Config{Log: log, Now: time.Now, Rand: rand.Reader, DetectMutations: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var scope = Scope{"000000000000", "us-east-1"}

func putSubnet(t testing.TB, s *Store, vpc string) (*Subnet, uint64) {
	t.Helper()
	var sub *Subnet
	index, err := s.Write(context.Background(), func(tx *Tx) error {
		sub = &Subnet{Meta: tx.Meta(scope, "subnet"), VpcID: vpc, Cidr: netip.MustParsePrefix("10.0.0.0/24")}
		Subnets.Put(tx, sub)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sub, index
}

func TestASnapshotDoesNotSeeLaterCommits(t *testing.T) {
	s := open(t, nil)
	before := s.Snapshot()
	sub, index := putSubnet(t, s, "vpc-1")
	if _, ok := Subnets.Get(before, sub.Key); ok {
		t.Error("the old snapshot sees the new row")
	}
	after := s.Snapshot()
	if got, ok := Subnets.Get(after, sub.Key); !ok || got != sub || after.Index != index {
		t.Errorf("got %v %v at %d, want the row at %d", got, ok, after.Index, index)
	}
}

func TestAFailedTransactionChangesNothing(t *testing.T) {
	s := open(t, nil)
	boom := errors.New("boom")
	_, err := s.Write(context.Background(), func(tx *Tx) error {
		Subnets.Put(tx, &Subnet{Meta: tx.Meta(scope, "subnet")})
		return boom
	})
	if err != boom || Subnets.Len(s.Snapshot()) != 0 {
		t.Errorf("error %v, %d rows; want boom and none", err, Subnets.Len(s.Snapshot()))
	}
}

func TestIndexes(t *testing.T) {
	s := open(t, nil)
	a, _ := putSubnet(t, s, "vpc-1")
	putSubnet(t, s, "vpc-2")
	other := Scope{"111111111111", "us-east-1"}
	s.Write(context.Background(), func(tx *Tx) error {
		moved := *a
		moved.VpcID = "vpc-3"
		Subnets.Put(tx, &moved)
		Subnets.Put(tx, &Subnet{Meta: tx.Meta(other, "subnet"), VpcID: "vpc-3"})
		return nil
	})
	count := func(vpc string) (n int) {
		for range Subnets.By(s.Snapshot(), ByVpc, vpc) {
			n++
		}
		return n
	}
	if count("vpc-1") != 0 || count("vpc-2") != 1 || count("vpc-3") != 2 {
		t.Errorf("rows by VPC: %d %d %d, want 0 1 2", count("vpc-1"), count("vpc-2"), count("vpc-3"))
	}
	n := 0
	for range Subnets.In(s.Snapshot(), scope) {
		n++
	}
	if n != 2 {
		t.Errorf("%d rows in the scope, want 2", n)
	}
}

func TestRestartFindsWhatWasAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	log, err := OpenBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, log)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				putSubnet(t, s, "vpc-1")
			}
		})
	}
	wg.Wait()
	gone, last := putSubnet(t, s, "vpc-2")
	last2, _ := s.Write(context.Background(), func(tx *Tx) error { Subnets.Delete(tx, gone.Key); return nil })
	if last2 != last+1 {
		t.Errorf("index %d after %d", last2, last)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if log, err = OpenBolt(path); err != nil {
		t.Fatal(err)
	}
	again := open(t, log)
	snap := again.Snapshot()
	if n := Subnets.Len(snap); n != 160 || snap.Index != last2 {
		t.Errorf("%d rows at %d, want 160 at %d", n, snap.Index, last2)
	}
	if m := s.Mutations(); len(m) > 0 {
		t.Errorf("rows were modified: %v", m)
	}
}

func TestSubscribersGetEveryCommitInOrder(t *testing.T) {
	s := open(t, nil)
	snap, sub := s.Subscribe()
	defer sub.Close()
	const n = 100
	for range 4 {
		go func() {
			for range n / 4 {
				s.Write(context.Background(), func(tx *Tx) error {
					Subnets.Put(tx, &Subnet{Meta: tx.Meta(scope, "subnet")})
					return nil
				})
			}
		}()
	}
	index := snap.Index
	for index < n {
		commits, at, lost, err := sub.Next(t.Context(), index)
		if err != nil || lost {
			t.Fatal(err, lost)
		}
		for _, c := range commits {
			if c.Index != index+1 || len(c.Changes) != 1 || c.Changes[0].Before != nil {
				t.Fatalf("commit %+v after %d", c, index)
			}
			index = c.Index
		}
		if at.Index < index {
			t.Fatalf("snapshot %d is older than commit %d", at.Index, index)
		}
	}
}

type brokenLog struct{ Log }

func (brokenLog) Load(func(string, []byte, []byte) error) (uint64, error) { return 0, nil }
func (brokenLog) Write([]Commit) error                                    { return errors.New("disk full") }
func (brokenLog) Close() error                                            { return nil }

func TestAWriteThatCannotBeKeptIsNotPublished(t *testing.T) {
	s := open(t, brokenLog{})
	write := func() error {
		_, err := s.Write(context.Background(), func(tx *Tx) error {
			Subnets.Put(tx, &Subnet{Meta: tx.Meta(scope, "subnet")})
			return nil
		})
		return err
	}
	for i := range 2 {
		if err := write(); err == nil {
			t.Errorf("write %d succeeded", i)
		}
	}
	if n := Subnets.Len(s.Snapshot()); n != 0 {
		t.Errorf("%d rows are visible", n)
	}
}

func TestMutationsAreSeen(t *testing.T) {
	s := open(t, nil)
	sub, _ := putSubnet(t, s, "vpc-1")
	if m := s.Mutations(); len(m) != 0 {
		t.Fatal(m)
	}
	sub.State = "changed"
	if m := s.Mutations(); len(m) != 1 {
		t.Errorf("mutations %v, want one", m)
	}
}

func BenchmarkDurableWrite(b *testing.B) {
	log, err := OpenBolt(filepath.Join(b.TempDir(), "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	s, err := Open(Config{Log: log, Now: time.Now, Rand: rand.Reader})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			putSubnet(b, s, fmt.Sprint("vpc-", 1))
		}
	})
}
