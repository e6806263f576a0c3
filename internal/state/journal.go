package state

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Bolt is the Log kept in one bbolt file: a bucket per table with the value
// after the last change of each row, and the index of the last commit. A batch
// of commits is one bbolt transaction, so that a crash keeps all or none of it.
type Bolt struct{ db *bolt.DB }

var (
	metaBucket = []byte("\x00meta")
	indexKey   = []byte("index")
)

// OpenBolt opens or makes the file; another running localvpc holds its lock.
func OpenBolt(path string) (*Bolt, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: 2 * time.Second, NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
	if errors.Is(err, bolt.ErrTimeout) {
		return nil, fmt.Errorf("opening %s: another localvpc uses this data directory; stop it with 'localvpc down' or choose another --data", path)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the journal %s: %w", path, err)
	}
	return &Bolt{db}, nil
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
func (b *Bolt) Load(row func(table string, value []byte) error) (index uint64, err error) {
	err = b.db.View(func(tx *bolt.Tx) error {
		if meta := tx.Bucket(metaBucket); meta != nil {
			if v := meta.Get(indexKey); len(v) == 8 {
				index = binary.BigEndian.Uint64(v)
			}
		}
		return tx.ForEach(func(name []byte, bucket *bolt.Bucket) error {
			if string(name) == string(metaBucket) {
				return nil
			}
			return bucket.ForEach(func(_, value []byte) error { return row(string(name), value) })
		})
	})
	return index, err
}

// Close implements Log.
func (b *Bolt) Close() error { return b.db.Close() }

// Remove deletes the file of a closed journal.
func Remove(path string) error { return os.Remove(path) }
