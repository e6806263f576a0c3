package state

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

func openBolt(t testing.TB, path string) *Bolt {
	t.Helper()
	b, err := OpenBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// reopen opens a journal as a start does and says what is wrong with it.
func reopen(path string) (*Store, error) {
	b, err := OpenBolt(path)
	if err != nil {
		return nil, err
	}
	s, err := Open(Config{Log: b, Now: time.Now})
	if err != nil {
		b.Close()
	}
	return s, err
}

// keptState makes a journal with some rows in it and gives its path.
func keptState(t *testing.T, rows int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, openBolt(t, path))
	for range rows {
		putSubnet(t, s, "vpc-1")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDamagedJournal: what is not what was written is refused, with a text that
// names the file and what to do.
func TestDamagedJournal(t *testing.T) {
	edit := func(fn func(tx *bolt.Tx) error) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			db, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.Update(fn); err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(off int64, text string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte(text), off); err != nil {
				t.Fatal(err)
			}
		}
	}
	first := func(tx *bolt.Tx) (*bolt.Bucket, []byte, []byte) {
		b := tx.Bucket([]byte(Subnets.Name()))
		k, v := b.Cursor().First()
		return b, append([]byte(nil), k...), append([]byte(nil), v...)
	}
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, path string)
		want   string
	}{
		{"something else", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("not a journal\n", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "is damaged"},
		{"both heads overwritten", func(t *testing.T, path string) {
			write(0, strings.Repeat("\xff", 2*os.Getpagesize()))(t, path)
		}, "is damaged"},
		{"cut off", func(t *testing.T, path string) {
			if err := os.Truncate(path, int64(3*os.Getpagesize())); err != nil {
				t.Fatal(err)
			}
		}, "is damaged"},
		{"a row is no JSON", edit(func(tx *bolt.Tx) error {
			b, k, _ := first(tx)
			return b.Put(k, []byte(`{"Account":`))
		}), "is damaged"},
		{"a row of another kind", edit(func(tx *bolt.Tx) error {
			b, k, _ := first(tx)
			return b.Put(k, []byte(`{"Cidr":7}`))
		}), "is damaged"},
		{"a row under another's key", edit(func(tx *bolt.Tx) error {
			b, _, v := first(tx)
			return b.Put(scope.Key("subnet-other").bytes(), v)
		}), `is kept under the key "000000000000\x00us-east-1\x00subnet-other\x00"`},
		{"no index", edit(func(tx *bolt.Tx) error { return tx.Bucket(metaBucket).Delete(indexKey) }), "lacks the index"},
		{"a table of a later version", edit(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucket([]byte("teapot"))
			if err != nil {
				return err
			}
			return b.Put([]byte("k"), []byte("{}"))
		}), `"teapot" that this version does not know; use the newer localvpc`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := keptState(t, 200)
			tt.damage(t, path)
			s, err := reopen(path)
			if err == nil {
				s.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "--data") {
				t.Errorf("%v\nwant it to say %q, and what to do", err, tt.want)
			}
			if tt.want == "is damaged" {
				var d *DamagedError
				if !errors.As(err, &d) || d.Path != path {
					t.Errorf("%v is no DamagedError about %s", err, path)
				}
			}
		})
	}
}

// TestDamagedPages overwrites each page in turn: the journal is refused, or the
// page was a free one; the process goes on either way.
func TestDamagedPages(t *testing.T) {
	path := keptState(t, 300)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := os.Getpagesize()
	refused := 0
	for off := 2 * size; off+size <= len(whole); off += size {
		for _, b := range []byte{0xff, 0} {
			text := append([]byte(nil), whole...)
			for i := range size {
				text[off+i] = b
			}
			damaged := filepath.Join(t.TempDir(), "state.db")
			if err := os.WriteFile(damaged, text, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := reopen(damaged)
			if err != nil {
				refused++
				continue
			}
			if n := Subnets.Len(s.Snapshot()); n != 300 {
				t.Errorf("with page %d of 0x%02x it was opened with %d rows of 300", off/size, b, n)
			}
			s.Close()
		}
	}
	if refused == 0 {
		t.Error("no page mattered")
	}
}

func TestAJournalHasOneUser(t *testing.T) {
	path := keptState(t, 1)
	b := openBolt(t, path)
	defer b.Close()
	if _, err := OpenBolt(path); err == nil || !strings.Contains(err.Error(), "another localvpc uses this data directory") {
		t.Errorf("%v, want who has it", err)
	}
}

// mortal is a log whose process dies in Write, before or after the commits are
// durable: nothing that comes later in that process counts.
type mortal struct {
	*Bolt
	after bool
	died  chan struct{}
	end   chan struct{}
}

func (m *mortal) Write(commits []Commit) error {
	if m.after {
		if err := m.Bolt.Write(commits); err != nil {
			return err
		}
	}
	if err := m.Bolt.Close(); err != nil { // the kernel gives up a dead process's lock
		return err
	}
	close(m.died)
	<-m.end
	return errors.New("dead")
}

func (m *mortal) Close() error { return nil }

// TestDeathAroundTheJournal: a commit is there after a start exactly if its
// journal entry was complete; and nobody has seen it before that.
func TestDeathAroundTheJournal(t *testing.T) {
	for _, after := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "state.db")
		m := &mortal{Bolt: openBolt(t, path), after: after, died: make(chan struct{}), end: make(chan struct{})}
		s := open(t, m)
		_, sub := s.Subscribe()
		wrote := make(chan error, 1)
		go func() {
			_, err := s.Write(context.Background(), func(tx *Tx) error {
				Subnets.Put(tx, &Subnet{Meta: tx.Meta(scope, "subnet")})
				return nil
			})
			wrote <- err
		}()
		<-m.died
		if n := Subnets.Len(s.Snapshot()); n != 0 {
			t.Errorf("durable %v: %d rows are visible before Write has returned", after, n)
		}
		again, err := reopen(path)
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		if after {
			want = 1
		}
		if n, index := Subnets.Len(again.Snapshot()), again.Snapshot().Index; n != want || index != uint64(want) {
			t.Errorf("durable %v: %d rows at %d after the start, want %d", after, n, index, want)
		}
		again.Close()
		close(m.end)
		if err := <-wrote; err == nil {
			t.Error("the write was acknowledged")
		}
		s.Close()
		if commits, _, _, err := sub.Next(context.Background(), 0); err != ErrClosed {
			t.Errorf("a subscriber got %v, %v", commits, err)
		}
	}
}

// slow is a log that waits to be let on, batch by batch.
type slow struct {
	Log
	writes atomic.Int32
	let    chan struct{}
}

func (l *slow) Write(commits []Commit) error {
	l.writes.Add(1)
	<-l.let
	return nil
}
func (l *slow) Load(func(string, []byte, []byte) error) (uint64, error) { return 0, nil }
func (l *slow) Close() error                                            { return nil }

// TestReadingWhatIsNotDurable: a transaction reads what the ones before it have
// put, durable or not; what it tells its caller must not be lost, so it waits.
func TestReadingWhatIsNotDurable(t *testing.T) {
	log := &slow{let: make(chan struct{})}
	s := open(t, log)
	row := &Subnet{Meta: Meta{Key: scope.Key("subnet-1")}}
	first := make(chan error, 1)
	put := make(chan struct{})
	go func() {
		_, err := s.Write(context.Background(), func(tx *Tx) error { Subnets.Put(tx, row); close(put); return nil })
		first <- err
	}()
	<-put
	seen := false
	look := func(ctx context.Context) (uint64, error) {
		return s.Write(ctx, func(tx *Tx) error { _, seen = Subnets.Get(tx, row.Key); return nil })
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := look(ctx); !seen || !errors.Is(err, context.Canceled) {
		t.Errorf("saw it: %v, %v; want to see it and to have waited", seen, err)
	}
	close(log.let)
	if index, err := look(context.Background()); err != nil || index != 1 {
		t.Errorf("at %d, %v; want 1", index, err)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
	if index, err := look(context.Background()); err != nil || index != 1 {
		t.Errorf("at %d, %v; want 1", index, err)
	}
}

// TestCommitsAreJournalledInGroups: what comes while the journal writes goes
// into its next write together.
func TestCommitsAreJournalledInGroups(t *testing.T) {
	log := &slow{let: make(chan struct{})}
	s := open(t, log)
	var wg sync.WaitGroup
	var made sync.WaitGroup
	for range 50 {
		made.Add(1)
		wg.Go(func() {
			_, err := s.Write(context.Background(), func(tx *Tx) error {
				defer made.Done()
				Subnets.Put(tx, &Subnet{Meta: tx.Meta(scope, "subnet")})
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	made.Wait()
	// The last transaction may not be in the queue yet: one more, behind it.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Write(ctx, func(*Tx) error { return nil })
	close(log.let)
	wg.Wait()
	if n := log.writes.Load(); n > 3 {
		t.Errorf("50 commits were journalled in %d writes, want one and one for the rest", n)
	}
}

// TestCloseDuringWrites: what was acknowledged is kept, what was not is refused
// as closed, and nobody is left waiting.
func TestCloseDuringWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, openBolt(t, path))
	_, sub := s.Subscribe()
	var acked atomic.Int32
	busy := make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				_, err := s.Write(context.Background(), func(tx *Tx) error {
					Subnets.Put(tx, &Subnet{Meta: tx.Meta(scope, "subnet")})
					return nil
				})
				if err == ErrClosed {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				if acked.Add(1) == 40 {
					once.Do(func() { close(busy) })
				}
			}
		})
	}
	<-busy
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	again, err := reopen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if n := Subnets.Len(again.Snapshot()); n != int(acked.Load()) {
		t.Errorf("%d rows after the start, %d were acknowledged", n, acked.Load())
	}
	// The subscriber gets everything, and then the end.
	seen := 0
	for index := uint64(0); ; {
		commits, snap, lost, err := sub.Next(context.Background(), index)
		if err == ErrClosed {
			break
		}
		if err != nil || lost {
			t.Fatal(err, lost)
		}
		seen += len(commits)
		index = snap.Index
	}
	if seen != int(acked.Load()) {
		t.Errorf("the subscriber got %d commits of %d", seen, acked.Load())
	}
	_, late := s.Subscribe()
	if _, _, _, err := late.Next(context.Background(), 1<<62); err != ErrClosed {
		t.Errorf("a subscriber of a closed store: %v", err)
	}
}
