package state

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Bolt is the Log kept in one bbolt file: a bucket per table with the value
// after the last change of each row, and the index of the last commit. A batch
// of commits is one bbolt transaction, so that a crash keeps all or none of it.
type Bolt struct{ db *bolt.DB }

var (
	metaBucket = []byte("\x00meta")
	indexKey   = []byte("index")
)

// DamagedError says that a journal does not hold what was written to it.
type DamagedError struct {
	Path string
	Err  error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the journal %s is damaged (%v): put a copy of it in its place, or choose another --data", e.Path, e.Err)
}
func (e *DamagedError) Unwrap() error { return e.Err }

// lockTime is how long OpenBolt waits for an engine that is just ending.
const lockTime = 2 * time.Second

// OpenBolt opens or makes the file; another running localvpc holds its lock. The
// list of free pages is kept in the file: finding them by a walk, in a goroutine
// of bbolt's own, would end the process over a damaged page.
func OpenBolt(path string) (b *Bolt, err error) {
	defer guard(path, &err)()
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockTime, FreelistType: bolt.FreelistMapType})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("opening %s: another localvpc uses this data directory; stop it with 'localvpc down' or choose another --data", path)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return nil, &DamagedError{path, err}
	case err != nil:
		return nil, fmt.Errorf("opening the journal %s: %w", path, err)
	}
	return &Bolt{db}, nil
}

// guard makes what a damaged file does to its reader an error: bbolt panics over
// a page that makes no sense, and the processor over one that is not there.
func guard(path string, err *error) func() {
	faults := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(faults)
		if v := recover(); v != nil {
			*err = &DamagedError{path, fmt.Errorf("%v", v)}
		}
	}
}

// Write implements Log.
func (b *Bolt) Write(commits []Commit) error {
	if len(commits) == 0 {
		return nil
	}
	return b.db.Update(func(tx *bolt.Tx) error {
		for _, c := range commits {
			for _, ch := range c.Changes {
				bucket, err := tx.CreateBucketIfNotExists([]byte(ch.Table))
				if err != nil {
					return err
				}
				key := ch.Key.bytes()
				if ch.After == nil {
					if err := bucket.Delete(key); err != nil {
						return err
					}
					continue
				}
				value, err := json.Marshal(ch.After)
				if err != nil {
					return fmt.Errorf("encoding %s %s: %w", ch.Table, ch.Key, err)
				}
				if err := bucket.Put(key, value); err != nil {
					return err
				}
			}
		}
		meta, err := tx.CreateBucketIfNotExists(metaBucket)
		if err != nil {
			return err
		}
		return meta.Put(indexKey, binary.BigEndian.AppendUint64(nil, commits[len(commits)-1].Index))
	})
}

// Load implements Log.
func (b *Bolt) Load(row func(table string, key, value []byte) error) (index uint64, err error) {
	defer guard(b.db.Path(), &err)()
	err = b.db.View(func(tx *bolt.Tx) error {
		if meta := tx.Bucket(metaBucket); meta != nil {
			v := meta.Get(indexKey)
			if len(v) != 8 {
				return &DamagedError{b.db.Path(), errors.New("it lacks the index of its last commit")}
			}
			index = binary.BigEndian.Uint64(v)
		}
		return tx.ForEach(func(name []byte, bucket *bolt.Bucket) error {
			if string(name) == string(metaBucket) {
				return nil
			}
			return bucket.ForEach(func(key, value []byte) error {
				err := row(string(name), key, value)
				if errors.Is(err, errRow) {
					return &DamagedError{b.db.Path(), err}
				}
				return err
			})
		})
	})
	return index, err
}

// Close implements Log.
func (b *Bolt) Close() error { return b.db.Close() }

// Remove deletes the file of a closed journal.
func Remove(path string) error { return os.Remove(path) }
