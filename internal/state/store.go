package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-memdb"
)

// Log makes commits durable. Write returns when all of them are; it is never
// called twice at once. Load gives the rows that were written, as table name,
// key and encoded value, and the index of the last commit.
type Log interface {
	Write([]Commit) error
	Load(row func(table string, key, value []byte) error) (index uint64, err error)
	Close() error
}

// Config tells the store what it must not find out by itself.
type Config struct {
	Log             Log              // nil: nothing is kept
	Now             func() time.Time // the clock
	Rand            io.Reader        // ids and secrets
	DetectMutations bool             // remember every row's text; see Mutations
}

// Store holds the state. One transaction is made at a time; any number of
// snapshots are read meanwhile.
type Store struct {
	cfg Config
	db  *memdb.MemDB

	write sync.Mutex // serialises transactions
	last  uint64     // index of the last transaction, published or not
	names domains    // after it
	since []uint64   // the transaction that changed each of tables last
	tail  *outcome   // of that transaction; nil when it was loaded
	ended bool       // Close was called

	published atomic.Pointer[Snapshot]
	queue     chan pending
	done      chan struct{}
	failed    atomic.Pointer[error]

	watch   sync.Mutex
	readers map[*Subscription]struct{}
	seen    map[Resource]string // with DetectMutations
}

type pending struct {
	commit  Commit
	snap    *Snapshot
	outcome *outcome
}

// outcome of a commit: err may be read when done is closed.
type outcome struct {
	done chan struct{}
	err  error
}

// errRow is a row that cannot be what was put.
var errRow = errors.New("a row cannot be read")

// ErrClosed is returned for a transaction on a closed store.
var ErrClosed = errors.New("the store is closed")

// Open makes a store and fills it from its log.
func Open(cfg Config) (*Store, error) {
	schema := &memdb.DBSchema{Tables: map[string]*memdb.TableSchema{}}
	byName := map[string]table{}
	for _, t := range tables {
		schema.Tables[t.Name()] = t.schema()
		byName[t.Name()] = t
	}
	db, err := memdb.NewMemDB(schema)
	if err != nil {
		return nil, fmt.Errorf("making the tables: %w", err)
	}
	s := &Store{
		cfg: cfg, db: db,
		queue:   make(chan pending, 1024),
		done:    make(chan struct{}),
		readers: map[*Subscription]struct{}{},
		seen:    map[Resource]string{},
		names:   newDomains(),
		since:   make([]uint64, len(tables)),
	}
	if cfg.Log != nil {
		txn := db.Txn(true)
		s.last, err = cfg.Log.Load(func(name string, key, value []byte) error {
			t, ok := byName[name]
			if !ok {
				return fmt.Errorf("the journal has a table %q that this version does not know; use the newer localvpc that wrote it, or choose another --data", name)
			}
			row, err := t.decode(value)
			if err != nil {
				return fmt.Errorf("%w: %w", errRow, err)
			}
			if k := row.meta().Key; !bytes.Equal(k.bytes(), key) {
				return fmt.Errorf("%w: %s %s is kept under the key %q", errRow, name, k, key)
			}
			return txn.Insert(name, row)
		})
		if err != nil {
			txn.Abort()
			return nil, fmt.Errorf("loading the journal: %w", err)
		}
		txn.Commit()
	}
	loaded := &Snapshot{Index: s.last, txn: db.Txn(false)}
	s.names = s.names.of(loaded)
	for i := range s.since {
		s.since[i] = s.last
	}
	loaded.names, loaded.since = s.names, s.since
	s.published.Store(loaded)
	go s.publish()
	return s, nil
}

// Snapshot gives the last published state.
func (s *Store) Snapshot() *Snapshot { return s.published.Load() }

// Write runs fn in a transaction. When fn returns an error nothing is changed
// and Write returns that error. Otherwise Write returns when the commit is
// durable and published, with its index. A transaction that changes nothing has
// the index of the last one and waits for it too: what it has read there may be
// what its caller is told.
func (s *Store) Write(ctx context.Context, fn func(*Tx) error) (uint64, error) {
	o, index, err := s.apply(fn)
	if err != nil || o == nil {
		return index, err
	}
	select {
	case <-o.done:
		return index, o.err
	case <-ctx.Done():
		// The commit is on its way and cannot be taken back.
		return index, fmt.Errorf("waiting for the journal: %w", ctx.Err())
	}
}

func (s *Store) apply(fn func(*Tx) error) (*outcome, uint64, error) {
	s.write.Lock()
	defer s.write.Unlock()
	if s.ended {
		return nil, 0, ErrClosed
	}
	if err := s.failed.Load(); err != nil {
		return nil, 0, *err
	}
	txn := s.db.Txn(true)
	txn.TrackChanges()
	defer txn.Abort() // does nothing after Commit
	tx := &Tx{txn: txn, names: s.names, now: s.cfg.Now().UTC().Truncate(time.Millisecond), rand: s.cfg.Rand}
	if err := fn(tx); err != nil {
		return nil, 0, err
	}
	changes := changesOf(txn)
	if len(changes) == 0 {
		return s.tail, s.last, nil
	}
	txn.Commit()
	s.names = s.names.with(changes)
	s.last++
	s.since = sinceOf(s.since, changes, s.last)
	if s.cfg.DetectMutations {
		s.remember(changes)
	}
	s.tail = &outcome{done: make(chan struct{})}
	s.queue <- pending{
		commit:  Commit{Index: s.last, Time: tx.now, Changes: changes},
		snap:    &Snapshot{Index: s.last, txn: s.db.Txn(false), names: s.names, since: s.since},
		outcome: s.tail,
	}
	return s.tail, s.last, nil
}

// publish makes waiting commits durable together (group commit), then visible.
func (s *Store) publish() {
	defer close(s.done)
	for p := range s.queue {
		batch := []pending{p}
	more:
		for len(batch) < cap(s.queue) {
			select {
			case p, ok := <-s.queue:
				if !ok {
					break more
				}
				batch = append(batch, p)
			default:
				break more
			}
		}
		commits := make([]Commit, len(batch))
		for i, p := range batch {
			commits[i] = p.commit
		}
		var err error
		if failed := s.failed.Load(); failed != nil {
			err = *failed
		} else if s.cfg.Log != nil {
			err = s.cfg.Log.Write(commits)
		}
		if err != nil {
			// What was not written cannot be undone in the tables that later
			// transactions have read: the store stops taking writes.
			err = fmt.Errorf("writing the journal (free disk space and restart localvpc): %w", err)
			s.failed.CompareAndSwap(nil, &err)
		} else {
			snap := batch[len(batch)-1].snap
			s.published.Store(snap)
			s.deliver(commits, snap)
		}
		for _, p := range batch {
			p.outcome.err = err
			close(p.outcome.done)
		}
	}
}

// Close makes what is under way durable and ends the store.
func (s *Store) Close() error {
	s.write.Lock()
	if s.ended {
		s.write.Unlock()
		return nil
	}
	s.ended = true
	close(s.queue)
	s.write.Unlock()
	<-s.done
	s.watch.Lock()
	for sub := range s.readers {
		sub.close()
	}
	s.watch.Unlock()
	if s.cfg.Log != nil {
		return s.cfg.Log.Close()
	}
	return nil
}
